"""log p(X|θ) over a plane of parameter space: a field, its contours, and the path of θ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QColor, QMouseEvent
from PySide6.QtWidgets import QWidget

from backends.base import Array
from explorer.planes.contours import contour
from explorer.plots.canvas import CursorItem, FieldItem
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.studies.theta import Field
from explorer.style.theme import theme
from explorer.view import Picture, View

LEVELS = 8  # contours, closer together towards the top
LOWEST = 0.1  # share of the field that lies below the darkest colour
PATH = ("#14171c", 3.5), ("#ffffff", 1.5)  # a line that is seen on every colour of the field


class ThetaPlane(PlaneCanvas):
    """Follows what it is given until the user zooms or pans; a double click follows again.

    Its axes have scales of their own: θ's coordinates have no common unit. zoomed: the rectangle wanted, as
    an extent, or None for the standard one. read: log p(X|θ) under the mouse, also of a new field; None
    outside.
    """

    zoomed = Signal(object)
    read = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("log p(X|θ) over a plane of θ", parent)
        self.box.setAspectLocked(False)
        self.shown: Field | None = None
        self._follow = True
        self._mouse: tuple[float, float] | None = None
        self.image = FieldItem()
        self._contours = pg.PlotCurveItem(connect="pairs", antialias=True)
        self._path = [pg.PlotCurveItem(antialias=True) for _ in PATH]
        self._moments = pg.ScatterPlotItem(size=5, antialias=True, pen=pg.mkPen(PATH[0][0], width=1))
        self.here = CursorItem()
        self.here.set_held(True)
        for item in (self.image, self._contours, *self._path, self._moments, self.here):
            self.addItem(item, ignoreBounds=True)
        for line, (colour, width) in zip(self._path, PATH, strict=True):
            line.setPen(pg.mkPen(colour, width=width))
        self._moments.setBrush(QColor(PATH[1][0]))
        self.box.sigRangeChangedManually.connect(self._let_go)
        self.viewed.connect(self._viewed)
        self.moved.connect(self._moved)
        theme().changed.connect(self._recolour)
        self._recolour()

    @property
    def follows(self) -> bool:
        """Whether it shows the standard rectangle."""
        return self._follow

    def follow(self) -> None:
        """The standard rectangle again."""
        self._follow = True
        self.zoomed.emit(None)

    def show_field(self, field: Field | None) -> None:
        """Draw a field; None for nothing."""
        self.shown = field
        for item in (self.image, self._contours, *self._path, self._moments, self.here):
            item.setVisible(field is not None)
        self._read()
        if field is None:
            return
        self.setLabel("bottom", field.labels[0])
        self.setLabel("left", field.labels[1])
        u0, u1, v0, v1 = field.extent
        if self._follow:
            self.box.setRange(xRange=(u0, u1), yRange=(v0, v1), padding=0)
        side = len(field.values)
        view = View(u0, u1, v0, v1, side, side)
        self.image.set_picture(Picture(colours(field.values, theme().table), view, field.step))
        lines = [contour(field.values, level) for level in levels(field.values)]
        ends = np.concatenate([line.reshape(-1, 2) for line in lines] or [np.zeros((0, 2))])
        scale = np.array([u1 - u0, v1 - v0]) / side
        ends = (ends + 0.5) * scale + [u0, v0]
        self._contours.setData(ends[:, 0], ends[:, 1])
        for line in self._path:
            line.setData(field.path[:, 0], field.path[:, 1])
        self._moments.setData(field.path[:, 0], field.path[:, 1])
        self.here.setPos(*field.here)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        super().mouseDoubleClickEvent(event)
        self.follow()

    def _let_go(self, _: object) -> None:
        self._follow = False

    def _viewed(self) -> None:
        if not self._follow:
            view = self.view()
            self.zoomed.emit((view.x0, view.x1, view.y0, view.y1))

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._mouse = None
        self._read()

    def _moved(self, move: tuple[tuple[float, float], int]) -> None:
        self._mouse = move[0]
        self._read()

    def _read(self) -> None:
        value, field = None, self.shown
        if field is not None and self._mouse is not None:
            u, v = self._mouse
            u0, u1, v0, v1 = field.extent
            side = len(field.values)
            column, row = int((u - u0) / (u1 - u0) * side // 1), int((v - v0) / (v1 - v0) * side // 1)
            if 0 <= row < side and 0 <= column < side:
                value = float(field.values[row, column])
        self.read.emit(value)

    def _recolour(self, *_: Any) -> None:
        tokens = theme().tokens
        self._contours.setPen(pg.mkPen(QColor(255, 255, 255, 90), width=1))
        self.here.set_colours(QColor(tokens.danger), QColor("#ffffff"))
        self.show_field(self.shown)


def levels(values: Array) -> list[float]:
    """Where contours lie: from near the largest value downwards, each further from the one before."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return []
    high, low = float(finite.max()), float(np.quantile(finite, LOWEST))
    return [high - (high - low) * (j / LEVELS) ** 2 for j in range(1, LEVELS + 1)] if high > low else []


def colours(values: Array, table: Array) -> Array:
    """A field (s, s), the lowest row first, → (s, s, 4) uint8 premultiplied blue-green-red-alpha, the highest
    row first: the brightest colour is the largest value; −∞ is nothing."""
    finite = np.isfinite(values)
    out = np.zeros((*values.shape, 4), np.uint8)
    if finite.any():
        high, low = float(values[finite].max()), float(np.quantile(values[finite], LOWEST))
        level = np.clip((np.where(finite, values, low) - low) / max(high - low, 1e-300), 0, 1)
        out[..., :3] = table[(level * 255).astype(np.uint8), ::-1]
        out[..., 3] = 255
        out[~finite] = 0
    return np.ascontiguousarray(out[::-1])

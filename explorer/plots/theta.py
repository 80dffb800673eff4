"""A plane of two parameters: a density on it, points, and marks."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QMouseEvent
from PySide6.QtWidgets import QWidget

from backends.base import Array
from explorer.plots.canvas import ContourItem, FieldItem, PointsItem
from explorer.plots.densities import TOP
from explorer.plots.marks import MarksItem
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.style.theme import theme
from explorer.view import Picture

LEFT_AXIS, TICK_ROOM = 48, 36  # logical pixels: narrow, for several stand side by side


class ThetaCanvas(PlaneCanvas):
    """It follows what it is told to show (:meth:`frame`) until the user pans or zooms, and again after a
    double click. ink: the colour, among the tokens, of the points."""

    def __init__(self, name: str, parent: QWidget | None = None, ink: str = "text") -> None:
        super().__init__(name, parent)
        self.box.setAspectLocked(False)
        self.getPlotItem().setContentsMargins(0, TOP, 0, 0)
        self.getAxis("left").setWidth(LEFT_AXIS)
        for side in ("left", "bottom"):
            self.getAxis(side).room = TICK_ROOM
        self._frame = (0.0, 1.0, 0.0, 1.0)
        self._follow = True
        self._ink = ink
        self.field, self.contours = FieldItem(), ContourItem()
        self.faint, self.points, self.marks = PointsItem(3.0), PointsItem(4.0), MarksItem()
        self.marks.setZValue(10)
        for item in (self.field, self.contours, self.faint, self.points, self.marks):
            self.addItem(item, ignoreBounds=True)
        self.box.sigRangeChangedManually.connect(self._let_go)
        theme().changed.connect(self._recolour)
        self._recolour()

    def frame(self, x: tuple[float, float], y: tuple[float, float], anew: bool = False) -> None:
        """Show this rectangle; anew: even where the user looks at another."""
        self._frame = (*x, *y)
        self._follow = self._follow or anew
        if self._follow:
            self.box.setRange(xRange=x, yRange=y, padding=0.03)

    def set_density(self, picture: Picture | None, contours: Array) -> None:
        """A density, and its contours: pieces of lines (m, 2, 2)."""
        self.field.set_picture(picture)
        self.contours.set_segments(contours)

    def set_points(self, points: Array, faint: Array | None = None) -> None:
        """Points (n, 2), and others behind them."""
        self.points.set_points(points, None)
        self.faint.set_points(np.zeros((0, 2)) if faint is None else faint, None)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.frame(self._frame[:2], self._frame[2:], anew=True)

    def _let_go(self, _: object) -> None:
        self._follow = False

    def _recolour(self) -> None:
        tokens = theme().tokens
        for item, name, opacity in (
            (self.points, getattr(tokens, self._ink), 0.9),
            (self.faint, tokens.muted, 0.35),
        ):
            colour = QColor(name)
            colour.setAlphaF(opacity)
            item.set_colours([colour])
        line = QColor(tokens.text)
        line.setAlphaF(0.6)
        self.contours.set_colour(line)

"""One of the two planes of a flow, with all that is drawn on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from backends.base import Array
from explorer.plots.canvas import ContourItem, FieldItem, PointsItem
from explorer.plots.flow_items import ArrowsItem, GridItem, WayItem
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.state import FlowSpec
from explorer.style.theme import theme

NOTHING = np.zeros((0, 2))
NO_GRID = np.zeros((0, 0, 2))


class FlowPlane(QWidget):
    """Field, contours, grid, data, samples, arrows and the way of a point, below a title and what is ``told``
    beside it. titles: the widest that there may be, for which there is room."""

    def __init__(
        self, name: str, title: str, told: QWidget, titles: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.canvas = PlaneCanvas(name, self)
        self.canvas.getAxis("bottom").room = 64  # there are two planes in the place of one
        self.field, self.contours, self.grid = FieldItem(), ContourItem(), GridItem()
        self.points, self.samples = PointsItem(3.2), PointsItem(2.8)
        self.arrows, self.way = ArrowsItem(), WayItem()
        self.points.setZValue(10)
        self.samples.setZValue(5)
        for item in (self.field, self.contours, self.grid, self.points, self.samples, self.arrows, self.way):
            self.canvas.addItem(item, ignoreBounds=True)
        self.title = QLabel(title, self)
        self.title.setProperty("role", "muted")
        self.title.setMinimumWidth(self.title.fontMetrics().horizontalAdvance(titles))
        head = QHBoxLayout()
        head.setSpacing(16)
        head.addWidget(self.title)
        head.addWidget(told, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(self.canvas, 1)
        theme().changed.connect(self._retint)
        self._retint()

    def clear(self) -> None:
        """Draw nothing."""
        self.field.set_picture(None)
        self.contours.set_lines([])
        self.grid.set_corners(NO_GRID)
        self.points.set_points(NOTHING, None)
        self.samples.set_points(NOTHING, None)
        self.arrows.set_arrows(NOTHING, NOTHING)
        self.way.hide()

    def show_corners(self, corners: Array) -> None:
        """Look at the rectangle with these corners (2, 2)."""
        (x0, y0), (x1, y1) = corners
        self.canvas.box.setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0)

    def show_layers(self, spec: FlowSpec) -> None:
        """Show what is asked for, and nothing else."""
        for item, shown in (
            (self.field, spec.field != "nothing"), (self.contours, spec.contours), (self.grid, spec.grid),
            (self.points, spec.data), (self.samples, spec.samples), (self.arrows, spec.arrows),
        ):  # fmt: skip
            item.setVisible(shown)

    def corners(self) -> Array:
        """Of the rectangle in view, (2, 2)."""
        v = self.canvas.view()
        return np.array([[v.x0, v.y0], [v.x1, v.y1]])

    def pixels(self) -> float:
        """Logical pixels a unit of the canvas."""
        v = self.canvas.view()
        return v.width / v.scale / max(v.x1 - v.x0, 1e-12)

    def _retint(self, *_: Any) -> None:
        tokens = theme().tokens
        colours = [QColor(c) for c in tokens.labels]
        for colour in colours:
            colour.setAlphaF(0.7)
        self.points.set_colours(colours)
        self.samples.set_colours([_faint(tokens.text, 0.6)])
        self.contours.set_colour(_faint(tokens.text, 0.4))
        self.grid.set_line(_faint(tokens.text, 0.35))
        self.arrows.set_colour(_faint(tokens.text, 0.75))
        self.way.set_colours(QColor(tokens.danger), QColor(tokens.surface))


def _faint(name: str, opacity: float) -> QColor:
    colour = QColor(name)
    colour.setAlphaF(opacity)
    return colour

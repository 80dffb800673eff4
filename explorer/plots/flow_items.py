"""Graphics items of a flow: the grid that it bends, a point's path, the ellipse of its stretch, arrows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from backends.base import Array
from explorer.plots.placed import PlacedItem, extent_of

_HEAD = 5.0  # logical pixels: length of an arrow's head
_FULL, _SHADES = 12.0, 5  # pixels a side of cells whose lines are full; shades below


class GridItem(pg.GraphicsObject):
    """A grid of cells, each washed in its own colour and outlined."""

    def __init__(self) -> None:
        super().__init__()
        self.setCacheMode(self.CacheMode.DeviceCoordinateCache)
        self.setZValue(-40)
        self._corners: Array = np.zeros((0, 0, 2))
        self._colours: list[QColor] = []
        self._cells: list[QPolygonF] = []
        self._lines = QColor("grey")
        self._bounds = QRectF()

    def set_line(self, colour: QColor) -> None:
        """The colour of the outlines."""
        self._lines = colour
        self.update()

    def set_colours(self, rgba: Array) -> None:
        """(G, G, 4) uint8, of the cells."""
        self._colours = [QColor(*map(int, cell)) for cell in rgba.reshape(-1, 4)]
        self.update()

    def set_corners(self, corners: Array) -> None:
        """(G + 1, G + 1, 2) in canvas coordinates; (0, 0, 2) for nothing."""
        self.prepareGeometryChange()
        c = self._corners = np.asarray(corners, np.float64)
        self._cells, self._bounds = [], QRectF()
        finite = np.isfinite(c).all()
        if c.size and finite:
            quads = np.stack([c[:-1, :-1], c[:-1, 1:], c[1:, 1:], c[1:, :-1]], axis=2).reshape(-1, 4, 2)
            self._cells = [QPolygonF([QPointF(*p) for p in quad]) for quad in quads]
            (x0, y0), (x1, y1) = c.reshape(-1, 2).min(0), c.reshape(-1, 2).max(0)
            self._bounds = QRectF(x0, y0, max(x1 - x0, 1e-9), max(y1 - y0, 1e-9))
        self.update()

    @property
    def corners(self) -> Array:
        """As they were given."""
        return self._corners

    def boundingRect(self) -> QRectF:
        return self._bounds

    def paint(self, painter: QPainter, *args: Any) -> None:
        if len(self._colours) != len(self._cells):
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pens = self._pens()
        sizes = self._sizes(painter.worldTransform().determinant())
        for cell, colour, size in zip(self._cells, self._colours, sizes, strict=True):
            painter.setPen(pens[size])
            painter.setBrush(colour)
            painter.drawPolygon(cell)

    def _pens(self) -> list[QPen]:
        """Fainter where cells are small: many lines close together would hide the density."""
        out = []
        for i in range(1, _SHADES + 1):
            colour = QColor(self._lines)
            colour.setAlphaF(self._lines.alphaF() * i / _SHADES)
            pen = QPen(colour, 0.6)
            pen.setCosmetic(True)
            out.append(pen)
        return out

    def _sizes(self, scale: float) -> Array:
        """Which pen each cell has, by the root of its area in pixels; scale: their number a unit of area."""
        c = self._corners
        one, other = c[1:, 1:] - c[:-1, :-1], c[1:, :-1] - c[:-1, 1:]
        area = np.abs(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]).ravel() / 2
        shade = np.sqrt(area * abs(scale)) / _FULL * _SHADES
        return np.clip(shade.astype(int), 0, _SHADES - 1)


class WayItem(PlacedItem):
    """The way of a point: a line, dots at its stations where they are few, and the ellipse of its stretch."""

    FEW = 16

    def __init__(self) -> None:
        super().__init__()
        self.setZValue(60)
        self._colour, self._halo = QColor("red"), QColor("white")
        self._way: Array = np.zeros((0, 2))
        self._at: Array | None = None
        self._ring: Array | None = None

    def set_colours(self, colour: QColor, halo: QColor) -> None:
        """Of the line, and of what sets it off."""
        self._colour, self._halo = colour, halo
        self.update()

    def set_way(self, way: Array, at: Array | None, ring: Array | None) -> None:
        """way (T, 2); at (2,): where the point is now; ring (2, 2): what the unit circle about it is mapped
        to, as a matrix in logical pixels, y upwards."""
        self._way, self._at, self._ring = way, at, ring
        points = way if at is None else np.concatenate([way, at[None]])
        room = 10 + (0 if ring is None else min(float(np.abs(ring).sum()), 2000))
        self.place(extent_of(points[np.isfinite(points).all(1)]), (room, room))

    @property
    def at(self) -> Array | None:
        """Where the point is drawn, (2,)."""
        return self._at

    def paint(self, painter: QPainter, *args: Any) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        to_pixels = painter.worldTransform()
        painter.resetTransform()
        way = to_pixels.map(pg.functions.arrayToQPolygonF(self._way[:, 0], self._way[:, 1]))
        for colour, width in ((self._halo, 4.0), (self._colour, 1.8)):
            painter.setPen(QPen(colour, width))
            painter.drawPolyline(way)
        if len(self._way) <= self.FEW:
            painter.setBrush(self._colour)
            painter.setPen(QPen(self._halo, 1))
            for i in range(way.count()):
                painter.drawEllipse(way.at(i), 2.5, 2.5)
        if self._at is None:
            painter.setWorldTransform(to_pixels)
            return
        centre = to_pixels.map(QPointF(*self._at))
        if self._ring is not None:
            angle = np.linspace(0, 2 * np.pi, 73)
            ring = (self._ring @ np.stack([np.cos(angle), np.sin(angle)])).T * (1, -1)
            ring = ring + np.array([centre.x(), centre.y()])
            outline = pg.functions.arrayToQPolygonF(ring[:, 0], ring[:, 1])
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for colour, width in ((self._halo, 3.5), (self._colour, 1.5)):
                painter.setPen(QPen(colour, width))
                painter.drawPolyline(outline)
        painter.setPen(QPen(self._halo, 1.5))
        painter.setBrush(self._colour)
        painter.drawEllipse(centre, 4.5, 4.5)
        painter.setWorldTransform(to_pixels)


class ArrowsItem(pg.GraphicsObject):
    """A field of arrows from points (n, 2) along vectors (n, 2), in canvas coordinates."""

    def __init__(self) -> None:
        super().__init__()
        self.setCacheMode(self.CacheMode.DeviceCoordinateCache)
        self.setZValue(30)
        self._colour = QColor("grey")
        self._from: Array = np.zeros((0, 2))
        self._to: Array = np.zeros((0, 2))

    def set_colour(self, colour: QColor) -> None:
        """Of all arrows."""
        self._colour = colour
        self.update()

    def set_arrows(self, points: Array, vectors: Array) -> None:
        """Draw others."""
        self.prepareGeometryChange()
        self._from, self._to = points, points + vectors
        self.update()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._from)

    def boundingRect(self) -> QRectF:
        if not len(self._from):
            return QRectF()
        both = np.concatenate([self._from, self._to])
        (x0, y0), (x1, y1) = both.min(0), both.max(0)
        return QRectF(x0, y0, max(x1 - x0, 1e-9), max(y1 - y0, 1e-9))

    def paint(self, painter: QPainter, *args: Any) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        to_pixels = painter.worldTransform()
        painter.resetTransform()
        painter.setPen(QPen(self._colour, 1.1))
        for begin, end in zip(self._from, self._to, strict=True):
            a, b = to_pixels.map(QPointF(*begin)), to_pixels.map(QPointF(*end))
            painter.drawLine(a, b)
            along = np.array([b.x() - a.x(), b.y() - a.y()])
            length = float(np.hypot(*along))
            if length < 2:
                continue
            head = min(_HEAD, 0.5 * length) * along / length
            side = 0.6 * np.array([-head[1], head[0]])
            for s in (1, -1):
                tip = QPointF(*(np.array([b.x(), b.y()]) - head + s * side))
                painter.drawLine(b, tip)
        painter.setWorldTransform(to_pixels)

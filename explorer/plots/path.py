"""A path on a canvas: a line with a rim that sets it off, and a dot for each frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF, QTransform

from backends.base import Array
from explorer.theme import theme

_REACH = 8.0  # logical pixels that are drawn beside the line


class PathItem(pg.GraphicsObject):
    """Widths and dots are of a fixed size on screen."""

    def __init__(self) -> None:
        super().__init__()
        self.setZValue(80)
        self.line, self.frames = np.zeros((0, 2)), np.zeros((0, 2))
        self._extent = QRectF()
        theme().changed.connect(self._retint)

    def set_path(self, line: Array, frames: Array) -> None:
        """The line (n, 2) and the frames (m, 2), in canvas coordinates."""
        self.prepareGeometryChange()
        self.line, self.frames = np.asarray(line, float), np.asarray(frames, float)
        both = np.concatenate([self.line, self.frames])
        (x0, y0), (x1, y1) = (both.min(axis=0), both.max(axis=0)) if len(both) else ((0, 0), (0, 0))
        self._extent = QRectF(x0, y0, x1 - x0, y1 - y0)  # it is asked for at each paint
        self.update()

    def _retint(self, *_: Any) -> None:
        self.update()

    def viewTransformChanged(self) -> None:
        self.prepareGeometryChange()

    def boundingRect(self) -> QRectF:
        if not len(self.line) and not len(self.frames):
            return QRectF()
        x, y = self.pixelLength(pg.Point(1, 0)) or 0.0, self.pixelLength(pg.Point(0, 1)) or 0.0
        return self._extent.adjusted(-x * _REACH, -y * _REACH, x * _REACH, y * _REACH)

    def paint(self, painter: QPainter, *args: Any) -> None:
        tokens = theme().tokens
        to_pixels = painter.worldTransform()
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pixels = self._pixels(self.line, to_pixels)
        # Lines of their own: joined, they take Qt ten times as long, and a hand draws them anew each move.
        lines = [QLineF(*ends) for ends in np.hstack([pixels[:-1], pixels[1:]]).tolist()]
        for colour, width in ((tokens.surface, 5.5), (tokens.accent, 2.2)):
            pen = QPen(QColor(colour), width)
            pen.setCapStyle(Qt.PenCapStyle.SquareCap)
            painter.setPen(pen)
            painter.drawLines(lines)
        painter.setPen(QPen(QColor(tokens.accent), 1.2))
        painter.setBrush(QColor(tokens.surface))
        for x, y in self._pixels(self.frames, to_pixels):
            painter.drawEllipse(QPointF(x, y), 2.6, 2.6)
        self._head(painter, pixels)
        painter.setWorldTransform(to_pixels)

    @staticmethod
    def _pixels(places: Array, to_pixels: QTransform) -> Array:
        """Canvas coordinates (n, 2) in pixels."""
        turn = np.array([[to_pixels.m11(), to_pixels.m12()], [to_pixels.m21(), to_pixels.m22()]])
        return places @ turn + (to_pixels.dx(), to_pixels.dy())

    def _head(self, painter: QPainter, pixels: Array) -> None:
        """An arrow's head where it ends, so that one sees which way it goes."""
        far = pixels[np.abs(pixels - pixels[-1:]).sum(1) > 6]
        if not len(far):
            return
        way = pixels[-1] - far[-1]
        way = way / np.linalg.norm(way)
        side = np.array([-way[1], way[0]])
        tip = pixels[-1] + 3 * way
        corners = [tip, tip - 9 * way + 4.5 * side, tip - 9 * way - 4.5 * side]
        painter.setPen(QPen(QColor(theme().tokens.surface), 1))
        painter.setBrush(QColor(theme().tokens.accent))
        painter.drawPolygon(QPolygonF([QPointF(*c) for c in corners]))

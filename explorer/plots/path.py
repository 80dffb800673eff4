"""A path on a canvas: a line with a rim that sets it off, and a dot for each frame."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF, QTransform
from PySide6.QtWidgets import QStyleOptionGraphicsItem

from backends.base import Array
from explorer.plots.placed import PlacedItem, extent_of
from explorer.style.theme import theme

_REACH = 12.0  # logical pixels that are drawn beside the line


class PathItem(PlacedItem):
    """Widths and dots are of a fixed size on screen. What the hand adds to the line is painted alone, not all
    that lies behind the line as well."""

    def __init__(self) -> None:
        super().__init__()
        self.setFlag(self.GraphicsItemFlag.ItemUsesExtendedStyleOption)  # for ``exposedRect``
        self.setZValue(80)
        self.line, self.frames = np.zeros((0, 2)), np.zeros((0, 2))
        theme().changed.connect(self._retint)

    def set_path(self, line: Array, frames: Array) -> None:
        """The line (n, 2) and the frames (m, 2), in canvas coordinates."""
        before, dots = self.line, self.frames
        self.line, self.frames = np.asarray(line, float), np.asarray(frames, float)
        rest = max(_alike(before, self.line) - 1, 0)  # the line's last common point has the arrow's head
        touched = [before[rest:], self.line[rest:]]
        if not np.array_equal(dots, self.frames):
            touched += [dots, self.frames]
        elif np.array_equal(before, self.line):
            return
        extent = extent_of(np.concatenate(touched))
        if extent is not None:
            self.update(self.widened(extent, _REACH, _REACH))

    def _retint(self, *_: Any) -> None:
        self.update()

    def boundingRect(self) -> QRectF:
        return self.viewRect() or QRectF()  # the same for each line: another would be a reason to paint all

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, *args: Any) -> None:
        if not len(self.line) and not len(self.frames):
            return
        tokens = theme().tokens
        near = self.widened(option.exposedRect, _REACH, _REACH)
        to_pixels = painter.worldTransform()
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        # Lines of their own: joined, they take Qt ten times as long, and a hand draws them anew each move.
        one, other = self.line[:-1], self.line[1:]
        seen = _within(near, np.minimum(one, other), np.maximum(one, other))
        ends = np.concatenate([one[seen], other[seen]], axis=1).reshape(-1, 2)
        lines = [QLineF(*four) for four in self._pixels(ends, to_pixels).reshape(-1, 4).tolist()]
        for colour, width in ((tokens.surface, 5.5), (tokens.accent, 2.2)):
            pen = QPen(QColor(colour), width)
            pen.setCapStyle(Qt.PenCapStyle.SquareCap)
            painter.setPen(pen)
            painter.drawLines(lines)
        if len(self.frames):
            painter.setPen(QPen(QColor(tokens.accent), 1.2))
            painter.setBrush(QColor(tokens.surface))
            dots = self.frames[_within(near, self.frames, self.frames)]
            for at in self._pixels(dots, to_pixels).tolist():
                painter.drawEllipse(QPointF(*at), 2.6, 2.6)
        self._head(painter, to_pixels)
        painter.setWorldTransform(to_pixels)

    @staticmethod
    def _pixels(places: Array, to_pixels: QTransform) -> Array:
        """Canvas coordinates (…, 2) in pixels."""
        turn = np.array([[to_pixels.m11(), to_pixels.m12()], [to_pixels.m21(), to_pixels.m22()]])
        return places @ turn + (to_pixels.dx(), to_pixels.dy())

    def _head(self, painter: QPainter, to_pixels: QTransform) -> None:
        """An arrow's head where it ends, so that one sees which way it goes: from the last point that lies
        apart from the end."""
        tip = to_pixels.map(QPointF(*self.line[-1])) if len(self.line) else QPointF()
        for point in self.line[-2::-1]:
            way = tip - to_pixels.map(QPointF(*point))
            if way.manhattanLength() > 6:
                break
        else:
            return
        way = way / math.hypot(way.x(), way.y())
        side = QPointF(-way.y(), way.x())
        tip = tip + way * 3
        painter.setPen(QPen(QColor(theme().tokens.surface), 1))
        painter.setBrush(QColor(theme().tokens.accent))
        painter.drawPolygon(QPolygonF([tip, tip - way * 9 + side * 4.5, tip - way * 9 - side * 4.5]))


def _alike(one: Array, other: Array) -> int:
    """How many points two lines have in common at their beginning."""
    n = min(len(one), len(other))
    differs = (one[:n] != other[:n]).any(1)
    return int(differs.argmax()) if differs.any() else n


def _within(rect: QRectF, low: Array, high: Array) -> Array:
    """Which boxes, from low (n, 2) to high (n, 2), meet a rectangle, (n,) bool."""
    across = (high[:, 0] >= rect.left()) & (low[:, 0] <= rect.right())
    down: Array = (high[:, 1] >= rect.top()) & (low[:, 1] <= rect.bottom())
    return across & down

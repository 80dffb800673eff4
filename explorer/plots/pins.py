"""A pin on a canvas: a dot with its name beside it, of a fixed size on screen."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from explorer.style.theme import font, theme

RADIUS = 5.0  # logical pixels
_GAP, _PAD, _HEIGHT = 9.0, 5.0, 18.0


class PinItem(pg.GraphicsObject):
    """selected: in the accent colour. away: it lies off the plane, and is drawn hollow."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setFlag(self.GraphicsItemFlag.ItemIgnoresTransformations)
        self.setZValue(90)
        self.name, self.selected, self.away = name, False, False
        self._font = font(12)
        self._width = QFontMetricsF(self._font).horizontalAdvance(name) + 2 * _PAD
        theme().changed.connect(self._retint)

    def show_as(self, selected: bool, away: bool) -> None:
        """How it is drawn."""
        if (selected, away) != (self.selected, self.away):
            self.selected, self.away = selected, away
            self.update()

    def _retint(self, *_: Any) -> None:
        self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(
            -RADIUS - 3, -RADIUS - _HEIGHT, RADIUS + _GAP + self._width + 5, RADIUS * 2 + _HEIGHT + 4
        )

    def paint(self, painter: QPainter, *args: Any) -> None:
        tokens = theme().tokens
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour, ground = QColor(tokens.accent if self.selected else tokens.text), QColor(tokens.surface)
        chip = QRectF(_GAP - 2, -_HEIGHT + 3, self._width, _HEIGHT)
        plate = QColor(ground)
        plate.setAlphaF(0.88)
        painter.setPen(QPen(colour if self.selected else QColor(tokens.border_strong), 1))
        painter.setBrush(plate)
        painter.drawRoundedRect(chip, 4, 4)
        painter.setFont(self._font)
        painter.setPen(colour)
        painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, self.name)
        painter.setPen(QPen(ground, 5.0))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(QPointF(0, 0), RADIUS, RADIUS)
        painter.setPen(QPen(colour, 2.0))
        painter.setBrush(ground if self.away else colour)
        painter.drawEllipse(QPointF(0, 0), RADIUS - 1, RADIUS - 1)

"""What each layer of a flow adds to log|det ∂z/∂x|, as bars about zero."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QLineF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from backends.base import Array
from explorer.style.theme import font, theme
from explorer.widgets.values import format_number

_LEFT, _BELOW, _ABOVE = 48, 16, 6  # logical pixels around the bars
_FEW = 16  # bars that get a number below


class LayerBars(QWidget):
    """Bars of one point, and a tick across each at the mean over the data. Both (L,), in nats."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.point: Array | None = None
        self.mean: Array | None = None
        self._largest = 1e-6
        self.setAccessibleName("log determinant, layer by layer")
        self.setMinimumHeight(96)
        theme().changed.connect(self._retint)

    def show_bars(self, point: Array | None, mean: Array | None) -> None:
        """Show others; None for none."""
        self.point, self.mean = point, mean
        known = [np.abs(a).max() for a in (point, mean) if a is not None and len(a)]
        finite = [float(k) for k in known if np.isfinite(k)]
        # the scale falls slowly and rises at once: bars that breathe at each move cannot be compared
        self._largest = max([1e-6, 0.9 * self._largest, *finite])
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(160, 128)

    def _retint(self) -> None:
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        shown = self.mean if self.point is None else self.point
        if shown is None or not len(shown):
            return
        tokens, painter, many = theme().tokens, QPainter(self), len(shown)
        painter.setFont(font(11))
        width = (self.width() - _LEFT) / many
        high = (self.height() - _BELOW - _ABOVE) / 2
        zero = _ABOVE + high
        painter.setPen(QColor(tokens.muted))
        align = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for value, y in ((self._largest, _ABOVE), (0.0, zero), (-self._largest, zero + high)):
            text = "0" if value == 0 else format_number(value, 1 if self._largest >= 0.1 else 3)
            painter.drawText(QRectF(0, y - 8, _LEFT - 5, 16), align, text)
        painter.setPen(QPen(QColor(tokens.axis), 1))
        painter.drawLine(QLineF(_LEFT, zero, self.width(), zero))
        room = min(0.72 * width, 26.0)
        for i in range(many):
            middle = _LEFT + (i + 0.5) * width
            if self.point is not None and np.isfinite(self.point[i]):
                value = float(self.point[i])
                length = high * value / self._largest
                colour = QColor(tokens.curve(0 if value >= 0 else 1))
                painter.fillRect(QRectF(middle - room / 2, zero - max(length, 0), room, abs(length)), colour)
            if self.mean is not None and np.isfinite(self.mean[i]):
                y = zero - high * float(self.mean[i]) / self._largest
                painter.setPen(QPen(QColor(tokens.text), 1.6))
                painter.drawLine(QLineF(middle - 0.5 * width + 1, y, middle + 0.5 * width - 1, y))
            if many <= _FEW:
                painter.setPen(QColor(tokens.muted))
                below = QRectF(middle - width / 2, self.height() - _BELOW + 2, width, _BELOW - 2)
                painter.drawText(below, Qt.AlignmentFlag.AlignCenter, str(i + 1))
        painter.end()

"""What a field's colours mean: a bar of them with numbers, and the value under the cursor marked on it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from backends.base import Array
from explorer.planes.shading import Scale, coloured
from explorer.plots.canvas import to_qimage
from explorer.style.theme import font, theme
from explorer.widgets.values import format_number

BAR, TEXT, MARK = 8, 14, 5  # logical pixels: heights of the colours and the numbers, half width of the mark
TICKS = (0.0, 0.5, 1.0)
GAP = 8  # logical pixels between two numbers
TINY = 1e-3  # below which numbers are scientific


class ColourBar(QWidget):
    """As wide as there is room. Painted, never laid out anew: its numbers change while a model trains."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scale: Scale | None = None
        self._value: float | None = None
        self._opacity = 1.0
        self._table = theme().table
        self._colours = np.zeros((1, 256, 4), np.uint8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self._retint)

    @property
    def scale(self) -> Scale | None:
        """What is shown."""
        return self._scale

    def set_scale(self, scale: Scale | None, table: Array | None = None) -> None:
        """Show other numbers, in the colours of a table (256, 3) uint8, that of fields; None for nothing."""
        table = theme().table if table is None else table
        if scale != self._scale or not np.array_equal(table, self._table):
            self._scale, self._table = scale, table
            self._paint()

    def set_value(self, value: float | None) -> None:
        """Mark a value; None marks nothing."""
        if value != self._value:
            self._value = value
            self.update()

    def set_opacity(self, opacity: float) -> None:
        """As the field's, so that a colour here is the colour there."""
        self._opacity = opacity
        self.update()

    def texts(self) -> list[str]:
        """The numbers under the bar, from left to right; ≤ and ≥ where there are values beyond."""
        scale = self._scale
        if scale is None:
            return []
        if scale.low == scale.high:
            return [f"{number(scale.low, scale)} everywhere"]
        signs = ("≤ " if scale.below else "", "", "≥ " if scale.above else "")
        return [s + number(scale.value(t), scale) for s, t in zip(signs, TICKS, strict=True)]

    def sizeHint(self) -> QSize:
        return QSize(112, BAR + TEXT + 6)

    def minimumSizeHint(self) -> QSize:
        return QSize(96, BAR + TEXT + 6)

    def paintEvent(self, event: QPaintEvent) -> None:
        scale, texts = self._scale, self.texts()
        if scale is None:
            return
        painter, tokens = QPainter(self), theme().tokens
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        bar = QRectF(MARK, 4, self.width() - 2 * MARK, BAR)
        painter.setOpacity(self._opacity)
        painter.drawImage(bar, to_qimage(self._colours))
        painter.setOpacity(1.0)
        painter.setFont(font(11))
        painter.setPen(QColor(tokens.muted))
        line = QRect(0, BAR + 5, self.width(), TEXT)
        left, middle, right = (
            Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignRight,
        )  # fmt: skip
        if len(texts) == 1:
            painter.drawText(line, middle, texts[0])
        else:
            room = self.width() - 2 * max(
                painter.fontMetrics().horizontalAdvance(t) for t in (texts[0], texts[2])
            )
            wide = painter.fontMetrics().horizontalAdvance(texts[1]) + 2 * GAP
            for text, side in zip(texts, (left, middle, right), strict=True):
                if side != middle or room >= wide:
                    painter.drawText(line, side, text)
        if self._value is not None:
            x = bar.left() + float(scale.level(self._value)) * bar.width()
            painter.setPen(QColor(tokens.surface))
            painter.setBrush(QColor(tokens.text))
            corners = [(x - MARK, -1.0), (x + MARK, -1.0), (x, bar.top() + BAR / 2 + 1)]
            painter.drawPolygon(QPolygonF([QRectF(*c, 0, 0).topLeft() for c in corners]))
        painter.end()

    def _retint(self, *_: object) -> None:
        self.update()

    def _paint(self) -> None:
        scale = self._scale
        if scale is not None:
            values = np.array([[scale.value(t) for t in np.linspace(0, 1, 256)]])
            self._colours = coloured(values, scale, self._table)
        self.setAccessibleDescription(" … ".join(self.texts()))
        self.update()


def number(value: float, scale: Scale) -> str:
    """A value with as many decimals as tell it from its neighbours on the scale."""
    size = abs(value if scale.log else scale.high - scale.low or scale.high)
    if size < TINY:
        return format_number(float(value), 1)
    digits = int(np.clip(2 - np.floor(np.log10(size)), 0, 5))
    return format_number(round(float(value), digits), digits)

"""A coin: what is predicted of the next flip as bars, and the flips so far as a row of ticks."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QLineF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QGuiApplication, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from backends.base import Array, InputError
from explorer.plots.densities import legend_entry, series_colour
from explorer.plots.series import Series
from explorer.style.theme import font, theme
from explorer.widgets.values import format_number

PREDICTIVE = Series("predictive", "p(x|X)", 0)
PLUG_IN = Series("plug-in", "p(x|θ_MAP)", 1, dashed=True)
_LEFT, _TOP, _STRIP = 44, 26, 84  # logical pixels: room for numbers, above the bars, and for the flips
_TICK = 5  # logical pixels from one flip to the next


class FlipsPlot(QWidget):
    """names: what 0 and 1 are called."""

    def __init__(self, names: tuple[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.names = names
        self.flips = np.zeros(0)
        self.counts = (0, 0)
        self.predictive: Array | None = None
        self.plug_in: Array | None = None
        self.setAccessibleName("Prediction of the next flip")
        theme().changed.connect(self._retint)

    def set_rows(self, flips: Array, counts: tuple[int, int]) -> None:
        """The newest flips (n,), 0 or 1, in their order, and how often each of the two has come up."""
        self.flips, self.counts = flips, counts
        self.update()

    def set_prediction(self, predictive: Array, plug_in: Array) -> None:
        """Probabilities of 0 and 1, (2,) each."""
        self.predictive, self.plug_in = predictive, plug_in
        says = (f"{name} {p:.3f}" for name, p in zip(self.names, predictive, strict=True))
        self.setAccessibleDescription(", ".join(says))
        self.update()

    def legend(self) -> str:
        """Rich text: what each bar is."""
        return " &nbsp; ".join(legend_entry(s) for s in (PREDICTIVE, PLUG_IN))

    def save_picture(self, path: str) -> None:
        """The picture to a PNG file; InputError where it cannot be written."""
        if not self.grab().save(path):
            raise InputError(f"{path}: a coin's picture is saved as PNG, and could not be written there")

    def copy_picture(self) -> None:
        """The picture as it is on screen, to the clipboard."""
        QGuiApplication.clipboard().setPixmap(self.grab())

    def bar(self, value: int, plug_in: bool = False) -> QRectF:
        """Where the bar of 0 or 1 is drawn, in logical pixels."""
        height = max(self.height() - _TOP - _STRIP - 24, 20)
        room = (self.width() - _LEFT) / 2
        width = min(room * 0.26, 96.0)
        p = self.plug_in if plug_in else self.predictive
        share = 0.0 if p is None else float(p[value])
        middle = _LEFT + room * (value + 0.5)
        left = middle + 6 if plug_in else middle - 6 - width
        return QRectF(left, _TOP + height * (1 - share), width, height * share)

    def sizeHint(self) -> QSize:
        return QSize(480, 320)

    def minimumSizeHint(self) -> QSize:
        return QSize(240, 180)

    def _retint(self) -> None:
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(12))
        self._paint_scale(painter)
        if self.predictive is not None and self.plug_in is not None:
            for value in (0, 1):
                self._paint_bars(painter, value)
        self._paint_flips(painter)
        painter.end()

    def _paint_scale(self, painter: QPainter) -> None:
        tokens = theme().tokens
        height = max(self.height() - _TOP - _STRIP - 24, 20)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            y = round(_TOP + height * (1 - share)) + 0.5
            painter.setPen(QPen(QColor(tokens.axis if share == 0 else tokens.grid), 1))
            painter.drawLine(QLineF(_LEFT, y, self.width(), y))
            painter.setPen(QColor(tokens.muted))
            painter.drawText(QRectF(0, y - 10, _LEFT - 8, 20), right, f"{share:g}")

    def _paint_bars(self, painter: QPainter, value: int) -> None:
        tokens = theme().tokens
        assert self.predictive is not None
        assert self.plug_in is not None
        centre = Qt.AlignmentFlag.AlignCenter
        for plug_in, p in ((False, self.predictive), (True, self.plug_in)):
            series = PLUG_IN if plug_in else PREDICTIVE
            bar, colour = self.bar(value, plug_in), series_colour(series)
            if plug_in:
                fill = QColor(colour)
                fill.setAlphaF(0.12)
                painter.setPen(QPen(colour, 1.5, Qt.PenStyle.DashLine))
                painter.setBrush(fill)
                painter.drawRect(bar)
            else:
                painter.fillRect(bar, colour)
            painter.setPen(QColor(tokens.text))
            above = QRectF(bar.x() - 20, bar.y() - 22, bar.width() + 40, 20)
            painter.drawText(above, centre, f"{p[value]:.3f}")
        room = (self.width() - _LEFT) / 2
        below = QRectF(_LEFT + room * value, self.height() - _STRIP - 20, room, 20)
        count = format_number(self.counts[value])
        painter.setPen(QColor(tokens.text))
        painter.drawText(below, centre, f"{self.names[value]} · {count}")

    def _paint_flips(self, painter: QPainter) -> None:
        """As many of the newest as there is room for, ones above the line and zeros below."""
        tokens = theme().tokens
        middle = self.height() - _STRIP // 2 + 4
        most = max((self.width() - _LEFT) // _TICK, 1)
        shown = self.flips[-most:]
        painter.setPen(QPen(QColor(tokens.axis), 1))
        painter.drawLine(QLineF(_LEFT, middle + 0.5, self.width(), middle + 0.5))
        for k, flip in enumerate(shown):
            newest = k == len(shown) - 1
            colour = QColor(tokens.danger if newest else tokens.text if flip else tokens.muted)
            painter.setPen(QPen(colour, 3 if newest else 2))
            x = _LEFT + k * _TICK + 2.5
            up = -1 if flip else 1
            painter.drawLine(QLineF(x, middle + 4 * up, x, middle + 20 * up))
        painter.setPen(QColor(tokens.muted))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for value, y in ((1, middle - 22), (0, middle + 2)):
            painter.drawText(QRectF(0, y, _LEFT - 8, 20), right, str(value))

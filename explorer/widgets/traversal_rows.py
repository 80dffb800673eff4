"""Rows of small pictures, one a latent dimension, with the share of the KL that it carries."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QScrollArea, QSizePolicy, QWidget

from explorer.plane import subscript
from explorer.plots.canvas import to_qimage
from explorer.studies.traversals import DEAD, TILE, Traversals
from explorer.style.theme import font, theme
from explorer.widgets.values import format_number

ROW = TILE + 4  # logical pixels
NAME, VALUE, LONGEST = 40, 76, 120  # widths of the name, the number, and at most the bar of the largest KL


class TraversalRows(QWidget):
    """``chosen`` carries the dimension whose row is clicked, or that Enter is pressed on."""

    chosen = Signal(object)

    def __init__(self, scroller: QScrollArea) -> None:
        super().__init__(scroller)
        self._scroller = scroller
        self._found: Traversals | None = None
        self._images: list[QImage] = []
        self._current = 0
        self._axis: int | None = None
        self.setAccessibleName("What each latent dimension does")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    def show_found(self, found: Traversals | None) -> None:
        """Show these; None for nothing."""
        before = len(self._images)
        self._found = found
        self._images = [] if found is None else [to_qimage(strip) for strip in found.strips]
        if len(self._images) != before:
            self._current = min(self._current, max(len(self._images) - 1, 0))
            self.setFixedHeight(max(ROW * len(self._images), 1))
        self._describe()
        self.update()

    def show_axis(self, dimension: int | None) -> None:
        """Mark the dimension that lies along the plane's first axis."""
        self._axis = dimension
        self.update()

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self._images)

    def row(self, index: int) -> QRect:
        """Where a row lies."""
        return QRect(0, ROW * index, self.width(), ROW)

    def texts(self) -> list[str]:
        """The rows in words: "z₃  1.25 nats", "z₇  unused"."""
        if self._found is None:
            return []
        shown = self._found.order[: len(self._images)]
        return [f"z{subscript(int(j) + 1)}  {_value(float(self._found.kl[j]))}" for j in shown]

    def sizeHint(self) -> QSize:
        return QSize(400, self.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        found = self._found
        if found is None:
            return
        painter, tokens = QPainter(self), theme().tokens
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setFont(font(12))
        ratio, highest = self.devicePixelRatioF(), max(float(found.kl.max(initial=0.0)), 1e-12)
        first = max(event.rect().top() // ROW, 0)
        for index in range(first, min(event.rect().bottom() // ROW + 1, len(self._images))):
            row, j = self.row(index), int(found.order[index])
            if index == self._current and self.hasFocus():
                painter.setPen(QColor(tokens.accent))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(QRectF(row).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
            kl = float(found.kl[j])
            painter.setPen(QColor(tokens.accent if j == self._axis else tokens.text))
            middle = Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRect(6, row.top(), NAME - 6, ROW), middle, f"z{subscript(j + 1)}")
            image = self._images[index]
            image.setDevicePixelRatio(ratio)
            high = round(image.height() / ratio)
            painter.setOpacity(1.0 if kl >= DEAD else 0.45)
            painter.drawImage(QPoint(NAME, row.top() + (ROW - high) // 2), image)
            painter.setOpacity(1.0)
            left = NAME + round(image.width() / ratio) + 12
            painter.setPen(QColor(tokens.text if kl >= DEAD else tokens.muted))
            painter.drawText(
                QRect(left, row.top(), VALUE, ROW), middle | Qt.AlignmentFlag.AlignRight, _value(kl)
            )
            room = min(self.width() - left - VALUE - 20, LONGEST)
            if room > 8:
                painter.setPen(Qt.PenStyle.NoPen)
                bar = QRectF(left + VALUE + 12, row.top() + ROW / 2 - 3, room, 6)
                painter.setBrush(QColor(tokens.track))
                painter.drawRoundedRect(bar, 3, 3)
                painter.setBrush(QColor(tokens.series[0]))
                bar.setWidth(room * max(kl, 0.0) / highest)
                painter.drawRoundedRect(bar, min(3.0, bar.width() / 2), 3)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = event.position().toPoint().y() // ROW
        if event.button() == Qt.MouseButton.LeftButton and 0 <= index < len(self._images):
            self._go(index)
            self._choose()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        index, texts = event.position().toPoint().y() // ROW, self.texts()
        tip = (
            f"{texts[index]}\nClick to lay this coordinate along the map's first axis"
            if index < len(texts)
            else ""
        )
        self.setToolTip(tip)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
        if step is not None and 0 <= self._current + step < len(self._images):
            self._go(self._current + step)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose()
        else:
            event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def _go(self, index: int) -> None:
        self._current = index
        self._scroller.ensureVisible(0, ROW * index + ROW // 2, 0, ROW)
        self._describe()
        self.update()

    def _choose(self) -> None:
        if self._found is not None and self._current < len(self._images):
            self.chosen.emit(int(self._found.order[self._current]))

    def _describe(self) -> None:
        texts = self.texts()
        self.setAccessibleDescription(texts[self._current] if texts else "")


def _value(kl: float) -> str:
    return f"{format_number(kl, 2)} nats" if kl >= DEAD else "unused"

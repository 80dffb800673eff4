"""A grid of small pictures or lines of text, of which one can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from backends.base import Array
from explorer.style.theme import font, theme
from explorer.widgets.image import to_image

GAP = 4
CAPTION = 16  # logical pixels of a line of caption
STEPS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


@dataclass(frozen=True, eq=False)
class Item:
    """One cell: a picture (h, w) or (h, w, 3) of values in 0 … 1, or else a text; lines under it; a colour
    that marks it, "" for none."""

    picture: Array | None = None
    text: str = ""
    caption: tuple[str, ...] = ()
    colour: str = ""
    tip: str = ""


class Pictures(QWidget):
    """Cells row by row, each as large as lets most be seen, at least ``smallest`` wide; the wheel scrolls
    where not all fit. Texts share the width.

    chosen carries the index of a cell that is clicked, or reached by an arrow key; only where ``selectable``.
    """

    chosen = Signal(object)

    def __init__(
        self, name: str, parent: QWidget | None = None, *, smallest: int = 30, largest: int = 64,
        selectable: bool = False, placeholder: str = "",
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self._smallest, self._largest, self._selectable = smallest, largest, selectable
        self._placeholder = placeholder
        self._items: tuple[Item, ...] = ()
        self._images: list[QImage | None] = []
        self._first = 0  # the row on top
        self.selected: int | None = None
        self.setAccessibleName(name)
        if selectable:
            self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        theme().changed.connect(self._retint)

    @property
    def items(self) -> tuple[Item, ...]:
        """What there is to show."""
        return self._items

    def set_cells(self, smallest: int, largest: int) -> None:
        """How wide a cell is, in logical pixels."""
        self._smallest, self._largest = smallest, largest

    def set_items(self, items: Sequence[Item]) -> None:
        """Show these."""
        self._items = tuple(items)
        self._scroll(0)
        self._retint()

    def select(self, index: int | None) -> None:
        """Mark a cell, without ``chosen``."""
        self.selected = index
        self.update()

    def cell(self, index: int) -> QRect:
        """Where a cell lies; above or below the widget where it is scrolled out of view."""
        columns, size = self._layout()
        row, column = divmod(index, columns)
        high = self._height(size)
        return QRect(column * (size + GAP), (row - self._first) * (high + GAP), size, high)

    def at(self, point: QPoint) -> int | None:
        """The index of the cell under a point."""
        return next((i for i in range(len(self._items)) if self.cell(i).contains(point)), None)

    def sizeHint(self) -> QSize:
        return QSize(240, 200)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 60)

    def _pictured(self) -> bool:
        return any(item.picture is not None for item in self._items)

    def _height(self, size: int) -> int:
        lines = max((len(item.caption) for item in self._items), default=0)
        return (size if self._pictured() else CAPTION if not lines else 0) + lines * CAPTION

    def _scroll(self, rows: int) -> None:
        """Move on by so many rows, as far as there are any."""
        columns, size = self._layout()
        seen = max((self.height() + GAP) // (self._height(size) + GAP), 1)
        last = max(-(-len(self._items) // columns) - seen, 0)
        first = min(max(self._first + rows, 0), last)
        if first != self._first:
            self._first = first
            self.update()

    def _layout(self) -> tuple[int, int]:
        """(columns, width of a cell): the widest of which all fit, or else the smallest."""
        if not self._pictured():
            columns = max((self.width() + GAP) // (self._smallest + GAP), 1)
            return columns, (self.width() + GAP) // columns - GAP
        for size in range(self._largest, self._smallest, -2):
            columns = max((self.width() + GAP) // (size + GAP), 1)
            rows = -(-len(self._items) // columns)
            if rows * (self._height(size) + GAP) - GAP <= self.height():
                return columns, size
        return max((self.width() + GAP) // (self._smallest + GAP), 1), self._smallest

    def _retint(self, *_: object) -> None:
        inverted = not theme().tokens.is_dark
        self._images = [
            None if item.picture is None else to_image(item.picture, inverted=inverted)
            for item in self._items
        ]
        self.update()

    # -- Qt ------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(12))
        tokens = theme().tokens
        if not self._items:
            painter.setPen(QColor(tokens.muted))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._placeholder)
        for index, item in enumerate(self._items):
            cell = self.cell(index)
            if cell.bottom() > self.height():
                break
            if cell.top() < 0:
                continue
            self._paint(painter, cell, item, self._images[index], index == self.selected)
        painter.end()

    def _paint(
        self, painter: QPainter, cell: QRect, item: Item, image: QImage | None, selected: bool
    ) -> None:
        tokens = theme().tokens
        if selected:
            painter.setPen(QPen(QColor(tokens.accent), 2))
            painter.setBrush(QColor(tokens.selection))
            painter.drawRoundedRect(cell.adjusted(1, 1, -1, -1), 4, 4)
        below = cell.top()
        if image is not None:
            room = QRect(cell.left(), cell.top(), cell.width(), cell.width()).adjusted(2, 2, -2, -2)
            size = image.size().scaled(room.size(), Qt.AspectRatioMode.KeepAspectRatio)
            corner = QPoint((room.width() - size.width()) // 2, (room.height() - size.height()) // 2)
            painter.drawImage(QRect(room.topLeft() + corner, size), image)
            below = cell.top() + cell.width()
        elif item.text:
            painter.setPen(QColor(tokens.text))
            line = QRect(cell.left(), cell.top(), cell.width(), CAPTION)
            self._write(painter, line, item.text)
            below += CAPTION
        for number, text in enumerate(item.caption):
            line = QRect(cell.left(), below + number * CAPTION, cell.width(), CAPTION)
            painter.setPen(QColor(tokens.text if number == 0 else tokens.muted))
            if number == 0 and item.colour:
                painter.save()
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(item.colour))
                painter.drawEllipse(QRect(line.left() + 3, line.top() + 4, 8, 8))
                painter.restore()
                line = line.adjusted(12, 0, 0, 0)
            self._write(painter, line, text)

    @staticmethod
    def _write(painter: QPainter, line: QRect, text: str) -> None:
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, line.width() - 4)
        painter.drawText(line.adjusted(2, 0, -2, 0), Qt.AlignmentFlag.AlignVCenter, shown)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.at(event.position().toPoint())
        if self._selectable and index is not None and event.button() == Qt.MouseButton.LeftButton:
            self._choose(index)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        index = self.at(event.position().toPoint())
        self.setToolTip("" if index is None else self._items[index].tip)

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._scroll(-1 if event.angleDelta().y() > 0 else 1)
        event.accept()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._scroll(0)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        columns, _ = self._layout()
        steps = {**STEPS, Qt.Key.Key_Up: -columns, Qt.Key.Key_Down: columns}
        step = steps.get(Qt.Key(event.key()))
        if step is None or not self._selectable or not self._items:
            super().keyPressEvent(event)
            return
        index = (self.selected if self.selected is not None else -step) + step
        if 0 <= index < len(self._items):
            self._choose(index)

    def _choose(self, index: int) -> None:
        self.select(index)
        cell, high = self.cell(index), self._height(self._layout()[1]) + GAP
        if cell.top() < 0:
            self._scroll(cell.top() // high)
        elif cell.bottom() > self.height():
            self._scroll(-((self.height() - cell.bottom()) // high))
        self.chosen.emit(index)

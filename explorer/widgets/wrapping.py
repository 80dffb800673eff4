"""Bars that stand side by side where there is room, and below each other where there is not."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget

GAP, LINE = 12, 4  # logical pixels: between two bars, unless told, and between two lines of them


class Wrapping(QLayout):
    """Widgets in lines, as words are: one that finds no room begins the next line. What is left of a line is
    for those that expand; hidden ones take no room. Each is as wide as it likes to be, and narrower only
    where a line is narrower than it alone."""

    def __init__(self, widgets: Sequence[QWidget], parent: QWidget | None = None, gap: int = GAP) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self._gap = gap
        self.setContentsMargins(0, 0, 0, 0)
        for widget in widgets:
            self.addWidget(widget)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        lines = self._lines(width)
        return sum(_height(line) for line in lines) + LINE * max(len(lines) - 1, 0)

    def sizeHint(self) -> QSize:
        line = self._shown()
        return QSize(self._width(line), _height(line))

    def minimumSize(self) -> QSize:
        widths = [item.minimumSize().width() for item in self._shown()]
        return QSize(max(widths, default=0), _height(self._shown()))

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        y = rect.y()
        for line in self._lines(rect.width()):
            over, x, height = rect.width() - self._width(line), rect.x(), _height(line)
            wide = [item for item in line if _expands(item)]
            for item in line:
                width = min(item.sizeHint().width(), rect.width())
                if item in wide and over > 0:
                    width += over // len(wide)
                item.setGeometry(QRect(x, y, width, height))
                x += width + self._gap
            y += height + LINE

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _lines(self, width: int) -> list[list[QLayoutItem]]:
        lines: list[list[QLayoutItem]] = []
        for item in self._shown():
            if lines and self._width([*lines[-1], item]) <= width:
                lines[-1].append(item)
            else:
                lines.append([item])
        return lines

    def _width(self, line: Sequence[QLayoutItem]) -> int:
        return sum(item.sizeHint().width() for item in line) + self._gap * max(len(line) - 1, 0)


def _height(line: Sequence[QLayoutItem]) -> int:
    return max((item.sizeHint().height() for item in line), default=0)


def _expands(item: QLayoutItem) -> bool:
    """A box of a fixed width may call itself expanding all the same."""
    can = item.maximumSize().width() > item.sizeHint().width()
    return can and Qt.Orientation.Horizontal in item.expandingDirections()

"""A small table of counts, each cell as dark as its share of its row; or of shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from backends.base import Array
from explorer.style.theme import blend, font, theme

HEAD = 18  # logical pixels of the headings' row and column
WIDEST = 40  # of a cell
READABLE = 15  # high enough for a number


class HeatTable(QWidget):
    """counts (rows, columns) with headings; the cells in ``framed`` have a frame."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.counts: Array = np.zeros((0, 0), np.int64)
        self._shares = False
        self._rows: tuple[str, ...] = ()
        self._columns: tuple[str, ...] = ()
        self._framed: frozenset[tuple[int, int]] = frozenset()
        self._names = ("row", "column")
        self.setAccessibleName(name)
        self.setMouseTracking(True)
        theme().changed.connect(self._retint)

    def set_counts(
        self, counts: Array, rows: Sequence[str], columns: Sequence[str],
        framed: Sequence[tuple[int, int]] = (), names: tuple[str, str] = ("row", "column"),
    ) -> None:  # fmt: skip
        """Show counts (len(rows), len(columns)). names: of what the rows and the columns are."""
        self.counts, self._rows, self._columns = counts, tuple(rows), tuple(columns)
        self._framed, self._names, self._shares = frozenset(framed), names, False
        self.update()

    def set_shares(self, shares: Array, rows: Sequence[str], columns: Sequence[str]) -> None:
        """Show shares in [0, 1], (len(rows), len(columns)), in percent: how much of a row's variance
        a column explains."""
        percent = np.rint(100 * shares).astype(np.int64)
        self.set_counts(percent, rows, columns)
        self._shares = True
        said = (
            f"{r}: " + ", ".join(f"{c} {n} %" for c, n in zip(columns, line, strict=True))
            for r, line in zip(rows, percent, strict=True)
        )
        self.setAccessibleDescription("; ".join(said))

    def sizeHint(self) -> QSize:
        return QSize(240, 200)

    def minimumSizeHint(self) -> QSize:
        return QSize(80, 60)

    def cell(self, row: int, column: int) -> QRect:
        """Where a cell lies."""
        rows, columns = self.counts.shape
        names = (self.fontMetrics().horizontalAdvance(name) + 8 for name in self._columns)
        widest = max(names, default=0) if self._shares else 0  # shares have headings of words
        wide = min((self.width() - self._side()) // max(columns, 1), max(widest, WIDEST))
        high = min((self.height() - HEAD) // max(rows, 1), WIDEST, max(wide, READABLE + 4))
        return QRect(self._side() + column * wide, HEAD + row * high, max(wide, 1), max(high, 1))

    def _side(self) -> int:
        widest = max((self.fontMetrics().horizontalAdvance(name) for name in self._rows), default=0)
        return min(max(widest + 8, HEAD), max(64, self.width() // 3))

    def _numbers(self, cell: QRect) -> QFont | None:
        """In what the numbers are written; None where a cell has no room for all of the longest: half of a
        number is another one."""
        longest = str(self.counts.max())
        for size in (11, 9) if cell.height() >= READABLE else ():
            if QFontMetrics(font(size)).horizontalAdvance(longest) <= cell.width() - 4:
                return font(size)
        return None

    def _retint(self, *_: object) -> None:
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        tokens = theme().tokens
        if not self.counts.size:
            painter.end()
            return
        whole = np.maximum(self.counts.sum(1, keepdims=True), 1)
        share = self.counts / (np.full_like(whole, 100) if self._shares else whole)
        first = self.cell(0, 0)
        numbers = self._numbers(first)
        painter.setFont(font(11 if first.width() >= 24 else 9))
        middle = Qt.AlignmentFlag.AlignCenter
        painter.setPen(QColor(tokens.muted))
        for j, name in enumerate(self._columns):
            shown = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, first.width())
            painter.drawText(QRect(self.cell(0, j).left(), 0, first.width(), HEAD), middle, shown)
        for i, name in enumerate(self._rows):
            cell = self.cell(i, 0)
            side = QRect(0, cell.top(), self._side() - 4, cell.height())
            shown = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, side.width())
            painter.drawText(side, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, shown)
        if numbers is not None:
            painter.setFont(numbers)
        for (i, j), count in np.ndenumerate(self.counts):
            cell = self.cell(i, j).adjusted(0, 0, -1, -1)
            ground = QColor(blend(tokens.accent, tokens.surface, 0.06 + 0.94 * share[i, j]))
            painter.fillRect(cell, ground)
            if (i, j) in self._framed:
                painter.setPen(QPen(QColor(tokens.text), 1))
                painter.drawRect(cell.adjusted(0, 0, -1, -1))
            if numbers is not None and count:
                inks = QColor(tokens.text), QColor(tokens.accent_text)
                painter.setPen(max(inks, key=lambda ink: abs(ink.lightnessF() - ground.lightnessF())))
                painter.drawText(cell, middle, str(count))
        painter.end()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        point, tip = event.position().toPoint(), ""
        for (i, j), count in np.ndenumerate(self.counts):
            if self.cell(i, j).contains(point):
                one, other = self._names
                tip = f"{count} rows of {one} {self._rows[i]} in {other} {self._columns[j]}"
                if self._shares:
                    tip = f"{self._columns[j]} explains {count} % of the variance of {self._rows[i]}"
        self.setToolTip(tip)

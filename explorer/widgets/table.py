"""A small table of numbers that can change sixty times a second without moving anything."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QRect, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from explorer.style.theme import theme

_ROW, _NAME = 22, 34  # logical pixels


class ValueTable(QWidget):
    """Names on the left, a column of right-aligned texts under each title. All is painted, and only another
    number of rows lays anything out."""

    def __init__(self, titles: Sequence[str], parent: QWidget | None = None, names: int = _NAME) -> None:
        """names: logical pixels of room for the names on the left."""
        super().__init__(parent)
        self.titles, self._names = tuple(titles), names
        self._tips: dict[tuple[int | None, int], str] = {}
        self.rows: list[tuple[str, list[str]]] = []
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.setAccessibleName("Estimates")
        theme().changed.connect(self._retint)

    def set_rows(self, rows: list[tuple[str, list[str]]]) -> None:
        """Of each row its name and a text a column."""
        if rows == self.rows:
            return
        grown = len(rows) != len(self.rows)
        self.rows = rows
        titled = (zip(self.titles, texts, strict=True) for _, texts in rows)
        said = [" ".join(f"{t} {v}" for t, v in row) for row in titled]
        self.setAccessibleDescription(
            "; ".join(f"{name}: {s}" for (name, _), s in zip(rows, said, strict=True))
        )
        if grown:
            self.updateGeometry()
        self.update()

    def set_tooltip(self, column: int, text: str, row: int | None = None) -> None:
        """What the numbers of a column are, or the one in a row of it; its names are column −1."""
        self._tips[row, column] = text

    def tooltip(self, x: int, y: int) -> str:
        """What is told of what lies at a pixel."""
        spans = ((k, *self._column(k)) for k in range(-1, len(self.titles)))
        column = next((k for k, left, width in spans if left <= x < left + width), None)
        if column is None:
            return ""
        return self._tips.get((y // _ROW - 1, column), self._tips.get((None, column), ""))

    def sizeHint(self) -> QSize:
        return QSize(120, _ROW * (1 + len(self.rows)))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def _column(self, k: int) -> tuple[int, int]:
        if k < 0:
            return 0, self._names
        width = (self.width() - self._names) // len(self.titles)
        return self._names + k * width, width

    def _retint(self) -> None:
        self.update()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.tooltip(event.x(), event.y()), self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens, painter = theme().tokens, QPainter(self)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(tokens.muted))
        for k, title in enumerate(self.titles):
            x, width = self._column(k)
            painter.drawText(QRect(x, 0, width, _ROW), right, title)
        for row, (name, texts) in enumerate(self.rows, 1):
            painter.setPen(QColor(tokens.muted))
            painter.drawText(0, row * _ROW, self._names, _ROW, Qt.AlignmentFlag.AlignVCenter, name)
            painter.setPen(QColor(tokens.text))
            for k, text in enumerate(texts):
                x, width = self._column(k)
                elided = self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width - 4)
                painter.drawText(QRect(x, row * _ROW, width, _ROW), right, elided)
        painter.end()

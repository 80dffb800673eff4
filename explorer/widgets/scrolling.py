"""Columns that scroll where a small window has not room for all of them."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QScrollArea, QWidget


class Scrolling(QScrollArea):
    """A column of so many pixels, the bar included where there is one.

    It asks for the height that its rows have, texts of several lines counted as one; what is more than there
    is room for then scrolls, where Qt would squeeze every row.
    """

    def __init__(self, column: QWidget, width: int, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setFixedWidth(width)
        self._column = column
        self.setWidget(column)

    def minimumSizeHint(self) -> QSize:
        return self._column.minimumSizeHint()

"""Columns that scroll where a small window has not room for all of them."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QScrollArea, QWidget


def scrolling(column: QWidget, width: int, parent: QWidget) -> QScrollArea:
    """A column of so many pixels, the bar included where there is one. Without it Qt squeezes every row."""
    scroll = QScrollArea(parent)
    scroll.setFrameShape(QScrollArea.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    scroll.setWidgetResizable(True)
    scroll.setFixedWidth(width)
    scroll.setWidget(column)
    return scroll

"""A card's title where it shows one of several things: their names side by side, the shown one marked."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QToolButton, QWidget

from explorer.theme import title_font

_ROOM = 16  # logical pixels beside a text, and between its letters


class Switch(QWidget):
    """``chosen`` carries the key of what the user asks for."""

    chosen = Signal(object)

    def __init__(self, entries: Sequence[tuple[str, str, str]], parent: QWidget | None = None) -> None:
        """entries: (key, text, tooltip)."""
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        self.buttons: dict[str, QToolButton] = {}
        self._group = QButtonGroup(self)
        for key, text, tip in entries:
            button = QToolButton(self)
            button.setText(text)
            button.setToolTip(tip)
            button.setAccessibleName(text)
            button.setFont(title_font())
            button.setMinimumWidth(QFontMetrics(title_font()).horizontalAdvance(text.upper()) + _ROOM)
            button.setCheckable(True)
            button.setFixedHeight(24)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self._group.addButton(button)
            self.buttons[key] = button
            row.addWidget(button)
        self._group.buttonClicked.connect(self._clicked)

    def show_choice(self, key: str) -> None:
        """Mark what is shown."""
        self.buttons[key].setChecked(True)

    def _clicked(self, button: QToolButton) -> None:
        self.chosen.emit(next(key for key, one in self.buttons.items() if one is button))

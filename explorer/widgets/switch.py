"""One of several things to be shown: their names side by side, the shown one marked."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QHBoxLayout,
    QLayout,
    QPushButton,
    QToolButton,
    QWidget,
)

from explorer.style.theme import title_font
from explorer.widgets.wrapping import Wrapping

_ROOM = 16  # logical pixels beside a text, and between its letters


class Switch(QWidget):
    """``chosen`` carries the key of what the user asks for. As a heading it is the title of a card."""

    chosen = Signal(object)

    def __init__(
        self,
        entries: Sequence[tuple[str, str, str]],
        parent: QWidget | None = None,
        heading: bool = False,
    ) -> None:
        """entries: (key, text, tooltip)."""
        super().__init__(parent)
        row: QLayout = QHBoxLayout(self) if heading else Wrapping((), self, gap=4)
        if heading:
            row.setContentsMargins(0, 0, 0, 0)
            row.setSpacing(0)
        self.buttons: dict[str, QAbstractButton] = {}
        self._group = QButtonGroup(self)
        for key, text, tip in entries:
            button = QToolButton(self) if heading else QPushButton(self)
            button.setText(text)
            button.setToolTip(tip)
            button.setAccessibleName(text)
            button.setCheckable(True)
            if heading:
                button.setFont(title_font())
                button.setMinimumWidth(QFontMetrics(title_font()).horizontalAdvance(text.upper()) + _ROOM)
                button.setFixedHeight(24)
                button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self._group.addButton(button)
            self.buttons[key] = button
            row.addWidget(button)
        self._group.buttonClicked.connect(self._clicked)

    def show_choice(self, key: str) -> None:
        """Mark what is shown."""
        self.buttons[key].setChecked(True)

    def _clicked(self, button: QAbstractButton) -> None:
        self.chosen.emit(next(key for key, one in self.buttons.items() if one is button))

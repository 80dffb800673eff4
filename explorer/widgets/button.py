"""Buttons: one that is pressed beside other work, and those of dialogs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QDialog, QPushButton

from explorer.style.icons import set_icon


class PassingButton(QPushButton):
    """A push button that only keys give the focus, so that Space does not press it again after a click.

    Nor the button after it: a button that has the focus passes it on when its click disables it.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        focused = QApplication.focusWidget()
        if focused is not None:
            focused.clearFocus()  # what was being typed there is taken first
        super().mousePressEvent(event)


def dialog_button(dialog: QDialog, text: str, icon: str, tip: str, act: Callable[[], object]) -> QPushButton:
    """A button of a dialog that Enter does not press; icon: "" for none."""
    button = QPushButton(text, dialog)
    if icon:
        set_icon(button, icon)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.clicked.connect(act)
    return button

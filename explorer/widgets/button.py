"""Buttons: one that is pressed beside other work, and those of dialogs."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QDialog, QPushButton

from explorer.icons import set_icon


class PassingButton(QPushButton):
    """A push button that a click of the mouse leaves without focus, so that Space does not press it again.

    While it is pressed it has the focus, so that what was being typed elsewhere is taken first.
    """

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        self.clearFocus()


def dialog_button(dialog: QDialog, text: str, icon: str, tip: str, act: Callable[[], object]) -> QPushButton:
    """A button of a dialog that Enter does not press; icon: "" for none."""
    button = QPushButton(text, dialog)
    if icon:
        set_icon(button, icon)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.clicked.connect(act)
    return button

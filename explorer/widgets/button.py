"""A button that is pressed beside other work."""

from __future__ import annotations

from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QPushButton


class PassingButton(QPushButton):
    """A push button that a click of the mouse leaves without focus, so that Space does not press it again.

    While it is pressed it has the focus, so that what was being typed elsewhere is taken first.
    """

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        self.clearFocus()

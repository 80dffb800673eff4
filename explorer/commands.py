"""One table of commands. Menus, shortcuts, tool bar and palette are all made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from explorer.style.icons import set_icon


@dataclass(frozen=True)
class Command:
    """Something a user can do. menu: "File", or "File/Export" within that; shortcut: in Qt's portable text,
    several divided by "; ".

    checked: for a command that is on or off, whether it is on now; enabled: whether it can be done now;
    about: what it would be done to, said after the text.
    A menu entry that begins a group has a line above it.
    """

    name: str
    text: str
    menu: str
    do: Callable[[], object]
    shortcut: str = ""
    icon: str = ""
    tip: str = ""
    checked: Callable[[], bool] | None = None
    enabled: Callable[[], bool] | None = None
    group: bool = False
    about: Callable[[], str] | None = None


class CommandAction(QAction):
    """A command as Qt's action."""

    def __init__(self, command: Command, parent: QWidget) -> None:
        super().__init__(command.text, parent)
        self.command = command
        self.setObjectName(command.name)
        self.setShortcuts([QKeySequence(key) for key in command.shortcut.split("; ") if key])
        keys = self.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        self.setToolTip(f"{command.tip or command.text.rstrip('…')}{f' ({keys})' if keys else ''}")
        if command.icon:
            set_icon(self, command.icon)
        self.setCheckable(command.checked is not None)
        self.triggered.connect(self._do)
        self.refresh()

    def refresh(self) -> None:
        """Ask again whether it is on, and whether it can be done."""
        if self.command.checked is not None:
            self.setChecked(self.command.checked())
        if self.command.enabled is not None:
            self.setEnabled(self.command.enabled())
        if self.command.about is not None:
            self.setText(f"{self.command.text} {self.command.about()}".rstrip())

    def _do(self) -> None:
        self.command.do()
        self.refresh()

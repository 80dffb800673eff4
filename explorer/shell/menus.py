"""The menus of the window, made from the table of commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from explorer.commands import Command, CommandAction

REST = 150  # ms without a change of what is set


class Menus(QMenuBar):
    """recent: the menu of recent files, whose actions carry their paths."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._commands: dict[str, CommandAction] = {}
        self._behind = False
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(self._catch_up)

    def fill(self, commands: Sequence[Command]) -> dict[str, CommandAction]:
        """Make all menus; returns the commands' actions by their names."""
        menus: dict[str, QMenu] = {}
        for command in commands:
            menu = menus.get(command.menu)
            if menu is None:
                parent, _, name = command.menu.rpartition("/")
                menu = (menus[parent] if parent else self).addMenu(f"&{name}")
                menus[command.menu] = menu
                menu.setToolTipsVisible(True)
                menu.aboutToShow.connect(self.refresh)
            if command.group:
                menu.addSeparator()
            action = CommandAction(command, self._window)
            self._commands[command.name] = action
            menu.addAction(action)
            if command.name == "open":
                self.recent = menu.addMenu("Open &recent")
        return self._commands

    def keep_up(self) -> None:
        """Refresh; of many calls in a row, as of a hand that drags, at the first and after the last."""
        if self._rest.isActive():
            self._behind = True
        else:
            self.refresh()
        self._rest.start()

    def _catch_up(self) -> None:
        if self._behind:
            self.refresh()

    def refresh(self) -> None:
        """Ask every command again whether it is on and can be done. Takes some milliseconds."""
        self._behind = False
        for action in self._commands.values():
            action.refresh()

    def show_recent(self, paths: Sequence[str]) -> None:
        """Fill the menu of recent files."""
        self.recent.clear()
        for path in paths:
            action = self.recent.addAction(Path(path).name)
            action.setToolTip(path)
            action.setData(path)
        self.recent.setEnabled(bool(paths))

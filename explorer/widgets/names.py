"""A choice among many names, of which one is found by typing a part of it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QStringListModel, Qt
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QComboBox, QCompleter, QLineEdit, QListView, QWidget

from explorer.widgets.form import Choice


class NameChoice(Choice):
    """``activated`` carries the index of a name that was chosen from the list, or typed.

    A text that is no name gives way to the name that was there.
    """

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names = QStringListModel(self)
        self.setModel(self._names)
        view = QListView(self)
        view.setUniformItemSizes(True)  # with tens of thousands of names nothing else is quick enough
        self.setView(view)
        line = QLineEdit(self)
        self.setLineEdit(line)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        completer = QCompleter(self._names, self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        popup = QListView(self)
        popup.setObjectName("names")
        completer.setPopup(popup)
        self.setCompleter(completer)
        self.setAccessibleName(name)
        self.setToolTip(f"{name}; type a part of its name to find it")
        line.editingFinished.connect(self._settle)

    def set_names(self, names: Sequence[str]) -> None:
        """Choose among these."""
        self._names.setStringList(list(names))

    def _settle(self) -> None:
        self.setEditText(self.itemText(self.currentIndex()))

    def paintEvent(self, event: QPaintEvent) -> None:
        QComboBox.paintEvent(self, event)  # its text is that of the line edit

"""The command palette: every command by a few letters of its name, or by a word of what it does."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, QPoint, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

WIDTH, HEIGHT = 460, 360


def matches(words: str, text: str) -> bool:
    """Does every word occur in the text, whatever its case?"""
    return all(word in text.lower() for word in words.lower().split())


class Palette(QDialog):
    """A line to type in and the actions that match; Enter does the selected one, Esc closes."""

    def __init__(self, actions: Sequence[QAction], parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("palette")
        self.setAccessibleName("Commands")
        self._actions = [a for a in actions if a.isEnabled() and a.text()]
        self.line = QLineEdit(self)
        self.line.setPlaceholderText("Type a command")
        self.line.setAccessibleName("Filter commands")
        self.list = QListWidget(self)
        self.list.setAccessibleName("Matching commands")
        self.list.setFrameShape(QListWidget.Shape.NoFrame)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self.line)
        layout.addWidget(self.list)
        self.resize(WIDTH, HEIGHT)
        corner = QPoint((parent.width() - WIDTH) // 2, 60)
        self.move(parent.mapToGlobal(corner))
        self.line.textChanged.connect(self._filter)
        self.list.itemActivated.connect(self._activate)
        self.list.itemClicked.connect(self._activate)
        self.line.installEventFilter(self)
        self._filter("")
        self.line.setFocus()

    def _filter(self, words: str) -> None:
        self.list.clear()
        named = [action for action in self._actions if matches(words, action.text())]
        told = [action for action in self._actions if matches(words, f"{action.text()} {action.toolTip()}")]
        for action in dict.fromkeys((*named, *told)):
            keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            item = QListWidgetItem(f"{action.text()}    {keys}" if keys else action.text(), self.list)
            item.setToolTip(action.toolTip())
            item.setData(Qt.ItemDataRole.UserRole, action)
        self.list.setCurrentRow(0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            key = Qt.Key(event.key())
            if key in (Qt.Key.Key_Down, Qt.Key.Key_Up):
                row = self.list.currentRow() + (1 if key == Qt.Key.Key_Down else -1)
                self.list.setCurrentRow(max(0, min(row, self.list.count() - 1)))
                return True
            if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                if self.list.currentItem() is not None:
                    self._activate(self.list.currentItem())
                return True
        return False

    def _activate(self, item: QListWidgetItem) -> None:
        action = item.data(Qt.ItemDataRole.UserRole)
        self.close()
        action.trigger()

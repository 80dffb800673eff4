"""What the program has to say, in place of modal boxes."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from explorer.style.icons import set_icon

_KINDS = {"error": "danger", "warning": "warning", "info": "accent"}
_MOST = 3
_MARGIN, _WIDEST = 12, 720  # logical pixels

_NARROWEST = 400  # in which a sentence can be read

Action = tuple[str, Callable[[], object]]


class MessageBar(QFrame):
    """A stack of at most three messages, the newest at the bottom; hidden while there are none.

    It lies over its parent: what is under the mouse must not move when it comes. Where it fits into the
    empty part of ``head``, of which ``room`` gives left and right in the head's coordinates, it covers
    nothing; else it lies below the head.
    """

    def __init__(self, head: QWidget, parent: QWidget, room: Callable[[], tuple[int, int]]) -> None:
        super().__init__(parent)
        self._head, self._over, self._room = head, parent, room
        self._rows: list[_Message] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.hide()

    def show_message(
        self,
        text: str,
        kind: str = "error",
        details: str | None = None,
        action: Action | None = None,
        about: str = "",
        answered: Callable[[], object] | None = None,
    ) -> None:
        """Say something. kind: "error", "warning" or "info".

        details: a traceback or other long text, a click away. action: a button's label and what it does,
        after which the message goes. The same text again replaces its message. about: what
        :meth:`forget` knows it by. answered: called when its button was pressed, or it was dismissed.
        """
        for row in [row for row in self._rows if row.text == text]:
            self._drop(row)
        if len(self._rows) == _MOST:
            self._drop(self._rows[0])
        row = _Message(text, kind, details, action, about, answered, self)
        row.closed.connect(self._drop)
        self._rows.append(row)
        self._column.addWidget(row)
        self.show()
        row.show()  # at once, or a layout does not count what was added to what is seen already
        self._over.installEventFilter(self)
        self.place()

    def place(self) -> None:
        """Go where there is room; to be called when what stands in the head has become another."""
        parent = self._over
        left, right = self._room()
        if right - left >= _NARROWEST:
            width = min(right - left, _WIDEST)
            height = self._height(width)
            if height <= self._head.height():
                corner = self._head.mapTo(parent, QPoint(left, (self._head.height() - height) // 2))
                self.setGeometry(QRect(corner, QSize(width, height)))
                self.raise_()
                return
        width = min(parent.width() - 2 * _MARGIN, _WIDEST)
        below = self._head.mapTo(parent, QPoint(0, self._head.height())).y()
        self.setGeometry((parent.width() - width) // 2, below, width, self._height(width))
        self.raise_()

    def _height(self, width: int) -> int:
        """What the messages take, where they are so wide."""
        height = self._column.heightForWidth(width) if self._column.hasHeightForWidth() else 0
        return max(height, self._column.minimumSize().height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self._rows:
            self.place()
        return False

    def messages(self) -> list[str]:
        """The texts on show, oldest first."""
        return [row.text for row in self._rows]

    def forget(self, about: str) -> None:
        """Take away what was said about something; "" is about nothing."""
        for row in [row for row in self._rows if about and row.about == about]:
            self._drop(row)

    def clear(self) -> None:
        """Take all messages away."""
        for row in list(self._rows):
            self._drop(row)

    def _drop(self, row: _Message) -> None:
        self._rows.remove(row)
        self._column.removeWidget(row)
        focus = self.window().focusWidget()
        if focus is not None and row.isAncestorOf(focus):
            focus.clearFocus()  # or Qt gives it to some control, which the next Space would press
        row.hide()
        row.deleteLater()
        self.setVisible(bool(self._rows))
        if not self._rows:
            self._over.removeEventFilter(self)  # it would be asked about each event of the window
        if self._rows:
            self.place()


class _Message(QFrame):
    closed = Signal(object)

    def __init__(
        self,
        text: str,
        kind: str,
        details: str | None,
        action: Action | None,
        about: str,
        answered: Callable[[], object] | None,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.text, self.about = text, about
        self._answered = answered
        self._details = details
        self._action = action
        self.setObjectName("message")
        self.setProperty("kind", kind)
        self.setAccessibleName(f"{kind}: {text}")
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 5, 5, 5)
        row.setSpacing(8)
        mark = QToolButton(self)
        mark.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        mark.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        set_icon(mark, kind, _KINDS[kind])
        row.addWidget(mark)
        label = QLabel(text, self)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row.addWidget(label, 1)
        if details is not None:
            self._button("Details…", self._show_details)
        if action is not None:
            self._button(action[0], self._act)
        close = QToolButton(self)
        close.setIconSize(QSize(14, 14))
        close.setAccessibleName("Dismiss this message")
        close.setToolTip("Dismiss")
        set_icon(close, "close", "muted")
        close.clicked.connect(self._close)
        row.addWidget(close)

    def _button(self, text: str, slot: Callable[[], None]) -> None:
        button = QPushButton(text, self)
        button.clicked.connect(slot)
        self.layout().addWidget(button)  # type: ignore[union-attr]

    def _act(self) -> None:
        assert self._action is not None
        self._close()
        self._action[1]()

    def _close(self) -> None:
        if self._answered is not None:
            self._answered()
        self.closed.emit(self)

    def _show_details(self) -> None:
        DetailsDialog(self.text, self._details or "", self.window()).open()


class DetailsDialog(QDialog):
    """A long text that can be selected and copied."""

    def __init__(self, summary: str, details: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Details")
        self.resize(760, 420)
        self._text = f"{summary}\n\n{details}"
        heading = QLabel(summary, self)
        heading.setTextFormat(Qt.TextFormat.PlainText)
        heading.setWordWrap(True)
        body = QPlainTextEdit(details, self)
        body.setReadOnly(True)
        body.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        body.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        body.setAccessibleName("Details")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        copy = buttons.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
        copy.clicked.connect(self._copy)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(12)
        column.addWidget(heading)
        column.addWidget(body, 1)
        column.addWidget(buttons)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._text)

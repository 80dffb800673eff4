"""A dock that looks like a card."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QCloseEvent, QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QMenu,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from explorer.style.theme import theme, title_font
from explorer.widgets.room import keep_room
from explorer.widgets.values import LiveLabel

_RADIUS = 8
_MARGIN = 12
_BAR = 32


def section_title(text: str, parent: QWidget | None = None) -> QLabel:
    """A heading inside a card, in the hand of the card's own title."""
    label = QLabel(text, parent)
    label.setFont(title_font())
    label.setProperty("role", "muted")
    return label


def empty_state(text: str, parent: QWidget | None = None) -> QLabel:
    """What a card says in place of something that is not there, in its middle."""
    label = QLabel(text, parent)
    label.setProperty("role", "muted")
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setWordWrap(True)
    return label


class CardDock(QDockWidget):
    """A dock drawn as one rounded card, title bar and content together.

    title: "NAME · UNIT"; the tab of a card behind others has the name alone. status: a label at the right of
    the title for live text (rich text allowed). closed: by its user.
    """

    closed = Signal()

    def __init__(
        self, object_name: str, title: str, content: QWidget | None, parent: QWidget | None = None
    ) -> None:
        """content: None for one that :meth:`fill` brings later; until then the card, where it is seen at all,
        is empty."""
        super().__init__(parent)
        self.setObjectName(object_name)
        self.setAccessibleName(title)
        self._narrowest = 0
        self._column: QVBoxLayout | None = None
        self.set_title(title)
        self.visibilityChanged.connect(self._seen)
        if content is not None:
            self.fill(content)

    def fill(self, content: QWidget) -> None:
        """Add content, below what there is."""
        if self._column is None:
            self._column = self._furnish()
        self._column.addWidget(content)

    def set_title(self, title: str) -> None:
        """Call the card something else."""
        self._title = title
        self.setWindowTitle(title.partition(" · ")[0])
        if self._column is not None:
            self._bar.set_title(title)

    def _seen(self, seen: bool) -> None:
        """A dock becomes a card when it is filled, or seen before: most are not, when the window appears.
        Behind another tab Qt calls it visible: what is in it shall know better, and compute nothing."""
        if self._column is None and seen:
            self._column = self._furnish()
        if (holder := self.widget()) is not None:
            focus = QApplication.focusWidget()
            if not seen and focus is not None and holder.isAncestorOf(focus):
                focus.clearFocus()  # or Qt would give it to whatever comes next, in another card
            holder.setVisible(seen)

    def _furnish(self) -> QVBoxLayout:
        self._bar = _TitleBar(self._title, self)
        self.status = self._bar.status
        self.setTitleBarWidget(self._bar)
        holder = QWidget(self)
        holder.setMinimumWidth(self._narrowest)
        column = QVBoxLayout(holder)
        column.setContentsMargins(_MARGIN, 4, _MARGIN, _MARGIN)
        self.setWidget(holder)
        keep_room(holder)
        self._bar.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._bar.customContextMenuRequested.connect(self._menu)
        theme().changed.connect(self._retint)
        return column

    def set_narrowest(self, width: int) -> None:
        """The card is never narrower, whatever is in it."""
        self._narrowest = width
        if (holder := self.widget()) is not None:
            holder.setMinimumWidth(width)

    def add_action(self, action: QAction) -> QToolButton:
        """A small button at the right end of the title bar."""
        return self._bar.add_action(action)

    def show_switch(self, switch: QWidget, shown: bool) -> None:
        """Have a switch stand in the place of the title, or the title again."""
        self._bar.show_switch(switch, shown)

    def set_status(self, text: str) -> None:
        """The live text at the right of the title."""
        self.status.setText(text)

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = theme().tokens
        painter = QPainter(self)
        if self.rect().adjusted(_RADIUS, 2, -_RADIUS, -2).contains(event.rect()):
            painter.fillRect(event.rect(), QColor(tokens.surface))  # the rim would take five times as long
        else:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(tokens.border), 1))
            painter.setBrush(QColor(tokens.surface))
            # A floating card is a window, whose corners cannot be cut.
            radius = 0 if self.isFloating() else _RADIUS
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
        painter.end()

    def closeEvent(self, event: QCloseEvent) -> None:
        super().closeEvent(event)
        self.closed.emit()

    def _retint(self) -> None:
        self.update()

    def _menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        features = self.features()
        if features & QDockWidget.DockWidgetFeature.DockWidgetFloatable:
            menu.addAction("Dock" if self.isFloating() else "Float", self._toggle_floating)
        if features & QDockWidget.DockWidgetFeature.DockWidgetClosable:
            menu.addAction("Close", self.close)
        if not menu.isEmpty():
            menu.popup(self._bar.mapToGlobal(at))

    def _toggle_floating(self) -> None:
        self.setFloating(not self.isFloating())


class _TitleBar(QWidget):
    """The title, the live text and the buttons. It lets the mouse through to the dock, which drags by it."""

    _least: QSize | None = None  # kept: the window asks hundreds of times whenever it is laid out

    def __init__(self, title: str, parent: CardDock) -> None:
        super().__init__(parent)
        self.title = section_title(title, self)
        self.status = LiveLabel(self, Qt.AlignmentFlag.AlignRight)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(_MARGIN, 4, _MARGIN, 0)
        self._row.setSpacing(12)
        self._row.addWidget(self.title)
        self._row.addWidget(self.status, 1)

    def show_switch(self, switch: QWidget, shown: bool) -> None:
        if self._row.indexOf(switch) < 0:
            self._row.insertWidget(0, switch)
        switch.setVisible(shown)
        self.title.setVisible(not shown)

    def add_action(self, action: QAction) -> QToolButton:
        button = QToolButton(self)
        button.setDefaultAction(action)
        button.setIconSize(QSize(14, 14))
        button.setFixedSize(24, 24)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setAccessibleName(action.text())
        self._row.setSpacing(8)
        self._row.addWidget(button)
        return button

    def set_title(self, title: str) -> None:
        self._least = None
        self.title.setText(title)

    def changeEvent(self, event: QEvent) -> None:
        self._least = None  # as the font may have changed
        super().changeEvent(event)

    def sizeHint(self) -> QSize:
        return self.minimumSizeHint()

    def minimumSizeHint(self) -> QSize:
        if self._least is None:
            self._least = QSize(self.title.sizeHint().width() + 2 * _MARGIN, _BAR)
        return self._least

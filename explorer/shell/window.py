"""The window: panels in their docks, menus from the commands, messages, status, drag and drop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QKeySequence,
    QPaintEvent,
    QResizeEvent,
    QStatusTipEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from backends.capabilities import HasElbo
from explorer.actions import Actions
from explorer.commands import Command
from explorer.compute import Exploration
from explorer.pace import Pace
from explorer.panels.curves import CurvesPanel
from explorer.panels.run import RunPanel
from explorer.plots.curves import CurvePlot
from explorer.session import Message, Session
from explorer.settings import Settings
from explorer.shell.arrangement import Arrangement
from explorer.shell.cards import in_front, take_keyboard
from explorer.shell.dialogs import Dialogs
from explorer.shell.menus import Menus
from explorer.shell.stage import Stage
from explorer.shell.suited import SUITED
from explorer.state import State
from explorer.style.icons import set_icon
from explorer.widgets.card import CardDock
from explorer.widgets.messages import MessageBar
from explorer.widgets.task_bar import TaskBar
from explorer.widgets.values import LiveLabel, format_number

if TYPE_CHECKING:
    from explorer.shell.beside import BesideDock

READ_MS = 8000  # what is only information is to be read in
TITLE = "vae on digits · step 10 000"  # has room before it is there: no message moves when it comes
GAP = 24  # logical pixels between what stands in the head; the title's step may become longer


class Window(QMainWindow):
    """Everything that is seen. It knows the panels; the panels know the session."""

    first_painted = Signal()
    closing = Signal()

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self.session, self.actions_, self.exploration = session, actions, exploration
        self._painted = False
        self._point: tuple[float, ...] = ()  # to be held when the run of a saved session is there
        self.setWindowTitle("Latent Explorer")
        self.setAcceptDrops(True)
        self.setAnimated(False)  # cards that come and go would all be painted again for a fifth of a second
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)

        self.run = RunPanel(session, actions)
        self.stage = stage = Stage(session, exploration, actions, self)
        self.map, self.cursor_panel, self.samples = stage.map, stage.cursor, stage.samples
        self.curves = CurvesPanel(session)
        self.docks = {
            "run": CardDock("run", "Run", self.run, self),
            "map": stage.docks["map"],
            "cursor": stage.docks["cursor"],
            "curves": CardDock("curves", "ELBO · nats", self.curves, self),
            "samples": stage.docks["samples"],
        }
        for name, suited in SUITED.items():
            self.docks[name] = CardDock(name, suited.title, None, self)
        self.suited: dict[str, Any] = {}  # panels by the name of their dock, made when a run first needs them
        self._suit: set[str] = set()  # those that have something to show of the open run
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        for dock in self.docks.values():
            dock.closed.connect(self._card_closed)
        self.arrangement = Arrangement(self, self.docks)
        self.dialogs = Dialogs(self)
        self.run.painting_wanted.connect(self.dialogs.paint)
        self.curves.status.connect(self.docks["curves"].set_status)
        self.curves.explained.connect(self.docks["curves"].status.setToolTip)
        self.docks["curves"].status.linkActivated.connect(self.curves.plot.toggle)

        self.menus = Menus(self)
        self.title = LiveLabel(self, Qt.AlignmentFlag.AlignRight)
        self._bar = QHBoxLayout()
        self._bar.setSpacing(8)
        self._bar.addWidget(self.menus)
        self._bar.addWidget(self.title, 1)
        head = QWidget(self)
        column = QVBoxLayout(head)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(8)
        column.addLayout(self._bar)
        self.setMenuWidget(head)
        self.messages = MessageBar(head, self, self._empty)
        self.setContentsMargins(12, 0, 12, 0)

        self.busy, self.where = QLabel(self), QLabel(self)
        self.reading = TaskBar("reading", "Read no more; what there was before stays", self)
        self.hint = QLabel(self)
        self.hint.setProperty("role", "muted")
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.statusBar().addWidget(self.reading)
        self.statusBar().addWidget(self.busy)
        self.statusBar().addWidget(self.hint, 1)
        tip = "Encode no more; those that are encoded while it trains stay"
        self.encoding = TaskBar("encoding", tip, self, "Encoding all rows:")
        self.statusBar().addPermanentWidget(self.encoding)
        self.statusBar().addPermanentWidget(self.where)
        self.statusBar().setSizeGripEnabled(False)
        self._pace = Pace(self._show_title, interval=0.25, duty=0.2, parent=self)
        self.setMinimumSize(QSize(900, 600))
        self.resize(1440, 900)
        session.message.connect(self._say)
        session.run_opening.connect(self._run_opening)
        session.changed.connect(self._state_changed)
        session.run_changed.connect(self._run_changed)
        session.moment_changed.connect(self._moment)
        actions.files.file_changed.connect(self._run_changed)
        actions.busy.connect(self._busy)
        actions.begun.connect(self.messages.forget)
        actions.progress.connect(self.reading.show_progress)
        self.reading.cancelled.connect(actions.cancel)

    # -- commands ------------------------------------------------------------------------------

    def add_commands(self, commands: Sequence[Command]) -> None:
        """Build the menus, and keep the actions for the palette."""
        self.commands = self.menus.fill(commands)
        for name, text in (("open", "Open…"), ("palette", "Commands")):
            button = QPushButton(text, self)
            set_icon(button, self.commands[name].command.icon)
            button.clicked.connect(self.commands[name].trigger)
            button.setToolTip(self.commands[name].toolTip())
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self._bar.addWidget(button)
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._focus_changed)
        self.stage.add_actions(self.commands["home"], self.commands["resample"])

    def _focus_changed(self, _: QWidget | None, focus: QWidget | None) -> None:
        """Space trains and pauses, except where it presses the control that has the focus."""
        presses = isinstance(focus, QAbstractButton | QComboBox)
        self.commands["toggle"].setShortcuts([] if presses else [QKeySequence("Space")])

    # -- arrangement -----------------------------------------------------------------------------

    def arrange(self) -> None:
        """The standard arrangement."""
        self.arrangement.lay()
        for name in self.docks.keys() - SUITED.keys():
            self.docks[name].setVisible(name not in self.session.state.closed and self.can_show(name))
        self._show_suited()
        self.arrangement.size()
        self.messages.raise_()

    def arrange_anew(self) -> None:
        """The standard arrangement, with all cards in it."""
        self.session.apply(replace(self.session.state, closed=()), "show all cards")
        self.arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() < event.oldSize().width():
            self.arrangement.keep_columns()

    def restore(self, settings: Settings) -> None:
        """The arrangement of last time, or the standard one; no larger than the screen."""
        self.resize(self.size().boundedTo(self.screen().availableSize()))
        self.arrange()
        self.arrangement.restore(settings.geometry, settings.arrangement)

    def reopen(self, settings: Settings) -> None:
        """A saved session: its arrangement now, and the point that it holds when its run is there."""
        self.restore(settings)
        self._point = settings.point

    def settings(self) -> Settings:
        """All that is to be there again next time."""
        geometry, arrangement = self.arrangement.save()
        held = self.session.point if self.map.held else None
        return replace(
            self.actions_.files.settings,
            state=self.session.state,
            geometry=geometry,
            arrangement=arrangement,
            point=() if held is None else tuple(map(float, held)),
        )

    def beside(self) -> BesideDock:
        """The card of a second map; made when it is first asked for."""
        from explorer.shell.beside import BesideDock

        dock = self.findChild(BesideDock)
        if dock is None:
            dock = BesideDock(self.session, self.exploration, self)
            dock.wanted.connect(self.arrangement.add_beside)
            self.messages.raise_()
        return dock

    # -- what is shown -------------------------------------------------------------------------

    def _say(self, message: Message) -> None:
        self.messages.forget(message.about)
        if message.kind == "info" and message.details is None and message.action is None:
            self.statusBar().showMessage(message.text, READ_MS)  # what asks for nothing moves nothing
            return
        self.messages.show_message(
            message.text, message.kind, message.details, message.action, message.about, message.answered
        )

    def _empty(self) -> tuple[int, int]:
        """Left and right of what the head shows nothing in: between the menus and the title."""
        title = max(map(self.title.fontMetrics().horizontalAdvance, (self.title.text(), TITLE)))
        return self.menus.geometry().right() + GAP, self.title.geometry().right() - title - GAP

    def _busy(self, text: str) -> None:
        self.busy.setText(text)
        if text:
            self.statusBar().clearMessage()  # which would lie over it

    def fit_curves(self) -> None:
        """Zoom out to all of the curves of each card in front."""
        for dock in filter(in_front, self.findChildren(CardDock)):
            for plot in dock.findChildren(CurvePlot):
                plot.fit()

    def play_path(self) -> None:
        """Play the film of the path, or pause it."""
        self.show_card("path")
        self.suited["path"].play()

    # -- cards that are closed and shown ---------------------------------------------------------

    def can_show(self, name: str) -> bool:
        """Whether the open run has what a card shows."""
        if name == "curves":  # those of a flow, which has no bound, are in a card of their own
            return "likelihood" not in self._suit
        return name not in SUITED or name in self._suit

    def show_card(self, name: str) -> None:
        """Bring a card to the front."""
        state, dock = self.session.state, self.docks[name]
        closed = tuple(other for other in state.closed if other != name)
        self.session.apply(replace(state, closed=closed), f"show {dock.windowTitle()}")
        dock.show()
        dock.raise_()

    def toggle_card(self, name: str) -> None:
        """Bring a card to the front and give it the keyboard; close it where it is there."""
        if in_front(self.docks[name]):
            self.docks[name].close()
        else:
            self.show_card(name)
            take_keyboard(self.docks[name])

    def _card_closed(self) -> None:
        name, state = self.sender().objectName(), self.session.state
        if name not in state.closed:
            what = f"close {self.docks[name].windowTitle()}"
            self.session.apply(replace(state, closed=(*state.closed, name)), what)

    def _run_opening(self, run: Any) -> None:
        """Make the panels that this run is the first to suit."""
        for name, suited in SUITED.items():
            if name not in self.suited and suited.panel.suits(run, self.session.model):
                panel = suited.panel(self.session, self.exploration, self.actions_)
                self.suited[name] = panel
                dock = self.docks[name]
                dock.fill(panel)
                if hasattr(panel, "status"):
                    panel.status.connect(dock.set_status)
                if hasattr(panel, "follow_link"):
                    dock.status.linkActivated.connect(panel.follow_link)

    def _state_changed(self, old: State, new: State) -> None:
        """Cards are closed and come back; a path that is drawn or joined comes into view."""
        for name in set(old.closed) ^ set(new.closed):
            if name in self.docks:
                self.docks[name].setVisible(name not in new.closed and self.can_show(name))
        if old.path != new.path and new.path.kind != "nothing" and not in_front(self.docks["path"]):
            self.docks["path"].raise_()

    def _run_changed(self, _: Any) -> None:
        point, self._point = self._point, ()
        if self.session.model is not None and 0 < len(point) == self.session.model.latent_dim:
            self.map.hold(np.array(point, np.float32))
        self._show_suited()
        self._show_title()
        self.messages.place()

    def _show_suited(self) -> None:
        """Panels that have something to show of this run; the first of them on top, where it was not there
        for the run before."""
        run, model = self.session.run, self.session.model
        self._suit = {name for name, s in SUITED.items() if run is not None and s.panel.suits(run, model)}
        bounded = model is None or isinstance(model, HasElbo)
        self.docks["curves"].set_title("ELBO · nats" if bounded else "log p · nats")
        self.docks["curves"].setVisible("curves" not in self.session.state.closed and self.can_show("curves"))
        before = [name for name in SUITED if not self.docks[name].isHidden()]
        now = [name for name in SUITED if name in self._suit and name not in self.session.state.closed]
        if now == before:
            return
        for name in SUITED:
            self.docks[name].setVisible(name in now)
        self.docks[next((name for name in now if not SUITED[name].behind), "curves")].raise_()
        if self.arrangement.standard:
            self.arrangement.size()

    def _moment(self, _: Any) -> None:
        self._pace.poke()

    def _show_title(self) -> bool:
        run, moment = self.session.run, self.session.moment
        if run is None or moment is None:
            return False
        path = self.actions_.files.path
        name = path.stem if path is not None else run.name
        self.title.setText(f"{name} · step {format_number(moment.steps)}")
        self.where.setText(f"{run.device.upper()} · {run.kind.title} · {run.info.title}")
        self.setWindowTitle(f"{name} – Latent Explorer")
        return False

    # -- Qt ------------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """What a hand can do where the mouse is, is told below; messages go over it."""
        if isinstance(event, QStatusTipEvent):
            self.hint.setText(event.tip())
            return True
        return super().event(event)

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab passes by what is behind the tab of another card, where nobody would see the focus."""
        begin = self.focusWidget()
        while super().focusNextPrevChild(forward):
            focus = self.focusWidget()
            card = next((dock for dock in self.docks.values() if dock.isAncestorOf(focus)), None)
            if card is None or in_front(card) or focus is begin:
                return True
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            self.map.canvas.setFocus()
            QTimer.singleShot(0, self, self.first_painted.emit)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        for url in event.mimeData().urls():
            if url.isLocalFile():
                event.acceptProposedAction()
                self.actions_.open(url.toLocalFile(), self._on_canvas(event.position().toPoint()))
                return

    def _on_canvas(self, at: QPoint) -> bool:
        """Whether a place in the window is on the canvas or on the card beside it: what is dropped there is
        to be looked at, and elsewhere to be trained on."""
        shown = (d for d in (self.docks["map"], self.docks["cursor"]) if d.isVisible() and not d.isFloating())
        return any(dock.geometry().contains(at) for dock in shown)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.closing.emit()
        super().closeEvent(event)

"""The run's earlier moments, under the canvas: to look at, to play as a film, to go on from."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QSignalBlocker, QSize, QTimer
from PySide6.QtGui import QActionGroup, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QToolButton, QWidget

from backends.branch import branch
from backends.capabilities import Bayesian
from backends.history import History
from backends.run import Run
from explorer.actions import MB, Actions
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.session import Session
from explorer.state import LENGTHS, MEMORIES, HistorySpec
from explorer.style.icons import set_icon
from explorer.style.stylesheet import restyle
from explorer.widgets.button import PassingButton
from explorer.widgets.form import Choice
from explorer.widgets.scrubber import Scrubber
from explorer.widgets.values import format_number

NARROW, NARROWEST = 480, 280  # logical pixels
FRAME = 33  # ms between two frames of a film


class HistoryBar(QWidget):
    """Follows the open run. What it shows is the session's: ``look_back`` there, and all panels follow.

    Hidden for runs whose own panel has a moment for every row, and while there is nothing to replay: a run
    that comes from a file has no earlier moments until it is trained on.
    """

    def __init__(
        self, session: Session, exploration: Exploration, actions: Actions, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._exploration, self._actions = session, exploration, actions
        self._earlier: tuple[Any, ...] = ()
        self._looking_back = False  # as it was drawn
        self._played = 0.0  # of the film, from 0 to 1
        self._clock = 0.0

        self.play = self._button(PassingButton(self), "Play the training as a film (Shift+Space)")
        set_icon(self.play, "play")
        self.loop = self._button(PassingButton(self), "Play the film again and again")
        set_icon(self.loop, "restart")
        self.loop.setCheckable(True)
        self.speed = Choice(self)
        for seconds in LENGTHS:
            self.speed.addItem(f"{seconds} s", seconds)
        self.speed.setFixedWidth(72)
        self.speed.setAccessibleName("Length of the film")
        self.speed.setToolTip("How long the film takes, from the first moment to the newest")
        self.scrubber = Scrubber("step", self)
        self.branch = self._button(
            PassingButton(self),
            "Branch: a new run that carries on from this very moment (Ctrl+B)\n"
            "Weights, optimiser, random numbers and the order of the data are as they were then.\n"
            "This run is kept.",
        )
        set_icon(self.branch, "branch")
        self.memory = QToolButton(self)
        self.memory.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.memory.setAccessibleName("Memory of the history")
        # of one size: a new text of any other button has the whole window laid out again
        wide = self.memory.fontMetrics().horizontalAdvance("000 / 000 MB") + 16
        self.memory.setFixedSize(wide, self.branch.sizeHint().height())
        self.menu = QMenu(self.memory)
        self.menu.addSection("Earlier moments may take")
        self._memories = QActionGroup(self)
        for memory in MEMORIES:
            action = self.menu.addAction(f"{format_number(memory)} MB")
            action.setCheckable(True)
            action.setData(memory)
            self._memories.addAction(action)
        self.memory.setMenu(self.menu)
        row = QHBoxLayout(self)
        row.setSizeConstraint(QHBoxLayout.SizeConstraint.SetNoConstraint)  # see resizeEvent
        row.setContentsMargins(0, 4, 0, 0)
        row.setSpacing(4)
        for widget in (self.play, self.loop, self.speed):
            row.addWidget(widget)
        row.addSpacing(8)
        row.addWidget(self.scrubber, 1)
        row.addWidget(self.branch)
        row.addWidget(self.memory)

        self._film = QTimer(self)
        self._film.setInterval(FRAME)
        self._film.timeout.connect(self._next_frame)
        self._pace = Pace(self._redraw, interval=0.1, duty=0.2, parent=self)
        self.play.clicked.connect(self.toggle_film)
        self.loop.toggled.connect(self._set)
        self.speed.activated.connect(self._set)
        self._memories.triggered.connect(self._set)
        self.scrubber.moved.connect(self._dragged)
        self.branch.clicked.connect(self.branch_off)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.moment_changed.connect(self._moment)
        session.changed.connect(self._state_changed)
        self._show_spec()
        self._redraw()

    def _button(self, button: QPushButton, tip: str) -> QPushButton:
        button.setFixedWidth(28)
        button.setStyleSheet("padding: 4px 0")
        button.setIconSize(QSize(14, 14))
        button.setToolTip(tip)
        button.setAccessibleName(tip.partition("\n")[0].partition(" (")[0].partition(":")[0])
        return button

    def minimumSizeHint(self) -> QSize:
        return QSize(NARROWEST, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """On a narrow canvas the slider has the room; what is rarely set is in the way."""
        super().resizeEvent(event)
        narrow = event.size().width() < NARROW
        for widget in (self.loop, self.speed, self.memory):
            widget.setVisible(not narrow)
        self.scrubber.set_narrow(narrow)

    # -- what is set -----------------------------------------------------------------------------

    def _set(self, *_: object) -> None:
        state, chosen = self._session.state, self._memories.checkedAction()
        spec = HistorySpec(
            chosen.data() if chosen is not None else state.history.memory,
            self.speed.currentData(),
            self.loop.isChecked(),
        )
        self._session.apply(replace(state, history=spec), "change the history")

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.history != new.history:
            self._show_spec()
            self._pace.poke()

    def _show_spec(self) -> None:
        spec = self._session.state.history
        with QSignalBlocker(self.loop):
            self.loop.setChecked(spec.loop)
        self.speed.setCurrentIndex(self.speed.findData(spec.seconds))
        for action in self._memories.actions():
            action.setChecked(action.data() == spec.memory)

    # -- moving through it -------------------------------------------------------------------------

    @property
    def playing(self) -> bool:
        """Whether the film runs."""
        return self._film.isActive()

    def toggle_film(self) -> None:
        """Play all moments from the one on show, or from the first; or stop at the one on show."""
        if self.playing:
            self._stop()
        elif self._earlier:
            at = self.scrubber.at
            self._played = 0.0 if at is None else at / len(self._earlier)
            self._clock = time.perf_counter()
            self._film.start()
            set_icon(self.play, "pause")
            self._next_frame()

    def _stop(self) -> None:
        self._film.stop()
        set_icon(self.play, "play")

    def _next_frame(self) -> None:
        now, spec = time.perf_counter(), self._session.state.history
        self._played += (now - self._clock) / spec.seconds
        self._clock = now
        if self._played >= 1.0 and not spec.loop:
            self._stop()
            self.go_live()
        elif self._earlier:
            self._played %= 1.0
            self._look_back(int(self._played * len(self._earlier)))

    def _dragged(self, at: int | None) -> None:
        self._stop()
        self._look_back(at)

    def _look_back(self, at: int | None) -> None:
        self._session.look_back(None if at is None else self._earlier[at])

    def go(self, by: int) -> None:
        """To the moment before, −1, or after, 1, that on show."""
        if self._earlier:
            at = self.scrubber.at
            index = max((len(self._earlier) if at is None else at) + by, 0)
            self._dragged(index if index < len(self._earlier) else None)

    def go_live(self) -> None:
        """Let go of the past: show the newest, and follow training."""
        self._dragged(None)

    @property
    def can_branch(self) -> bool:
        """Whether an earlier moment is on show that can be gone on from."""
        run, past = self._session.run, self._session.past
        return past is not None and run is not None and run.data is not None and not self.isHidden()

    def branch_off(self) -> None:
        """Open a new run at the moment on show."""
        run, past = self._session.run, self._session.past
        if run is None or past is None or not self.can_branch:
            self._session.say("A branch begins at an earlier moment: look back at one first.")
            return
        self._stop()
        self._exploration.request(
            "open", Priority.FILE, lambda: branch(run, past), self._branched, doing="branch off"
        )

    def _branched(self, run: Run) -> None:
        self._actions.take(run)
        self._session.say(f"A new run from step {format_number(run.steps)}. Train carries on from there.")

    # -- what is shown -----------------------------------------------------------------------------

    def _run_changed(self, run: Run | None) -> None:
        self._stop()
        self.scrubber.set_unit("iteration" if run is not None and run.by_halves else "step")
        self._pace.reset()
        self._redraw()

    def _model_changed(self, _: Any) -> None:
        if self._session.past is not None or self._looking_back:
            self._redraw()  # at once: the hand is on it

    def _moment(self, _: Any) -> None:
        if self.isHidden():
            self._redraw()  # there may be something to replay now; a pace waits until it is seen
        else:
            self._pace.poke()

    def _redraw(self) -> bool:
        run, moment, past = self._session.run, self._session.moment, self._session.past
        models, newest = (() if run is None else run.history.models), 0
        if moment is not None:
            newest = moment.model.stamp.step
        while models and models[-1].stamp.step >= newest:  # training is ahead of what it told
            models = models[:-1]
        self._earlier = models
        steps = [model.stamp.step for model in models]
        is_new = run is not None and newest == 0  # it keeps the room that it will need
        replays = bool(models) or is_new
        self.setVisible(replays and not isinstance(self._session.model, Bayesian))
        self._looking_back, at = past is not None, None
        if past is not None and models:
            own = [i for i, model in enumerate(models) if model is past]  # it may have been dropped since
            at = own[0] if own else min(range(len(steps)), key=lambda i: abs(steps[i] - past.stamp.step))
        self.scrubber.show_moments(steps, newest, at)
        restyle(self.scrubber.live, "" if past is None else "primary")
        for widget in (self.play, self.loop, self.speed):
            widget.setEnabled(bool(models))
        self.branch.setEnabled(self.can_branch)
        self._show_memory(History() if run is None else run.history)
        return False

    def _show_memory(self, history: History) -> None:
        room = self._session.state.history.memory
        taken = format_number(round(history.nbytes / MB))
        self.memory.setText(f"{taken} / {format_number(room)} MB")
        n = len(history.models)
        moments = "1 moment" if n == 1 else f"{format_number(n)} moments"
        tip = f"{moments}, {taken} MB of {format_number(room)} MB.\n"
        if history.refused:
            tip = f"One moment of this run takes {format_number(round(history.refused / MB))} MB: too much.\n"
        self.memory.setToolTip(
            f"{tip}Model and learner of each moment; what several share counts for each.\n"
            "When the room is full, every second moment makes way: they stay evenly spread.\n"
            "Click to change the room."
        )

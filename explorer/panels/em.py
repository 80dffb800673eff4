"""EM, half-step by half-step: its staircase, its controls, and other seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from backends.run import Run
from explorer.actions import Actions
from explorer.compute import Exploration
from explorer.pace import Pace
from explorer.plots.staircase import RECENT, Staircase
from explorer.runs.restarting import Restarting
from explorer.session import Session
from explorer.style.icons import set_icon
from explorer.training import Moment
from explorer.widgets.button import PassingButton
from explorer.widgets.form import Choice
from explorer.widgets.restarts_box import RestartsBox
from explorer.widgets.scrolling import Scrolling
from explorer.widgets.values import LiveLabel, ValueRows, format_number
from explorer.widgets.wrapping import Wrapping

SIDE = 244  # pixels of the column of controls: the stopping rule stands in one line beside a scroll bar too
PACES = (
    (0, "full speed"),
    (4, "4 half-steps a second"),
    (2, "2 half-steps a second"),
    (1, "1 half-step a second"),
)
FACTS = (
    (
        "iterations",
        "Iterations",
        "An iteration is an E-step, which chooses q, and an M-step, which chooses θ; both raise the bound\n"
        "L(q, θ) = E_q[log p(X, z|θ)] + H(q) ≤ log p(X|θ)  (Neal & Hinton 1998).",
    ),
    (
        "change",
        "Last change",
        "By how much the last iteration raised what EM climbs: L(q, θ), plus log p(θ)/n where there is a\n"
        "prior; its value after this M-step minus that after the M-step before, nats a datum.",
    ),
    (
        "rule",
        "Stopping rule",
        "Met when the last change is less than the tolerance of the Run form.",
    ),
)


class EMPanel(QWidget):
    """Follows the open run, which must be trained in half-steps."""

    status = Signal(object)

    @staticmethod
    def suits(run: Run, model: Any) -> bool:
        """A run of EM."""
        return run.by_halves

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._actions = session, actions

        self.plot = Staircase(self)
        self.terms = self._box(
            "Terms",
            "The terms of the bound. Mixtures: L = E_q[log p(x,z)] + H(q). "
            "Factor models: L = E_q[log p(x|z)] − KL(q‖p(z)). "
            "With a prior also log p(x) + log p(θ)/n, which EM climbs then.",
        )
        self.recent = self._box(
            f"Last {RECENT}",
            f"Follow the last {RECENT} iterations, in place of all; zoom and pan at will",
        )
        self.fit = QPushButton(self)
        set_icon(self.fit, "fit")
        self.fit.setIconSize(QSize(14, 14))
        self.fit.setFixedWidth(34)
        self.fit.setAccessibleName("Fit the stairs")
        self.fit.setToolTip("Show the whole staircase and follow it again (F, or a double click)")
        self.extra = LiveLabel(self, Qt.AlignmentFlag.AlignRight)
        self.extra.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        below = Wrapping((self.terms, self.recent, self.extra, self.fit), gap=8)
        picture = QVBoxLayout()
        picture.setSpacing(4)
        picture.addWidget(self.plot, 1)
        picture.addLayout(below)

        side = QWidget(self)
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(self._controls())
        column.addLayout(self._speed())
        self.facts = ValueRows(FACTS, self)
        column.addWidget(self.facts)
        self.rule = QLabel(self)
        self.rule.setProperty("role", "muted")
        self.rule.setWordWrap(True)
        self.rule.setToolTip(
            "By how much an iteration must raise what EM climbs, in nats a datum, for another to follow.\n"
            "Tolerance, in the Run form."
        )
        column.addWidget(self.rule)
        self.notes = QLabel(self)
        self.notes.setProperty("role", "warning")
        self.notes.setWordWrap(True)
        self.notes.hide()
        self.notes.setAccessibleName("Notes on the components")
        self.notes.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)  # no card grows
        column.addWidget(self.notes)
        self.restarts = RestartsBox(self)
        self.restarting = Restarting(session, exploration, actions, self)
        column.addWidget(self.restarts)
        column.addStretch(1)

        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(16)
        layout.addLayout(picture, 1)
        layout.addWidget(Scrolling(side, SIDE, self))

        self._pace = Pace(self._redraw, interval=0.1, duty=0.2, parent=self)
        self.fit.clicked.connect(self.plot.fit)
        self.plot.legend_changed.connect(self._legend_changed)
        self.extra.linkActivated.connect(self.plot.toggle)
        self.plot.seed_chosen.connect(self.restarting.choose)
        self.restarts.wanted.connect(self._restart)
        self.restarts.count_changed.connect(self._set)
        self.restarts.chosen.connect(self.restarting.choose)
        self.restarts.taken.connect(self.restarting.take)
        self.restarting.progressed.connect(self.restarts.progress.show_progress)
        self.restarting.changed.connect(self._show_restarts)
        session.changed.connect(self._state_changed)
        session.run_changed.connect(self._run_changed)
        session.moment_changed.connect(self._pace.poke)
        session.rested.connect(self._pace.renew)
        session.model_changed.connect(self._model_changed)
        self._show_state()

    def _box(self, text: str, tip: str) -> QCheckBox:
        box = QCheckBox(text, self)
        box.setToolTip(tip)
        box.toggled.connect(self._set)
        return box

    def _controls(self) -> QHBoxLayout:
        self.play = PassingButton(self)
        self.play.setProperty("role", "primary")
        self.play.setToolTip("Run EM, iteration after iteration (Space)")
        self.play.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.play.clicked.connect(self._actions.toggle)
        self.step = self._button("", "One iteration: the rest of E and M (Ctrl+Right)", self._actions.step)
        set_icon(self.step, "step")
        self.step.setIconSize(QSize(14, 14))
        key = "(Ctrl+Shift+Right)"
        self.e = self._button(
            "E", f"E-step: q ← p(z|x, θ), or the best that q can be; it closes the gap {key}",
            self._actions.half_step,
        )  # fmt: skip
        self.m = self._button(
            "M", f"M-step: θ ← argmax L(q, θ); it lifts bound and log-likelihood {key}",
            self._actions.half_step,
        )  # fmt: skip
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.play, 1)
        for button in (self.step, self.e, self.m):
            row.addWidget(button)
        return row

    def _button(self, text: str, tip: str, action: Callable[[], None]) -> PassingButton:
        button = PassingButton(text, self)
        button.setFixedWidth(34)
        button.setStyleSheet("padding: 4px 0")
        button.setToolTip(tip)
        button.setAccessibleName(tip.partition(":")[0])
        button.clicked.connect(action)
        return button

    def _speed(self) -> QHBoxLayout:
        self.speed = Choice(self)
        for pace, text in PACES:
            self.speed.addItem(text, pace)
        self.speed.setAccessibleName("Speed")
        self.speed.setToolTip("How fast EM plays: slow enough to see each half-step, or as fast as it goes")
        self.speed.activated.connect(self._set)
        label = QLabel("Speed", self)
        label.setProperty("role", "muted")
        label.setBuddy(self.speed)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(label)
        row.addWidget(self.speed, 1)
        self.start = self._button("", "Back to the start, and wait (Ctrl+Home)", self._actions.back_to_start)
        set_icon(self.start, "start")
        self.start.setIconSize(QSize(14, 14))
        row.addWidget(self.start)
        return row

    def follow_link(self, key: str) -> None:
        """A click in the legend beside the title: show or hide a curve."""
        self.plot.toggle(key)

    # -- what is set -----------------------------------------------------------------------------

    def _set(self, *_: object) -> None:
        state = self._session.state
        em = replace(
            state.em,
            pace=self.speed.currentData(),
            recent=self.recent.isChecked(),
            terms=self.terms.isChecked(),
            restarts=self.restarts.count.currentData(),
        )
        self._session.apply(replace(state, em=em), "change how EM is watched")

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.em != new.em:
            self._show_state()
        elif old.run.tolerance != new.run.tolerance:
            self._redraw()

    def _show_state(self) -> None:
        em = self._session.state.em
        for box, value in ((self.terms, em.terms), (self.recent, em.recent)):
            with QSignalBlocker(box):
                box.setChecked(value)
        self.speed.setCurrentIndex(self.speed.findData(em.pace))
        self.restarts.show_count(em.restarts)
        self.plot.set_recent(em.recent)
        self._redraw()

    # -- what is shown ---------------------------------------------------------------------------

    def _run_changed(self, _: Any) -> None:
        self.plot.fit()
        self._pace.reset()
        self._redraw()
        self._show_restarts()

    def _model_changed(self, _: Any) -> None:
        self._show_notes()
        self._show_moment()

    def _redraw(self) -> bool:
        run, moment = self._session.run, self._session.moment
        if run is None or moment is None or not run.by_halves:
            return False
        self.plot.set_halves(run.curves, self._session.state.em.terms)
        self.play.setText("Pause" if moment.training else "Play")
        set_icon(self.play, "pause" if moment.training else "play", "accent_text")
        self.e.setEnabled(run.next_half == "E")
        self.m.setEnabled(run.next_half == "M")
        self._show_facts(run, moment)
        self._show_moment()
        return False

    def _show_facts(self, run: Run, moment: Moment) -> None:
        tolerance, change = self._session.state.run.tolerance, run.change
        self.facts.set("iterations", format_number(moment.steps))
        sign = "+" if change is not None and change > 0 else ""
        self.facts.set("change", None if change is None else f"{sign}{format_number(change, 3)}")
        if run.values.get("batch_size"):
            rule, met = "By batches, L also falls: no rule but the steps", None
        elif not tolerance:
            rule, met = "No rule: the tolerance is 0", None
        else:
            what = "L + log p(θ)/n" if len(run.curves.get("half/log_posterior")[0]) else "L"
            least = f"{tolerance:g}".replace("-", "\N{MINUS SIGN}")
            rule = f"Ends when {what} rises by < {least} nats"
            met = "met" if run.settled(tolerance) else "not met yet"
        self.facts.set("rule", met)
        if rule != self.rule.text():
            self.rule.setText(rule)

    def _show_notes(self) -> None:
        notes = getattr(self._session.model, "notes", ())
        text = "\n".join(f"⚠ {note[:1].upper()}{note[1:]}." for note in notes)
        if text != self.notes.text():
            self.notes.setText(text)
            self.notes.setVisible(bool(text))
        self.notes.setToolTip(text)

    def _legend_changed(self, _: str) -> None:
        """Log-likelihood, bound and gap beside the title, the terms beside what switches them on."""
        self.status.emit(self.plot.legend(("log_likelihood", "elbo")))
        self.extra.setText(self.plot.legend(self.plot.terms, digits=2))

    def _show_moment(self) -> None:
        run, past = self._session.run, self._session.past
        if run is not None:
            self.plot.set_moment(None if past is None else past.stamp.step, run.placed)

    # -- other seeds -------------------------------------------------------------------------------

    def _restart(self) -> None:
        if self.restarting.busy:
            self.restarting.cancel()
        else:
            self.restarting.begin(self._session.state.em.restarts)

    def _show_restarts(self) -> None:
        found, chosen, run = self.restarting.found, self.restarting.chosen, self._session.run
        possible = run is not None and run.data is not None
        self.restarts.show_restarts(found, chosen, self.restarting.busy, possible)
        curves = {one.seed: one.log_likelihood for one in found}
        self.plot.set_others(curves, None if chosen is None else chosen.seed)

"""A flow fitted both ways, side by side: by maximum likelihood, KL(π‖p), and by the reverse, KL(p‖π)."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from backends.base import Array, Estimate
from backends.carry import Slices, log_prob
from backends.data import Density, known_density
from backends.divergences import Divergences, divergences
from backends.run import Run
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.planes.density import CELLS, Lines, brightest, density, on_grid, outlines
from explorer.plots.fit_plane import FitPlane
from explorer.runs.other_fit import FURTHER, Fit, OtherFit, is_reverse, other_objective
from explorer.session import Session
from explorer.studies.flow import corners_of, is_continuous, is_flow
from explorer.style.theme import theme
from explorer.view import Picture, View
from explorer.widgets.progress_bar import ProgressBar
from explorer.widgets.room import keep_room
from explorer.widgets.table import ValueTable
from explorer.widgets.values import format_number

SIDE = 308  # pixels of the column of numbers
NARROWEST = 150  # pixels of a fit's picture
HEADROOM = 2.0  # a fit that leaves out one of two modes is twice as high on the other
ROWS, ROWS_CONTINUOUS = 5000, 1000  # held-out rows, and draws, that a number is made of
NAMES = {
    "forward-kl": "Max. likelihood: KL(π‖p)",
    "flow-matching": "Flow matching",
    "reverse-kl": "Reverse: KL(p‖π)",
}
EMPTY = {
    False: "Fitted by maximum likelihood, from the data, a flow covers all that π has.",
    True: "Fitted by the reverse KL divergence, from π itself, a flow avoids what π lacks.",
}
Drawing = Generator[Picture | Lines | None, None, Picture | None]
FORMULAS = (
    ("KL(π‖p)", "E[log π(x) − log p(x)] over x drawn from π: large where p lacks what π has"),
    ("KL(p‖π)", "E[log p(x) − log π(x)] over x drawn from the flow: large where p has what π lacks"),
    ("in x-space", "KL(π(x)‖p(x)), over one half of the held-out rows"),
    (
        "in z-space",
        "KL(p(z|θ)‖p(z)), over the other half: p(z|θ) is the density of z = f(x) for x ~ π,\n"
        "log p(z|θ) = log π(x) − log|det ∂z/∂x|. It is equal to the one in x-space, row by row and so in\n"
        "the mean: over other rows both agree within their errors (Papamakarios et al. 2021, sec. 2.3.3)",
    ),
    ("differ by", "The difference of the two above, in standard errors of it; from 3 on it has a warning"),
    ("at step", "Of which model the numbers are: they follow a training every few seconds"),
)


class _Side(QObject):
    """One of the two fits: its picture, and its divergences, which follow its model."""

    measured = Signal()

    def __init__(self, name: str, exploration: Exploration, parent: QWidget) -> None:
        super().__init__(parent)
        self._exploration = exploration
        self._slots = tuple(f"kl-{what}-{name}" for what in ("field", "lines", "numbers"))
        self.plane = FitPlane(f"Density of the flow fitted {name}", parent)
        self.run: Run | None = None
        self.model: Any = None
        self.found: Divergences | None = None
        self.found_at = -1  # the step of the model that they are of
        self._training = False
        self._known: Density | None = None  # π
        self._field = Pace(self._request_field, interval=0.15, duty=0.15, parent=self)
        self._numbers = Pace(self._request_numbers, interval=0.5, duty=0.15, parent=self)
        self.plane.canvas.viewed.connect(self.refresh)

    def show_fit(self, run: Run | None, model: Any, training: bool) -> None:
        """Follow a run, now at this model; None for no run. The last model of a training has no wait."""
        if run is not self.run:
            for slot in self._slots:
                self._exploration.cancel(slot)
            for pace in (self._field, self._numbers):
                pace.reset()
            self.found = None
            self._known = None if run is None else known_density(run.info)
            self.plane.field.set_picture(None)
        if self._training and not training:
            self._field.reset()
            self._numbers.reset()
        if run is not self.run or model is not self.model or training != self._training:
            another = run is not self.run
            self.run, self.model, self._training = run, model, training
            self.plane.show_fit(run is not None)
            if another:  # perhaps of another target, which nobody need look at from elsewhere
                self._request_lines()
            self._field.poke()
            self._numbers.poke()
            self.measured.emit()

    def refresh(self) -> None:
        """Draw anew, for another rectangle or for somebody who begins to look."""
        self._field.renew()
        self._numbers.poke()
        self._request_lines()

    @property
    def _density(self) -> Density | None:
        """π, where there is something to be drawn and somebody to see it."""
        return self._known if self.plane.isVisible() else None

    def _request_field(self) -> bool:
        model, target, view = self.model, self._density, self.plane.canvas.view()
        if target is None:
            return False
        table = theme().table
        cells = CELLS[:3] if is_continuous(model) else CELLS[:4]
        self._exploration.request(
            self._slots[0],
            Priority.FOLLOW,
            lambda: beside(model, target, view, table, cells),
            self._draw,
            doing="draw the density",
            ended=self._field.done,
        )
        return True

    def _draw(self, found: Picture | Lines) -> None:
        if isinstance(found, Picture):  # the lines over it are those of π
            self.plane.field.set_picture(found)

    def _request_lines(self) -> None:
        target, view = self._density, self.plane.canvas.view()
        if target is None:
            return
        self._exploration.request(
            self._slots[1],
            Priority.FIELD,
            lambda: outlines(target.log_prob, view),
            lambda found: self.plane.contours.set_segments(found.segments),
            doing="draw the contours",
        )

    def _request_numbers(self) -> bool:
        target, model, run = self._density, self.model, self.run
        if target is None or run is None or run.data is None:
            return False
        x = run.data.test.x[: ROWS_CONTINUOUS if is_continuous(model) else ROWS]
        self._exploration.request(
            self._slots[2],
            Priority.EVALUATION,
            lambda: divergences(model, target, x, len(x)),
            lambda found: self._take(found, model.stamp.step),
            doing="measure the KL divergences",
            ended=self._numbers.done,
        )
        return True

    def _take(self, found: Divergences, step: int) -> None:
        self.found, self.found_at = found, step
        self.measured.emit()

    def cells(self) -> list[tuple[str, str]]:
        """What is told in each row of the table, and how it was made."""
        if self.found is None:
            return [("–", "")] * len(FORMULAS)
        found, dual = self.found, self.found.dual
        apart = dual.errors_apart
        warned = "⚠ " if apart > 3 else ""
        estimates = (found.forward, found.reverse, dual.x_space, dual.z_space)
        told = [(with_error(one), one.method) for one in estimates]
        difference = "–" if math.isnan(apart) else f"{warned}{format_number(round(apart, 1), 1)} s.e."
        return [*told, (difference, ""), (format_number(self.found_at), "")]


class DivergencesPanel(QWidget):
    """Follows the open run, a flow of the plane whose data have a known density; fits it the other way."""

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self._shown: Run | None = None  # that is compared; None where there is nothing to compare
        self.other = OtherFit(session, exploration, actions, self)
        self.sides = {  # by whether it is the reverse
            False: _Side("forward", exploration, self),
            True: _Side("reverse", exploration, self),
        }
        self.table = ValueTable(("forward fit", "reverse fit"), self, names=70)
        self.table.setAccessibleName("KL divergences of both fits, in nats")
        for row, (_, formula) in enumerate(FORMULAS):
            self.table.set_tooltip(-1, formula, row)
        self.go = QPushButton(self)
        self.take = QPushButton("Open it", self)
        self.take.setToolTip(
            "Make the other fit the open run, to train it and look at it everywhere; so does a click on its "
            "picture. The one that is open now takes its place here."
        )
        self.progress = ProgressBar("the other fit", self)
        keep_room(self.go, self.take, self.progress)
        self.failure = QLabel(self)
        self.failure.setProperty("role", "error")
        self.failure.setWordWrap(True)
        self.failure.setAlignment(Qt.AlignmentFlag.AlignTop)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.go, 1)
        buttons.addWidget(self.take, 1)
        side = QWidget(self)
        side.setFixedWidth(SIDE)
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.table)
        column.addLayout(buttons)
        column.addWidget(self.progress)
        column.addWidget(self.failure, 1)
        content = QWidget(self)
        across = QHBoxLayout(content)
        across.setContentsMargins(0, 0, 0, 0)
        across.setSpacing(8)
        for one in self.sides.values():
            one.plane.setMinimumWidth(NARROWEST)
            across.addWidget(one.plane, 1)
        across.addWidget(side)
        scroll = QScrollArea(self)  # in a small window there is not room for all
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)

        for reverse, one in self.sides.items():
            one.plane.sentence.setText(EMPTY[reverse])
            one.plane.wanted.connect(self.other.train)
            one.measured.connect(self._show_table)
        forward, reverse_plane = (one.plane for one in self.sides.values())
        forward.chosen.connect(self._forward_chosen)
        reverse_plane.chosen.connect(self._reverse_chosen)
        forward.moved.connect(self._forward_moved)
        reverse_plane.moved.connect(self._reverse_moved)
        self.go.clicked.connect(self._go)
        self.take.clicked.connect(self.other.take)
        self.other.changed.connect(self._show)
        self.other.progressed.connect(self.progress.show_progress)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._show)
        session.moment_changed.connect(self._show)
        theme().changed.connect(self._show)
        self._show_table()
        self._show()

    @staticmethod
    def suits(run: Run, model: Any) -> bool:
        """A flow of the plane that can be fitted both ways, with data whose density is known."""
        known = run.data is not None and known_density(run.info) is not None
        return known and is_flow(model) and other_objective(run) is not None

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self.status.emit("lines π · colours p, up to twice the highest π in view")
        for one in self.sides.values():
            one.refresh()

    # -- what is done --------------------------------------------------------------------------

    def _go(self) -> None:
        if self.other.busy:
            self.other.cancel()
        else:
            self.other.train()

    def _forward_chosen(self) -> None:
        self._chosen(False)

    def _reverse_chosen(self) -> None:
        self._chosen(True)

    def _chosen(self, reverse: bool) -> None:
        """A click on the picture of the fit that is not open opens it, when the canvas has done with it."""
        run = self._session.run
        if run is not None and is_reverse(run) != reverse:
            QTimer.singleShot(0, self, self.other.take)

    # -- where they look -----------------------------------------------------------------------

    def _forward_moved(self) -> None:
        self._look_alike(self.sides[False].plane, self.sides[True].plane)

    def _reverse_moved(self) -> None:
        self._look_alike(self.sides[True].plane, self.sides[False].plane)

    def _look_alike(self, moved: FitPlane, other: FitPlane) -> None:
        """Both pictures show the same place: after one was moved by hand, the other is."""
        other.look_at(*moved.looks_at())

    def _run_changed(self, run: Run | None) -> None:
        self._shown = run if run is not None and self.suits(run, self._session.model) else None
        if run is None or self._shown is None:
            for one in self.sides.values():
                one.show_fit(None, None, False)
            return
        assert run.data is not None
        x = run.data.train.x
        self._exploration.request(
            "kl-view", Priority.FIELD, lambda: corners_of(x, margin=0.15), self._look_at,
            doing="find where the data are",
        )  # fmt: skip
        self._show()

    def _look_at(self, corners: Any) -> None:
        for one in self.sides.values():
            one.plane.show_corners(corners)

    # -- what is shown -------------------------------------------------------------------------

    def _show(self, *_: object) -> None:
        run, model, fit = self._session.run, self._session.model, self.other.fit
        if run is None or run is not self._shown:
            return
        beside = fit if fit is not None and fit.run is not run else None
        own, other = self.sides[is_reverse(run)], self.sides[not is_reverse(run)]
        own.show_fit(run, model, self._session.training)
        if beside is None:
            other.show_fit(None, None, False)
        else:
            other.show_fit(beside.run, beside.model, self.other.busy)
        own.plane.title.setText(NAMES[str(run.values["objective"])])
        other.plane.title.setText(NAMES[str(other_objective(run))])
        accent, steps = theme().tokens.accent, format_number(own.model.stamp.step)
        own.plane.mark.setText(f"<span style='color:{accent}'>open</span> · step {steps}")
        own.plane.canvas.setToolTip("")
        self._show_beside(other.plane, beside)

    def _show_beside(self, plane: FitPlane, beside: Fit | None) -> None:
        busy = self.other.busy
        plane.mark.setText("" if beside is None else f"step {format_number(beside.model.stamp.step)}")
        plane.canvas.setToolTip("A click opens this fit in place of the other")
        plane.button.setEnabled(not busy)
        for widget in (self.go, self.take):
            widget.setVisible(beside is not None)
        self.go.setText("Cancel" if busy else "Train further")
        self.go.setToolTip(
            "Stop; what has become of it stays" if busy else
            "Train the other fit on, in the background: to as many steps as the open run has, and where it "
            f"has them by {FURTHER} more"
        )  # fmt: skip
        self.progress.setVisible(busy)
        failure = "" if beside is None else beside.failure
        self.failure.setText(failure and f"{failure[0].upper()}{failure[1:]}.")

    def _show_table(self) -> None:
        columns = [one.cells() for one in self.sides.values()]
        rows = [(name, [columns[0][row][0], columns[1][row][0]]) for row, (name, _) in enumerate(FORMULAS)]
        self.table.set_rows(rows)
        for row, (_, formula) in enumerate(FORMULAS):
            for column in (0, 1):
                method = columns[column][row][1]
                self.table.set_tooltip(column, f"{method}\n{formula}" if method else formula, row)


def beside(model: Any, target: Density, view: View, table: Array, cells: Sequence[int]) -> Drawing:
    """The density of a flow in colours that count from π, so that heights can be compared from one fit to the
    other: the brightest is HEADROOM times the highest π in view, and all that is higher."""
    heights = yield from on_grid(target.log_prob, view, cells[-1])
    highest = brightest(heights.ravel()) + math.log(HEADROOM)

    def log_p(x: Array) -> Slices[Array]:
        return log_prob(model, x.astype(np.float32))

    return (yield from density(log_p, model.stamp.step, view, table, cells, highest))


def with_error(estimate: Estimate) -> str:
    """An estimate with its standard error, to the latter's two first digits; an infinite one is certain."""
    if not math.isfinite(estimate.value):
        return format_number(estimate.value)
    digits = 4
    if estimate.stderr > 0:
        digits = min(max(1 - math.floor(math.log10(estimate.stderr)), 0), 4)
    value, error = (format_number(round(v, digits), digits) for v in (estimate.value, estimate.stderr))
    return f"{value} ± {error}"

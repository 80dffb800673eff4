"""The open flow fitted by the other KL divergence, computed while it is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import QObject, Signal

from backends.base import Diverged, Progress
from backends.run import Run
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.session import Session
from explorer.spec import same_run, spec_of

SLOT = "other-fit"
SHOW_EVERY = 0.3  # seconds from snapshot to snapshot
FURTHER = 1000  # steps more, where it has as many as the open run
REVERSE = "reverse-kl"


@dataclass(frozen=True, eq=False)
class Fit:
    """A run with its newest model. failure: the sentence of what ended its training; "" where nothing did."""

    run: Run
    model: Any
    failure: str = ""


def other_objective(run: Run) -> str | None:
    """What fits the run's flow the other way; None for models that know one way only."""
    parameter = next((p for p in run.kind.parameters if p.name == "objective"), None)
    if parameter is None or REVERSE not in parameter.choices:
        return None
    return str(parameter.default) if is_reverse(run) else REVERSE


def is_reverse(run: Run) -> bool:
    """Whether a run makes KL(p‖π) small; all others are for KL(π‖p), flow matching among them."""
    return run.values.get("objective") == REVERSE


def like(run: Run) -> Run:
    """A run of the same model from the same seed that is fitted the other way."""
    assert run.data is not None
    values = {**run.values, "objective": other_objective(run)}
    return Run.start(run.kind.name, run.data, values, run.seed, run.device, run.backend.name)


def train(begin: Callable[[], Run], steps: int) -> Generator[Progress | Fit, None, Fit]:
    """Train what ``begin`` gives up to so many steps, one a slice; a Fit from time to time."""
    run, shown = begin(), 0.0
    try:
        while run.steps < steps:
            if time.perf_counter() - shown > SHOW_EVERY:
                shown = time.perf_counter()
                yield Fit(run, run.model())
            yield Progress(run.steps, steps)
            run.step()
    except Diverged as error:
        return Fit(run, run.model(), str(error))
    return Fit(run, run.model())


class OtherFit(QObject):
    """The fit beside the open one. It stays while the open run differs from it in seed and direction alone;
    when it is opened, what was open takes its place."""

    changed = Signal()
    progressed = Signal(object)  # Progress

    def __init__(
        self, session: Session, exploration: Exploration, actions: Actions, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._exploration, self._actions = session, exploration, actions
        self._open = session.run
        self.fit: Fit | None = None
        session.run_changed.connect(self._run_changed)

    @property
    def busy(self) -> bool:
        """Is it being trained?"""
        return self._exploration.busy(SLOT)

    def train(self) -> None:
        """Begin it, or go on: to as many steps as the open run has, or FURTHER where it has them."""
        run, fit = self._session.run, self.fit
        if run is None:
            return
        if fit is None:
            self._request(lambda: train(lambda: like(run), run.steps or run.kind.default_steps))
        else:
            goal = max(run.steps, fit.run.steps + (0 if fit.run.steps < run.steps else FURTHER))
            self._request(lambda: train(lambda: fit.run, goal))

    def cancel(self) -> None:
        """Leave it at what it has become."""
        fit = self.fit
        if fit is None:
            self._exploration.cancel(SLOT)
        else:
            self._request(lambda: Fit(fit.run, fit.run.model()))
        self.changed.emit()

    def take(self) -> None:
        """Open it, after the step at hand."""
        fit = self.fit
        if fit is not None:
            self._request(lambda: None, lambda: self._actions.take(fit.run))

    def _request(self, work: Callable[[], Any], ended: Callable[[], None] | None = None) -> None:
        self._exploration.request(
            SLOT,
            Priority.FIT,
            work,
            self._deliver,
            doing="fit the other way",
            progress=self.progressed.emit,
            ended=ended or self.changed.emit,
        )
        self.changed.emit()

    def _deliver(self, fit: Fit) -> None:
        self.fit = fit
        self.changed.emit()

    def _run_changed(self, run: Run | None) -> None:
        before, self._open = self._open, run
        fit = self.fit
        if fit is not None and run is fit.run and before is not None:
            self.fit = None
            self._request(lambda: Fit(before, before.model()))
        elif run is None or fit is None or not _beside(run, fit.run):
            self.fit = None
            self._exploration.cancel(SLOT)
            self.changed.emit()


def _beside(one: Run, other: Run) -> bool:
    """Are these two the same but for their seeds and for which way they are fitted?"""
    a, b = spec_of(one), spec_of(other)
    a = replace(a, seed=b.seed, values={**a.values, "objective": b.values["objective"]})
    return is_reverse(one) != is_reverse(other) and same_run(a, b)

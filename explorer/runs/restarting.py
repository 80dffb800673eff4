"""Restarts of the open run of EM from other seeds, computed while it is looked at."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from backends.restarts import Restart, Restarts, best, restarts
from backends.run import Run
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.session import Session
from explorer.spec import same_run, spec_of
from explorer.state import RunSpec

SLOT = "restarts"
SEEDS = 2**31


class Restarting(QObject):
    """What other seeds gave so far. They stay while the open run differs from them in its seed alone.

    chosen: the seed that is marked: the best, until another is chosen.
    """

    changed = Signal()
    progressed = Signal(object)  # Progress of them

    def __init__(
        self, session: Session, exploration: Exploration, actions: Actions, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._exploration, self._actions = session, exploration, actions
        self._of: RunSpec | None = None
        self._choice: int | None = None
        self.found: Restarts = ()
        session.run_changed.connect(self._run_changed)

    @property
    def busy(self) -> bool:
        """Is there more to come?"""
        return self._exploration.busy(SLOT)

    @property
    def chosen(self) -> Restart | None:
        """The restart that is marked."""
        own = [one for one in self.found if one.seed == self._choice]
        return own[0] if own else best(self.found)

    def begin(self, count: int) -> None:
        """Fit the open run's model from the next ``count`` seeds."""
        run, spec = self._session.run, self._session.state.run
        if run is None or run.data is None:
            return
        self.found, self._choice, self._of = (), None, spec_of(run)
        of, data, device = self._of, run.data, run.device
        seeds = [(run.seed + 1 + i) % SEEDS for i in range(count)]
        steps = spec.steps or run.kind.default_steps
        self._exploration.request(
            SLOT,
            Priority.EVALUATION,
            lambda: restarts(of.model, data, of.values, seeds, steps, spec.tolerance, of.backend, device),
            self._deliver,
            doing="restart from other seeds",
            progress=self.progressed.emit,
            ended=self.changed.emit,
        )
        self.changed.emit()

    def cancel(self) -> None:
        """Leave it at what there is."""
        self._exploration.cancel(SLOT)
        self.changed.emit()

    def choose(self, seed: int) -> None:
        """Mark a restart."""
        self._choice = seed
        self.changed.emit()

    def take(self) -> None:
        """Open the run of the chosen seed: the best is there, another is begun again, to become the same."""
        run, state, restart = self._session.run, self._session.state, self.chosen
        if restart is None or self._of is None or run is restart.run:
            return
        if restart.run is not None:
            self._actions.take(restart.run)
        else:
            spec = replace(self._of, seed=restart.seed, steps=state.run.steps, tolerance=state.run.tolerance)
            self._session.apply(replace(state, run=spec), f"take seed {restart.seed}")
            self._actions.restart()

    def _deliver(self, found: Restarts) -> None:
        self.found = found
        self.changed.emit()

    def _run_changed(self, run: Run) -> None:
        if self._of is not None and not same_run(replace(spec_of(run), seed=self._of.seed), self._of):
            self.found, self._choice, self._of = (), None, None
            self.cancel()

"""Rows given by hand: a run takes them between two steps, and undo takes them back."""

from __future__ import annotations

from collections.abc import Callable

from backends.base import Array, InputError
from backends.run import Run
from explorer.session import Session
from explorer.training import Trainer


class GivenRows:
    """Gives rows to the open run."""

    def __init__(self, session: Session, trainer: Trainer, changed: Callable[[Run], None]) -> None:
        """changed: told of each run that has other rows than it had at the same step."""
        self._session, self._trainer = session, trainer
        self._told = changed

    def give(self, rows: Array) -> None:
        """Pause, and have the open run take rows (m, d). It can be undone until training goes on."""
        run = self._session.run
        if run is None:
            return

        def given(step: int) -> None:
            before = step - len(rows)
            self._session.did(
                "add a row",
                lambda: self._take_back(run, step, before),
                lambda: self._again(run, before, rows),
            )

        self._order("take what was given by hand", run, lambda: _observe(run, rows), given)

    def _again(self, run: Run, step: int, rows: Array) -> None:
        def act() -> int:
            _require(run, step)
            return _observe(run, rows)

        self._order("take the row again", run, act, lambda _: self._told(run))

    def _take_back(self, run: Run, step: int, before: int) -> None:
        def act() -> int:
            _require(run, step)
            return run.take_back(step - before)

        def taken(_: int) -> None:
            evaluated = [name for name in run.curves.names() if not name.startswith("batch/")]
            run.curves.cut(before, evaluated)
            self._told(run)
            self._session.revised.emit(run)
            self._session.curves_changed.emit(run.curves)

        self._order("take the row back", run, act, taken)

    def _order(self, doing: str, run: Run, act: Callable[[], int], done: Callable[[int], None]) -> None:
        if run is self._session.run:
            self._trainer.pause()
            self._session.look_back(None)
            self._trainer.order(doing, act, done)


def _observe(run: Run, rows: Array) -> int:
    run.observe(rows)
    return run.steps


def _require(run: Run, step: int) -> None:
    if run.steps != step:
        raise InputError("other rows have come since, and all stay")

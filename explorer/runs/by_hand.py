"""Components placed by hand: a run begins from them, or goes on from them, and both can be taken back."""

from __future__ import annotations

import json
from collections.abc import Callable

from backends.base import Array, InputError, Value
from backends.run import Run
from explorer.session import Session
from explorer.spec import same_run, spec_of
from explorer.state import with_value
from explorer.studies.placing import in_form
from explorer.training import Trainer

Parts = tuple[Array, Array, Array]  # weights, means, covariances as Run.place takes them


class ByHand:
    """Places components in the open run."""

    def __init__(self, session: Session, trainer: Trainer, placed: Callable[[Run], None]) -> None:
        """placed: told of each run whose components were placed between two steps."""
        self._session, self._trainer, self._told = session, trainer, placed

    def place(self, parts: Parts) -> None:
        """Have the open run go on from these components. Before its first step that is how the run begins.
        Both can be undone, the former until the next step."""
        run, spec = self._session.run, self._session.state.run
        if run is None:
            return
        start = as_init(run, parts)
        if start is not None and not run.steps and same_run(spec_of(run), spec):
            self._session.apply(with_value(self._session.state, "init", start), "move a component")
            return

        def placed(before: Parts, step: int) -> None:
            self._session.did(
                "move a component",
                lambda: self._again(run, before, step),
                lambda: self._again(run, parts, step),
            )

        self._put(run, parts, placed)

    def _again(self, run: Run, parts: Parts, step: int) -> None:
        if run is self._session.run and run.steps == step:
            self._put(run, parts, lambda *_: None)
        else:
            self._session.say("Training has gone on since the component was moved; it stays where it is.")

    def _put(self, run: Run, parts: Parts, done: Callable[[Parts, int], None]) -> None:
        """Pause, and place components; ``done`` is told those that there were, and the step."""

        def place() -> tuple[Parts, int]:
            model, form = run.model(), str(run.values["covariance"])
            run.place(*parts)
            return (model.weights, model.means, in_form(model.covariances, form)), run.steps

        def placed(before: tuple[Parts, int]) -> None:
            self._told(run)
            evaluated = [name for name in run.curves.names() if not name.startswith(("batch/", "half/"))]
            run.curves.cut(run.steps - 1, evaluated)
            self._session.revised.emit(run)
            self._session.look_back(None)
            done(*before)

        self._trainer.pause()
        self._trainer.order("move the component", place, placed)


def as_init(run: Run, parts: Parts) -> Value | None:
    """What the hyper-parameter init has to be for a run to begin from these components; None where it cannot
    be that."""
    weights, means, covariances = (part.tolist() for part in parts)
    text = json.dumps({"means": means, "covariances": covariances, "weights": weights})
    for parameter in run.kind.parameters:
        if parameter.name == "init":
            try:
                return parameter.check(text)
            except InputError:
                return None
    return None

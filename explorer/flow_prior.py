"""A flow fitted to the encodings of the open model, to draw latents from in place of p(z)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from backends.base import Progress
from backends.capabilities import Encodes, HasPrior, SamplesGiven
from backends.data import DataSet
from backends.encodings import encodings
from backends.run import Run
from explorer.compute import Exploration, Priority
from explorer.other_fit import Fit, train
from explorer.session import Session

SLOT = "flow-prior"
STEPS = 300  # and few layers: more of both fits the rows, no longer their density
VALUES = {"layers": 2, "decay_steps": STEPS}


@dataclass(frozen=True, eq=False)
class Fitted:
    """A flow of the latents of one model. step: of that model.

    better: by how much its mean log-density of held-out encodings is above that of the prior, in nats; None
    while it is being fitted.
    """

    flow: Any
    step: int
    better: float | None = None


def can_have_prior(model: Any) -> bool:
    """Whether latents of any origin can take the place of a model's own when it is sampled."""
    return isinstance(model, SamplesGiven) and isinstance(model, Encodes) and isinstance(model, HasPrior)


def fit(model: Any, data: DataSet, steps: int) -> Generator[Progress | Fitted, None, Fitted]:
    """Fit a spline flow to draws of q(z|x) for the rows of the training split; a Fitted from time to time."""
    step = model.stamp.step

    def begin() -> Run:
        return Run.start("nsf", encodings(model, data, model.kind, {}), VALUES)

    work = train(begin, steps)
    while True:
        try:
            part = next(work)
        except StopIteration as end:
            found: Fit = end.value
            break
        yield Fitted(part.model, step) if isinstance(part, Fit) else part
    assert found.run.data is not None
    z = found.run.data.test.x
    better = float(np.mean(found.model.log_prob(z) - model.log_prior(z))) if len(z) else None
    return Fitted(found.model, step, better)


class FlowPrior(QObject):
    """The flow beside the open run; another run has none."""

    changed = Signal()

    def __init__(self, session: Session, exploration: Exploration, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._exploration = session, exploration
        self._wanted = -1  # the step of the model that a flow was asked for last
        self.fitted: Fitted | None = None
        self.progress = 0.0
        session.run_changed.connect(self._run_changed)

    @property
    def busy(self) -> bool:
        """Is it being fitted?"""
        return self._exploration.busy(SLOT)

    def fit(self) -> None:
        """Fit it to the encodings of the model as it is now, unless that has been done."""
        model, data = self._session.model, self._session.data
        if model is None or data is None or not can_have_prior(model) or model.stamp.step == self._wanted:
            return
        self._wanted = model.stamp.step
        self.progress = 0.0
        self._exploration.request(
            SLOT,
            Priority.FIT,
            lambda: fit(model, data, STEPS),
            self._deliver,
            doing="fit a flow to the encodings",
            progress=self._progressed,
            ended=self.changed.emit,
        )
        self.changed.emit()

    def _deliver(self, fitted: Fitted) -> None:
        self.fitted = fitted
        self.changed.emit()

    def _progressed(self, progress: Progress) -> None:
        self.progress = progress.done / progress.total
        self.changed.emit()

    def _run_changed(self, _: object) -> None:
        self._exploration.cancel(SLOT)
        self._wanted, self.fitted = -1, None
        self.changed.emit()

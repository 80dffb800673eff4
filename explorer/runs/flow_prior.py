"""A flow fitted to the encodings of the open model, to draw latents from in place of p(z)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from backends.base import Array, Progress
from backends.capabilities import Encodes, HasPrior, LogProb, SamplesGiven
from backends.data import DataSet
from backends.encodings import encodings, open_prior
from backends.run import Run
from explorer.compute import Exploration, Priority
from explorer.runs.other_fit import Fit, train
from explorer.session import Session

SLOT = "flow-prior"
STEPS = 300  # and few layers: more of both fits the rows, no longer their density
VALUES = {"layers": 2, "decay_steps": STEPS}


@dataclass(frozen=True, eq=False)
class Fitted:
    """A flow of the latents of one model. step: of that model.

    better ± error: by how much its mean log-density of held-out encodings is above that of the prior, in
    nats, and its standard error, as of draws; None while it is being fitted, and where it has no
    log-density. file: where it comes from; "" where it was fitted here.
    """

    flow: Any
    step: int
    better: float | None = None
    error: float = 0.0
    file: str = ""


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
    return Fitted(found.model, step, *_better(found.model, model, found.run.data.test.x))


def _better(flow: Any, model: Any, z: Array) -> tuple[float | None, float]:
    if not len(z) or not isinstance(flow, LogProb):
        return None, 0.0
    gains = flow.log_prob(z) - model.log_prior(z)
    return float(gains.mean()), float(gains.std() / np.sqrt(len(gains)))


def opened(path: Path, model: Any, data: DataSet) -> Generator[None, None, Fitted]:
    """The model in a file, to draw latents of this one from; raises InputError where that cannot be."""
    _, flow = open_prior(path, model, model.kind)
    yield
    z = encodings(model, data, model.kind, {}).test.x
    yield
    return Fitted(flow, model.stamp.step, *_better(flow, model, z), str(path))


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

    def open(self, path: Path) -> None:
        """Take the model in a file in its place. It stays until one is fitted again."""
        model, data = self._session.model, self._session.data
        if model is None or data is None or not can_have_prior(model):
            return
        self._wanted = -1
        self._exploration.request(
            SLOT,
            Priority.FILE,
            lambda: opened(path, model, data),
            self._deliver,
            doing=f"read '{path}'",
            ended=self.changed.emit,
        )

    def follow(self) -> None:
        """Fit it anew to a model that has been trained on; one from a file is what it is."""
        if self.fitted is None or not self.fitted.file:
            self.fit()

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

"""EM from several seeds: it ends in a local optimum, and which one follows from where it starts."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backends.base import Array, Diverged, InputError, Progress
from backends.data import DataSet
from backends.run import Run


@dataclass(frozen=True, eq=False)
class Restart:
    """What became of one seed.

    log_likelihood: (t + 1,) float64, mean log p(x) of the training rows before the first and after each of
        t iterations (of each batch, where EM goes by batches); nats.
    notes: the model's own, on components that collapsed or lost all points.
    failure: the sentence of what ended it early; "" where nothing did.
    run: of the best of them; the others can be begun again from their seeds, and would fill the memory.
    """

    seed: int
    log_likelihood: Array
    notes: tuple[str, ...] = ()
    failure: str = ""
    run: Run | None = None

    @property
    def value(self) -> float:
        """The last log-likelihood; −∞ for one that failed."""
        return -float("inf") if self.failure else float(self.log_likelihood[-1])


Restarts = tuple[Restart, ...]


def best(restarts: Restarts) -> Restart | None:
    """The one of the greatest log-likelihood, the first of equals; None where none ended well."""
    ended = [restart for restart in restarts if not restart.failure]
    return max(ended, key=lambda restart: restart.value, default=None)


def restarts(
    model: str,
    data: DataSet,
    values: Mapping[str, Any],
    seeds: Sequence[int],
    steps: int,
    tolerance: float,
    backend: str | None = None,
    device: str = "cpu",
) -> Generator[Progress | Restarts, None, Restarts]:
    """Fit the same model from each seed, until a step of EM raises its bound by less than ``tolerance``
    nats a datum, or for so many steps.

    A slice is one step. After each fit all that there are so far are yielded, and at the end returned, in
    the order of the seeds. A fit that diverges is one of them. Raises InputError where no run can be begun
    and for a model that is not trained by EM.
    """
    if steps < 1:
        raise InputError(f"steps is {steps}, and EM takes at least one")
    ended: Restarts = ()
    for index, seed in enumerate(seeds):
        run = Run.start(model, data, values, seed, device, backend)
        failure, curve = "", list[float]()
        try:
            while run.steps < steps and not run.settled(tolerance):
                yield Progress(index * steps + run.steps, len(seeds) * steps, f"seed {seed}")
                for _ in ("E", "M"):
                    half, scalars = run.half_step()
                    if half == "M" or not curve:
                        curve.append(scalars["log_likelihood"])
        except Diverged as error:
            failure = str(error)
        notes = getattr(run.model(), "notes", ())
        ended = (*ended, Restart(seed, np.array(curve), notes, failure, run))
        first = best(ended)
        ended = tuple(fit if fit is first else replace(fit, run=None) for fit in ended)
        yield ended
    return ended

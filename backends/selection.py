"""Choosing the size of a model: how many components, or latent dimensions, by fits of several sizes.

    AIC = −2 log p(X|θ̂) + 2m             (Akaike 1974)
    BIC = −2 log p(X|θ̂) + m log n        (Schwarz 1978)

with m free parameters and n training rows; the lower the better. θ̂ is what training ended with: the largest
likelihood that several restarts found, which with a prior is not the largest there is.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from backends.base import Array, Diverged, InputError, Progress
from backends.capabilities import LogProb
from backends.history import History
from backends.parameters import Parameter
from backends.registry import ModelKind
from backends.run import Run

SIZES = {"components": "K", "latent_dim": "k"}  # the parameters that are sizes, and their symbols
_BLOCK = 1024  # rows evaluated between two yields


@dataclass(frozen=True, eq=False)
class Fit:
    """The best of the restarts of one size. log-likelihoods: means over rows, nats a datum.

    held_out is NaN where no rows are held out. parameters: m, rows: n.
    """

    size: int
    run: Run
    train: float
    held_out: float
    parameters: int
    rows: int

    @property
    def aic(self) -> float:
        """Akaike's criterion, of all rows together."""
        return 2 * self.parameters - 2 * self.rows * self.train

    @property
    def bic(self) -> float:
        """Schwarz's criterion, of all rows together."""
        return self.parameters * math.log(self.rows) - 2 * self.rows * self.train


@dataclass(frozen=True, eq=False)
class Selection:
    """The best fit of each size, in order, and how many fits met numbers that are not finite."""

    fits: tuple[Fit, ...] = ()
    diverged: int = 0


def size_of(kind: ModelKind) -> Parameter | None:
    """The parameter that says how large a model of this kind is, K or the latent dimension, if it has one."""
    return next((p for p in kind.parameters if p.name in SIZES), None)


def can_select(run: Run, model: Any) -> bool:
    """Whether fits of several sizes can be compared: the likelihood is exact, and its parameters counted."""
    counted = hasattr(model, "free_parameters") and isinstance(model, LogProb)
    return counted and run.data is not None and size_of(run.kind) is not None


def select(
    run: Run, sizes: Sequence[int], restarts: int, steps: int, tolerance: float
) -> Generator[Progress | Selection | None, None, Selection]:
    """Fits like ``run`` but for their size, each from ``restarts`` seeds on, by at most so many steps, or
    until EM climbs by less than ``tolerance``; one step a slice.

    Components placed by hand are for one K alone: then the fits begin at the default. Yields what there is
    after each size. Raises InputError where there is nothing to compare, or a size is not possible.
    """
    parameter, data = size_of(run.kind), run.data
    if parameter is None or data is None or not len(data.train):
        raise InputError(f"{run.name} has no size to be chosen, or no training rows")
    values = {p.name: run.values[p.name] for p in run.kind.parameters}
    for p in run.kind.parameters:
        if p.type == "choice" and values[p.name] not in p.choices:
            values[p.name] = p.default
    for size in sizes:
        run.kind.check_data(data.info, values | {parameter.name: parameter.check(size)})
    found = Selection()
    total, done = len(sizes) * restarts * steps, 0
    for size in sizes:
        best: Fit | None = None
        for restart in range(restarts):
            what = f"{SIZES[parameter.name]} = {size}, fit {restart + 1} of {restarts}"
            another = Run.start(
                run.kind.name, data, values | {parameter.name: size}, seed=(run.seed + restart) % 2**31,
                device=run.device, backend=run.backend.name, name=run.name,
            )  # fmt: skip
            try:
                while another.steps < steps and not another.settled(tolerance):
                    another.step()
                    yield Progress(done + another.steps, total, what)
            except Diverged:
                found = Selection(found.fits, found.diverged + 1)
            else:
                another.history = History()  # of dozens of runs it would fill the memory
                model = another.model()
                train = yield from _mean_log_prob(model, data.train.x)
                if best is None or train > best.train:
                    held_out = yield from _mean_log_prob(model, data.test.x)
                    best = Fit(size, another, train, held_out, model.free_parameters, len(data.train))
            done += steps
            yield Progress(done, total, what)
        if best is not None:
            found = Selection((*found.fits, best), found.diverged)
        yield found
    return found


def _mean_log_prob(model: Any, x: Array) -> Generator[None, None, float]:
    """Mean log p(x) of the rows; NaN without any."""
    total = 0.0
    for start in range(0, len(x), _BLOCK):
        total += float(model.log_prob(x[start : start + _BLOCK]).sum())
        yield
    return total / len(x) if len(x) else math.nan

"""What flows cost: both ways through one, the two gradients through a solver, the determinant of a matrix."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Generator as Randomness

from backends.base import Array, InputError, Progress
from backends.costs import CostCurve, Costs, CostTable, Measuring, median_seconds
from backends.pytorch.flows.gradients import GradientComparison, GradientCost
from backends.pytorch.flows.matrices import PARAMETRISATIONS

ROWS = 1000  # that the times of both ways are for
FIRST_ROWS, SHORT = 125, 0.01  # at once: twice as many for as long as a call takes less than these seconds
GRADIENT_ROWS = 64
GRADIENT_RUNS = 3
TIGHT = 1e-6  # tolerance at which the two gradients must agree
SIZES = tuple(2**i for i in range(1, 11))
APPLIED = 64  # rows that W is applied to at once
LOG_DET, PRODUCT = "log|det W|", f"W y + b, {APPLIED} rows"


class _BothWays(Protocol):
    @property
    def passes(self) -> tuple[int, int]: ...
    def transform(self, x: Array) -> tuple[Array, Array]: ...
    def inverse(self, z: Array) -> tuple[Array, Array]: ...


def both_ways(model: _BothWays, x: Array, counted: str) -> Generator[Progress | None, None, CostTable]:
    """Passes and time of ``transform`` and ``inverse``; ``counted`` says what the passes are.

    Raises InputError without rows x (n, d).
    """
    if not len(x):
        raise InputError("there are no rows to measure with")
    rows = []
    x = np.resize(x, (ROWS, x.shape[1]))
    ways = (("x → z, density", model.transform, x), ("z → x, samples", model.inverse, model.transform(x)[0]))
    for i, ((name, way, points), passes) in enumerate(zip(ways, model.passes, strict=True)):
        yield Progress(i, len(ways), name)
        at_once = yield from _rows_at_once(way, points)
        seconds = yield from median_seconds(partial(way, points[:at_once]))
        rows.append((name, (passes, 1e3 * seconds * ROWS / at_once, at_once)))
    return CostTable(
        f"Both ways, {ROWS} rows",
        (counted, "ms", "batch"),
        tuple(rows),
        f"{counted.capitalize()}: how often the networks are asked, one time after the other. Beside "
        "them the time, with the log-determinants, and the rows of one call.",
    )


def _rows_at_once(way: Callable[[Array], object], points: Array) -> Generator[None, None, int]:
    """As many rows as one call can take without lasting long."""
    rows = FIRST_ROWS
    while rows < len(points):
        begin = time.perf_counter()
        way(points[:rows])
        if time.perf_counter() - begin > SHORT:
            break
        rows *= 2
        yield
    return rows


def gradients(
    compare: Callable[[float | None], GradientComparison], solvers: Mapping[str, float | None]
) -> Generator[Progress | None, None, CostTable]:
    """The two gradients through solvers; seconds are medians of a few comparisons after one to warm up.

    solvers: what ``compare`` takes for each, a tolerance, by what the solver is called.
    """
    rows, done, total = [], 0, len(solvers) * (GRADIENT_RUNS + 1)
    for solver, tolerance in solvers.items():
        found = []
        for _ in range(GRADIENT_RUNS + 1):
            yield Progress(done, total, f"gradients, {solver}")
            found.append(compare(tolerance))
            done += 1
        for way in ("backpropagation", "adjoint"):
            costs: list[GradientCost] = [getattr(one, way) for one in found]
            one, ms = costs[0], 1e3 * statistics.median(cost.seconds for cost in costs[1:])
            off = found[0].difference if way == "adjoint" else None
            numbers = (one.bytes / 1e6, ms, one.evaluations, one.evaluations_back, off)
            rows.append((f"{way}, {solver}", numbers))
    return CostTable(
        f"Gradients of the mean log p(x) of {GRADIENT_ROWS} rows",
        ("MB", "ms", "NFE", "NFE back", "difference"),
        tuple(rows),
        "MB: the most that autograd held at any moment. NFE: evaluations of the field forward, and of the "
        "adjoint equation back (Chen et al. 2018, alg. 1). Difference: ‖g − g′‖/‖g‖ of the two gradients, "
        "which float32 arithmetic keeps above zero.",
    )


def determinants(
    sizes: Sequence[int] = SIZES, device: torch.device | str = "cpu"
) -> Generator[Progress | Costs | None, None, Costs]:
    """Time of log|det W| and of W y + b by each parametrisation of W, m × m, for m in sizes; yields the
    curves after each size."""
    took: dict[tuple[str, str], list[float]] = {}
    found, done, total = Costs(), 0, 2 * len(PARAMETRISATIONS) * len(sizes)
    for i, m in enumerate(sizes):
        for way, parametrisation in PARAMETRISATIONS.items():
            matrix = parametrisation("linear", m)
            w = {name: torch.zeros(shape) for name, shape in matrix.shapes.items()}
            matrix.initialise(w, Randomness().manual_seed(0))
            w = {name: tensor.to(device) for name, tensor in w.items()}
            y = torch.ones(APPLIED, m, device=device)
            for what, compute in (
                (LOG_DET, partial(matrix.log_det, w)),
                (PRODUCT, partial(matrix.apply, y, w)),
            ):
                yield Progress(done, total, f"{what}, {way}, m = {m}")
                seconds = yield from median_seconds(partial(_finished, compute))
                took.setdefault((way, what), []).append(seconds)
                done += 1
        here = np.array(sizes[: i + 1])
        curves = (CostCurve(way, what, here, np.array(seconds)) for (way, what), seconds in took.items())
        found = Costs(
            curves=tuple(curves),
            about="W is m × m. lu and qr sum m numbers for their determinant; a free W is eliminated, in "
            "time O(m³). Householder reflections are m steps one after the other.",
        )
        yield found
    return found


def _finished(compute: Callable[[], torch.Tensor]) -> None:
    """Compute, and on a GPU wait for it."""
    if compute().device.type == "cuda":
        torch.cuda.synchronize()


def with_curves(costs: Costs, measuring: Measuring) -> Measuring:
    """What is measured, with the tables of ``costs``."""
    found = costs
    for part in measuring:
        if isinstance(part, Costs):
            found = part = Costs(costs.tables, part.curves, part.about)
        yield part
    return found

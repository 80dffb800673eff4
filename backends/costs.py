"""What it costs to compute something: measured on this machine, now, whatever else it does."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np

from backends.base import Array, Progress

RUNS = 15  # at most, of which the median counts
ENOUGH = 0.5  # seconds after which there are no more of them
RUN = 1e-3  # seconds: a shorter call is made several times a run


@dataclass(frozen=True)
class CostTable:
    """Of each row a name and one number a column, None where there is none.

    columns: with their units. about: how the numbers were made, sentences for the user.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int | float | None, ...]], ...]
    about: str = ""


@dataclass(frozen=True, eq=False)
class CostCurve:
    """Seconds (S,) of computing ``what`` by one ``way``, at sizes (S,), rising."""

    way: str
    what: str
    sizes: Array
    seconds: Array

    @property
    def slope(self) -> float:
        """The power of the size that the seconds grew with over the last two steps; NaN before there are so
        many."""
        if len(self.sizes) < 3:
            return math.nan
        return float(np.log(self.seconds[-1] / self.seconds[-3]) / np.log(self.sizes[-1] / self.sizes[-3]))


@dataclass(frozen=True)
class Costs:
    """All that was measured of a model. about: of the curves, sentences for the user."""

    tables: tuple[CostTable, ...] = ()
    curves: tuple[CostCurve, ...] = ()
    about: str = ""


#: What a measurement yields: how far it is, what it has so far, or nothing, between two calls.
Measuring = Generator[Progress | Costs | None, None, Costs]


def median_seconds(call: Callable[[], object]) -> Generator[None, None, float]:
    """Seconds of one call: the median of several runs after one to warm up; yields after each run.

    A run lasts as long as a call, or RUN where that is longer.
    """
    call()
    yield
    begin = time.perf_counter()
    call()
    calls = max(1, min(1000, round(RUN / max(time.perf_counter() - begin, 1e-9))))
    yield
    took: list[float] = []
    while not took or (len(took) < RUNS and sum(took) < ENOUGH):
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        took.append(time.perf_counter() - begin)
        yield
    return statistics.median(took) / calls

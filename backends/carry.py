"""Rows on their way through a flow, in slices that are short for a continuous one too.

Even a single row is slow on the whole way of a continuous flow, as its solver asks the field a hundred times,
one time after the other. So it is carried a piece of the way at a time, from one station of its solver to a
later one: the same steps, and between them a pause for whatever is more urgent.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from backends.base import Array
from backends.capabilities import Continuous

S = TypeVar("S")
T = TypeVar("T")
Slices = Generator[None, None, T]  # work, between whose slices others may go first

_PIECES = 12  # of the way of a continuous flow
_ENTRIES = 1024  # of the rows that go together in one piece of a few milliseconds


def carry(model: Any, points: Array, times: Array) -> Slices[tuple[Array, Array]]:
    """What ``model.path`` gives for points (n, d): where they are at each of the times, (T, n, d) float32,
    and log|det| from the first to there, (T, n) float64."""
    times = np.asarray(times, np.float64)
    if not isinstance(model, Continuous):
        path = model.path(points, times)
        return path.points, path.log_det
    at, log_det = [np.asarray(points, np.float32)], [np.zeros(len(points))]
    for start, stop in pairwise(times):
        y, total = at[-1], log_det[-1]
        for piece in _pieces(model, start, stop):
            path = model.path(y, np.array(piece))
            y, total = path.points[-1], total + path.log_det[-1]
            yield
        at.append(y)
        log_det.append(total)
    return np.stack(at), np.stack(log_det)


def move(model: Continuous, points: Array, start: float, stop: float) -> Slices[Array]:
    """What ``model.move`` gives, (n, d) float32."""
    for piece in _pieces(model, start, stop):
        points = model.move(points, *piece)
        yield
    return points


def _pieces(model: Continuous, start: float, stop: float) -> Iterator[tuple[float, float]]:
    """From one time to another by stations of the solver, about _PIECES of the whole way."""
    stations = model.times[:: max(1, len(model.times) // _PIECES)]
    between = stations[(stations > min(start, stop)) & (stations < max(start, stop))]
    return pairwise((start, *map(float, between if start < stop else between[::-1]), stop))


def transform(model: Any, x: Array) -> Slices[tuple[Array, Array]]:
    """What ``model.transform`` gives: z (n, d) and log|det ∂z/∂x| (n,)."""
    return (yield from _through(model, model.transform, x, (0.0, 1.0)))


def inverse(model: Any, z: Array) -> Slices[tuple[Array, Array]]:
    """What ``model.inverse`` gives: x (n, d) and log|det ∂x/∂z| (n,)."""
    return (yield from _through(model, model.inverse, z, (1.0, 0.0)))


def _through(model: Any, whole: Any, rows: Array, times: tuple[float, float]) -> Slices[tuple[Array, Array]]:
    if not isinstance(model, Continuous):
        found: tuple[Array, Array] = whole(rows)
        return found
    points, log_det = yield from carry(model, rows, np.array(times))
    return points[-1], log_det[-1]


def log_prob(model: Any, x: Array, time: float = 0.0) -> Slices[Array]:
    """log p of what the data have become at a station of a flow, at points (n, d): (n,) float64. At 0 it is
    log p(x), and any model with that has it."""
    if time == 1:  # where points may also lie outside the base's support
        return np.asarray(model.log_base(x))
    if time == 0 and not isinstance(model, Continuous):
        found: Array = model.log_prob(x)
        return found
    points, log_det = yield from carry(model, x, np.array([time, 1.0]))
    return np.asarray(model.log_base(points[-1]) + log_det[-1])


def block(model: Any, most: int) -> int:
    """How many rows to carry at once: ``most``, and fewer of many columns through a continuous flow, whose
    exact divergence costs a product a column."""
    return max(4, min(most, _ENTRIES // model.info.dim)) if isinstance(model, Continuous) else most


def telling(work: Generator[Any, None, T], said: S) -> Generator[S, None, T]:
    """Work that says this at each of its slices, whatever it says itself."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
        yield said


def quiet(work: Generator[Any, None, T]) -> Slices[T]:
    """Work whose progress nobody watches."""
    return telling(work, None)

"""Work on many rows, in slices that leave the exploration thread to the hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from backends.base import Array
from backends.capabilities import Bijects, Continuous, HasPrior, latent_points
from backends.carry import Slices, move

SLICE = 0.006  # seconds of work between two yields
LEAST = 4  # rows of any slice, and of the first: that tells what a call costs whatever its rows


def in_slices(compute: Callable[[Array], Any], rows: Array) -> Slices[list[Any]]:
    """``compute`` of rows (n, d), as many at a time as take SLICE: its results.

    It may itself be work in slices, of which the longest counts. Where few rows take as long as many, a slice
    is longer: at the most twice as long as the shortest was. Without rows it computes once, of none.
    """
    results: list[Any] = []
    done, size, least = 0, LEAST, np.inf
    while done < len(rows) or not done:
        start, longest = time.perf_counter(), 0.0
        part = compute(rows[done : done + size])
        if isinstance(part, Generator):
            while True:
                try:
                    next(part)
                except StopIteration as end:
                    results.append(end.value)
                    break
                longest = max(longest, time.perf_counter() - start)
                yield
                start = time.perf_counter()
        else:
            results.append(part)
        longest = max(longest, time.perf_counter() - start)
        done += size
        least = min(least, longest)
        size = max(LEAST, min(int(size * max(SLICE, 2 * least) / max(longest, 1e-6)), 4 * size))
        yield
    return results


def samples(model: Any, n: int, seed: int) -> Slices[Array]:
    """What ``model.sample`` gives, (n, d); a flow's a few at a time."""
    if not (isinstance(model, Bijects) and isinstance(model, HasPrior)):
        drawn: Array = model.sample(n, seed)
        return drawn
    return (yield from decoded(model, model.sample_prior(n, seed)))


def decoded(model: Any, z: Array) -> Slices[Array]:
    """The means of p(x|z) of latents (n, k), (n, d) float32."""
    return np.concatenate((yield from in_slices(lambda some: _moved(model, some, 1.0, 0.0), z)))


def encoded(model: Any, x: Array) -> Slices[Array]:
    """What :func:`latent_points` gives of rows (n, d), (n, k) float32."""
    return np.concatenate((yield from in_slices(lambda some: _moved(model, some, 0.0, 1.0), x)))


def _moved(model: Any, rows: Array, start: float, stop: float) -> Slices[Array]:
    """Latents at 1 to data at 0, or the other way."""
    if isinstance(model, Continuous):
        return (yield from move(model, rows, start, stop))
    found: Array = model.decode(rows).mean if start else latent_points(model, rows)
    return found

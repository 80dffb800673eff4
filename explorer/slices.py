"""Work on many rows, in slices that leave the exploration thread to the hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from backends.base import Array

T = TypeVar("T")
SLICE = 0.006  # seconds of work between two yields
FIRST, LEAST = 64, 32  # rows of the first slice, and of any: a call has costs of its own


def in_slices(compute: Callable[[Array], T], rows: Array) -> Iterator[T]:
    """``compute`` of rows (n, d), as many at a time as take SLICE: its results, to yield between them.

    Without rows it computes once, of none.
    """
    done, size = 0, FIRST
    while done < len(rows) or not done:
        start = time.perf_counter()
        result = compute(rows[done : done + size])
        spent = time.perf_counter() - start
        done += size
        size = max(LEAST, min(int(size * SLICE / max(spent, 1e-6)), 4 * size))
        yield result

"""Gradient steps that never go down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from backends.base import Array

_NO_GAIN = 1e-14  # of the value: what a step is expected to gain, and float64 would not show
_LEAST = 0.1  # of what the gradient promises, which a step must gain (Armijo 1966)

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Point(Generic[T]):
    """A position, of any shape; there, a function's value and its gradient; and what was made on the way."""

    position: Array
    value: float
    gradient: Array
    what: T


def ascend(at: Callable[[Array], Point[T]], start: Point[T], rate: float, steps: int) -> Point[T]:
    """The point after ``steps`` steps φ ← φ + rate·∇f(φ), where ``at`` gives the point at, or nearest to, a
    position.

    A step that lowers f, gains less than a tenth of what its gradient promises, or leads where f is not
    finite is halved until it does not, and the next begins at twice its length, at most ``rate``. So f never
    falls, and no rate is too large. It ends early where no step gains anything.
    """
    here, length = start, rate
    for _ in range(steps):
        with np.errstate(all="ignore"):  # what overflows is no step
            slope = float(np.square(here.gradient).sum())
            while True:
                if not _NO_GAIN * max(1.0, abs(here.value)) < length * slope < np.inf:
                    return here
                there = at(here.position + length * here.gradient)
                promised = float((here.gradient * (there.position - here.position)).sum())
                if here.value + _LEAST * max(0.0, promised) <= there.value < np.inf:
                    break
                length /= 2
        here, length = there, min(2 * length, rate)
    return here

"""The mass of a density on a rectangle of the plane: 1 where it holds all of it, and no more than 1 ever.

A flow whose solver or rounding cheats reports densities that integrate to more; a flow that leaks, to less.
"""

from __future__ import annotations

import numpy as np

from backends.base import Array, Estimate, Progress, Work
from backends.capabilities import LogProb
from backends.carry import block, log_prob, telling
from backends.estimates import SLICE, Cost, slices

MARGIN = 0.25  # of the rows' range, on each side of it
COARSEST, FINEST = 128, 1024  # points an axis
TOLERANCE = 2e-3


def mass_around(model: LogProb, x: Array, tol: float = TOLERANCE) -> Work[Estimate]:
    """∫ p(x) dx over the rectangle of rows x (n, 2), n > 0, and a margin, in slices; see :func:`mass`."""
    low, high = x.min(0).astype(np.float64), x.max(0).astype(np.float64)
    reach = MARGIN * np.maximum(high - low, 1e-6)
    return (yield from mass(model, low - reach, high + reach, tol))


def mass(model: LogProb, low: Array, high: Array, tol: float = TOLERANCE) -> Work[Estimate]:
    """∫ p(x) dx over [low, high], (2,) each, by the midpoint rule, in slices.

    Points are doubled on each axis until two resolutions agree to within tol, or there are FINEST; stderr is
    what they differ by.
    """
    points, before = COARSEST, np.nan
    while True:
        found = yield from _midpoints(model, low, high, points)
        off = abs(found - before)
        if off <= tol or points == FINEST:
            return Estimate(found, float(off), f"midpoint rule, {points}² points")
        points, before = 2 * points, found


def _midpoints(model: LogProb, low: Array, high: Array, points: int) -> Work[float]:
    axes = [a + (b - a) * (np.arange(points) + 0.5) / points for a, b in zip(low, high, strict=True)]
    plane = np.stack(np.meshgrid(*axes), -1).reshape(-1, 2).astype(np.float32)
    total = 0.0
    for rows in slices(len(plane), block(model, int(SLICE / Cost.of(model).encode))):
        done = Progress(rows.stop, len(plane), f"mass of p(x), {points}² points")
        log_p = yield from telling(log_prob(model, plane[rows]), done)
        total += float(np.exp(log_p).sum())
        yield done
    return total * float(np.prod((high - low) / points))

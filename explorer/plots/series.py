"""What a curve plot draws, without any drawing: curves, their thinning, their range, their CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backends.base import Array, InputError


@dataclass(frozen=True)
class Series:
    """One curve. colour: an index into the theme's curve colours, or a colour of its own ("#rrggbb").

    width: of the pen, in pixels; a curve of many points is drawn with 1 whatever it says.
    tread: 0 joins the points by lines; otherwise each value holds until the next, as stairs do, and the last
        for so many steps.
    """

    key: str
    label: str
    colour: int | str = 0
    dashed: bool = False
    width: float = 2.0
    markers: bool = False
    tread: float = 0.0


def _none() -> Array:
    return np.empty(0)


@dataclass(frozen=True, eq=False)
class Points:
    """steps (n,) ascending, values (n,), float64; low and high (n,) where there is a band."""

    steps: Array = field(default_factory=_none)
    values: Array = field(default_factory=_none)
    low: Array | None = None
    high: Array | None = None

    @classmethod
    def of(
        cls,
        steps: npt.ArrayLike,
        values: npt.ArrayLike,
        low: npt.ArrayLike | None = None,
        high: npt.ArrayLike | None = None,
    ) -> Points:
        """Points from anything that NumPy takes for an array."""
        band = [None if edge is None else np.asarray(edge, np.float64) for edge in (low, high)]
        return cls(np.asarray(steps, np.float64), np.asarray(values, np.float64), *band)

    def __len__(self) -> int:
        return len(self.steps)

    def nearest(self, step: float) -> int:
        """Index of the point whose step is nearest; there must be one."""
        right = int(np.clip(np.searchsorted(self.steps, step), 1, max(len(self) - 1, 1)))
        if right >= len(self):
            return 0
        return right if self.steps[right] - step < step - self.steps[right - 1] else right - 1


def thin(x: Array, y: Array, low: float, high: float, pixels: int) -> tuple[Array, Array]:
    """The part of a curve between low and high, thinned to the least and greatest of each pixel column.

    x (n,) ascending, y (n,). One point on either side of the range is kept, so that the line runs out of
    the picture; NaN stays, as a gap. At most about 2·pixels points come back, in order of x.
    """
    first = max(int(np.searchsorted(x, low, "left")) - 1, 0)
    last = min(int(np.searchsorted(x, high, "right")) + 1, len(x))
    x, y = x[first:last], y[first:last]
    size = -(-len(x) // max(pixels, 1))
    if size <= 2:
        return x, y
    # NaN hides in argmin as the least: compare it as +∞ (and −∞ for the greatest) and keep real values.
    block = np.pad(y, (0, -len(y) % size), mode="edge").reshape(-1, size)
    gap = np.isnan(block)
    start = np.arange(0, len(y), size)
    least = start + np.where(gap, np.inf, block).argmin(1)
    most = start + np.where(gap, -np.inf, block).argmax(1)
    keep = np.stack([np.minimum(least, most), np.maximum(least, most)], 1).ravel()
    keep = np.concatenate([[0], keep, [len(x) - 1]])
    return x[keep], y[keep]


def stairs(x: Array, y: Array, tread: float) -> tuple[Array, Array]:
    """The corners (2n,) of a line on which each value holds until the next, and the last for ``tread``."""
    if not len(x):
        return x, y
    return np.append(np.repeat(x, 2)[1:], x[-1] + tread), np.repeat(y, 2)


def shared_steps(upper: Points, lower: Points) -> tuple[Array, Array, Array]:
    """Two curves on the union of their steps where both run: (steps, upper, lower), interpolated linearly."""
    if not len(upper) or not len(lower):
        return _none(), _none(), _none()
    low, high = max(upper.steps[0], lower.steps[0]), min(upper.steps[-1], lower.steps[-1])
    steps = np.union1d(upper.steps, lower.steps)
    steps = steps[(steps >= low) & (steps <= high)]
    return (
        steps,
        np.interp(steps, upper.steps, upper.values),
        np.interp(steps, lower.steps, lower.values),
    )


def value_range(curves: Sequence[Points]) -> tuple[float, float] | None:
    """The values to show: from least to greatest, but for a few far outliers (a run's first steps).

    What lies further from the central 96 % of a curve than that is wide is left outside the picture.
    """
    lows, highs = [], []
    for points in curves:
        finite = points.values[np.isfinite(points.values)]
        if not len(finite):
            continue
        q_low, q_high = np.quantile(finite[:: max(len(finite) // 2000, 1)], (0.02, 0.98))
        reach = q_high - q_low
        lows.append(max(finite.min(), q_low - reach))
        highs.append(min(finite.max(), q_high + reach))
    return (float(min(lows)), float(max(highs))) if lows else None


def write_csv(path: str | Path, curves: Mapping[str, Points], unit: str = "step") -> None:
    """One row a step, one column a curve ("key.low" and "key.high" beside it where it has a band).

    unit: the name of the steps' column. Numbers are written so that they read back equal; a curve without a
    value at a step leaves its cell empty. InputError where the file cannot be written.
    """
    columns: dict[str, dict[float, float]] = {}
    for key, points in curves.items():
        steps = points.steps.tolist()
        columns[key] = dict(zip(steps, points.values.tolist(), strict=True))
        for name, edge in (("low", points.low), ("high", points.high)):
            if edge is not None:
                columns[f"{key}.{name}"] = dict(zip(steps, edge.tolist(), strict=True))
    rows = sorted(set().union(*columns.values())) if columns else []
    try:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([unit, *columns])
            for step in rows:
                head = int(step) if step == int(step) else step
                writer.writerow([head, *(column.get(step, "") for column in columns.values())])
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error

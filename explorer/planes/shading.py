"""How the values of a field become colours: the scale that they have, and what it makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array
from explorer.style.colourmaps import diverging, premultiplied

OPAQUE = 0.25  # level from which on a scale that begins clear lets nothing through
SAMPLE = 20_000  # cells that this is found from


@dataclass(frozen=True)
class Scale:
    """How values become colours: low is the darkest, high the brightest; of log the colours follow log v.

    diverging: low = −high. clear: low values let through what is behind. below, above: there are values
    beyond these ends, in the colours of the ends.
    """

    low: float
    high: float
    log: bool = False
    diverging: bool = False
    clear: bool = False
    below: bool = False
    above: bool = False

    def level(self, values: Any) -> Any:
        """Where values lie between low, 0, and high, 1; NaN stays."""
        low, high = self.low, self.high
        if self.log:
            low, high = math.log(low), math.log(high)
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.log(values)
        if low == high:
            return np.where(np.isnan(values), np.nan, 0.5)
        return np.clip((values - low) / (high - low), 0.0, 1.0)

    def value(self, level: float) -> float:
        """What lies at a level between 0 and 1."""
        if self.log:
            return math.exp(math.log(self.low) * (1 - level) + math.log(self.high) * level)
        return self.low * (1 - level) + self.high * level


def spread(values: Array, span: float = math.inf, stray: float = 0.0, log: bool = False) -> Scale:
    """From the lowest to the highest value, but no more than ``span`` wide, and without a share ``stray`` of
    them at either end. log: only positive values count."""
    seen = values[np.isfinite(values) & ((values > 0) | (not log))]
    if not len(seen):
        return Scale(1.0, 1.0, log)
    ends = (
        np.quantile(seen[:: len(seen) // SAMPLE + 1], (stray, 1 - stray))
        if stray
        else (seen.min(), seen.max())
    )
    high = float(ends[1])
    low = max(float(ends[0]), high - span)
    if high - low <= 1e-6 * max(abs(high), 1e-12):  # all the same, but for rounding
        return Scale(high, high, log)
    return Scale(low, high, log, below=bool((values < low).any()), above=bool((values > high).any()))


def risen(values: Array) -> Scale:
    """From 0, which is clear, to the highest value."""
    seen = values[np.isfinite(values)]
    return Scale(0.0, float(seen.max(initial=0.0)) or 1.0, clear=True)


def symmetric(values: Array) -> Scale:
    """As far below zero as above it: to the highest value, and where none is above zero to the lowest."""
    seen = values[np.isfinite(values)]
    end = float(seen.max(initial=0.0)) or float(np.abs(seen).max(initial=0.0)) or 1.0
    return Scale(-end, end, diverging=True, below=bool((seen < -end).any()))


def coloured(values: Array, scale: Scale, table: Array) -> Array:
    """Values (…,) → (…, 4) uint8, blue-green-red-alpha, premultiplied; NaN is clear."""
    level = scale.level(values)
    if scale.diverging:
        rgba = diverging(2 * level - 1)
        rgba[..., 3] = np.nan_to_num(np.abs(2 * level - 1)) * 230  # zero is clear, whatever its sign
        out = premultiplied(rgba)
    else:
        out = np.full((*np.shape(values), 4), 255, np.uint8)
        out[..., :3] = table[(np.nan_to_num(level) * 255).astype(np.uint8), ::-1]
        if scale.clear:
            out[..., 3] = 255 * np.minimum(1.0, np.nan_to_num(level) / OPAQUE)
            out = premultiplied(np.take(out, (2, 1, 0, 3), axis=-1))
    out[np.isnan(level)] = 0
    return out

"""How high a prior's density is: at its highest, and on contours that enclose given shares of its mass."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backends.capabilities import HasPrior

DRAWS = 4000
RADII = (1.0, 2.0, 3.0)
_SAME = 1e-3  # nats within which a log-density is N(0, I)'s, as float32 latents have it


@dataclass(frozen=True)
class PriorLevels:
    """top: the largest log p(z), nats. levels: those of log p(z) above which lies as much mass as a normal
    distribution of the same dimension has within 1, 2 and 3 σ of its mean; none where the density is flat."""

    top: float
    levels: tuple[float, ...]


def prior_levels(model: HasPrior) -> PriorLevels:
    """The highest-density regions of a prior p(z).

    Exact for N(0, I): the spheres of radius 1, 2 and 3, which hold 39, 86 and 98.9 % in two dimensions. Of
    another prior they are quantiles of log p(z) over 4000 draws (Hyndman 1996), and the top is its largest
    there, which falls short of the mode in many dimensions.
    """
    z = model.sample_prior(DRAWS, 0)
    height, k = model.log_prior(z), z.shape[1]
    top = -0.5 * k * math.log(2 * math.pi)
    off = height - (top - 0.5 * np.square(z, dtype=np.float64).sum(1))
    if np.abs(off).max() < _SAME:
        return PriorLevels(top, tuple(top - r * r / 2 for r in RADII))
    if np.ptp(height) < _SAME:
        return PriorLevels(float(height.max()), ())
    shares = [1 - mass_within(r, k) for r in RADII]
    return PriorLevels(float(height.max()), tuple(float(q) for q in np.quantile(height, shares)))


def mass_within(radius: float, k: int) -> float:
    """P(‖z‖ ≤ radius), z ~ N(0, I) of k dimensions: the regularised gamma function P(k/2, r²/2), by
    P(a + 1, x) = P(a, x) − xᵃ e⁻ˣ/Γ(a + 1)."""
    x = radius**2 / 2
    a, mass = (1.0, -math.expm1(-x)) if k % 2 == 0 else (0.5, math.erf(math.sqrt(x)))
    while a < k / 2:
        mass -= math.exp(a * math.log(x) - x - math.lgamma(a + 1))
        a += 1
    return max(mass, 0.0)

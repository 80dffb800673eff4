"""½N((−a, 0), I) + ½N((a, 0), I): two Gaussians on the plane, whose distance is chosen in the name.

"two-gaussians@2.8" has a = 2.8. At a ≈ 2.80 the Gaussian closest to them in the reverse KL divergence jumps
from covering both to sitting on one (tests/backends/test_two_gaussians.py).
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from backends.base import Array
from backends.synthetic import Synthetic

NAME = "two-gaussians"
SEPARATION, LARGEST = 2.0, 20.0  # a where the name has none, and at most


@cache
def two_gaussians(a: float) -> Synthetic:
    """The set of half-distance a, from 0 to LARGEST."""
    return Synthetic(
        named(a),
        "Two Gaussians" if a == SEPARATION else f"Two Gaussians, a = {a:g}",
        f"Two Gaussians N((±a, 0), I) with a = 2; {NAME}@A has another a, from 0 to {LARGEST:g}.",
        ("left", "right"),
        _entropy(a),
        11,
        partial(_draw, a),
        partial(_log_prob, a),
    )


def named(a: float) -> str:
    """The name of the set of half-distance a."""
    return NAME if a == SEPARATION else f"{NAME}@{a:g}"


def separation(name: str) -> float | None:
    """The a of a name, perhaps with a number of rows; None for another set's, and for one that cannot be."""
    base, at, text = name.partition(":")[0].partition("@")
    if base != NAME:
        return None
    if not at:
        return SEPARATION
    try:
        a = float(f"{float(text):g}") if text.isascii() and "_" not in text else np.nan
    except ValueError:
        a = np.nan
    return a if 0 <= a <= LARGEST else None


def at_separation(name: str, a: float) -> str:
    """The set of such a name, perhaps with a number of rows, at another a."""
    _, colon, rows = name.partition(":")
    return named(a) + colon + rows


def _draw(a: float, rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    mode = rng.integers(2, size=n)
    centre = np.stack([a * (2 * mode - 1), np.zeros(n)], 1)
    return np.asarray(centre + rng.standard_normal((n, 2)), dtype=np.float32), mode


def _log_prob(a: float, x: Array) -> Array:
    """log p(x) = log cosh(a x₁) − (|x|² + a²)/2 − log 2π."""
    x = np.asarray(x, dtype=np.float64)
    log_cosh = np.logaddexp(a * x[:, 0], -a * x[:, 0]) - np.log(2)
    return np.asarray(log_cosh - ((x**2).sum(1) + a**2) / 2 - np.log(2 * np.pi))


def _entropy(a: float) -> float:
    """−E log p(x) in nats: along x₁ by the trapezoidal rule, which is exact to rounding here."""
    x = np.linspace(-a - 12, a + 12, 4001)
    log_p = _log_prob(a, np.stack([x, np.zeros_like(x)], 1)) + 0.5 * np.log(2 * np.pi)
    along = -float((np.exp(log_p) * log_p).sum() * (x[1] - x[0]))
    return along + float(0.5 * np.log(2 * np.pi * np.e))

"""Kullback-Leibler divergences between a model p and the density π that its data were drawn from.

KL(π‖p) is what maximum likelihood makes small, and is large where p lacks what π has; KL(p‖π) is what the
reverse objective makes small, and is large, even infinite, where p has what π lacks. Each is a mean over
draws from the first of the two, with its Monte Carlo standard error.

All estimators are generators that yield :class:`Progress` between slices of a few milliseconds; ``finish``
runs one to its end. π must be normalised: else KL(π‖p) is off by the logarithm of its integral, and KL(p‖π)
by as much the other way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array, Estimate, InputError, Progress, Work
from backends.capabilities import Bijects, HasPrior, LogProb
from backends.carry import Slices, inverse, log_prob, telling, transform
from backends.data import Density

BLOCK = 256  # rows a slice


@dataclass(frozen=True)
class Duality:
    """KL(π(x)‖p(x)) and KL(p(z|θ)‖p(z)), which are equal; estimated on different rows, so that they agree
    within their standard errors and no better (Papamakarios et al. 2021, sec. 2.3.3)."""

    x_space: Estimate
    z_space: Estimate

    @property
    def errors_apart(self) -> float:
        """Their difference in standard errors of it; above 3 in one of 400 cases, where those are normal."""
        stderr = math.hypot(self.x_space.stderr, self.z_space.stderr)
        return abs(self.x_space.value - self.z_space.value) / stderr if stderr else math.nan


@dataclass(frozen=True)
class Divergences:
    """How far a model and π are apart, both ways, and the first of the two once more in both spaces."""

    forward: Estimate
    reverse: Estimate
    dual: Duality


def divergences(model: Any, density: Density, x: Array, n: int, seed: int = 0) -> Work[Divergences]:
    """All of them: of rows x (m, d) drawn from π, and of n draws of the model, a flow."""
    forward = yield from forward_kl(model, density, x)
    reverse = yield from reverse_kl(model, density, n, seed)
    dual = yield from dual_kl(model, density, x)
    return Divergences(forward, reverse, dual)


def forward_kl(model: Any, density: Density, x: Array) -> Work[Estimate]:
    """KL(π‖p) = E_π[log π(x) − log p(x)], over rows x (n, d) that were drawn from π and not trained on.

    +∞ where p is zero at one of them. Raises InputError for a model without log p(x) and for less than two
    rows.
    """
    _require(model, LogProb, "no log p(x)")

    def gap(rows: Array) -> Slices[Array]:
        log_p = yield from log_prob(model, rows)
        return density.log_prob(rows) - log_p

    gaps = yield from _in_blocks(gap, x, "KL(π‖p)")
    return _mean(gaps, f"Monte Carlo over {len(x)} rows", "of them lie where the model's density is zero")


def reverse_kl(model: Any, density: Density, n: int, seed: int) -> Work[Estimate]:
    """KL(p‖π) = E_p[log p(x) − log π(x)], over n draws x = f⁻¹(z) of a flow, z from its base density.

    One draw where π is zero proves that it is +∞; ``method`` then tells what share of them fell there. Raises
    InputError for a model that is no flow and for less than two draws.
    """
    _require(model, Bijects, "no inverse to draw x by")
    _require(model, HasPrior, "no base density to draw z from")

    def gaps(z: Array) -> Slices[Array]:
        x, log_det = yield from inverse(model, z)
        return np.asarray(model.log_base(z) - log_det - density.log_prob(x))

    z = model.sample_prior(n, seed)
    found = yield from _in_blocks(gaps, z, "KL(p‖π)")
    return _mean(found, f"Monte Carlo over {n} draws of the flow", "of them fall where π is zero")


def dual_kl(model: Any, density: Density, x: Array) -> Work[Duality]:
    """KL(π‖p) in x-space over the first half of the rows x (n, d), and over the others in z-space.

    There it is the divergence of p(z|θ), the density of z = f(x) for x ~ π, from the base density p(z), with
    log p(z|θ) = log π(x) − log|det ∂z/∂x|. Raises InputError for a model that is no flow and for less than
    four rows.
    """
    _require(model, Bijects, "no base density")
    half = len(x) // 2

    def gaps(rows: Array) -> Slices[Array]:
        z, log_det = yield from transform(model, rows)
        return np.asarray(density.log_prob(rows) - log_det - model.log_base(z))

    in_x = yield from forward_kl(model, density, x[:half])
    found = yield from _in_blocks(gaps, x[half:], "KL(p(z|θ)‖p(z))")
    in_z = _mean(found, f"Monte Carlo over {len(x) - half} rows", "of them lie where p(z) is zero")
    return Duality(in_x, in_z)


def _require(model: Any, capability: type, lack: str) -> None:
    if not isinstance(model, capability):
        raise InputError(f"model '{model.kind}' has {lack}")


def _in_blocks(gaps: Callable[[Array], Slices[Array]], rows: Array, what: str) -> Work[Array]:
    out = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        done = Progress(min(start + BLOCK, len(rows)), len(rows), what)
        out[part] = yield from telling(gaps(rows[part]), done)
        yield done
    return out


def _mean(gaps: Array, method: str, outside: str) -> Estimate:
    """The mean of log-ratios (n,); an infinite one is certain, and has no standard error."""
    n = len(gaps)
    if n < 2:
        raise InputError(f"an average and its standard error take at least two rows, not {n}")
    if infinite := int(np.isposinf(gaps).sum()):
        return Estimate(math.inf, 0.0, f"{method}: {100 * infinite / n:.2g} % {outside}")
    return Estimate(float(gaps.mean()), float(gaps.std(ddof=1)) / math.sqrt(n), method)

"""A normal distribution of unknown mean and precision under a normal–gamma prior (Murphy 2007, "Conjugate
Bayesian analysis of the Gaussian distribution", §3).

    λ = 1/σ² ~ Gamma(a₀, rate b₀),   μ|λ ~ N(μ₀, 1/(κ₀λ)),   x|μ, λ ~ N(μ, 1/λ)

It is the regression on a constant, and computed as such. The predictive is Student's t (eq. 100):
p(x|X) = t(x; μₙ, bₙ(κₙ + 1)/(aₙκₙ), 2aₙ degrees of freedom).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from backends.base import Array, DataInfo, Stamp, Value
from backends.exact.conjugate import NORMAL_PARAMETERS
from backends.exact.conjugate_learner import ConjugateLearner
from backends.exact.conjugate_linear import LinearModel, UnknownNoise, prior_factor


@dataclass(frozen=True, eq=False, kw_only=True)
class NormalGamma(LinearModel):
    """θ = (μ, σ), and densities of θ are densities of these two: p(σ) = p(λ) · 2/σ³.

    So MAP has 1/σ² = (aₙ + 1)/bₙ; as a density of (μ, λ) it would have (aₙ − ½)/bₙ.
    p(x) of this model is the posterior predictive.
    """

    kind: ClassVar[str] = "normal-gamma"

    @classmethod
    def start(cls, values: Mapping[str, Value], info: DataInfo, stamp: Stamp, seen: Array) -> Self:
        mean, count, a, b = (float(values[name]) for name in ("prior_mean", "prior_count", "shape", "rate"))
        prior = UnknownNoise(prior_factor(count, np.array([mean])), a, b)
        return cls(info=info, stamp=stamp, seen=seen, prior=prior, data=np.zeros((2, 2)))

    def design(self, x: Array) -> tuple[Array, Array]:
        rows = self.rows(x)
        return np.ones_like(rows), rows[:, 0]

    def names(self) -> list[str]:
        return ["μ"]

    def log_prob(self, x: Array) -> Array:
        """The posterior predictive, :meth:`log_predictive`."""
        return self.log_predictive(x)

    def sample(self, n: int, seed: int) -> Array:
        """Rows from the posterior predictive, each with a θ of its own, (n, 1) float32."""
        rng = np.random.default_rng(seed)
        mean, sigma = self.posterior.sample(n, rng).T
        return np.asarray(mean + sigma * rng.standard_normal(n), np.float32)[:, None]


class NormalGammaLearner(ConjugateLearner):
    """Numbers arriving one at a time; see :mod:`backends.exact.conjugate_learner`."""

    parameters = NORMAL_PARAMETERS
    model = NormalGamma

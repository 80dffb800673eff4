"""Beta and Bernoulli (Bishop 2006, §2.1.1): x ∈ {0, 1}, p(x = 1|θ) = θ, θ ~ Beta(a, b).

p(θ|X) = Beta(a + h, b + t) after h ones and t zeros                                      (eq. 2.18)
p(x = 1|X) = (a + h)/(a + b + h + t)                                                      (eq. 2.20)
p(X) = B(a + h, b + t)/B(a, b), of the rows in their order: there is no binomial coefficient
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from scipy.special import betaincinv, betaln, xlog1py, xlogy

from backends.base import Array, DataInfo, InputError, Stamp, ThetaAxis, Value
from backends.exact.conjugate import BETA_PARAMETERS
from backends.exact.conjugate_learner import ConjugateLearner, ConjugateModel, axis


@dataclass(frozen=True)
class Beta:
    """Beta(a, b) over θ, (m, 1)."""

    a: float
    b: float

    def log_prob(self, thetas: Array) -> Array:
        theta = thetas[:, 0]
        inside = (theta >= 0) & (theta <= 1)
        at = np.where(inside, theta, 0.5)
        log_p = xlogy(self.a - 1, at) + xlog1py(self.b - 1, -at) - betaln(self.a, self.b)
        return np.where(inside, log_p, -np.inf)

    def mode(self) -> Array:
        """(a − 1)/(a + b − 2), or the end to which the density rises. Where it rises to both, the end with
        more mass; where the two ends are alike, or the density is flat, the mean."""
        a, b = self.a, self.b
        if a > 1 and b > 1:
            return np.array([(a - 1) / (a + b - 2)])
        return np.array([0.5 if a == b else float(a > b)])

    def mean(self) -> Array:
        return np.array([self.a / (self.a + self.b)])

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        return rng.beta(self.a, self.b, (n, 1))

    def interval(self) -> Array:
        return np.asarray(betaincinv(self.a, self.b, [[0.005, 0.995]]))


@dataclass(frozen=True, eq=False, kw_only=True)
class BetaBernoulli(ConjugateModel):
    """θ is the probability of a one, (p,) = (1,), and MAP the mode of the density of θ itself.

    p(x) of this model is the posterior predictive.
    """

    kind: ClassVar[str] = "beta-bernoulli"

    prior: Beta
    ones: int = 0
    zeros: int = 0

    @classmethod
    def start(cls, values: Mapping[str, Value], info: DataInfo, stamp: Stamp, seen: Array) -> Self:
        prior = Beta(float(values["a"]), float(values["b"]))
        return cls(info=info, stamp=stamp, seen=seen, prior=prior)

    def updated(self, rows: Array) -> Self:
        ones = int(rows.sum())
        return replace(self, ones=self.ones + ones, zeros=self.zeros + len(rows) - ones)

    def blank(self) -> Self:
        return replace(self, ones=0, zeros=0)

    @property
    def posterior(self) -> Beta:
        """Beta(a + h, b + t)."""
        return Beta(self.prior.a + self.ones, self.prior.b + self.zeros)

    @property
    def theta_axes(self) -> tuple[ThetaAxis, ...]:
        """All of θ, from 0 to 1."""
        return (axis("θ", np.array([0.0, 1.0]), self.posterior.interval()[0]),)

    def log_likelihood_theta(self, thetas: Array) -> Array:
        """h log θ + t log(1 − θ), (m, 1) → (m,)."""
        theta = self._thetas(thetas)[:, 0]
        inside = (theta >= 0) & (theta <= 1)
        at = np.where(inside, theta, 0.5)
        return np.where(inside, xlogy(self.ones, at) + xlog1py(self.zeros, -at), -np.inf)

    def log_evidence(self) -> float:
        """log B(a + h, b + t) − log B(a, b)."""
        after, before = self.posterior, self.prior
        return float(betaln(after.a, after.b) - betaln(before.a, before.b))

    def ml_theta(self) -> Array | None:
        """h/(h + t), (1,); None before the first row."""
        n = self.ones + self.zeros
        return np.array([self.ones / n]) if n else None

    def log_predictive(self, x: Array) -> Array:
        """log p(x|X), (n, 1) → (n,)."""
        return self._log_bernoulli(x, self.posterior.mean()[0])

    def log_plug_in(self, x: Array) -> Array:
        """log p(x|θ) at the MAP θ, (n, 1) → (n,); −inf where that θ is 0 or 1 and x is the other."""
        return self._log_bernoulli(x, self.map_theta()[0])

    def log_prob(self, x: Array) -> Array:
        """The posterior predictive, :meth:`log_predictive`."""
        return self.log_predictive(x)

    def sample(self, n: int, seed: int) -> Array:
        """Rows from the posterior predictive, each from a θ of its own, (n, 1) float32."""
        one = np.random.default_rng(seed).random((n, 1)) < self.posterior.mean()
        return one.astype(np.float32)

    def rows(self, x: Array) -> Array:
        array = super().rows(x)
        if not ((array == 0) | (array == 1)).all():
            raise InputError("x has values other than 0 and 1, which a coin does not take")
        return array

    def _log_bernoulli(self, x: Array, theta: float) -> Array:
        x = self.rows(x)[:, 0]
        return np.asarray(xlogy(x, theta) + xlog1py(1 - x, -theta))


class BetaBernoulliLearner(ConjugateLearner):
    """Flips arriving one at a time; see :mod:`backends.exact.conjugate_learner`."""

    parameters = BETA_PARAMETERS
    model = BetaBernoulli

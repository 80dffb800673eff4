"""Bayesian linear regression of y on x (Bishop 2006, §3.3): y = Σ_j w_j φ_j(x) + noise, w ~ N(0, I/α).

With the noise known the posterior of w is normal (eq. 3.53, 3.54), the prediction normal (eq. 3.58), and the
evidence eq. 3.86. With an unknown noise the prior is w|σ ~ N(0, σ²I/α), 1/σ² ~ Gamma(a₀, b₀), and the
prediction Student's t. The inputs x are given, not modelled: all densities are of y.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from backends.base import Array, DataInfo, InputError, Stamp, Value
from backends.exact.conjugate import REGRESSION_PARAMETERS
from backends.exact.conjugate_learner import ConjugateLearner
from backends.exact.conjugate_linear import KnownNoise, Linear, LinearModel, UnknownNoise, prior_factor


@dataclass(frozen=True)
class Basis:
    """φ: powers of u up to M − 1, or a constant and M − 1 Gaussian bumps; u takes [low, high] to [−1, 1].

    Bumps are centred at equal distances from u = −1 to 1, and as wide (σ) as these distances.
    """

    name: str
    size: int
    low: float
    high: float

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> Self:
        name = str(values["basis"])
        size = 1 + int(values["degree" if name == "polynomial" else "bumps"])
        return cls(name, size, float(values["low"]), float(values["high"]))

    def __call__(self, x: Array) -> Array:
        """Inputs (n,) → φ (n, M)."""
        u = (x - (self.low + self.high) / 2) / ((self.high - self.low) / 2)
        if self.name == "polynomial":
            return np.asarray(u[:, None] ** np.arange(self.size))
        centres = np.linspace(-1, 1, self.size - 1) if self.size > 2 else np.zeros(1)
        width = 2 / (self.size - 2) if self.size > 2 else 1.0
        bumps = np.exp(-0.5 * np.square((u[:, None] - centres) / width))
        return np.concatenate([np.ones((len(u), 1)), bumps], 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class Regression(LinearModel):
    """θ = w, or (w, σ) where the noise is unknown; MAP is the mode of the density of these coordinates.

    Rows are (x, y). Each weight belongs to a basis function of u, which is x itself by default
    (:class:`Basis`).
    """

    kind: ClassVar[str] = "bayesian-linear-regression"

    basis: Basis

    @classmethod
    def start(cls, values: Mapping[str, Value], info: DataInfo, stamp: Stamp, seen: Array) -> Self:
        basis, alpha = Basis.of(values), float(values["alpha"])
        zero = np.zeros(basis.size)
        if values["noise"] == "known":
            sigma = 1 / math.sqrt(float(values["beta"]))
            prior: Linear = KnownNoise(prior_factor(alpha * sigma**2, zero), sigma)
        else:
            prior = UnknownNoise(prior_factor(alpha, zero), float(values["shape"]), float(values["rate"]))
        data = np.zeros((basis.size + 1, basis.size + 1))
        return cls(info=info, stamp=stamp, seen=seen, prior=prior, data=data, basis=basis)

    def design(self, x: Array) -> tuple[Array, Array]:
        rows = self.rows(x)
        return self._phi(rows[:, 0]), rows[:, 1]

    def names(self) -> list[str]:
        return [f"w{j}" for j in range(self.prior.size)]

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of p(y|x, X) at inputs (n,), noise included."""
        return self.posterior.predict(self._phi(x))

    def predict_plug_in(self, x: Array) -> tuple[Array, Array]:
        """Those of p(y|x, θ) at the MAP θ, whose standard deviation is the same everywhere."""
        weights, sigma = self._map()
        mean = self._phi(x) @ weights
        return mean, np.full_like(mean, sigma)

    def curves(self, thetas: Array, x: Array) -> Array:
        """wᵀφ(x) of each θ (m, p) at inputs (n,): (m, n)."""
        weights, _ = self.prior.split(self._thetas(thetas))
        return np.asarray(weights @ self._phi(x).T)

    def _phi(self, x: Array) -> Array:
        inputs = np.asarray(x, np.float64)
        if inputs.ndim != 1:
            raise InputError(f"x has shape {inputs.shape}, and the inputs are (n,)")
        return self.basis(inputs)


class RegressionLearner(ConjugateLearner):
    """Points arriving one at a time; see :mod:`backends.exact.conjugate_learner`."""

    parameters = REGRESSION_PARAMETERS
    model = Regression

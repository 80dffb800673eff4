"""Rows t = wᵀφ + noise under a conjugate prior, with the noise known or unknown: the algebra of both.

    known σ:    w ~ N(m, σ²Λ⁻¹)                                              (Bishop 2006, eq. 3.48–3.51)
    unknown σ:  1/σ² ~ Gamma(a, rate b),  w|σ ~ N(m, σ²Λ⁻¹)          (normal–inverse-gamma; Bishop, ex. 3.12)

After n rows with design matrix Φ (n, M) and targets t: Λₙ = Λ₀ + ΦᵀΦ, mₙ = Λₙ⁻¹(Λ₀m₀ + Φᵀt), aₙ = a₀ + n/2,
bₙ = b₀ + ½(what the fit leaves: ‖t − Φmₙ‖² + ‖mₙ − m₀‖²_Λ₀). In place of Λ and Λm the triangular factor of
(Φ t)ᵀ(Φ t) is kept and brought up to date by rotations: half the digits that the normal equations need, and
what the fit leaves is its last entry, in place of a difference of large numbers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaincinv, gammaln, ndtri, stdtrit

from backends.base import Array, ThetaAxis
from backends.exact.conjugate_learner import ConjugateModel, axis

_LOG_2PI = math.log(2 * math.pi)
_TAIL = 0.005  # on each side of the middle 99 %


def absorb(factor: Array, rows: Array) -> Array:
    """The upper triangular T with TᵀT = factorᵀfactor + rowsᵀrows and a diagonal ≥ 0: factor (k, k),
    rows (m, k) → (k, k)."""
    triangle = np.linalg.qr(np.concatenate([factor, rows]), mode="r")
    return np.asarray(triangle * np.where(np.diagonal(triangle) < 0, -1.0, 1.0)[:, None])


def prior_factor(count: float, mean: Array) -> Array:
    """The factor of a prior with Λ₀ = count · I and mean (M,): (M + 1, M + 1)."""
    factor = np.zeros((len(mean) + 1, len(mean) + 1))
    factor[:-1, :-1] = math.sqrt(count) * np.eye(len(mean))
    factor[:-1, -1] = math.sqrt(count) * mean
    return factor


@dataclass(frozen=True, eq=False)
class Linear(ABC):
    """A distribution of θ. factor: T = [[R, Rm], [0, ρ]], (M + 1, M + 1), RᵀR = Λ, ρ² what a fit leaves."""

    factor: Array

    @abstractmethod
    def given(self, data: Array, n: int) -> Self:
        """The posterior after n rows whose (Φ t) has the factor ``data``, this being the prior."""

    @abstractmethod
    def log_evidence(self, prior: Self, n: int) -> float:
        """log p(t) of the n rows that led from the prior to this."""

    @abstractmethod
    def log_prob(self, thetas: Array) -> Array: ...

    @abstractmethod
    def mode(self) -> Array: ...

    @abstractmethod
    def mean(self) -> Array: ...

    @abstractmethod
    def sample(self, n: int, rng: np.random.Generator) -> Array: ...

    @abstractmethod
    def interval(self) -> Array: ...

    @abstractmethod
    def split(self, thetas: Array) -> tuple[Array, Array]:
        """The weights (m, M) and σ (m,) of thetas (m, p)."""

    @abstractmethod
    def join(self, weights: Array, sigma: float) -> Array:
        """The inverse for one θ: (p,)."""

    @abstractmethod
    def log_predictive(self, phi: Array, t: Array) -> Array:
        """log p(t|φ) of each row by itself, with θ integrated out: (n, M), (n,) → (n,)."""

    @abstractmethod
    def predict(self, phi: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of that, (n,) each."""

    @property
    def size(self) -> int:
        """M, the number of weights."""
        return len(self.factor) - 1

    @property
    def left(self) -> float:
        """ρ²: the least of ‖t − Φw‖² + ‖w − m₀‖²_Λ₀ over w."""
        return float(self.factor[-1, -1] ** 2)

    @cached_property
    def weights(self) -> Array:
        """m (M,)."""
        return np.asarray(solve_triangular(self.factor[:-1, :-1], self.factor[:-1, -1]))

    @cached_property
    def log_det(self) -> float:
        """½ log |Λ|."""
        return float(np.log(np.diagonal(self.factor)[:-1]).sum())

    @cached_property
    def inverse(self) -> Array:
        """R⁻¹, so that Λ⁻¹ = R⁻¹R⁻ᵀ: (M, M)."""
        return np.asarray(solve_triangular(self.factor[:-1, :-1], np.eye(self.size)))

    def log_normal(self, weights: Array, sigma: Array | float) -> Array:
        """log N(w; m, σ²Λ⁻¹) of weights (m, M), and σ (m,) or one for all."""
        square = np.square((weights - self.weights) @ self.factor[:-1, :-1].T).sum(1)
        log_scale = self.size * (0.5 * _LOG_2PI + np.log(sigma))
        return np.asarray(self.log_det - log_scale - 0.5 * square / np.square(sigma))

    def spread(self, phi: Array) -> Array:
        """1 + φᵀΛ⁻¹φ, the variance of a prediction in units of σ²: (n, M) → (n,)."""
        return np.asarray(1 + np.square(phi @ self.inverse).sum(1))

    def scatter(self, sigma: Array, rng: np.random.Generator) -> Array:
        """Weights from N(m, σ²Λ⁻¹), one for each σ (n,): (n, M)."""
        noise = rng.standard_normal((len(sigma), self.size))
        return np.asarray(self.weights + sigma[:, None] * (noise @ self.inverse.T))

    def _around(self, reach: float) -> Array:
        """mⱼ ± reach · √(Λ⁻¹)ⱼⱼ: (M, 2)."""
        half = reach * np.sqrt(np.square(self.inverse).sum(1))
        return np.stack([self.weights - half, self.weights + half], 1)


@dataclass(frozen=True, eq=False)
class KnownNoise(Linear):
    """θ = w, (p,) = (M,); the noise has the given σ."""

    sigma: float

    def given(self, data: Array, n: int) -> Self:
        return type(self)(absorb(self.factor, data), self.sigma)

    def log_evidence(self, prior: Self, n: int) -> float:
        """−n/2 log 2πσ² + ½ log |Λ₀| − ½ log |Λₙ| − ρ²/2σ² (Bishop 2006, eq. 3.86 with Λ₀ = ασ²I)."""
        noise = n * (0.5 * _LOG_2PI + math.log(self.sigma))
        return prior.log_det - self.log_det - noise - 0.5 * (self.left - prior.left) / self.sigma**2

    def log_prob(self, thetas: Array) -> Array:
        return self.log_normal(thetas, self.sigma)

    def mode(self) -> Array:
        return self.weights.copy()

    def mean(self) -> Array:
        return self.weights.copy()

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        return self.scatter(np.full(n, self.sigma), rng)

    def interval(self) -> Array:
        return self._around(-self.sigma * float(ndtri(_TAIL)))

    def split(self, thetas: Array) -> tuple[Array, Array]:
        return thetas, np.full(len(thetas), self.sigma)

    def join(self, weights: Array, sigma: float) -> Array:
        return weights

    def log_predictive(self, phi: Array, t: Array) -> Array:
        mean, std = self.predict(phi)
        return np.asarray(-0.5 * _LOG_2PI - np.log(std) - 0.5 * np.square((t - mean) / std))

    def predict(self, phi: Array) -> tuple[Array, Array]:
        """Bishop 2006, eq. 3.58 and 3.59."""
        return phi @ self.weights, self.sigma * np.sqrt(self.spread(phi))


@dataclass(frozen=True, eq=False)
class UnknownNoise(Linear):
    """θ = (w, σ), (p,) = (M + 1,), its density one of σ: p(σ) = p(1/σ²) · 2/σ³, and 0 for σ ≤ 0.

    So the mode is at 1/σ² = (2a + M + 1)/2b. As a density of (w, 1/σ²) it would be at (2a + M − 2)/2b.
    """

    a: float
    b: float

    def given(self, data: Array, n: int) -> Self:
        factor = absorb(self.factor, data)
        return type(self)(factor, self.a + n / 2, self.b + 0.5 * (factor[-1, -1] ** 2 - self.left))

    def log_evidence(self, prior: Self, n: int) -> float:
        """−n/2 log 2π + ½ log |Λ₀|/|Λₙ| + a₀ log b₀ − aₙ log bₙ + log Γ(aₙ)/Γ(a₀) (Murphy 2007, eq. 95)."""
        gammas = prior.a * math.log(prior.b) - self.a * math.log(self.b)
        gammas += float(gammaln(self.a) - gammaln(prior.a))
        return prior.log_det - self.log_det - 0.5 * n * _LOG_2PI + gammas

    def log_prob(self, thetas: Array) -> Array:
        weights, sigma = self.split(thetas)
        possible = sigma > 0
        at = np.where(possible, sigma, 1.0)
        constant = math.log(2) + self.a * math.log(self.b) - float(gammaln(self.a))
        with np.errstate(over="ignore", divide="ignore"):  # next to σ = 0, where the density is 0
            log_p = constant - (2 * self.a + 1) * np.log(at) - self.b / np.square(at)
            log_p = log_p + self.log_normal(weights, at)
        return np.where(possible & (log_p > -np.inf), log_p, -np.inf)

    def mode(self) -> Array:
        return self.join(self.weights, math.sqrt(2 * self.b / (2 * self.a + self.size + 1)))

    def mean(self) -> Array:
        """E[σ] = √b Γ(a − ½)/Γ(a)."""
        log_mean = 0.5 * math.log(self.b) + float(gammaln(self.a - 0.5) - gammaln(self.a))
        return self.join(self.weights, math.exp(log_mean))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        sigma = np.sqrt(self.b / rng.standard_gamma(self.a, n))
        return np.concatenate([self.scatter(sigma, rng), sigma[:, None]], 1)

    def interval(self) -> Array:
        scale = math.sqrt(self.b / self.a)
        sigma = np.sqrt(self.b / gammaincinv(self.a, [1 - _TAIL, _TAIL]))
        return np.concatenate([self._around(-scale * float(stdtrit(2 * self.a, _TAIL))), sigma[None]])

    def split(self, thetas: Array) -> tuple[Array, Array]:
        return thetas[:, :-1], thetas[:, -1]

    def join(self, weights: Array, sigma: float) -> Array:
        return np.append(weights, sigma)

    def log_predictive(self, phi: Array, t: Array) -> Array:
        """Student's t with 2a degrees of freedom, about φᵀm, of squared scale (b/a)(1 + φᵀΛ⁻¹φ)."""
        scale = np.sqrt(self.b / self.a * self.spread(phi))
        square = np.square((t - phi @ self.weights) / scale)
        constant = float(gammaln(self.a + 0.5) - gammaln(self.a)) - 0.5 * math.log(2 * math.pi * self.a)
        return np.asarray(constant - np.log(scale) - (self.a + 0.5) * np.log1p(square / (2 * self.a)))

    def predict(self, phi: Array) -> tuple[Array, Array]:
        """The variance of Student's t is its squared scale times a/(a − 1) for a > 1; else it is infinite."""
        variance = self.b / (self.a - 1) if self.a > 1 else math.inf
        return phi @ self.weights, np.sqrt(variance * self.spread(phi))


@dataclass(frozen=True, eq=False, kw_only=True)
class LinearModel(ConjugateModel):
    """Rows with a target t = wᵀφ + noise. data: the factor of all rows' (Φ t), (M + 1, M + 1)."""

    prior: Linear
    data: Array
    count: int = 0

    @abstractmethod
    def design(self, x: Array) -> tuple[Array, Array]:
        """φ (n, M) and t (n,) of rows x (n, d)."""

    @abstractmethod
    def names(self) -> list[str]:
        """Of the weights (M)."""

    def updated(self, rows: Array) -> Self:
        phi, t = self.design(rows)
        return replace(self, data=absorb(self.data, np.column_stack([phi, t])), count=self.count + len(rows))

    def blank(self) -> Self:
        return replace(self, data=np.zeros_like(self.data), count=0)

    @cached_property
    def posterior(self) -> Linear:
        """p(θ|X), in the family of the prior."""
        return self.prior.given(self.data, self.count)

    @property
    def theta_axes(self) -> tuple[ThetaAxis, ...]:
        """The weights, and σ where it is unknown: from 0."""
        wide, focus = self.prior.interval(), self.posterior.interval()
        wide[self.prior.size :, 0] = 0.0
        names = [*self.names(), "σ"][: len(wide)]
        return tuple(axis(*each) for each in zip(names, wide, focus, strict=True))

    def log_likelihood_theta(self, thetas: Array) -> Array:
        """Σ_i log N(t_i; wᵀφ_i, σ²), (m, p) → (m,); −inf for σ ≤ 0."""
        weights, sigma = self.prior.split(self._thetas(thetas))
        possible = sigma > 0
        at = np.where(possible, sigma, 1.0)
        miss = np.square(weights @ self.data[:-1, :-1].T - self.data[:-1, -1]).sum(1)
        with np.errstate(over="ignore", divide="ignore"):
            square = (miss + self.data[-1, -1] ** 2) / np.square(at)
        log_p = -self.count * (0.5 * _LOG_2PI + np.log(at)) - 0.5 * square
        return np.where(possible, log_p, -np.inf)

    def log_evidence(self) -> float:
        """log p(t₁ … t_n), the inputs given."""
        return self.posterior.log_evidence(self.prior, self.count)

    def ml_theta(self) -> Array | None:
        """Least squares, and σ² = what is left/n (p,); None where the rows do not determine them."""
        triangle, target, left = self.data[:-1, :-1], self.data[:-1, -1], self.data[-1, -1]
        m = len(target)
        if self.count < m or np.linalg.cond(triangle) > 1e12:
            return None
        unknown = len(self.posterior.mode()) > m
        if unknown and (self.count <= m or left <= 1e-12 * np.linalg.norm(self.data[:, -1])):
            return None  # the curve goes through all points: the density at σ = 0 is infinite
        return self.prior.join(np.linalg.solve(triangle, target), float(left / np.sqrt(self.count)))

    def log_predictive(self, x: Array) -> Array:
        """log p(t|φ, X) of each row, (n, d) → (n,)."""
        return self.posterior.log_predictive(*self.design(x))

    def log_plug_in(self, x: Array) -> Array:
        """log N(t; wᵀφ, σ²) at the MAP θ, (n, d) → (n,)."""
        (phi, t), (weights, sigma) = self.design(x), self._map()
        return np.asarray(-0.5 * _LOG_2PI - np.log(sigma) - 0.5 * np.square((t - phi @ weights) / sigma))

    def _map(self) -> tuple[Array, float]:
        """w (M,) and σ at the MAP θ."""
        weights, sigma = self.prior.split(self.map_theta()[None])
        return weights[0], float(sigma[0])

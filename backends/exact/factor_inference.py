"""p(z|x) of linear Gaussian models, the distributions q(z|x) that stand for it, and the bound of either.

    q(z|x) = N(Pᵀ(x − μ), G),   L(q, θ) = ⟨E_q[log p(x|z)] − KL(q‖p(z))⟩ ≤ ⟨log p(x)⟩

All q here are of this form. The exact one has P = Ψ⁻¹WG and G = (I + WᵀΨ⁻¹W)⁻¹ = Λ⁻¹. Restricted ones:

    diagonal   G_jj = 1/Λ_jj, others 0: the best q with independent z_j (mean field; Bishop 2006, §10.1.2)
    spherical  G = s²I with s² = k/tr Λ: the best q with one variance for all z_j
    gradient   any P, and a diagonal G: parameters φ of their own (amortised inference)

The best P is the exact one for each G. KL(q‖p(z|x)), which is what a restricted q costs, is then the same
for every x: ½(tr ΛG − k − log|ΛG|). With a diagonal q, EM goes on to turn W until Λ is diagonal and nothing
is lost: PPCA and factor analysis fix W only up to such a rotation. With a spherical q the gap stays, unless
k = 1 or the data vary alike along all k directions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backends.base import Array

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True, eq=False)
class Posterior:
    """q(z|x): projection P (d, k), covariance G (k, k) and log_det = log|G|.

    scale_tril: the Cholesky factor of G (k, k); None where G is diagonal.
    """

    projection: Array
    covariance: Array
    log_det: float
    scale_tril: Array | None = None

    @classmethod
    def independent(cls, projection: Array, log_std: Array) -> Posterior:
        """With a diagonal G, from the logarithms of its standard deviations (k,)."""
        return cls(projection, np.diag(np.exp(2 * log_std)), float(2 * log_std.sum()))


class Factors:
    """θ = (μ, W, Ψ) and what follows from it; immutable, all float64.

    mean (d,), weights W (d, k), log_noise: the logarithms of the diagonal of Ψ (d,), which is noise.
    loading: WᵀΨ⁻¹W (k, k); posterior: p(z|x).
    log_det: log|C| = Σ log ψ + log|Λ| (the matrix determinant lemma).
    Raises numpy.linalg.LinAlgError where the numbers are not finite or too far apart for float64.
    """

    def __init__(self, mean: Array, weights: Array, log_noise: Array) -> None:
        self.mean, self.weights, self.log_noise = mean, weights, log_noise
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            self.noise = np.exp(log_noise)
            scaled = weights / self.noise[:, None]  # Ψ⁻¹W
            self.loading = weights.T @ scaled
        usable = np.isfinite(self.noise).all() and (self.noise > 0).all() and np.isfinite(mean).all()
        if not (usable and np.isfinite(self.loading).all()):
            raise np.linalg.LinAlgError("they are not finite, or a noise variance is 0 or infinite")
        inverse = np.linalg.inv(np.linalg.cholesky(self.precision))
        covariance = inverse.T @ inverse
        log_det = float(2 * np.log(np.diagonal(inverse)).sum())
        self.posterior = Posterior(scaled @ covariance, covariance, log_det, np.linalg.cholesky(covariance))
        self.log_det = float(log_noise.sum()) - log_det
        for array in (mean, weights, log_noise, self.noise, self.loading):
            array.setflags(write=False)

    @property
    def precision(self) -> Array:
        """Λ = I + WᵀΨ⁻¹W, the inverse covariance of p(z|x), (k, k)."""
        return np.eye(len(self.loading)) + self.loading

    def squared_distance(self, centred: Array) -> Array:
        """cᵀC⁻¹c of each row c of ``centred`` (n, d), (n,), in O(n d k).

        By Woodbury's identity that is rᵀΨ⁻¹r + z̄ᵀz̄, with z̄ the posterior mean and r what Wz̄ leaves of c: a
        sum without cancellation.
        """
        z = centred @ self.posterior.projection
        residual = centred - z @ self.weights.T
        return np.asarray((residual**2 / self.noise).sum(1) + (z**2).sum(1))

    def log_density(self, squared_distance: Array) -> Array:
        """log N(x; μ, C) of the squared distances of x from μ, or its average of their average."""
        return np.asarray(-0.5 * (len(self.mean) * LOG_2PI + self.log_det + squared_distance))


def exact(factors: Factors) -> Posterior:
    """p(z|x) itself."""
    return factors.posterior


def diagonal(factors: Factors) -> Posterior:
    """The best q of independent z_j: their variances are 1/Λ_jj (Bishop 2006, eq. 10.12 and 10.13)."""
    log_std = -0.5 * np.log1p(np.diagonal(factors.loading))
    return Posterior.independent(factors.posterior.projection, log_std)


def spherical(factors: Factors) -> Posterior:
    """The best q with G = s²I: s² = k/tr Λ, where ½(s² tr Λ − k log s²) is smallest."""
    k = len(factors.loading)
    log_std = np.full(k, -0.5 * math.log1p(np.trace(factors.loading) / k))
    return Posterior.independent(factors.posterior.projection, log_std)


BY_THETA = {"exact": exact, "diagonal": diagonal, "spherical": spherical}


@dataclass(frozen=True, eq=False)
class Statistics:
    """What the M-step and the bound need of q, averages over rows: variance ⟨(x − μ)²⟩ (d,), cross
    ⟨(x − μ)E_q[z]ᵀ⟩ (d, k), second ⟨E_q[zzᵀ]⟩ (k, k)."""

    variance: Array
    cross: Array
    second: Array

    @classmethod
    def of(cls, q: Posterior, variance: Array, times: Callable[[Array], Array]) -> Statistics:
        """times: P ↦ ⟨(x − μ)(x − μ)ᵀ⟩P of the rows, whose variances (d,) are given, too."""
        cross = times(q.projection)
        return cls(variance, cross, q.projection.T @ cross + q.covariance)

    def about(self, shift: Array, x_mean: Array, z_mean: Array) -> Statistics:
        """The same with another μ, smaller by ``shift`` (d,), for the same z; x_mean: ⟨x − μ⟩ (d,) and
        z_mean: ⟨E_q[z]⟩ (k,)."""
        variance = self.variance + 2 * shift * x_mean + shift**2
        return Statistics(variance, self.cross + np.outer(shift, z_mean), self.second)

    def towards(self, other: Statistics, rate: float) -> Statistics:
        """A step of a running average."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Statistics(*(own + rate * (new - own) for own, new in pairs))

    def error(self, weights: Array) -> Array:
        """⟨E_q[(x − μ − Wz)²]⟩ of each column, (d,)."""
        return np.asarray(self.variance + (weights * (weights @ self.second - 2 * self.cross)).sum(1))

    def reconstruction(self, weights: Array, log_noise: Array) -> float:
        """⟨E_q[log p(x|z)]⟩ in nats a datum, of W (d, k) and log ψ (d,)."""
        error = self.error(weights) / np.exp(log_noise)
        return float(-0.5 * (LOG_2PI + log_noise + error).sum())

    def kl_prior(self, q: Posterior) -> float:
        """⟨KL(q‖p(z))⟩ in nats a datum."""
        return float(0.5 * (np.trace(self.second) - len(self.second) - q.log_det))

"""Gaussian components with full, tied, diagonal or spherical covariances (Bishop 2006, §9.2).

    p(x|k) = N(x; μ_k, Σ_k),     M-step: μ_k = Σ_n r_nk x_n / N_k,                                (eq. 9.24)
    Σ_k = Σ_n r_nk (x_n − μ_k)(x_n − μ_k)ᵀ / N_k + reg_covar·I                                    (eq. 9.25)

tied: the N_k-weighted mean of these; diag: their diagonals; spherical: the mean of each diagonal. With the
conjugate prior the M-step is to the mode of the posterior, see :mod:`backends.exact.priors`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Self

import numpy as np
from scipy.linalg import solve_triangular

from backends.base import Array, InputError
from backends.exact.components import EMPTY, Components, numbers
from backends.exact.densities import Density, Pairs, Squares, Tied, Whitened
from backends.exact.names import subscript, triangle
from backends.exact.priors import ConjugatePrior
from backends.states import check_arrays

_LOG_2PI = math.log(2 * math.pi)
_NEAR = 1e6  # in nats: the largest terms of expanded squares; rounding is then 1e-10 of a nat at most
_MOST_COLUMNS = 100  # up to which a product over all pairs of columns is faster than whitening

# What is left of a variance when the other columns are known, against all of it, and a standard deviation
# against the mean: less than this cannot be told from rounding.
_SMALLEST_PART = 1e-12
_SMALLEST_STD = 1e-13


class Gaussians(Components):
    """N(μ_k, Σ_k) for k = 1 … K.

    means: (K, d). scale: the lower Cholesky factors of the Σ_k, (K, d, d) for full and (1, d, d) for tied;
    for diag and spherical the standard deviations, (K, d) and (K, 1).
    """

    def __init__(
        self,
        means: Array,
        scale: Array,
        covariance: str,
        reg_covar: float,
        prior: ConjugatePrior | None = None,
    ) -> None:
        self.means, self.scale, self.prior = means, scale, prior
        self.covariance, self.reg_covar = covariance, reg_covar
        self._matrices = covariance in ("full", "tied")
        k, d = means.shape
        if self._matrices:
            eye = np.eye(d)
            # (x − μ) W has the identity as its covariance: W Wᵀ = Σ⁻¹
            white = np.stack([solve_triangular(one, eye, lower=True).T for one in scale])
            log_det = 2 * np.log(np.diagonal(scale, axis1=1, axis2=2)).sum(1)
            self._precision_diagonal = np.square(white).sum(2)
        else:
            white = 1 / scale
            log_det = 2 * np.log(np.broadcast_to(scale, (len(scale), d))).sum(1)
            self._precision_diagonal = np.square(white)
        self._own_white = white
        self._white = np.broadcast_to(white, (k, *((d, d) if self._matrices else (d,))))
        self._log_normaliser = np.broadcast_to(-0.5 * (d * _LOG_2PI + log_det), k)
        self.density = self._density()

    def _density(self) -> Density:
        """The fastest form that keeps the digits.

        Expanded squares z² − 2zm + m², with z and m from amid the means, turn all components into one matrix
        product. Rounding then depends on the sizes of the terms, Σ_ij |z_i Σ⁻¹_ij z_j| ≤ ||W|ᵀ|z||² with
        W Wᵀ = Σ⁻¹. For rows within four standard deviations of a component, |z| ≤ |m| + 4σ; further out
        log p(x|k) itself is large, and keeps as many digits.
        """
        off = np.abs(self.means - self.means.mean(0))
        if self.covariance in ("diag", "spherical"):
            terms = np.square(off / self.scale + 4).sum(1)
            if terms.max() < _NEAR:
                return Squares(self.means, np.square(self._white), self._log_normaliser)
        elif self.means.shape[1] <= _MOST_COLUMNS or self.covariance == "tied":
            reach = off + 4 * np.sqrt(np.square(self.scale).sum(2))
            y = np.abs(self._own_white).swapaxes(1, 2) @ reach[:, :, None]
            if np.square(y).sum((1, 2)).max() < _NEAR:
                white, scale = self._own_white, self.scale
                if self.covariance == "tied":
                    return Tied(self.means, white[0], scale[0], self._log_normaliser)
                return Pairs(self.means, white @ white.swapaxes(1, 2), self._log_normaliser)
        return Whitened(self.means, self._white, self._log_normaliser, self.covariance == "tied")

    def placed(self, means: Array, covariances: Array) -> Self:
        """The same form elsewhere: means (K, d) and covariances (K, d, d), (1, d, d), (K, d) or (K, 1), for
        full, tied, diag and spherical.

        Raises InputError naming a component whose covariance is not positive definite.
        """
        return self._with(means, cholesky(covariances, means, self.covariance))

    def _with(self, means: Array, scale: Array) -> Self:
        return type(self)(means, scale, self.covariance, self.reg_covar, self.prior)

    @property
    def covariances(self) -> Array:
        """Σ_k as matrices, (K, d, d)."""
        k, d = self.means.shape
        if self._matrices:
            own = self.scale @ self.scale.swapaxes(1, 2)
        else:
            own = np.square(self.scale)[:, :, None] * np.eye(d)
        return np.array(np.broadcast_to(own, (k, d, d)))

    def arrays(self) -> dict[str, Array]:
        own = {"means": self.means, "scale": self.scale}
        if self.prior is None:
            return own
        return own | {"prior_mean": self.prior.mean, "prior_scale": self.prior.scale}

    def with_arrays(self, arrays: Mapping[str, Array]) -> Self:
        check_arrays(arrays, self.arrays())
        scale = arrays["scale"]
        if (self._diagonal(scale) <= 0).any():
            raise InputError("array scale holds standard deviations that are not positive")
        if self._matrices and np.triu(scale, 1).any():
            raise InputError("array scale is not lower triangular")
        prior = self.prior
        if prior is not None:
            prior = ConjugatePrior(self.covariance, arrays["prior_mean"], arrays["prior_scale"])
            cholesky(prior.scale[None], prior.mean[None], "prior")
        return type(self)(arrays["means"], scale, self.covariance, self.reg_covar, prior)

    def theta(self) -> Array:
        """Means, then the scale row by row: its lower triangles, with the logarithm of their diagonals."""
        scale = self.scale.copy()
        self._diagonal(scale)[...] = np.log(self._diagonal(scale))
        if self._matrices:
            scale = scale[:, *np.tril_indices(scale.shape[-1])]
        return np.concatenate([self.means.ravel(), scale.ravel()])

    def theta_names(self, columns: list[str]) -> list[str]:
        own = [subscript(k + 1) for k in range(len(self.means))]
        means = [f"μ{k}[{x}]" for k in own for x in columns]
        if self._matrices:
            matrices = ["L"] if self.covariance == "tied" else [f"L{k}" for k in own]
            return means + [name for one in matrices for name in triangle(one, columns)]
        if self.covariance == "spherical":
            return means + [f"log σ{k}" for k in own]
        return means + [f"log σ{k}[{x}]" for k in own for x in columns]

    def at(self, theta: Array) -> Self:
        k, d = self.means.shape
        scale = np.zeros_like(self.scale)
        if self._matrices:
            scale[:, *np.tril_indices(d)] = theta[k * d :].reshape(len(scale), -1)
        else:
            scale[...] = theta[k * d :].reshape(scale.shape)
        self._diagonal(scale)[...] = np.exp(self._diagonal(scale))
        return self._with(theta[: k * d].reshape(k, d).copy(), scale)

    def _diagonal(self, scale: Array) -> Array:
        """A view of the positive part of a scale."""
        return np.einsum("kii->ki", scale) if self._matrices else scale

    def expected_log_prob(self, statistics: tuple[Array, ...]) -> float:
        counts, means, scatter = statistics
        off = means - self.means
        if self._matrices:
            spread = ((scatter @ self._own_white) * self._own_white).sum()
            y = np.einsum("kd,kde->ke", off, self._white)
        else:
            spread = (scatter * np.square(self._own_white)).sum()
            y = off * self._white
        return float(counts @ (self._log_normaliser - 0.5 * np.square(y).sum(1)) - 0.5 * spread)

    def maximise(self, statistics: tuple[Array, ...]) -> Self:
        counts, means, scatter = statistics
        if self.prior is not None:
            return self.placed(*self.prior.maximise(counts, means, scatter))
        empty = counts < EMPTY
        counts = np.where(empty, 1.0, counts)
        if self.covariance == "tied":
            covariances = scatter / statistics[0].sum()
        elif self.covariance == "full":
            covariances = scatter / counts[:, None, None]
        else:
            covariances = scatter / counts[:, None]
        if self.covariance == "spherical":
            covariances = covariances.mean(1, keepdims=True)
        scale = cholesky(add_to_diagonal(covariances, self.reg_covar), means, self.covariance, empty)
        if empty.any():
            means = np.where(empty[:, None], self.means, means)
            if self.covariance != "tied":
                scale[empty] = self.scale[empty]
        return self._with(means, scale)

    def _widened(self, statistics: tuple[Array, ...]) -> tuple[Array, ...]:
        """As if each row were spread with variance reg_covar: what :meth:`maximise` then fits."""
        counts, means, scatter = statistics
        each = counts if len(scatter) == len(counts) else counts.sum(keepdims=True)
        more = self.reg_covar * each[:, None]
        if self._matrices:
            more = more[:, :, None] * np.eye(means.shape[1])
        return counts, means, scatter + more

    def objective(self, statistics: tuple[Array, ...]) -> float:
        return self.expected_log_prob(self._widened(statistics))

    def gradient(self, statistics: tuple[Array, ...]) -> Array:
        """With W Wᵀ = Σ⁻¹, L = W⁻ᵀ, δ = x̄ − μ and A = scatter + N δδᵀ it is N Σ⁻¹δ for μ, and for L the lower
        triangle of W (WᵀAW − N·I); Murphy 2012, §4.1.3.1."""
        counts, means, scatter = self._widened(statistics)
        off, n = means - self.means, counts[:, None]
        if not self._matrices:
            variances = np.square(self.scale)
            slope = (scatter + n * np.square(off)) / variances - n
            if self.covariance == "spherical":
                slope = slope.sum(1, keepdims=True)
            return np.concatenate([(n * off / variances).ravel(), slope.ravel()])
        inverse = np.linalg.inv(self.scale)
        white = inverse.swapaxes(1, 2)
        spread = (n * off)[:, :, None] * off[:, None, :]
        if self.covariance == "tied":
            spread, scatter, n = (a.sum(0, keepdims=True) for a in (spread, scatter, n))
        d = means.shape[1]
        slope = white @ (inverse @ (scatter + spread) @ white - n[:, :, None] * np.eye(d))
        self._diagonal(slope)[...] *= self._diagonal(self.scale)
        on_means = counts[:, None] * (white @ (inverse @ off[:, :, None]))[:, :, 0]
        return np.concatenate([on_means.ravel(), slope[:, *np.tril_indices(d)].ravel()])

    def bounded(self) -> Self:
        own = self.scale @ self.scale.swapaxes(1, 2) if self._matrices else np.square(self.scale)
        cholesky(own, self.means, self.covariance)
        return self

    def mean_statistics(
        self, first: tuple[Array, ...], a: float, second: tuple[Array, ...], b: float
    ) -> tuple[Array, ...]:
        """Scatters are about other means each: those of all rows lie between (Chan et al. 1979, eq. 2.1)."""
        (one, means, scatter), (other, other_means, other_scatter) = first, second
        counts = a * one + b * other
        share, off = b * other / np.maximum(counts, EMPTY), other_means - means
        between = (a * one * share)[:, None] * off
        if self._matrices:
            between = between[:, :, None] * off[:, None, :]
            if len(scatter) < len(between):
                between = between.sum(0, keepdims=True)
        else:
            between = between * off
        return counts, means + share[:, None] * off, a * scatter + b * other_scatter + between

    def weights(self, counts: Array) -> Array:
        return super().weights(counts) if self.prior is None else self.prior.weights(counts)

    def log_prior(self, weights: Array) -> float | None:
        if self.prior is None:
            return None
        return self.prior.log_density(weights, self.means, self._own_white, self._log_normaliser)

    def sample(self, k: Array, rng: np.random.Generator) -> Array:
        noise = rng.standard_normal((len(k), self.means.shape[1]))
        scale = np.broadcast_to(self.scale, (len(self.means), *self.scale.shape[1:]))
        x = self.means[k]
        for i in np.unique(k):
            mine = k == i
            x[mine] += noise[mine] @ scale[i].T if self._matrices else noise[mine] * scale[i]
        return x

    def notes(self) -> tuple[str, ...]:
        """Which components are held open by reg_covar: in some column the variance that is left when all
        other columns are known, 1/(Σ⁻¹)_ii, is mostly reg_covar."""
        if self.prior is not None:
            return ()
        thin = (self._precision_diagonal * 2 * self.reg_covar > 1).any(1)
        if not thin.any():
            return ()
        what = "all components" if self.covariance == "tied" else numbers(np.flatnonzero(thin))
        verb = "are" if self.covariance == "tied" or thin.sum() > 1 else "is"
        return (f"{what} would be singular and {verb} held open by reg_covar = {self.reg_covar:g}",)


def add_to_diagonal(covariances: Array, reg_covar: float) -> Array:
    """Covariances of either form with reg_covar on the diagonal."""
    if covariances.ndim == 3:
        return covariances + reg_covar * np.eye(covariances.shape[-1])
    return covariances + reg_covar


def cholesky(covariances: Array, means: Array, covariance: str, without: Array | None = None) -> Array:
    """The lower factors of matrices (·, d, d), or the square roots of variances; 1 for those ``without``.

    Raises InputError naming a component whose covariance is singular, as far as float64 can tell.
    """
    out = np.ones_like(covariances)
    smallest = (_SMALLEST_STD * means) ** 2  # (K, d), and below as the covariances have it
    if len(covariances) < len(means):
        smallest = smallest.min(0, keepdims=True)
    if covariances.shape[-1] < means.shape[1]:
        smallest = smallest.min(1, keepdims=True)
    for i, one in enumerate(covariances):
        if without is not None and without[i] and covariance != "tied":
            continue
        try:
            out[i] = np.linalg.cholesky(one) if one.ndim == 2 else np.sqrt(np.maximum(one, 0))
            variances, left = (np.diagonal(a) if a.ndim == 2 else a for a in (one, out[i]))
            if (variances <= smallest[i]).any() or (left**2 < _SMALLEST_PART * variances).any():
                raise np.linalg.LinAlgError
        except np.linalg.LinAlgError:
            which = {"tied": "all components", "prior": "the prior"}.get(covariance, numbers(np.array([i])))
            raise InputError(
                f"the covariance of {which} is singular: its points lie in fewer dimensions than there are "
                "columns; give reg_covar a larger value, or choose fewer components"
            ) from None
    return out

"""Linear Gaussian latent variables: p(z) = N(0, I), p(x|z) = N(Wz + μ, Ψ), so p(x) = N(μ, C), C = WWᵀ + Ψ.

Probabilistic PCA has Ψ = σ²I (Tipping & Bishop 1999, "Probabilistic principal component analysis"), factor
analysis a diagonal Ψ (Rubin & Thayer 1982). The posterior is exact: p(z|x) = N(G WᵀΨ⁻¹(x − μ), G) with
G = (I + WᵀΨ⁻¹W)⁻¹. For Ψ = σ²I that is N(M⁻¹Wᵀ(x − μ), σ²M⁻¹) with M = WᵀW + σ²I (their eq. 6 and 7);
slides that print σ²M, or M = WWᵀ + σ²I, have it wrong.
"""

from __future__ import annotations

import math

import numpy as np

from backends.base import Array, DataInfo, Decoded, Elbo, Gaussian, InputError, Stamp

_LOG_2PI = math.log(2 * math.pi)


class Factors:
    """θ = (μ, W, Ψ) and what follows from it; immutable, all float64.

    mean (d,), weights W (d, k), log_noise: the logarithms of the diagonal of Ψ (d,), which is noise.
    covariance: G (k, k), that of p(z|x), the same for every x.
    projection: Ψ⁻¹WG (d, k), which takes x − μ to the mean of p(z|x).
    log_det: log|C| = Σ log ψ + log|I + WᵀΨ⁻¹W| (the matrix determinant lemma); log_det_posterior: log|G|.
    Raises numpy.linalg.LinAlgError where the numbers are not finite or too far apart for float64.
    """

    def __init__(self, mean: Array, weights: Array, log_noise: Array) -> None:
        self.mean, self.weights, self.log_noise = mean, weights, log_noise
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            self.noise = np.exp(log_noise)
            scaled = weights / self.noise[:, None]  # Ψ⁻¹W
            precision = np.eye(weights.shape[1]) + weights.T @ scaled
        usable = np.isfinite(self.noise).all() and (self.noise > 0).all() and np.isfinite(mean).all()
        if not (usable and np.isfinite(precision).all()):
            raise np.linalg.LinAlgError("they are not finite, or a noise variance is 0 or infinite")
        inverse = np.linalg.inv(np.linalg.cholesky(precision))
        self.covariance = inverse.T @ inverse
        self.scale_tril = np.linalg.cholesky(self.covariance)
        self.projection = scaled @ self.covariance
        self.log_det_posterior = float(2 * np.log(np.diagonal(inverse)).sum())
        self.log_det = float(log_noise.sum()) - self.log_det_posterior
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def infer(self, x: Array) -> tuple[Array, Array]:
        """Of x (n, d): the mean of p(z|x), (n, k), and what it leaves of x, x − μ − W·mean (n, d)."""
        centred = x - self.mean
        z = centred @ self.projection
        return z, centred - z @ self.weights.T

    def log_prob(self, x: Array) -> Array:
        """log N(x; μ, C), (n, d) → (n,), in O(n d k).

        By Woodbury's identity (x − μ)ᵀC⁻¹(x − μ) = rᵀΨ⁻¹r + z̄ᵀz̄, with z̄ the posterior mean and r what it
        leaves of x: a sum without cancellation.
        """
        z, residual = self.infer(x)
        square = (residual**2 / self.noise).sum(1) + (z**2).sum(1)
        return np.asarray(-0.5 * (len(self.mean) * _LOG_2PI + self.log_det + square))


class FactorModel:
    """A frozen PPCA or factor analysis (see :class:`backends.base.Model`), of which everything is exact."""

    def __init__(self, kind: str, info: DataInfo, factors: Factors, stamp: Stamp, *, shared: bool) -> None:
        """shared: one noise variance for all columns, which is then one parameter."""
        self.kind = kind
        self.info = info
        self.stamp = stamp
        self.latent_dim = factors.weights.shape[1]
        self._factors = factors
        self._shared = shared

    def _data(self, x: Array) -> Array:
        array = np.asarray(x, np.float64)
        if array.ndim != 2 or array.shape[1] != self.info.dim:
            raise InputError(f"x has shape {array.shape}, and this model needs (n, {self.info.dim})")
        return array

    def _latents(self, z: Array, ndim: tuple[int, ...] = (2,)) -> Array:
        array = np.asarray(z, np.float64)
        if array.ndim not in ndim or array.shape[-1] != self.latent_dim:
            raise InputError(f"z has shape {array.shape}, and this model needs (n, {self.latent_dim})")
        return array

    def decode(self, z: Array) -> Decoded:
        """(n, k) latents → mean Wz + μ and std √ψ of p(x|z), (n, d) each."""
        f = self._factors
        mean = self._latents(z) @ f.weights.T + f.mean
        return Decoded(mean.astype(np.float32), _repeat(np.sqrt(f.noise), len(mean)))

    def encode(self, x: Array) -> Gaussian:
        """(n, d) data → p(z|x) itself, whose covariance is the same for every x."""
        f = self._factors
        mean = (self._data(x) - f.mean) @ f.projection
        std = np.sqrt(np.diagonal(f.covariance))
        return Gaussian(mean.astype(np.float32), _repeat(std, len(mean)), _repeat(f.scale_tril, len(mean)))

    def log_prior(self, z: Array) -> Array:
        """log N(z; 0, I), (n, k) → (n,) float64."""
        return np.asarray(-0.5 * ((self._latents(z, (2, 3)) ** 2).sum(-1) + self.latent_dim * _LOG_2PI))

    def sample_prior(self, n: int, seed: int) -> Array:
        """z ~ N(0, I), (n, k) float32."""
        return np.random.default_rng(seed).standard_normal((n, self.latent_dim), dtype=np.float32)

    def sample(self, n: int, seed: int) -> Array:
        """x ~ N(μ, C), (n, d) float32: z from the prior, then x from p(x|z), its noise included."""
        f, rng = self._factors, np.random.default_rng(seed)
        x = f.mean + rng.standard_normal((n, self.latent_dim)) @ f.weights.T
        x += rng.standard_normal(x.shape) * np.sqrt(f.noise)
        return x.astype(np.float32)

    def log_prob(self, x: Array) -> Array:
        """Exact log p(x), (n, d) → (n,) float64."""
        return self._factors.log_prob(self._data(x))

    def log_joint(self, x: Array, z: Array) -> Array:
        """log p(z) + log p(x|z), (n, m) float64, of x (n, d) and z (m, k), shared, or (n, m, k)."""
        f = self._factors
        rows, latents = self._data(x), self._latents(z, (2, 3))
        if latents.ndim == 3 and len(latents) != len(rows):
            raise InputError(f"there are {len(rows)} rows of x and {len(latents)} of z")
        std = np.sqrt(f.noise)
        white, loading = (rows - f.mean) / std, f.weights / std[:, None]
        back = white @ loading  # WᵀΨ⁻¹(x − μ), (n, k)
        cross = back @ latents.T if latents.ndim == 2 else (latents @ back[:, :, None])[..., 0]
        square = (white**2).sum(1)[:, None] - 2 * cross + (latents @ (loading.T @ loading) * latents).sum(-1)
        log_lik = -0.5 * (square + self.info.dim * _LOG_2PI + f.log_noise.sum())
        return np.asarray(log_lik + self.log_prior(latents))

    def elbo(self, x: Array, samples: int = 1, seed: int = 0) -> Elbo:
        """Both terms for each row of x (n, d), analytic, for q the exact posterior: their difference is
        log p(x). No z is drawn: ``samples`` and ``seed`` change nothing."""
        f, k = self._factors, self.latent_dim
        z, residual = f.infer(self._data(x))
        trace = float(np.trace(f.covariance))
        square = (residual**2 / f.noise).sum(1) + k - trace  # tr(G WᵀΨ⁻¹W) = tr(I − G)
        reconstruction = -0.5 * (self.info.dim * _LOG_2PI + f.log_noise.sum() + square)
        kl = 0.5 * ((z**2).sum(1) + trace - k - f.log_det_posterior)
        return Elbo(reconstruction, kl)

    def theta(self) -> Array:
        """μ (d), W (d·k, row by row) and the logarithms of the noise variances (1 for PPCA, d for factor
        analysis) as one vector, float64."""
        f = self._factors
        return np.concatenate([f.mean, f.weights.ravel(), f.log_noise[:1] if self._shared else f.log_noise])

    def at(self, theta: Array) -> FactorModel:
        """The same model with other parameters, in the order of :meth:`theta`.

        Raises InputError for another size, and for parameters that make no density in float64.
        """
        d, k = self._factors.weights.shape
        flat = np.array(theta, np.float64)
        size = d * (k + 1) + (1 if self._shared else d)
        if flat.shape != (size,):
            raise InputError(f"theta has shape {flat.shape}, not ({size},)")
        mean, weights, log_noise = np.split(flat, [d, d * (k + 1)])
        try:
            factors = Factors(mean, weights.reshape(d, k), np.array(np.broadcast_to(log_noise, d)))
        except np.linalg.LinAlgError as error:
            raise InputError(f"these parameters make no density: {error}") from error
        return FactorModel(self.kind, self.info, factors, self.stamp, shared=self._shared)


def _repeat(row: Array, n: int) -> Array:
    """The same row n times, (n, …) float32, contiguous."""
    return np.repeat(row[None].astype(np.float32), n, 0)

"""Linear Gaussian latent variables: p(z) = N(0, I), p(x|z) = N(Wz + μ, Ψ), so p(x) = N(μ, C), C = WWᵀ + Ψ.

Probabilistic PCA has Ψ = σ²I (Tipping & Bishop 1999, "Probabilistic principal component analysis"), factor
analysis a diagonal Ψ (Rubin & Thayer 1982). The posterior is exact: p(z|x) = N(G WᵀΨ⁻¹(x − μ), G) with
G = (I + WᵀΨ⁻¹W)⁻¹. For Ψ = σ²I that is N(M⁻¹Wᵀ(x − μ), σ²M⁻¹) with M = WᵀW + σ²I (their eq. 6 and 7);
slides that print σ²M, or M = WWᵀ + σ²I, have it wrong.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backends.base import Array, DataInfo, Decoded, Elbo, Gaussian, InputError, Stamp
from backends.exact.factor_inference import LOG_2PI, Factors, Posterior, Statistics, exact
from backends.exact.factor_rows import Rows
from backends.exact.names import columns, subscript


class FactorModel:
    """A frozen PPCA or factor analysis (see :class:`backends.base.Model`), of which everything is exact but
    q(z|x), where it was trained with a restricted one: then log p(x) − ELBO is KL(q‖p(z|x))."""

    def __init__(
        self,
        kind: str,
        info: DataInfo,
        factors: Factors,
        stamp: Stamp,
        *,
        shared: bool,
        q: Callable[[Factors], Posterior] = exact,
    ) -> None:
        """shared: one noise variance for all columns, which is then one parameter. q: q(z|x) of a θ."""
        self.kind = kind
        self.info = info
        self.stamp = stamp
        self.latent_dim = factors.weights.shape[1]
        self._factors = factors
        self._shared = shared
        self._q = q
        self._posterior = q(factors)

    @property
    def mean(self) -> Array:
        """μ (d,), float64, read-only."""
        return self._factors.mean

    @property
    def loadings(self) -> Array:
        """W (d, k), float64, read-only."""
        return self._factors.weights

    @property
    def noise(self) -> Array:
        """The diagonal of Ψ, the noise's variances (d,), float64, read-only; of PPCA all are σ²."""
        return self._factors.noise

    def principal_axes(self) -> tuple[Array, Array]:
        """The eigenvectors of C = WWᵀ + Ψ with the largest eigenvalues, as orthonormal rows (m, d), and the
        standard deviations of p(x) along them (m,), falling; m = min(k, d). In O(d k²) for PPCA, O(d³) else.
        """
        f, m = self._factors, min(self._factors.weights.shape)
        if self._shared:
            vectors, singular, _ = np.linalg.svd(f.weights, full_matrices=False)
            std = np.hypot(singular, np.sqrt(f.noise[0]))
        else:
            values, vectors = np.linalg.eigh(f.weights @ f.weights.T + np.diag(f.noise))
            std, vectors = np.sqrt(np.maximum(values[::-1][:m], 0)), vectors[:, ::-1][:, :m]
        vectors = vectors * np.where(vectors.sum(0) < 0, -1, 1)
        return np.ascontiguousarray(vectors.T), std

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

    def metric(self, z: Array, directions: Array | None = None) -> Array:
        """G = WᵀW, the same for every latent: (n, k) → (n, k, k) float64; see
        :class:`backends.capabilities.HasMetric`."""
        w = self._factors.weights
        if directions is not None:
            w = w @ directions.T
        return np.repeat((w.T @ w)[None], len(self._latents(z)), 0)

    def encode(self, x: Array) -> Gaussian:
        """(n, d) data → q(z|x), whose covariance is the same for every x: p(z|x) itself, unless the model was
        trained with a restricted q."""
        q = self._posterior
        mean = (self._data(x) - self._factors.mean) @ q.projection
        std, n = np.sqrt(np.diagonal(q.covariance)), len(mean)
        tril = None if q.scale_tril is None else _repeat(q.scale_tril, n)
        return Gaussian(mean.astype(np.float32), _repeat(std, n), tril)

    def log_prior(self, z: Array) -> Array:
        """log N(z; 0, I), (n, k) → (n,) float64."""
        return np.asarray(-0.5 * ((self._latents(z, (2, 3)) ** 2).sum(-1) + self.latent_dim * LOG_2PI))

    def sample_prior(self, n: int, seed: int) -> Array:
        """z ~ N(0, I), (n, k) float32."""
        return np.random.default_rng(seed).standard_normal((n, self.latent_dim), dtype=np.float32)

    def sample(self, n: int, seed: int) -> Array:
        """x ~ N(μ, C), (n, d) float32: z from the prior, then x from p(x|z), its noise included."""
        rng = np.random.default_rng(seed)
        return self._draw(rng.standard_normal((n, self.latent_dim)), rng)

    def sample_given(self, z: Array, seed: int) -> Array:
        """x ~ N(Wz + μ, Ψ), (n, k) latents → (n, d) float32."""
        return self._draw(np.asarray(z, np.float64), np.random.default_rng(seed))

    def _draw(self, z: Array, rng: np.random.Generator) -> Array:
        f = self._factors
        x = f.mean + z @ f.weights.T
        x += rng.standard_normal(x.shape) * np.sqrt(f.noise)
        return np.asarray(x, np.float32)

    def entropy_given(self, z: Array) -> Array:
        """½ log det 2πeΨ, the same for every z: (n, k) latents → (n,) float64."""
        entropy = 0.5 * (self._factors.log_noise.sum() + self.info.dim * (LOG_2PI + 1))
        return np.full(len(self._latents(z)), entropy)

    def log_prob(self, x: Array) -> Array:
        """Exact log p(x), (n, d) → (n,) float64."""
        f = self._factors
        return f.log_density(f.squared_distance(self._data(x) - f.mean))

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
        log_lik = -0.5 * (square + self.info.dim * LOG_2PI + f.log_noise.sum())
        return np.asarray(log_lik + self.log_prior(latents))

    def elbo(self, x: Array, samples: int = 1, seed: int = 0) -> Elbo:
        """Both terms for each row of x (n, d), analytic, for q as in :meth:`encode`. No z is drawn:
        ``samples`` and ``seed`` change nothing."""
        f, q, k = self._factors, self._posterior, self.latent_dim
        centred = self._data(x) - f.mean
        z = centred @ q.projection
        square = ((centred - z @ f.weights.T) ** 2 / f.noise).sum(1) + (q.covariance * f.loading).sum()
        reconstruction = -0.5 * (self.info.dim * LOG_2PI + f.log_noise.sum() + square)
        kl = 0.5 * ((z**2).sum(1) + np.trace(q.covariance) - k - q.log_det)
        return Elbo(reconstruction, kl)

    def theta(self) -> Array:
        """μ (d), W (d·k, row by row) and the logarithms of the noise variances (1 for PPCA, d for factor
        analysis) as one vector, float64."""
        f = self._factors
        return np.concatenate([f.mean, f.weights.ravel(), f.log_noise[:1] if self._shared else f.log_noise])

    def theta_names(self) -> list[str]:
        """What each entry of :meth:`theta` is called."""
        own, latent = columns(self.info), [f"z{subscript(i + 1)}" for i in range(self.latent_dim)]
        weights = [f"W[{x}, {z}]" for x in own for z in latent]
        noise = ["log σ²"] if self._shared else [f"log ψ[{x}]" for x in own]
        return [f"μ[{x}]" for x in own] + weights + noise

    @property
    def free_parameters(self) -> int:
        """How many numbers fix p(x): those of θ less the k(k − 1)/2 of a rotation of z, which changes
        nothing; never more than a mean and a covariance have."""
        d, k = self.info.dim, self.latent_dim
        gaussian = d * (d + 3) // 2
        return min(self.theta().size - k * (k - 1) // 2, gaussian) if k <= d else gaussian

    def at(self, theta: Array) -> FactorModel:
        """The same model with other parameters, in the order of :meth:`theta`.

        Raises InputError for another size, and for parameters that make no density in float64.
        """
        try:
            factors = Factors(*self._parts(np.array(theta, np.float64)))
        except np.linalg.LinAlgError as error:
            raise InputError(f"these parameters make no density: {error}") from error
        return FactorModel(self.kind, self.info, factors, self.stamp, shared=self._shared, q=self._q)

    def bound_at(self, thetas: Array, x: Array) -> Array:
        """Mean L(q, θ) over rows x (n, d), (m, p) → (m,); see :class:`backends.capabilities.HasBound`.

        One pass over x, then O(d k²) for each θ.
        """
        rows, q, own = Rows(self._data(x)), self._posterior, self._factors.mean
        if not len(rows):
            return np.zeros(len(thetas))
        statistics = Statistics.of(q, rows.variance(own), lambda projection: rows.cross(own, projection))
        x_mean = rows.mean() - own
        kl = statistics.kl_prior(q)

        def bound(f: Factors) -> float:
            there = statistics.about(own - f.mean, x_mean, x_mean @ q.projection)
            return there.reconstruction(f.weights, f.log_noise) - kl

        return self._at_each(thetas, bound)

    def log_likelihood_at(self, thetas: Array, x: Array) -> Array:
        """Mean log p(x|θ) over rows x (n, d), (m, p) → (m,); see :class:`backends.capabilities.HasBound`.

        At most d rows are passed over for each θ: of more, those whose covariance is that of x.
        """
        rows = Rows(self._data(x))
        if not len(rows):
            return np.zeros(len(thetas))
        x_mean = rows.mean()
        values, vectors = rows.principal(x_mean)
        spread = (vectors * np.sqrt(values)).T

        def log_likelihood(f: Factors) -> float:
            distances = f.squared_distance(np.concatenate([spread, (x_mean - f.mean)[None]]))
            return float(f.log_density(distances.sum()))

        return self._at_each(thetas, log_likelihood)

    def _at_each(self, thetas: Array, function: Callable[[Factors], float]) -> Array:
        """A function of each θ in (m, p), (m,); −∞ where float64 cannot hold it."""
        array, out = np.array(thetas, np.float64), []
        if array.ndim != 2:
            raise InputError(f"thetas have shape {array.shape}, and they need to be (m, p)")
        for theta in array:
            parts = self._parts(theta)
            try:
                with np.errstate(over="ignore", invalid="ignore"):
                    value = function(Factors(*parts))
            except np.linalg.LinAlgError:
                value = -np.inf
            out.append(value if np.isfinite(value) else -np.inf)
        return np.array(out, np.float64)

    def _parts(self, theta: Array) -> tuple[Array, Array, Array]:
        """μ, W and log ψ (d,) of θ (p,); InputError for another size."""
        d, k = self._factors.weights.shape
        size = d * (k + 1) + (1 if self._shared else d)
        if theta.shape != (size,):
            raise InputError(f"theta has shape {theta.shape}, not ({size},)")
        mean, weights, log_noise = np.split(theta, [d, d * (k + 1)])
        return mean, weights.reshape(d, k), np.array(np.broadcast_to(log_noise, d))


def _repeat(row: Array, n: int) -> Array:
    """The same row n times, (n, …) float32, contiguous."""
    return np.repeat(row[None].astype(np.float32), n, 0)

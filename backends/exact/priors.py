"""The conjugate prior of a Gaussian mixture, for MAP estimates that cannot collapse.

    π ~ Dirichlet(α, …, α),   μ_k | Σ_k ~ N(μ₀, Σ_k/κ),   Σ_k ~ IW(ν, Λ)          (Murphy 2012, §11.4.2.8)

with the defaults of Fraley & Raftery (2007, §4.2): μ₀ is the mean of the data, κ = 0.01, ν = d + 2, and
Λ = S/K^(2/d) with S the covariance of the data. tied has one IW for all; diag has IG(ν/2, Λ_i/2) for the
variance of each column, and spherical IG(ν/2, mean Λ_i/2) for each component's. They have no prior on π; here
α = 2, which is one more point in each component. The modes are derived from these densities: table 2 of the
article as published has errors, says its revision of 2009 (Univ. of Washington, technical report 486).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import multigammaln
from scipy.stats import dirichlet

from backends.base import Array

ALPHA = 2.0
KAPPA = 0.01


@dataclass(frozen=True, eq=False)
class ConjugatePrior:
    """μ₀ (d,) and Λ: (d, d) for full and tied, (d,) for diag, (1,) for spherical."""

    covariance: str
    mean: Array
    scale: Array

    @property
    def nu(self) -> float:
        """Degrees of freedom of the (co)variances."""
        return len(self.mean) + 2.0

    def weights(self, counts: Array) -> Array:
        """π_k = (N_k + α − 1)/(n + K(α − 1)), (K,)."""
        more = counts + ALPHA - 1
        return np.asarray(more / more.sum())

    def maximise(self, counts: Array, means: Array, scatter: Array) -> tuple[Array, Array]:
        """Means (K, d) and covariances at the mode, from N_k, x̄_k and the scatter about x̄_k; tied: Σ_k of it.

        μ_k = (N_k x̄_k + κμ₀)/(N_k + κ), and with S_k = scatter + κN_k/(κ + N_k)·(x̄_k − μ₀)(x̄_k − μ₀)ᵀ

        full  Σ_k = (Λ + S_k)/(ν + N_k + d + 2)          diag       σ²_ki = (Λ_i + S_kii)/(ν + N_k + 3)
        tied  Σ = (Λ + Σ_k S_k)/(ν + n + d + K + 1)      spherical  σ²_k = (Λ + tr S_k)/(ν + (N_k + 1)d + 2)
        """
        (k, d), nu, n = means.shape, self.nu, counts[:, None]
        off = means - self.mean
        pull = KAPPA * n / (KAPPA + n) * off
        if self.covariance == "full":
            scatter = scatter + pull[:, :, None] * off[:, None, :]
            covariances = (self.scale + scatter) / (nu + n[:, :, None] + d + 2)
        elif self.covariance == "tied":
            covariances = (self.scale + scatter + pull.T @ off) / (nu + counts.sum() + d + k + 1)
        elif self.covariance == "diag":
            covariances = (self.scale + scatter + pull * off) / (nu + n + 3)
        else:
            scatter = (scatter + pull * off).sum(1, keepdims=True)
            covariances = (self.scale + scatter) / (nu + (n + 1) * d + 2)
        return (n * means + KAPPA * self.mean) / (n + KAPPA), covariances

    def log_density(self, weights: Array, means: Array, white: Array, log_normaliser: Array) -> float:
        """log p(π, μ, Σ): white are the W of W Wᵀ = Σ⁻¹, one for all when tied; log_normaliser is
        −½ log |2πΣ_k|, (K,)."""
        off, d = means - self.mean, len(self.mean)
        if self.covariance in ("full", "tied"):
            y = np.einsum("kd,kde->ke", off, np.broadcast_to(white, (len(means), d, d)))
            log_det = -2 * np.log(np.diagonal(white, axis1=1, axis2=2)).sum(1)
            spread = ((self.scale @ white) * white).sum((1, 2))
            p, log_det_scale = d, np.linalg.slogdet(self.scale)[1]
        else:  # an inverse gamma is an inverse Wishart of dimension 1
            y = off * white
            log_det, spread = -2 * np.log(white), self.scale * white**2
            p, log_det_scale = 1, np.log(self.scale)
        nu = self.nu
        wishart = 0.5 * (nu * (log_det_scale - p * math.log(2)) - (nu + p + 1) * log_det - spread)
        wishart = wishart - multigammaln(nu / 2, p)
        normal = log_normaliser + 0.5 * d * math.log(KAPPA) - 0.5 * KAPPA * np.square(y).sum(1)
        on_weights = dirichlet.logpdf(weights / weights.sum(), np.full(len(weights), ALPHA))
        return float(wishart.sum() + normal.sum() + on_weights)

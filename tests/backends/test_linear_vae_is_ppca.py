"""A linear VAE with Gaussian decoder is probabilistic PCA, and training finds its maximum likelihood.

With σ learned, the ELBO of a linear VAE has no maxima but those of PPCA's likelihood, and at them the bound
is tight up to the choice of axes, since a diagonal q can be exact there (Lucas et al. 2019, "Don't blame the
ELBO!", theorem 1). This is the oracle of the whole training path: batches, gradients, Adam, scaling, units.
"""

from __future__ import annotations

import numpy as np
import pytest

from backends.base import Array, DataInfo, finish
from backends.pytorch.vae import VAELearner
from backends.quadrature import quadrature

K = 2


def ppca_log_likelihood(x: Array, k: int) -> float:
    """The maximum over W, σ, μ of the mean log-likelihood (Tipping & Bishop 1999, eq. 3, 7 and 8)."""
    n, d = x.shape
    centred = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    eigenvalues = np.linalg.eigvalsh(centred.T @ centred / n)[::-1]
    variance = eigenvalues[k:].mean()
    log_det = np.log(eigenvalues[:k]).sum() + (d - k) * np.log(variance)
    return float(-0.5 * (d * np.log(2 * np.pi) + log_det + d))


def noisy_plane(n: int, d: int) -> Array:
    """Rows near a plane in d dimensions, away from the origin, in units far from 1."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(n, K)) * [3.0, 1.5]
    return (20 * (z @ rng.normal(size=(K, d)) + rng.normal(size=(n, d))) + 100).astype(np.float32)


@pytest.mark.parametrize("scaling", ["shared", "none"])
def test_training_reaches_the_closed_form_maximum_likelihood(scaling: str) -> None:
    x = noisy_plane(1000, 10)
    if scaling == "none":
        x = (x - 100) / 20
    values = {"latent_dim": K, "depth": 0, "decoder": "gaussian", "scaling": scaling, "batch_size": 250}
    learner = VAELearner(x, DataInfo("plane", "Plane", 10), values, seed=0)
    for rate in (0.03, 0.01, 0.003, 0.0003):
        learner.set("learning_rate", rate)
        for _ in range(700):
            learner.step()
    model = learner.snapshot()
    best = ppca_log_likelihood(x, K)
    log_p = finish(quadrature(model, x)).mean()
    elbo = model.elbo(x, samples=50).value.mean()
    assert best - 0.1 < log_p.value < best + 0.01 + log_p.stderr
    assert best - 0.2 < elbo < best + 0.05

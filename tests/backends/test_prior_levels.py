"""Contours of priors: how much mass they enclose, and how high a prior is."""

import numpy as np
import pytest
from scipy import stats

from backends.base import DataInfo
from backends.prior_levels import RADII, mass_within, prior_levels
from backends.pytorch.vae import VAELearner


class Mixture:
    """Two Gaussians of different width in k dimensions, far from each other and from zero."""

    def __init__(self, k, means=(-5.0, 4.0), stds=(0.5, 1.5)):
        self.k, self.parts = (
            k,
            [stats.multivariate_normal(np.full(k, m), s**2) for m, s in zip(means, stds, strict=True)],
        )
        self.means, self.stds = means, stds

    def log_prior(self, z):
        return np.logaddexp(*(part.logpdf(z) for part in self.parts)) - np.log(2)

    def sample_prior(self, n, seed):
        rng = np.random.default_rng(seed)
        which = rng.integers(2, size=n)
        noise = rng.normal(size=(n, self.k))
        return (np.take(self.means, which)[:, None] + np.take(self.stds, which)[:, None] * noise).astype(
            np.float32
        )


class Square:
    """Uniform on the unit square."""

    def log_prior(self, z):
        return np.where(((z >= 0) & (z <= 1)).all(1), 0.0, -np.inf)

    def sample_prior(self, n, seed):
        return np.random.default_rng(seed).random((n, 2)).astype(np.float32)


@pytest.mark.parametrize("k", [1, 2, 3, 8, 30])
def test_the_mass_within_a_radius(k):
    for radius in (0.5, 1, 2, 3, 6):
        assert mass_within(radius, k) == pytest.approx(stats.chi2.cdf(radius**2, k), abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_of_a_normal_prior_they_are_exact(k):
    info = DataInfo("bits", "Bits", 4, "binary")
    model = VAELearner(np.zeros((9, 4), np.float32), info, {"latent_dim": k, "width": 4}).snapshot()
    found = prior_levels(model)
    assert found.top == pytest.approx(model.log_prior(np.zeros((1, k)))[0])
    for radius, level in zip(RADII, found.levels, strict=True):
        at = np.zeros((1, k))
        at[0, 0] = radius
        assert level == pytest.approx(model.log_prior(at)[0])


@pytest.mark.parametrize("k", [1, 2, 4])
def test_of_any_other_they_enclose_as_much_as_a_normal_distribution_s(k):
    prior = Mixture(k)
    found = prior_levels(prior)
    height = prior.log_prior(prior.sample_prior(200_000, 1))
    for radius, level in zip(RADII, found.levels, strict=True):
        share = stats.chi2.cdf(radius**2, k)
        assert np.mean(height > level) == pytest.approx(
            share, abs=5 * np.sqrt(share * (1 - share) / 4000) + 1e-3
        )
    if k < 3:
        assert found.top == pytest.approx(prior.log_prior(np.full((1, k), -5.0)), abs=0.05)


def test_a_flat_prior_has_none():
    assert prior_levels(Square()).levels == ()
    assert prior_levels(Square()).top == 0

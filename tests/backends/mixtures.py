"""What the tests of mixtures share: rows of clusters and of bits, and learners on them."""

from __future__ import annotations

import numpy as np

from backends.base import DataInfo
from backends.exact.bernoulli_mixture import BernoulliMixtureLearner
from backends.exact.gaussian_mixture import GaussianMixtureLearner

TYPES = ("full", "tied", "diag", "spherical")
FORMS = (*TYPES, "bernoulli")
POSTERIORS = ("exact", "hard", "gradient")


def clusters(n=400, d=3, seed=0):
    """Overlapping clusters of different shapes, off the origin."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(5, 2, (4, d))
    shapes = rng.normal(0, 1, (4, d, d))
    k = rng.integers(4, size=n)
    return (centres[k] + np.einsum("nij,nj->ni", shapes[k], rng.normal(size=(n, d)))).astype(np.float32)


def gmm(x, seed=0, **values):
    return GaussianMixtureLearner(x, DataInfo("test", "Test", x.shape[1]), values, seed, run="test")


def bits(n=200, d=4, seed=0):
    """From three prototypes."""
    rng = np.random.default_rng(seed)
    probs = rng.uniform(0.05, 0.95, (3, d))
    return (rng.random((n, d)) < probs[rng.integers(3, size=n)]).astype(np.float32)


def bmm(x, seed=0, **values):
    info = DataInfo("bits", "Bits", x.shape[1], "binary")
    return BernoulliMixtureLearner(x, info, values, seed, run="test")


def rows_of(form):
    return bits(300, 6) if form == "bernoulli" else clusters(300)


def make(form, x=None, seed=0, **values):
    """A learner of a form in FORMS, on clusters or bits where no rows are given."""
    x = rows_of(form) if x is None else x
    return bmm(x, seed, **values) if form == "bernoulli" else gmm(x, seed, covariance=form, **values)


def scikit_precisions(model, covariance):
    """The inverse covariances of a Gaussian mixture, in the form in which scikit-learn has them."""
    own = np.linalg.inv(model.covariances)
    forms = {
        "full": own,
        "tied": own[0],
        "diag": np.diagonal(own, axis1=1, axis2=2),
        "spherical": own[:, 0, 0],
    }
    return forms[covariance]

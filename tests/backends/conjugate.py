"""What the tests of conjugate Bayes share: every form of every kind, and learners on rows."""

from __future__ import annotations

import numpy as np
import pytest

from backends.base import DataInfo
from backends.exact.conjugate_beta import BetaBernoulliLearner
from backends.exact.conjugate_normal import NormalGammaLearner
from backends.exact.conjugate_regression import RegressionLearner

LEARNERS = {
    "beta-bernoulli": BetaBernoulliLearner,
    "normal-gamma": NormalGammaLearner,
    "bayesian-linear-regression": RegressionLearner,
}
POINTS = np.random.default_rng(5).uniform(-1, 1, (7, 2)).astype(np.float32)
# every form of each kind: its name, its values, and a shipped set to be run on
FORMS = [
    ("beta-bernoulli", {}, "coin"),
    ("beta-bernoulli", {"a": 0.5, "b": 0.5}, "coin"),
    ("normal-gamma", {}, "normal-1d"),
    ("normal-gamma", {"prior_mean": -4.0, "prior_count": 3.0, "shape": 0.7, "rate": 0.2}, "normal-1d"),
    ("bayesian-linear-regression", {}, "noisy-line"),
    ("bayesian-linear-regression", {"noise": "unknown"}, "noisy-line"),
    ("bayesian-linear-regression", {"degree": 9, "alpha": 5e-3}, "noisy-sine"),
    ("bayesian-linear-regression", {"basis": "gaussian", "noise": "unknown", "shape": 1.5}, "noisy-sine"),
    ("bayesian-linear-regression", {"degree": 20, "alpha": 1e-6}, "noisy-sine"),
    ("bayesian-linear-regression", {"basis": "gaussian", "bumps": 100, "low": -3.0}, "noisy-sine"),
]
every_form = pytest.mark.parametrize(("kind", "values", "data"), FORMS, ids=[f"{f[0]} {f[1]}" for f in FORMS])


def learn(kind, x, steps=None, seed=0, **values):
    """A learner on rows x, after so many steps; by default after all of them."""
    dim = 2 if kind == "bayesian-linear-regression" else 1
    x = np.asarray(x, np.float32).reshape(-1, dim)
    learner = LEARNERS[kind](x, DataInfo("mine", "Mine", dim), values, seed)
    for _ in range(len(x) if steps is None else steps):
        learner.step()
    return learner

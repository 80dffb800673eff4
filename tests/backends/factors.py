"""Learners of PPCA and factor analysis on rows of a few factors, for tests."""

from __future__ import annotations

import numpy as np
import pytest

from backends.base import Array, DataInfo, State
from backends.exact.factor_learners import FactorLearner, factor_analysis, ppca

MAKERS = {"ppca": ppca, "factor-analysis": factor_analysis}
EACH = pytest.mark.parametrize("kind", MAKERS)
POSTERIORS = ("exact", "diagonal", "spherical", "gradient")
EACH_POSTERIOR = pytest.mark.parametrize("posterior", POSTERIORS)


def rows(n: int = 400, d: int = 6, k: int = 2, seed: int = 0, signal: float = 2.0) -> Array:
    """Rows of k factors and a noise of its own in each column, away from the origin."""
    rng = np.random.default_rng(seed)
    z, noise = rng.normal(size=(n, k)), rng.normal(size=(n, d)) * rng.uniform(0.3, 1, d)
    return (3 + signal * z @ rng.normal(size=(k, d)) + noise).astype(np.float32)


def learner(kind: str, x: Array, steps: int = 0, seed: int = 0, **values: int | float | str) -> FactorLearner:
    made = MAKERS[kind](x, DataInfo("rows", "Rows", x.shape[1]), values, seed)
    for _ in range(steps):
        made.step()
    return made


def same_state(a: State, b: State) -> bool:
    return dict(a.values) == dict(b.values) and all(
        np.array_equal(a.arrays[name], array) for name, array in b.arrays.items()
    )

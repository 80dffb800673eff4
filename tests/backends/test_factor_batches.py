"""PPCA and factor analysis by minibatches: by their definition, and near the maximum."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backends.exact.batches import Batches, step_size
from tests.backends.factors import EACH, EACH_POSTERIOR, learner, rows


def test_an_epoch_has_each_row_once_in_an_order_of_its_own() -> None:
    batches = Batches(10, 4, seed=3)
    assert batches.per_epoch == 3
    epochs = [np.concatenate([batches.at(3 * e + i) for i in range(3)]) for e in range(4)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    np.testing.assert_array_equal(Batches(10, 4, seed=3).at(7), batches.at(7))
    assert [len(batches.at(i)) for i in range(3)] == [4, 4, 2]


@EACH
def test_batches_by_their_definition(kind: str) -> None:
    """Three steps written out, with dense matrices, from the θ of the start."""
    x, size, k, seed = rows(300, 5, 3).astype(np.float64), 70, 2, 5
    made = learner(kind, rows(300, 5, 3), seed=seed, latent_dim=k, batch_size=size)
    start = made.snapshot()
    mu, w, psi = start.mean, start.loadings, start.noise
    a, b, s = w, np.eye(k), np.diag(w @ w.T + np.diag(psi))
    assert made.steps_per_epoch == 5
    for t in range(3):
        batch = x[Batches(len(x), size, seed).at(t)] - mu
        c = w @ w.T + np.diag(psi)
        z = np.linalg.solve(c, batch.T).T @ w
        g = np.eye(k) - w.T @ np.linalg.solve(c, w)
        rate = (t + 2) ** -0.6
        assert step_size(t) == rate
        a = a + rate * (batch.T @ z / len(batch) - a)
        b = b + rate * (z.T @ z / len(batch) + g - b)
        s = s + rate * ((batch**2).mean(0) - s)
        w = a @ np.linalg.inv(b)
        psi = s - (w * a).sum(1)
        if kind == "ppca":
            psi = np.full(5, psi.mean())
        scalars = made.step()
        model = made.snapshot()
        np.testing.assert_allclose(model.loadings, w, rtol=1e-9)
        np.testing.assert_allclose(model.noise, psi, rtol=1e-9)
        assert scalars["log_likelihood"] == pytest.approx(model.log_prob(batch + mu).mean(), rel=1e-9)
        assert scalars["elbo"] < scalars["log_likelihood"]


@EACH
def test_batches_come_near_to_the_maximum(kind: str) -> None:
    x = rows(2000, 5, 3)
    best = learner(kind, x, 300, latent_dim=3).snapshot().log_prob(x).mean()
    made = learner(kind, x, 0, latent_dim=3, batch_size=50)
    start = made.snapshot().log_prob(x).mean()
    for _ in range(20 * 40):
        made.step()
    assert best - 0.02 < made.snapshot().log_prob(x).mean() < best
    assert start < best - 1


@EACH
@EACH_POSTERIOR
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_batches_of_any_size_are_fitted(kind: str, posterior: str, size: int) -> None:
    x = rows(20, 4, 3)
    x[:, 1] = 2.5
    made = learner(kind, x, latent_dim=6, posterior=posterior, batch_size=size, learning_rate=10)
    for _ in range(50):
        assert all(math.isfinite(v) for v in made.step().values())

"""The share of a latent's variance that a factor explains, against closed forms and a brute-force count."""

import numpy as np
import pytest

from backends.base import finish
from backends.factors_found import BINS, explained_variance

rng = np.random.default_rng(0)
N = 20_000


def test_a_coordinate_that_is_a_factor_is_explained_by_it_and_by_no_other():
    factors = rng.uniform(-1, 1, (N, 3))
    z = np.stack([factors[:, 1], np.exp(factors[:, 2]), np.cos(3 * factors[:, 0]), rng.normal(size=N)], 1)
    found = finish(explained_variance(z.astype(np.float32), factors))
    assert found[0, 1] == pytest.approx(1 - 1 / BINS**2, abs=1e-3)  # a uniform one: its bins are 1/BINS wide
    assert found[1, 2] > 0.99
    assert found[2, 0] > 0.97  # no line, but a function
    for i, j in ((0, 1), (1, 2), (2, 0)):
        found[i, j] = 0
    assert found.max() < 0.005


def test_noise_takes_away_what_it_should():
    factor = rng.uniform(-1, 1, (N, 1))
    z = factor + rng.normal(size=(N, 1)) / np.sqrt(3)  # as much variance again
    assert finish(explained_variance(z, factor))[0, 0] == pytest.approx(0.5, abs=0.02)


def test_labels_come_first_and_are_counted_by_hand():
    labels = rng.integers(0, 4, 500)
    z = rng.normal(size=(500, 2)) + np.eye(4)[labels][:, :2] * 2
    found = finish(explained_variance(z, np.zeros((500, 0)), labels))
    for i in range(2):
        within = sum(((z[labels == g, i] - z[labels == g, i].mean()) ** 2).sum() for g in range(4))
        eta = 1 - within / ((z[:, i] - z[:, i].mean()) ** 2).sum()
        assert found[i, 0] == pytest.approx(1 - (1 - eta) * 499 / 496)


def test_nothing_to_do_with_each_other_is_zero_on_average_though_rows_are_few():
    shares = [
        finish(explained_variance(rng.normal(size=(60, 5)), rng.normal(size=(60, 4)))).mean()
        for _ in range(20)
    ]
    assert np.mean(shares) < 0.06  # η² itself would be 19/59


@pytest.mark.parametrize("n", [0, 1, 5])
def test_few_rows_and_constants_are_no_error(n):
    found = finish(explained_variance(np.ones((n, 3), np.float32), np.zeros((n, 2)), np.zeros(n, int)))
    assert found.tolist() == [[0.0] * 3] * 3

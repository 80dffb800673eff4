"""Mixtures against scikit-learn, scipy and brute force; where they begin, and what is refused."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import bernoulli, multivariate_normal

from backends.base import DataInfo, Diverged, InputError
from backends.conformance import conform, small_data
from backends.exact import seeding
from backends.exact.bernoulli_mixture import Bernoullis
from backends.exact.gaussian_mixture import GaussianMixtureLearner
from backends.exact.gaussians import Gaussians
from backends.exact.mixtures import KINDS
from tests.backends.mixtures import TYPES, bits, bmm, clusters, gmm, scikit_precisions

# -- against scikit-learn ------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance", TYPES)
@pytest.mark.parametrize(
    "x",
    [
        clusters(600),
        clusters(600) + np.float32([100, 0, -3000]),
        (clusters(600, 2) * [1, 1e-3]) @ np.float32([[1, 1], [-1, 1]]),
        clusters(600) * np.float32([1e4, 1, 1e-2]),
        np.r_[clusters(300), clusters(300) + np.float32(3000)],
    ],
    ids=["near", "far from the origin", "thin", "columns of other units", "far apart"],
)
def test_fifty_iterations_are_those_of_scikit_learn(x, covariance):
    from sklearn.mixture import GaussianMixture

    x = x.astype(np.float32)
    wide = x.astype(np.float64)
    learner = gmm(x, components=4, covariance=covariance, seed=1)
    start = learner.snapshot()
    reference = GaussianMixture(
        4, covariance_type=covariance, weights_init=start.weights, means_init=start.means,
        precisions_init=scikit_precisions(start, covariance), max_iter=1, warm_start=True, tol=0,
    )  # fmt: skip
    first = None
    for iteration in range(50):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that one iteration has not converged
            reference.fit(wide)
        scalars = learner.step()
        first = scalars["log_likelihood"] if first is None else first
        assert scalars["log_likelihood"] == pytest.approx(reference.score(wide), rel=1e-8), iteration
    assert scalars["log_likelihood"] > first + 0.01  # there was a way to go
    r = learner.snapshot().encode(x).probs
    np.testing.assert_allclose(r, reference.predict_proba(wide), rtol=0, atol=1e-6)


# -- densities against scipy, brute force and samples ---------------------------------------------------


@pytest.mark.parametrize("covariance", TYPES)
def test_log_prob_is_that_of_scipy(covariance):
    x = clusters(300, 5)
    learner = gmm(x, components=3, covariance=covariance)
    for _ in range(5):
        learner.step()
    m = learner.snapshot()
    log_joint = np.log(m.weights) + np.stack(
        [multivariate_normal(m.means[k], m.covariances[k]).logpdf(x) for k in range(3)], 1
    )
    want = logsumexp(log_joint, 1)
    np.testing.assert_allclose(m.log_prob(x), want, rtol=1e-10)
    np.testing.assert_allclose(m.encode(x).probs, np.exp(log_joint - want[:, None]), atol=1e-10)


def test_bernoulli_log_prob_is_that_of_brute_force_and_sums_to_one():
    x = bits()
    learner = bmm(x, components=3)
    for _ in range(5):
        learner.step()
    m = learner.snapshot()
    states = np.array(list(itertools.product([0, 1], repeat=4)), np.float32)
    terms = [m.weights[k] * bernoulli(m.means[k]).pmf(states).prod(1) for k in range(3)]
    np.testing.assert_allclose(np.exp(m.log_prob(states)), sum(terms), rtol=1e-12)
    np.testing.assert_allclose(np.exp(m.log_prob(states)).sum(), 1, rtol=1e-12)
    np.testing.assert_allclose(m.encode(states).probs, np.stack(terms / sum(terms), 1), rtol=1e-10)


def test_bernoulli_em_is_that_of_the_book():
    """Bishop 2006, eq. 9.56, 9.59, 9.60, written out."""
    x = bits(50).astype(np.float64)
    learner = bmm(x.astype(np.float32), components=2, floor=1e-12)
    pi, mu = np.array(learner.snapshot().weights), np.array(learner.snapshot().means)
    for _ in range(20):
        scalars = learner.step()
        joint = pi * (mu[None] ** x[:, None] * (1 - mu[None]) ** (1 - x[:, None])).prod(2)
        r = joint / joint.sum(1, keepdims=True)
        pi, mu = r.mean(0), r.T @ x / r.sum(0)[:, None]
        joint = pi * (mu[None] ** x[:, None] * (1 - mu[None]) ** (1 - x[:, None])).prod(2)
        assert scalars["log_likelihood"] == pytest.approx(np.log(joint.sum(1)).mean(), rel=1e-9)
    np.testing.assert_allclose(learner.snapshot().means, mu, atol=1e-9)


@pytest.mark.parametrize("make", [lambda: gmm(clusters(), components=4), lambda: bmm(bits(), components=3)])
def test_samples_have_the_moments_of_the_mixture(make):
    learner = make()
    for _ in range(10):
        learner.step()
    m = learner.snapshot()
    x = m.sample(100_000, 1).astype(np.float64)
    if isinstance(learner, GaussianMixtureLearner):
        within = np.einsum("k,kij->ij", m.weights, m.covariances)
    else:
        within = np.diag(m.weights @ (m.means * (1 - m.means)))
    mean = m.weights @ m.means
    covariance = within + np.einsum("k,ki,kj->ij", m.weights, m.means - mean, m.means - mean)
    scale = np.sqrt(np.diagonal(covariance))
    np.testing.assert_allclose(x.mean(0) / scale, mean / scale, atol=0.02)
    np.testing.assert_allclose(
        np.cov(x.T) / np.outer(scale, scale), covariance / np.outer(scale, scale), atol=0.03
    )


@pytest.mark.parametrize("covariance", TYPES)
def test_every_covariance_passes_conformance(covariance):
    kind = next(k for k in KINDS if k.name == "gmm")
    for data in small_data():
        for result in conform(kind, data, {"covariance": covariance, "components": 3}):
            assert result.sentence == "", f"{result.case}: {result.check.name}"


# -- where it begins --------------------------------------------------------------------------------------


def test_k_means_plus_plus_finds_far_clusters():
    rng = np.random.default_rng(0)
    centres = 100 * np.arange(6)[:, None] * np.ones(2)
    x = (centres[rng.integers(6, size=300)] + rng.normal(size=(300, 2))).astype(np.float32)
    for seed in range(20):
        chosen = seeding.choose_rows(x, 6, "k-means++", np.random.default_rng(seed))
        assert sorted(seeding.nearest(chosen, centres)) == list(range(6))


def test_random_points_are_different_rows_by_seed():
    x = np.arange(20, dtype=np.float32)[:, None]
    first, again, other = (
        seeding.choose_rows(x, 5, "random-points", np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert len(np.unique(first)) == 5
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


# -- bad input ----------------------------------------------------------------------------------------------


def test_more_components_than_rows_is_a_sentence():
    with pytest.raises(InputError, match="components is 9, and there are 5 training rows"):
        gmm(clusters(5), components=9)


def test_nan_is_a_sentence_that_names_it():
    x = clusters(20)
    x[6, 2] = np.nan
    with pytest.raises(InputError, match="row 7, column 3"):
        gmm(x, components=2)


@pytest.mark.parametrize("covariance", TYPES)
@pytest.mark.parametrize(
    "x",
    [
        np.ones((1, 2)),
        np.ones((30, 2)),
        np.repeat(clusters(4, 2), 10, axis=0),
        np.c_[clusters(40, 1), np.zeros(40)],
        1e30 * clusters(40, 2),
        1e-3 * clusters(40, 2),
        clusters(40, 2) * [1e-3, 1] + [0, 1e8],
    ],
    ids=["one point", "one point many times", "four points", "a constant column", "huge", "small", "both"],
)
def test_degenerate_data_are_fitted(x, covariance):
    learner = gmm(x.astype(np.float32), components=min(3, len(x)), covariance=covariance)
    for _ in range(10):
        learner.step()
    m = learner.snapshot()
    assert np.isfinite(m.log_prob(x.astype(np.float32))).all()
    assert m.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_a_component_held_open_by_reg_covar_is_reported(covariance):
    x = clusters(40, 2)
    x[:10] = [50, 50]
    learner = gmm(x, components=2, covariance=covariance)
    for _ in range(10):
        learner.step()
    m = learner.snapshot()
    collapsed = int(np.argmax(m.means[:, 0])) + 1
    assert learner.notes == m.notes
    assert learner.notes == (
        f"component {collapsed} would be singular and is held open by reg_covar = 1e-06",
    )


def test_several_components_held_open_are_reported_in_one_sentence():
    x = np.repeat(clusters(3, 2), 20, axis=0)
    learner = gmm(x, components=3)
    for _ in range(10):
        learner.step()
    assert learner.notes == (
        "components 1, 2 and 3 would be singular and are held open by reg_covar = 1e-06",
    )


def test_without_reg_covar_the_singular_component_is_named_and_nothing_changes():
    x = clusters(40, 2)
    x[:10] = [50, 50]
    learner = gmm(x, components=2, reg_covar=0)
    with pytest.raises(Diverged, match=r"step \d+: the covariance of component [12] is singular"):  # noqa: PT012
        for _ in range(50):
            before = learner.state()
            learner.step()
    for name, array in before.arrays.items():
        np.testing.assert_array_equal(learner.state().arrays[name], array)
    with pytest.raises(InputError, match="singular"):
        gmm(np.ones((5, 2), np.float32), components=1, reg_covar=0)


@pytest.mark.parametrize("covariance", TYPES)
def test_a_component_that_loses_its_points_stays_and_is_reported(covariance):
    learner = gmm(clusters(100), components=2, covariance=covariance)
    form = learner._components
    far = np.stack([learner.snapshot().means[0], np.full(3, 1e4)])
    learner.begin(np.array([0.5, 0.5]), Gaussians(far, form.scale, covariance, 0.0))
    for _ in range(3):
        scalars = learner.step()
    assert np.isfinite(list(scalars.values())).all()
    assert "component 2 lost all points" in learner.notes
    m = learner.snapshot()
    np.testing.assert_array_equal(m.means[1], far[1])
    assert np.isfinite(m.theta()).all()


def test_an_empty_bernoulli_component_stays():
    learner = bmm(bits(), components=2)
    learner.begin(np.array([1.0, 0.0]), Bernoullis.of(np.array([[0.5] * 4, [0.9] * 4]), 1e-3))
    learner.step()
    np.testing.assert_allclose(learner.snapshot().means[1], 0.9)


def test_pictures_that_are_not_binary_are_refused():
    with pytest.raises(InputError, match="0 and 1"):
        bmm(clusters(20), components=2)
    m = bmm(bits(), components=2).snapshot()
    with pytest.raises(InputError, match="0 and 1"):
        m.log_prob(np.full((1, 4), 0.5, np.float32))
    kind = next(k for k in KINDS if k.name == "bernoulli-mixture")
    with pytest.raises(InputError, match="choose model gmm"):
        kind.check_data(DataInfo("real", "Real", 4), {"components": 2})


def test_covariances_that_fill_the_memory_are_refused():
    kind = next(k for k in KINDS if k.name == "gmm")
    values = {p.name: p.default for p in kind.parameters} | {"components": 4096}
    with pytest.raises(InputError, match="choose covariance diag"):
        kind.check_data(DataInfo("wide", "Wide", 1000), values)
    kind.check_data(DataInfo("wide", "Wide", 1000), values | {"covariance": "diag"})

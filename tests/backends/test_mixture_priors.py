"""MAP estimates of Gaussian mixtures: the prior against scipy, EM on the posterior, no collapse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import dirichlet, invgamma, invwishart, multivariate_normal

from backends.conformance import conform, small_data
from backends.exact.mixtures import KINDS
from backends.exact.posteriors import Exact
from backends.exact.rows import Rows
from tests.backends.mixtures import TYPES, clusters, gmm


@pytest.mark.parametrize("covariance", TYPES)
def test_the_log_prior_is_that_of_scipy(covariance):
    x, k, d = clusters(), 3, 3
    learner = gmm(x, components=k, covariance=covariance, prior="conjugate", reg_covar=0)
    learner.half_step()
    scalars = learner.half_step()[1]
    m, form = learner.snapshot(), learner._components
    wide = x.astype(np.float64)
    nu, kappa = d + 2, 0.01
    scale = np.cov(wide.T, bias=True) / k ** (2 / d)
    diagonals = np.diagonal(m.covariances, axis1=1, axis2=2)
    want = dirichlet(np.full(k, 2.0)).logpdf(m.weights / m.weights.sum())
    want += sum(
        multivariate_normal(wide.mean(0), m.covariances[i] / kappa).logpdf(m.means[i]) for i in range(k)
    )
    if covariance in ("full", "tied"):
        free = m.covariances[: len(form.scale)]
        want += sum(invwishart(nu, scale).logpdf(one) for one in free)
    elif covariance == "diag":
        want += invgamma(nu / 2, scale=np.diag(scale) / 2).logpdf(diagonals).sum()
    else:
        want += invgamma(nu / 2, scale=np.trace(scale) / d / 2).logpdf(diagonals[:, 0]).sum()
    got = (scalars["log_posterior"] - scalars["log_likelihood"]) * len(x)
    assert got == pytest.approx(want, rel=1e-8)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(8, 100), d=st.integers(1, 5), k=st.integers(1, 6), covariance=st.sampled_from(TYPES),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_map_em_never_lowers_the_posterior_and_never_collapses(n, d, k, covariance, seed):
    x = clusters(n, d, seed)
    x[: n // 4] = x[0]  # which maximum likelihood would collapse onto
    learner = gmm(x, seed, components=k, covariance=covariance, prior="conjugate", reg_covar=1e-6)
    before = -np.inf
    for _ in range(20):
        half, scalars = learner.half_step()
        now = scalars["log_posterior"]
        assert now >= before - 1e-10 * max(1.0, abs(now)), half
        before = now
    m = learner.snapshot()
    smallest = min(np.linalg.eigvalsh(one)[0] for one in m.covariances)
    spread = np.linalg.eigvalsh(np.cov(x.T.astype(np.float64), bias=True).reshape(d, d))[0]
    assert smallest >= 0.99 * spread / k ** (2 / d) / (d + 2 + (n + 1) * d + k + d + 2)


@pytest.mark.parametrize("covariance", TYPES)
def test_the_map_step_is_at_the_mode(covariance):
    """No other mixture on the lines through it along any parameter has a larger expected log-posterior."""
    x = clusters(60)
    form = gmm(x, components=2, covariance=covariance, prior="conjugate")._components
    e = Rows(x).expectation(np.full(2, 0.5), form, Exact())
    best = form.maximise(e.statistics)
    weights = best.weights(e.statistics[0])

    def objective(one):
        return one.expected_log_prob(e.statistics) + one.log_prior(weights)

    top, theta = objective(best), best.theta()
    for i in range(len(theta)):
        for step in (-1e-3, 1e-3):
            assert objective(best.at(theta + step * np.eye(len(theta))[i])) < top + 1e-9


def test_map_resumes_bit_for_bit_and_opens_without_rows():
    x = clusters()
    straight, other = (gmm(x, components=3, prior="conjugate") for _ in range(2))
    for _ in range(3):
        straight.step()
    other.restore(straight.state())
    assert other.step() == straight.step()
    empty = gmm(x[:0], components=3, prior="conjugate")
    empty.restore(straight.state())
    np.testing.assert_array_equal(empty.snapshot().log_prob(x), straight.snapshot().log_prob(x))
    kind = next(k for k in KINDS if k.name == "gmm")
    for data in small_data():
        for result in conform(kind, data, {"prior": "conjugate"}):
            assert result.sentence == "", f"{result.case}: {result.check.name}"


def test_a_component_collapses_by_maximum_likelihood_and_not_by_map():
    x = clusters(40, 2)
    x[:10] = [50, 50]
    variances = {}
    for prior in ("none", "conjugate"):
        learner = gmm(x, components=2, prior=prior)
        for _ in range(10):
            learner.step()
        m = learner.snapshot()
        variances[prior] = np.linalg.eigvalsh(m.covariances[np.argmax(m.means[:, 0])])[0]
        assert bool(learner.notes) == (prior == "none")
    assert variances["none"] == pytest.approx(1e-6, rel=1e-3)
    assert variances["conjugate"] > 0.01

"""Conjugate Bayes against scipy's distributions, the textbooks' update formulas and numerical integration."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import dblquad, quad
from scipy.optimize import minimize
from scipy.special import comb, gammaln

from backends.conformance import conform
from backends.data import open_data
from backends.exact.conjugate import REGRESSION_PARAMETERS
from backends.registry import find_kind
from tests.backends.conjugate import LEARNERS, POINTS, every_form, learn


def coin_model(ones, zeros, **values):
    return learn("beta-bernoulli", [1] * ones + [0] * zeros, **values).snapshot()


# -- the coin -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ones", "zeros", "a", "b"), [(0, 0, 2, 2), (7, 3, 1, 1), (4, 0, 0.5, 3), (2, 9, 30, 0.1)]
)
def test_a_coin_is_scipys_beta(ones, zeros, a, b):
    model = coin_model(ones, zeros, a=float(a), b=float(b))
    theta = np.linspace(0.01, 0.99, 99)
    n = ones + zeros
    posterior = stats.beta(a + ones, b + zeros)
    np.testing.assert_allclose(
        model.log_prior_theta(theta[:, None]), stats.beta.logpdf(theta, a, b), atol=1e-10
    )
    np.testing.assert_allclose(model.log_posterior_theta(theta[:, None]), posterior.logpdf(theta), atol=1e-10)
    likelihood = stats.binom.logpmf(ones, n, theta) - np.log(comb(n, ones))
    np.testing.assert_allclose(model.log_likelihood_theta(theta[:, None]), likelihood, atol=1e-10)
    evidence = stats.betabinom.logpmf(ones, n, a, b) - np.log(comb(n, ones))  # of one order of the flips
    assert model.log_evidence() == pytest.approx(evidence, abs=1e-10)
    assert model.posterior_mean()[0] == pytest.approx(posterior.mean(), abs=1e-14)
    np.testing.assert_allclose(model.theta_axes[0].focus, posterior.ppf([0.005, 0.995]), rtol=1e-8)
    p_one = (a + ones) / (a + b + n)
    np.testing.assert_allclose(np.exp(model.log_predictive([[1], [0]])), [p_one, 1 - p_one], rtol=1e-12)
    draws = model.sample_theta(2000, 1)
    assert stats.kstest(draws[:, 0], posterior.cdf).pvalue > 1e-3
    assert stats.kstest(model.sample_theta(2000, 1, prior=True)[:, 0], stats.beta(a, b).cdf).pvalue > 1e-3


def test_the_evidence_of_a_coin_is_the_integral():
    value, _ = quad(lambda t: t**5 * (1 - t) ** 2 * stats.beta.pdf(t, 1.5, 2.5), 0, 1)
    assert coin_model(5, 2, a=1.5, b=2.5).log_evidence() == pytest.approx(np.log(value), abs=1e-9)


def test_all_sequences_of_flips_together_have_probability_one():
    total = sum(
        np.exp(coin_model(sum(s), 5 - sum(s), a=0.3).log_evidence())
        for s in itertools.product((0, 1), repeat=5)
    )
    assert total == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "ones", "zeros", "mode"),
    [
        (2, 2, 3, 1, 4 / 6), (1, 1, 0, 0, 0.5), (1, 1, 3, 0, 1), (0.5, 0.5, 0, 2, 0), (0.5, 0.5, 0, 0, 0.5),
        (0.9, 0.2, 0, 0, 1), (1, 0.5, 0, 0, 1), (1, 2, 0, 0, 0),
    ],
)  # fmt: skip
def test_the_mode_of_a_coin_is_inside_or_at_the_end_where_the_density_rises(a, b, ones, zeros, mode):
    assert coin_model(ones, zeros, a=float(a), b=float(b)).map_theta()[0] == pytest.approx(mode, abs=1e-15)


def test_a_plug_in_at_the_end_calls_impossible_what_the_predictive_does_not():
    model = coin_model(3, 0, a=1.0, b=1.0)
    assert model.log_plug_in([[1], [0]]).tolist() == [0, -np.inf]
    assert np.exp(model.log_predictive([[0]])) == pytest.approx(0.2)  # Laplace's rule of succession
    assert model.ml_theta().tolist() == [1]
    assert coin_model(0, 0).ml_theta() is None
    outside = np.array([[-0.1], [1.1]])
    for log_prob in (model.log_prior_theta, model.log_likelihood_theta, model.log_posterior_theta):
        assert log_prob(outside).tolist() == [-np.inf, -np.inf]


# -- the normal ---------------------------------------------------------------------------------------

NUMBERS = np.random.default_rng(3).normal(2, 1.5, 9).astype(np.float32)
PRIOR = {"prior_mean": 0.5, "prior_count": 0.7, "shape": 1.3, "rate": 2.1}


def murphy(x, prior_mean, prior_count, shape, rate):
    """μ, κ, a, b of the posterior (Murphy 2007, eq. 86-89)."""
    x, n = np.asarray(x, np.float64), len(x)
    if not n:
        return prior_mean, prior_count, shape, rate
    kappa = prior_count + n
    mu = (prior_count * prior_mean + n * x.mean()) / kappa
    spread = ((x - x.mean()) ** 2).sum() + prior_count * n * (x.mean() - prior_mean) ** 2 / kappa
    return mu, kappa, shape + n / 2, rate + spread / 2


def log_normal_gamma(theta, mu, kappa, a, b):
    """log p(μ, σ): that of (μ, λ), and |dλ/dσ| = 2/σ³."""
    mean, sigma = theta.T
    log_p = stats.norm.logpdf(mean, mu, sigma / np.sqrt(kappa)) + stats.gamma.logpdf(
        sigma**-2, a, scale=1 / b
    )
    return log_p + np.log(2 / sigma**3)


@pytest.mark.parametrize("n", [0, 1, 2, 9])
def test_a_normal_is_murphys(n):
    x = NUMBERS[:n]
    model = learn("normal-gamma", x, **PRIOR).snapshot()
    mu, kappa, a, b = murphy(x, **PRIOR)
    theta = np.stack([np.linspace(-3, 5, 50), np.geomspace(0.2, 6, 50)], 1)
    prior = log_normal_gamma(theta, *PRIOR.values())
    np.testing.assert_allclose(model.log_prior_theta(theta), prior, rtol=1e-10)
    np.testing.assert_allclose(
        model.log_posterior_theta(theta), log_normal_gamma(theta, mu, kappa, a, b), rtol=1e-9
    )
    likelihood = stats.norm.logpdf(x.astype(float), theta[:, :1], theta[:, 1:]).sum(1)
    np.testing.assert_allclose(model.log_likelihood_theta(theta), likelihood, rtol=1e-9)
    predictive = stats.t(2 * a, mu, np.sqrt(b * (kappa + 1) / (a * kappa)))
    at = np.linspace(-20, 25, 70)
    np.testing.assert_allclose(model.log_predictive(at[:, None]), predictive.logpdf(at), rtol=1e-10)
    np.testing.assert_array_equal(model.log_prob(at[:, None]), model.log_predictive(at[:, None]))
    assert stats.kstest(model.sample(3000, 1)[:, 0], predictive.cdf).pvalue > 1e-3
    _, k0, a0, b0 = PRIOR.values()
    evidence = gammaln(a) - gammaln(a0) + a0 * np.log(b0) - a * np.log(b)  # eq. 95
    evidence += 0.5 * np.log(k0 / kappa) - n / 2 * np.log(2 * np.pi)
    assert model.log_evidence() == pytest.approx(evidence, abs=1e-10)
    focus = [axis.focus for axis in model.theta_axes]
    tails = np.array([0.005, 0.995])
    np.testing.assert_allclose(focus[0], stats.t.ppf(tails, 2 * a, mu, np.sqrt(b / (a * kappa))), rtol=1e-8)
    np.testing.assert_allclose(focus[1], stats.invgamma.ppf(tails, a, scale=b) ** 0.5, rtol=1e-8)
    draws = model.sample_theta(3000, 2)
    assert stats.kstest(draws[:, 0], stats.t(2 * a, mu, np.sqrt(b / (a * kappa))).cdf).pvalue > 1e-3
    assert stats.kstest(draws[:, 1] ** 2, stats.invgamma(a, scale=b).cdf).pvalue > 1e-3
    sigma, _ = quad(lambda s: s * 2 / s**3 * stats.gamma.pdf(s**-2, a, scale=1 / b), 0, np.inf)
    np.testing.assert_allclose(model.posterior_mean(), [mu, sigma], rtol=1e-6)


def test_the_evidence_of_a_normal_is_the_integral():
    model = learn("normal-gamma", NUMBERS[:4], **PRIOR).snapshot()

    def joint(mean, sigma):
        theta = np.array([[mean, sigma]])
        return np.exp(model.log_prior_theta(theta) + model.log_likelihood_theta(theta))[0]

    value, _ = dblquad(joint, 0, 60, -60, 60, epsabs=1e-13, epsrel=1e-9)
    assert model.log_evidence() == pytest.approx(np.log(value), abs=1e-4)


def test_far_from_the_origin_no_digits_are_lost():
    """Against sums in exact fractions."""
    x = (1e5 + np.random.default_rng(0).normal(0, 0.1, 200)).astype(np.float32)
    learner = learn("normal-gamma", x, prior_mean=1e5, prior_count=0.01)
    exact = [Fraction(float(v)) for v in x]
    mean, n, k0 = sum(exact) / 200, 200, Fraction(0.01)
    spread = sum((v - mean) ** 2 for v in exact) + k0 * n * (mean - 100_000) ** 2 / (k0 + n)
    assert learner.snapshot().posterior.b == pytest.approx(float(2 + spread / 2), rel=1e-9)


def test_no_width_or_a_negative_one_is_impossible():
    model = learn("normal-gamma", NUMBERS).snapshot()
    theta = np.array([[2.0, 0.0], [2.0, -1.0], [2.0, 1e-200], [2.0, 1e200]])
    for log_prob in (model.log_prior_theta, model.log_likelihood_theta, model.log_posterior_theta):
        assert log_prob(theta)[:3].tolist() == [-np.inf] * 3
        assert log_prob(theta)[3] < -100


# -- regression ---------------------------------------------------------------------------------------


def design(x, basis="polynomial", degree=1, bumps=9):
    x = np.asarray(x, np.float64)
    if basis == "polynomial":
        return np.stack([x**j for j in range(degree + 1)], 1)
    centres = np.linspace(-1, 1, bumps)
    return np.stack(
        [x**0] + [np.exp(-((x - c) ** 2) / (2 * (centres[1] - centres[0]) ** 2)) for c in centres], 1
    )


@pytest.mark.parametrize("form", [{}, {"degree": 0}, {"degree": 7}, {"basis": "gaussian", "bumps": 5}])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_regression_with_known_noise_is_bishops(n, form):
    alpha, beta = 0.3, 11.0
    x, y = POINTS[:n].astype(np.float64).T
    phi = design(x, **form)
    m = phi.shape[1]
    model = learn("bayesian-linear-regression", POINTS[:n], alpha=alpha, beta=beta, **form).snapshot()
    covariance = np.linalg.inv(alpha * np.eye(m) + beta * phi.T @ phi)  # eq. 3.54
    mean = beta * covariance @ phi.T @ y  # eq. 3.53
    thetas = np.random.default_rng(0).normal(size=(20, m))
    posterior = stats.multivariate_normal(mean, covariance)
    np.testing.assert_allclose(model.log_posterior_theta(thetas), posterior.logpdf(thetas), rtol=1e-8)
    prior = stats.norm.logpdf(thetas, 0, alpha**-0.5).sum(1)
    np.testing.assert_allclose(model.log_prior_theta(thetas), prior, rtol=1e-10)
    likelihood = stats.norm.logpdf(y, thetas @ phi.T, beta**-0.5).sum(1)
    np.testing.assert_allclose(model.log_likelihood_theta(thetas), likelihood, atol=1e-9)
    marginal = stats.multivariate_normal(np.zeros(n), np.eye(n) / beta + phi @ phi.T / alpha) if n else None
    assert model.log_evidence() == pytest.approx(marginal.logpdf(y) if n else 0, abs=1e-10)
    np.testing.assert_allclose(model.map_theta(), mean, atol=1e-10)
    np.testing.assert_allclose(model.posterior_mean(), mean, atol=1e-10)
    at = np.linspace(-1.5, 1.5, 20)
    wide = design(at, **form)
    std = np.sqrt(1 / beta + np.einsum("nj,jk,nk->n", wide, covariance, wide))  # eq. 3.59
    np.testing.assert_allclose(model.predict(at), [wide @ mean, std], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.predict_plug_in(at), [wide @ mean, np.full(20, beta**-0.5)], atol=1e-9)
    rows = np.stack([at, np.sin(3 * at)], 1)
    predictive = stats.norm.logpdf(rows[:, 1], wide @ mean, std)
    np.testing.assert_allclose(model.log_predictive(rows), predictive, rtol=1e-7)
    plug_in = stats.norm.logpdf(rows[:, 1], wide @ mean, beta**-0.5)
    np.testing.assert_allclose(model.log_plug_in(rows), plug_in, rtol=1e-7)
    np.testing.assert_allclose(model.curves(thetas, at), thetas @ wide.T, rtol=1e-10, atol=1e-12)
    if n >= m:
        np.testing.assert_allclose(model.ml_theta(), np.linalg.lstsq(phi, y)[0], rtol=1e-7)
    else:
        assert model.ml_theta() is None


@pytest.mark.parametrize("form", [{}, {"degree": 5}, {"basis": "gaussian", "bumps": 4}])
def test_regression_with_unknown_noise_is_a_multivariate_t(form):
    alpha, a0, b0, n = 0.4, 1.7, 0.3, 7
    x, y = POINTS.astype(np.float64).T
    phi = design(x, **form)
    m = phi.shape[1]
    model = learn(
        "bayesian-linear-regression", POINTS, alpha=alpha, noise="unknown", shape=a0, rate=b0, **form
    ).snapshot()
    evidence = stats.multivariate_t(np.zeros(n), b0 / a0 * (np.eye(n) + phi @ phi.T / alpha), 2 * a0).logpdf(
        y
    )
    assert model.log_evidence() == pytest.approx(evidence, abs=1e-9)
    precision = alpha * np.eye(m) + phi.T @ phi
    mean = np.linalg.solve(precision, phi.T @ y)
    a, b = a0 + n / 2, b0 + (y @ y - mean @ precision @ mean) / 2
    at = np.linspace(-1.5, 1.5, 20)
    wide = design(at, **form)
    scale = np.sqrt(b / a * (1 + np.einsum("nj,jk,nk->n", wide, np.linalg.inv(precision), wide)))
    predictive = stats.t(2 * a, wide @ mean, scale)
    rows = np.stack([at, np.cos(at)], 1)
    np.testing.assert_allclose(model.log_predictive(rows), predictive.logpdf(rows[:, 1]), rtol=1e-8)
    np.testing.assert_allclose(
        model.predict(at), [predictive.mean(), predictive.std()], rtol=1e-8, atol=1e-10
    )
    thetas = model.sample_theta(3000, 1)
    log_p = [
        stats.multivariate_normal(mean, s**2 * np.linalg.inv(precision)).logpdf(w)
        + stats.invgamma.logpdf(s**2, a, scale=b) + np.log(2 * s)
        for w, s in zip(thetas[:30, :-1], thetas[:30, -1], strict=True)
    ]  # fmt: skip
    np.testing.assert_allclose(model.log_posterior_theta(thetas[:30]), log_p, rtol=1e-8)
    std = np.sqrt(b / a * np.diagonal(np.linalg.inv(precision)))
    for j in range(m):
        assert stats.kstest(thetas[:, j], stats.t(2 * a, mean[j], std[j]).cdf).pvalue > 1e-3
    np.testing.assert_allclose(model.theta_axes[0].focus, stats.t.ppf([0.005, 0.995], 2 * a, mean[0], std[0]))
    assert [axis.name for axis in model.theta_axes] == [*(f"w{j}" for j in range(m)), "σ"]


def test_the_evidence_of_a_line_is_the_integral():
    model = learn("bayesian-linear-regression", POINTS[:3], alpha=2.0, beta=4.0).snapshot()

    def joint(w0, w1):
        theta = np.array([[w0, w1]])
        return np.exp(model.log_prior_theta(theta) + model.log_likelihood_theta(theta))[0]

    value, _ = dblquad(joint, -6, 6, -6, 6, epsabs=1e-12, epsrel=1e-8)
    assert model.log_evidence() == pytest.approx(np.log(value), abs=1e-6)


def test_low_and_high_are_the_ends_of_the_basis():
    """The same curve in other units of x."""
    moved = POINTS * np.float32([10, 1]) + np.float32([100, 0])
    models = [
        learn("bayesian-linear-regression", rows, degree=4, **ends).snapshot()
        for rows, ends in ((POINTS, {}), (moved, {"low": 90.0, "high": 110.0}))
    ]
    at = np.linspace(-1, 1, 9)
    np.testing.assert_allclose(models[1].predict(100 + 10 * at), models[0].predict(at), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("noise", ["known", "unknown"])
@pytest.mark.parametrize("basis", ["polynomial", "gaussian"])
def test_what_a_form_hides_changes_nothing_and_what_it_shows_does(basis, noise):
    other = {"degree": 2, "bumps": 4, "beta": 9.0, "shape": 3.0, "rate": 0.7, "alpha": 1.0}
    chosen = {"basis": basis, "noise": noise}
    evidence = learn("bayesian-linear-regression", POINTS, **chosen).snapshot().log_evidence()
    for p in REGRESSION_PARAMETERS:
        if p.name in other:
            changed = learn("bayesian-linear-regression", POINTS, **chosen, **{p.name: other[p.name]})
            assert (changed.snapshot().log_evidence() != evidence) == p.counts(chosen), p.name


def test_a_curve_through_all_points_has_no_most_likely_noise():
    unknown = {"noise": "unknown", "degree": 2}
    assert learn("bayesian-linear-regression", POINTS[:3], **unknown).snapshot().ml_theta() is None
    theta = learn("bayesian-linear-regression", POINTS, **unknown).snapshot().ml_theta()
    left = POINTS[:, 1] - design(POINTS[:, 0], degree=2) @ theta[:-1]
    assert theta[-1] == pytest.approx(np.sqrt((left**2).mean()))
    same_x = np.stack([np.full(5, 0.3), np.arange(5)], 1)
    assert learn("bayesian-linear-regression", same_x).snapshot().ml_theta() is None
    assert learn("normal-gamma", [3.1] * 4).snapshot().ml_theta() is None
    np.testing.assert_allclose(
        learn("normal-gamma", NUMBERS).snapshot().ml_theta(), [NUMBERS.mean(), NUMBERS.std()], rtol=1e-5
    )


# -- what holds for all of them -----------------------------------------------------------------------


def started(kind, values, data):
    data = open_data(data)
    return LEARNERS[kind](data.train.x, data.info, values, 1, run="run")


@every_form
def test_the_evidence_is_the_sum_of_the_predictions(kind, values, data):
    learner, total = started(kind, values, data), 0.0
    while learner.steps < learner.total_steps:
        scalars = learner.step()
        total += scalars["log_predictive"]
        assert scalars["log_evidence"] == pytest.approx(total, rel=1e-10, abs=1e-10)
    assert learner.steps == len(open_data(data).train)
    assert learner.snapshot().log_evidence() == scalars["log_evidence"]


@every_form
def test_map_is_where_an_optimiser_ends(kind, values, data):
    learner = started(kind, values, data)
    for _ in range(10):
        learner.step()
    model = learner.snapshot()
    best = model.map_theta()
    top = model.log_posterior_theta(best[None])[0]
    spread = model.sample_theta(500, 0).std(0)
    found = minimize(
        lambda u: -model.log_posterior_theta((best + spread * u)[None])[0], np.full(len(best), 0.01),
        method="Powell" if len(best) < 5 else "L-BFGS-B",
    )  # fmt: skip
    assert -found.fun <= top + 1e-8 * (1 + abs(top))
    assert -found.fun == pytest.approx(top, abs=0.01)


@every_form
def test_the_same_rows_in_any_order_are_the_same_posterior(kind, values, data):
    models = []
    for seed in (0, 1):
        rows = open_data(data)
        learner = LEARNERS[kind](rows.train.x, rows.info, values, seed)
        for _ in range(learner.total_steps):
            learner.step()
        models.append(learner.snapshot())
    one, other = models
    assert not np.array_equal(one.seen, other.seen)
    assert one.log_evidence() == pytest.approx(other.log_evidence(), rel=1e-10)
    thetas = one.sample_theta(20, 0)
    np.testing.assert_allclose(
        one.log_posterior_theta(thetas), other.log_posterior_theta(thetas), rtol=1e-8, atol=1e-6
    )


@every_form
def test_conforms(kind, values, data):
    bad = [
        f"{r.check.name}: {r.sentence}"
        for r in conform(find_kind(kind)[1], open_data(data), values)
        if not r.ok
    ]
    # the conformance kit sees 12 steps on fresh runs of at least 24 rows
    assert bad == []


floats = st.floats(-1e3, 1e3, width=32)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(floats, floats), min_size=1, max_size=8), st.integers(0, 6),
    st.sampled_from(["known", "unknown"]), st.floats(1e-3, 1e3),
)  # fmt: skip
def test_any_points_have_a_posterior(points, degree, noise, alpha):
    learner = learn(
        "bayesian-linear-regression", points, 0, degree=degree, noise=noise, alpha=alpha, low=-1e3, high=1e3
    )
    total = sum(learner.step()["log_predictive"] for _ in points)
    model = learner.snapshot()
    assert model.log_evidence() == pytest.approx(total, rel=1e-9, abs=1e-8)
    thetas = model.sample_theta(5, 0)
    joint = model.log_prior_theta(thetas) + model.log_likelihood_theta(thetas) - model.log_evidence()
    scale = max(1, abs(model.log_evidence()))
    np.testing.assert_allclose(model.log_posterior_theta(thetas), joint, rtol=1e-8, atol=1e-8 * scale)

"""PPCA and factor analysis against brute force, scipy, scikit-learn, and each other's two roads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA, FactorAnalysis

from backends.base import Array, DataInfo, HalfSteps, InputError, State, finish
from backends.conformance import conform
from backends.data import open_data
from backends.evaluation import evaluate
from backends.exact.factor_learners import maximum_likelihood, ppca
from backends.exact.factor_rows import Rows
from backends.quadrature import posterior_kl, quadrature
from backends.registry import find_kind
from backends.run import Run
from tests.backends.factors import EACH, MAKERS, learner, rows, same_state


def parts(model: object, d: int, k: int) -> tuple[Array, Array, Array]:
    """μ, W and the diagonal of Ψ from a model's θ."""
    mean, weights, log_noise = np.split(model.theta(), [d, d * (k + 1)])
    return mean, weights.reshape(d, k), np.exp(np.broadcast_to(log_noise, d))


def covariance(model: object, d: int, k: int) -> Array:
    _, weights, noise = parts(model, d, k)
    return weights @ weights.T + np.diag(noise)


# -- one model, against brute force -----------------------------------------------------------------


@EACH
@pytest.mark.parametrize(("d", "k"), [(6, 2), (3, 5), (1, 1)])
def test_the_density_is_the_gaussian_of_the_covariance(kind: str, d: int, k: int) -> None:
    x = rows(d=d)
    model = learner(kind, x, 5, latent_dim=k).snapshot()
    want = multivariate_normal(parts(model, d, k)[0], covariance(model, d, k)).logpdf(x[:50])
    np.testing.assert_allclose(model.log_prob(x[:50]), want, rtol=1e-10)


@EACH
def test_the_posterior_is_that_of_conditioning_the_joint_gaussian(kind: str) -> None:
    x, d, k = rows(), 6, 3
    model = learner(kind, x, 5, latent_dim=k).snapshot()
    mean, weights, _ = parts(model, d, k)
    gain = weights.T @ np.linalg.inv(covariance(model, d, k))  # Cov(z, x) Cov(x)⁻¹
    q = model.encode(x[:20])
    np.testing.assert_allclose(q.mean, (x[:20] - mean) @ gain.T, rtol=1e-5, atol=1e-6)
    for tril in q.scale_tril:
        np.testing.assert_allclose(tril @ tril.T, np.eye(k) - gain @ weights, atol=1e-6)


def test_the_posterior_of_ppca_is_that_of_tipping_and_bishop() -> None:
    x, d, k = rows(), 6, 2
    model = learner("ppca", x, 5, latent_dim=k).snapshot()
    mean, weights, noise = parts(model, d, k)
    m = weights.T @ weights + noise[0] * np.eye(k)  # their eq. 6 and 7
    q = model.encode(x[:20])
    np.testing.assert_allclose(q.mean, np.linalg.solve(m, weights.T @ (x[:20] - mean).T).T, rtol=1e-5)
    np.testing.assert_allclose(q.scale_tril[0] @ q.scale_tril[0].T, noise[0] * np.linalg.inv(m), rtol=1e-5)


@EACH
def test_log_joint_is_the_product_of_prior_and_likelihood(kind: str) -> None:
    x, d, k = rows()[:7], 6, 3
    model = learner(kind, rows(), 5, latent_dim=k).snapshot()
    mean, weights, noise = parts(model, d, k)
    z = model.sample_prior(4, 0).astype(np.float64)
    want = [
        [multivariate_normal.logpdf(one, mean + weights @ u, np.diag(noise)) for u in z] for one in x
    ] + multivariate_normal.logpdf(z, np.zeros(k))
    np.testing.assert_allclose(model.log_joint(x, z), want, rtol=1e-10)
    own = np.broadcast_to(z, (7, 4, k))
    np.testing.assert_allclose(model.log_joint(x, own), want, rtol=1e-10)


@EACH
def test_the_bound_of_every_row_touches_and_both_terms_are_expectations(kind: str) -> None:
    x = rows()[:30]
    model = learner(kind, rows(), 5).snapshot()
    bound = model.elbo(x)
    assert bound.stderr is None
    np.testing.assert_allclose(bound.value, model.log_prob(x), rtol=1e-12)
    kl = finish(posterior_kl(model, x))
    assert np.abs(kl.value).max() < 1e-5
    np.testing.assert_allclose(finish(quadrature(model, x)).value, model.log_prob(x), atol=1e-6)
    q = model.encode(x)
    tril = q.scale_tril.astype(np.float64)
    second = (tril**2).sum((1, 2)) + (q.mean**2).sum(1)
    want = 0.5 * (second - 2) - np.log(np.diagonal(tril, axis1=1, axis2=2)).sum(1)
    np.testing.assert_allclose(bound.kl_prior, want, rtol=1e-5)


# -- PPCA against scikit-learn and its closed form ---------------------------------------------------


@pytest.mark.parametrize(("n", "d", "k"), [(400, 6, 2), (50, 8, 7), (20, 40, 3)])
def test_the_closed_form_is_scikit_learns_pca(n: int, d: int, k: int) -> None:
    x = rows(n, d)
    model = learner("ppca", x, 1, latent_dim=k, method="closed-form").snapshot()
    pca = PCA(k, svd_solver="full").fit(x.astype(np.float64))
    # scikit-learn divides by n − 1, maximum likelihood by n; and for n < d it takes the mean of the left-out
    # eigenvalues over min(n, d) − k of them instead of d − k
    left = (d - k) / (min(n, d) - k)
    pca.explained_variance_ *= (n - 1) / n
    pca.noise_variance_ *= (n - 1) / n / left
    np.testing.assert_allclose(covariance(model, d, k), pca.get_covariance(), rtol=1e-8, atol=1e-10)
    assert model.log_prob(x).mean() == pytest.approx(pca.score(x.astype(np.float64)), rel=1e-10)


def test_the_closed_form_stays_where_it_is_and_has_no_halves() -> None:
    made = learner("ppca", rows(), method="closed-form")
    first = made.step()
    theta = made.snapshot().theta()
    assert made.step() == first
    assert first["elbo"] == pytest.approx(first["log_likelihood"], rel=1e-12)
    np.testing.assert_array_equal(made.snapshot().theta(), theta)
    assert made.steps == 2
    assert not isinstance(made, HalfSteps)
    assert isinstance(learner("ppca", rows()), HalfSteps)


@pytest.mark.parametrize(("n", "d", "k"), [(400, 6, 2), (300, 5, 1), (30, 40, 3)])
def test_em_converges_to_the_closed_form(n: int, d: int, k: int) -> None:
    x = rows(n, d, k, signal=0.7)  # where the signal is clear EM is slow
    em = learner("ppca", x, 1500, latent_dim=k).snapshot()
    best = learner("ppca", x, 1, latent_dim=k, method="closed-form").snapshot()
    assert em.log_prob(x).mean() == pytest.approx(best.log_prob(x).mean(), rel=1e-8)
    angles = subspace_angles(parts(em, d, k)[1], parts(best, d, k)[1])
    assert angles.max() < 1e-4
    np.testing.assert_allclose(covariance(em, d, k), covariance(best, d, k), rtol=1e-3, atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(3, 20), st.integers(1, 6), st.integers(1, 8), st.floats(-1, 1), st.integers(0, 2**32 - 1)
)  # fmt: skip
def test_no_theta_is_better_than_the_closed_form(n: int, d: int, k: int, size: float, seed: int) -> None:
    x = rows(n, d, seed=seed)
    best = learner("ppca", x, 1, latent_dim=k, method="closed-form", minimum_variance=1e-3).snapshot()
    floor = 1e-3 * x.astype(np.float64).var(0).mean()
    theta = best.theta()
    other = theta + 10**size * 0.1 * np.random.default_rng(seed).normal(size=theta.shape)
    other[-1] = max(other[-1], math.log(floor))
    at_best = best.log_prob(x).mean()
    assert best.at(other).log_prob(x).mean() <= at_best + 1e-9 * max(1, abs(at_best))


def test_with_as_many_factors_as_columns_the_covariance_is_that_of_the_rows() -> None:
    x = rows(d=3)
    model = learner("ppca", x, 1, latent_dim=5, method="closed-form").snapshot()
    np.testing.assert_allclose(covariance(model, 3, 5), np.cov(x.T.astype(np.float64), bias=True), rtol=1e-9)


def test_maximum_likelihood_by_covariance_and_by_singular_values_agree() -> None:
    """Of 6 rows with 5 columns, and of the same with 5 columns of zeros, which only dilute the noise."""
    x = rows(6, 5)
    mean = x.mean(0, dtype=np.float64)
    weights, noise = maximum_likelihood(Rows(x), mean, 2)
    wide = np.concatenate([x, np.zeros((6, 5), np.float32)], 1)
    wide_weights, wide_noise = maximum_likelihood(Rows(wide), np.concatenate([mean, np.zeros(5)]), 2)
    np.testing.assert_allclose(wide_noise[0] * 8, noise[0] * 3, rtol=1e-9)
    scale = np.sqrt((weights**2).sum(0) + noise[0]), np.sqrt((wide_weights**2).sum(0) + wide_noise[0])
    np.testing.assert_allclose(*scale, rtol=1e-9)


# -- factor analysis against scikit-learn ------------------------------------------------------------


def test_factor_analysis_is_scikit_learns() -> None:
    x = rows(500, 8, 2)
    model = learner("factor-analysis", x, 1500, latent_dim=2).snapshot()
    other = FactorAnalysis(2, tol=1e-12, max_iter=20_000, svd_method="lapack").fit(x.astype(np.float64))
    assert model.log_prob(x).mean() == pytest.approx(other.score(x.astype(np.float64)), rel=1e-8)
    np.testing.assert_allclose(parts(model, 8, 2)[2], other.noise_variance_, rtol=1e-3)
    np.testing.assert_allclose(covariance(model, 8, 2), other.get_covariance(), rtol=1e-3, atol=1e-3)


# -- EM ----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(MAKERS)), st.integers(2, 40), st.integers(1, 8), st.integers(1, 10),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_em_never_goes_down_and_the_bound_stays_below(kind: str, n: int, d: int, k: int, seed: int) -> None:
    """After each E the bound touches log p; each M lifts both; the bound of the old q stays below."""
    x = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    made = learner(kind, x, seed=seed, latent_dim=k)
    before = -math.inf
    for _ in range(12):
        half, e = made.half_step()
        assert half == "E"
        noise = 1e-9 * max(1.0, abs(e["log_likelihood"]))
        assert e["elbo"] == pytest.approx(e["log_likelihood"], rel=1e-8, abs=1e-8)
        assert e["log_likelihood"] >= before - noise
        half, m = made.half_step()
        assert half == "M"
        assert m["elbo"] >= e["elbo"] - noise
        assert m["log_likelihood"] >= m["elbo"] - noise
        before = m["log_likelihood"]


@EACH
def test_half_steps_give_the_numbers_of_the_snapshot(kind: str) -> None:
    x = rows()
    made = learner(kind, x, 3)
    before = made.snapshot()
    _, e = made.half_step()
    assert made.steps == 3  # θ has not moved
    assert e["log_likelihood"] == pytest.approx(before.log_prob(x).mean(), rel=1e-12)
    assert e["elbo"] == pytest.approx(e["log_likelihood"], rel=1e-10)
    _, m = made.half_step()
    after = made.snapshot()
    assert m["log_likelihood"] == pytest.approx(after.log_prob(x).mean(), rel=1e-12)
    assert after.stamp.step == made.steps == 4
    # the bound after M, with the q of before: E_q[log p(x, z)] under the new θ by sampling, and q's entropy
    q = before.encode(x)
    tril = q.scale_tril[0].astype(np.float64)
    noise = np.random.default_rng(0).normal(size=(len(x), 400, 2))
    draws = after.log_joint(x, q.mean[:, None] + noise @ tril.T).mean(1)
    entropy = 1 + math.log(2 * math.pi) + np.log(np.diag(tril)).sum()
    stderr = after.log_joint(x, q.mean[:, None] + noise @ tril.T).std() / math.sqrt(noise.size / 2)
    assert m["elbo"] == pytest.approx(draws.mean() + entropy, abs=6 * stderr)
    assert m["elbo"] < m["log_likelihood"]


@EACH
def test_a_step_is_both_halves(kind: str) -> None:
    whole, halves = learner(kind, rows()), learner(kind, rows())
    halves.half_step()
    assert whole.step() == halves.half_step()[1]
    halves.half_step()  # an E; the step that follows makes the M alone
    assert whole.step() == halves.step()
    assert same_state(whole.state(), halves.state())


@EACH
@pytest.mark.parametrize("between", [False, True])
def test_it_resumes_bit_for_bit_also_between_e_and_m(kind: str, between: bool) -> None:
    x = rows()
    straight, first = learner(kind, x, 3), learner(kind, x, 3)
    if between:
        straight.half_step()
        first.half_step()
    second = learner(kind, x, 5, seed=9)
    second.restore(first.state())
    assert same_state(second.state(), first.state())
    for _ in range(7):
        assert straight.half_step() == second.half_step()
    assert same_state(second.state(), straight.state())


def test_a_state_with_numbers_that_make_no_model_is_refused() -> None:
    made = learner("ppca", rows(), 2)
    good = made.state()
    for name, value in (("log_noise", -800.0), ("log_noise", math.nan), ("weights", math.inf)):
        bad = State({**good.arrays, name: np.full_like(good.arrays[name], value)}, good.values)
        with pytest.raises(InputError):
            made.restore(bad)
    for name, value in (("half", "F"), ("steps", -1), ("steps", True)):
        with pytest.raises(InputError, match=name):
            made.restore(State(good.arrays, {**good.values, name: value}))
    assert same_state(made.state(), good)


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = rows()
    whole = learner("factor-analysis", x, 5).step()
    monkeypatch.setattr("backends.exact.factor_rows._BLOCK", 6 * 7)  # 7 rows at a time
    parted = learner("factor-analysis", x, 5).step()
    assert parted == pytest.approx(whole, rel=1e-12)


@EACH
def test_theta_of_another_density_is_refused_by_a_sentence(kind: str) -> None:
    model = learner(kind, rows(), 1).snapshot()
    for value in (math.nan, math.inf, -800.0, 1e200):
        theta = model.theta()
        theta[-1] = value
        with pytest.raises(InputError):
            model.at(theta)


# -- data that are hard --------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("name", ["digits", "digits-grey", "digits-16"])
def test_digits_with_constant_columns_are_fitted(kind: str, name: str) -> None:
    data = open_data(name)
    assert (data.train.x.std(0) == 0).any()
    run = Run.start(kind, data, {"latent_dim": 5})
    values = [run.step()["log_likelihood"] for _ in range(30)]
    assert np.isfinite(values).all()
    assert (np.diff(values) >= -1e-9 * np.abs(values[1:])).all()
    report = finish(evaluate(run.model(), data))
    assert report.splits["test"]["elbo"].method == "analytic"
    assert report.splits["test"]["log_likelihood"].method == "exact"
    assert math.isfinite(report.splits["test"]["log_likelihood"].value)


@EACH
@pytest.mark.parametrize("floor", [1e-12, 1e-6])
@pytest.mark.parametrize("method", ["em", "closed-form"])
@pytest.mark.parametrize(
    ("n", "d", "k"), [(2, 3, 2), (3, 10, 8), (40, 2, 6), (5, 1, 3), (60, 3, 3)]
)  # fmt: skip
def test_more_factors_than_rows_or_columns_are_fitted(
    kind: str, method: str, floor: float, n: int, d: int, k: int
) -> None:
    values = {"method": method} if kind == "ppca" else {}
    made = learner(kind, rows(n, d, 1), 60, latent_dim=k, minimum_variance=floor, **values)
    model = made.snapshot()
    assert math.isfinite(made.step()["log_likelihood"])
    for array in (model.encode(rows(n, d, 1)).scale_tril, model.sample(5, 0), model.theta()):
        assert np.isfinite(array).all()


@EACH
def test_rows_that_come_twice_count_twice(kind: str) -> None:
    x = rows(20)
    once, twice = learner(kind, x, 10), learner(kind, np.repeat(x, 2, 0), 10)
    np.testing.assert_allclose(twice.snapshot().theta(), once.snapshot().theta(), rtol=1e-8)


@EACH
@pytest.mark.parametrize("x", [rows(1), np.repeat(rows(1), 30, 0)], ids=["one", "same"])
def test_rows_without_variance_are_refused_by_a_sentence(kind: str, x: Array) -> None:
    with pytest.raises(InputError, match="there is no variance to model"):
        learner(kind, x)


@EACH
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_named_by_their_column(kind: str, value: float) -> None:
    x = rows()
    x[3, 4] = value
    with pytest.raises(InputError, match=r"^column 4 holds values that are not finite$"):
        learner(kind, x)


@EACH
@pytest.mark.parametrize("scale", [1e-18, 1e18])
def test_units_do_not_matter(kind: str, scale: float) -> None:
    x = rows()
    near, far = learner(kind, x, 20), learner(kind, (x * np.float32(scale)).astype(np.float32), 20)
    shift = x.shape[1] * math.log(scale)
    assert far.step()["log_likelihood"] + shift == pytest.approx(near.step()["log_likelihood"], abs=1e-3)


@EACH
def test_rows_far_from_the_origin_lose_nothing(kind: str) -> None:
    x = np.round(rows() * 64) / 64  # so that the shifted rows are exact in float32
    near, far = learner(kind, x, 20).step(), learner(kind, x + np.float32(4096), 20).step()
    assert far == pytest.approx(near, rel=1e-9)


def test_the_floor_is_kept_and_is_the_users() -> None:
    x = rows()
    x[:, 2] = 1.5
    model = learner("factor-analysis", x, 30, minimum_variance=1e-3).snapshot()
    floor = 1e-3 * x.astype(np.float64).var(0).mean()
    noise = parts(model, 6, 2)[2]
    assert noise[2] == pytest.approx(floor)
    assert noise.min() >= floor * (1 - 1e-12)
    assert parts(model, 6, 2)[1][2] == pytest.approx(0)


def test_another_device_is_refused() -> None:
    with pytest.raises(InputError, match="cuda"):
        ppca(rows(), DataInfo("rows", "Rows", 6), {}, device="cuda")


def test_the_closed_form_conforms() -> None:
    bad = [r for r in conform(find_kind("ppca")[1], values={"method": "closed-form"}) if not r.ok]
    assert not bad, [f"{r.case} {r.check.name}: {r.sentence}" for r in bad]

"""EM for mixtures against what theory says of it, and its course: half-steps, states, memory, digits."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from backends.base import Diverged, HalfSteps, InputError, State
from backends.exact import components, gaussians
from backends.exact.densities import Pairs, Squares, Tied, Whitened
from backends.exact.posteriors import Exact
from backends.exact.rows import Rows
from tests.backends.mixtures import TYPES, bits, bmm, clusters, gmm


def rounding(learner):
    """What ill-conditioned covariances, just before they are singular, make of float64's last digit."""
    m = learner.snapshot()
    if not hasattr(m, "covariances"):
        return 0.0
    return 1e-14 * max(np.linalg.cond(one) for one in m.covariances)


def assert_climbs(learner, steps=15):
    """Each half-step does what theory says; a Diverged is the end of a plain maximum likelihood."""
    before = -np.inf
    try:
        for _ in range(steps):
            half, e = learner.half_step()
            assert half == "E"
            slack = 1e-10 * max(1.0, abs(e["log_likelihood"])) + rounding(learner)
            assert e["elbo"] == pytest.approx(e["log_likelihood"], abs=slack)
            assert e["log_likelihood"] >= before - slack
            half, m = learner.half_step()
            assert half == "M"
            slack = 1e-10 * max(1.0, abs(m["log_likelihood"])) + rounding(learner)
            assert m["elbo"] <= m["log_likelihood"] + slack
            assert m["elbo"] >= e["elbo"] - slack
            assert m["elbo"] == pytest.approx(m["expected_log_joint"] + m["entropy"])
            before = m["log_likelihood"]
    except Diverged as error:
        if "singular" not in str(error):
            raise


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(20, 120), d=st.integers(1, 5), k=st.integers(1, 6),
    covariance=st.sampled_from(TYPES), init=st.sampled_from(["k-means++", "random-points"]),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_em_never_goes_down(n, d, k, covariance, init, seed):
    x = clusters(n, d, seed)
    assert_climbs(gmm(x, seed, components=k, covariance=covariance, init=init, reg_covar=0))


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(8, 120), d=st.integers(1, 12), k=st.integers(1, 8),
    floor=st.sampled_from([1e-12, 1e-3, 0.25]), seed=st.integers(0, 1000),
)  # fmt: skip
def test_bernoulli_em_never_goes_down(n, d, k, floor, seed):
    assert_climbs(bmm(bits(n, d, seed), seed, components=k, floor=floor))


@pytest.mark.parametrize("make", [lambda x: gmm(x, components=3), lambda x: bmm(x, components=3)])
def test_the_bound_after_an_m_step_is_that_of_its_definition(make):
    x = bits(100, 6) if make(bits()).kind == "bernoulli-mixture" else clusters(100)
    learner = make(x)
    learner.half_step()
    r = learner.snapshot().encode(x).probs
    scalars = learner.half_step()[1]
    m = learner.snapshot()
    log_joint = np.log(m.encode(x).probs) + m.log_prob(x)[:, None]  # log π_k p(x|k)
    want = (r * (log_joint - np.log(r))).sum(1).mean()
    assert scalars["elbo"] == pytest.approx(want, rel=1e-9)
    assert scalars["log_likelihood"] == pytest.approx(m.log_prob(x).mean(), rel=1e-12)


def test_a_models_elbo_is_log_p_and_its_terms_are_those_of_the_definition():
    x = clusters(50)
    learner = gmm(x, components=4)
    learner.step()
    m = learner.snapshot()
    bound, r = m.elbo(x), m.encode(x).probs
    np.testing.assert_allclose(bound.value, m.log_prob(x), rtol=1e-10)
    np.testing.assert_allclose(bound.kl_prior, (r * np.log(r / m.weights)).sum(1), atol=1e-10)
    assert bound.stderr is None


FAST = {"full": Pairs, "tied": Tied, "diag": Squares, "spherical": Squares}


@pytest.mark.parametrize("covariance", TYPES)
def test_one_matrix_product_gives_what_whitening_gives(covariance, monkeypatch):
    x = clusters(300)
    start = gmm(x, components=4, covariance=covariance)
    start.step()
    form = start._components
    monkeypatch.setattr(gaussians, "_NEAR", 0.0)
    plain = form.with_arrays(form.arrays())
    assert type(form.density) is FAST[covariance]
    assert type(plain.density) is Whitened
    wide = x.astype(np.float64)
    np.testing.assert_allclose(form.log_prob(wide), plain.log_prob(wide), rtol=0, atol=1e-11)
    np.testing.assert_allclose(form.log_prob(1e6 * wide), plain.log_prob(1e6 * wide), rtol=1e-11)
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    fast, slow = (Rows(x).expectation(weights, one, Exact()) for one in (form, plain))
    assert fast.log_likelihood == pytest.approx(slow.log_likelihood, rel=1e-13)
    assert fast.entropy == pytest.approx(slow.entropy, rel=1e-11)
    for a, b in zip(fast.statistics, slow.statistics, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("covariance", TYPES)
def test_clusters_far_apart_are_fitted_as_by_whitening(covariance, monkeypatch):
    x = np.concatenate([clusters(200), clusters(200) + np.float32(3e5)])
    courses = []
    for near in (gaussians._NEAR, 0.0):
        monkeypatch.setattr(gaussians, "_NEAR", near)
        learner = gmm(x, components=4, covariance=covariance, seed=1)
        courses.append([learner.step()["log_likelihood"] for _ in range(50)])
    np.testing.assert_allclose(*courses, rtol=1e-8)


@pytest.mark.parametrize("covariance", TYPES)
def test_components_are_whitened_one_by_one_where_digits_would_be_lost(covariance):
    x = clusters(40, 2)
    form = gmm(x, components=2, covariance=covariance)._components
    own = 1e-8 * (np.eye(2) if form.scale.ndim == 3 else 1)
    thin = form.placed(form.means, np.broadcast_to(own, form.scale.shape))
    assert type(thin.density) is Whitened
    want = [multivariate_normal(mean, 1e-8 * np.eye(2)).logpdf(x) for mean in thin.means]
    np.testing.assert_allclose(thin.log_prob(x.astype(np.float64)), np.stack(want, 1), rtol=1e-12)


def test_rows_in_many_blocks_give_what_they_give_in_one(monkeypatch):
    x = clusters(1000)
    form = gmm(x, components=4)._components
    weights = np.full(4, 0.25)
    whole = Rows(x).expectation(weights, form, Exact())
    monkeypatch.setattr(components, "_BLOCK", 1)  # 256 rows each
    parts = Rows(x).expectation(weights, form, Exact())
    assert parts.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-12)
    for a, b in zip(parts.statistics, whole.statistics, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("near", [0.0, 1e6], ids=["whitened", "one product"])
def test_memory_does_not_grow_with_the_rows(near, monkeypatch):
    monkeypatch.setattr(gaussians, "_NEAR", near)
    peaks = []
    for n in (50_000, 200_000):
        learner = gmm(clusters(n, 4), components=8, init="random-points")
        learner.step()
        tracemalloc.start()
        learner.step()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] < 8 * 50_000 * 8 * 4  # n·K·d numbers would be this


def test_data_far_from_the_origin_lose_no_digits():
    x = np.round(clusters(300) * 64) / 64  # exact in float32 wherever the origin is
    near, far = gmm(x, components=3), gmm(x + np.float32(8192), components=3)
    for _ in range(20):
        a, b = near.step()["log_likelihood"], far.step()["log_likelihood"]
        assert a == pytest.approx(b, rel=1e-9)


@pytest.mark.parametrize("make", [lambda: gmm(clusters(), components=4), lambda: bmm(bits(), components=3)])
def test_half_steps_and_whole_steps_are_one_course(make):
    whole, halves = make(), make()
    assert isinstance(halves, HalfSteps)
    assert halves.half_step()[0] == "E"
    assert halves.steps == 0
    assert halves.step() == whole.step()  # only the M-step is left
    assert halves.half_step()[0] == "E"
    assert halves.half_step() == ("M", whole.step())
    assert halves.steps == whole.steps == 2


@pytest.mark.parametrize("halves", [4, 5])
@pytest.mark.parametrize("make", [lambda: gmm(clusters(), components=4), lambda: bmm(bits(), components=3)])
def test_resumes_bit_for_bit_after_either_half(make, halves):
    straight, other = make(), make()
    for _ in range(halves):
        straight.half_step()
    saved = straight.state()
    other.restore(saved)
    for _ in range(7):
        assert other.half_step() == straight.half_step()
    for name, array in straight.state().arrays.items():
        np.testing.assert_array_equal(other.state().arrays[name], array)


def test_a_state_that_is_no_mixture_is_refused():
    learner = gmm(clusters(), components=2)
    state = learner.state()
    bad = {
        "weights": np.array([0.9, 0.9]),
        "scale": -state.arrays["scale"],
        "means": np.full_like(state.arrays["means"], np.nan),
    }
    for name, array in bad.items():
        with pytest.raises(InputError, match=name):
            learner.restore(State({**state.arrays, name: array}, state.values))
    with pytest.raises(InputError, match="next"):
        learner.restore(State(state.arrays, {**state.values, "next": "X"}))


@pytest.mark.parametrize("covariance", TYPES)
def test_begins_where_a_hand_puts_it(covariance):
    x = clusters()
    learner = gmm(x, components=2, covariance=covariance)
    shape = {"full": (2, 3, 3), "tied": (1, 3, 3), "diag": (2, 3), "spherical": (2, 1)}[covariance]
    own = np.broadcast_to(4 * np.eye(3), shape) if len(shape) == 3 else np.full(shape, 4.0)
    means = np.array([[1.0, 2, 3], [4, 5, 6]])
    learner.place(np.array([0.3, 0.7]), means, own)
    m = learner.snapshot()
    np.testing.assert_allclose(m.weights, [0.3, 0.7])
    np.testing.assert_array_equal(m.means, means)
    np.testing.assert_allclose(m.covariances, np.broadcast_to(4 * np.eye(3), (2, 3, 3)))
    learner.step()
    with pytest.raises(InputError, match="shapes"):
        learner.place(np.array([1.0]), means[:1], own[:1])
    with pytest.raises(InputError, match="weights"):
        learner.place(np.array([0.3, 0.3]), means, own)
    with pytest.raises(InputError, match="singular"):
        learner.place(np.array([0.3, 0.7]), means, -own)

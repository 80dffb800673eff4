"""Variational EM for mixtures: k-means, autograd, brute force, and what must hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import xlogy

from backends.base import DataInfo, Diverged, InputError, State
from backends.capabilities import capabilities
from backends.conformance import conform, small_data
from backends.exact.mixtures import KINDS
from tests.backends.mixtures import FORMS, POSTERIORS, bits, clusters, make, rows_of

# -- oracles: k-means, brute force, autograd --------------------------------------------------------------


def test_hard_em_with_one_variance_and_equal_weights_is_lloyds_algorithm():
    from sklearn.cluster import KMeans

    x, k = clusters(500), 4
    learner = make("spherical", x, components=k, posterior="hard")
    start = learner.snapshot().means
    for iteration in range(1, 8):
        learner.step()
        means = learner.snapshot().means
        kmeans = KMeans(k, init=start, n_init=1, max_iter=iteration, tol=0, algorithm="lloyd")
        kmeans.fit(x.astype(np.float64))
        np.testing.assert_allclose(means, kmeans.cluster_centers_, rtol=1e-10)
        learner.place(np.full(k, 1 / k), means, np.ones((k, 1)))
    np.testing.assert_array_equal(
        learner.snapshot().encode(x).probs.argmax(1), kmeans.predict(x.astype(np.float64))
    )


def log_joint_of(model, x):
    """log π_k p(x|k) by the model's own exact posterior: (n, K)."""
    exact = type(model)(model.kind, model.info, model._components, model.theta(), model.stamp)
    return np.log(exact.encode(x).probs) + model.log_prob(x)[:, None]


@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize("form", FORMS)
def test_every_number_of_a_half_step_is_that_of_its_definition(form, posterior):
    x = rows_of(form)
    learner = make(form, components=3, posterior=posterior)
    learner.step()
    for _ in range(2):
        half, scalars = learner.half_step()
        now = learner.snapshot()
        if half == "E":
            q = now.encode(x).probs
        bound = (q * log_joint_of(now, x) - xlogy(q, q)).sum(1)
        assert scalars["elbo"] == pytest.approx(bound.mean(), rel=1e-9)
        assert scalars["entropy"] == pytest.approx(-xlogy(q, q).sum(1).mean(), rel=1e-9)
        assert scalars["log_likelihood"] == pytest.approx(now.log_prob(x).mean(), rel=1e-11)
    assert half == "M"


@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize("form", FORMS)
def test_log_p_minus_the_models_elbo_is_the_kl_of_its_q(form, posterior):
    x = rows_of(form)
    learner = make(form, components=3, posterior=posterior)
    for _ in range(3):
        learner.step()
    m = learner.snapshot()
    q, bound = m.encode(x).probs, m.elbo(x)
    log_p = m.log_prob(x)
    kl = (xlogy(q, q) - q * (log_joint_of(m, x) - log_p[:, None])).sum(1)
    np.testing.assert_allclose(log_p - bound.value, kl, atol=1e-9)
    np.testing.assert_allclose(bound.kl_prior, (xlogy(q, q) - q * np.log(m.weights)).sum(1), atol=1e-9)
    if posterior == "exact":
        np.testing.assert_allclose(bound.value, log_p, rtol=1e-10)
    else:
        assert kl.mean() > 1e-3  # the gap that stays
    if posterior == "hard":
        assert set(np.unique(q)) == {0.0, 1.0}


def torch_bound(form, theta, phi, features, x, k):
    """L in nats a datum, written anew."""
    d = x.shape[1]
    log_pi, means, rest = (
        torch.log_softmax(theta[:k], 0),
        theta[k : k + k * d].reshape(k, d),
        theta[k + k * d :],
    )
    if form == "bernoulli":
        log_p = x @ means.T - torch.nn.functional.softplus(means).sum(1)
    elif form in ("diag", "spherical"):
        log_std = rest.reshape(k, -1).expand(k, d)
        z = (x[:, None] - means) / log_std.exp()
        log_p = (-0.5 * z**2 - log_std - 0.5 * np.log(2 * np.pi)).sum(2)
    else:
        rows, columns = torch.tril_indices(d, d)
        tril = torch.zeros(k if form == "full" else 1, d, d, dtype=torch.float64)
        tril[:, rows, columns] = rest.reshape(len(tril), -1)
        diagonal = torch.diagonal(tril, dim1=1, dim2=2)
        tril = tril - torch.diag_embed(diagonal) + torch.diag_embed(diagonal.exp())
        normal = torch.distributions.MultivariateNormal(means, scale_tril=tril.expand(k, d, d))
        log_p = normal.log_prob(x[:, None])
    log_q = torch.log_softmax(features @ phi, 1)
    return (log_q.exp() * (log_pi + log_p - log_q)).sum(1).mean()


@pytest.mark.parametrize("form", FORMS)
def test_gradient_half_steps_are_those_of_autograd(form):
    x, k, rate = rows_of(form), 3, 1e-3  # so small that none is halved
    learner = make(
        form, x, components=k, posterior="gradient", gradient_steps=4, learning_rate=rate,
        **({"floor": 1e-12} if form == "bernoulli" else {"reg_covar": 0.0}),
    )  # fmt: skip
    wide = torch.tensor(x, dtype=torch.float64)
    z = (wide - wide.mean(0)) / wide.std(0, correction=0)
    features = torch.cat([z, torch.ones(len(z), 1)], 1)
    phi = torch.zeros(x.shape[1] + 1, k, dtype=torch.float64, requires_grad=True)
    theta = torch.tensor(learner.snapshot().theta(), requires_grad=True)
    for _ in range(3):
        for variable in (phi, theta):
            for _ in range(4):
                bound = torch_bound(form, theta, phi, features, wide, k)
                (slope,) = torch.autograd.grad(bound, variable)
                with torch.no_grad():
                    variable += rate * slope
            scalars = learner.half_step()[1]
            want = torch_bound(form, theta, phi, features, wide, k).item()
            assert scalars["elbo"] == pytest.approx(want, rel=1e-10)
    m = learner.snapshot()
    np.testing.assert_allclose(learner.state().arrays["phi"], phi.detach(), rtol=1e-8, atol=1e-12)
    got, want = m.theta(), theta.detach().numpy()
    got[:k], want[:k] = got[:k] - got[0], want[:k] - want[0]  # log π is known up to a constant
    np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-10)
    assert np.abs(learner.state().arrays["phi"]).max() > 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_gradient_steps_end_where_the_m_step_of_exact_em_ends(form):
    """They climb what it maximises, the floor on variances or probabilities included."""
    x = rows_of(form)
    if form != "bernoulli":
        x[:40] = x[0]
    values = {"floor": 0.2} if form == "bernoulli" else {"reg_covar": 0.05}
    learner = make(
        form, x, components=2, posterior="gradient", gradient_steps=5000, learning_rate=2, **values
    )
    learner.half_step()
    statistics = learner._expectation.statistics
    want = learner._components.maximise(statistics)
    learner.half_step()
    got = learner._components
    assert got.objective(statistics) == pytest.approx(want.objective(statistics), rel=1e-7)
    np.testing.assert_allclose(got.means, want.means, atol=1e-3)


# -- what must hold ---------------------------------------------------------------------------------------


def rounding(model):
    """What ill-conditioned covariances, just before they are singular, make of float64's last digit."""
    if not hasattr(model, "covariances"):
        return 0.0
    return 1e-14 * max(np.linalg.cond(one) for one in model.covariances)


def assert_climbs(learner, halves=20):
    """The bound, plus log p(θ)/n where there is a prior, never falls and is never above log p(X)."""
    before = -np.inf
    for _ in range(halves):
        try:
            half, now = learner.half_step()
        except Diverged as error:
            if "singular" not in str(error):
                raise
            return
        assert np.isfinite(list(now.values())).all()
        log_prior = now.get("log_posterior", now["log_likelihood"]) - now["log_likelihood"]
        slack = 1e-10 * max(1.0, abs(now["log_likelihood"]) + abs(log_prior)) + rounding(learner.snapshot())
        assert now["elbo"] <= now["log_likelihood"] + slack
        assert now["elbo"] + log_prior >= before - slack, half
        if half == "E" and learner.values["posterior"] == "exact":
            assert now["elbo"] == pytest.approx(now["log_likelihood"], abs=slack)
        before = now["elbo"] + log_prior


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(12, 100), d=st.integers(1, 4), k=st.integers(1, 6), form=st.sampled_from(FORMS),
    posterior=st.sampled_from(POSTERIORS), rate=st.sampled_from([0.1, 3.0, 1e6]), prior=st.booleans(),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_no_half_step_lowers_the_bound(n, d, k, form, posterior, rate, prior, seed):
    values = {"posterior": posterior, "components": k, "learning_rate": rate, "gradient_steps": 3}
    if form != "bernoulli":
        values["reg_covar"] = 0.0  # above 0 the last digits may fall, as its doc says
        if prior and posterior != "gradient":
            values["prior"] = "conjugate"
    x = bits(n, d, seed) if form == "bernoulli" else clusters(n, d, seed)
    assert_climbs(make(form, x, seed, **values))


def degenerate_rows(kind, n, d, seed):
    x = clusters(n, d, seed)
    if kind == "duplicated":
        x = np.repeat(x[: max(1, n // 5)], 5, axis=0)
    elif kind == "constant column":
        x[:, 0] = 7
    elif kind == "one point":
        x = np.repeat(x[:1], n, axis=0)
    elif kind == "huge":
        x = 1e18 * x
    elif kind == "tiny":
        x = 1e-18 * x
    return x.astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 30), d=st.integers(1, 3), k=st.integers(1, 5), form=st.sampled_from(FORMS),
    posterior=st.sampled_from(POSTERIORS), batch=st.sampled_from([0, 1, 7]), seed=st.integers(0, 1000),
    rate=st.sampled_from([1.0, 1e6]), reg=st.sampled_from([0.0, 1e-6]),
    rows=st.sampled_from(["duplicated", "constant column", "one point", "huge", "tiny", "nan"]),
)  # fmt: skip
def test_bad_rows_give_a_fit_or_a_sentence(n, d, k, form, posterior, batch, seed, rate, reg, rows):
    values = {"components": k, "posterior": posterior, "batch_size": batch, "learning_rate": rate}
    if form == "bernoulli":
        x = bits(n, d, seed)
        x[:] = x[:1] if rows == "one point" else x
    else:
        x = degenerate_rows(rows, n, d, seed)
        values["reg_covar"] = reg
    if rows == "nan":
        x[-1, -1] = np.nan
    try:
        learner = make(form, x, seed, **values)
        for _ in range(6):
            scalars = learner.step()
            assert np.isfinite(list(scalars.values())).all()
    except (InputError, Diverged) as error:
        assert str(error)  # noqa: PT017 - either outcome is right
        return
    assert rows != "nan"
    m = learner.snapshot()
    for answer in (m.log_prob(x), m.encode(x).probs, m.elbo(x).value, m.theta()):
        assert np.isfinite(answer).all()
    assert m.weights.sum() == pytest.approx(1)


def test_gradient_steps_with_a_prior_are_refused():
    with pytest.raises(InputError, match="choose prior none"):
        make("full", components=2, posterior="gradient", prior="conjugate")
    kind = next(k for k in KINDS if k.name == "gmm")
    values = {p.name: p.default for p in kind.parameters} | {"posterior": "gradient", "prior": "conjugate"}
    with pytest.raises(InputError, match="choose prior none"):
        kind.check_data(DataInfo("some", "Some", 2), values)


def test_the_pace_of_gradient_steps_changes_during_a_run():
    learner = make("full", components=2, posterior="gradient")
    learner.set("learning_rate", 1e-12)
    learner.set("gradient_steps", 1)
    before = learner.snapshot().theta()
    learner.step()
    np.testing.assert_allclose(learner.snapshot().theta(), before, atol=1e-9)
    with pytest.raises(InputError, match="posterior cannot change"):
        learner.set("posterior", "exact")


@pytest.mark.parametrize("values", [{"posterior": "hard"}, {"posterior": "gradient"}, {"batch_size": 64},
                                    {"posterior": "gradient", "batch_size": 299}], ids=str)  # fmt: skip
@pytest.mark.parametrize("name", ["gmm", "bernoulli-mixture"])
def test_every_way_of_fitting_passes_conformance(name, values):
    kind = next(k for k in KINDS if k.name == name)
    for data in small_data():
        if name == "gmm" or data.info.values == "binary":
            for result in conform(kind, data, {**values, "components": 3}):
                assert result.sentence == "", f"{result.case}: {result.check.name}"


@pytest.mark.parametrize("halves", [4, 5])
@pytest.mark.parametrize("batch", [0, 64])
@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize("form", ["full", "bernoulli"])
def test_resumes_bit_for_bit_after_either_half(form, posterior, batch, halves):
    values = {"components": 3, "posterior": posterior, "batch_size": batch}
    straight, other = make(form, seed=1, **values), make(form, seed=2, **values)
    for _ in range(halves):
        straight.half_step()
    other.restore(straight.state())
    for _ in range(13):  # over the end of an epoch of batches
        assert other.half_step() == straight.half_step()
    for name, array in straight.state().arrays.items():
        np.testing.assert_array_equal(other.state().arrays[name], array)


def test_a_state_of_another_q_is_refused():
    learner = make("full", components=2, posterior="gradient")
    state = learner.state()
    with pytest.raises(InputError, match="phi_scale"):
        learner.restore(State({**state.arrays, "phi_scale": np.zeros(3)}, state.values))
    with pytest.raises(InputError, match="phi"):
        make("full", components=2).restore(state)
    with pytest.raises(InputError, match="seed"):
        make("full", components=2, batch_size=10).restore(state)


# -- bounds as functions of θ -----------------------------------------------------------------------------


@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize("form", FORMS)
def test_the_bound_along_a_line_is_that_of_its_definition(form, posterior):
    x = rows_of(form)
    learner = make(form, components=3, posterior=posterior)
    learner.step()
    old = learner.snapshot()
    assert "bound" in capabilities(old)
    learner.step()
    new = learner.snapshot()
    steps = np.linspace(-1, 2, 7)[:, None]
    thetas = (1 - steps) * old.theta() + steps * new.theta()
    q = old.encode(x).probs
    curve, bound = old.log_likelihood_at(thetas, x), old.bound_at(thetas, x)
    for theta, on_curve, on_bound in zip(thetas, curve, bound, strict=True):
        there = old.at(theta)
        assert on_curve == pytest.approx(there.log_prob(x).mean(), rel=1e-12)
        want = (q * log_joint_of(there, x) - xlogy(q, q)).sum(1).mean()
        assert on_bound == pytest.approx(want, rel=1e-8)
    assert (bound <= curve + 1e-10).all()
    at_old = old.bound_at(old.theta()[None], x)
    if posterior == "exact":
        np.testing.assert_allclose(at_old, old.log_prob(x).mean(), rtol=1e-10)
        assert (bound < curve - 1e-6).any()
    np.testing.assert_allclose(at_old, old.elbo(x).value.mean(), rtol=1e-10)


def test_a_theta_that_float64_cannot_hold_is_at_minus_infinity():
    x = clusters(300)
    m = make("full", components=2).snapshot()
    far = m.theta()
    far[-1] = 1e4  # the logarithm of a standard deviation
    thetas = np.stack([m.theta(), far, -far])
    for curve in (m.bound_at(thetas, x), m.log_likelihood_at(thetas, x)):
        assert np.isfinite(curve[0])
        assert not np.isnan(curve).any()
        assert curve[1] == -np.inf
    np.testing.assert_array_equal(m.bound_at(thetas, x[:0]), [0, 0, 0])
    with pytest.raises(InputError, match="thetas has shape"):
        m.bound_at(m.theta(), x)

"""Variational EM for PPCA and factor analysis: restricted q, gradients, and L(q, θ) along θ."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal, kl_divergence

from backends.base import Array, DataInfo, InputError, State
from backends.conformance import conform
from backends.exact.factor_gradients import flat, posterior_objective, theta_objective
from backends.exact.factor_inference import Factors, Posterior, Statistics
from backends.exact.factor_model import FactorModel
from backends.parameters import resolve
from backends.registry import find_kind
from tests.backends import factors
from tests.backends.factors import EACH, EACH_POSTERIOR, POSTERIORS, learner, same_state

RESTRICTED = pytest.mark.parametrize("posterior", POSTERIORS[1:])


def rows(n: int = 300, d: int = 5, k: int = 3, seed: int = 0) -> Array:
    return factors.rows(n, d, k, seed)


def true_posterior(model: FactorModel, x: Array) -> MultivariateNormal:
    """p(z|x) of each row, by conditioning the joint Gaussian of z and x."""
    w = model.loadings
    gain = np.linalg.solve(w @ w.T + np.diag(model.noise), w).T
    covariance = np.eye(w.shape[1]) - gain @ w
    mean = (x - model.mean) @ gain.T
    return MultivariateNormal(torch.tensor(mean), torch.tensor((covariance + covariance.T) / 2))


# -- q and its gap -----------------------------------------------------------------------------------


@EACH
@EACH_POSTERIOR
def test_what_the_bound_misses_is_the_kl_divergence_of_encodes_q(kind: str, posterior: str) -> None:
    x = rows()
    model = learner(kind, x, 4, latent_dim=3, posterior=posterior).snapshot()
    q = model.encode(x[:20])
    assert (q.scale_tril is None) == (posterior != "exact")
    tril = np.stack([np.diag(std) for std in q.std]) if q.scale_tril is None else q.scale_tril
    mean = torch.tensor(q.mean, dtype=torch.float64)
    own = MultivariateNormal(mean, scale_tril=torch.tensor(tril, dtype=torch.float64))
    want = kl_divergence(own, true_posterior(model, x[:20])).numpy()
    np.testing.assert_allclose(model.log_prob(x[:20]) - model.elbo(x[:20]).value, want, rtol=1e-4, atol=1e-5)
    if posterior != "exact":
        assert want.min() > 1e-3


@EACH
@pytest.mark.parametrize("posterior", ["diagonal", "spherical"])
def test_no_q_of_its_family_is_nearer_to_the_posterior(kind: str, posterior: str) -> None:
    """Nor is its mean another than the exact one; of a diagonal q the variances are 1/Λ_jj."""
    x, rng = rows(), np.random.default_rng(0)
    model = learner(kind, x, 4, latent_dim=3, posterior=posterior).snapshot()
    q, p = model.encode(x[:1]), true_posterior(model, x[:1])
    np.testing.assert_allclose(q.mean, p.mean, rtol=1e-5, atol=1e-6)
    if posterior == "diagonal":
        np.testing.assert_allclose(q.std[0] ** -2, np.diag(p.precision_matrix[0]), rtol=1e-5)

    def divergence(std: Array) -> float:
        own = MultivariateNormal(p.mean[0], torch.diag(torch.tensor(std**2, dtype=torch.float64)))
        return float(kl_divergence(own, MultivariateNormal(p.mean[0], p.covariance_matrix[0])))

    best = divergence(q.std[0].astype(np.float64))
    for size in (0.01, 0.1, 1.0):
        factor = np.exp(size * rng.normal(size=(20, 3 if posterior == "diagonal" else 1)))
        assert min(divergence(q.std[0] * f) for f in factor) > best - 1e-9


@EACH
@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(POSTERIORS), st.integers(2, 40), st.integers(1, 8), st.integers(1, 10),
    st.floats(-3, 3), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_the_bound_never_falls_nor_passes_the_likelihood(
    kind: str, posterior: str, n: int, d: int, k: int, log_rate: float, seed: int
) -> None:
    """Whatever the size of the steps, with more latents than columns, and with rows fewer than either."""
    x = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    made = learner(kind, x, seed=seed, latent_dim=k, posterior=posterior, learning_rate=10**log_rate)
    halves = [made.half_step() for _ in range(16)]
    assert [half for half, _ in halves] == ["E", "M"] * 8
    for _, s in halves:
        assert s["elbo"] == s["reconstruction"] - s["kl_prior"]
        assert s["elbo"] <= s["log_likelihood"] + 1e-9 * max(1, abs(s["log_likelihood"]))
    for (_, before), (_, after) in pairwise(halves):
        assert after["elbo"] >= before["elbo"] - 1e-9 * max(1, abs(after["elbo"]))


@EACH
@EACH_POSTERIOR
def test_half_steps_give_the_numbers_of_the_snapshot(kind: str, posterior: str) -> None:
    x = rows()
    made = learner(kind, x, 3, posterior=posterior)
    _, e = made.half_step()
    before = made.snapshot()
    bound = before.elbo(x)
    assert e["elbo"] == pytest.approx(bound.value.mean(), rel=1e-10)
    assert e["kl_prior"] == pytest.approx(bound.kl_prior.mean(), rel=1e-10)
    assert e["log_likelihood"] == pytest.approx(before.log_prob(x).mean(), rel=1e-10)
    _, m = made.half_step()
    after = made.snapshot()
    assert m["elbo"] == pytest.approx(before.bound_at(after.theta()[None], x)[0], rel=1e-10)
    assert m["log_likelihood"] == pytest.approx(after.log_prob(x).mean(), rel=1e-10)
    if posterior == "gradient":  # φ is as it was
        assert m["elbo"] == pytest.approx(after.elbo(x).value.mean(), rel=1e-10)


def test_mean_field_turns_the_latents_and_loses_nothing_but_one_variance_for_all_does() -> None:
    x, ends = rows(), {}
    for posterior in ("exact", "diagonal", "spherical"):
        ends[posterior] = learner("ppca", x, 2000, latent_dim=2, posterior=posterior).step()
    best = ends["exact"]["log_likelihood"]
    assert ends["diagonal"]["elbo"] == pytest.approx(best, abs=1e-6)
    assert best - ends["spherical"]["elbo"] > 0.01
    assert ends["spherical"]["log_likelihood"] - ends["spherical"]["elbo"] > 0.01


# -- gradients -----------------------------------------------------------------------------------------


def autograd_bound(x: Array, mean: Array, w: torch.Tensor, log_noise: torch.Tensor, *phi: torch.Tensor):
    """L by its definition, row by row."""
    projection, log_std = phi
    centred = torch.tensor(x.astype(np.float64) - mean)
    z, var = centred @ projection, torch.exp(2 * log_std)
    error = (centred - z @ w.T) ** 2 + (w**2 * var).sum(1)
    log_lik = -0.5 * (math.log(2 * math.pi) + log_noise + error / torch.exp(log_noise)).sum(1)
    kl = 0.5 * (z**2 + var - 1 - 2 * log_std).sum(1)
    return (log_lik - kl).mean()


@pytest.mark.parametrize("shared", [True, False])
def test_gradients_are_those_of_autograd(shared: bool) -> None:
    rng, x, d, k, unit = np.random.default_rng(1), rows(), 5, 3, 4.0
    mean = x.mean(0, dtype=np.float64)
    centred = x - mean
    covariance = centred.T @ centred / len(x)
    numbers = rng.normal(size=(d, k)), rng.normal(size=1 if shared else d)
    numbers += rng.normal(size=(d, k)), rng.normal(size=k)
    tensors = [torch.tensor(a, requires_grad=True) for a in numbers]
    value = autograd_bound(x, mean, tensors[0], tensors[1].expand(d), *tensors[2:])
    value.backward()
    want = [t.grad.numpy() for t in tensors]
    w, log_noise, projection, log_std = numbers
    factors = Factors(mean, w, np.array(np.broadcast_to(log_noise, d)))
    point = posterior_objective(factors, np.diag(covariance), lambda p: covariance @ p, unit)(
        flat(projection * unit, log_std)
    )
    assert point.value == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(point.gradient, flat(want[2] / unit, want[3]), rtol=1e-9)
    q = Posterior.independent(projection, log_std)
    statistics = Statistics.of(q, np.diag(covariance), lambda p: covariance @ p)
    point = theta_objective(statistics, unit)(flat(w / unit, log_noise))
    assert point.value - statistics.kl_prior(q) == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(point.gradient, flat(want[0] * unit, want[1]), rtol=1e-9)


@EACH
def test_gradient_steps_are_those_of_the_rule(kind: str) -> None:
    """One step so small that nothing is halved: φ + η∇φ L, and then θ + η∇θ L, by autograd."""
    x, rate, d, k = rows() / 4, 1e-6, 5, 2
    made = learner(kind, x, 5, posterior="gradient", learning_rate=rate, gradient_steps=1)
    unit2 = 4.0 ** round(0.5 * math.log2(x.var(0, dtype=np.float64).mean()))
    for half, names in (("E", ("projection", "log_std")), ("M", ("weights", "log_noise"))):
        before = made.state().arrays
        all_names = ("weights", "log_noise", "projection", "log_std")
        tensors = {name: torch.tensor(before[name], requires_grad=True) for name in all_names}
        noise = tensors["log_noise"].expand(d)
        autograd_bound(x, before["mean"], tensors["weights"], noise, *list(tensors.values())[2:]).backward()
        assert made.half_step()[0] == half
        after = made.state().arrays
        for name in names:
            scale = {"projection": 1 / unit2, "weights": unit2}.get(name, 1.0)
            want = rate * scale * tensors[name].grad.numpy()
            assert want.shape == after[name].shape
            np.testing.assert_allclose(after[name] - before[name], want, rtol=1e-5, atol=1e-13)
    assert k == after["log_std"].size


@EACH
def test_gradient_steps_arrive_at_the_maximum(kind: str) -> None:
    x = rows(d=3, k=1)
    exact = learner(kind, x, 500, latent_dim=1).step()
    end = learner(kind, x, 300, latent_dim=1, posterior="gradient", gradient_steps=50).step()
    assert end["elbo"] == pytest.approx(exact["log_likelihood"], abs=1e-4)


@EACH
def test_gradient_steps_are_as_long_in_any_units(kind: str) -> None:
    x = rows(30, 7)
    near = learner(kind, x, 20, posterior="gradient").step()
    far = learner(kind, x * np.float32(2.0**40), 20, posterior="gradient").step()
    assert far["elbo"] + 7 * 40 * math.log(2) == pytest.approx(near["elbo"], abs=1e-8)


# -- L(q, θ) and log p(x|θ) along θ ----------------------------------------------------------------------


def quadratic_mean(model: FactorModel, at: FactorModel, x: Array) -> float:
    """⟨E_q[log p(x, z|θ)] + H(q)⟩ with q that of a model: exact at 2k points, as log p is quadratic in z."""
    q = model.encode(x)
    mean, k = q.mean.astype(np.float64), q.mean.shape[1]
    tril = np.stack([np.diag(s) for s in q.std]) if q.scale_tril is None else q.scale_tril
    steps = math.sqrt(k) * tril.astype(np.float64).swapaxes(1, 2)
    z = np.concatenate([mean[:, None] + steps, mean[:, None] - steps], 1)
    entropy = 0.5 * k * math.log(2 * math.pi * math.e)
    entropy += np.log(np.diagonal(tril, axis1=1, axis2=2)).sum(1).mean()
    return float(at.log_joint(x, z).mean() + entropy)


@EACH
@EACH_POSTERIOR
@pytest.mark.parametrize("n", [40, 3])
def test_bound_and_likelihood_along_theta(kind: str, posterior: str, n: int) -> None:
    """Also where μ is not the mean of the rows, of which there are more or fewer than columns."""
    model = learner(kind, rows(), 5, posterior=posterior).snapshot()
    x, rng = rows(n, seed=5), np.random.default_rng(3)
    own = model.theta()
    thetas = own + np.array([0, 0.01, 0.1, 0.5])[:, None] * rng.normal(size=(4, own.size))
    bound, log_p = model.bound_at(thetas, x), model.log_likelihood_at(thetas, x)
    np.testing.assert_allclose(log_p, [model.at(t).log_prob(x).mean() for t in thetas], rtol=1e-10)
    np.testing.assert_allclose(bound, [quadratic_mean(model, model.at(t), x) for t in thetas], rtol=1e-4)
    assert bound[0] == pytest.approx(model.elbo(x).value.mean(), rel=1e-10)
    if posterior == "exact":
        assert bound[0] == pytest.approx(log_p[0], rel=1e-10)
        assert (bound[1:] < log_p[1:]).all()
    else:
        assert (bound < log_p).all()


@EACH
def test_theta_that_float64_cannot_hold_has_no_density(kind: str) -> None:
    x = rows()
    model = learner(kind, x, 2).snapshot()
    thetas = np.repeat(model.theta()[None], 5, 0)
    thetas[1:, -1] = -800, 800, math.nan, math.inf
    for values in (model.bound_at(thetas, x), model.log_likelihood_at(thetas, x)):
        assert math.isfinite(values[0])
        assert (values[1:] == -np.inf).all()
    for method in (model.bound_at, model.log_likelihood_at):
        assert method(thetas[:2], x[:0]).tolist() == [0, 0]
        assert method(thetas[:0], x).shape == (0,)
        for bad in (thetas[:, 1:], thetas[0]):
            with pytest.raises(InputError, match="theta"):
                method(bad, x)
        with pytest.raises(InputError, match="x has shape"):
            method(thetas[:1], x[:, 1:])


# -- resuming, refusals, conformance -------------------------------------------------------------------


@EACH
@EACH_POSTERIOR
@pytest.mark.parametrize("size", [0, 64])
@pytest.mark.parametrize("between", [False, True])
def test_it_resumes_bit_for_bit_also_between_e_and_m(
    kind: str, posterior: str, size: int, between: bool
) -> None:
    x, values = rows(), {"posterior": posterior, "batch_size": size}
    straight = learner(kind, x, 7, seed=3, **values)
    if between:
        straight.half_step()
    second = learner(kind, x, 1, seed=9, **values)
    second.half_step()
    second.restore(straight.state())
    assert same_state(second.state(), straight.state())
    for _ in range(13):
        assert straight.half_step() == second.half_step()
    assert same_state(second.state(), straight.state())
    assert set(straight.state().arrays) - {"mean", "weights", "log_noise"} == (
        {"projection", "log_std"} if posterior == "gradient" else set()
    ) | ({"running.variance", "running.cross", "running.second"} if size else set())


def test_a_state_without_a_seed_for_its_batches_is_refused() -> None:
    made = learner("ppca", rows(), 2, batch_size=64)
    good = made.state()
    for seed in (None, -1, "0", True):
        with pytest.raises(InputError, match="seed"):
            made.restore(State(good.arrays, {**good.values, "seed": seed}))
    assert same_state(made.state(), good)


def test_how_long_gradient_steps_are_may_change_during_a_run() -> None:
    made = learner("ppca", rows(), posterior="gradient")
    made.set("learning_rate", 0.5)
    made.set("gradient_steps", 3)
    assert (made.values["learning_rate"], made.values["gradient_steps"]) == (0.5, 3)
    for name, value in (("posterior", "exact"), ("batch_size", 3), ("learning_rate", 0.0)):
        with pytest.raises(InputError, match=name):
            made.set(name, value)


@pytest.mark.parametrize("values", [{"posterior": "diagonal"}, {"batch_size": 3}])
def test_the_closed_form_refuses_what_only_em_has(values: dict[str, int | str]) -> None:
    kind = find_kind("ppca", "exact")[1]
    info = DataInfo("rows", "Rows", 5)
    with pytest.raises(InputError, match=r"^the closed form .* choose method em"):
        kind.check_data(info, resolve(kind.parameters, {"method": "closed-form", **values}))
    with pytest.raises(InputError, match=r"^the closed form .* choose method em"):
        learner("ppca", rows(), method="closed-form", **values)


@EACH
@pytest.mark.parametrize(
    "values",
    [{"posterior": "diagonal"}, {"posterior": "gradient"}, {"posterior": "spherical", "batch_size": 64}],
    ids=str,
)
def test_it_conforms_with_other_settings(kind: str, values: dict[str, int | str]) -> None:
    bad = [r for r in conform(find_kind(kind, "exact")[1], values=values) if not r.ok]
    assert not bad, [f"{r.case} {r.check.name}: {r.sentence}" for r in bad]


# -- facts for pictures ----------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("k", [2, 7])
def test_the_principal_axes_are_those_of_the_models_covariance(kind: str, k: int) -> None:
    model = learner(kind, rows(), 10, latent_dim=k).snapshot()
    covariance = model.loadings @ model.loadings.T + np.diag(model.noise)
    directions, std = model.principal_axes()
    m = min(k, 5)
    assert directions.shape == (m, 5)
    np.testing.assert_allclose(std, np.sqrt(np.linalg.eigvalsh(covariance)[::-1][:m]), rtol=1e-10)
    np.testing.assert_allclose(directions @ directions.T, np.eye(m), atol=1e-10)
    np.testing.assert_allclose(covariance @ directions.T, directions.T * std**2, atol=1e-9)
    assert (directions.sum(1) >= 0).all()
    for array in (model.mean, model.loadings, model.noise):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0

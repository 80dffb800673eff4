"""The estimators against a model whose log p(x), posterior and ELBO have closed forms: a linear VAE."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from backends.base import Array, DataInfo, Gaussian, InputError, Stamp, State, finish
from backends.estimates import LogLikelihood
from backends.likelihood import importance, iwae, log_likelihood
from backends.pytorch.vae import VAE, VAELearner
from backends.quadrature import posterior_kl, quadrature, quadrature_with_kl


@dataclass(frozen=True)
class Linear:
    """p(x) = N(mu, W Wᵀ + σ²I) and p(z|x) = N(M⁻¹Wᵀ(x − μ), σ²M⁻¹), M = WᵀW + σ²I, in closed form."""

    W: Array
    mu: Array
    sigma: float
    model: VAE
    x: Array

    def log_prob(self) -> Array:
        cov = self.W @ self.W.T + self.sigma**2 * np.eye(len(self.mu))
        return np.asarray(stats.multivariate_normal(self.mu, cov).logpdf(self.x.astype(np.float64)))

    def posterior(self) -> tuple[Array, Array]:
        """Means (n, k) and the common covariance (k, k)."""
        M = self.W.T @ self.W + self.sigma**2 * np.eye(self.W.shape[1])
        return (self.x - self.mu) @ self.W @ np.linalg.inv(M), self.sigma**2 * np.linalg.inv(M)

    def kl(self) -> Array:
        """KL(q(z|x)‖p(z|x)) of Gaussians, row by row."""
        q, (mean, cov) = self.model.encode(self.x), self.posterior()
        precision, gap = np.linalg.inv(cov), mean - q.mean
        var = q.std.astype(np.float64) ** 2
        trace = (np.diag(precision) * var).sum(1)
        log_det = np.linalg.slogdet(cov)[1] - np.log(var).sum(1)
        maha = np.einsum("ni,ij,nj->n", gap, precision, gap)
        return np.asarray(0.5 * (trace + maha - len(cov) + log_det))


def linear(k: int, d: int = 4, n: int = 40, std_factor: float = 1.0, sigma: float = 0.7) -> Linear:
    """Its encoder has the posterior's mean and standard deviations, the latter times ``std_factor``."""
    rng = np.random.default_rng(k)
    W, mu = rng.normal(size=(d, k)), rng.normal(size=d)
    x = (rng.normal(size=(n, k)) @ W.T + mu + sigma * rng.normal(size=(n, d))).astype(np.float32)
    learner = VAELearner(
        x,
        DataInfo("linear", "Linear", d),
        {"latent_dim": k, "depth": 0, "decoder": "gaussian", "scaling": "none"},
    )
    M = W.T @ W + sigma**2 * np.eye(k)
    to_mean = np.linalg.solve(M, W.T)
    log_var = np.log(std_factor**2 * sigma**2 * np.diag(np.linalg.inv(M)))
    low, high = np.log(0.01), np.log(10)
    share = (np.log(sigma) - low) / (high - low)
    new = {
        "encoder.0.weight": np.vstack([to_mean, np.zeros((k, d))]),
        "encoder.0.bias": np.concatenate([-to_mean @ mu, log_var]),
        "decoder.0.weight": W,
        "decoder.0.bias": mu,
        "decoder.log_std_raw": np.array([np.log(share / (1 - share))]),
    }
    state = learner.state()
    arrays = {**state.arrays, **{name: a.astype(np.float32) for name, a in new.items()}}
    learner.restore(State(arrays, state.values))
    return Linear(W, mu, sigma, learner.snapshot(), x)


@cache
def curved() -> tuple[VAE, Array]:
    """A small non-linear VAE after some training, and rows it has not seen."""
    rng = np.random.default_rng(0)
    prototypes = rng.random((4, 20)) < 0.5
    x = (prototypes[rng.integers(4, size=400)] ^ (rng.random((400, 20)) < 0.1)).astype(np.float32)
    values = {"width": 32, "batch_size": 64, "learning_rate": 3e-3}
    learner = VAELearner(x[:300], DataInfo("prototypes", "Prototypes", 20, "binary"), values)
    for _ in range(400):
        learner.step()
    return learner.snapshot(), x[300:]


@pytest.mark.parametrize("k", [1, 2])
def test_quadrature_is_the_closed_form(k: int) -> None:
    case = linear(k)
    result = finish(quadrature(case.model, case.x))
    assert isinstance(result, LogLikelihood)
    np.testing.assert_allclose(result.value, case.log_prob(), atol=2e-4)
    assert result.method.startswith("quadrature ")
    assert "agrees with" in result.method
    assert result.mean().stderr < 0.01


def test_quadrature_refines_until_narrow_posteriors_are_resolved() -> None:
    case = linear(1, sigma=0.012)
    result = finish(quadrature(case.model, case.x))
    np.testing.assert_allclose(result.value, case.log_prob(), atol=0.01)


def test_quadrature_that_does_not_converge_says_so() -> None:
    case = linear(2, d=50, n=4, sigma=0.02)  # posteriors far narrower than the finest grid
    model = SimpleNamespace(
        stamp=case.model.stamp,
        latent_dim=2,
        kind="vae",
        info=case.model.info,
        log_joint=case.model.log_joint,
        encode=case.model.encode,
    )
    result = finish(quadrature(model, case.x))
    assert "not converged" in result.method
    assert result.mean().stderr > 0.01


def test_quadrature_of_encodings_that_are_not_finite_is_unknown() -> None:
    case = linear(2)
    q = case.model.encode(case.x)
    model = SimpleNamespace(
        stamp=case.model.stamp,
        latent_dim=2,
        kind="vae",
        info=case.model.info,
        log_joint=case.model.log_joint,
        encode=lambda x: Gaussian(q.mean, np.full_like(q.std, np.inf)),
    )
    for result in finish(quadrature_with_kl(model, case.x)):
        assert np.isnan(result.value).all()
        assert result.method == "not estimated: z has no finite range"


def test_quadrature_widens_its_box_for_a_model_without_encoder() -> None:
    """p(z) = N(0, 5²), p(x|z) = N(z, 1): the mass at x = 20 lies outside the box it starts with."""

    def log_joint(x: Array, z: Array) -> Array:
        return stats.norm(0, 5).logpdf(z[:, 0]) + stats.norm(z[:, 0]).logpdf(x)

    info = DataInfo("x", "X", 1)
    model = SimpleNamespace(stamp=Stamp("run", 1), latent_dim=1, kind="wide", info=info, log_joint=log_joint)
    x = np.array([[0.0], [20.0]])
    result = finish(quadrature(model, x))
    np.testing.assert_allclose(result.value, stats.norm(0, np.sqrt(26)).logpdf(x[:, 0]), atol=1e-3)


@pytest.mark.parametrize(("k", "std_factor"), [(1, 1.0), (2, 1.0), (2, 0.3)])
def test_posterior_kl_is_the_closed_form(k: int, std_factor: float) -> None:
    case = linear(k, std_factor=std_factor)
    result = finish(posterior_kl(case.model, case.x))
    np.testing.assert_allclose(result.value, case.kl(), atol=1e-3)


def test_a_q_between_the_nodes_is_not_taken_for_agreement() -> None:
    case = linear(2, n=5, std_factor=1e-4)
    result = finish(posterior_kl(case.model, case.x))
    assert "not converged" in result.method
    assert result.mean().stderr > 0.5


def test_elbo_and_the_kl_that_was_not_made_from_it_add_up_to_log_p() -> None:
    model, x = curved()
    log_p, kl = finish(quadrature(model, x)), finish(posterior_kl(model, x))
    bound = model.elbo(x, samples=4000)
    assert bound.stderr is not None
    assert (kl.value > 0).all()
    assert (bound.value + kl.value).mean() == pytest.approx(log_p.value.mean(), abs=0.02)
    assert (np.abs(bound.value + kl.value - log_p.value) < 5 * bound.stderr + 0.01).all()


def test_two_resolutions_agree_on_a_trained_model() -> None:
    model, x = curved()
    coarse, fine = finish(quadrature(model, x)), finish(quadrature(model, x, tol=1e-5))
    assert np.abs(coarse.value - fine.value).mean() < 0.01


@pytest.mark.parametrize("proposal", ["q", "defensive", "prior"])
def test_importance_sampling_is_the_closed_form_within_its_error(proposal: str) -> None:
    case = linear(5, d=6, n=20)
    result = finish(importance(case.model, case.x, 4000, seed=1, proposal=proposal))
    error = np.abs(result.value - case.log_prob())
    if proposal == "prior":  # a few weights carry everything: only the mean can be judged
        assert result.mean().value == pytest.approx(case.log_prob().mean(), abs=0.5)
    else:
        assert (error < 5 * result.stderr + 1e-3).all()
    estimate = result.mean()
    assert estimate.ess is not None
    assert "4000" in estimate.method


def test_the_defensive_proposal_mends_an_overconfident_encoder() -> None:
    case = linear(2, std_factor=0.05)
    truth = case.log_prob().mean()
    only_q = finish(importance(case.model, case.x, 2000)).mean()
    defended = finish(importance(case.model, case.x, 2000, proposal="defensive")).mean()
    assert only_q.value < truth - 0.3
    assert defended.value == pytest.approx(truth, abs=0.05)
    assert "½q + ½p(z)" in defended.method


def test_a_small_effective_sample_size_is_on_the_label() -> None:
    case = linear(2, std_factor=0.01)
    result = finish(importance(case.model, case.x, 50))
    assert result.ess is not None
    assert result.ess.min() < 10
    assert "effective sample size below 10" in result.method


def test_stderr_is_the_spread_of_repeats() -> None:
    case = linear(2, n=8, std_factor=1.3)
    runs = [finish(importance(case.model, case.x, 300, seed)) for seed in range(80)]
    spread = np.stack([run.value for run in runs]).std(0, ddof=1)
    stated = np.stack([run.stderr for run in runs]).mean(0)
    np.testing.assert_allclose(stated, spread, rtol=0.3)
    means = np.std([run.mean().value for run in runs], ddof=1)
    assert runs[0].mean().stderr == pytest.approx(means, rel=0.3)


def test_iwae_rises_with_k_towards_quadrature() -> None:
    model, x = curved()
    truth = finish(quadrature(model, x)).mean().value
    curves = {k: result.mean() for k, result in finish(iwae(model, x, (1, 5, 50, 500))).items()}
    elbo = model.elbo(x, samples=500).value.mean()
    assert curves[1].value == pytest.approx(elbo, abs=4 * curves[1].stderr + 0.02)
    assert curves[1].value < curves[5].value < curves[50].value < truth + 0.01
    assert curves[500].value == pytest.approx(truth, abs=0.05)
    assert curves[5].method == "IWAE-5 (q)"


def test_the_same_seed_gives_the_same_numbers() -> None:
    model, x = curved()
    for proposal in ("q", "defensive", "prior"):
        one, two, other = (finish(importance(model, x, 20, seed, proposal)).value for seed in (0, 0, 1))
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, other)


def test_an_encoder_with_full_covariance() -> None:
    """With the exact posterior as proposal every weight is p(x), whatever z was drawn."""
    case = linear(3, d=5, n=10)
    mean, cov = case.posterior()
    tril = np.broadcast_to(np.linalg.cholesky(cov), (10, 3, 3))

    def encode(x: Array) -> Gaussian:
        rows = [int(np.argwhere((case.x == row).all(1))[0, 0]) for row in x]
        return Gaussian(mean[rows], np.sqrt(np.diag(cov))[None].repeat(len(rows), 0), tril[rows])

    model = SimpleNamespace(
        stamp=case.model.stamp,
        latent_dim=3,
        kind="exact",
        info=case.model.info,
        log_joint=case.model.log_joint,
        encode=encode,
    )
    result = finish(importance(model, case.x, 10))
    np.testing.assert_allclose(result.value, case.log_prob(), atol=1e-3)
    assert result.ess is not None
    np.testing.assert_allclose(result.ess, 10, atol=0.01)


def test_the_best_estimator_is_chosen_by_what_the_model_can_do() -> None:
    two, five = linear(2, n=5), linear(5, d=6, n=5)
    assert finish(log_likelihood(two.model, two.x)).method.startswith("quadrature")
    assert finish(log_likelihood(five.model, five.x, k=20)).method.startswith("importance sampling K=20")
    names = ("stamp", "latent_dim", "kind", "info", "log_joint", "encode")
    without_prior = SimpleNamespace(**{name: getattr(five.model, name) for name in names})
    assert finish(log_likelihood(without_prior, five.x, k=20)).method.startswith("IWAE-20 (q)")
    exact = SimpleNamespace(
        stamp=two.model.stamp,
        latent_dim=0,
        kind="exact",
        info=two.model.info,
        log_prob=lambda x: two.log_prob()[: len(x)],
    )
    result = finish(log_likelihood(exact, two.x))
    assert result.method == "exact"
    np.testing.assert_array_equal(result.value, two.log_prob())


def test_progress_comes_in_many_slices() -> None:
    model, x = curved()
    steps = list(quadrature(model, np.tile(x, (20, 1))))
    assert len(steps) > 20
    assert all(0 < step.done <= step.total for step in steps)
    steps = list(importance(model, x, 300))
    assert steps[-1].done == steps[-1].total == 300 * len(x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda case: quadrature(linear(3).model, linear(3).x), "1 or 2 dimensions"),
        (lambda case: quadrature(case.model, case.x[:0]), "no rows"),
        (lambda case: importance(case.model, case.x, 0), "at least 1"),
        (lambda case: importance(case.model, case.x, 5, proposal="best"), "'best'"),
        (lambda case: log_likelihood(SimpleNamespace(kind="gan"), case.x), "'gan' has no log p"),
    ],
)
def test_what_cannot_be_estimated_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        finish(call(linear(2)))

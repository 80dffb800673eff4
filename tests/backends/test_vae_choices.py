"""The VAE's choices beside the default: posterior, prior, objective, annealing."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributions

from backends import checkpoint
from backends.base import DataInfo, InputError, finish
from backends.conformance import cases, checks_for, run_check
from backends.data import DataSet, Split
from backends.evaluation import evaluate
from backends.likelihood import importance
from backends.pytorch import VAE_PARAMETERS
from backends.pytorch.gaussians import Diagonal, Full
from backends.pytorch.vae import VAELearner
from backends.quadrature import quadrature
from backends.registry import find_kind
from backends.run import Run

POSTERIORS, PRIORS, OBJECTIVES = ("diagonal", "full"), ("normal", "mixture", "vampprior"), ("elbo", "iwae")
BITS = DataInfo("bits", "Bits", 6, "binary")
SMALL = {"width": 16, "batch_size": 32, "prior_components": 3, "activation": "tanh"}
EVERY = [
    {"posterior": posterior, "prior": prior, "objective": objective}
    for posterior, prior, objective in itertools.product(POSTERIORS, PRIORS, OBJECTIVES)
]


def rows(n=100):
    rng = np.random.default_rng(5)
    return np.where(rng.random((n, 6)) < 0.8, rng.integers(2, size=(n, 1)), 0).astype(np.float32)


def learner(steps=0, seed=0, **values):
    made = VAELearner(rows(), BITS, {**SMALL, **values}, seed, "cpu", "run")
    for _ in range(steps):
        made.step()
    return made


def named(choice):
    return "-".join(map(str, choice.values()))


# -- the kit ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "choice"),
    [(0, {"posterior": "full"}), (0, EVERY[7]), (3, EVERY[2]), (0, EVERY[4]), (3, EVERY[10])],
    ids=lambda p: named(p) if isinstance(p, dict) else f"data {p}",
)
def test_the_conformance_kit(data, choice):
    case = cases(find_kind("vae")[1])[data]
    case = dataclasses.replace(case, values={**case.values, **choice, "width": 32, "prior_components": 3})
    failed = {check.name: run_check(check, case).sentence for check in checks_for(case)}
    assert {name: sentence for name, sentence in failed.items() if sentence} == {}


@pytest.mark.parametrize("choice", EVERY, ids=named)
def test_resuming_is_exact_and_the_seed_decides(choice):
    straight, first, second = (
        learner(8, **choice, anneal=6),
        learner(4, **choice, anneal=6),
        learner(seed=9, **choice, anneal=6),
    )
    second.restore(first.state())
    for _ in range(4):
        second.step()
    for name, array in straight.state().arrays.items():
        np.testing.assert_array_equal(second.state().arrays[name], array, err_msg=name)


@pytest.mark.parametrize("choice", EVERY, ids=named)
def test_training_raises_the_bound(choice):
    made = learner(**choice, learning_rate=0.01, dropout=0.0)
    before = made.snapshot().elbo(rows(), 20).value.mean()
    for _ in range(150):
        made.step()
    assert made.snapshot().elbo(rows(), 20).value.mean() > before + 0.2


# -- Gaussians ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [Diagonal, Full])
def test_gaussians_are_those_of_torch(form):
    torch.manual_seed(0)
    q = form.of(torch.randn(5, form.outputs(3)), 3)
    tril = q.tril
    oracle = distributions.MultivariateNormal(q.mean, scale_tril=tril)
    noise = torch.randn(4, 5, 3)
    z = q.draw(noise)
    torch.testing.assert_close(z, q.mean + torch.einsum("nij,snj->sni", tril, noise))
    torch.testing.assert_close(q.log_prob(z), oracle.log_prob(z))
    torch.testing.assert_close(q.log_prob_of(noise), oracle.log_prob(z))
    normal = distributions.MultivariateNormal(torch.zeros(3), torch.eye(3))
    torch.testing.assert_close(q.kl_to_normal(), distributions.kl_divergence(oracle, normal))
    draws = q.draw(torch.randn(40_000, 5, 3))
    sampled = (q.log_prob(draws) - normal.log_prob(draws)).double()
    stderr = sampled.std(0) / 200
    assert ((sampled.mean(0) - q.kl_to_normal()).abs() < 5 * stderr).all()
    given = q.numpy()
    np.testing.assert_allclose(given.std, oracle.stddev.numpy(), rtol=1e-5)
    assert (given.scale_tril is None) == (form is Diagonal)


def test_too_large_a_covariance_is_refused():
    with pytest.raises(InputError, match="latent_dim up to 128"):
        learner(posterior="full", latent_dim=200)


# -- objectives ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", [c for c in EVERY if c["objective"] == "iwae"], ids=named)
def test_iwae_is_the_bound_of_the_estimator_with_the_same_noise(choice):
    made = learner(20, **choice, dropout=0.0)
    model, x = made.snapshot(), rows(7)
    noise = torch.tensor(np.random.default_rng(3).standard_normal((7, 6, 2)), dtype=torch.float32).swapaxes(
        0, 1
    )
    net, w = model._net, model._w
    log_lik, log_ratio = net.log_weights(net.encode(torch.tensor(x), w), torch.tensor(x), noise, w)
    bound = torch.logsumexp(log_lik + log_ratio, 0) - np.log(6)
    want = finish(importance(model, x, 6, seed=3)).value
    np.testing.assert_allclose(bound.numpy(), want, atol=1e-4)


@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize("prior", PRIORS[1:])
def test_a_step_of_iwae_1_is_one_of_the_elbo(posterior, prior):
    """Both losses are then log q(z|x) − log p(x, z) of the same z: one made of one draw, one of K = 1."""
    values = {"posterior": posterior, "prior": prior}
    one, other = learner(**values), learner(**values, objective="iwae", importance_samples=1)
    for _ in range(3):
        assert one.step() == pytest.approx(other.step(), rel=1e-5)
    np.testing.assert_allclose(one.snapshot().theta(), other.snapshot().theta(), atol=1e-5)


def test_with_an_analytic_kl_the_gradient_of_iwae_1_is_the_elbos_on_average():
    net = learner().snapshot()._net
    theta = torch.randn(net.layout.size, generator=torch.Generator().manual_seed(0)) * 0.3
    theta.requires_grad_()
    w, x = net.layout.views(theta), torch.tensor(rows(5))
    q = net.encode(x, w)
    differences = []
    for seed in range(300):
        noise = torch.randn((1, 5, 2), generator=torch.Generator().manual_seed(seed))
        _, log_ratio = net.log_weights(q, x, noise, w)
        difference = (log_ratio + q.kl_to_normal()).sum()  # of what IWAE-1 and the ELBO are, log p(x|z) apart
        differences.append(torch.autograd.grad(difference, theta, retain_graph=True)[0].double())
    draws = torch.stack(differences)
    stderr = draws.std(0) / len(draws) ** 0.5
    assert (draws.mean(0).abs() <= 5.5 * stderr + 1e-6).all()
    assert stderr.max() > 1e-3


def test_iwae_is_tighter_than_the_elbo_and_below_log_p():
    made = learner(200, objective="iwae", importance_samples=20, dropout=0.0)
    loss = [made.step() for _ in range(40)]
    elbo, bound = (np.mean(values) for values in zip(*((s["elbo"], -s["loss"]) for s in loss), strict=True))
    assert elbo < bound


@pytest.mark.parametrize("prior", PRIORS)
def test_the_loss_of_iwae_is_minus_that_bound(prior):
    made = learner(200, objective="iwae", importance_samples=20, dropout=0.0, batch_size=100, prior=prior)
    want = finish(importance(made.snapshot(), rows(), 20)).mean()
    assert want.stderr < 0.2  # log 20 is 3
    assert -made.step()["loss"] == pytest.approx(want.value, abs=6 * want.stderr)


def test_annealing_raises_beta_from_zero_to_its_value():
    made = learner(anneal=4, beta=2.0)
    seen = []
    for _ in range(6):
        step = made.step()
        beta = (step["loss"] + step["reconstruction"]) / step["kl_prior"]
        seen.append(beta)
        assert step.get("beta", 2.0) == pytest.approx(beta, abs=1e-4)
    assert seen == pytest.approx([0, 0.5, 1, 1.5, 2, 2], abs=1e-4)
    assert "beta" not in made.step()


# -- priors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_the_vampprior_is_the_mean_of_the_posteriors_of_its_pseudo_inputs(posterior):
    made = learner(30, prior="vampprior", posterior=posterior)
    model, u = made.snapshot(), made.state().arrays["prior.pseudo_inputs"]
    assert u.shape == (3, 6)
    q = model.encode(u)  # a Bernoulli decoder's data are as they are
    covariance = (
        [np.diag(s**2) for s in q.std] if q.scale_tril is None else q.scale_tril @ q.scale_tril.swapaxes(1, 2)
    )
    z = model.sample_prior(50, 0)
    densities = [
        distributions.MultivariateNormal(torch.tensor(m), torch.tensor(c)).log_prob(torch.tensor(z)).exp()
        for m, c in zip(q.mean, covariance, strict=True)
    ]
    np.testing.assert_allclose(np.exp(model.log_prior(z)), torch.stack(densities).mean(0), rtol=1e-3)


@pytest.mark.parametrize("prior", PRIORS[1:])
def test_training_and_the_model_have_the_same_prior(prior):
    model = learner(30, prior=prior).snapshot()
    z = model.sample_prior(20, 0)
    zeros = torch.zeros(20, 2)
    q = Diagonal(torch.tensor(z), zeros)
    log_q_less_log_p = model._net.kl_prior(q, torch.tensor(z), zeros, model._w)
    np.testing.assert_allclose(-np.log(2 * np.pi) - log_q_less_log_p, model.log_prior(z), atol=1e-4)
    deep = np.stack([z[:10], z[10:]])
    np.testing.assert_allclose(model.log_prior(deep), model.log_prior(z).reshape(2, 10))


def test_quadrature_sees_a_prior_whose_mass_is_where_nothing_is_encoded():
    made = learner(prior="mixture")
    state = made.state()
    far = np.array([[0, 0], [9, -9], [-14, 0]], np.float32)
    made.restore(dataclasses.replace(state, arrays={**state.arrays, "prior.means": far}))
    model, x = made.snapshot(), rows(5)
    estimate = finish(quadrature(model, x))
    axis = np.linspace(-20, 20, 801, dtype=np.float32)
    grid = np.stack([g.ravel() for g in np.meshgrid(axis, axis)], 1)
    joint = model.log_joint(x, grid)
    want = np.log(np.exp(joint).sum(1)) + 2 * np.log(40 / 800)
    np.testing.assert_allclose(estimate.value, want, atol=0.01)


def test_the_noise_of_a_monte_carlo_kl_is_stated():
    model, x = learner(100, prior="mixture").snapshot(), rows()[:30]
    repeats = [model.elbo(x, 25, seed) for seed in range(60)]
    stated = model.elbo(x, 25, 100)
    for name, error in (("value", stated.stderr), ("kl_prior", stated.kl_stderr),
                        ("reconstruction", stated.reconstruction_stderr)):  # fmt: skip
        spread = np.stack([getattr(bound, name) for bound in repeats]).std(0, ddof=1)
        assert error.mean() == pytest.approx(spread.mean(), rel=0.1), name
    single = model.elbo(x, 1)
    assert (single.stderr, single.kl_stderr, single.reconstruction_stderr) == (None, None, None)
    analytic = learner(5).snapshot().elbo(x, 25)
    assert analytic.kl_stderr is None
    assert analytic.reconstruction_stderr is analytic.stderr
    split = Split(x, None)
    report = finish(evaluate(model, DataSet(BITS, split, split, split), ("test",))).splits["test"]
    assert "Monte Carlo" in report["kl_prior"].method
    assert report["kl_prior"].stderr > 0
    assert report["elbo"].value <= report["log_likelihood"].value + 5 * report["elbo"].stderr


# -- files --------------------------------------------------------------------------------------------

SHIPPED = Path(__file__).parents[2] / "resources" / "digits-vae.safetensors"


def test_a_file_from_before_these_choices_opens_with_their_defaults(tmp_path):
    manifest, arrays = checkpoint.read(SHIPPED)
    new = ("objective", "importance_samples", "anneal", "posterior", "prior", "prior_components")
    for name in new:
        manifest["values"].pop(name, None)
    checkpoint.write(path := tmp_path / "old.safetensors", manifest, arrays)
    run = Run.open(path)
    assert run.notes == ()  # the probes give the same numbers
    assert {name: run.values[name] for name in new} == {
        p.name: p.default for p in VAE_PARAMETERS if p.name in new
    }
    run.step()


@pytest.mark.parametrize("choice", [EVERY[7], EVERY[10]], ids=named)
def test_a_run_is_saved_and_opened(choice, tmp_path):
    data = cases(find_kind("vae")[1])[0].data
    run = Run.start("vae", data, {**SMALL, **choice, "anneal": 10})
    for _ in range(5):
        run.step()
    run.save(path := tmp_path / "run.safetensors")
    opened = Run.open(path, data=data)
    assert opened.notes == ()
    assert opened.values == run.values
    assert opened.step() == run.step()

"""Likelihoods against scipy's and torch's distributions, and against brute-force sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from backends.base import InputError
from backends.pytorch.decoders import Bernoulli, DiscretisedLogistic, Gaussian, Likelihood

D = 5


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def own_tensors(likelihood: Likelihood, fill: float | None = None) -> dict[str, torch.Tensor]:
    w = {name: torch.zeros(shape) for name, shape in likelihood.shapes.items()}
    likelihood.initialise(w)
    if fill is not None:
        for tensor in w.values():
            tensor.fill_(fill)
    return w


def levels_and_units(likelihood: DiscretisedLogistic, levels: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All levels as data (L, D), in their own units and standardised."""
    x = torch.arange(levels, dtype=torch.float32)[:, None].expand(levels, D)
    shift, scale = likelihood.standardisation(x)
    return x, (x - shift) / scale


def test_bernoulli_is_torchs() -> None:
    logits = 6 * torch.randn((7, D), generator=rng())
    x = (torch.rand((7, D), generator=rng()) < 0.5).float()
    expected = torch.distributions.Bernoulli(logits=logits).log_prob(x).sum(-1)
    torch.testing.assert_close(Bernoulli(D).log_prob(logits, {}, x), expected)


@pytest.mark.parametrize("per_pixel", [False, True])
def test_gaussian_is_torchs(per_pixel: bool) -> None:
    likelihood = Gaussian(D, per_pixel=per_pixel, scaling="none")
    w = own_tensors(likelihood)
    w[Gaussian.KEY].add_(torch.randn(w[Gaussian.KEY].shape, generator=rng()))
    mean, x = torch.randn((2, 7, D), generator=rng())
    std = likelihood.moments(mean, w)[1]
    assert std is not None
    expected = torch.distributions.Normal(mean, std).log_prob(x).sum(-1)
    torch.testing.assert_close(likelihood.log_prob(mean, w, x), expected)


def test_gaussian_std_starts_at_the_scale_and_stays_within_its_bounds() -> None:
    likelihood = Gaussian(D, per_pixel=True, scaling="shared")
    torch.testing.assert_close(likelihood.log_std(own_tensors(likelihood)).exp(), torch.ones(D))
    for raw, bound in ((-50.0, 0.01), (50.0, 10.0)):
        std = likelihood.log_std(own_tensors(likelihood, raw)).exp()
        torch.testing.assert_close(std, torch.full((D,), bound))


def test_gaussian_table_does_not_cancel_far_from_the_origin() -> None:
    likelihood = Gaussian(D, per_pixel=False, scaling="none")
    w = own_tensors(likelihood, -50.0)  # σ = 0.01
    x = 1e4 + torch.randn((6, D), generator=rng())
    out = 1e4 + torch.randn((4, D), generator=rng())
    expected = stats.norm(out.double().numpy(), 0.01).logpdf(x.double().numpy()[:, None]).sum(-1)
    np.testing.assert_allclose(likelihood.log_prob_table(out, w, x).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(("scaling", "same"), [("shared", True), ("per-column", False)])
def test_standardised_data_have_unit_scale(scaling: str, same: bool) -> None:
    x = 5 + torch.randn((400, D), generator=rng()) * torch.tensor([0.1, 1, 2, 3, 40])
    shift, scale = Gaussian(D, per_pixel=False, scaling=scaling).standardisation(x)
    variance, mean = torch.var_mean((x - shift) / scale, 0, correction=0)
    torch.testing.assert_close(mean, torch.zeros(D), atol=1e-4, rtol=0)
    torch.testing.assert_close(variance.mean(), torch.tensor(1.0))
    assert bool((scale == scale[0]).all()) == same


def test_a_constant_column_keeps_its_units() -> None:
    x = torch.tensor([[1.0, 7.0], [3.0, 7.0]])
    _, scale = Gaussian(2, per_pixel=False, scaling="per-column").standardisation(x)
    assert scale.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_discretised_logistic_is_a_difference_of_logistic_cdfs(levels: int) -> None:
    likelihood = DiscretisedLogistic(D, levels)
    x, x_s = levels_and_units(likelihood, levels)
    out = torch.randn((1, 2 * D), generator=rng())
    mean, log_scale = (p.double().numpy()[0] for p in likelihood._split(out))
    half = (levels - 1) / 2
    logistic = stats.logistic(half * (mean + 1), half * np.exp(log_scale))  # in levels
    upper = np.where(x == levels - 1, 1.0, logistic.cdf(x + 0.5))
    lower = np.where(x == 0, 0.0, logistic.cdf(x - 0.5))
    reliable = (upper - lower) > 1e-12
    got = likelihood._log_mass(*likelihood._split(out), x_s).numpy()
    np.testing.assert_allclose(got[reliable], np.log((upper - lower)[reliable]), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_probabilities_of_all_levels_sum_to_one(levels: int) -> None:
    likelihood = DiscretisedLogistic(D, levels)
    _, x_s = levels_and_units(likelihood, levels)
    out = 3 * torch.randn((50, 2 * D), generator=rng())
    mass = likelihood._log_mass(*(p.unsqueeze(1) for p in likelihood._split(out)), x_s).double().exp()
    torch.testing.assert_close(mass.sum(1), torch.ones((50, D), dtype=torch.float64), rtol=0, atol=2e-5)


def test_discretised_logistic_stays_finite_far_out() -> None:
    likelihood = DiscretisedLogistic(D, 256)
    _, x_s = levels_and_units(likelihood, 256)
    out = torch.full((1, 2 * D), 300.0).requires_grad_()
    log_prob = likelihood.log_prob(out, {}, x_s)
    log_prob.sum().backward()
    assert torch.isfinite(log_prob).all()
    assert out.grad is not None
    assert torch.isfinite(out.grad).all()


@pytest.mark.parametrize("levels", [2, 17])
def test_moments_are_those_of_the_probabilities(levels: int) -> None:
    likelihood = DiscretisedLogistic(D, levels)
    _, x_s = levels_and_units(likelihood, levels)
    out = torch.randn((9, 2 * D), generator=rng())
    mass = likelihood._log_mass(*(p.unsqueeze(1) for p in likelihood._split(out)), x_s).exp()
    mean, std = likelihood.moments(out, {})
    assert std is not None
    expected = (mass * x_s).sum(1)
    torch.testing.assert_close(mean, expected, atol=1e-5, rtol=1e-5)
    variance = (mass * (x_s - expected.unsqueeze(1)).square()).sum(1)
    torch.testing.assert_close(std, variance.sqrt(), atol=1e-4, rtol=1e-3)


LIKELIHOODS = [
    (Bernoulli(D), 2),
    (Gaussian(D, per_pixel=False, scaling="none"), 0),
    (Gaussian(D, per_pixel=True, scaling="none"), 0),
    (DiscretisedLogistic(D, 4), 4),
    (DiscretisedLogistic(D, 17), 17),  # more levels than the 6 rows below: the other branch
]


@pytest.mark.parametrize(("likelihood", "levels"), LIKELIHOODS)
def test_the_table_holds_every_pair(likelihood: Likelihood, levels: int) -> None:
    w = own_tensors(likelihood)
    x = torch.randn((6, D), generator=rng())
    if levels:
        x = torch.randint(levels, (6, D), generator=rng()).float()
        shift, scale = likelihood.standardisation(x)
        x = (x - shift) / scale
    out = torch.randn((8, likelihood.outputs), generator=rng())
    table = likelihood.log_prob_table(out, w, x)
    assert table.shape == (6, 8)
    assert table.dtype == torch.float64
    each = torch.stack([likelihood.log_prob(o.expand(6, -1), w, x) for o in out], 1)
    torch.testing.assert_close(table, each.double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("likelihood", "levels"), LIKELIHOODS)
def test_samples_have_the_moments(likelihood: Likelihood, levels: int) -> None:
    w = own_tensors(likelihood)
    n = 20_000
    out = torch.randn((1, likelihood.outputs), generator=rng()).expand(n, -1)
    x = likelihood.sample(out, w, torch.Generator().manual_seed(1))
    mean, std = likelihood.moments(out, w)
    spread = x.std(0) if std is None else std[0]
    assert ((x.mean(0) - mean[0]).abs() < 5 * spread / math.sqrt(n)).all()
    torch.testing.assert_close(x.std(0), spread, rtol=0.05, atol=0.01)
    if levels:
        shift, scale = likelihood.standardisation(x)
        likelihood.check((x * scale + shift).round(decimals=4))


def test_entropy_of_bernoulli_by_hand() -> None:
    p = np.array([[0.5, 0.5], [0.1, 0.9], [1e-6, 1 - 1e-6]])
    expected = -(p * np.log(p) + (1 - p) * np.log1p(-p)).sum(1)
    out = torch.logit(torch.tensor(p))
    np.testing.assert_allclose(Bernoulli(2).entropy(out, {}).numpy(), expected, rtol=1e-9)
    assert not Bernoulli(2).entropy(torch.full((1, 2), 200.0), {}).any()  # nothing is left open


def test_entropy_of_near_certain_bits_keeps_its_digits_in_float32() -> None:
    logits = np.array([[9.0, -12.0, 15.0, -18.0, 21.0]])
    expected = stats.bernoulli(1 / (1 + np.exp(np.abs(logits)))).entropy().sum(1)
    got = Bernoulli(5).entropy(torch.tensor(logits, dtype=torch.float32), {})
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-6)


def test_entropy_of_a_gaussian_is_scipys() -> None:
    likelihood = Gaussian(D, per_pixel=True, scaling="none")
    w = own_tensors(likelihood)
    w[Gaussian.KEY].add_(torch.randn(w[Gaussian.KEY].shape, generator=rng()))
    expected = stats.norm(scale=likelihood.log_std(w).exp().double().numpy()).entropy().sum()
    np.testing.assert_allclose(likelihood.entropy(torch.zeros(3, D), w).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("levels", [2, 17])
def test_entropy_of_levels_is_the_sum_over_all_of_them(levels: int) -> None:
    likelihood = DiscretisedLogistic(D, levels)
    _, x_s = levels_and_units(likelihood, levels)
    out = 2 * torch.randn((7, 2 * D), generator=rng())
    log_p = likelihood._log_mass(*(p.unsqueeze(1) for p in likelihood._split(out)), x_s).double()
    expected = -(log_p.exp() * log_p).sum((1, 2))
    torch.testing.assert_close(likelihood.entropy(out, {}).double(), expected, rtol=1e-5, atol=1e-5)
    assert likelihood.entropy(out[:0], {}).shape == (0,)


@pytest.mark.parametrize(
    ("likelihood", "bad", "word"),
    [
        (Bernoulli(1), 0.5, "0 and 1"),
        (Bernoulli(1), math.nan, "0 and 1"),
        (DiscretisedLogistic(1, 17), 17.0, "0 to 16"),
        (DiscretisedLogistic(1, 17), 2.5, "0 to 16"),
        (DiscretisedLogistic(1, 17), -1.0, "0 to 16"),
    ],
)
def test_data_outside_the_support_are_refused(likelihood: Likelihood, bad: float, word: str) -> None:
    with pytest.raises(InputError, match=word):
        likelihood.check(torch.tensor([[bad]]))

"""Mixtures by torch give the numbers of NumPy, after every half-step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backends.base import DataInfo, InputError
from backends.exact import gaussians
from backends.exact.densities import Pairs, Whitened
from backends.registry import find_kind
from tests.backends.mixtures import TYPES, bits, clusters

CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    ],
)
EACH_DEVICE = pytest.mark.parametrize("device", ["cpu", CUDA])


def both(kind, x, device, **values):
    """The learner of NumPy and that of torch."""
    info = DataInfo("rows", "Rows", x.shape[1], "binary" if kind == "bernoulli-mixture" else "real")
    x = np.array(x)
    x.setflags(write=False)  # a learner must not change what it is given
    for backend, where in (("exact", "cpu"), ("pytorch", device)):
        yield find_kind(kind, backend)[1].load()(x, info, {"components": 4, **values}, 3, where, "run")


def assert_agree(kind, x, device, halves=20, **values):
    """Scalars, θ, and all that a model says, the same to 1e-9 after every half-step."""
    ours, theirs = both(kind, x, device, **values)
    np.testing.assert_array_equal(theirs.snapshot().theta(), ours.snapshot().theta())
    for _ in range(halves):
        (half, want), (other, got) = ours.half_step(), theirs.half_step()
        assert half == other
        assert got == pytest.approx(want, rel=1e-9, abs=1e-9)
        a, b = ours.snapshot(), theirs.snapshot()
        np.testing.assert_allclose(b.theta(), a.theta(), rtol=1e-9, atol=1e-9)
    for rows in (x, x[:1], x[:0]):
        np.testing.assert_allclose(b.log_prob(rows), a.log_prob(rows), rtol=1e-9)
        np.testing.assert_allclose(b.encode(rows).probs, a.encode(rows).probs, rtol=0, atol=1e-9)
        np.testing.assert_allclose(b.elbo(rows).reconstruction, a.elbo(rows).reconstruction, rtol=1e-9)
        np.testing.assert_allclose(b.elbo(rows).kl_prior, a.elbo(rows).kl_prior, rtol=0, atol=1e-9)
    np.testing.assert_allclose(b.sample(50, 1), a.sample(50, 1), rtol=1e-6)
    thetas = a.theta() + np.linspace(-0.01, 0.01, 3)[:, None]
    np.testing.assert_allclose(b.bound_at(thetas, x), a.bound_at(thetas, x), rtol=1e-9)
    assert theirs.notes == ours.notes


@EACH_DEVICE
@pytest.mark.parametrize("prior", ["none", "conjugate"])
@pytest.mark.parametrize("covariance", TYPES)
def test_gaussians_are_those_of_numpy(covariance, prior, device):
    assert_agree("gmm", clusters(), device, covariance=covariance, prior=prior)


@EACH_DEVICE
@pytest.mark.parametrize("covariance", TYPES)
def test_whitened_gaussians_are_those_of_numpy(covariance, device, monkeypatch):
    monkeypatch.setattr(gaussians, "_NEAR", 0.0)
    assert_agree("gmm", clusters(), device, halves=6, covariance=covariance)


@EACH_DEVICE
def test_bernoullis_are_those_of_numpy(device):
    assert_agree("bernoulli-mixture", bits(400, 6), device)


@EACH_DEVICE
@pytest.mark.parametrize("posterior", ["exact", "hard", "gradient"])
@pytest.mark.parametrize("batch_size", [0, 128])
@pytest.mark.parametrize(("kind", "x"), [("gmm", clusters()), ("bernoulli-mixture", bits(400, 6))])
def test_variational_and_stochastic_em_are_those_of_numpy(kind, x, batch_size, posterior, device):
    assert_agree(kind, x, device, halves=8, posterior=posterior, batch_size=batch_size, components=3)


@EACH_DEVICE
def test_rows_in_many_blocks_give_what_they_give_in_one(device, monkeypatch):
    monkeypatch.setattr("backends.pytorch.mixtures._BLOCK", {device: 1})  # 256 rows each
    assert_agree("gmm", clusters(1000), device, halves=4)
    assert_agree("gmm", clusters(1000), device, halves=4, posterior="gradient")


def test_components_that_are_far_apart_are_whitened_by_torch_as_well():
    x = np.concatenate([clusters(200), clusters(200) + np.float32(1e5)])
    _, near = both("gmm", clusters(), "cpu")
    _, far = both("gmm", x, "cpu")
    assert type(near._components.density) is Pairs
    far.step()
    assert type(far._components.density) is Whitened
    assert_agree("gmm", x, "cpu", halves=6)


@EACH_DEVICE
def test_a_run_goes_on_with_the_other_backend(device):
    """The state is θ alone: what one backend began the other can go on with."""
    ours, theirs = both("gmm", clusters(), device)
    for _ in range(3):
        ours.half_step()
    theirs.restore(ours.state())
    for _ in range(4):
        assert theirs.half_step()[1] == pytest.approx(ours.half_step()[1], rel=1e-9)


def test_a_device_without_float64_is_refused():
    for kind, x in (("gmm", clusters()), ("bernoulli-mixture", bits(400, 6))):
        with pytest.raises(InputError, match="'mps' has no float64"):
            list(both(kind, x, "mps"))
    with pytest.raises(InputError, match="device 'nonsense' cannot be used"):
        list(both("gmm", clusters(), "nonsense"))


def test_numpy_is_the_default():
    for kind in ("gmm", "bernoulli-mixture"):
        assert find_kind(kind)[0].name == "exact"
        assert find_kind(kind, "pytorch")[0].name == "pytorch"
    assert find_kind("vae")[0].name == "pytorch"

"""The VAE: frozen snapshots, what crosses the line, and what its declaration refuses."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from backends import checkpoint
from backends.base import InputError
from backends.capabilities import capabilities
from backends.data import open_data
from backends.parameters import resolve
from backends.pytorch import BACKEND, VAE_PARAMETERS, check_vae_data, devices
from backends.pytorch.vae import VAELearner
from backends.run import Run
from tests.backends.vaes import DECODERS, INFO, SMALL, D, learner, rows, trained

pytestmark = pytest.mark.usefixtures("one_thread")

# -- the frozen model ----------------------------------------------------------------------------------


def test_a_snapshot_shares_nothing_with_later_steps() -> None:
    made = learner()
    model = made.snapshot()
    before = model.theta(), model.decode(np.zeros((1, 2), np.float32)).mean
    state = made.state()
    copies = {name: array.copy() for name, array in state.arrays.items()}
    for _ in range(5):
        made.step()
    np.testing.assert_array_equal(model.theta(), before[0])
    np.testing.assert_array_equal(model.decode(np.zeros((1, 2), np.float32)).mean, before[1])
    for name, array in state.arrays.items():
        np.testing.assert_array_equal(array, copies[name], err_msg=name)
    assert (model.stamp.run, model.stamp.step) == ("run", 0)
    assert made.snapshot().stamp.step == 5


@pytest.mark.parametrize("decoder", DECODERS)
def test_what_crosses_the_line(decoder: str) -> None:
    model = trained(decoder, latent_dim=3)
    x, z = rows(decoder, 7), model.sample_prior(4, 0)
    decoded, q = model.decode(z), model.encode(x)
    assert (decoded.std is None) == (decoder == "bernoulli")
    arrays = {
        "mean": (decoded.mean, (4, D)), "std": (decoded.std, (4, D)), "q mean": (q.mean, (7, 3)),
        "q std": (q.std, (7, 3)), "z": (z, (4, 3)), "x": (model.sample(5, 1), (5, D)),
    }  # fmt: skip
    for name, (array, shape) in arrays.items():
        if array is not None:
            assert array.shape == shape, name
            assert array.dtype == np.float32, name
            assert array.flags.c_contiguous, name
    bound = model.elbo(x, samples=3)
    for array in (model.log_prior(z), bound.reconstruction, bound.kl_prior, bound.stderr):
        assert array is not None
        assert array.dtype == np.float64
    assert model.log_joint(x, z).shape == (7, 4)
    assert model.decode(np.empty((0, 3), np.float32)).mean.shape == (0, D)
    assert capabilities(model) == BACKEND.kinds[0].capabilities


@pytest.mark.parametrize("decoder", DECODERS)
def test_log_joint_is_the_same_for_shared_and_own_latents(decoder: str) -> None:
    model = trained(decoder)
    x, z = rows(decoder, 8), model.sample_prior(5, 0)
    own = np.broadcast_to(z, (8, 5, 2))  # read-only and not contiguous: neither may matter
    np.testing.assert_allclose(model.log_joint(x, z), model.log_joint(x, own), rtol=1e-5, atol=1e-4)


def test_densities_are_in_the_datas_units() -> None:
    model = trained("gaussian", scaling="per-column", variance="per-pixel", steps=100)
    x, z = rows("gaussian", 9), model.sample_prior(4, 0)
    decoded = model.decode(z)
    assert decoded.std is not None
    normal = torch.distributions.Normal(torch.tensor(decoded.mean), torch.tensor(decoded.std))
    expected = normal.log_prob(torch.tensor(x)[:, None]).sum(-1).numpy() + model.log_prior(z)
    np.testing.assert_allclose(model.log_joint(x, z), expected, rtol=1e-5, atol=1e-4)
    assert np.abs(model.sample(2000, 0).mean(0) - rows("gaussian").mean(0)).max() < 1.0


def test_elbo_reports_the_noise_of_its_draws() -> None:
    model, x = trained(steps=100), rows("bernoulli")
    assert model.elbo(x, 1).stderr is None
    repeats = np.stack([model.elbo(x, 25, seed).reconstruction for seed in range(60)])
    stderr = model.elbo(x, 25, 100).stderr
    assert stderr is not None
    assert stderr.mean() == pytest.approx(repeats.std(0, ddof=1).mean(), rel=0.1)
    np.testing.assert_array_equal(model.elbo(x, 25, 3).value, model.elbo(x, 25, 3).value)


def test_samples_follow_the_seed() -> None:
    model = trained("discrete")
    np.testing.assert_array_equal(model.sample(20, 4), model.sample(20, 4))
    assert not np.array_equal(model.sample(20, 4), model.sample(20, 5))
    assert set(np.unique(model.sample(500, 0))) <= {0.0, 1.0, 2.0, 3.0, 4.0}


def test_theta_goes_there_and_back() -> None:
    model = trained()
    same = model.at(model.theta())
    z = model.sample_prior(3, 0)
    np.testing.assert_array_equal(same.decode(z).mean, model.decode(z).mean)
    moved = model.at(model.theta() + 0.1)
    assert not np.array_equal(moved.decode(z).mean, model.decode(z).mean)
    with pytest.raises(InputError, match="theta"):
        model.at(np.zeros(3))


def test_four_threads_at_once_give_what_one_gives() -> None:
    made = learner("gaussian")
    model = made.snapshot()
    zs = [model.sample_prior(50, seed) for seed in range(40)]
    x = rows("gaussian", 20)
    serial = [(model.decode(z).mean, model.log_joint(x, z)) for z in zs]
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(lambda z: (model.decode(z).mean, model.log_joint(x, z)), z) for z in zs]
        for _ in range(50):
            made.step()  # training goes on meanwhile
        for future, (mean, joint) in zip(futures, serial, strict=True):
            np.testing.assert_array_equal(future.result()[0], mean)
            np.testing.assert_array_equal(future.result()[1], joint)


def test_inputs_that_do_not_fit_are_named() -> None:
    model = trained()
    with pytest.raises(InputError, match=r"z has shape \(4, 3\)"):
        model.decode(np.zeros((4, 3), np.float32))
    with pytest.raises(InputError, match=r"x has shape \(6,\)"):
        model.encode(np.zeros(6, np.float32))
    with pytest.raises(InputError, match="0 and 1"):
        model.log_joint(np.full((1, D), 0.5), np.zeros((1, 2)))
    with pytest.raises(InputError, match="5 rows of x and 4 of z"):
        model.log_joint(rows("bernoulli", 5), np.zeros((4, 3, 2)))


# -- declaration -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decoder", "values", "advice"),
    [
        ("bernoulli", "real", "gaussian"),
        ("bernoulli", "integer", "discrete"),
        ("discrete", "real", "gaussian"),
    ],
)
def test_a_likelihood_of_other_data_is_refused_with_advice(decoder: str, values: str, advice: str) -> None:
    info = dataclasses.replace(INFO["gaussian"], values=values, levels=5 if values == "integer" else 0)
    with pytest.raises(InputError, match=f"reals has {values} values: choose decoder .*{advice}"):
        check_vae_data(info, resolve(VAE_PARAMETERS, {"decoder": decoder}))


def test_integers_of_a_single_level_are_refused() -> None:
    info = dataclasses.replace(INFO["discrete"], levels=1)
    with pytest.raises(InputError, match="takes 2 to 256 levels"):
        check_vae_data(info, resolve(VAE_PARAMETERS, {"decoder": "discrete"}))


def test_the_declaration_is_cheap_and_names_the_devices() -> None:
    code = (
        "import sys; from backends.registry import find_kind; import backends.likelihood;"
        "find_kind('vae'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert devices()[0] == "cpu"
    assert BACKEND.kinds[0].load() is VAELearner


@pytest.mark.parametrize("levels", [-3, 0, 1, 10**9])
def test_a_file_with_absurd_levels_is_refused_before_anything_grows_with_them(tmp_path, levels):
    run = Run.start("vae", open_data("digits-16"), {**SMALL, "decoder": "discrete"})
    run.save(path := tmp_path / "run.safetensors")
    manifest, arrays = checkpoint.read(path)
    manifest["data"]["levels"] = levels
    checkpoint.write(path, manifest, arrays)
    with pytest.raises(InputError, match="takes 2 to 256 levels"):
        Run.open(path)

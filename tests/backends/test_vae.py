"""The VAE and its learner: the training loop against a plain one, exact resume, frozen snapshots."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from backends import checkpoint
from backends.base import Array, DataInfo, Diverged, InputError, State, Value
from backends.capabilities import capabilities
from backends.data import open_data
from backends.parameters import resolve
from backends.pytorch import BACKEND, VAE_PARAMETERS, check_vae_data, devices
from backends.pytorch.networks import Dropout
from backends.pytorch.vae import VAE, VAELearner
from backends.run import Run

D = 6
INFO = {
    "bernoulli": DataInfo("bits", "Bits", D, "binary"),
    "gaussian": DataInfo("reals", "Reals", D, "real"),
    "discrete": DataInfo("levels", "Levels", D, "integer", levels=5),
}
DECODERS = tuple(INFO)
SMALL: dict[str, Value] = {"width": 16, "batch_size": 32}  # dropout stays on, at its default


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rows(decoder: str, n: int = 100) -> Array:
    rng = np.random.default_rng(5)
    if decoder == "gaussian":
        common = rng.normal(size=(n, 1))  # here and below there is something to learn: columns mostly agree
        return ((common + 0.3 * rng.normal(size=(n, D))) * [1, 2, 3, 4, 5, 6] + 10).astype(np.float32)
    levels = 2 if decoder == "bernoulli" else 5
    common = rng.integers(levels, size=(n, 1))
    return np.where(rng.random((n, D)) < 0.8, common, rng.integers(levels, size=(n, D))).astype(np.float32)


def learner(decoder: str = "bernoulli", seed: int = 0, n: int = 100, **values: Value) -> VAELearner:
    return VAELearner(
        rows(decoder, n), INFO[decoder], {**SMALL, "decoder": decoder, **values}, seed, "cpu", "run"
    )


def trained(decoder: str = "bernoulli", steps: int = 30, **values: Value) -> VAE:
    made = learner(decoder, **values)
    for _ in range(steps):
        made.step()
    return made.snapshot()


def assert_same(a: State, b: State) -> None:
    assert a.values == b.values
    assert a.arrays.keys() == b.arrays.keys()
    for name in a.arrays:
        np.testing.assert_array_equal(a.arrays[name], b.arrays[name], err_msg=name)


# -- training ----------------------------------------------------------------------------------------


def plain_mlp(arrays: Mapping[str, Array], name: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(3):
        weight = torch.tensor(arrays[f"{name}.{i}.weight"])
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": weight, "bias": torch.tensor(arrays[f"{name}.{i}.bias"])})
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def test_steps_are_those_of_a_plain_pytorch_loop_given_the_same_noise() -> None:
    made = learner(beta=0.7, dropout=0.0)
    start = made.state()
    encoder, decoder = (plain_mlp(start.arrays, name) for name in ("encoder", "decoder"))
    adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    generator = torch.Generator()
    generator.set_state(torch.tensor(start.arrays["noise.generator"]))
    order = start.arrays["data.order"]
    for batch in (order[:32], order[32:64], order[64:96], order[96:]):
        x = torch.tensor(rows("bernoulli")[batch])
        mean, log_variance = encoder(x).chunk(2, -1)
        posterior = torch.distributions.Normal(mean, torch.exp(log_variance / 2))
        z = mean + posterior.scale * torch.randn(mean.shape, generator=generator)
        reconstruction = torch.distributions.Bernoulli(logits=decoder(z)).log_prob(x).sum(-1).mean()
        prior = torch.distributions.Normal(0.0, 1.0)
        kl = torch.distributions.kl_divergence(posterior, prior).sum(-1).mean()
        loss = 0.7 * kl - reconstruction
        adam.zero_grad()
        loss.backward()
        adam.step()
        got = made.step()
        assert got == pytest.approx(
            {
                "elbo": (reconstruction - kl).item(),
                "reconstruction": reconstruction.item(),
                "kl_prior": kl.item(),
                "loss": loss.item(),
            },
            abs=1e-5,
        )
    arrays = made.state().arrays
    np.testing.assert_allclose(arrays["decoder.1.weight"], decoder[2].weight.detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(arrays["encoder.0.bias"], encoder[0].bias.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("decoder", DECODERS)
def test_elbo_rises(decoder: str) -> None:
    x = rows(decoder)
    before = learner(decoder).snapshot().elbo(x, 20).value.mean()
    after = trained(decoder, 300, learning_rate=0.01).elbo(x, 20).value.mean()
    assert after > before + 0.2


@pytest.mark.parametrize("decoder", DECODERS)
def test_resuming_is_exact(decoder: str) -> None:
    straight, first = learner(decoder), learner(decoder)
    for _ in range(200):
        straight.step()
    for _ in range(100):
        first.step()
    second = learner(decoder, seed=99)
    second.restore(first.state())
    assert_same(second.state(), first.state())
    for _ in range(100):
        second.step()
    assert_same(second.state(), straight.state())


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    one, two, other = learner(seed=1), learner(seed=1), learner(seed=2)
    assert [one.step() for _ in range(10)] == [two.step() for _ in range(10)]
    assert_same(one.state(), two.state())
    assert other.step() != learner(seed=1).step()


def test_global_generators_are_neither_used_nor_altered() -> None:
    torch.manual_seed(1)
    a = learner().step()
    torch.manual_seed(2)
    np_before, before = np.random.get_state()[1], torch.get_rng_state()  # noqa: NPY002
    made = learner()
    assert made.step() == a
    model = made.snapshot()
    model.sample(5, 0)
    model.elbo(rows("bernoulli"), 2, 0)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], np_before)  # noqa: NPY002


def test_dropout_leaves_out_its_share_and_keeps_the_mean() -> None:
    h = torch.ones((400, 500))
    dropped = Dropout(0.3, 1, h.device)(h)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=5 * (0.21 / h.numel()) ** 0.5)
    torch.testing.assert_close(dropped[dropped != 0].unique(), torch.tensor([1 / 0.7]))
    assert torch.equal(Dropout(0.3, 1, h.device)(h), dropped)


def test_an_epoch_uses_every_row_once() -> None:
    made = learner(n=100)
    assert made.steps_per_epoch == 4
    order = made.state().arrays["data.order"]
    assert sorted(order) == list(range(100))
    for _ in range(5):
        made.step()
    assert made.steps == 5
    assert made.state().values["position"] == 32
    assert not np.array_equal(made.state().arrays["data.order"], order)


def test_live_parameters_take_effect_at_the_next_step() -> None:
    made, still = learner(), learner()
    made.set("beta", 3.0)
    one, two = made.step(), still.step()
    assert one["elbo"] == two["elbo"]
    assert one["loss"] == pytest.approx(3 * one["kl_prior"] - one["reconstruction"])
    before = made.snapshot().theta()
    made.set("learning_rate", 3e-6)
    made.step()
    assert 0 < np.abs(made.snapshot().theta() - before).max() < 1e-5
    assert made.values["learning_rate"] == 3e-6
    fresh = learner()
    fresh.restore(made.state())
    assert fresh.values == made.values
    with pytest.raises(InputError, match="width"):
        made.set("width", 3)
    with pytest.raises(InputError, match="beta"):
        made.set("beta", -1.0)


def test_a_loss_that_is_not_finite_leaves_the_weights() -> None:
    made = learner("gaussian", scaling="none")
    made.step()
    state = made.state()
    arrays = dict(state.arrays)
    arrays["encoder.2.bias"] = np.full_like(arrays["encoder.2.bias"], 1e4)  # exp(log-variance) overflows
    made.restore(State(arrays, state.values))
    with pytest.raises(Diverged, match=r"kl_prior|loss|elbo|reconstruction"):
        made.step()
    assert made.steps == 1
    np.testing.assert_array_equal(made.state().arrays["encoder.2.bias"], arrays["encoder.2.bias"])
    assert np.isfinite(made.snapshot().theta()).all()


def test_without_rows_it_carries_a_state_but_makes_no_step() -> None:
    full = learner("gaussian")
    full.step()
    empty = learner("gaussian", n=0)
    empty.restore(full.state())
    assert_same(empty.state(), full.state())
    assert empty.steps_per_epoch == full.steps_per_epoch
    np.testing.assert_array_equal(empty.snapshot().theta(), full.snapshot().theta())
    with pytest.raises(InputError, match="no training data"):
        empty.step()


def broken_states() -> dict[str, tuple[Any, str]]:
    def arrays(**changed: Any) -> Any:
        def change(state: State) -> State:
            out = dict(state.arrays)
            for key, f in changed.items():
                name = key.replace("__", ".")
                out[name] = f(out.get(name))
            return State({k: v for k, v in out.items() if v is not None}, state.values)

        return change

    def values(**changed: Any) -> Any:
        return lambda state: State(state.arrays, {**state.values, **changed})

    return {
        "missing": (arrays(encoder__0__bias=lambda a: None), "encoder.0.bias is missing"),
        "unknown": (arrays(other=lambda a: np.zeros(3)), "other"),
        "shape": (
            arrays(decoder__0__weight=lambda a: a.T.copy()),
            r"decoder.0.weight is float32 \(2, 16\) instead",
        ),
        "dtype": (arrays(decoder__0__weight=lambda a: a.astype(np.float64)), "decoder.0.weight is float64"),
        "nan": (arrays(decoder__0__weight=lambda a: a * np.nan), "decoder.0.weight .* not finite"),
        "moments": (arrays(adam__exp_avg__encoder__0__bias=lambda a: a[:-1]), "adam.exp_avg.encoder.0.bias"),
        "order": (arrays(data__order=lambda a: np.zeros_like(a)), "data.order"),
        "other rows": (arrays(data__order=lambda a: a[a < 50]), "data.order"),
        "generator": (arrays(noise__generator=lambda a: np.zeros_like(a)), "noise.generator"),
        "scale": (arrays(scale=lambda a: -a), "scale"),
        "position": (values(position=1000), "position"),
        "steps": (values(steps="3"), "steps"),
        "live": (values(beta=None), "beta"),
    }


@pytest.mark.parametrize("case", broken_states())
def test_a_state_that_does_not_fit_changes_nothing(case: str) -> None:
    change, message = broken_states()[case]
    source, made = learner(seed=1), learner(seed=2)
    source.step()
    before = made.state()
    with pytest.raises(InputError, match=message):
        made.restore(change(source.state()))
    assert_same(made.state(), before)


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


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(InputError, match=f"device '{device}'"):
        VAELearner(rows("bernoulli"), INFO["bernoulli"], SMALL, 0, device, "run")


def test_the_declaration_is_cheap_and_names_the_devices() -> None:
    code = (
        "import sys; from backends.registry import find_kind; import backends.likelihood;"
        "find_kind('vae'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert devices()[0] == "cpu"
    assert BACKEND.kinds[0].load() is VAELearner


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("decoder", DECODERS)
def test_cuda_agrees_with_the_cpu(decoder: str) -> None:
    values = {**SMALL, "decoder": decoder}
    here, there = (VAELearner(rows(decoder), INFO[decoder], values, 0, d, "run") for d in ("cpu", "cuda"))
    for _ in range(5):
        assert there.step() == pytest.approx(here.step(), rel=1e-3)
    moved = VAELearner(rows(decoder), INFO[decoder], values, 0, "cpu", "run")
    moved.restore(there.state())
    x, z = rows(decoder, 10), here.snapshot().sample_prior(5, 0)
    np.testing.assert_allclose(
        there.snapshot().log_joint(x, z), moved.snapshot().log_joint(x, z), rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("levels", [-3, 0, 1, 10**9])
def test_a_file_with_absurd_levels_is_refused_before_anything_grows_with_them(tmp_path, levels):
    run = Run.start("vae", open_data("digits-16"), {**SMALL, "decoder": "discrete"})
    run.save(path := tmp_path / "run.safetensors")
    manifest, arrays = checkpoint.read(path)
    manifest["data"]["levels"] = levels
    checkpoint.write(path, manifest, arrays)
    with pytest.raises(InputError, match="takes 2 to 256 levels"):
        Run.open(path)

"""The VAE's learner: against a plain training loop, exact resume, refusals that change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from backends.base import Array, Diverged, InputError, State
from backends.pytorch.networks import Dropout
from backends.pytorch.vae import VAELearner
from tests.backends.vaes import DECODERS, INFO, SMALL, learner, rows, trained

pytestmark = pytest.mark.usefixtures("one_thread")


def assert_same(a: State, b: State) -> None:
    assert a.values == b.values
    assert a.arrays.keys() == b.arrays.keys()
    for name in a.arrays:
        np.testing.assert_array_equal(a.arrays[name], b.arrays[name], err_msg=name)


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


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(InputError, match=f"device '{device}'"):
        VAELearner(rows("bernoulli"), INFO["bernoulli"], SMALL, 0, device, "run")


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

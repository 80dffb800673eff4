"""Adam over a flat θ: the steps of torch's own Adam, and no moments that end as subnormal numbers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from backends.pytorch.networks import Layout
from backends.pytorch.training import FlatAdam

LAYOUT = Layout({"dying": (3, 4), "living": (5,)})
STEPS = 1000


def start() -> Tensor:
    return torch.linspace(-1.0, 0.9, LAYOUT.size)


def loss(dying: Tensor, living: Tensor, step: int) -> Tensor:
    """The first weights have a gradient for a while, as those behind a unit that dies; the others always."""
    out = torch.sin(living * (1 + step % 7)).sum()
    return out + (dying**2).sum() if step < 30 else out


def stepped(adam: FlatAdam, steps: range) -> FlatAdam:
    for step in steps:
        adam.backward(loss(adam.w["dying"], adam.w["living"], step))
        adam.update()
    return adam


def plain() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights and first moments after as many steps of torch's Adam, by name."""
    theta = start().requires_grad_()
    adam = torch.optim.Adam([theta], lr=1e-3, fused=True)
    for step in range(STEPS):
        w = LAYOUT.views(theta)
        adam.zero_grad()
        loss(w["dying"], w["living"], step).backward()
        adam.step()
    return LAYOUT.views(theta.detach()), LAYOUT.views(adam.state[theta]["exp_avg"])


def subnormal(x: np.ndarray) -> np.ndarray:
    return (x != 0) & (np.abs(x) < np.finfo(np.float32).tiny)


def test_moments_that_die_away_become_zero_and_the_weights_are_those_of_plain_adam() -> None:
    weights, moments = plain()
    assert subnormal(moments["dying"].numpy()).all(), "this shows nothing if plain Adam has none either"
    ours = stepped(FlatAdam(LAYOUT, start(), 1e-3), range(STEPS)).arrays()
    np.testing.assert_array_equal(ours["adam.exp_avg.dying"], 0)
    for name, tensor in weights.items():
        np.testing.assert_array_equal(ours[name], tensor.numpy())
    np.testing.assert_array_equal(ours["adam.exp_avg.living"], moments["living"].numpy())


def test_a_restored_one_goes_on_as_the_one_that_never_stopped() -> None:
    whole = stepped(FlatAdam(LAYOUT, start(), 1e-3), range(STEPS)).arrays()
    half = stepped(FlatAdam(LAYOUT, start(), 1e-3), range(430)).arrays()
    other = FlatAdam(LAYOUT, torch.zeros(LAYOUT.size), 1e-3)
    other.restore(half, 430)
    for name, value in stepped(other, range(430, STEPS)).arrays().items():
        np.testing.assert_array_equal(value, whole[name], err_msg=name)

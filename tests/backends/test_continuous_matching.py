"""Flow matching against brute force and against a field known in closed form."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Generator

from backends.pytorch.flows.field import Field
from backends.pytorch.flows.matching import matching_loss, pair_by_transport, times
from backends.pytorch.networks import Layout
from backends.pytorch.training import FlatAdam


def test_pairs_by_transport_are_the_best_of_all_permutations() -> None:
    g = Generator().manual_seed(0)
    x, z = torch.randn(6, 2, generator=g), torch.randn(6, 2, generator=g)
    paired = pair_by_transport(x, z)
    costs = [float((x - z[list(order)]).square().sum()) for order in permutations(range(6))]
    assert float((x - paired).square().sum()) == pytest.approx(min(costs), rel=1e-6)
    assert sorted(map(tuple, paired.tolist())) == sorted(map(tuple, z.tolist()))


def test_times_are_uniform_and_cover_the_interval() -> None:
    t = times(1000, Generator().manual_seed(1))
    assert t.shape == (1000, 1)
    np.testing.assert_array_equal(np.sort((t[:, 0] * 1000).long()), np.arange(1000))
    first = torch.cat([times(4, Generator().manual_seed(s))[:1] for s in range(2000)])
    assert float(first.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(first.var()) == pytest.approx(1 / 12, abs=0.005)


def test_the_best_field_between_two_normals_is_found() -> None:
    """From N(0, σ²) to N(0, 1) it is E[z − x | x_t] = x_t (t − (1 − t)σ²)/(t² + (1 − t)²σ²)."""
    sigma = 0.5
    field = Field(1, 32, 2)
    layout, g = Layout(field.shapes), Generator().manual_seed(2)
    theta = torch.empty(layout.size)
    field.initialise(layout.views(theta), g)
    adam = FlatAdam(layout, theta, 5e-3)
    for step in range(600):
        x, z = sigma * torch.randn(512, 1, generator=g), torch.randn(512, 1, generator=g)
        adam.backward(matching_loss(field, adam.w, x, z, times(512, g)))
        adam.set_learning_rate(5e-3 * (1 - step / 600))
        adam.update()
    for at in (0.3, 0.5, 0.9):
        spread = (at**2 + (1 - at) ** 2 * sigma**2) ** 0.5
        points = torch.linspace(-2 * spread, 2 * spread, 9)[:, None]
        want = points * (at - (1 - at) * sigma**2) / spread**2
        with torch.no_grad():
            got = field(points, torch.full((1, 1), at), adam.w)
        np.testing.assert_allclose(got, want, atol=0.12)

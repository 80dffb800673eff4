"""Flow matching against brute force and against a field known in closed form."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import kstest, multivariate_normal
from torch import Generator, Tensor

from backends.base import Array
from backends.pytorch.flows.field import Field
from backends.pytorch.flows.matching import EARLY, matching_loss, mean_velocity, pair_by_transport, times
from backends.pytorch.networks import Layout
from backends.pytorch.training import FlatAdam


def test_pairs_by_transport_are_the_best_of_all_permutations() -> None:
    g = Generator().manual_seed(0)
    x, z = torch.randn(6, 2, generator=g), torch.randn(6, 2, generator=g)
    paired = pair_by_transport(x, z)
    costs = [float((x - z[list(order)]).square().sum()) for order in permutations(range(6))]
    assert float((x - paired).square().sum()) == pytest.approx(min(costs), rel=1e-6)
    assert sorted(map(tuple, paired.tolist())) == sorted(map(tuple, z.tolist()))


def test_times_have_their_distribution_and_cover_it() -> None:
    """log(1 + t/EARLY) is uniform, as the density is ∝ 1/(t + EARLY)."""

    def probability(t: Tensor) -> Array:
        return np.asarray(np.log1p(t[:, 0].double().numpy() / EARLY) / np.log1p(1 / EARLY))

    t = times(1000, Generator().manual_seed(1))
    assert t.shape == (1000, 1)
    np.testing.assert_allclose(np.sort(probability(t)), (np.arange(1000) + 0.5) / 1000, atol=0.51e-3)
    first = torch.cat([times(4, Generator().manual_seed(s))[:1] for s in range(2000)])
    assert kstest(probability(first), "uniform").pvalue > 0.01


def test_the_mean_velocity_is_that_of_all_lines_through_a_point() -> None:
    g = Generator().manual_seed(3)
    x, z = torch.randn(7, 3, generator=g), torch.randn(7, 3, generator=g)
    t = torch.tensor([0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])[:, None]
    want = []
    for point, at in zip(torch.lerp(x, z, t).double().numpy(), t[:, 0].tolist(), strict=True):
        rows = x.double().numpy()
        lines = multivariate_normal(np.zeros(3), at**2).pdf(point - (1 - at) * rows)
        want.append(lines / lines.sum() @ ((point - rows) / at))
    np.testing.assert_allclose(mean_velocity(x, z, t), want, atol=2e-5)


def test_where_no_other_line_passes_the_mean_velocity_is_the_line_s_own() -> None:
    g = Generator().manual_seed(4)
    x, z = torch.randn(64, 2, generator=g), torch.randn(64, 2, generator=g)
    t = torch.full((64, 1), 1e-6)
    assert torch.equal(mean_velocity(x, z, t), z - x)
    assert torch.equal(mean_velocity(x[:1], z[:1], times(1, g)), z[:1] - x[:1])


def test_the_mean_velocity_leaves_gradients_as_they_are_in_the_mean_and_quiets_them() -> None:
    """For any function h of x_t, E[h v] is that of the lines themselves, and the variance is smaller."""
    g, own, mean = Generator().manual_seed(5), [], []
    for _ in range(4000):
        x, z, t = torch.randn(8, 1, generator=g).exp(), torch.randn(8, 1, generator=g), times(8, g)
        h = torch.sin(2 * torch.lerp(x, z, t)) * t
        own.append(float((h * (z - x)).mean()))
        mean.append(float((h * mean_velocity(x, z, t)).mean()))
    differences = np.subtract(own, mean)
    assert abs(differences.mean()) < 3 * differences.std() / len(differences) ** 0.5
    assert np.var(mean) < 0.8 * np.var(own)


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
        t = times(512, g)
        adam.backward(matching_loss(field, adam.w, x, z, t, mean_velocity(x, z, t)))
        adam.set_learning_rate(5e-3 * (1 - step / 600))
        adam.update()
    for at in (0.3, 0.5, 0.9):
        spread = (at**2 + (1 - at) ** 2 * sigma**2) ** 0.5
        points = torch.linspace(-2 * spread, 2 * spread, 9)[:, None]
        want = points * (at - (1 - at) * sigma**2) / spread**2
        with torch.no_grad():
            got = field(points, torch.full((1, 1), at), adam.w)
        np.testing.assert_allclose(got, want, atol=0.12)

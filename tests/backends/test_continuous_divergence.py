"""The field's Jacobian–vector products against autograd; Hutchinson's estimate against the theory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from torch import Generator, Tensor

from backends.pytorch.flows.divergence import NOISES, Probes, random_probes, unit_probes
from backends.pytorch.flows.dynamics import Dynamics, Velocity
from backends.pytorch.flows.field import SMOOTH, Field
from backends.pytorch.flows.solvers import Solver
from backends.pytorch.networks import Layout

A = torch.tensor([[0.5, -1.0, 2.0], [0.3, -0.7, 0.0], [0.0, 1.5, 1.2]], dtype=torch.float64)


class LinearField(Field):
    """f(x, t) = A x, in place of the network."""

    def __init__(self) -> None:
        self.dim = 3

    def __call__(self, x: Tensor, t: Tensor, w: object) -> Tensor:
        return x @ A.T

    def jvp(self, x: Tensor, t: Tensor, vectors: Tensor, w: object) -> tuple[Tensor, Tensor]:
        return x @ A.T, (vectors @ A.T).expand(-1, len(x), -1)


def rows(n: int = 6, d: int = 3) -> Tensor:
    return torch.randn(n, d, generator=Generator().manual_seed(3), dtype=torch.float64)


def network(activation: str = "silu", depth: int = 2) -> tuple[Field, dict[str, Tensor]]:
    field = Field(3, 16, depth, activation)
    flat = torch.randn(Layout(field.shapes).size, generator=Generator().manual_seed(4), dtype=torch.float64)
    return field, Layout(field.shapes).views(flat / 2)


@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_products_are_those_of_autograd(activation: str, depth: int) -> None:
    field, w = network(activation, depth)
    one_for_all = field.jvp(rows(), torch.zeros(1, 1, dtype=torch.float64), unit_probes(rows()).vectors, w)[1]
    assert one_for_all.shape == (3, 6, 3)
    x, vectors = rows(), torch.randn(2, 6, 3, generator=Generator().manual_seed(5), dtype=torch.float64)
    t = torch.rand(6, 1, generator=Generator().manual_seed(6), dtype=torch.float64)
    value, products = field.jvp(x, t, vectors, w)
    np.testing.assert_allclose(value, field(x, t, w), atol=1e-12)
    jacobian = torch.autograd.functional.jacobian(lambda x: field(x, t, w).sum(0), x)  # (d, n, d)
    np.testing.assert_allclose(products, torch.einsum("inj,knj->kni", jacobian, vectors), atol=1e-12)


def test_the_exact_trace_and_norm_are_those_of_the_autograd_jacobian() -> None:
    field, w = network()
    x, t = rows(), torch.full((1, 1), 0.3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: field(x, t, w).sum(0), x).transpose(0, 1)
    probes = unit_probes(x)
    products = field.jvp(x, t, probes.vectors, w)[1]
    np.testing.assert_allclose(probes.trace(products), torch.einsum("nii->n", jacobian), atol=1e-12)
    np.testing.assert_allclose(probes.frobenius(products), jacobian.square().sum((1, 2)), atol=1e-12)


def test_the_field_depends_on_the_time_and_starts_at_zero() -> None:
    field, w = network()
    x = rows()
    first, later = (field(x, torch.full((1, 1), t, dtype=torch.float64), w) for t in (0.0, 0.9))
    assert (first - later).abs().max() > 0.1
    field.initialise(w, Generator().manual_seed(0))
    assert not field(x, torch.zeros(1, 1, dtype=torch.float64), w).any()


SYMMETRIC = (A + A.T) / 2
VARIANCE = {  # of εᵀAε
    "rademacher": 2 * (SYMMETRIC.square().sum() - SYMMETRIC.diagonal().square().sum()),
    "gaussian": 2 * SYMMETRIC.square().sum(),
}


@pytest.mark.parametrize("noise", NOISES)
def test_hutchinson_is_unbiased_with_the_variance_of_the_theory(noise: str) -> None:
    n = 200_000
    x = torch.zeros(n, 3, dtype=torch.float64)
    probes = random_probes(x, noise, Generator().manual_seed(7))
    estimate = probes.trace(LinearField().jvp(x, torch.zeros(1, 1), probes.vectors, None)[1]).numpy()
    stderr = estimate.std(ddof=1) / np.sqrt(n)
    assert estimate.mean() == pytest.approx(float(A.trace()), abs=4 * stderr)
    # the standard error of a variance, from the fourth moment
    off = (estimate - estimate.mean()) ** 2
    assert off.mean() == pytest.approx(float(VARIANCE[noise]), abs=4 * off.std() / np.sqrt(n))


@pytest.mark.parametrize("noise", NOISES)
def test_more_draws_divide_the_variance(noise: str) -> None:
    x = torch.zeros(50_000, 3, dtype=torch.float64)
    probes = random_probes(x, noise, Generator().manual_seed(8), draws=4)
    estimate = probes.trace(LinearField().jvp(x, torch.zeros(1, 1), probes.vectors, None)[1])
    assert float(estimate.var()) == pytest.approx(float(VARIANCE[noise]) / 4, rel=0.05)


@pytest.mark.parametrize("noise", NOISES)
def test_the_estimate_of_the_norm_is_unbiased(noise: str) -> None:
    n = 100_000
    x = torch.zeros(n, 3, dtype=torch.float64)
    probes = random_probes(x, noise, Generator().manual_seed(9))
    estimate = probes.frobenius(probes.vectors @ A.T).numpy()
    off = 4 * estimate.std() / np.sqrt(n)
    assert estimate.mean() == pytest.approx(float(A.square().sum()), abs=off)


def test_a_linear_flow_has_the_log_determinant_of_its_trace() -> None:
    x = rows()
    dynamics = Dynamics(LinearField(), {}, unit_probes(x), costs=True)
    y = Solver("rk4", 64).solve(dynamics, dynamics.start(x), (0.0, 0.5, 1.0))
    for t, state in zip((0, 0.5, 1), y, strict=True):
        np.testing.assert_allclose(state[:, :3], x.numpy() @ expm(t * A.numpy()).T, atol=1e-7)
        np.testing.assert_allclose(state[:, 3], np.full(6, t * float(A.trace())), atol=1e-12)
        np.testing.assert_allclose(state[:, 5], np.full(6, t * float(A.square().sum())), atol=1e-12)
    # kinetic energy ∫‖A exp(tA) x‖² dt, by a quadrature
    nodes, weights = np.polynomial.legendre.leggauss(20)
    speeds = [np.square(x.numpy() @ (A.numpy() @ expm((s + 1) / 2 * A.numpy())).T).sum(1) for s in nodes]
    np.testing.assert_allclose(y[-1][:, 4], weights @ np.array(speeds) / 2, rtol=1e-6)


def test_the_log_determinant_is_that_of_the_jacobian_of_the_flow() -> None:
    field, w = network()
    x, solver = rows(), Solver("rk4", 32)
    dynamics = Dynamics(field, w, unit_probes(x))
    log_det = solver.solve(dynamics, dynamics.start(x))[-1][:, 3]
    velocity = Velocity(field, w)
    jacobian = torch.autograd.functional.jacobian(lambda x: solver.solve(velocity, x)[-1].sum(0), x)
    np.testing.assert_allclose(log_det, torch.linalg.slogdet(jacobian.transpose(0, 1)).logabsdet, atol=1e-5)


def test_probes_of_rows_follow_their_dtype() -> None:
    for dtype in (torch.float32, torch.float64):
        probes: Probes = random_probes(rows().to(dtype), "rademacher", Generator().manual_seed(0))
        assert probes.vectors.dtype == dtype
        assert set(probes.vectors.unique().tolist()) == {-1.0, 1.0}

"""Solvers and both gradients against closed forms: matrix exponential, orders of convergence, autograd."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from torch import Tensor

from backends.base import Diverged
from backends.pytorch.flows.gradients import HeldMemory, compare_gradients
from backends.pytorch.flows.solvers import Counter, Solver

A = torch.tensor([[0.3, -1.2, 0.5], [0.7, -0.4, 0.1], [-0.2, 0.6, 0.25]], dtype=torch.float64)
FIXED = ("euler", "midpoint", "rk4")


def linear(t: float, y: Tensor) -> Tensor:
    """dy/dt = (1 + t) A y, so that y(1) = exp(3A/2) y(0)."""
    return (1 + t) * y @ A.T


def start() -> Tensor:
    return torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def end(y: Tensor, sign: float = 1) -> np.ndarray:
    return y.numpy() @ expm(sign * 1.5 * A.numpy()).T


@pytest.mark.parametrize("solver", [Solver("rk4", 64), Solver("dopri5", tolerance=1e-9)])
def test_a_linear_field_flows_as_the_matrix_exponential(solver: Solver) -> None:
    y = start()
    np.testing.assert_allclose(solver.solve(linear, y)[-1], end(y), atol=1e-7)
    np.testing.assert_allclose(solver.solve(linear, y, (1.0, 0.0))[-1], end(y, -1), atol=1e-7)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_the_error_falls_with_the_order_of_the_method(method: str, order: int) -> None:
    y = start()
    errors = [np.abs(Solver(method, n).solve(linear, y)[-1].numpy() - end(y)).max() for n in (32, 64)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("method", FIXED)
def test_evaluations_are_counted_as_foreseen(method: str) -> None:
    solver = Solver(method, 6)
    for times in ((0.0, 1.0), (1.0, 0.0), (0.0, 0.25, 0.3, 1.0)):
        counter = Counter(linear)
        assert len(solver.solve(counter, start(), times)) == len(times)
        assert counter.evaluations == solver.count(times)
    assert Solver("rk4", 6).count() == 24


@pytest.mark.parametrize("solver", [Solver("rk4", 8), Solver("dopri5", tolerance=1e-8)])
def test_stations_on_the_way_do_not_change_the_end(solver: Solver) -> None:
    y = start()
    straight = solver.solve(linear, y)[-1]
    stations = solver.solve(linear, y, (0.0, 0.25, 0.5, 1.0))
    np.testing.assert_allclose(stations[-1], straight, atol=1e-6)
    np.testing.assert_allclose(stations[2], solver.solve(linear, y, (0.0, 0.5))[-1], atol=1e-6)


@pytest.mark.parametrize("method", [*FIXED, "dopri5"])
def test_a_finer_solver_is_nearer(method: str) -> None:
    y, solver = start(), Solver(method, 8, 1e-5)
    coarse, fine = (np.abs(s.solve(linear, y)[-1].numpy() - end(y)).max() for s in (solver, solver.finer()))
    assert fine < coarse
    shown = solver.for_evaluation().solve(linear, y)[-1].numpy()
    assert np.abs(shown - end(y)).max() < min(coarse, 1e-4)


def test_an_adaptive_solver_gives_up_where_it_would_take_too_many_evaluations() -> None:
    def stiff(t: float, y: Tensor) -> Tensor:
        return -1e7 * (y - math.cos(t))

    with pytest.raises(Diverged, match="more than 500 times"):
        Solver("dopri5", most=500).solve(stiff, start())


def test_an_adaptive_solver_gives_up_where_its_step_underflows() -> None:
    def blows_up(t: float, y: Tensor) -> Tensor:
        return y.square()  # y(t) = y₀/(1 − t y₀): infinite at t = 1/y₀

    with pytest.raises(Diverged, match="dopri5 cannot go on"):
        Solver("dopri5").solve(blows_up, torch.full((1, 1), 2.0))


# -- gradients ------------------------------------------------------------------------------------------


class Net:
    """A small nonlinear field with leaves to differentiate."""

    def __init__(self) -> None:
        g = torch.Generator().manual_seed(1)
        self.parameters = [torch.randn(3, 3, generator=g, dtype=torch.float64) / 2 for _ in range(2)]
        for p in self.parameters:
            p.requires_grad_()

    def __call__(self, t: float, y: Tensor) -> Tensor:
        first, last = self.parameters
        return torch.tanh(y @ first.T + t) @ last.T


def loss(y: Tensor) -> Tensor:
    return y.square().sum()


@pytest.mark.parametrize(
    "solver", [Solver("rk4", 64), Solver("midpoint", 400), Solver("dopri5", tolerance=1e-8)]
)
def test_adjoint_and_backpropagation_agree(solver: Solver) -> None:
    net = Net()
    both = compare_gradients(solver, net, start(), net.parameters, loss)
    assert both.difference < 1e-4
    assert both.backpropagation.evaluations_back == 0
    assert both.adjoint.evaluations_back > 0
    assert both.backpropagation.evaluations == both.adjoint.evaluations
    assert all(p.grad is None for p in net.parameters)


def test_with_few_steps_the_two_differ() -> None:
    net = Net()
    assert compare_gradients(Solver("euler", 2), net, start(), net.parameters, loss).difference > 1e-2


def test_the_adjoint_needs_memory_that_does_not_grow_with_the_steps() -> None:
    net = Net()
    few, many = (compare_gradients(Solver("rk4", n), net, start(), net.parameters, loss) for n in (4, 32))
    assert many.backpropagation.bytes > 6 * few.backpropagation.bytes
    assert many.adjoint.bytes == few.adjoint.bytes
    assert many.adjoint.bytes < many.backpropagation.bytes / 20


def test_gradients_of_y_pass_through_the_adjoint() -> None:
    net, y = Net(), start().requires_grad_()
    solver = Solver("dopri5", tolerance=1e-9)
    (a,) = torch.autograd.grad(loss(solver.solve(net, y)[-1]), y)
    (b,) = torch.autograd.grad(loss(solver.solve_adjoint(net, y, net.parameters)[-1]), y)
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_held_memory_counts_what_autograd_keeps() -> None:
    w, x = torch.randn(10, 10, requires_grad=True), torch.randn(7, 10)
    with HeldMemory([w]) as memory:
        h = (x @ w).exp()  # keeps x, and the output of exp; w is a parameter and x needs no gradient
        h.sum().backward()
    assert memory.peak == 4 * (7 * 10 + 7 * 10)

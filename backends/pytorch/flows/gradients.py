"""The two gradients through a solver beside each other: what each costs, and how well they agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backends.pytorch.flows.solvers import Counter, Function, Solver


@dataclass(frozen=True)
class GradientCost:
    """Of one gradient: evaluations of f in the pass forward and in the one back (backpropagation has none of
    its own there), seconds, and the most bytes of intermediate values that autograd held at any moment."""

    evaluations: int
    evaluations_back: int
    seconds: float
    bytes: int


@dataclass(frozen=True)
class GradientComparison:
    """Both ways, and ‖difference‖/‖gradient by backpropagation‖ of the two gradients."""

    backpropagation: GradientCost
    adjoint: GradientCost
    difference: float


class HeldMemory:
    """Bytes that autograd keeps for the pass back, while entered; ``peak`` is the most at any moment.

    Memory that several operations keep counts once, and that of the tensors in ``others`` does not count.
    """

    def __init__(self, others: Sequence[Tensor] = ()) -> None:
        self.peak = 0
        self._held = 0
        self._users: dict[int, int] = {}
        self._others = {t.untyped_storage().data_ptr() for t in others}
        self._hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: _Saved(self, t), lambda s: s.tensor)

    def __enter__(self) -> HeldMemory:
        self._hooks.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._hooks.__exit__(*exception)

    def count(self, tensor: Tensor, users: int) -> None:
        """One user more, or one less, of a tensor's memory."""
        storage = tensor.untyped_storage()
        address = storage.data_ptr()
        if address in self._others:
            return
        before = self._users.get(address, 0)
        self._users[address] = before + users
        if before == 0 or before + users == 0:
            self._held += users * storage.nbytes()
            self.peak = max(self.peak, self._held)


class _Saved:
    """A tensor for as long as autograd keeps it."""

    def __init__(self, memory: HeldMemory, tensor: Tensor) -> None:
        self.tensor = tensor.detach()  # the tensor itself may be an output of what keeps it: a cycle
        self._memory = memory
        memory.count(self.tensor, 1)

    def __del__(self) -> None:
        self._memory.count(self.tensor, -1)


def compare_gradients(
    solver: Solver,
    f: Function,
    y: Tensor,
    parameters: Sequence[Tensor],
    loss: Callable[[Tensor], Tensor],
    times: tuple[float, float] = (0.0, 1.0),
) -> GradientComparison:
    """Gradients of loss(y(1)), a scalar, with respect to the parameters that f uses, both ways.

    parameters: leaves that require gradients; theirs are left alone.
    """

    def measure(solve: Callable[[Counter], Tensor]) -> tuple[list[Tensor], GradientCost]:
        counter = Counter(f, solver.most)
        start = time.perf_counter()
        with HeldMemory(parameters) as memory:
            value = loss(solve(counter)[-1])
            forward = counter.evaluations
            gradient = torch.autograd.grad(value, parameters)
        seconds = time.perf_counter() - start
        cost = GradientCost(forward, counter.evaluations - forward, seconds, memory.peak)
        return list(gradient), cost

    exact, backpropagation = measure(lambda counter: solver.solve(counter, y, times))
    other, adjoint = measure(lambda counter: solver.solve_adjoint(counter, y, parameters, times))
    norm = _norm(exact)
    off = _norm([a - b for a, b in zip(exact, other, strict=True)])
    return GradientComparison(backpropagation, adjoint, off / norm if norm else off)


def _norm(parts: Sequence[Tensor]) -> float:
    return float(torch.cat([part.ravel() for part in parts]).double().norm())

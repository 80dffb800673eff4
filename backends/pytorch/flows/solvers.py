"""Solvers of an ordinary differential equation dy/dt = f(t, y), and two ways to its gradients.

Explicit Runge-Kutta methods with equal steps are our own, so that every station and every evaluation of f
shows; the adaptive method of Dormand & Prince (1980) is torchdiffeq's. The gradient of a loss on y(1) is
found by backpropagation through the solver's operations, which keeps all of them in memory, or by the
adjoint equation da/dt = −aᵀ ∂f/∂y, a = ∂loss/∂y, solved backwards beside y (Chen et al. 2018, eq. 4-5), which
keeps only y(1) and is as exact as the solver.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
import torchdiffeq
from torch import Tensor

from backends.base import Diverged

MOST_EVALUATIONS = 10_000  # of one solve: minutes of a person's time on a small network
FIRST_STEP = 0.05  # that an adaptive solver tries
LEAST_STEPS = 24  # of a solve that is shown; with fewer a flow was seen to cheat its solver

Function = Callable[[float, Tensor], Tensor]


@dataclass(frozen=True)
class Tableau:
    """An explicit Runge-Kutta method by its coefficients (Butcher 1964): the slopes
    kᵢ = f(t + cᵢh, y + h Σⱼ aᵢⱼkⱼ), then y + h Σᵢ bᵢkᵢ."""

    c: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]

    def step(self, f: Function, t: float, y: Tensor, h: float) -> Tensor:
        """y(t) → y(t + h)."""
        slopes: list[Tensor] = []
        for c, row in zip(self.c, self.a, strict=True):
            slopes.append(f(t + c * h, _add(y, h, row, slopes)))
        return _add(y, h, self.b, slopes)


def _add(y: Tensor, h: float, coefficients: Sequence[float], slopes: Sequence[Tensor]) -> Tensor:
    for coefficient, slope in zip(coefficients, slopes, strict=True):
        if coefficient:
            y = torch.add(y, slope, alpha=h * coefficient)
    return y


FIXED = {
    "euler": Tableau((0,), ((),), (1,)),
    "midpoint": Tableau((0, 1 / 2), ((), (1 / 2,)), (0, 1)),
    "rk4": Tableau(
        (0, 1 / 2, 1 / 2, 1),
        ((), (1 / 2,), (0, 1 / 2), (0, 0, 1)),
        (1 / 6, 1 / 3, 1 / 3, 1 / 6),
    ),
}


class Counter:
    """f(t, y), its evaluations counted; raises Diverged where they become too many."""

    def __init__(self, f: Function, most: int = MOST_EVALUATIONS) -> None:
        self._f, self._most = f, most
        self.evaluations = 0

    def __call__(self, t: float | Tensor, y: Tensor) -> Tensor:
        if self.evaluations >= self._most:
            raise Diverged(
                f"the solver would evaluate the flow's field more than {self._most} times: "
                "the field has become too steep for this tolerance"
            )
        self.evaluations += 1
        return self._f(float(t.detach()) if isinstance(t, Tensor) else t, y)


@dataclass(frozen=True)
class Solver:
    """How to solve: "euler", "midpoint" or "rk4" with so many equal steps from t = 0 to 1, or "dopri5" with
    absolute and relative error below ``tolerance`` a step.

    most: evaluations of f after which a solve is given up with Diverged.
    """

    method: str
    steps: int = LEAST_STEPS
    tolerance: float = 1e-5
    most: int = field(default=MOST_EVALUATIONS, repr=False)

    def __str__(self) -> str:
        how = f"tolerance {self.tolerance:g}" if self.adaptive else f"{self.steps} steps"
        return f"{self.method}, {how}"

    @property
    def adaptive(self) -> bool:
        return self.method not in FIXED

    def finer(self) -> Solver:
        """With half the step, or a tenth of the tolerance."""
        return replace(self, steps=2 * self.steps, tolerance=self.tolerance / 10)

    def for_evaluation(self) -> Solver:
        """A finer one than this one: Runge-Kutta of order four with twice the steps and no fewer than
        LEAST_STEPS, or dopri5 with a hundredth of the tolerance, as far as float32 can tell."""
        if self.adaptive:
            return replace(self, tolerance=min(max(self.tolerance / 100, 1e-6), self.tolerance))
        return replace(self, method="rk4", steps=max(2 * self.steps, LEAST_STEPS))

    def count(self, times: Sequence[float] = (0.0, 1.0)) -> int | None:
        """Evaluations of f over these times; None where they depend on f."""
        if self.adaptive:
            return None
        return len(FIXED[self.method].c) * sum(self._steps(a, b) for a, b in pairwise(times))

    def _steps(self, start: float, stop: float) -> int:
        return max(1, math.ceil(abs(stop - start) * self.steps - 1e-9))

    def solve(self, f: Function, y: Tensor, times: Sequence[float] = (0.0, 1.0)) -> Tensor:
        """y at each of the times, the first of which ``y`` belongs to: (...,) → (len(times), ...).

        Times rise or fall. Autograd goes through all the operations. The steps between two times are equal,
        and at most 1/steps long. Raises Diverged where an adaptive step underflows, or f would be evaluated
        too often.
        """
        f = f if isinstance(f, Counter) else Counter(f, self.most)
        if self.adaptive and len(times) > 1:
            return self._torchdiffeq(torchdiffeq.odeint, f, y, times)
        stations = [y]
        for start, stop in pairwise(times):
            steps = self._steps(start, stop)
            h = (stop - start) / steps
            for i in range(steps):
                y = FIXED[self.method].step(f, start + i * h, y, h)
            stations.append(y)
        return torch.stack(stations)

    def solve_adjoint(
        self, f: Function, y: Tensor, parameters: Sequence[Tensor], times: Sequence[float] = (0.0, 1.0)
    ) -> Tensor:
        """As :meth:`solve`, with gradients of y and of the parameters that f uses by the adjoint equation.

        By torchdiffeq throughout, whose "rk4" is Kutta's other method of order four, the 3/8 rule.
        """
        f = f if isinstance(f, Counter) else Counter(f, self.most)

        def odeint_adjoint(*args: object, **kwargs: object) -> Tensor:
            out: Tensor = torchdiffeq.odeint_adjoint(*args, adjoint_params=tuple(parameters), **kwargs)
            return out

        return self._torchdiffeq(odeint_adjoint, f, y, times)

    def _torchdiffeq(
        self, odeint: Callable[..., Tensor], f: Function, y: Tensor, times: Sequence[float]
    ) -> Tensor:
        t = torch.tensor(times, dtype=torch.float64, device=y.device)
        options: dict[str, object] = {"step_size": 1 / self.steps}
        if self.adaptive:  # a first step that is no function of y has no gradient; steps end at the times
            options = {"first_step": FIRST_STEP, "step_t": t}
        try:
            return odeint(
                f, y, t, method=self.method, rtol=self.tolerance, atol=self.tolerance, options=options
            )
        except AssertionError as error:  # torchdiffeq's word for a step that underflows, or is not finite
            reason = str(error).splitlines()[0][:80]
            raise Diverged(f"the solver {self.method} cannot go on ({reason})") from None

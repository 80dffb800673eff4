"""The map of a continuous flow: z = y(1), where dy/dt = f(y, t) and y(0) is the standardised row.

    log|det ∂z/∂y(0)| = ∫₀¹ tr ∂f/∂y dt                                    (Chen et al. 2018, theorem 1)

There are two solves of the same field. What is shown is solved more finely than what is trained, and with the
exact trace as long as that can be paid: a flow can learn to cheat a solver of few steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from backends.base import Array
from backends.pytorch.flows.bijections import Mapped
from backends.pytorch.flows.divergence import Probes, random_probes, unit_probes
from backends.pytorch.flows.dynamics import Dynamics, Variations
from backends.pytorch.flows.field import Field
from backends.pytorch.flows.solvers import Counter, Solver
from backends.pytorch.networks import Weights

MOST_EXACT = 128  # columns up to which the trace that is shown is exact
DRAWS = 16  # of Hutchinson's noise, beyond
STATIONS = 32  # between 0 and 1, of a path that is solved with steps of no fixed number
_FLOATS = 2**18  # of a layer at once: rows in pieces that fit the cache


class ContinuousMap:
    """The map as it is shown. Immutable; the weights come with each call.

    trained: the solver that training uses; ``solver`` is the finer one of this map.
    """

    def __init__(self, field: Field, trained: Solver) -> None:
        self.field, self.trained = field, trained
        self.solver = trained.for_evaluation()
        self.shapes = field.shapes

    def initialise(self, w: Weights, generator: Generator) -> None:
        self.field.initialise(w, generator)

    @property
    def passes(self) -> tuple[int, int]:
        """Evaluations of the field there and back; 0 where they depend on the rows."""
        count = self.solver.count() or 0
        return count, count

    @property
    def times(self) -> Array:
        return np.linspace(0, 1, 1 + (STATIONS if self.solver.adaptive else self.solver.steps))

    def finer(self) -> ContinuousMap:
        """The same map with half the step, or a tenth of the tolerance."""
        out = ContinuousMap(self.field, self.trained)
        out.solver = self.solver.finer()
        return out

    def probes(self, like: Tensor) -> Probes:
        """Those of the divergence that is shown, for rows like these: beyond MOST_EXACT columns Hutchinson's,
        the same ones for every row, so that a row's density is a function of the row."""
        if like.shape[-1] <= MOST_EXACT:
            return unit_probes(like)
        return random_probes(like[:1], "rademacher", Generator().manual_seed(0), DRAWS)

    def states(
        self, y: Tensor, w: Weights, times: Sequence[float], probes: Probes | None = None
    ) -> tuple[Tensor, int]:
        """Rows and their log|det| at each of the times, (T, n, d + 1), and the evaluations of the field."""
        if not len(y):
            return y.new_zeros((len(times), 0, y.shape[1] + 1)), 0
        probes = probes or self.probes(y)
        dynamics = Dynamics(self.field, w, probes)
        parts, evaluations = [], 0
        for part in self._parts(y, len(probes.vectors)):
            counter = Counter(dynamics, self.solver.most)
            parts.append(self.solver.solve(counter, dynamics.start(part), times))
            evaluations = max(evaluations, counter.evaluations)
        return torch.cat(parts, 1), evaluations

    def _parts(self, y: Tensor, products: int) -> Sequence[Tensor]:
        """Rows in pieces that are solved at once, with so many Jacobian–vector products of each row."""
        width = max(max(shape) for shape in self.shapes.values())
        return y.split(max(1, _FLOATS // (width * (1 + products))))

    def jacobian(self, z: Tensor, w: Weights) -> Tensor:
        """∂y(0)/∂y(1) at rows y(1) (n, d): (n, d, d). Nothing is kept for a pass back."""
        dynamics = Variations(self.field, w)
        parts = [
            self.solver.solve(dynamics, dynamics.start(part), (1.0, 0.0))[-1]
            for part in self._parts(z, z.shape[1])
        ]
        return torch.cat([dynamics.jacobian(state) for state in parts])

    def transform(self, x: Tensor, w: Weights) -> Mapped:
        """y(0) (n, d) → y(1) and log|det ∂y(1)/∂y(0)| (n,)."""
        return _split(self.states(x, w, (0.0, 1.0))[0][-1])

    def inverse(self, z: Tensor, w: Weights) -> Mapped:
        """y(1) (n, d) → y(0) and log|det ∂y(0)/∂y(1)| (n,)."""
        return _split(self.states(z, w, (1.0, 0.0))[0][-1])

    def path(self, y: Tensor, w: Weights, times: Array) -> Iterator[Mapped]:
        distinct = [t for t, next_t in zip(times, [*times[1:], None], strict=True) if t != next_t]
        at = dict(zip(distinct, self.states(y, w, distinct)[0], strict=True))
        return (_split(at[t]) for t in times)


class TrainingSolve:
    """The same map as one training step makes it: with the solver, the trace and the gradients asked for.

    trace: "exact", or the noise of Hutchinson's estimate, drawn from ``generator``. costs: integrate kinetic
    energy and Jacobian beside it. After a solve ``evaluations`` and, with costs, ``kinetic`` and ``jacobian``
    (n,) are those of it.
    """

    def __init__(
        self, of: ContinuousMap, trace: str, adjoint: bool, costs: bool, generator: Generator
    ) -> None:
        self._of, self._trace, self._adjoint, self._costs = of, trace, adjoint, costs
        self._generator = generator
        self.evaluations = 0
        self.kinetic = self.jacobian = torch.zeros(0)

    def transform(self, x: Tensor, w: Weights) -> Mapped:
        return self._solve(x, w, (0.0, 1.0))

    def inverse(self, z: Tensor, w: Weights) -> Mapped:
        return self._solve(z, w, (1.0, 0.0))

    def _solve(self, y: Tensor, w: Weights, times: tuple[float, float]) -> Mapped:
        exact = self._trace == "exact"
        probes = unit_probes(y) if exact else random_probes(y, self._trace, self._generator)
        field, solver = self._of.field, self._of.trained
        dynamics = Dynamics(field, w, probes, self._costs)
        counter = Counter(dynamics, solver.most)
        start = dynamics.start(y)
        if self._adjoint and torch.is_grad_enabled():
            states = solver.solve_adjoint(counter, start, [w[name] for name in field.shapes], times)
        else:
            states = solver.solve(counter, start, times)
        self.evaluations = counter.evaluations
        end, d = states[-1], y.shape[1]
        if self._costs:  # whose integrals have the sign of the way in time
            self.kinetic, self.jacobian = ((times[1] - times[0]) * end[:, d + 1 :]).unbind(-1)
        return end[:, :d], end[:, d]


def _split(state: Tensor) -> Mapped:
    return state[:, :-1], state[:, -1]

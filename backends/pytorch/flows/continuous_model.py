"""A frozen continuous flow: what it can tell besides any other flow."""

from __future__ import annotations

from functools import partial
from typing import Self

import numpy as np
import torch
from torch import Generator, Tensor

from backends.base import Array, Decoded, InputError
from backends.costs import Costs, Measuring
from backends.pytorch.flows.bases import Uniform
from backends.pytorch.flows.continuous_map import MOST_EXACT, ContinuousMap
from backends.pytorch.flows.costs import GRADIENT_ROWS, TIGHT, both_ways, gradients
from backends.pytorch.flows.divergence import NOISES, random_probes
from backends.pytorch.flows.dynamics import Dynamics, Velocity
from backends.pytorch.flows.gradients import GradientComparison, compare_gradients
from backends.pytorch.flows.model import Flow, narrow
from backends.pytorch.flows.solvers import Solver

_COUNTED = 64  # rows on which the evaluations of an adaptive solver are counted


class ContinuousFlow(Flow):
    """A frozen continuous flow; every method may be called from any thread.

    Points at a time t are those of :meth:`path`: at 0 in the data's units, at 1 in those of a normal base.
    """

    @property
    def _map(self) -> ContinuousMap:
        bijection = self._net.bijection
        assert isinstance(bijection, ContinuousMap)
        return bijection

    @property
    def passes(self) -> tuple[int, int]:
        """Evaluations of the field one after the other, from x to z and back; where the solver is adaptive,
        those that it needs for a few draws of the flow."""
        there, back = self._map.passes
        if there:
            return there, back
        with torch.no_grad():
            z = self._net.base.sample(_COUNTED, self._w, Generator().manual_seed(0))
            states, back = self._map.states(self._net.base.back(z)[0], self._w, (1.0, 0.0))
            return self._map.states(states[-1, :, :-1], self._w, (0.0, 1.0))[1], back

    @property
    def evaluations(self) -> int:
        """Evaluations of the field (NFE) that log p(x) takes."""
        return self.passes[0]

    @property
    def solver(self) -> str:
        """In words, how the flow is solved where it is shown."""
        return str(self._map.solver)

    @property
    def trained_with(self) -> str:
        """In words, how it is solved in training, where that takes a solver."""
        return str(self._map.trained)

    # -- where rows go, without their densities -------------------------------------------------------

    def move(self, points: Array, start: float, stop: float) -> Array:
        """Where points (n, d) at one time are at another, (n, d) float32."""
        net, w = self._net, self._w
        with torch.no_grad():
            y = net.inside(self._rows(points, "points"), w, start)[0]
            y = self._map.solver.solve(Velocity(self._map.field, w), y, (start, stop))[-1]
            return narrow(net.outside(y, w, stop)[0])

    def sample(self, n: int, seed: int) -> Array:
        """x of draws from the base density, (n, d) float32."""
        return self.move(self.sample_prior(n, seed), 1.0, 0.0)

    def decode(self, z: Array) -> Decoded:
        """z (n, d) → the one x that it belongs to."""
        return Decoded(self.move(z, 1.0, 0.0))

    def metric(self, z: Array, directions: Array | None = None) -> Array:
        """G(z) = JᵀJ, J = ∂x/∂z: (n, d) → (n, d, d) float64; see :class:`backends.capabilities.HasMetric`. J
        by the equation of variations, solved beside the rows: differentiating the solve would keep all of its
        steps in memory."""
        rows, w, base = self._rows(z, "z"), self._w, self._net.base
        with torch.enable_grad():  # of the base's last step, which takes each column by itself
            rows.requires_grad_()
            y = base.back(rows)[0]
            (slope,) = torch.autograd.grad(y.sum(), rows)
        with torch.no_grad():
            jacobian = w["scale"][:, None] * self._map.jacobian(y.detach(), w) * slope[:, None]
            wide = jacobian.double()
            if directions is not None:
                wide = wide @ torch.tensor(directions).to(wide).mT
            return np.array((wide.mT @ wide).cpu().numpy())

    # -- the field ----------------------------------------------------------------------------------

    def velocity(self, points: Array, time: float) -> Array:
        """d/dt of points (n, d) on their paths at that time, (n, d) float32.

        It has the field's part, and that of the standardisation, which is undone on the way.
        """
        y, scale, w = self._at(points, time)
        log_scale, shift = w["scale"].log(), w["shift"]
        with torch.no_grad():
            rate = self._map.field(y, y.new_full((1, 1), time), w) - y * log_scale
            return np.ascontiguousarray((rate * scale - shift).cpu().numpy(), dtype=np.float32)

    def divergence(self, points: Array, time: float) -> Array:
        """The velocity's divergence at points (n, d), (n,) float64: d/dt log|det| of paths through them."""
        y, _, w = self._at(points, time)
        with torch.no_grad():
            probes = self._map.probes(y)
            products = self._map.field.jvp(y, y.new_full((1, 1), time), probes.vectors, w)[1]
            trace = probes.trace(products) - w["scale"].log().sum()
            return np.array(trace.cpu().numpy(), dtype=np.float64)

    def _at(self, points: Array, time: float) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Standardised rows at that time, their scale there, and the weights."""
        if not 0 <= time <= 1:
            raise InputError(f"time {time:g} is not between 0 and 1")
        if time == 1 and isinstance(self._net.base, Uniform):
            raise InputError("at time 1 points jump onto the uniform base's cube, and have no velocity")
        rows, w = self._rows(points, "points"), self._w
        scale = w["scale"] ** (1 - time)
        return (rows - (1 - time) * w["shift"]) / scale, scale, w

    # -- how far the numbers are to be trusted ---------------------------------------------------------

    def finer(self) -> Self:
        """The same flow with the solver's step halved, or its tolerance divided by ten."""
        net = self._net.along(self._map.finer())
        return type(self)(self.kind, net, self._theta, self._w["shift"], self._w["scale"], self.stamp)

    def solver_error(self, x: Array) -> Array:
        """How much log p(x) changes in :meth:`finer`: (n,) float64, nats."""
        return self.finer().log_prob(x) - self.log_prob(x)

    @property
    def exact_log_det(self) -> bool:
        """Whether the divergence is exact; else it is Hutchinson's estimate, see ContinuousMap.probes."""
        return self.latent_dim <= MOST_EXACT

    def estimate_log_det(
        self, x: Array, noise: str = "rademacher", draws: int = 16, seed: int = 0
    ) -> tuple[Array, Array]:
        """Hutchinson's estimate of log|det ∂z/∂x|: the mean over ``draws`` of ε a row and its standard error,
        (n,) float64 each. Raises InputError for a noise that is not known, and for fewer than two draws."""
        if noise not in NOISES:
            raise InputError(f"noise: '{noise}' is not one of {', '.join(NOISES)}")
        if draws < 2:
            raise InputError(f"draws: {draws} tell no standard error; there must be two at least")
        rows, w, generator = self._rows(x, "x"), self._w, Generator().manual_seed(seed)
        with torch.no_grad():
            y = self._net.standardise(rows, w)
            solved = []
            for _ in range(draws):
                probes = random_probes(y, noise, generator)
                dynamics = Dynamics(self._map.field, w, probes)
                solved.append(self._map.solver.solve(dynamics, dynamics.start(y))[-1])
            last = self._net.base.onto(solved[0][:, :-1])[1] + self._net.log_volume(w)
            log_det = (torch.stack([state[:, -1] for state in solved]) + last).double().cpu().numpy()
        return log_det.mean(0), log_det.std(0, ddof=1) / np.sqrt(draws)

    def compare_gradients(self, x: Array, tolerance: float | None = None) -> GradientComparison:
        """The gradient of mean log p(x) by backpropagation through the solver and by the adjoint, with costs.

        The solver is that of training, or where a tolerance is given dopri5 at that tolerance.
        """
        net, flow = self._net, self._map
        rows, w = self._rows(x, "x"), dict(self._w)
        for name in flow.field.shapes:
            w[name] = w[name].detach().clone().requires_grad_()
        solver = flow.trained if tolerance is None else Solver("dopri5", tolerance=tolerance)
        y = net.standardise(rows, w)
        dynamics = Dynamics(flow.field, w, flow.probes(y))

        def log_likelihood(state: Tensor) -> Tensor:
            z, last = net.base.onto(state[:, :-1])
            return (net.base.log_prob(z, w) + state[:, -1] + last).mean()

        leaves = [w[name] for name in flow.field.shapes]
        return compare_gradients(solver, dynamics, dynamics.start(y), leaves, log_likelihood)

    def costs(self, x: Array) -> Measuring:
        """See :class:`backends.capabilities.HasCosts`: beside both ways, both gradients through the solver of
        training and through a tight one."""
        ways = yield from both_ways(self, x, "evaluations")
        yield Costs((ways,))
        compare = partial(self.compare_gradients, np.resize(x, (GRADIENT_ROWS, self.latent_dim)))
        solvers = {self.trained_with: None, str(Solver("dopri5", tolerance=TIGHT)): TIGHT}
        return Costs((ways, (yield from gradients(compare, solvers))))

"""Training a continuous flow.

Through a solver, by either KL divergence (Chen et al. 2018, Grathwohl et al. 2019), regularised on demand
(Finlay et al. 2020); or without one, by flow matching (Lipman et al. 2023).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from backends.base import DataInfo, Value
from backends.pytorch.flows.bases import Normal
from backends.pytorch.flows.continuous_map import ContinuousMap, TrainingSolve
from backends.pytorch.flows.continuous_model import ContinuousFlow
from backends.pytorch.flows.field import Field
from backends.pytorch.flows.kinds import CNF_PARAMETERS
from backends.pytorch.flows.learner import FlowLearner
from backends.pytorch.flows.matching import matching_loss, mean_velocity, pair_by_transport, times
from backends.pytorch.flows.net import FlowNet
from backends.pytorch.flows.objectives import Loss, Objective
from backends.pytorch.flows.solvers import Solver
from backends.pytorch.networks import Weights


class ThroughSolver:
    """An objective of any flow, with the ODE solved as the values ask for in training, plus

        kinetic · E∫‖f‖² dt + jacobian · E∫‖∂f/∂y‖²_F dt                (Finlay et al. 2020, eq. 12)

    along the paths of the last solve, in standardised units. Both are shown where they count, and the
    evaluations of the field ("nfe") always.

    values: of the learner, looked up at each step, as some change during a run.
    """

    def __init__(self, of: Objective, values: Mapping[str, Value]) -> None:
        self._of, self._values = of, values

    def __call__(self, net: FlowNet, w: Weights, x: Tensor, noise: Generator) -> Loss:
        kinetic, jacobian = (float(self._values[name]) for name in ("kinetic", "jacobian"))
        costs = kinetic > 0 or jacobian > 0
        adjoint = self._values["gradient"] == "adjoint"
        assert isinstance(net.bijection, ContinuousMap)
        solve = TrainingSolve(net.bijection, str(self._values["trace"]), adjoint, costs, noise)
        loss, shown = self._of(net.through(solve), w, x, noise)
        shown = {**shown, "nfe": loss.new_tensor(float(solve.evaluations))}
        if costs:
            energy, frobenius = solve.kinetic.mean(), solve.jacobian.mean()
            loss = loss + kinetic * energy + jacobian * frobenius
            shown |= {"kinetic": energy, "jacobian": frobenius}
        return loss, shown


class FlowMatching:
    """Regression of the field on straight lines between rows and draws of the base density, paired
    independently or by the optimal transport of the batch. The likelihood is not asked for, nor shown.

    Where the mean velocity of the lines has a closed form, for independent pairs with a normal base, that is
    what the field is fitted to.
    """

    def __init__(self, by_transport: bool) -> None:
        self._by_transport = by_transport

    def __call__(self, net: FlowNet, w: Weights, x: Tensor, noise: Generator) -> Loss:
        with torch.no_grad():
            y = net.standardise(x, w)
            end = net.base.back(net.base.sample(len(x), w, noise))[0]
            if self._by_transport:
                end = pair_by_transport(y, end)
            t = times(len(x), noise).to(y)
            in_closed_form = type(net.base) is Normal and not self._by_transport
            velocity = mean_velocity(y, end, t) if in_closed_form else end - y
        assert isinstance(net.bijection, ContinuousMap)
        return matching_loss(net.bijection.field, w, y, end, t, velocity), {}


class ContinuousLearner(FlowLearner):
    """dy/dt = f(y, t), f a network; see :data:`backends.pytorch.flows.kinds.CNF_PARAMETERS`."""

    kind = "cnf"
    parameters = CNF_PARAMETERS
    model = ContinuousFlow

    @staticmethod
    def bijection(info: DataInfo, values: Mapping[str, Value]) -> ContinuousMap:
        field = Field(info.dim, int(values["width"]), int(values["depth"]), str(values["activation"]))
        trained = Solver(str(values["solver"]), int(values["steps"]), float(values["tolerance"]))
        return ContinuousMap(field, trained)

    def objective(self) -> Objective:
        if self._values["objective"] == "flow-matching":
            return FlowMatching(self._values["coupling"] == "optimal-transport")
        return ThroughSolver(super().objective(), self._values)

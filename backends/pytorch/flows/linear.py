"""Linear flows: one matrix, z = W y + b."""

from __future__ import annotations

from collections.abc import Mapping

from backends.base import Array, DataInfo, Value
from backends.costs import Measuring
from backends.pytorch.flows.bijections import Layers
from backends.pytorch.flows.costs import determinants, with_curves
from backends.pytorch.flows.kinds import LINEAR_PARAMETERS
from backends.pytorch.flows.learner import FlowLearner
from backends.pytorch.flows.matrices import PARAMETRISATIONS
from backends.pytorch.flows.model import Flow


class LinearFlow(Flow):
    """A frozen linear flow, which also knows what determinants cost."""

    def costs(self, x: Array) -> Measuring:
        """See :class:`backends.capabilities.HasCosts`: beside both ways, the parametrisations of W at
        several sizes."""
        found = yield from super().costs(x)
        yield found
        return (yield from with_curves(found, determinants(device=self._theta.device)))


class LinearFlowLearner(FlowLearner):
    """One matrix: with a normal base density, a Gaussian of full covariance."""

    kind = "linear-flow"
    parameters = LINEAR_PARAMETERS
    model = LinearFlow

    @staticmethod
    def bijection(info: DataInfo, values: Mapping[str, Value]) -> Layers:
        return Layers([PARAMETRISATIONS[str(values["parametrisation"])]("linear", info.dim)])

"""Coupling layers: some columns are mapped by the others, which stay (Dinh et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from backends.base import Array, DataInfo, Value
from backends.pytorch.flows.bijections import Layers, Mapped
from backends.pytorch.flows.elementwise import Affine, Elementwise, Shift
from backends.pytorch.flows.kinds import REALNVP_PARAMETERS
from backends.pytorch.flows.learner import FlowLearner
from backends.pytorch.flows.mixing import layers
from backends.pytorch.networks import MLP, Weights


class Coupling:
    """Maps the columns ``moved`` one by one, with parameters that a network makes of the columns ``kept``.

    The Jacobian is triangular but for the order of columns: its log|det| is the sum of log f'.
    """

    passes = (1, 1)

    def __init__(
        self,
        name: str,
        moved: Array,
        dim: int,
        element: Elementwise,
        hidden: Sequence[int],
        activation: str,
    ) -> None:
        self._moved = sorted(moved.tolist())
        self._kept = sorted(set(range(dim)) - set(self._moved))
        self._order = np.argsort(self._kept + self._moved).tolist()
        self._element = element
        sizes = [len(self._kept), *hidden, len(self._moved) * element.size]
        self._net = MLP(name, sizes, activation)
        self._last = f"{name}.{len(hidden)}"
        self.shapes = self._net.shapes

    def initialise(self, w: Weights, generator: Generator) -> None:
        """The network at random, but for its last layer: the map begins as the identity."""
        self._net.initialise(w, generator)
        w[f"{self._last}.weight"].zero_()
        w[f"{self._last}.bias"].zero_()

    def transform(self, x: Tensor, w: Weights) -> Mapped:
        kept, h = self._read(x, w)
        moved, log_slope = self._element.transform(x[:, self._moved], h)
        return self._joined(kept, moved), log_slope.sum(-1)

    def inverse(self, z: Tensor, w: Weights) -> Mapped:
        kept, h = self._read(z, w)
        moved, log_slope = self._element.inverse(z[:, self._moved], h)
        return self._joined(kept, moved), log_slope.sum(-1)

    def _read(self, rows: Tensor, w: Weights) -> tuple[Tensor, Tensor]:
        """The kept columns, and the parameters (n, moved, size) that follow from them."""
        kept = rows[:, self._kept]
        return kept, self._net(kept, w).unflatten(-1, (len(self._moved), self._element.size))

    def _joined(self, kept: Tensor, moved: Tensor) -> Tensor:
        return torch.cat((kept, moved), -1)[:, self._order]


def couplings(info: DataInfo, values: Mapping[str, Value], element: Elementwise) -> Layers:
    """Coupling layers as ``values`` ask for; in each the later half of its order of columns is moved."""
    d, hidden = info.dim, [int(values["width"])] * int(values["depth"])
    activation = str(values["activation"])

    def layer(name: str, order: Array) -> Coupling:
        return Coupling(name, order[d // 2 :], d, element, hidden, activation)

    return layers(info, values, layer)


class RealNVPLearner(FlowLearner):
    """y = x·exp(a) + b with a and b from the other half of the columns (Dinh et al. 2017)."""

    kind = "realnvp"
    parameters = REALNVP_PARAMETERS

    @staticmethod
    def bijection(info: DataInfo, values: Mapping[str, Value]) -> Layers:
        return couplings(info, values, Shift() if values["additive"] else Affine())

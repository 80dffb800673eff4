"""Autoregressive layers: each column is mapped by those before it (Papamakarios et al. 2017).

The network is a masked one (Germain et al. 2015, MADE), so that one pass gives the parameters of all columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from backends.base import Array, DataInfo, Value
from backends.pytorch.flows.bijections import Inverse, Layers, Mapped
from backends.pytorch.flows.elementwise import Affine, Elementwise
from backends.pytorch.flows.kinds import IAF_PARAMETERS, MAF_PARAMETERS
from backends.pytorch.flows.learner import FlowLearner
from backends.pytorch.flows.mixing import layers
from backends.pytorch.networks import ACTIVATIONS, MLP, Weights


class MaskedMLP(MLP):
    """An MLP whose outputs for a column, ``size`` of them, depend on the columns before it alone.

    rank: (d,) the place of each column in the order. A hidden unit of degree m sees the columns of rank < m;
    degrees go round from 1 to d − 1 (Germain et al. 2015, eq. 13-14).
    """

    def __init__(self, name: str, rank: Array, size: int, hidden: Sequence[int], activation: str) -> None:
        d = len(rank)
        super().__init__(name, [d, *hidden, d * size], activation)
        self._rank, self._size, self._widths = rank, size, list(hidden)
        self._there: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}

    @cached_property
    def _masks(self) -> list[Tensor]:
        """One a layer, (out, in)."""
        d = len(self._rank)
        degrees = [self._rank + 1, *(1 + np.arange(width) % max(d - 1, 1) for width in self._widths)]
        masks = [after[:, None] >= before for before, after in pairwise(degrees)]
        masks.append(np.repeat(self._rank + 1, self._size)[:, None] > degrees[-1])
        return [torch.from_numpy(mask) for mask in masks]

    def __call__(self, h: Tensor, w: Weights, drop: object = None) -> Tensor:
        """(n, d) → (n, d·size)."""
        place = (h.device, h.dtype)
        masks = self._there.get(place)
        if masks is None:
            masks = self._there[place] = [mask.to(*place) for mask in self._masks]
        activation, (*inner, last) = ACTIVATIONS[self.activation], zip(self.layers, masks, strict=True)
        for (weight, bias), mask in inner:
            h = activation(functional.linear(h, w[weight] * mask, w[bias]))
        (weight, bias), mask = last
        return functional.linear(h, w[weight] * mask, w[bias])


class Autoregressive:
    """Maps each column with parameters that a masked network makes of the columns before it in ``order``.

    The Jacobian is triangular but for the order of columns: its log|det| is the sum of log f'. The inverse
    finds one column a pass.
    """

    def __init__(
        self, name: str, order: Array, element: Elementwise, hidden: Sequence[int], activation: str
    ) -> None:
        self._order, self._element = order.tolist(), element
        self._net = MaskedMLP(name, np.argsort(order), element.size, hidden, activation)
        self._last = f"{name}.{len(hidden)}"
        self.shapes = self._net.shapes

    @property
    def passes(self) -> tuple[int, int]:
        return 1, len(self._order)

    def initialise(self, w: Weights, generator: Generator) -> None:
        """The network at random, but for its last layer: the map begins as the identity."""
        self._net.initialise(w, generator)
        w[f"{self._last}.weight"].zero_()
        w[f"{self._last}.bias"].zero_()

    def transform(self, x: Tensor, w: Weights) -> Mapped:
        z, log_slope = self._element.transform(x, self._parameters(x, w))
        return z, log_slope.sum(-1)

    def inverse(self, z: Tensor, w: Weights) -> Mapped:
        x = torch.zeros_like(z)
        for found in self._found(z):
            # columns not yet found are kept at 0: what they would be now may be anything
            y, log_slope = self._element.inverse(z, self._parameters(x, w))
            x = torch.where(found, y, 0.0)
        return y, log_slope.sum(-1)

    def _found(self, z: Tensor) -> list[Tensor]:
        """After each pass, which columns are right, (d,) bool."""
        rank = torch.tensor(np.argsort(self._order), device=z.device)
        return [rank <= i for i in range(len(self._order))]

    def _parameters(self, x: Tensor, w: Weights) -> Tensor:
        return self._net(x, w).unflatten(-1, (x.shape[1], self._element.size))


def autoregressives(info: DataInfo, values: Mapping[str, Value], element: Elementwise) -> Layers:
    """Autoregressive layers as ``values`` ask for."""
    hidden = [int(values["width"])] * int(values["depth"])
    activation = str(values["activation"])

    def layer(name: str, order: Array) -> Autoregressive:
        return Autoregressive(name, order, element, hidden, activation)

    return layers(info, values, layer)


class MAFLearner(FlowLearner):
    """Masked autoregressive flow: density in one pass a layer, samples in d (Papamakarios et al. 2017)."""

    kind = "maf"
    parameters = MAF_PARAMETERS

    @staticmethod
    def bijection(info: DataInfo, values: Mapping[str, Value]) -> Layers:
        return autoregressives(info, values, Affine())


class IAFLearner(FlowLearner):
    """Inverse autoregressive flow: samples in one pass a layer, density in d (Kingma et al. 2016)."""

    kind = "iaf"
    parameters = IAF_PARAMETERS

    @staticmethod
    def bijection(info: DataInfo, values: Mapping[str, Value]) -> Layers:
        return Layers([Inverse(layer) for layer in autoregressives(info, values, Affine()).parts])

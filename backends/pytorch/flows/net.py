"""A flow as a pure function of data rows and weights: standardise, map, take onto the base's support."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

import torch
from torch import Generator, Tensor

from backends.base import Array, DataInfo
from backends.pytorch.flows.bases import Base
from backends.pytorch.flows.bijections import Map, Mapped, Travelled
from backends.pytorch.networks import Layout, Weights


class FlowNet:
    """Bijection and base density without their weights: immutable, shared by a learner and its snapshots.

    x is in the data's own units everywhere, z is distributed as the base density. Weights are the tensors of
    ``layout``, and "shift" and "scale" (d,) of the standardisation y = (x − shift)/scale.
    """

    def __init__(self, info: DataInfo, bijection: Travelled, base: Base) -> None:
        self.info, self.bijection, self.base = info, bijection, base
        self._map: Map = bijection
        self.layout = Layout(bijection.shapes | base.shapes)

    def through(self, other: Map) -> FlowNet:
        """The same flow with another way to compute its bijection there and back, from the same weights."""
        out = copy(self)
        out._map = other
        return out

    def weights(self, theta: Tensor, shift: Tensor, scale: Tensor) -> dict[str, Tensor]:
        """All weights by name; those of the layout are views of ``theta`` (layout.size,)."""
        return {**self.layout.views(theta), "shift": shift, "scale": scale}

    def initialise(self, w: Weights, generator: Generator) -> None:
        self.bijection.initialise(w, generator)
        self.base.initialise(w, generator)

    def standardise(self, x: Tensor, w: Weights) -> Tensor:
        """x (n, d) → y (n, d), whose log|det| is :meth:`log_volume`."""
        return (x - w["shift"]) / w["scale"]

    def log_volume(self, w: Weights) -> Tensor:
        """log|det ∂y/∂x|, a scalar."""
        return -w["scale"].log().sum()

    def transform(self, x: Tensor, w: Weights) -> Mapped:
        """x (n, d) → z and log|det ∂z/∂x| (n,)."""
        y, log_det = self._map.transform(self.standardise(x, w), w)
        z, last = self.base.onto(y)
        return z, log_det + last + self.log_volume(w)

    def inverse(self, z: Tensor, w: Weights) -> Mapped:
        """z (n, d) → x and log|det ∂x/∂z| (n,); raises InputError for z outside the base's support."""
        y, first = self.base.back(z)
        y, log_det = self._map.inverse(y, w)
        return y * w["scale"] + w["shift"], first + log_det - self.log_volume(w)

    def log_prob(self, x: Tensor, w: Weights) -> tuple[Tensor, Tensor]:
        """log p(z) and log|det ∂z/∂x|, (n,) each; log p(x) is their sum."""
        z, log_det = self.transform(x, w)
        return self.base.log_prob(z, w), log_det

    def path(self, x: Tensor, w: Weights, times: Array) -> Iterator[Mapped]:
        """Rows at each of the times, which rise from 0, and the log|det| from x to there."""
        on_the_way = self.bijection.path(self.standardise(x, w), w, times)
        volume = self.log_volume(w)
        for t, (y, log_det) in zip(times, on_the_way, strict=True):
            if t == 1:
                z, last = self.base.onto(y)
                yield z, log_det + last + volume
            else:
                yield self._towards_data(y, w, 1 - t), log_det + t * volume

    def path_back(self, z: Tensor, w: Weights, times: Array) -> Iterator[Mapped]:
        """Rows at each of the times, which fall from 1, and the log|det| from z to there."""
        y, first = self.base.back(z)
        volume = self.log_volume(w)
        for t, (at, log_det) in zip(times, self.bijection.path_back(y, w, times), strict=True):
            if t == 1:
                yield z, log_det
            else:
                yield self._towards_data(at, w, 1 - t), first + log_det - (1 - t) * volume

    @staticmethod
    def _towards_data(y: Tensor, w: Weights, share: float) -> Tensor:
        """That share of the standardisation undone, so that a path has no jump at its ends."""
        return y * w["scale"] ** share + share * w["shift"]


def standardisation(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column of x (n, d), (d,) each; 0 and 1 without rows.

    A column that never varies has no scale: it keeps its own units.
    """
    if not len(x):
        return x.new_zeros(x.shape[1]), x.new_ones(x.shape[1])
    variance, shift = torch.var_mean(x.double(), 0, correction=0)
    scale = torch.where(variance > 0, variance.sqrt(), 1.0)
    return shift.to(x.dtype), scale.to(x.dtype)

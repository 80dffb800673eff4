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

    def along(self, other: Travelled) -> FlowNet:
        """The same flow with another bijection of the same weights, on its way too."""
        out = self.through(other)
        out.bijection = other
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

    def path(self, points: Tensor, w: Weights, times: Array) -> Iterator[Mapped]:
        """Points at times[0], 0 the data's side and 1 the base's, at each of the times, and the log|det| from
        the first to there. On the way that share of the standardisation is undone that is left of it: a path
        has no jump at its ends."""
        y, first = self.inside(points, w, times[0])
        for time, (at, log_det) in zip(times, self.bijection.path(y, w, times), strict=True):
            out, last = self.outside(at, w, time)
            yield out, first + log_det + last

    def inside(self, points: Tensor, w: Weights, time: float) -> Mapped:
        """Points at a time → rows as the bijection sees them."""
        if time == 1:
            return self.base.back(points)
        share = 1 - time
        y = (points - share * w["shift"]) / w["scale"] ** share
        return y, (share * self.log_volume(w)).expand(len(y))

    def outside(self, y: Tensor, w: Weights, time: float) -> Mapped:
        """Rows as the bijection sees them → points at a time."""
        if time == 1:
            return self.base.onto(y)
        share = 1 - time
        return y * w["scale"] ** share + share * w["shift"], (-share * self.log_volume(w)).expand(len(y))


def standardisation(x: Tensor, blur: float) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column of x (n, d), (d,) each; 0 and 1 without rows.

    blur: width of the uniform noise that will be added to x.

    A column that never varies has no scale: it keeps its own units.
    """
    if not len(x):
        return x.new_zeros(x.shape[1]), x.new_ones(x.shape[1])
    variance, shift = torch.var_mean(x.double(), 0, correction=0)
    variance = variance + blur**2 / 12
    scale = torch.where(variance > 0, variance.sqrt(), 1.0)
    return shift.to(x.dtype), scale.to(x.dtype)

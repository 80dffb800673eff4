"""Invertible maps as pure functions of a row and of named weights, and how they are chained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from torch import Generator, Tensor

from backends.base import Array, InputError
from backends.pytorch.networks import Weights

Mapped = tuple[Tensor, Tensor]  # rows (n, d), and the log|det| of the map that brought them there (n,)


class Map(Protocol):
    """An invertible map f of rows (n, d), as a function of its weights."""

    def transform(self, x: Tensor, w: Weights) -> Mapped:
        """x (n, d) → f(x) and log|det ∂f/∂x| (n,)."""
        ...

    def inverse(self, z: Tensor, w: Weights) -> Mapped:
        """z (n, d) → f⁻¹(z) and log|det ∂f⁻¹/∂z| (n,)."""
        ...


class Bijection(Map, Protocol):
    """A map that brings weights. Immutable: its weights come with each call, ``shapes`` names them.

    passes: how often ``transform`` and ``inverse`` ask their networks, one after the other.
    """

    shapes: dict[str, tuple[int, ...]]

    @property
    def passes(self) -> tuple[int, int]: ...

    def initialise(self, w: Weights, generator: Generator) -> None:
        """Fill the weights, on the CPU, from ``generator``."""
        ...


class Travelled(Bijection, Protocol):
    """A bijection that can be stopped on its way: what a flow needs to have."""

    @property
    def times(self) -> Array:
        """Where it stops unless it is told otherwise, (T,) float64, from 0 to 1."""
        ...

    def path(self, y: Tensor, w: Weights, times: Array) -> Iterator[Mapped]:
        """Rows y at times[0] on their way: at each of the times, which rise or fall, where they are then and
        the log|det| from y to there."""
        ...


class Compose:
    """Bijections one after the other, f = f_L ∘ … ∘ f_1. Their weights have distinct names."""

    def __init__(self, parts: Sequence[Bijection]) -> None:
        self.parts = tuple(parts)
        self.shapes = {name: shape for part in self.parts for name, shape in part.shapes.items()}

    @property
    def passes(self) -> tuple[int, int]:
        there, back = zip(*(part.passes for part in self.parts), strict=True)
        return sum(there), sum(back)

    def initialise(self, w: Weights, generator: Generator) -> None:
        for part in self.parts:
            part.initialise(w, generator)

    def transform(self, x: Tensor, w: Weights) -> Mapped:
        return self._carry(x, w, 0, len(self.parts))

    def inverse(self, z: Tensor, w: Weights) -> Mapped:
        return self._carry(z, w, len(self.parts), 0)

    def _carry(self, y: Tensor, w: Weights, begin: int, end: int) -> Mapped:
        """Rows as they are before part ``begin`` to what they are before part ``end``."""
        log_det = y.new_zeros(len(y))
        for part in self.parts[begin:end]:
            y, own = part.transform(y, w)
            log_det = log_det + own
        for part in reversed(self.parts[end:begin]):
            y, own = part.inverse(y, w)
            log_det = log_det + own
        return y, log_det


class Layers(Compose):
    """The L layers of a discrete flow, each a station of its path, at time i/L."""

    @property
    def times(self) -> Array:
        return np.arange(len(self.parts) + 1) / len(self.parts)

    def path(self, y: Tensor, w: Weights, times: Array) -> Iterator[Mapped]:
        stations = self._stations(times)
        log_det, at = y.new_zeros(len(y)), stations[0]
        for station in stations:
            y, own = self._carry(y, w, at, station)
            log_det, at = log_det + own, station
            yield y, log_det

    def _stations(self, times: Array) -> Array:
        stations = np.round(times * len(self.parts))
        wrong = np.abs(stations / len(self.parts) - times) > 1e-9
        if wrong.any():
            many = len(self.parts)
            raise InputError(
                f"time {times[wrong][0]:g} is between two layers: stations are 0, 1/{many}, …, 1"
            )
        return stations.astype(int)


class Inverse:
    """A bijection the other way round."""

    def __init__(self, of: Bijection) -> None:
        self.of = of
        self.shapes = of.shapes
        self.initialise, self.transform, self.inverse = of.initialise, of.inverse, of.transform

    @property
    def passes(self) -> tuple[int, int]:
        there, back = self.of.passes
        return back, there

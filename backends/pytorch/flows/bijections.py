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

    def path(self, x: Tensor, w: Weights, times: Array) -> Iterator[Mapped]:
        """Rows at each of the times, which rise from 0, and the log|det| from x to there."""
        ...

    def path_back(self, z: Tensor, w: Weights, times: Array) -> Iterator[Mapped]:
        """Rows at each of the times, which fall from 1, and the log|det| from z to there."""
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
        *_, last = self.stops(x, w)
        return last

    def inverse(self, z: Tensor, w: Weights) -> Mapped:
        *_, last = self.stops_back(z, w)
        return last

    def stops(self, x: Tensor, w: Weights) -> Iterator[Mapped]:
        """x, and then the rows after each part, with the log|det| so far."""
        log_det = x.new_zeros(len(x))
        yield x, log_det
        for part in self.parts:
            x, own = part.transform(x, w)
            log_det = log_det + own
            yield x, log_det

    def stops_back(self, z: Tensor, w: Weights) -> Iterator[Mapped]:
        """z, and then the rows before each part, the last part first."""
        log_det = z.new_zeros(len(z))
        yield z, log_det
        for part in reversed(self.parts):
            z, own = part.inverse(z, w)
            log_det = log_det + own
            yield z, log_det


class Layers(Compose):
    """The L layers of a discrete flow, each a station of its path, at time i/L."""

    @property
    def times(self) -> Array:
        return np.arange(len(self.parts) + 1) / len(self.parts)

    def path(self, x: Tensor, w: Weights, times: Array) -> Iterator[Mapped]:
        return self._at(self.stops(x, w), self._stations(times))

    def path_back(self, z: Tensor, w: Weights, times: Array) -> Iterator[Mapped]:
        return self._at(self.stops_back(z, w), len(self.parts) - self._stations(times))

    def _stations(self, times: Array) -> Array:
        stations = np.round(times * len(self.parts))
        wrong = np.abs(stations / len(self.parts) - times) > 1e-9
        if wrong.any():
            many = len(self.parts)
            raise InputError(
                f"time {times[wrong][0]:g} is between two layers: stations are 0, 1/{many}, …, 1"
            )
        return stations.astype(int)

    @staticmethod
    def _at(stops: Iterator[Mapped], wanted: Array) -> Iterator[Mapped]:
        """Those of the stops whose number is wanted; ``wanted`` never falls, and may repeat itself."""
        number, stop = -1, None
        for want in wanted:
            while number < want:
                number, stop = number + 1, next(stops)
            assert stop is not None
            yield stop


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

"""What the conformance checks are made on: a kind of model, on small data of each type, with settings.

The data are small enough for sums over every possible x, or for a grid over the plane, to be exact oracles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from backends.base import Array, DataInfo, InputError, Learner, Value
from backends.capabilities import capabilities
from backends.data import DataSet, Split
from backends.parameters import resolve
from backends.registry import ModelKind

STEPS = 12  # with 300 rows a default batch neither covers them nor divides them, nor does this an epoch
RUN = "conformance"
_ROWS = {"train": 300, "validation": 20, "test": 20}
_GRID = {1: 4001, 2: 101}  # points an axis, by dimension: a row of a continuous flow costs 0.2 ms
_MOST_STATES = 4096


def small_data() -> tuple[DataSet, ...]:
    """Data of each type: 4 bits (also a 2×2 picture), 2 columns of 5 levels, and a bent line in the plane,
    away from the origin and with columns of different scale."""
    rng = np.random.default_rng(0)
    n = sum(_ROWS.values())
    labels = rng.integers(2, size=n)

    def mostly(levels: int, dim: int) -> Array:
        common = rng.integers(levels, size=(n, 1)) // 2 + labels[:, None] * (levels // 2)
        return np.where(rng.random((n, dim)) < 0.8, common, rng.integers(levels, size=(n, dim)))

    angle = rng.uniform(0, np.pi, n)
    bend = np.stack([20 + 5 * np.cos(angle), -3 + np.sin(angle)], 1) + rng.normal(0, [1, 0.2], (n, 2))
    return (
        _data_set(DataInfo("bits", "Bits", 4, "binary", image_shape=(2, 2)), mostly(2, 4), labels),
        _data_set(DataInfo("levels", "Levels", 2, "integer", 5, display=(0, 4)), mostly(5, 2), labels),
        _data_set(DataInfo("bend", "Bend", 2, "real", display=(-5, 25)), bend, labels),
    )


def one_column() -> tuple[DataSet, ...]:
    """Data for the kinds that take only one column: flips of a coin, and numbers away from the origin."""
    rng = np.random.default_rng(0)
    n = sum(_ROWS.values())
    flips, labels = rng.random((n, 1)) < 0.2, rng.integers(2, size=n)
    return (
        _data_set(DataInfo("flips", "Flips", 1, "binary"), flips, labels),
        _data_set(DataInfo("numbers", "Numbers", 1, display=(0, 10)), rng.normal(5, 1.5, (n, 1)), labels),
    )


def _data_set(info: DataInfo, x: Array, labels: Array) -> DataSet:
    x = x.astype(np.float32)
    ends = np.cumsum(list(_ROWS.values()))[:-1]
    parts = zip(np.split(x, ends), np.split(labels, ends), strict=True)
    train, validation, test = (Split(read_only(rows), read_only(part)) for rows, part in parts)
    return DataSet(info, train, validation, test)


def read_only(a: Array) -> Array:
    """A contiguous copy that cannot be written to: a backend must not change what it is given."""
    a = np.array(a, order="C")
    a.setflags(write=False)
    return a


@dataclass(frozen=True, eq=False)
class Grid:
    """Points (m, d) float32 over which a function of x or z is summed, each standing for ``cell`` volume.

    coarse: which of the points, (m,) bool, make a grid of twice the spacing; None where all x are listed.
    """

    points: Array
    cell: float
    coarse: Array | None = None

    @classmethod
    def around(cls, rows: Array) -> Grid:
        """A grid that covers rows (n, d), d ≤ 2, four of their standard deviations further on each side."""
        wide = rows.astype(np.float64)
        reach = 4 * wide.std(0)
        low, high = wide.min(0) - reach, wide.max(0) + reach
        points = _GRID[rows.shape[1]]
        axes = [np.linspace(a, b, points) for a, b in zip(low, high, strict=True)]
        mesh = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], 1)
        even = np.indices((points,) * rows.shape[1]) % 2 == 0
        coarse = even.all(0).ravel()
        return cls(mesh.astype(np.float32), float(np.prod((high - low) / (points - 1))), coarse)

    def resolves(self, log_density: Array, log_at_rows: Array) -> bool:
        """Whether sums over the grid can tell the mass of a density, given as its logarithm here (m,) and at
        rows where it is high.

        One that has shrunk onto points or lines, as a mixture's may on integer data, is far higher at the
        rows than anywhere on the grid, or has another mass on the grid of twice the spacing.
        """
        if self.coarse is None:
            return True
        p = np.exp(log_density) * self.cell
        fine, coarse = p.sum(), p[self.coarse].sum() * 2 ** self.points.shape[1]
        missed = log_at_rows.max() > log_density.max() + 1
        return not missed and bool(abs(fine - coarse) <= 0.01 * fine)

    def moments(self, log_density: Array) -> tuple[Array, Array, Array]:
        """Mass (j,), mean and second moment (j, d) of j densities given as logarithms (m, j)."""
        p = np.exp(log_density) * self.cell
        x = self.points.astype(np.float64)
        return p.sum(0), p.T @ x, p.T @ x**2


@dataclass(frozen=True, eq=False)
class Case:
    """A kind of model, on data, with settings other than its defaults in ``values``, on a device."""

    kind: ModelKind
    data: DataSet
    values: Mapping[str, Value] = field(default_factory=dict)
    device: str = "cpu"

    def __str__(self) -> str:
        settings = "".join(f", {name}={value}" for name, value in self.values.items())
        return f"{self.kind.name} on {self.data.info.name}{settings}"

    @property
    def exact(self) -> bool:
        """Whether the same computation gives the same bits: on the CPU it must."""
        return self.device == "cpu"

    def learner(
        self,
        steps: int = 0,
        seed: int = 0,
        x: Array | None = None,
        values: Mapping[str, Value] | None = None,
    ) -> Learner:
        """A new learner after so many steps; x and values other than the case's where given."""
        resolved = resolve(self.kind.parameters, self.values if values is None else values)
        rows = self.data.train.x if x is None else read_only(x)
        learner = self.kind.load()(rows, self.data.info, resolved, seed, self.device, RUN)
        for _ in range(steps):
            learner.step()
        return learner

    @cached_property
    def model(self) -> Any:
        """A snapshot after a few steps; made once."""
        return self.learner(STEPS).snapshot()

    def inputs(self, n: int, seed: int = 0) -> tuple[Array, Array]:
        """Rows x (n, d) of the training data and latents z (n, k), from the prior where there is one."""
        rng = np.random.default_rng(seed)
        x = self.data.train.x[rng.permutation(len(self.data.train))[:n]]
        if "prior" in capabilities(self.model):
            return read_only(x), read_only(self.model.sample_prior(n, seed))
        z = rng.standard_normal((n, self.model.latent_dim), dtype=np.float32)
        return read_only(x), read_only(z)

    @property
    def has_grid(self) -> bool:
        """Whether sums over x may be exact: few possible x, or a plane. Builds nothing."""
        return self._levels > 0 or self.data.info.dim in _GRID

    @property
    def _levels(self) -> int:
        """Levels of a column of discrete data with few possible x; else 0."""
        info = self.data.info
        levels = {"binary": 2, "integer": info.levels}.get(info.values, 0)
        return levels if info.dim * math.log(max(levels, 1)) <= math.log(_MOST_STATES) else 0

    @cached_property
    def states(self) -> Grid | None:
        """All possible x, where p(x) is a probability; None where they are many, or p(x) is a density.

        On discrete data it may be either. It is taken for a probability where the model's samples are all
        such data, or where its log_prob (or log_joint) sums to one over them.
        """
        if not self._levels:
            return None
        all_x = product(range(self._levels), repeat=self.data.info.dim)
        states = Grid(read_only(np.array(list(all_x), np.float32)), 1.0)
        model, can = self.model, capabilities(self.model)
        if "samples" in can and np.isin(model.sample(100, 0), np.arange(self._levels)).all():
            return states
        z = self.inputs(1)[1]
        if "log_prob" in can:
            log_p = model.log_prob(states.points)[:, None]
        elif {"log_joint", "prior"} <= can:
            log_p = model.log_joint(states.points, z) - model.log_prior(z)
        else:
            return None
        return states if np.allclose(states.moments(log_p)[0], 1, atol=1e-3) else None

    @cached_property
    def grid(self) -> Grid | None:
        """All possible x, or for a density a grid over the data and the model's samples in the plane; None
        for a density in more dimensions."""
        if self.states is not None or self.data.info.dim not in _GRID:
            return self.states
        rows = [self.data.train.x]
        if "samples" in capabilities(self.model):
            rows.append(self.model.sample(500, 0))
        return Grid.around(np.concatenate(rows))

    @cached_property
    def log_prob_on_grid(self) -> Array | None:
        """The model's log_prob at the grid's points; None without a grid, or where it resolves too little."""
        if self.grid is None:
            return None
        log_p = np.asarray(self.model.log_prob(self.grid.points))
        return log_p if self.grid.resolves(log_p, self.model.log_prob(self.data.train.x)) else None


def cases(kind: ModelKind, device: str = "cpu") -> tuple[Case, ...]:
    """A kind on all the small data it takes: with its default settings where those do, or else with each
    single choice of a parameter that makes it take them. One column is for kinds that take no more."""
    return _cases(kind, small_data(), device) or _cases(kind, one_column(), device)


def _cases(kind: ModelKind, sets: tuple[DataSet, ...], device: str) -> tuple[Case, ...]:
    found = []
    for data in sets:
        if takes(kind, data.info, {}):
            changes: list[dict[str, Value]] = [{}]
        else:
            changes = [{p.name: choice} for p in kind.parameters for choice in p.choices]
            changes = [change for change in changes if takes(kind, data.info, change)]
        found += [Case(kind, data, change, device) for change in changes]
    return tuple(found)


def takes(kind: ModelKind, info: DataInfo, values: Mapping[str, Value]) -> bool:
    """Whether a kind takes such data with these settings."""
    try:
        kind.check_data(info, resolve(kind.parameters, values))
    except InputError:
        return False
    return True

"""What a flow does to the plane: how data, samples and a grid travel from x to z. Runs in exploration."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array
from backends.capabilities import Bijects, Continuous, HasLayers
from backends.carry import carry, inverse, log_prob, transform
from backends.evaluation import drawn_rows
from explorer.slices import in_slices
from explorer.style.colourmaps import diverging, premultiplied
from explorer.view import Picture, View

ROWS = 1000  # data and samples that travel
CELLS = 28  # of the grid, along each axis
MOMENTS = 33  # stations of a continuous flow
GRID_OPACITY = 0.6
ARROWS = 24  # along the longer side of the view
FAR = 1e6  # where only a base without an edge has a density
STEP = 1e-3  # of the data's width, between the points that a derivative is taken from
MASS_CELLS = {False: (96, 160), True: (64, 96)}  # a side: two resolutions of the integral over the view


@dataclass(frozen=True, eq=False)
class Travel:
    """Where things are at each station, from x (the first) to z (the last).

    times (T,) rise from 0 to 1; between two stations of a continuous flow all lies between.
    data (T, n, 2) of the rows ``which`` (n,); samples (T, m, 2); grid (T, G + 1, G + 1, 2), the corners of
    square cells in z, and stretch (G, G), log|det ∂x/∂z| in the middle of each.
    log_det (T,): log|det| from x to each station, the mean over the data.
    corners (T, 2, 2): the standard view of each station, x_corners and z_corners those of both ends.
    """

    step: int
    times: Array
    which: Array
    data: Array
    samples: Array
    grid: Array
    stretch: Array
    log_det: Array
    corners: Array

    @property
    def x_corners(self) -> Array:
        """(2, 2)."""
        return np.asarray(self.corners[0])

    @property
    def z_corners(self) -> Array:
        """(2, 2)."""
        return np.asarray(self.corners[-1])

    def at(self, points: Array, time: float) -> Array:
        """Points (T, …) at a time, on straight lines from station to station."""
        i = int(np.clip(np.searchsorted(self.times, time, "right") - 1, 0, len(self.times) - 2))
        share = (time - self.times[i]) / (self.times[i + 1] - self.times[i])
        return np.asarray(points[i] + share * (points[i + 1] - points[i]))


def is_flow(model: object) -> bool:
    """Whether a model carries the plane onto itself, station by station."""
    return isinstance(model, Bijects) and isinstance(model, HasLayers) and model.info.dim == 2


def has_latent_map(model: object) -> bool:
    """Whether a model's latent space is seen on a map of its own. The z of a flow of the plane is seen beside
    x, and of a flow of one column its density says more than its z."""
    on_a_line = isinstance(model, Bijects) and model.info.dim == 1
    return bool(getattr(model, "latent_dim", 0)) and not on_a_line and not is_flow(model)


def is_continuous(model: object) -> bool:
    """Whether the stations of a flow are moments of one motion, dz/dt = f(z, t)."""
    return isinstance(model, Continuous)


def stations(model: Any) -> Array:
    """The times that are shown, (T,)."""
    return np.linspace(0, 1, MOMENTS) if is_continuous(model) else np.asarray(model.times, np.float64)


def travel(model: Any, x: Array, seed: int = 0) -> Generator[None, None, Travel]:
    """Carry data x (n, 2), samples and a grid through a flow. Data that are many are drawn from."""
    times = stations(model)
    which = drawn_rows(len(x), ROWS, seed)
    x = x[which]
    data, log_det = yield from _carried(model, x, times)
    samples, _ = yield from _carried(model, model.sample_prior(ROWS, seed), times[::-1])
    z_corners = corners_of(model.sample_prior(4000, seed + 1), margin=0.08)
    sides = [np.linspace(z_corners[0, i], z_corners[1, i], CELLS + 1) for i in (0, 1)]
    if bounded(model):
        sides = [np.linspace(1e-3, 1 - 1e-3, CELLS + 1)] * 2
    corners = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    grid, _ = yield from _carried(model, corners, times[::-1])
    middles = np.stack(np.meshgrid(*[(s[1:] + s[:-1]) / 2 for s in sides]), axis=-1).reshape(-1, 2)
    _, stretch = yield from _carried(model, middles, times[[-1, 0]])
    return Travel(
        model.stamp.step,
        times,
        which,
        data,
        samples[::-1],
        grid[::-1].reshape(len(times), CELLS + 1, CELLS + 1, 2),
        stretch[-1].reshape(CELLS, CELLS),
        log_det.mean(1) if len(x) else np.zeros(len(times)),
        np.stack([*(corners_of(there, margin=0.15) for there in data[:-1]), z_corners]),
    )


def _carried(model: Any, points: Array, times: Array) -> Generator[None, None, tuple[Array, Array]]:
    """Points (T, n, 2) float64 and log-determinants (T, n) of a path."""
    parts = yield from in_slices(lambda some: carry(model, some, times), points.astype(np.float32))
    at, log_det = (np.concatenate(both, axis=1) for both in zip(*parts, strict=True))
    return at.astype(np.float64), log_det


def corners_of(points: Array, margin: float) -> Array:
    """The corners of a rectangle around all points but a few stray ones, (2, 2)."""
    if not len(points):
        return np.array([[-3.0, -3.0], [3.0, 3.0]])
    low, high = np.quantile(points.astype(np.float64), (0.002, 0.998), axis=0)
    room = margin * np.maximum(high - low, 1e-6)
    return np.stack([low - room, high + room])


@dataclass(frozen=True, eq=False)
class Passage:
    """One point on its way: path (T, 2) from x to z with log|det| from x so far, log_det (T,).

    jacobians (T, 2, 2): of each station with respect to x by central differences, the last of them ∂z/∂x;
    the circle |dx| = 1 becomes their image.
    """

    step: int
    times: Array
    path: Array
    log_det: Array
    log_base: float
    jacobians: Array
    tag: object = None

    @property
    def x(self) -> Array:
        """(2,)."""
        return np.asarray(self.path[0])

    @property
    def z(self) -> Array:
        """(2,)."""
        return np.asarray(self.path[-1])

    @property
    def jacobian(self) -> Array:
        """∂z/∂x, (2, 2)."""
        return np.asarray(self.jacobians[-1])

    @property
    def log_prob(self) -> float:
        """log p(x) = log p(z) + log|det ∂z/∂x|."""
        return self.log_base + float(self.log_det[-1])


def passage(model: Any, x: Array, width: float, tag: object = None) -> Passage:
    """Follow x (2,) through a flow. width: of the data, the scale for differences."""
    h = STEP * width
    around = x + h * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    around = around.astype(np.float32)
    path = model.path(around, stations(model))
    there = path.points.astype(np.float64)
    exact = around.astype(np.float64)  # the differences that float32 made of them
    columns = [(there[:, i] - there[:, i + 1]) / np.linalg.norm(exact[i] - exact[i + 1]) for i in (1, 3)]
    return Passage(
        model.stamp.step,
        stations(model),
        there[:, 0],
        path.log_det[:, 0],
        float(model.log_prior(path.points[-1, :1])[0]),
        np.stack(columns, axis=2),
        tag,
    )


def passage_from(model: Any, point: Array, time: float, width: float, tag: object = None) -> Passage | None:
    """Follow a point (2,) that is met on its way at a time; None of a latent outside the base's support."""
    if time == 1 and np.isneginf(model.log_base(point[None].astype(np.float32)))[0]:
        return None
    way = model.path(point[None].astype(np.float32), np.array([time, 0.0]))
    return passage(model, way.points[-1, 0].astype(np.float64), width, tag)


@dataclass(frozen=True, eq=False)
class Gauges:
    """What must hold if a flow's density is to be believed.

    mass ± mass_error: ∫ p(x) dx over a rectangle, and by how much two resolutions differ. inside ±
    inside_error: the share of the flow's own samples that lie in it, which the mass must be. inverse: the
    largest ‖g(f(x)) − x‖. solver: mean |change of log p| when the solver's step is halved; None for flows
    without a solver.
    """

    step: int
    mass: float
    mass_error: float
    inside: float
    inside_error: float
    inverse: float
    solver: float | None


def gauges(
    model: Any, x: Array, samples: Array, corners: Array, time: float = 0.0
) -> Generator[None, None, Gauges]:
    """Read the gauges on rows x (n, 2) and the rectangle with these corners (2, 2), where the mass is that of
    what the data have become at a station; there the flow's samples are ``samples`` (m, 2)."""
    coarse, fine = MASS_CELLS[is_continuous(model)]
    roughly = yield from mass(model, corners, coarse, time)
    found = yield from mass(model, corners, fine, time)
    inside = ((samples >= corners[0]) & (samples <= corners[1])).all(1)
    share = (inside.sum() + 1) / (len(samples) + 2)  # Laplace's rule: where all are, some may still not be
    x = x.astype(np.float32)
    z = np.concatenate([z for z, _ in (yield from in_slices(lambda some: transform(model, some), x))])
    back = np.concatenate([y for y, _ in (yield from in_slices(lambda some: inverse(model, some), z))])
    off = float(np.linalg.norm(back.astype(np.float64) - x, axis=1).max()) if len(x) else 0.0
    solver = None
    if isinstance(model, Continuous) and len(x):
        finer = model.finer()
        ours = yield from in_slices(lambda some: log_prob(model, some), x)
        theirs = yield from in_slices(lambda some: log_prob(finer, some), x)
        both = np.concatenate(ours), np.concatenate(theirs)
        finite = all(np.isfinite(one).all() for one in both)
        solver = float(np.abs(both[1] - both[0]).mean()) if finite else math.inf
    return Gauges(
        model.stamp.step,
        found,
        abs(found - roughly),
        float(inside.mean()),
        math.sqrt(share * (1 - share) / (len(samples) + 2)),
        off,
        solver,
    )


def mass(model: Any, corners: Array, cells: int, time: float = 0.0) -> Generator[None, None, float]:
    """∫ p over a rectangle by the midpoint rule."""
    (x0, y0), (x1, y1) = corners
    at = (np.arange(cells) + 0.5) / cells
    u, v = np.meshgrid(x0 + at * (x1 - x0), y0 + at * (y1 - y0))
    points = np.stack([u.ravel(), v.ravel()], axis=1).astype(np.float32)
    parts = yield from in_slices(lambda some: log_prob(model, some, time), points)
    return float(np.exp(np.concatenate(parts)).sum()) * float((x1 - x0) * (y1 - y0)) / cells**2


def bounded(model: Any) -> bool:
    """Whether the base's support has an edge. Onto it points jump at time 1, and have no velocity there."""
    return bool(np.isneginf(model.log_base(np.full((1, model.latent_dim), FAR, np.float32)))[0])


def arrows(model: Any, time: float, corners: Array) -> tuple[Array, Array]:
    """Where arrows of a continuous flow begin (n, 2), and where they point: the velocity at a time, the
    longest as long as they lie apart. None where nothing has a velocity."""
    if time == 1 and bounded(model):
        return np.zeros((0, 2)), np.zeros((0, 2))
    (x0, y0), (x1, y1) = corners
    gap = max(x1 - x0, y1 - y0) / ARROWS
    u, v = np.meshgrid(np.arange(x0 + gap / 2, x1, gap), np.arange(y0 + gap / 2, y1, gap))
    points = np.stack([u.ravel(), v.ravel()], axis=1)
    velocity = model.velocity(points.astype(np.float32), time).astype(np.float64)
    longest = np.linalg.norm(velocity, axis=1).max(initial=1e-12)
    return points, velocity * (0.9 * gap / longest)


def divergence(model: Any, time: float, view: View) -> Generator[Picture | None, None, Picture | None]:
    """∇·f(·, t) of a continuous flow over a view: warm where motion spreads out, cool where it gathers."""
    picture = None
    if not view.width or not view.height:
        return picture
    if time == 1 and bounded(model):
        nothing = np.zeros((view.height, view.width, 4), np.uint8)
        return Picture(nothing, view, model.stamp.step, "no velocity, so no divergence", complete=True)
    for cell in (16, 8, 4):
        rows, columns = -(-view.height // cell), -(-view.width // cell)
        row, column = np.divmod(np.arange(rows * columns), columns)
        uv = view.to_canvas((column + 0.5) * cell, (row + 0.5) * cell).astype(np.float32)
        values = np.concatenate((yield from in_slices(lambda some: model.divergence(some, time), uv)))
        largest = max(float(np.quantile(np.abs(values), 0.98)), 1e-12)
        rgba = diverging(values.reshape(rows, columns) / largest)
        rgba = rgba.repeat(cell, 0).repeat(cell, 1)[: view.height, : view.width]
        picture = Picture(
            np.ascontiguousarray(premultiplied(rgba)),
            view,
            model.stamp.step,
            f"divergence, ± {largest:.2g} at full colour",
            complete=cell == 4,
        )
        if cell != 4:
            yield picture
    return picture


def stretch_colours(stretch: Array) -> Array:
    """Colours of cells by log|det ∂x/∂z| (…,): (…, 4) uint8, red, green, blue, opacity. Neutral is the
    median: the two spaces' units say nothing of the bending."""
    finite = stretch[np.isfinite(stretch)]
    middle = float(np.median(finite)) if len(finite) else 0.0
    largest = max(float(np.quantile(np.abs(finite - middle), 0.98)) if len(finite) else 1.0, 1e-9)
    colours = diverging((stretch - middle) / largest)
    colours[..., 3] = (GRID_OPACITY * colours[..., 3]).astype(np.uint8)  # cells lie over the density
    return colours

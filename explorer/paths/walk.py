"""What lies along a path through latent space: frames that decode from it, the prior, the data and the speed
beside them. Runs in exploration."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from backends.base import Array
from backends.capabilities import HasPrior
from backends.carry import Slices
from backends.geodesics import (
    STEP,
    Geodesic,
    along,
    finely,
    geodesic,
    great_circle,
    marks_of,
    straight,
)
from explorer.paths import pins
from explorer.session import Encodings
from explorer.slices import decoded
from explorer.state import FilmSpec, State
from explorer.studies.look import RADIUS

SHOW_EVERY = 0.05  # seconds between two paths that are not the shortest yet
NO_PINS = "Choose two pins to join. N sets one where the point is."
POINTS = 32  # of a line between two pins
NEIGHBOURS = 20  # encodings that half of the encodings have within the radius
SAMPLE, AMONG = 256, 2000  # encodings that the radius is found from, and those that it is found among
_NUMBERS = 2**17  # distances computed between two yields: as many as stay in the cache
_ROWS = 32  # of SAMPLE, between two yields
_radii: WeakKeyDictionary[Encodings, float] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Route:
    """Which way to go: through points (n, k) float64, or by kind from the first to the second of them."""

    kind: str
    points: Array


@dataclass(frozen=True, eq=False)
class Walk:
    """m frames along a path, by the model of ``step``.

    line: the path itself (p, k) float64. z (m, k) and what decodes there, mean (m, d), float32. latent,
    image: how far along the path, and along its image, each frame lies, (m,) float64. speed: ‖J ż‖ for
    ‖ż‖ = 1, by how much the image changes for each unit in z, by central differences. log_prior: nats; None
    without a prior. within: encodings no farther than ``radius``; None without data. shortest: of a shortest
    path, what is known of its length. complete: nothing better follows.
    """

    step: int
    kind: str
    line: Array
    z: Array
    mean: Array
    latent: Array
    image: Array
    speed: Array
    log_prior: Array | None
    within: Array | None = None
    radius: float = 0.0
    shortest: Geodesic | None = None
    complete: bool = True

    def __len__(self) -> int:
        return len(self.z)


def route_of(state: State, dim: int) -> Route | str | None:
    """The path that is set, in a latent space of this dimension: None where there is none of it, and a
    sentence where there is one that lacks an end."""
    spec = state.path
    if spec.kind == "nothing" or not dim:
        return None
    if spec.kind == "drawn":
        fits = len(spec.points) > 1 and all(len(z) == dim for z in spec.points)
        return Route("drawn", np.array(spec.points)) if fits else None
    there = {pin.name: np.array(pin.z) for pin in pins.shown(state, dim)}
    if len(there) < 2:
        return NO_PINS
    first, *_, last = there.values()
    a, b = there.get(spec.a, first), there.get(spec.b, last)
    if np.array_equal(a, b):
        return "The path begins and ends at the same place: choose two pins that lie apart."
    return Route(spec.kind, np.stack([a, b]))


def walk(
    model: Any, route: Route, film: FilmSpec, encodings: Encodings | None, begin: Array | None = None
) -> Generator[Walk | None, None, Walk]:
    """Go along a route. Of the shortest one it yields ever shorter ones, from ``begin`` (p, k) on if given,
    and None between slices of work."""
    first, last = route.points[0], route.points[-1]
    if route.kind != "shortest":
        join = {"straight": straight, "circle": great_circle}
        line = join[route.kind](first, last, POINTS) if route.kind in join else route.points
        return (yield from _along(model, route.kind, line, film, encodings))
    shown = -np.inf
    search = geodesic(partial(images_of, model), first, last, POINTS, begin)
    while True:
        try:
            found = next(search)
        except StopIteration as stop:
            best: Geodesic = stop.value
            break
        if found is None or time.perf_counter() - shown < SHOW_EVERY:
            yield None
        else:
            shown = time.perf_counter()
            there = yield from _along(model, route.kind, found.path, film, encodings)
            yield replace(there, shortest=found, complete=False)
    there = yield from _along(model, route.kind, best.path, film, encodings)
    return replace(there, shortest=best)


def _along(model: Any, kind: str, line: Array, film: FilmSpec, encodings: Encodings | None) -> Slices[Walk]:
    fine = finely(line)
    images = yield from images_of(model, fine)
    latent, image = marks_of(fine), marks_of(images)
    marks = image if film.spacing == "image" else latent
    if marks[-1] == 0:  # nothing changes along it
        marks = np.arange(len(fine), dtype=np.float64)
    places = along(fine, marks, film.frames)
    latent, image = (np.interp(np.linspace(0, marks[-1], film.frames), marks, m) for m in (latent, image))
    z = np.ascontiguousarray(places, np.float32)
    mean = yield from images_of(model, z)
    speed = yield from speeds(model, places, directions(fine, marks, film.frames))
    log_prior = model.log_prior(z) if isinstance(model, HasPrior) else None
    within, radius = None, 0.0
    if encodings is not None and len(encodings.z) > 1:
        radius = max((yield from typical_radius(encodings)), RADIUS)
        within = yield from counts_near(encodings, z, radius)
    return Walk(model.stamp.step, kind, line, z, mean, latent, image, speed, log_prior, within, radius)


def images_of(model: Any, z: Array) -> Slices[Array]:
    """E[x|z] of rows (n, k), (n, d) float32."""
    return (yield from decoded(model, np.ascontiguousarray(z, np.float32)))


def directions(line: Array, marks: Array, m: int) -> Array:
    """Where a polyline (n, k) goes at the m points of :func:`backends.geodesics.along`, (m, k): the way of
    the segment that each lies on, of length 1, and at a corner of the one that leads there; 0 of no way."""
    after = np.searchsorted(marks, np.linspace(0, marks[-1], m))
    after = np.clip(after, np.searchsorted(marks, 0.0, "right"), len(line) - 1)
    way = line[after] - line[after - 1]
    length = np.linalg.norm(way, axis=1, keepdims=True)
    return np.divide(way, length, out=np.zeros_like(way), where=length > 0)


def speeds(model: Any, places: Array, way: Array) -> Slices[Array]:
    """‖J ż‖ at each of m points (m, k) of a path, ż its way there (m, k), ‖ż‖ = 1: (m,) float64."""
    shift = STEP * way
    both = yield from images_of(model, np.concatenate([places + shift, places - shift]))
    change = both[: len(places)].astype(np.float64) - both[len(places) :]
    return np.asarray(np.linalg.norm(change, axis=1) / (2 * STEP))


def typical_radius(encodings: Encodings) -> Slices[float]:
    """The radius within which half of the encodings have NEIGHBOURS others or more, or where that is less
    than one of those looked among, one of them. Found once."""
    if encodings in _radii:
        return _radii[encodings]
    values = encodings.z
    among = values[np.random.default_rng(0).choice(len(values), min(AMONG, len(values)), replace=False)]
    rank = min(max(round(NEIGHBOURS * len(among) / len(values)), 1), len(among) - 1)
    squared = []
    for start in range(0, min(SAMPLE, len(among)), _ROWS):
        rows = _squared(among[start : min(start + _ROWS, SAMPLE)], among)
        squared.append(np.partition(rows, rank, axis=1)[:, rank])  # the first is the encoding itself
        yield
    _radii[encodings] = float(np.median(np.sqrt(np.concatenate(squared))))
    return _radii[encodings]


def counts_near(encodings: Encodings, z: Array, radius: float) -> Slices[Array]:
    """How many of the encodings lie no farther than the radius from each z (m, k): (m,) int64."""
    if not (encodings.neighbours.many and encodings.neighbours.everywhere):
        return (yield from counts(encodings.z, z, radius))
    out = np.zeros(len(z), np.int64)
    for i, point in enumerate(z):
        out[i] = yield from encodings.neighbours.counting(point, radius)
        yield
    return out


def counts(encodings: Array, z: Array, radius: float) -> Slices[Array]:
    """The same of encodings (n, k), by all distances."""
    out, block = np.zeros(len(z), np.int64), max(_NUMBERS // len(z), 1)
    for start in range(0, len(encodings), block):
        out += (_squared(z, encodings[start : start + block]) <= radius**2).sum(axis=1)
        yield
    return out


def _squared(a: Array, b: Array) -> Array:
    """Squared distances of rows (n, k) and (m, k): (n, m) float64. In float32 the difference of squares would
    lose all digits where clusters lie far apart."""
    middle = b.mean(axis=0, dtype=np.float64)
    a, b = a - middle, b - middle
    squared = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
    return np.asarray(np.maximum(squared, 0))

"""Paths between two latents: straight, along a great circle, and the shortest under the decoder's metric.

A path is a polyline of latents (m, k) float64. Its image length is that of g(path), g(z) = E[x|z], in the
data's units: ∫ √(żᵀ G ż) dt with the pull-back metric G = JᵀJ, J = ∂g/∂z.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array, InputError
from backends.carry import Slices

FINE = 8  # parts of each segment that equal steps are found with
CHORDS = 512  # about, that the image length of a path is measured with, however many points it has
STEP = 1e-2  # of the central differences: with it truncation and the rounding of float32 are about the same
ROWS = 128  # decoded at a time for a few Jacobians
ROUNDS = 60  # of Gauss–Newton, at most
SHORTER = 1e-5  # by what share a path must be shorter to count as that: less is rounding
COLUMNS = 41  # of the grid that a first path is looked for on
NUMBERS = 4_000_000  # that the decodings of that grid may have

Decode = Callable[[Array], Slices[Array]]  # g: (n, k) → (n, d), a slice at a time


def straight(a: Array, b: Array, m: int) -> Array:
    """m points at equal steps on the line from a to b (k,): (m, k)."""
    t = np.linspace(0, 1, m)[:, None]
    return np.asarray((1 - t) * a + t * b)


def great_circle(a: Array, b: Array, m: int) -> Array:
    """m points from a to b (k,) by equal angles seen from 0, the length going evenly from ‖a‖ to ‖b‖: (m, k).

    In many dimensions nearly all of N(0, I) lies at lengths about √k; a straight line between two draws
    passes far below that, and this stays there (Shoemake 1985; White 2016). Raises InputError for opposite
    points, which no circle joins more than another, and for 0.
    """
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    if min(lengths) == 0:
        raise InputError("a great circle needs two points other than 0")
    u, v = a / lengths[0], b / lengths[1]
    angle = 2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))  # exact for small angles too
    if np.pi - angle < 1e-6:
        raise InputError("the two points lie on opposite sides of 0: no great circle joins them best")
    t = np.linspace(0, 1, m)[:, None]
    if angle < 1e-9:
        return straight(a, b, m)
    turned = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
    return np.asarray(turned * ((1 - t) * lengths[0] + t * lengths[1]))


def steps(points: Array) -> Array:
    """Lengths of the segments of a polyline (m, k): (m − 1,) float64."""
    return np.asarray(np.linalg.norm(np.diff(np.asarray(points, np.float64), axis=0), axis=1))


def marks_of(points: Array) -> Array:
    """How far along a polyline (m, k) each of its points lies: (m,) float64, from 0."""
    return np.concatenate([[0.0], np.cumsum(steps(points))])


def along(points: Array, marks: Array, m: int) -> Array:
    """m points on a polyline (n, k) at equal steps of what ``marks`` (n,), never falling, count along it."""
    if marks[-1] <= marks[0]:  # it goes nowhere
        return np.asarray(points[np.linspace(0, len(points) - 1, m).round().astype(int)])
    at = np.linspace(marks[0], marks[-1], m)
    out = np.stack([np.interp(at, marks, column) for column in np.asarray(points, np.float64).T], axis=1)
    out[0], out[-1] = points[0], points[-1]
    return out


def subdivided(points: Array, parts: int = FINE) -> Array:
    """Each segment of a polyline (m, k) in equal parts: ((m − 1)·parts + 1, k)."""
    at = np.arange((len(points) - 1) * parts + 1) / parts
    marks = np.arange(len(points))
    return np.stack([np.interp(at, marks, column) for column in np.asarray(points, np.float64).T], axis=1)


def finely(points: Array) -> Array:
    """A polyline (m, k) with so many points more that its image is measured with about CHORDS chords."""
    return subdivided(points, max(CHORDS // len(points), 2))


def image_marks(decode: Decode, points: Array) -> Slices[Any]:
    """How far along its image each of a polyline's points (m, k) lies: (m,) float64, from 0. Measured with
    about CHORDS chords, which is a little less than the curve itself."""
    fine = yield from decode(finely(points))
    sums = steps(fine).reshape(len(points) - 1, -1).sum(axis=1)
    return np.concatenate([[0.0], np.cumsum(sums)])


def evenly(decode: Decode, points: Array, m: int) -> Slices[Any]:
    """m points on a polyline (n, k) whose images lie at equal steps along its image: (m, k)."""
    fine = subdivided(points)
    images = yield from decode(fine)
    return along(fine, marks_of(images), m)


@dataclass(frozen=True, eq=False)
class Geodesic:
    """The shortest path (m, k) found so far, its image length, and that of the straight line beside it."""

    path: Array
    length: float
    straight: float


def geodesic(
    decode: Decode, a: Array, b: Array, m: int = 32, begin: Array | None = None
) -> Generator[Geodesic | None, None, Geodesic]:
    """The shortest path from a to b (k,) under the decoder's metric, as m points; later as 2m − 1.

    It minimises the energy Σ ‖g(zᵢ₊₁) − g(zᵢ)‖², whose minimum has the least length, and equal steps (Shao
    et al. 2018; Arvanitidis et al. 2018), by damped Gauss–Newton, from the straight line, from ``begin``
    (m, k), and from the shortest way on a grid in the plane through a, b and 0: a local minimum, the best of
    those found. Yields ever shorter paths, at first the straight line or ``begin``, and None between slices
    of work.
    """
    line = straight(a, b, m)
    marks = yield from image_marks(decode, line)
    limit = float(marks[-1])
    best = Geodesic(line, limit, limit)
    starts = [line]
    if begin is not None and len(begin) > 2 and begin.shape[1] == len(a):
        starts = [np.concatenate([a[None], begin[1:-1], b[None]]), line]
    else:
        yield best
    for start in (*starts, None):
        if start is None:
            start = yield from _on_grid(decode, a, b)
            if start is None:
                continue
        best = yield from _descended(decode, start, m, best)
    return (yield from _descended(decode, best.path, 2 * m - 1, best))


def _descended(
    decode: Decode, path: Array, m: int, best: Geodesic
) -> Generator[Geodesic | None, None, Geodesic]:
    """The better of ``best`` and what Gauss–Newton makes of a path, with m points at equal image steps."""
    z = yield from evenly(decode, path, m)
    g = yield from decode(z)
    energy, damping = _energy(g), 1e-3
    for _ in range(ROUNDS):
        marks = yield from image_marks(decode, z)
        if marks[-1] < best.length * (1 - SHORTER):
            best = Geodesic(z, float(marks[-1]), best.straight)
            yield best
        gradient, diagonal, beside = yield from _normal_equations(decode, z, g)
        before = energy
        while damping < 1e6:
            step = yield from _solved(diagonal, beside, gradient, damping)
            new = z.copy()
            new[1:-1] -= step
            there = yield from decode(new)
            if (after := _energy(there)) < energy:
                z, g, energy, damping = new, there, after, damping / 5
                break
            damping *= 5
        if energy > before * (1 - SHORTER):
            break
    return best


def _energy(g: Array) -> float:
    energy = float(np.square(steps(g)).sum())
    return energy if np.isfinite(energy) else np.inf


def _normal_equations(decode: Decode, z: Array, g: Array) -> Slices[Any]:
    """Of the inner points of a path z (m, k) with images g (m, d): half of the energy's gradient (m − 2, k),
    and the blocks of the Gauss–Newton matrix, on its diagonal (m − 2, k, k) and above it (m − 3, k, k)."""
    gradient, diagonal, beside = [], [], []
    last: Array | None = None
    g, k = g.astype(np.float64), z.shape[1]
    pulls = 2 * g[1:-1] - g[:-2] - g[2:]
    together = max(ROWS // (2 * k), 1)  # points whose Jacobians are computed at a time
    for start in range(0, len(pulls), together):
        jacobians = yield from _jacobians(decode, z[1:-1][start : start + together])
        for jacobian, pull in zip(jacobians, pulls[start : start + together], strict=True):
            gradient.append(jacobian @ pull)
            diagonal.append(2 * jacobian @ jacobian.T)
            if last is not None:
                beside.append(-last @ jacobian.T)
            last = jacobian
    return np.array(gradient), np.array(diagonal), beside


def _jacobians(decode: Decode, z: Array) -> Slices[Any]:
    """∂g/∂z at z (n, k) by central differences, transposed: (n, k, d) float64."""
    n, k = z.shape
    shifts = STEP * np.concatenate([np.eye(k), -np.eye(k)])
    both = yield from decode((z[:, None] + shifts).reshape(-1, k))
    both = both.reshape(n, 2, k, -1).astype(np.float64)
    return (both[:, 0] - both[:, 1]) / (2 * STEP)


def _solved(diagonal: Array, beside: list[Array], right: Array, damping: float) -> Slices[Any]:
    """The solution (n, k) of a block tridiagonal system, symmetric and positive definite, its diagonal raised
    by ``damping`` times its mean: forward elimination and substitution (Golub & Van Loan 2013, §4.5.1)."""
    n, k = right.shape
    raised = diagonal + damping * max(float(np.trace(diagonal.sum(axis=0))) / (n * k), 1e-30) * np.eye(k)
    pivots, values = [raised[0]], [right[0]]
    for i in range(1, n):
        factor = np.linalg.solve(pivots[-1], beside[i - 1]).T
        pivots.append(raised[i] - factor @ beside[i - 1])
        values.append(right[i] - factor @ values[-1])
        if k > 16:
            yield
    out = np.empty_like(right)
    for i in reversed(range(n)):
        rest = values[i] - beside[i] @ out[i + 1] if i < n - 1 else values[i]
        out[i] = np.linalg.solve(pivots[i], rest)
    return out


def _on_grid(decode: Decode, a: Array, b: Array) -> Slices[Any]:
    """The shortest way from a to b (k,) over a grid in the plane through them and 0, half as far beyond them
    as they are apart: a polyline (n, k); None where there is no such plane."""
    first = b - a
    length = float(np.linalg.norm(first))
    if length == 0 or len(a) < 2:
        return None
    first = first / length
    second = np.array([-first[1], first[0]]) if len(a) == 2 else -(a - (a @ first) * first)
    if np.linalg.norm(second) < 1e-6 * length:
        return None
    second = second / np.linalg.norm(second)
    half = _grid_half((yield from decode(a[None])).shape[1])
    ticks = np.arange(-half, half + 1) / half * length
    u, v = np.meshgrid(ticks + length / 2, ticks, indexing="ij")
    z = a + u.reshape(-1, 1) * first + v.reshape(-1, 1) * second
    images = yield from decode(z)
    way = yield from _dijkstra(images, 2 * half + 1, (half // 2, half), (half + half // 2, half))
    return z[way]


def _grid_half(dim: int) -> int:
    """Half of the grid's ticks: an even number, so that a and b lie on it."""
    most = min(COLUMNS, int((NUMBERS / dim) ** 0.5))
    return max(2 * (most // 4), 4)


def _dijkstra(images: Array, size: int, begin: tuple[int, int], end: tuple[int, int]) -> Slices[Any]:
    """Indices of the nodes of a size × size grid on the way of the least image length, over edges to the
    nodes beside, diagonally, and by a knight's move."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    index = np.arange(size * size).reshape(size, size)
    rows, columns, weights = [], [], []
    for di, dj in ((0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (2, 1), (1, -2), (2, -1)):
        left, right = max(-dj, 0), size - max(dj, 0)
        here, there = index[: size - di, left:right].ravel(), index[di:, left + dj : right + dj].ravel()
        distance = np.empty(len(here))
        for start in range(0, len(here), 4 * ROWS):
            part = slice(start, start + 4 * ROWS)
            distance[part] = np.linalg.norm(images[here[part]] - images[there[part]], axis=1)
            yield
        rows.append(here)
        columns.append(there)
        weights.append(distance + 1e-12)  # 0 would be no edge
    one, other = np.concatenate(rows), np.concatenate(columns)
    graph = coo_array((np.concatenate(weights), (one, other)), shape=(size * size, size * size)).tocsr()
    start, goal = int(index[begin]), int(index[end])
    _, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    way = [goal]
    while way[-1] != start:
        way.append(int(before[way[-1]]))
    return way[::-1]

"""The nearest of very many points, exactly: k-d trees, built some points at a time, and brute force."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array, Progress, Work, finish

# Numbers, up to which brute force takes no longer than a tree. Alone it would up to 2¹⁸, but NumPy lets go of
# the interpreter for more than 500, several times a query, and waits for it beside a busy thread.
FEW = 2**10
MANY = 2**17  # points: where they lie close, counting a ball's takes milliseconds
MOST_DIMENSIONS = 3  # of a tree: with many more it looks at nearly every point
_PART = 2**15  # points of a tree, built in a few milliseconds
_BLOCK = 2**18  # numbers that brute force looks at in one go
_TIE = 1e-4  # squared distances in 32 bits closer than this share of themselves are computed again in 64


@dataclass(eq=False)
class _Part:
    """Points that lie side by side along one axis, from low to high: their rows (m,), and what a tree is made
    of, (m, j)."""

    rows: Array
    flat: Array
    low: float
    high: float
    tree: Any = None


class Neighbours:
    """Nearest neighbours among points (n, k), in Euclidean distance.

    :meth:`build` makes trees of parts of them, so that no slice is long; a query looks into those parts alone
    that can matter. Before, and of parts without a tree yet, brute force finds the same.
    """

    def __init__(self, points: Array) -> None:
        self._points = points
        self._plane: tuple[Array, Array] | None = None
        self._axis = 0
        self._parts: list[_Part] = []

    def build(self, plane: tuple[Array, Array] | None = None) -> Work[None]:
        """Divide the points, and build the trees, one a slice.

        Points of more than MOST_DIMENSIONS have trees for queries on a ``plane``, an origin (k,) and a basis
        (2, k), orthonormal: their distance from z = origin + uv · basis is that in (u, v, r), with r their
        own distance from the plane, and so three dimensions are enough. Other queries get brute force.
        """
        if self._points.shape[1] > MOST_DIMENSIONS and plane is not self._plane:
            self._plane, self._parts = plane, []
        if self._points.size <= FEW or (self._points.shape[1] > MOST_DIMENSIONS and plane is None):
            return
        from scipy.spatial import cKDTree

        if not self._parts:
            yield from self._divide()
        for i, part in enumerate(self._parts):
            if part.tree is None:
                part.tree = cKDTree(part.flat, balanced_tree=False, compact_nodes=False)
                yield Progress(i + 1, len(self._parts))

    def _divide(self) -> Work[None]:
        """Cut the points where quantiles of a sample lie along the axis on which they spread most."""
        n = len(self._points)
        sample = self._flat(self._points[:: max(n // 2**14, 1)])
        self._axis = int(sample.std(0).argmax())
        cuts = np.quantile(sample[:, self._axis], np.arange(1, n // _PART + 1) * _PART / (n + 1))
        cuts = np.unique(cuts.astype(sample.dtype))
        rows: list[list[Array]] = [[] for _ in range(len(cuts) + 1)]
        flats: list[list[Array]] = [[] for _ in rows]
        for start in range(0, n, _PART):
            flat = self._flat(self._points[start : start + _PART])
            of = np.searchsorted(cuts, flat[:, self._axis])
            order = np.argsort(of, kind="stable")
            ends = np.searchsorted(of[order], np.arange(len(rows) + 1))
            for i in range(len(rows)):
                some = order[ends[i] : ends[i + 1]]
                rows[i].append(start + some)
                flats[i].append(flat[some])
            yield Progress(0, n)
        parts = []
        for its_rows, its_flats in zip(rows, flats, strict=True):
            row, flat = np.concatenate(its_rows), np.concatenate(its_flats)
            for start in range(0, len(row), 2 * _PART):  # more than so many lie at one place of the axis
                block = slice(start, start + 2 * _PART)
                along = flat[block, self._axis]
                parts.append(_Part(row[block], flat[block], float(along.min()), float(along.max())))
            yield Progress(0, n)
        self._parts = parts

    def _flat(self, points: Array) -> Array:
        """What the trees hold of points (m, k): themselves, or (u, v, r)."""
        if self._plane is None:
            return points
        origin, basis = self._plane
        off = points - origin.astype(points.dtype)
        uv = off @ basis.T.astype(points.dtype)
        r = np.sqrt(np.maximum(np.einsum("ij,ij->i", off, off) - np.einsum("ij,ij->i", uv, uv), 0))
        return np.column_stack([uv, r])

    def _query(self, z: Array) -> tuple[Array, Array] | None:
        """z (k,) as the parts know it, and how far it is at least from what is in each of them, a little less
        for the rounding; None where they do not know it."""
        if not self._parts:
            return None
        flat = self._flat(z.astype(np.float64)[None])[0]
        rounding = 1e-5 * (1 + float(np.abs(z).max()))
        if len(flat) < len(z):
            if flat[2] > rounding:
                return None  # off the plane
            flat[2] = 0.0
        here = flat[self._axis]
        gaps = [max(part.low - here, here - part.high, 0.0) - rounding for part in self._parts]
        return flat, np.array(gaps)

    def nearest(self, z: Array) -> int | None:
        """The row of the point nearest to z (k,), one of them where several are; None without points."""
        known, least = self._query(z), np.inf
        rows: list[Array] = []
        if known is None:
            for start, distances in self._squared(self._points, z):
                least = min(least, float(distances.min()))
                rows.append(start + np.flatnonzero(distances <= least * (1 + _TIE)))
        else:
            flat, gaps = known
            for i in np.argsort(gaps):
                if gaps[i] > 0 and gaps[i] ** 2 > least * (1 + _TIE):
                    break
                squared, found = self._nearest_of(self._parts[i], flat)
                least = min(least, squared)
                rows.append(found)
        if not rows:
            return None
        candidates = np.concatenate(rows)
        exact = np.square(self._points[candidates].astype(np.float64) - z.astype(np.float64)).sum(1)
        return int(candidates[exact.argmin()])

    def _nearest_of(self, part: _Part, flat: Array) -> tuple[float, Array]:
        """The least squared distance in a part, and rows one of which has it: (u, v, r) is rounded."""
        if part.tree is not None:
            distance, found = part.tree.query(flat, k=range(1, min(4, part.tree.n) + 1))
            return float(distance[0]) ** 2, part.rows[found]
        squared = np.square(part.flat - flat).sum(1)
        least = float(squared.min())
        return least, part.rows[squared <= least * (1 + _TIE)]

    def within(self, z: Array, radius: float) -> int:
        """How many points are no farther from z (k,) than radius."""
        return finish(self.counting(z, radius))

    @property
    def many(self) -> bool:
        """Whether counting takes longer than a hand waits for a picture."""
        return len(self._points) > MANY

    @property
    def everywhere(self) -> bool:
        """Whether a query of any z looks into parts alone, not only one on a plane."""
        return bool(self._parts) and self._plane is None

    def counting(self, z: Array, radius: float) -> Generator[None, None, int]:
        """How many points are no farther from z (k,) than radius, in slices of less than a millisecond."""
        known, found = self._query(z), 0
        if known is None:
            for start, squared in self._squared(self._points, z):
                if start:
                    yield
                found += int((squared <= radius**2).sum())
            return found
        flat, gaps = known
        for i, part in enumerate(part for part, gap in zip(self._parts, gaps, strict=True) if gap <= radius):
            if i:
                yield
            if part.tree is not None:
                found += int(part.tree.query_ball_point(flat, radius, return_length=True))
            else:
                found += int((np.square(part.flat - flat).sum(1) <= radius**2).sum())
        return found

    @staticmethod
    def _squared(points: Array, z: Array) -> Iterator[tuple[int, Array]]:
        """Squared distances of points (n, k) from z (k,), some at a time: where they begin, and they."""
        size = max(1, _BLOCK // max(points.shape[1], 1))
        for begin in range(0, len(points), size):
            off = points[begin : begin + size] - z
            yield begin, np.einsum("ij,ij->i", off, off)

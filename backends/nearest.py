"""The nearest of very many points, exactly: k-d trees, built some points at a time, and brute force."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from backends.base import Array, Progress, Work

FEW = 2**18  # numbers, up to which brute force takes no longer than a tree
MOST_DIMENSIONS = 3  # of a tree: with many more it looks at nearly every point
_PART = 2**15  # points of a tree, built in a few milliseconds
_BLOCK = 2**18  # numbers that brute force looks at in one go
_TIE = 1e-4  # squared distances in 32 bits closer than this share of themselves are computed again in 64


class Neighbours:
    """Nearest neighbours among points (n, k), in Euclidean distance.

    :meth:`build` makes trees; before, and of what they do not hold yet, brute force finds the same.
    """

    def __init__(self, points: Array) -> None:
        self._points = points
        self._plane: tuple[Array, Array] | None = None
        self._trees: list[Any] = []

    def build(self, plane: tuple[Array, Array] | None = None) -> Work[None]:
        """Build the trees, one a slice.

        Points of more than MOST_DIMENSIONS have trees for queries on a ``plane``, an origin (k,) and a basis
        (2, k), orthonormal: their distance from z = origin + uv · basis is that in (u, v, r), with r their
        own distance from the plane, and so three dimensions are enough. Other queries get brute force.
        """
        if self._points.shape[1] > MOST_DIMENSIONS and plane is not self._plane:
            self._plane, self._trees = plane, []
        if self._points.size <= FEW or (self._points.shape[1] > MOST_DIMENSIONS and plane is None):
            return
        from scipy.spatial import cKDTree

        n = len(self._points)
        for start in range(len(self._trees) * _PART, n, _PART):
            part = self._flat(self._points[start : start + _PART])
            yield Progress(start, n)
            self._trees.append(cKDTree(part, balanced_tree=False, compact_nodes=False))
            yield Progress(start + len(part), n)

    def _flat(self, points: Array) -> Array:
        """What the trees hold of points (m, k): themselves, or (u, v, r)."""
        if self._plane is None:
            return points
        origin, basis = self._plane
        off = points - origin.astype(points.dtype)
        uv = off @ basis.T.astype(points.dtype)
        r = np.sqrt(np.maximum(np.einsum("ij,ij->i", off, off) - np.einsum("ij,ij->i", uv, uv), 0))
        return np.column_stack([uv, r])

    def _query(self, z: Array) -> tuple[Array | None, int]:
        """z (k,) as the trees know it, and how many of the points they answer for."""
        if not self._trees:
            return None, 0
        flat = self._flat(z.astype(np.float64)[None])[0]
        if len(flat) < len(z):
            if flat[2] > 1e-5 * (1 + float(np.abs(z).max())):
                return None, 0  # off the plane
            flat[2] = 0.0
        return flat, min(len(self._trees) * _PART, len(self._points))

    def nearest(self, z: Array) -> int | None:
        """The row of the point nearest to z (k,), one of them where several are; None without points."""
        flat, done = self._query(z)
        rows: list[Array] = []
        for i, tree in enumerate(self._trees if flat is not None else ()):
            _, row = tree.query(flat, k=range(1, min(4, tree.n) + 1))  # several: (u, v, r) is rounded
            rows.append(i * _PART + row)
        least = np.inf
        for start, squared in self._squared(z, done):
            least = min(least, float(squared.min()))
            rows.append(start + np.flatnonzero(squared <= least * (1 + _TIE)))
        if not rows:
            return None
        candidates = np.concatenate(rows)
        exact = np.square(self._points[candidates].astype(np.float64) - z.astype(np.float64)).sum(1)
        return int(candidates[exact.argmin()])

    def within(self, z: Array, radius: float) -> int:
        """How many points are no farther from z (k,) than radius."""
        flat, done = self._query(z)
        trees = self._trees if flat is not None else ()
        known = sum(int(tree.query_ball_point(flat, radius, return_length=True)) for tree in trees)
        return known + sum(int((squared <= radius**2).sum()) for _, squared in self._squared(z, done))

    def _squared(self, z: Array, start: int) -> Iterator[tuple[int, Array]]:
        """Squared distances from z of the points from ``start`` on: where a block begins, and its own."""
        size = max(1, _BLOCK // max(self._points.shape[1], 1))
        for begin in range(start, len(self._points), size):
            off = self._points[begin : begin + size] - z
            yield begin, np.einsum("ij,ij->i", off, off)

"""A plane: an affine map from the canvas to a latent (or data) space of any dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backends.base import Array


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What a plane leaves out: directions (m, k) at right angles to it and to each other, along which it can
    be moved from its own ``origin`` (k,).

    names: of the directions. mean, std (m,): of the encodings along them, from that origin on. zero (m,):
    where the numbers along a direction begin, from there on too: coordinates at 0, others at the mean.
    """

    origin: Array
    directions: Array
    names: tuple[str, ...]
    mean: Array
    std: Array
    zero: Array


@dataclass(frozen=True, eq=False)
class Plane:
    """z = origin + uv · basis, with canvas coordinates uv (n, 2), origin (k,) and basis (2, k), float64.

    The basis is orthonormal, so a length on the canvas is a length in the space. A one-dimensional
    space lies along the canvas's first axis; the second is then idle (its basis row is zero).
    """

    origin: Array
    basis: Array
    labels: tuple[str, str] = ("u", "v")
    left_out: LeftOut | None = None

    def moved(self, offsets: Sequence[float]) -> Plane:
        """The plane moved by so much along each direction that it leaves out, from its own place on."""
        if self.left_out is None:
            return self
        by = np.zeros(len(self.left_out.directions))
        by[: len(offsets)] = offsets[: len(by)]
        return replace(self, origin=self.left_out.origin + by @ self.left_out.directions)

    @property
    def dim(self) -> int:
        """Dimension k of the space that the plane lies in."""
        return int(self.origin.shape[0])

    def to_space(self, uv: Array) -> Array:
        """Canvas → space: (n, 2) → (n, k) float32."""
        return np.ascontiguousarray(self.origin + np.asarray(uv, np.float64) @ self.basis, dtype=np.float32)

    def to_canvas(self, z: Array) -> Array:
        """Space → canvas, by orthogonal projection: (n, k) → (n, 2) float64."""
        return np.asarray((np.asarray(z, np.float64) - self.origin) @ self.basis.T)

    def distance(self, z: Array) -> Array:
        """How far each row of z (n, k) lies from the plane: (n,) float64."""
        return np.asarray(np.linalg.norm(z - self.to_space(self.to_canvas(z)), axis=1))


def subscript(number: int) -> str:
    """12 → "₁₂"."""
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def coordinate_plane(dim: int, i: int = 0, j: int = 1, origin: Array | None = None) -> Plane:
    """The plane of coordinates i and j through ``origin`` (zero unless given)."""
    if not 0 <= i < max(dim, 1) or (dim > 1 and not (0 <= j < dim and i != j)):
        raise ValueError(f"coordinates {i}, {j} do not span a plane in {dim} dimensions")
    basis = np.zeros((2, dim))
    basis[0, i] = 1.0
    if dim > 1:
        basis[1, j] = 1.0
    start = np.zeros(dim) if origin is None else np.array(origin, np.float64)
    start[[i, j] if dim > 1 else [i]] = 0.0
    return Plane(start, basis, (f"z{subscript(i + 1)}", f"z{subscript(j + 1)}" if dim > 1 else ""))


def principal_plane(points: Array, like: Plane | None = None) -> Plane:
    """The plane through the mean of ``points`` (n, k) along their first two principal directions.

    Signs are fixed: the largest entry of each direction is positive. Beside a plane that it is to be ``like``
    it is turned within itself until its axes are nearest to that one's (orthogonal Procrustes): of two
    directions that are almost as wide as each other any mixture may come first, and from one snapshot to the
    next the picture would flip and spin.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] < 2:
        raise ValueError(f"principal directions need points of two or more dimensions, not {points.shape}")
    mean = points.mean(axis=0)
    basis = _principal(points - mean)[:2]
    if like is not None:
        basis = _turned(basis, like.basis)
    return Plane(mean, basis, ("principal u", "principal v"))


def _principal(centred: Array, beside: Array | None = None) -> Array:
    """All principal directions of points (n, k) about 0, the widest first, as rows; the largest entry of each
    is positive. beside: orthonormal rows (m, k), at right angles to which the k − m directions then are."""
    room = np.eye(centred.shape[1]) if beside is None else np.linalg.svd(beside)[2][len(beside) :]
    shadow = centred @ room.T
    basis = np.linalg.eigh(shadow.T @ shadow)[1][:, ::-1].T @ room
    peak = np.abs(basis).argmax(axis=1)
    return np.asarray(basis * np.where(basis[np.arange(len(basis)), peak] < 0, -1.0, 1.0)[:, None])


def _turned(basis: Array, like: Array) -> Array:
    """Orthonormal rows turned among themselves until they are nearest to others (orthogonal Procrustes)."""
    left, _, right = np.linalg.svd(like @ basis.T)
    return np.asarray(left @ right @ basis)


def principal_directions_left(
    plane: Plane, points: Array, most: int, like: Array | None = None
) -> tuple[Array, Array]:
    """The directions at right angles to a plane along which points (n, k) are widest, (m, k), m = min(most,
    k − 2), and the standard deviations of the points along them, (m,). like: see :func:`principal_plane`."""
    points = np.asarray(points, np.float64)
    centred = points - points.mean(axis=0)
    found = _principal(centred, plane.basis)[:most]
    if like is not None and like.shape == found.shape:
        found = _turned(found, like)
    return found, (centred @ found.T).std(axis=0)


def plane_through(a: Array, b: Array, c: Array) -> Plane:
    """The plane through three points (k,): a is its origin, b lies on its first axis."""
    a, b, c = (np.asarray(p, np.float64) for p in (a, b, c))
    first = b - a
    length = np.linalg.norm(first)
    if length == 0:
        raise ValueError("two of the three points are the same")
    first = first / length
    second = (c - a) - ((c - a) @ first) * first
    height = np.linalg.norm(second)
    if height <= 1e-9 * max(float(np.linalg.norm(c - a)), float(length)):
        raise ValueError("the three points lie on one line")
    return Plane(a, np.stack([first, second / height]))


def plane_between(a: Array, b: Array, points: Array, like: Plane | None = None) -> Plane:
    """The plane half-way between a and b (k,): its first axis leads from a to b, its second is the direction
    at right angles along which points (n, k) are widest. like: its second axis points as that one's does."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    length = np.linalg.norm(b - a)
    if length == 0:
        raise ValueError("the two points are the same")
    first = (b - a) / length
    centred = np.asarray(points, np.float64) - np.mean(points, axis=0)
    second = _principal(centred, first[None])[0]
    if like is not None and second @ like.basis[1] < 0:
        second = -second
    return Plane((a + b) / 2, np.stack([first, second]))

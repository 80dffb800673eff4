"""A plane: an affine map from the canvas to a latent (or data) space of any dimension."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backends.base import Array


@dataclass(frozen=True, eq=False)
class Plane:
    """z = origin + uv · basis, with canvas coordinates uv (n, 2), origin (k,) and basis (2, k), float64.

    The basis is orthonormal, so a length on the canvas is a length in the space. A one-dimensional
    space lies along the canvas's first axis; the second is then idle (its basis row is zero).
    """

    origin: Array
    basis: Array
    labels: tuple[str, str] = ("u", "v")

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
    _, basis = np.linalg.eigh((points - mean).T @ (points - mean))
    basis = basis[:, :-3:-1].T
    peak = np.abs(basis).argmax(axis=1)
    basis = basis * np.where(basis[[0, 1], peak] < 0, -1.0, 1.0)[:, None]
    if like is not None:
        left, _, right = np.linalg.svd(like.basis @ basis.T)
        basis = left @ right @ basis
    return Plane(mean, basis, ("principal plane, u", "principal plane, v"))


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

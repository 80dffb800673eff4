"""Components moved by hand in a plane of the data space: what becomes of their parameters."""

from __future__ import annotations

import numpy as np

from backends.base import Array
from explorer.plane import Plane

SMALLEST = 1e-3  # of its length: an axis that is pulled to nothing keeps so much


def axes(covariance: Array) -> Array:
    """The half axes of the ellipse of one standard deviation of a covariance (…, 2, 2), as rows (…, 2, 2),
    the longer first."""
    values, vectors = np.linalg.eigh(covariance)
    half = vectors * np.sqrt(np.maximum(values, 0))[..., None, :]
    return np.asarray(half.swapaxes(-1, -2)[..., ::-1, :])


def coordinates_of(plane: Plane) -> tuple[int, int] | None:
    """Which two coordinates a plane is made of; None where it is of other directions."""
    found = [np.flatnonzero(row) for row in plane.basis]
    return (int(found[0][0]), int(found[1][0])) if all(len(f) == 1 for f in found) else None


def pulled(covariance: Array, axis: int, to: Array, form: str, plane: Plane) -> Array:
    """The covariance (2, 2) when the end of one of its :func:`axes` is pulled to ``to`` (2,), both counted
    from the mean.

    "full" and "tied" turn and stretch, the other axis as long as it was. "diag" stretches, where the plane is
    made of coordinates; elsewhere, and "spherical" everywhere, the whole ellipse grows.
    """
    half = axes(covariance)
    old, other = half[axis], half[1 - axis]
    length = max(float(np.linalg.norm(old)), 1e-300)
    if form in ("full", "tied") and plane.dim > 1:
        new = np.asarray(to, np.float64)
        reach = float(np.linalg.norm(new))
        if reach < SMALLEST * length:
            new, reach = old * SMALLEST, SMALLEST * length
        side = np.array([-new[1], new[0]]) / reach * np.linalg.norm(other)
        return np.outer(new, new) + np.outer(side, side)
    stretch = max(float(old @ to) / length**2, SMALLEST)
    if form == "diag" and coordinates_of(plane) is not None:
        return np.outer(old, old) * stretch**2 + np.outer(other, other)
    return np.asarray(covariance * stretch**2)


def placed(
    weights: Array,
    means: Array,
    covariances: Array,
    form: str,
    plane: Plane,
    k: int,
    mean: Array,
    covariance: Array | None = None,
) -> tuple[Array, Array, Array]:
    """The parameters with component k at ``mean`` (2,) in the plane and, if given, ``covariance`` (2, 2);
    what lies out of the plane stays as it was. weights (K,), means (K, d), covariances as :func:`in_form`.

    With P the plane's basis, Σ becomes AΣAᵀ with A = I + Pᵀ(T − I)P, where T takes PΣPᵀ to ``covariance``:
    PA = TP, so that PAΣAᵀPᵀ = TPΣPᵀTᵀ.
    """
    basis = plane.basis
    means, covariances = means.copy(), covariances.copy()
    means[k] += (np.asarray(mean) - plane.to_canvas(means[k : k + 1])[0]) @ basis
    if covariance is not None:
        before = basis @ covariances[k] @ basis.T
        if form in ("full", "tied") and plane.dim > 1:
            t = _root(covariance) @ np.linalg.inv(_root(before))
            change = np.eye(len(means[k])) + basis.T @ (t - np.eye(2)) @ basis
            covariances[k] = change @ covariances[k] @ change.T
            covariances[k] = (covariances[k] + covariances[k].T) / 2
        elif form == "diag" and (pair := coordinates_of(plane)) is not None:
            covariances[k][pair, pair] = np.diagonal(covariance)
        else:
            covariances[k] *= covariance[0, 0] / before[0, 0]
        if form == "tied":
            covariances[:] = covariances[k]
    return weights, means, in_form(covariances, form)


def in_form(covariances: Array, form: str) -> Array:
    """Of matrices (K, d, d) what the form keeps: "full" (K, d, d), "tied" (1, d, d), "diag" (K, d),
    "spherical" (K, 1)."""
    if form in ("full", "tied"):
        return covariances if form == "full" else covariances[:1]
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    return np.ascontiguousarray(variances if form == "diag" else variances[:, :1])


def _root(covariance: Array) -> Array:
    """The symmetric square root of a positive definite matrix (2, 2)."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T)

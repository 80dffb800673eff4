"""Planes through data of many dimensions, and the spectrum of their covariance, by NumPy alone."""

from __future__ import annotations

import numpy as np

from backends.base import Array, InputError
from backends.exact.factor_rows import Rows

_SINGULAR = 1e-8  # of the largest variance of columns in like units: less than this may be rounding


def spectrum(x: Array) -> Array:
    """The eigenvalues of the covariance (with 1/n) of rows x (n, d), falling, (d,) float64.

    Raises InputError without rows, and for values that are not finite.
    """
    rows = _rows(x)
    values = rows.principal(rows.mean())[0]
    return np.concatenate([values, np.zeros(rows.x.shape[1] - len(values))])


def left_out_variance(eigenvalues: Array, k: int) -> float:
    """The mean of all but the k largest eigenvalues (d,), which is the σ² of PPCA (Tipping & Bishop 1999, eq.
    8); at least the last one is left out."""
    return float(np.sort(eigenvalues)[::-1][min(k, len(eigenvalues) - 1) :].mean())


def principal_directions(x: Array, m: int = 2) -> tuple[Array, Array]:
    """The plane through rows x (n, d) along their m directions of largest variance: origin (d,), the mean,
    and directions (m, d), orthonormal; float64. Where the rows vary along fewer than m, any others will do.

    Raises InputError for m > d, without rows, and for values that are not finite.
    """
    rows = _rows(x, m)
    mean = rows.mean()
    return mean, np.ascontiguousarray(rows.principal(mean, m)[1][:, :m].T)


def lda_directions(x: Array, labels: Array, m: int = 2) -> tuple[Array, Array]:
    """The plane through rows x (n, d) that shows their labels (n,) best apart, by Fisher's linear
    discriminants (Bishop 2006, §4.1.6): origin (d,), the mean, and directions (m, d), orthonormal; float64.

    The first j directions span the first j discriminants, of which there is one fewer than classes; further
    directions are those of largest variance at right angles to them.

    Raises InputError as :func:`principal_directions`, and where labels are not one a row or all the same.
    """
    rows = _rows(x, m)
    labels = np.asarray(labels)
    if labels.shape != (len(rows),):
        raise InputError(f"there are {len(rows)} rows and labels of shape {labels.shape}")
    classes, of = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"all rows have the label {classes[0]}: there is nothing to tell apart")
    mean, data = rows.mean(), rows.x.astype(np.float64)
    counts = np.bincount(of)
    centres = np.stack([data[of == c].mean(0) for c in range(len(classes))])
    # In units in which the rows have variance one within their classes, in every direction. Those in which
    # they have none, as constant columns, would be infinitely good, and are left out.
    residual = data - centres[of]
    scale = residual.std(0)
    scale = np.where(scale > 0, scale, np.inf)
    values, vectors = Rows(residual / scale).principal(np.zeros(len(mean)))
    keep = values > _SINGULAR * values[0]
    whiten = vectors[:, keep] / np.sqrt(values[keep]) / scale[:, None]
    if not keep.any():  # every class is a point
        whiten = np.eye(len(mean))
    between = ((centres - mean) * np.sqrt(counts / len(rows))[:, None]) @ whiten
    _, sizes, discriminants = np.linalg.svd(between, full_matrices=False)
    found = whiten @ discriminants[sizes > _SINGULAR * sizes[0]].T
    # at right angles, and after them a basis of all that is at right angles to them
    basis = np.linalg.qr(found[:, :m], mode="complete")[0]
    basis, others = np.split(basis, [min(m, found.shape[1])], axis=1)
    basis = basis * np.where(basis.sum(0) < 0, -1, 1)
    further = m - basis.shape[1]
    if further:
        rest = Rows((data - mean) @ others).principal(np.zeros(others.shape[1]), further)[1][:, :further]
        basis = np.concatenate([basis, others @ rest], axis=1)
    return mean, np.ascontiguousarray(basis.T)


def _rows(x: Array, m: int = 0) -> Rows:
    rows = Rows(np.asarray(x))
    if rows.x.ndim != 2 or not len(rows):
        raise InputError(f"x has shape {rows.x.shape}, and it needs rows")
    if not np.isfinite(rows.x).all():
        raise InputError("the rows hold values that are not finite")
    if m > rows.x.shape[1]:
        raise InputError(f"{rows.x.shape[1]} columns have no {m} directions")
    return rows

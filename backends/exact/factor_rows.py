"""The passes over the rows that linear Gaussian models need; each leaves only averages over them.

The rows are taken some at a time, so memory grows with n no further than the rows do. This is the place to
replace where the rows lie on another device.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np

from backends.base import Array, DataInfo, InputError

_BLOCK = 2**16  # numbers in a block of rows: half a MiB of float64 stays in the cache


class Rows:
    """Rows x (n, d), to be passed over in float64."""

    def __init__(self, x: Array) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def take(self, index: Array) -> Self:
        """Some of the rows, by number."""
        return type(self)(self.x[index])

    def _blocks(self) -> Iterator[Array]:
        rows = max(1, _BLOCK // self.x.shape[1])
        for start in range(0, len(self.x), rows):
            yield self.x[start : start + rows].astype(np.float64)

    def mean(self) -> Array:
        """The mean of each column (d,); a constant column's is exactly its value."""
        mean = sum(block.sum(0) for block in self._blocks()) / len(self.x)
        low, high = self.x.min(0).astype(np.float64), self.x.max(0).astype(np.float64)
        return np.asarray(np.where(low == high, low, mean))

    def variance(self, mean: Array) -> Array:
        """⟨(x − μ)²⟩ of each column, (d,)."""
        return np.asarray(sum(((block - mean) ** 2).sum(0) for block in self._blocks()) / len(self.x))

    def covariance(self, mean: Array) -> Array:
        """⟨(x − μ)(x − μ)ᵀ⟩, (d, d)."""
        parts = (block - mean for block in self._blocks())
        return np.asarray(sum(part.T @ part for part in parts) / len(self.x))

    def averages(self, mean: Array, projection: Array, weights: Array) -> tuple[Array, Array, Array]:
        """⟨zzᵀ⟩ (k, k), ⟨rzᵀ⟩ (d, k) and ⟨r²⟩ (d,), of z = Pᵀ(x − μ) and of what Wz leaves of x,
        r = x − μ − Wz, with P and W (d, k); in O(n d k)."""
        d, k = weights.shape
        second, cross, residual = np.zeros((k, k)), np.zeros((d, k)), np.zeros(d)
        for block in self._blocks():
            block -= mean
            z = block @ projection
            block -= z @ weights.T
            second += z.T @ z
            cross += block.T @ z
            residual += np.einsum("nd,nd->d", block, block)
        return second / len(self.x), cross / len(self.x), residual / len(self.x)

    def cross(self, mean: Array, projection: Array) -> Array:
        """⟨(x − μ)(x − μ)ᵀ⟩P, (d, k), in O(n d k)."""
        return self.averages(mean, projection, np.zeros_like(projection))[1]

    def principal(self, mean: Array, least: int = 0) -> tuple[Array, Array]:
        """The largest eigenvalues of the covariance about ``mean``, falling, and their eigenvectors as
        columns, (d, ·): max(min(n, d), least) of them, as those of fewer than d rows are 0 beyond the n-th.
        """
        n, d = self.x.shape
        if d <= n:
            values, vectors = np.linalg.eigh(self.covariance(mean))
            values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
        else:
            # rows of zeros change no covariance, and give directions that rows are missing for
            centred = np.zeros((max(n, min(least, d)), d))
            centred[:n] = self.x - mean
            _, singular, directions = np.linalg.svd(centred, full_matrices=False)
            values, vectors = singular**2 / n, directions.T
        return values, vectors * np.where(vectors.sum(0) < 0, -1, 1)  # the same sign on every machine


def mean_and_variance(rows: Rows, info: DataInfo) -> tuple[Array, Array]:
    """Mean and variance (with 1/n) of each column, (d,); a constant column's variance is exactly 0.

    Without rows they are those of standardised data. Raises InputError for values that are not finite and
    for rows that are all the same.
    """
    if not len(rows):
        return np.zeros(info.dim), np.ones(info.dim)
    low, high = rows.x.min(0), rows.x.max(0)
    finite = np.isfinite(low) & np.isfinite(high)
    if not finite.all():
        j = int(np.argmin(finite))
        name = f"'{info.columns[j]}'" if j < len(info.columns) else str(j)
        raise InputError(f"column {name} holds values that are not finite")
    if (low == high).all():
        what = "there is only one row" if len(rows) == 1 else f"the {len(rows)} rows are all the same"
        raise InputError(f"{what}: there is no variance to model")
    mean = rows.mean()
    return mean, rows.variance(mean)

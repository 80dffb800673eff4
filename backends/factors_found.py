"""What latent coordinates have to do with the factors that data were made from."""

from __future__ import annotations

import numpy as np

from backends.base import Array, Progress, Work

BINS = 20  # of a continuous factor, with equally many rows each


def explained_variance(z: Array, factors: Array, labels: Array | None = None) -> Work[Array]:
    """Of each latent coordinate the share of its variance that each factor explains, (k, f) float64 from 0 to
    1.

    z: (n, k). factors: (n, f'), each cut into BINS bins. labels: (n,) int, which if given are one more
    factor, the first. Where η² = 1 − Σ (z − mean in its bin)² / Σ (z − mean)² is Fisher's correlation ratio,
    this is ε² = 1 − (1 − η²)(n − 1)/(n − bins), which for a factor that has nothing to do with z is 0 on
    average (Kelley 1935, PNAS 21(9)); below zero it is set to zero. A coordinate that is constant has zeros.
    """
    n, k = z.shape
    z = z.astype(np.float64)
    size = np.square(z).sum(0)
    z -= z.sum(0) / max(n, 1)
    total = np.square(z).sum(0)
    varies = total > 1e-14 * size
    yield Progress(0, 1, "compare with the factors")
    groups = [] if labels is None else [np.unique(labels, return_inverse=True)[1]]
    groups += [_bins(column) for column in factors.T]
    out = np.zeros((k, len(groups)))
    for j, group in enumerate(groups):
        counts = np.bincount(group)
        there = counts > 0
        counts = counts[there]
        for i in range(k):
            sums = np.bincount(group, weights=z[:, i])[there]
            within = total[i] - (sums**2 / counts).sum()
            if varies[i] and n > len(counts):
                out[i, j] = 1 - within / total[i] * (n - 1) / (n - len(counts))
            yield Progress(j * k + i + 1, len(groups) * k, "compare with the factors")
    return np.clip(out, 0, 1)


def _bins(values: Array) -> Array:
    """The bin of each value (n,), int; equal values are in one."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])) if len(values) else values
    return np.searchsorted(edges, values, side="right")

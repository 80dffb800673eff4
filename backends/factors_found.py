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
    groups = [] if labels is None else [labels]
    for column in factors.T:
        groups.append(_bins(column))
        yield Progress(0, k, "compare with the factors")
    counts = [np.bincount(group) for group in groups]
    out = np.zeros((k, len(groups)))
    for i in range(k):  # one coordinate at a time: a million rows, too, are worked on in short slices
        own = z[:, i].astype(np.float64)
        size = own @ own
        own -= own.sum() / max(n, 1)
        total = own @ own
        yield Progress(i, k, "compare with the factors")
        for j, group in enumerate(groups):
            there = counts[j] > 0
            sums, bins = np.bincount(group, weights=own)[there], np.count_nonzero(there)
            within = total - (sums**2 / counts[j][there]).sum()
            if total > 1e-14 * size and n > bins:
                out[i, j] = 1 - within / total * (n - 1) / (n - bins)
            yield Progress(i, k, "compare with the factors")
    return np.clip(out, 0, 1)


def _bins(values: Array) -> Array:
    """The bin of each value (n,), int; equal values are in one."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])) if len(values) else values
    return np.searchsorted(edges, values, side="right")

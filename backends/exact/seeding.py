"""Rows on which the components of a mixture begin."""

from __future__ import annotations

import math

import numpy as np

from backends.base import Array
from backends.exact.components import blocks


def choose_rows(x: Array, k: int, init: str, rng: np.random.Generator) -> Array:
    """k rows of x (n, d), n ≥ k, as (k, d) float64; init is "k-means++" or "random-points"."""
    if init == "random-points":
        chosen = rng.choice(len(x), size=k, replace=False)
    else:
        chosen = _k_means_plus_plus(x, k, rng)
    return x[chosen].astype(np.float64)


def nearest(x: Array, centres: Array) -> Array:
    """The index of the centre (k, d) nearest to each row of x (n, d), (n,)."""
    best = np.full(len(x), np.inf)
    index = np.zeros(len(x), np.intp)
    for k, centre in enumerate(centres):
        squared = np.square(x - centre).sum(1)
        closer = squared < best
        best[closer], index[closer] = squared[closer], k
    return index


def _k_means_plus_plus(x: Array, k: int, rng: np.random.Generator) -> Array:
    """Indices (k,): each row is drawn with probability proportional to its squared distance from those drawn
    before; of a few candidates the one that leaves the least is taken (Arthur & Vassilvitskii 2007, §2 and
    the greedy variant of §5)."""
    n, trials = len(x), 2 + int(math.log(k))
    chosen = [int(rng.integers(n))]
    distance = _squared_distance(x, x[chosen[0]])
    while len(chosen) < k:
        total = distance.cumsum()
        if total[-1] > 0:
            # side="right": a row at distance 0 is never drawn while there are others
            drawn = np.searchsorted(total, rng.random(trials) * total[-1], side="right")
            candidates = np.minimum(drawn, n - 1)
        else:  # every row lies on a centre already
            candidates = rng.integers(n, size=1)
        left = [np.minimum(distance, _squared_distance(x, x[i])) for i in candidates]
        best = int(np.argmin([d.sum() for d in left]))
        chosen.append(int(candidates[best]))
        distance = left[best]
    return np.array(chosen)


def _squared_distance(x: Array, centre: Array) -> Array:
    """(n,) float64, in blocks of rows."""
    out = np.empty(len(x))
    for rows, part in blocks(x, x.shape[1]):
        out[rows] = np.square(part - centre).sum(1)
    return out

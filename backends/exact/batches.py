"""Minibatches in a seeded order, with nothing to save but the seed; and how much each batch counts."""

from __future__ import annotations

import math

import numpy as np

from backends.base import Array


def step_size(step: int) -> float:
    """ρ_t = (t + 2)^−0.6, the weight of batch t = 0, 1, … in a running average (Cappé & Moulines 2009)."""
    return float((step + 2) ** -0.6)


class Batches:
    """Which of n rows are in the batch of each step: a new random order each epoch, whose last batch may be
    smaller."""

    def __init__(self, n: int, size: int, seed: int) -> None:
        self.seed = seed
        self.per_epoch = max(1, math.ceil(n / size))
        self._n, self._size = n, size
        self._order: tuple[int, Array] | None = None

    def at(self, step: int) -> Array:
        """The numbers of the rows, (b,)."""
        epoch, batch = divmod(step, self.per_epoch)
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, np.random.default_rng([self.seed, epoch]).permutation(self._n)
        return self._order[1][batch * self._size : (batch + 1) * self._size]

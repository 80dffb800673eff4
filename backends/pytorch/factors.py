"""Probabilistic PCA and factor analysis with the passes over the rows in torch, on any device with float64.

Learning is that of :mod:`backends.exact.factor_learners`: all that is of the size of θ stays in NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Self

import numpy as np
import torch
from torch import Tensor

from backends.base import Array
from backends.exact.factor_learners import make
from backends.exact.factor_rows import Rows
from backends.pytorch.training import require_float64

_BLOCK = {"cpu": 2**17, "cuda": 2**24}  # numbers in a block of rows: what fits a cache, what fills a GPU


class TorchRows(Rows):
    """Rows x (n, d) on a device; ``tensor`` where they are there already."""

    def __init__(self, x: Array, device: str, tensor: Tensor | None = None) -> None:
        super().__init__(x)
        self._device = device
        self._tensor = torch.tensor(x, device=device) if tensor is None else tensor

    def take(self, index: Array) -> Self:
        there = torch.from_numpy(index).to(self._device)
        return type(self)(self.x[index], self._device, self._tensor.index_select(0, there))

    def variance(self, mean: Array) -> Array:
        return self._average(sum(part.square().sum(0) for part in self._centred(mean)))

    def covariance(self, mean: Array) -> Array:
        return self._average(sum(part.T @ part for part in self._centred(mean)))

    def averages(self, mean: Array, projection: Array, weights: Array) -> tuple[Array, Array, Array]:
        p, w = self._there(projection), self._there(weights)
        d, k = w.shape
        second, cross, residual = w.new_zeros(k, k), w.new_zeros(d, k), w.new_zeros(d)
        for part in self._centred(mean):
            z = part @ p
            part.addmm_(z, w.T, alpha=-1)
            second.addmm_(z.T, z)
            cross.addmm_(part.T, z)
            residual += part.square().sum(0)
        return self._average(second), self._average(cross), self._average(residual)

    def _centred(self, mean: Array) -> Iterator[Tensor]:
        """x − μ in blocks of rows."""
        centre = self._there(mean)
        rows = max(1, _BLOCK.get(self._tensor.device.type, 2**20) // self.x.shape[1])
        for block in self._tensor.split(rows):
            yield block.to(torch.float64) - centre

    def _there(self, array: Array) -> Tensor:
        return torch.tensor(array, dtype=torch.float64, device=self._device)

    def _average(self, total: Tensor | int) -> Array:
        assert isinstance(total, Tensor)
        return np.asarray((total / len(self.x)).cpu().numpy())


def _rows_there(x: Array, device: str) -> Rows:
    require_float64(device)
    return TorchRows(x, device)


ppca = partial(make, "ppca", _rows_there)
factor_analysis = partial(make, "factor-analysis", _rows_there)

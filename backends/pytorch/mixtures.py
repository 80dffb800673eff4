"""Mixtures with the passes over the rows in torch, on any device that has float64.

Learning is that of :mod:`backends.exact.em`: all that is of the size of θ stays in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from backends.base import Array
from backends.exact.bernoulli_mixture import BernoulliMixtureLearner
from backends.exact.components import Components
from backends.exact.densities import Density
from backends.exact.gaussian_mixture import GaussianMixtureLearner
from backends.exact.posteriors import Amortised, Exact, Posterior
from backends.exact.rows import Expectation, Rows, log_of
from backends.pytorch.training import require_float64

_BLOCK = {"cpu": 2**17, "cuda": 2**25}  # numbers in a block of rows: what fits a cache, what fills a GPU
_FEWEST = 256  # rows in a block


class TorchRows(Rows):
    """Rows x (n, d) on a device; ``tensor`` where they are there already.

    A restricted q is made by NumPy from the log joint, block by block.
    """

    def __init__(self, x: Array, device: str, tensor: Tensor | None = None) -> None:
        super().__init__(x)
        self._device = device
        self._tensor = torch.tensor(x, device=device) if tensor is None else tensor

    def batch(self, indices: Array) -> TorchRows:
        there = torch.from_numpy(indices).to(self._device)
        return TorchRows(self._x[indices], self._device, self._tensor.index_select(0, there))

    def log_prob(self, log_weights: Array, components: Components) -> Array:
        out = np.empty(len(self))
        for rows, _, _, log_p in self._blocks(log_weights, components.density.on(self._put)):
            out[rows] = log_p.cpu().numpy()
        return out

    def posterior(self, log_weights: Array, components: Components, q: Posterior) -> tuple[Array, Array]:
        probs, log_joint = np.empty((2, len(self), len(log_weights)))
        for rows, _, joint, log_p in self._blocks(log_weights, components.density.on(self._put)):
            log_joint[rows] = joint.cpu().numpy()
            probs[rows] = self._probs(q, rows, joint, log_p).cpu().numpy()
        return probs, log_joint

    def expectation(self, weights: Array, components: Components, q: Posterior) -> Expectation:
        density = components.density.on(self._put)
        totals: tuple[Tensor, ...] = ()
        gradient = None
        for rows, features, log_joint, log_p in self._blocks(log_of(weights), density):
            r = self._probs(q, rows, log_joint, log_p)
            own = (log_p.sum(), torch.special.entr(r).sum(), *density.sums(features, r))
            totals = tuple(a + b for a, b in zip(totals, own, strict=True)) if totals else own
            if isinstance(q, Amortised):
                part = self._x[rows].astype(np.float64)
                slope = q.gradient(part, log_joint.cpu().numpy(), r.cpu().numpy())
                gradient = slope if gradient is None else gradient + slope
        log_likelihood, entropy, *sums = (total.cpu().numpy() for total in totals)
        return Expectation(
            len(self), float(log_likelihood), float(entropy), components.statistics(tuple(sums)), gradient
        )

    def _blocks(self, log_weights: Array, density: Density) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
        """Some rows at a time: which, their features (F, m), log π_k p(x|k) (m, K) and log p(x) (m,).

        density: on the device.
        """
        log_pi = self._put(log_weights)
        size = max(_FEWEST, _BLOCK.get(self._tensor.device.type, 2**20) // density.width)
        for start in range(0, len(self), size):
            rows = slice(start, min(start + size, len(self)))
            features = density.features(self._tensor[rows].to(torch.float64))
            log_joint = density.log_prob(features)
            log_joint += log_pi
            yield rows, features, log_joint, log_joint.logsumexp(1)

    def _probs(self, q: Posterior, rows: slice, log_joint: Tensor, log_p: Tensor) -> Tensor:
        if isinstance(q, Exact):
            return (log_joint - log_p[:, None]).exp_()
        part = self._x[rows].astype(np.float64)
        return self._put(q.probs(part, log_joint.cpu().numpy(), log_p.cpu().numpy()))

    def _put(self, array: Array) -> Tensor:
        return torch.tensor(array, dtype=torch.float64, device=self._device)


def passes_on(device: str) -> Callable[[Array], Rows]:
    """What makes rows that are passed over on a device; raises InputError for one without float64."""
    require_float64(device)
    return partial(TorchRows, device=device)


class TorchGaussianMixtureLearner(GaussianMixtureLearner):
    """Fits a Gaussian mixture by EM on a device."""

    passes_on = staticmethod(passes_on)


class TorchBernoulliMixtureLearner(BernoulliMixtureLearner):
    """Fits a mixture of Bernoullis by EM on a device."""

    passes_on = staticmethod(passes_on)

"""log p(x|k) of all components at many rows, and sums over the rows: nearly all the time of EM goes here.

Written with operations that NumPy arrays and torch tensors share, so that the same lines compute on any
device. Inside, a row of data is a column: then products and sums over components run along memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from backends.base import Array

_TINY = 1e-300  # in place of a count of zero, of which nothing is left to divide


class Density(ABC):
    """log p(x|k), k = 1 … K, of an exponential family. All arrays are float64."""

    #: Numbers that a row takes while it is computed.
    width: int

    @abstractmethod
    def features(self, x: Any) -> Any:
        """What both others need of rows x (n, d), one row a column, (F, n)."""

    @abstractmethod
    def log_prob(self, features: Any) -> Any:
        """log p(x|k), (n, K); a component's are contiguous in memory."""

    @abstractmethod
    def sums(self, features: Any, r: Any) -> tuple[Any, ...]:
        """Σ_n r_nk t(x_n) with r (n, K), the expected counts N_k first; of different rows they add up."""

    @abstractmethod
    def statistics(self, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        """Sums over all rows, in NumPy, as the M-step takes them."""

    def on(self, put: Callable[[Array], Any]) -> Self:
        """The same with each of its arrays put elsewhere: on a device, say."""
        other = object.__new__(type(self))
        vars(other).update({k: put(v) if isinstance(v, np.ndarray) else v for k, v in vars(self).items()})
        return other


class Linear(Density):
    """log p(x|k) = η_k·t(x) + a_k: one matrix product for all rows and components, and one for the sums.

    natural: η (K, F). offset: a (K,). Here t(x) = x; subclasses have other features.
    """

    def __init__(self, natural: Array, offset: Array) -> None:
        self.natural, self.offset = np.ascontiguousarray(natural), np.array(offset)
        self.width = natural.shape[1] + 2 * len(natural)

    def features(self, x: Any) -> Any:
        return x.T

    def log_prob(self, features: Any) -> Any:
        out = self.natural @ features
        out += self.offset[:, None]
        return out.T

    def sums(self, features: Any, r: Any) -> tuple[Any, ...]:
        return r.sum(0), r.T @ features.T

    def statistics(self, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        return sums


class Squares(Linear):
    """Gaussians with a variance for each column: t(x) = (z², z), z = x − centre.

    means, precisions (K, d); log_normaliser (K,).
    """

    def __init__(self, means: Array, precisions: Array, log_normaliser: Array) -> None:
        self.centre = means.mean(0)
        m = means - self.centre
        natural = np.concatenate([-0.5 * precisions, precisions * m], 1)
        super().__init__(natural, log_normaliser - 0.5 * (precisions * m**2).sum(1))

    def features(self, x: Any) -> Any:
        n, d = x.shape
        out = _empty(x, 2 * d, n)
        z = out[d:]
        z[:] = x.T
        z -= self.centre[:, None]
        out[:d] = z * z
        return out

    def statistics(self, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        counts, both = sums
        second, first = np.hsplit(both, 2)
        shift = first / np.maximum(counts, _TINY)[:, None]
        return counts, self.centre + shift, second - first * shift


class Pairs(Linear):
    """Gaussians with covariance matrices: t(x) = (z, z_i z_j for i ≤ j), z = x − centre.

    means (K, d), precisions (K, d, d), log_normaliser (K,).
    """

    def __init__(self, means: Array, precisions: Array, log_normaliser: Array) -> None:
        self.centre = means.mean(0)
        m = means - self.centre
        linear = np.einsum("kij,kj->ki", precisions, m)
        i, j = np.triu_indices(means.shape[1])
        pairs = np.where(i == j, -0.5, -1.0) * precisions[:, i, j]
        super().__init__(np.concatenate([linear, pairs], 1), log_normaliser - 0.5 * (linear * m).sum(1))

    def features(self, x: Any) -> Any:
        n, d = x.shape
        out = _empty(x, self.natural.shape[1], n)
        z, start = out[:d], d
        z[:] = x.T
        z -= self.centre[:, None]
        for i in range(d):
            out[start : start + d - i] = z[i] * z[i:]
            start += d - i
        return out

    def statistics(self, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        counts, both = sums
        k, d = len(counts), len(self.centre)
        first = both[:, :d]
        i, j = np.triu_indices(d)
        second = np.empty((k, d, d))
        second[:, i, j] = second[:, j, i] = both[:, d:]
        shift = first / np.maximum(counts, _TINY)[:, None]
        return counts, self.centre + shift, second - first[:, :, None] * shift[:, None, :]


class Tied(Linear):
    """Gaussians that share one covariance: t(x) = (u, |u|²), u = (x − centre) W with W Wᵀ = Σ⁻¹.

    means (K, d), white W (d, d), scale its inverse transposed (d, d), log_normaliser (K,).
    """

    def __init__(self, means: Array, white: Array, scale: Array, log_normaliser: Array) -> None:
        self.centre, self.white, self.scale = means.mean(0), white, scale
        m = (means - self.centre) @ white
        natural = np.concatenate([m, np.full((len(m), 1), -0.5)], 1)
        super().__init__(natural, log_normaliser - 0.5 * (m**2).sum(1))

    def features(self, x: Any) -> Any:
        n, d = x.shape
        out = _empty(x, d + 1, n)
        out[:d] = self.white.T @ (x - self.centre).T
        out[d] = (out[:d] * out[:d]).sum(0)
        return out

    def sums(self, features: Any, r: Any) -> tuple[Any, ...]:
        u = features[:-1]
        return r.sum(0), r.T @ u.T, (u * r.sum(1)) @ u.T

    def statistics(self, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        """Its scatter is that of all components together, (1, d, d)."""
        counts, first, second = sums
        shift = first / np.maximum(counts, _TINY)[:, None]
        scatter = self.scale @ (second - first.T @ shift) @ self.scale.T
        return counts, self.centre + shift @ self.scale.T, (scatter + scatter.T)[None] / 2


class Whitened(Density):
    """Gaussians of any covariance: log p(x|k) = a_k − ½|(x − μ_k) W_k|², one component after the other.

    Slower than the others, and loses no digits wherever the components are. means (K, d); white W (K, d, d)
    with W Wᵀ = Σ⁻¹, or the inverse standard deviations (K, d); log_normaliser a (K,). tied: the scatter is
    that of all components together.
    """

    def __init__(self, means: Array, white: Array, log_normaliser: Array, tied: bool) -> None:
        self.means, self.white, self.offset = means, white, np.array(log_normaliser)
        self.tied, self.matrices = tied, white.ndim == 3
        self.width = 3 * means.shape[1] + 2 * len(means)

    def features(self, x: Any) -> Any:
        n, d = x.shape
        out = _empty(x, d, n)
        out[:] = x.T
        return out

    def log_prob(self, features: Any) -> Any:
        out = _empty(features, len(self.means), features.shape[1])
        for k, mean in enumerate(self.means):
            y = features - mean[:, None]
            y = self.white[k].T @ y if self.matrices else y * self.white[k][:, None]
            y *= y
            out[k] = y.sum(0)
        out *= -0.5
        out += self.offset[:, None]
        return out.T

    def sums(self, features: Any, r: Any) -> tuple[Any, ...]:
        """N_k, and about each mean the first and second moments: (K,), (K, d), (K, d, d) or (K, d)."""
        k, d = self.means.shape
        first = _empty(r, k, d)
        second = _empty(r, k, d, d) if self.matrices else _empty(r, k, d)
        for i, mean in enumerate(self.means):
            difference = features - mean[:, None]
            weighted = difference * r[:, i]
            first[i] = weighted.sum(1)
            second[i] = weighted @ difference.T if self.matrices else (weighted * difference).sum(1)
        return r.sum(0), first, second

    def statistics(self, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        counts, first, second = sums
        shift = first / np.maximum(counts, _TINY)[:, None]
        lost = first[:, :, None] * shift[:, None, :] if self.matrices else first * shift
        scatter = second - lost
        return counts, self.means + shift, scatter.sum(0, keepdims=True) if self.tied else scatter


def _empty(like: Any, *shape: int) -> Any:
    """An array of this shape, where the other one is."""
    return np.empty(shape) if isinstance(like, np.ndarray) else like.new_empty(shape)

"""q(k|x), the distribution over components that an E-step chooses: exactly, or from a restricted family.

    log p(x) = L(q, θ) + KL(q(k|x) ‖ p(k|x)),     L = Σ_k q_k (log π_k p(x|k) − log q_k)   (Bishop 2006, §9.4)

The exact q closes the gap; a restricted one leaves some of it open (Neal & Hinton 1998, §5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import entr

from backends.base import Array, InputError
from backends.exact.components import blocks
from backends.states import check_arrays


def log_sum_exp(a: Array) -> Array:
    """log Σ_k exp a_nk, (n, K) → (n,); a row's largest is finite."""
    top: Array = a.max(1, keepdims=True)
    return np.asarray(np.log(np.exp(a - top).sum(1)) + top[:, 0])


@dataclass(frozen=True)
class Exact:
    """q(k|x) = p(k|x)."""

    def probs(self, x: Array, log_joint: Array, log_p: Array) -> Array:
        """q of rows x (n, d), (n, K), from log π_k p(x|k) (n, K) and log p(x) (n,)."""
        return np.asarray(np.exp(log_joint - log_p[:, None]))


@dataclass(frozen=True)
class Hard:
    """All mass on the most probable component, the first of those that are equally so. It has no entropy.

    With one variance for all, fixed, and equal weights, EM is then Lloyd's algorithm for k-means.
    """

    def probs(self, x: Array, log_joint: Array, log_p: Array) -> Array:
        """As in :class:`Exact`."""
        out = np.zeros(log_joint.shape)
        np.put_along_axis(out, log_joint.argmax(1)[:, None], 1.0, 1)
        return out


@dataclass(frozen=True, eq=False)
class Amortised:
    """q_φ(k|x) = softmax_k((z, 1) φ) with z = (x − centre)/scale: one φ for all rows (Kingma & Welling 2014).

    phi: (d + 1, K). centre, scale: (d,), of the training rows.
    """

    phi: Array
    centre: Array
    scale: Array

    @classmethod
    def start(cls, x: Array, k: int) -> Self:
        """φ = 0, the same for all k; with the columns' means and standard deviations, 1 where they are
        constant."""
        d = x.shape[1]
        centre, scale = np.zeros(d), np.ones(d)
        if len(x):
            centre = x.mean(0, dtype=np.float64)
            squares = sum((np.square(part - centre).sum(0) for _, part in blocks(x, d)), np.zeros(d))
            scale = np.sqrt(squares / len(x))
            scale[scale == 0] = 1.0
        return cls(np.zeros((d + 1, k)), centre, scale)

    def at(self, phi: Array) -> Self:
        """The same with another φ, (d + 1, K)."""
        return type(self)(phi, self.centre, self.scale)

    def arrays(self) -> dict[str, Array]:
        """All of it, by name."""
        return {"phi": self.phi, "phi_centre": self.centre, "phi_scale": self.scale}

    def with_arrays(self, arrays: Mapping[str, Array]) -> Self:
        """From :meth:`arrays` of the same shapes; raises InputError naming a bad one."""
        check_arrays(arrays, self.arrays())
        if (arrays["phi_scale"] <= 0).any():
            raise InputError("array phi_scale holds scales that are not positive")
        return type(self)(*(np.array(arrays[name]) for name in self.arrays()))

    def probs(self, x: Array, log_joint: Array, log_p: Array) -> Array:
        """As in :class:`Exact`."""
        logits = self._features(x) @ self.phi
        q = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(q / q.sum(1, keepdims=True))

    def gradient(self, x: Array, log_joint: Array, q: Array) -> Array:
        """∇_φ Σ_n L_n, (d + 1, K), from q = :meth:`probs`: with a_k = log π_k p(x|k) − log q_k it is
        Σ_n (z, 1)ᵀ q (a − Σ_j q_j a_j), for the terms of ∇ log q have mean zero."""
        terms = q * log_joint + entr(q)
        return np.asarray(self._features(x).T @ (terms - q * terms.sum(1, keepdims=True)))

    def _features(self, x: Array) -> Array:
        return np.concatenate([(x - self.centre) / self.scale, np.ones((len(x), 1))], axis=1)


Posterior = Exact | Hard | Amortised

"""q(k|x), the distribution over components that an E-step chooses, exactly or from a restricted family.

    log p(x) = L(q, θ) + KL(q(k|x) ‖ p(k|x)),   L = Σ_k q_k (log π_k p(x|k) − log q_k)   (Bishop 2006, §9.4)

The exact q closes the gap; a restricted one leaves some of it open for good (Neal & Hinton 1998, §5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backends.base import Array


def log_sum_exp(a: Array) -> Array:
    """log Σ_k exp a_nk, (n, K) → (n,); a row's largest is finite."""
    top: Array = a.max(1, keepdims=True)
    return np.asarray(np.log(np.exp(a - top).sum(1)) + top[:, 0])


@dataclass(frozen=True)
class Exact:
    """q(k|x) = p(k|x)."""

    def probs(self, x: Array, log_joint: Array, log_p: Array) -> Array:
        """q of rows x (n, d), (n, K), from log π_k p(x|k) (n, K) and log p(x) (n,)."""
        return np.exp(log_joint - log_p[:, None])


Posterior = Exact

"""The passes over rows that a mixture makes: log joint → q → sums, some rows at a time.

EM's leaves only sums over the rows, so memory grows with neither n·K nor n·d. This is the place to replace
where the rows lie on another device.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backends.base import Array
from backends.exact.components import Components, blocks
from backends.exact.posteriors import Amortised, Posterior, log_sum_exp


def log_of(weights: Array) -> Array:
    """log π, −∞ where a weight is zero."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(weights))


def weighted_log(weights: Array, logs: Array) -> Array:
    """Σ_k weight · log over the last axis, where 0 · log 0 = 0."""
    terms = np.zeros(np.broadcast_shapes(weights.shape, logs.shape))
    np.multiply(weights, logs, out=terms, where=weights > 0)
    return np.asarray(terms.sum(-1))


@dataclass(frozen=True, eq=False)
class Expectation:
    """What an E-step leaves: sums over n rows of log p(x) and of the entropy of q; the statistics; and where
    q has parameters φ, the gradient of the bound in them, (d + 1, K)."""

    rows: int
    log_likelihood: float
    entropy: float
    statistics: tuple[Array, ...]
    gradient: Array | None = None

    def scalars(self, log_weights: Array, components: Components) -> dict[str, float]:
        """The bound of this q at other parameters, and its two terms, in nats a datum."""
        expected = float(weighted_log(self.statistics[0], log_weights))
        expected += components.expected_log_prob(self.statistics)
        return {
            "elbo": (expected + self.entropy) / self.rows,
            "expected_log_joint": expected / self.rows,
            "entropy": self.entropy / self.rows,
        }


class Rows:
    """Rows x (n, d) float32, to be passed over."""

    def __init__(self, x: Array) -> None:
        self._x = x

    def __len__(self) -> int:
        return len(self._x)

    def batch(self, indices: Array) -> Rows:
        """Some of the rows, by number."""
        return Rows(self._x[indices])

    def log_prob(self, log_weights: Array, components: Components) -> Array:
        """log p(x) of each row, (n,)."""
        out = np.empty(len(self))
        for rows, part in blocks(self._x, components.density.width):
            out[rows] = log_sum_exp(components.log_prob(part) + log_weights)
        return out

    def posterior(self, log_weights: Array, components: Components, q: Posterior) -> tuple[Array, Array]:
        """q(k|x) and log π_k p(x|k) of each row, both (n, K)."""
        probs, log_joint = np.empty((2, len(self), len(log_weights)))
        for rows, part in blocks(self._x, components.density.width):
            log_joint[rows] = components.log_prob(part) + log_weights
            probs[rows] = q.probs(part, log_joint[rows], log_sum_exp(log_joint[rows]))
        return probs, log_joint

    def expectation(self, weights: Array, components: Components, q: Posterior) -> Expectation:
        """One pass over n ≥ 1 rows, with q(k|x) made at these weights (K,) and components."""
        log_weights = log_of(weights)
        log_likelihood = entropy = 0.0
        sums: tuple[Array, ...] = ()
        gradient = None
        density = components.density
        for _, part in blocks(self._x, density.width):
            features = density.features(part)
            log_joint = density.log_prob(features)
            log_joint += log_weights
            log_p = log_sum_exp(log_joint)
            r = q.probs(part, log_joint, log_p)
            log_likelihood += float(log_p.sum())
            entropy += _entropy(r)
            own = density.sums(features, r)
            sums = tuple(a + b for a, b in zip(sums, own, strict=True)) if sums else own
            if isinstance(q, Amortised):
                slope = q.gradient(part, log_joint, r)
                gradient = slope if gradient is None else gradient + slope
        return Expectation(len(self._x), log_likelihood, entropy, components.statistics(sums), gradient)


def _entropy(r: Array) -> float:
    """−Σ r log r, where 0 log 0 = 0."""
    logs = np.log(np.maximum(r, 1e-300))
    return -float(np.vdot(r.T, logs.T))

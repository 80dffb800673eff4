"""The mixture of Bernoulli distributions, for binary images (Bishop 2006, §9.3.3).

    p(x|k) = Π_i μ_ki^x_i (1 − μ_ki)^(1 − x_i)                                                    (eq. 9.48)
    M-step: μ_k = Σ_n r_nk x_n / N_k                                                              (eq. 9.59)

held between floor and 1 − floor. The expected log-likelihood is concave in each μ_ki, so this is its maximum
over that interval, and EM never goes down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from scipy.special import expit, logit

from backends.base import Array, InputError
from backends.exact.components import EMPTY, Components
from backends.exact.densities import Linear
from backends.exact.em import MixtureLearner
from backends.exact.mixtures import BERNOULLI_PARAMETERS
from backends.exact.names import subscript
from backends.placement import Placement
from backends.states import check_arrays


class Bernoullis(Components):
    """Independent pixels, on with probability μ_ki = 1/(1 + exp(−logits)), logits (K, d)."""

    def __init__(self, logits: Array, floor: float) -> None:
        self.logits, self.floor = logits, floor
        self.means = expit(logits)
        self._log_off = -np.logaddexp(0.0, logits)  # log(1 − μ); log μ is larger by the logit
        self.density = Linear(logits, self._log_off.sum(1))

    @classmethod
    def of(cls, probs: Array, floor: float) -> Self:
        """From probabilities (K, d), which are moved between floor and 1 − floor."""
        return cls(logit(np.clip(probs, floor, 1 - floor)), floor)

    def arrays(self) -> dict[str, Array]:
        return {"logits": self.logits}

    def with_arrays(self, arrays: Mapping[str, Array]) -> Self:
        check_arrays(arrays, self.arrays())
        return type(self)(arrays["logits"], self.floor)

    def theta(self) -> Array:
        """The logits, component by component."""
        return self.logits.ravel().copy()

    def theta_names(self, columns: list[str]) -> list[str]:
        return [f"logit μ{subscript(k + 1)}[{x}]" for k in range(len(self.logits)) for x in columns]

    def at(self, theta: Array) -> Self:
        return type(self)(theta.reshape(self.logits.shape).copy(), self.floor)

    def expected_log_prob(self, statistics: tuple[Array, ...]) -> float:
        counts, on = statistics
        return float((on * self.logits).sum() + counts @ self._log_off.sum(1))

    def maximise(self, statistics: tuple[Array, ...]) -> Self:
        counts, on = statistics
        empty = (counts < EMPTY)[:, None]
        return self.of(np.where(empty, self.means, on / np.maximum(counts, EMPTY)[:, None]), self.floor)

    def gradient(self, statistics: tuple[Array, ...]) -> Array:
        """Σ_n r_nk (x_n − μ_k), with respect to the logits."""
        counts, on = statistics
        return np.asarray((on - counts[:, None] * self.means).ravel())

    def bounded(self) -> Self:
        most = logit(1 - self.floor)
        return type(self)(np.clip(self.logits, -most, most), self.floor)

    def sample(self, k: Array, rng: np.random.Generator) -> Array:
        return np.asarray(rng.random((len(k), self.means.shape[1])) < self.means[k], np.float64)

    def check(self, x: Array) -> None:
        if not ((x == 0) | (x == 1)).all():
            raise InputError("x has values other than 0 and 1, which a mixture of Bernoullis does not take")


class BernoulliMixtureLearner(MixtureLearner):
    """Fits a mixture of Bernoullis by EM; see :mod:`backends.exact.em`."""

    kind = "bernoulli-mixture"
    parameters = BERNOULLI_PARAMETERS

    def _start(self, x: Array, centres: Array) -> Bernoullis:
        """Half way between each centre, a row of 0 and 1, and the mean of all rows."""
        mean = x.mean(0, dtype=np.float64) if len(x) else 0.5
        return Bernoullis.of((centres + mean) / 2, float(self._values["floor"]))

    def _placed(self, start: Components, placed: Placement) -> Bernoullis:
        if placed.covariances is not None:
            raise InputError("init: a mixture of Bernoullis has no covariances")
        if placed.means.min() < 0 or placed.means.max() > 1:
            raise InputError("init: the means are no probabilities, between 0 and 1")
        return Bernoullis.of(placed.means, float(self._values["floor"]))

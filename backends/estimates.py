"""What estimators of log p(x) share: their result, row by row, and how much work fits in a slice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from backends.base import Array, Estimate, Gaussian, InputError
from backends.capabilities import Encodes, HasParameters, LogJoint

SLICE = 8e7  # floating-point operations in a slice: at most about 8 ms of one core that is shared
LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True, eq=False)
class RowEstimates:
    """An estimate for each row of x: value, stderr (n,) float64, nats, made by ``method``.

    stderr is the estimator's own uncertainty; for quadrature it is the |difference| between two
    resolutions. ess: effective sample size (Σw)²/Σw² of each row, (n,), of importance sampling only.
    independent: whether the errors are, from row to row. Those of Monte Carlo are; those of quadrature may
    all have one sign.
    """

    value: Array
    stderr: Array
    method: str
    ess: Array | None = None
    independent: bool = False

    def part(self, rows: slice) -> Self:
        """The estimates of some of the rows."""
        ess = None if self.ess is None else self.ess[rows]
        return replace(self, value=self.value[rows], stderr=self.stderr[rows], ess=ess)

    def mean(self) -> Estimate:
        """The mean over the rows. Of errors that are not independent, it is their mean."""
        n = max(1, len(self.value))
        stderr = float(np.sqrt(np.square(self.stderr).sum())) / n if self.independent else self.stderr.mean()
        ess = None if self.ess is None else float(self.ess.min())
        return Estimate(float(self.value.mean()), float(stderr), self.method, ess)


class LogLikelihood(RowEstimates):
    """log p(x), row by row."""


class PosteriorKL(RowEstimates):
    """KL(q(z|x) ‖ p(z|x)), row by row."""


# -- how much work fits between two yields -------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """Floating-point operations, roughly: to encode an x, to decode a z, to pair one with the other."""

    encode: float
    decode: float
    pair: float

    @classmethod
    def of(cls, model: Any) -> Cost:
        # of an MLP as many as there are weights; a convolution uses each of its own many times
        network = 2.0 * model.theta().size if isinstance(model, HasParameters) else 0.0
        network = max(network, 2.0 * getattr(model, "multiplications", 0))
        dim = model.info.dim
        return cls(network + 40 * dim, network + 400 * dim * max(2, model.info.levels), 2 * dim + 200)


def slices(n: int, size: float) -> Iterator[slice]:
    step = max(1, int(size))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def log_sum_exp(a: Array, axis: int = -1) -> Array:
    top: Array = a.max(axis, keepdims=True)
    top[~np.isfinite(top)] = 0.0
    with np.errstate(divide="ignore"):  # an empty sum is −inf
        return np.asarray(np.log(np.exp(a - top).sum(axis)) + top.squeeze(axis))


def require_joint(model: Any) -> None:
    if not isinstance(model, LogJoint):
        raise InputError(f"model '{model.kind}' has no log p(x, z) to estimate log p(x) from")


def encode_gaussian(model: Any, x: Array) -> Gaussian:
    q = model.encode(x) if isinstance(model, Encodes) else None
    if not isinstance(q, Gaussian):
        raise InputError(f"model '{model.kind}' has no Gaussian q(z|x)")
    return q


def log_normal(q: Gaussian, z: Array) -> Array:
    """log q(z|x) of latents (n, m, k) or (m, k) under each row's q → (n, m) float64."""
    white: Array = z.astype(np.float64) - q.mean.astype(np.float64)[:, None]
    if q.scale_tril is None:
        std = q.std.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):  # where weights diverge, a std may be 0
            white /= std[:, None]
            log_det = np.log(std).sum(-1)
    else:
        tril = q.scale_tril.astype(np.float64)
        white = np.linalg.solve(tril, white.swapaxes(1, 2)).swapaxes(1, 2)
        log_det = np.log(np.diagonal(tril, axis1=1, axis2=2)).sum(-1)
    return np.asarray(-0.5 * (white**2).sum(-1) - log_det[:, None] - 0.5 * z.shape[-1] * LOG_2PI)

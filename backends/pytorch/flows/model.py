"""A frozen flow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
import torch
from torch import Generator, Tensor

from backends.base import Array, Decoded, InputError, Path, Stamp
from backends.costs import Costs, Measuring
from backends.pytorch.flows.bijections import Mapped
from backends.pytorch.flows.costs import both_ways
from backends.pytorch.flows.net import FlowNet
from backends.pytorch.metric import pull_back

_WIDTH = 1 << 13  # numbers that a pass through a flow keeps a row for the pass back, about


class Flow:
    """A frozen flow (see :class:`backends.capabilities.Bijects`); every method may be called from any thread.

    theta: (net.layout.size,), owned by this model and never written to again. Its dtype is that of all inner
    arithmetic: float32 as trained, or float64 where rounding must not count.
    shift, scale: (d,) of the standardisation, in that dtype.
    """

    def __init__(
        self, kind: str, net: FlowNet, theta: Tensor, shift: Tensor, scale: Tensor, stamp: Stamp
    ) -> None:
        self.kind, self.stamp, self.info = kind, stamp, net.info
        self.latent_dim = net.info.dim
        self._net, self._theta = net, theta
        self._w = net.weights(theta, shift, scale)

    @property
    def passes(self) -> tuple[int, int]:
        """How often ``transform`` and ``inverse`` ask a network, one time after the other."""
        return self._net.bijection.passes

    def _rows(self, rows: Array, what: str) -> Tensor:
        """(n, d) → tensor on the device. A copy: NumPy's may be read-only, or change."""
        array = np.asarray(rows, dtype=np.float32)
        if array.ndim != 2 or array.shape[1] != self.latent_dim:
            raise InputError(f"{what} has shape {array.shape}, and this model needs (n, {self.latent_dim})")
        return torch.tensor(array, device=self._theta.device, dtype=self._theta.dtype)

    # no_grad in place of inference_mode: a continuous flow takes derivatives in x all the same

    def transform(self, x: Array) -> tuple[Array, Array]:
        """x (n, d) → z (n, d) and log|det ∂z/∂x| (n,)."""
        with torch.no_grad():
            return _out(self._net.transform(self._rows(x, "x"), self._w))

    def inverse(self, z: Array) -> tuple[Array, Array]:
        """z (n, d) → x (n, d) and log|det ∂x/∂z| (n,); raises InputError for z outside the base's support."""
        with torch.no_grad():
            return _out(self._net.inverse(self._rows(z, "z"), self._w))

    def log_prob(self, x: Array) -> Array:
        """log p(x) = log p(z) + log|det ∂z/∂x|, (n, d) → (n,) float64."""
        with torch.no_grad():
            log_base, log_det = self._net.log_prob(self._rows(x, "x"), self._w)
            return _wide(log_base) + _wide(log_det)

    def log_base(self, z: Array) -> Array:
        """log p(z), (n, d) → (n,) float64; −inf outside the support of a uniform base."""
        with torch.no_grad():
            return _wide(self._net.base.log_prob(self._rows(z, "z"), self._w))

    def log_prior(self, z: Array) -> Array:
        """log p(z): a flow's base density is its prior."""
        return self.log_base(z)

    def sample_prior(self, n: int, seed: int) -> Array:
        """z from the base density, (n, d) float32."""
        with torch.no_grad():
            return narrow(self._net.base.sample(n, self._w, Generator().manual_seed(seed)))

    def sample(self, n: int, seed: int) -> Array:
        """x = f⁻¹(z) of draws from the base density, (n, d) float32."""
        with torch.no_grad():
            z = self._net.base.sample(n, self._w, Generator().manual_seed(seed))
            return narrow(self._net.inverse(z, self._w)[0])

    def decode(self, z: Array) -> Decoded:
        """z (n, d) → the one x that it belongs to."""
        return Decoded(self.inverse(z)[0])

    def metric(self, z: Array, directions: Array | None = None) -> Array:
        """G(z) = JᵀJ, J = ∂x/∂z: (n, d) → (n, d, d) float64; see :class:`backends.capabilities.HasMetric`."""
        with torch.no_grad():
            rows = self._rows(z, "z")
            inverse = lambda latents: self._net.inverse(latents, self._w)[0]  # noqa: E731
            return _wide(pull_back(inverse, rows, _WIDTH, directions))

    @property
    def times(self) -> Array:
        """Stations of the path, (T,) float64, from 0 (data) to 1 (latents)."""
        return self._net.bijection.times

    def path(self, points: Array, times: Array | None = None) -> Path:
        """Points (n, d) at times[0] on their way, at ``times``, which rise or fall; default: the stations."""
        when = self.times if times is None else np.array(times, dtype=np.float64)
        inside = when.ndim == 1 and len(when) > 0 and bool(((when >= 0) & (when <= 1)).all())
        steps = np.diff(when) if inside else np.zeros(0)
        if not inside or not ((steps >= 0).all() or (steps <= 0).all()):
            raise InputError("the times of a path must rise or fall, between 0 and 1")
        with torch.no_grad():
            return _path(self._net.path(self._rows(points, "points"), self._w, when), when)

    def costs(self, x: Array) -> Measuring:
        """Passes and time of both ways through the flow, on rows x (n, d); InputError without any."""
        return Costs(((yield from both_ways(self, x, "passes")),))

    def theta(self) -> Array:
        """All weights as one vector, float64."""
        return np.asarray(self._theta.cpu().double().numpy())

    def at(self, theta: Array) -> Self:
        """The same flow with other weights, in the order of :meth:`theta`."""
        if np.shape(theta) != self._theta.shape:
            raise InputError(f"theta has shape {np.shape(theta)}, not {tuple(self._theta.shape)}")
        flat = torch.tensor(np.asarray(theta)).to(self._theta)
        return type(self)(self.kind, self._net, flat, self._w["shift"], self._w["scale"], self.stamp)

    def double(self) -> Self:
        """The same flow with float64 inside."""
        theta, shift, scale = (t.double() for t in (self._theta, self._w["shift"], self._w["scale"]))
        return type(self)(self.kind, self._net, theta, shift, scale, self.stamp)


def narrow(rows: Tensor) -> Array:
    return np.ascontiguousarray(rows.cpu().numpy(), dtype=np.float32)


def _wide(values: Tensor) -> Array:
    return np.array(values.cpu().numpy(), dtype=np.float64)


def _out(mapped: Mapped) -> tuple[Array, Array]:
    return narrow(mapped[0]), _wide(mapped[1])


def _path(stops: Iterator[Mapped], times: Array) -> Path:
    points, log_dets = zip(*(_out(stop) for stop in stops), strict=True)
    return Path(np.stack(points), np.stack(log_dets), times)

"""Monotone maps of single numbers, whose parameters come from a network: y = f(x; h) and log f'(x).

x is (…), h is (…, size): for each number its own parameters. All are the identity at h = 0.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from backends.pytorch.flows.bijections import Mapped


class Elementwise(Protocol):
    """size: parameters a number."""

    size: int

    def transform(self, x: Tensor, h: Tensor) -> Mapped:
        """x (…) and h (…, size) → f(x) and log f'(x), (…) each."""
        ...

    def inverse(self, y: Tensor, h: Tensor) -> Mapped:
        """y (…) → f⁻¹(y) and log (f⁻¹)'(y), (…) each."""
        ...


class Shift:
    """y = x + b (Dinh et al. 2014, NICE)."""

    size = 1

    def transform(self, x: Tensor, h: Tensor) -> Mapped:
        return x + h[..., 0], torch.zeros_like(x)

    def inverse(self, y: Tensor, h: Tensor) -> Mapped:
        return y - h[..., 0], torch.zeros_like(y)


class Affine:
    """y = x·exp(a) + b (Dinh et al. 2017, eq. 7), with |a| < 3, for an unbounded scale diverges."""

    size = 2
    BOUND = 3.0

    def _read(self, h: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = h.unbind(-1)
        return self.BOUND * torch.tanh(raw / self.BOUND), shift

    def transform(self, x: Tensor, h: Tensor) -> Mapped:
        log_scale, shift = self._read(h)
        return x * torch.exp(log_scale) + shift, log_scale

    def inverse(self, y: Tensor, h: Tensor) -> Mapped:
        log_scale, shift = self._read(h)
        return (y - shift) * torch.exp(-log_scale), -log_scale

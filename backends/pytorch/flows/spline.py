"""Neural spline flows (Durkan et al. 2019): each column is mapped by a monotone rational-quadratic spline."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from backends.base import DataInfo, Value
from backends.pytorch.flows.autoregressive import autoregressives
from backends.pytorch.flows.bijections import Layers, Mapped
from backends.pytorch.flows.coupling import couplings
from backends.pytorch.flows.kinds import NSF_PARAMETERS
from backends.pytorch.flows.learner import FlowLearner

_LEAST = 1e-3  # of a bin's share of the interval, and of a slope
_UNIT = math.log(math.expm1(1 - _LEAST))  # softplus of it, and _LEAST, is a slope of 1


class Spline:
    """Rational quadratics between K + 1 knots on [−B, B], the identity outside (Durkan et al. 2019, eq. 4-8).

    The 3K − 1 parameters of a number are the logits of K widths, those of K heights, and K − 1 slopes at the
    inner knots; at the outer two the slope is 1.
    """

    def __init__(self, bins: int, bound: float) -> None:
        self.size = 3 * bins - 1
        self._bins, self._bound = bins, bound

    def transform(self, x: Tensor, h: Tensor) -> Mapped:
        left, width, bottom, height, slope, next_slope = self._piece(x, h, 0)
        inside = x.abs() < self._bound
        u = ((x - left) / width).clamp(0, 1)
        mean = height / width  # s of the paper
        v = u * (1 - u)
        below = mean + (slope + next_slope - 2 * mean) * v
        y = bottom + height * (mean * u.square() + slope * v) / below
        rise = next_slope * u.square() + 2 * mean * v + slope * (1 - u).square()
        log_slope = 2 * torch.log(mean / below) + torch.log(rise)
        return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)

    def inverse(self, y: Tensor, h: Tensor) -> Mapped:
        left, width, bottom, height, slope, next_slope = self._piece(y, h, 1)
        inside = y.abs() < self._bound
        mean = height / width
        # u solves a u² + b u + c = 0, with c ≤ 0; of both forms of the root the one in which nothing cancels
        share = ((y - bottom) / height).clamp(0, 1)
        bend = share * (slope + next_slope - 2 * mean)
        a, b, c = mean - slope + bend, slope - bend, -mean * share
        root = torch.sqrt((b.square() - 4 * a * c).clamp_min(0))
        u = torch.where(b >= 0, -2 * c, root - b) / torch.where(b >= 0, b + root, 2 * a)
        v = u * (1 - u)
        below = mean + (slope + next_slope - 2 * mean) * v
        rise = next_slope * u.square() + 2 * mean * v + slope * (1 - u).square()
        log_slope = 2 * torch.log(mean / below) + torch.log(rise)
        return torch.where(inside, left + u * width, y), torch.where(inside, -log_slope, 0.0)

    def _piece(self, at: Tensor, h: Tensor, side: int) -> tuple[Tensor, ...]:
        """The bin that each number lies in, on the side of x (0) or of y (1): left, width, bottom, height,
        and the slopes at its two knots."""
        k = self._bins
        shares = torch.softmax(h[..., : 2 * k].unflatten(-1, (2, k)), -1)
        sizes = 2 * self._bound * (_LEAST + (1 - _LEAST * k) * shares)  # (…, 2, K): widths and heights
        ends = sizes.cumsum(-1) - self._bound
        slopes = _LEAST + functional.softplus(h[..., 2 * k :] + _UNIT)
        slopes = functional.pad(slopes, (1, 1), value=1.0)
        which = (at.detach().unsqueeze(-1) > ends[..., side, :-1].detach()).sum(-1, keepdim=True)
        both = which.unsqueeze(-2).expand(*which.shape[:-1], 2, 1)
        width, height = sizes.gather(-1, both).squeeze(-1).unbind(-1)
        right, top = ends.gather(-1, both).squeeze(-1).unbind(-1)
        slope, next_slope = slopes.gather(-1, torch.cat((which, which + 1), -1)).unbind(-1)
        return right - width, width, top - height, height, slope, next_slope


class NSFLearner(FlowLearner):
    """Spline flow, by coupling layers or autoregressive ones (Durkan et al. 2019)."""

    kind = "nsf"
    parameters = NSF_PARAMETERS

    @staticmethod
    def bijection(info: DataInfo, values: Mapping[str, Value]) -> Layers:
        layers = couplings if values["transform"] == "coupling" else autoregressives
        return layers(info, values, Spline(int(values["bins"]), float(values["bound"])))

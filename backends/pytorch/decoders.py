"""Likelihoods p(x|z): what a decoder network's outputs mean.

A likelihood says how many numbers the network gives a datum (``outputs``), which tensors of its own it
learns (``shapes``), and turns outputs (…, outputs) into log-densities, means and samples. Within this
module x is *standardised*, x_s = (x − shift)/scale with what :meth:`standardisation` chose; ``log_volume``
is what must be added to log p(x_s|z) for a density in the data's own units.

``log_prob`` is for a row of outputs a datum; ``log_prob_table`` gives all pairs of n data and m outputs,
computed as matrix products, because quadrature spends its whole time there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.nn import functional

from backends.base import DataInfo, InputError, Value
from backends.pytorch.networks import Weights

LOG_2PI = math.log(2 * math.pi)


class Likelihood(Protocol):
    outputs: int
    shapes: dict[str, tuple[int, ...]]

    def initialise(self, w: Weights) -> None:
        """Set the likelihood's own tensors to where training starts."""
        ...

    def standardisation(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Shift (d,) and scale (d,) from training data x (n, d); n may be 0."""
        ...

    def log_volume(self, scale: Tensor) -> Tensor:
        """log |dx_s/dx|, a scalar: −Σ log scale for densities, 0 for probabilities."""
        ...

    def check(self, x: Tensor) -> None:
        """Raise InputError when data x (n, d), in its own units, lies outside the likelihood's support."""
        ...

    def log_prob(self, out: Tensor, w: Weights, x: Tensor) -> Tensor:
        """log p(x_s|z) for outputs (…, outputs) and x (…, d), broadcast → (…)."""
        ...

    def log_prob_table(self, out: Tensor, w: Weights, x: Tensor) -> Tensor:
        """log p(x_s|z) of each x (n, d) under each outputs (m, outputs) → (n, m) float64."""
        ...

    def moments(self, out: Tensor, w: Weights) -> tuple[Tensor, Tensor | None]:
        """Mean and, where p(x_s|z) has a scale of its own, standard deviation: (n, d) each."""
        ...

    def entropy(self, out: Tensor, w: Weights) -> Tensor:
        """−E[log p(x_s|z)] for outputs (n, outputs) → (n,)."""
        ...

    def sample(self, out: Tensor, w: Weights, generator: Generator) -> Tensor:
        """x_s ~ p(x_s|z), (n, d); ``generator`` lives on the CPU."""
        ...


def make_likelihood(info: DataInfo, values: Mapping[str, Value]) -> Likelihood:
    """The likelihood that a VAE's values ask for."""
    if values["decoder"] == "bernoulli":
        return Bernoulli(info.dim)
    if values["decoder"] == "discrete":
        return DiscretisedLogistic(info.dim, info.levels if info.values == "integer" else 2)
    return Gaussian(info.dim, per_pixel=values["variance"] == "per-pixel", scaling=str(values["scaling"]))


def _draw(shape: tuple[int, ...], generator: Generator, like: Tensor, *, uniform: bool = False) -> Tensor:
    draw = torch.rand if uniform else torch.randn
    return draw(shape, generator=generator).to(like.device)


class Bernoulli:
    """x_j ~ Bernoulli(sigmoid(logit_j)), independent given z (Kingma & Welling 2014, C.1)."""

    def __init__(self, dim: int) -> None:
        self.outputs = dim
        self.shapes: dict[str, tuple[int, ...]] = {}

    def initialise(self, w: Weights) -> None:
        """Nothing of its own to learn."""

    def standardisation(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(x[:1].sum(0)), torch.ones_like(x[:1].sum(0))

    def log_volume(self, scale: Tensor) -> Tensor:
        return scale.new_zeros(())

    def check(self, x: Tensor) -> None:
        if not bool(((x == 0) | (x == 1)).all()):
            raise InputError("the Bernoulli decoder has a probability only for data of 0 and 1")

    def log_prob(self, out: Tensor, w: Weights, x: Tensor) -> Tensor:
        if x.shape != out.shape:
            x = x.expand_as(out)
        return -functional.binary_cross_entropy_with_logits(out, x, reduction="none").sum(-1)

    def log_prob_table(self, out: Tensor, w: Weights, x: Tensor) -> Tensor:
        # Σ_j x_j·logit_j − softplus(logit_j): the second term does not depend on x.
        out = out.double()
        return x.double() @ out.mT - functional.softplus(out).sum(-1)

    def moments(self, out: Tensor, w: Weights) -> tuple[Tensor, Tensor | None]:
        return torch.sigmoid(out), None

    def entropy(self, out: Tensor, w: Weights) -> Tensor:
        # −p log p − (1 − p) log(1 − p) with p = sigmoid(logit) is softplus(logit) − p·logit; the same as for
        # −logit, and with the negative one of the two nothing cancels.
        size = out.abs()
        return (functional.softplus(-size) + torch.sigmoid(-size) * size).sum(-1)

    def sample(self, out: Tensor, w: Weights, generator: Generator) -> Tensor:
        return (_draw(out.shape, generator, out, uniform=True) < torch.sigmoid(out)).float()


class Gaussian:
    """x_s ~ N(mean(z), diag σ²), σ learned, the same for every z, one for all columns or one a column.

    log σ = LOW + (HIGH − LOW)·sigmoid(r) with r learned: σ stays between 0.01 and 10 in standardised
    units, and the bound is smooth, so that r always has a gradient. Without a lower bound the likelihood
    of a column that is constant, or that the network can learn by heart, grows for ever.
    """

    LOW, HIGH = math.log(0.01), math.log(10.0)
    KEY = "decoder.log_std_raw"

    def __init__(self, dim: int, *, per_pixel: bool, scaling: str) -> None:
        self.outputs = dim
        self.shapes: dict[str, tuple[int, ...]] = {self.KEY: (dim if per_pixel else 1,)}
        self._scaling = scaling

    def initialise(self, w: Weights) -> None:
        """σ = 1, the scale of the standardised data."""
        at = -self.LOW / (self.HIGH - self.LOW)
        w[self.KEY].fill_(math.log(at / (1 - at)))

    def standardisation(self, x: Tensor) -> tuple[Tensor, Tensor]:
        dim = x.shape[1]
        if self._scaling == "none" or len(x) == 0:
            return x.new_zeros(dim), x.new_ones(dim)
        wide = x.double()
        variance, shift = torch.var_mean(wide, 0, correction=0)
        if self._scaling == "shared":
            variance = variance.mean().expand(dim)
        # A column that never varies has no scale: it keeps its own units.
        scale = torch.where(variance > 0, variance.sqrt(), 1.0)
        return shift.to(x.dtype), scale.to(x.dtype)

    def log_volume(self, scale: Tensor) -> Tensor:
        return -scale.double().log().sum()

    def check(self, x: Tensor) -> None:
        """Every real vector has a density."""

    def log_std(self, w: Weights) -> Tensor:
        """log σ in standardised units, (1,) or (d,)."""
        return self.LOW + (self.HIGH - self.LOW) * torch.sigmoid(w[self.KEY])

    def _log_norm(self, log_std: Tensor) -> Tensor:
        return log_std.expand(self.outputs).sum() + 0.5 * self.outputs * LOG_2PI

    def log_prob(self, out: Tensor, w: Weights, x: Tensor) -> Tensor:
        log_std = self.log_std(w)
        return -0.5 * ((x - out) * torch.exp(-log_std)).square().sum(-1) - self._log_norm(log_std)

    def log_prob_table(self, out: Tensor, w: Weights, x: Tensor) -> Tensor:
        # ‖x − m‖² = ‖x‖² + ‖m‖² − 2x·m cancels where σ is small beside x: float64, and centred.
        log_std = self.log_std(w).double()
        weight = torch.exp(-log_std)
        x, out = x.double(), out.double()
        centre = out.mean(0)
        a, b = (x - centre) * weight, (out - centre) * weight
        squares = a.square().sum(-1, keepdim=True) + b.square().sum(-1) - 2 * (a @ b.mT)
        return -0.5 * squares - self._log_norm(log_std)

    def moments(self, out: Tensor, w: Weights) -> tuple[Tensor, Tensor | None]:
        return out, self.log_std(w).exp().expand_as(out)

    def entropy(self, out: Tensor, w: Weights) -> Tensor:
        return (self._log_norm(self.log_std(w)) + 0.5 * self.outputs).expand(len(out))

    def sample(self, out: Tensor, w: Weights, generator: Generator) -> Tensor:
        return out + self.log_std(w).exp() * _draw(out.shape, generator, out)


class DiscretisedLogistic:
    """P(x = l | z) of integer levels 0 … L−1: the mass of a logistic in a bin around l, whose mean and
    scale depend on z for each pixel, and where the first and last bin take the tails (Kingma et al. 2016;
    Salimans et al. 2017, eq. 2).

    In standardised units the levels lie on [−1, 1] and bins are 2/(L−1) wide. The scale is kept between
    0.05 and L bins by a smooth bound on its logarithm. These are probabilities, not densities: log p ≤ 0.
    """

    _CHUNK = 1 << 21  # elements of (rows, d, L) that one pass of `moments` may hold

    def __init__(self, dim: int, levels: int) -> None:
        self.outputs = 2 * dim
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._dim, self._levels = dim, levels
        self._half = 1.0 / (levels - 1)
        self._low = math.log(0.05 * 2 * self._half)
        self._high = math.log(levels * 2 * self._half)

    def initialise(self, w: Weights) -> None:
        """Nothing of its own to learn."""

    def standardisation(self, x: Tensor) -> tuple[Tensor, Tensor]:
        centre = x.new_full((self._dim,), (self._levels - 1) / 2)
        return centre, centre.clone()

    def log_volume(self, scale: Tensor) -> Tensor:
        return scale.new_zeros(())

    def check(self, x: Tensor) -> None:
        if not bool(((x == x.round()) & (x >= 0) & (x < self._levels)).all()):
            raise InputError(
                f"the discrete decoder has a probability only for the levels 0 to {self._levels - 1}"
            )

    def _split(self, out: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-scale of the logistic, (…, d) each."""
        mean, raw = out.chunk(2, -1)
        return mean, self._low + (self._high - self._low) * torch.sigmoid(raw)

    def _log_mass(self, mean: Tensor, log_scale: Tensor, x: Tensor) -> Tensor:
        """log P(x) elementwise. With a, b the bin's upper and lower edge in scales,

        σ(a) − σ(b) = σ(a)·σ(−b)·(1 − e^(b−a)), which loses nothing however far out the bin lies.
        """
        inverse = torch.exp(-log_scale)
        upper = functional.logsigmoid((x + self._half - mean) * inverse)
        lower = functional.logsigmoid((mean - x + self._half) * inverse)
        width = torch.log(-torch.expm1(-2 * self._half * inverse))
        edge = 1 - self._half  # between the outermost levels, ±1, and their neighbours
        return torch.where(x < -edge, upper, torch.where(x > edge, lower, upper + lower + width))

    def _log_table(self, out: Tensor) -> Tensor:
        """log P of every level of every pixel, (m, 2d) → (d, L, m); neighbours share an edge's term."""
        mean, log_scale = (p.mT.contiguous().unsqueeze(1) for p in self._split(out))
        inverse = torch.exp(-log_scale)
        edges = (2 * torch.arange(self._levels - 1, device=out.device) + 1).unsqueeze(1) * self._half - 1
        a = (edges - mean) * inverse
        tail = functional.logsigmoid(a.abs())
        below = a.clamp_max(0) + tail  # log σ(a), of all levels up to the edge
        above = tail - a.clamp_min(0)  # log σ(−a)
        width = torch.log(-torch.expm1(-2 * self._half * inverse))
        return torch.cat((below[:, :1], below[:, 1:] + above[:, :-1] + width, above[:, -1:]), 1)

    def log_prob(self, out: Tensor, w: Weights, x: Tensor) -> Tensor:
        return self._log_mass(*self._split(out), x).sum(-1)

    def log_prob_table(self, out: Tensor, w: Weights, x: Tensor) -> Tensor:
        n, m, levels = len(x), len(out), self._levels
        if not n:
            return out.new_zeros((0, m), dtype=torch.float64)
        if levels > n:
            return torch.stack([self.log_prob(out, w, row).double() for row in x])
        # A datum is the sum of the d rows of the table that its levels pick; float32, seven times faster.
        table = self._log_table(out).view(-1, m)
        picked = torch.round((x + 1) / (2 * self._half)).long()
        picked += torch.arange(self._dim, device=x.device) * levels
        return functional.embedding_bag(picked, table, mode="sum").double()

    def moments(self, out: Tensor, w: Weights) -> tuple[Tensor, Tensor | None]:
        rows = max(1, self._CHUNK // (self._dim * self._levels))
        parts = [self._moments(part) for part in out.split(rows)] if len(out) else [self._moments(out)]
        mean, std = zip(*parts, strict=True)
        return torch.cat(mean), torch.cat(std)

    def entropy(self, out: Tensor, w: Weights) -> Tensor:
        rows = max(1, self._CHUNK // (self._dim * self._levels))
        tables = [self._log_table(part) for part in out.split(rows)] if len(out) else []
        return torch.cat([-(t.exp() * t).sum((0, 1)) for t in tables]) if tables else out.new_zeros(0)

    def _moments(self, out: Tensor) -> tuple[Tensor, Tensor]:
        # In levels: E[x] = Σ_l P(x ≥ l) and E[x²] = Σ_l (2l − 1)·P(x ≥ l), l = 1 … L−1.
        mean, log_scale = (p.unsqueeze(-1) for p in self._split(out))
        level = torch.arange(1, self._levels, device=out.device)
        edges = (2 * level - 1) * self._half - 1
        tail = torch.sigmoid((mean - edges) * torch.exp(-log_scale)).double()
        first = tail.sum(-1)
        second = (tail * (2 * level - 1)).sum(-1)
        std = (second - first.square()).clamp_min(0).sqrt()
        return (first * 2 * self._half - 1).float(), (std * 2 * self._half).float()

    def sample(self, out: Tensor, w: Weights, generator: Generator) -> Tensor:
        mean, log_scale = self._split(out)
        u = _draw(mean.shape, generator, mean, uniform=True)
        x = mean + log_scale.exp() * torch.logit(u, eps=1e-7)
        level = torch.round((x + 1) / (2 * self._half)).clamp(0, self._levels - 1)
        return level * 2 * self._half - 1

"""Base densities p(z). They live on the latents of a flow, whose last step takes ℝᵈ onto their support."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Generator, Tensor
from torch.nn import functional

from backends.base import InputError, Value
from backends.pytorch.flows.bijections import Mapped
from backends.pytorch.networks import Weights

LOG_2PI = math.log(2 * math.pi)


class Normal:
    """N(0, I)."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.shapes: dict[str, tuple[int, ...]] = {}

    def initialise(self, w: Weights, generator: Generator) -> None:
        """There is nothing to fill."""

    def log_prob(self, z: Tensor, w: Weights) -> Tensor:
        """log p(z), (n, d) → (n,); −inf outside the support."""
        return -0.5 * z.square().sum(-1) - 0.5 * self.dim * LOG_2PI

    def sample(self, n: int, w: Weights, generator: Generator) -> Tensor:
        """n draws (n, d), on the device of the weights; differentiable in them."""
        return _noise((n, self.dim), w, generator)

    def onto(self, y: Tensor) -> Mapped:
        """ℝᵈ → the support, with the log|det|, (n,)."""
        return y, y.new_zeros(len(y))

    def back(self, z: Tensor) -> Mapped:
        """The support → ℝᵈ, with the log|det|; raises InputError for z outside."""
        return z, z.new_zeros(len(z))


class Mixture(Normal):
    """K Gaussians N(m_k, s_k² I) of equal weight, with learned means and scales.

    Equal weights keep draws of z differentiable in all that is learned, as the reverse KL divergence needs.
    """

    def __init__(self, dim: int, components: int) -> None:
        super().__init__(dim)
        self.components = components
        self.shapes = {"base.mean": (components, dim), "base.log_std": (components,)}

    def initialise(self, w: Weights, generator: Generator) -> None:
        w["base.mean"].normal_(generator=generator)
        w["base.log_std"].fill_(-0.5 * math.log(2))

    def log_prob(self, z: Tensor, w: Weights) -> Tensor:
        mean, log_std = w["base.mean"], w["base.log_std"]
        u = (z.unsqueeze(-2) - mean) * torch.exp(-log_std).unsqueeze(-1)  # (n, K, d)
        terms = -0.5 * u.square().sum(-1) - self.dim * log_std
        constant = 0.5 * self.dim * LOG_2PI + math.log(self.components)
        return terms.logsumexp(-1) - constant

    def sample(self, n: int, w: Weights, generator: Generator) -> Tensor:
        mean = w["base.mean"]
        which = torch.randint(self.components, (n,), generator=generator).to(mean.device)
        std = torch.exp(w["base.log_std"])
        return mean[which] + std[which].unsqueeze(-1) * super().sample(n, w, generator)


class Uniform(Normal):
    """Uniform on the open cube (0, 1)ᵈ, onto which the logistic function takes ℝᵈ.

    So the density is positive and finite everywhere in the data space, however far from the data.
    """

    def log_prob(self, z: Tensor, w: Weights) -> Tensor:
        inside = ((z > 0) & (z < 1)).all(-1)
        return torch.zeros_like(z[:, 0]).masked_fill(~inside, -math.inf)

    def sample(self, n: int, w: Weights, generator: Generator) -> Tensor:
        z = torch.rand((n, self.dim), generator=generator).to(w["shift"])
        return z.clamp(*_inside(z))

    def onto(self, y: Tensor) -> Mapped:
        z = torch.sigmoid(y)
        # kept off the edges, where float has no numbers left between it and the cube's
        return z.clamp(*_inside(z)), -(functional.softplus(y) + functional.softplus(-y)).sum(-1)

    def back(self, z: Tensor) -> Mapped:
        if not bool(((z > 0) & (z < 1)).all()):
            raise InputError("z is outside the support of the uniform base density, the open cube (0, 1)ᵈ")
        y = torch.logit(z)
        return y, (functional.softplus(y) + functional.softplus(-y)).sum(-1)


def _inside(z: Tensor) -> tuple[float, float]:
    """The smallest and the largest number that are taken for inside (0, 1)."""
    eps = torch.finfo(z.dtype).eps
    return eps, 1 - eps


def _noise(shape: tuple[int, ...], w: Weights, generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator).to(w["shift"])


Base = Normal | Mixture | Uniform


def make_base(dim: int, values: Mapping[str, Value]) -> Base:
    """The base density that the parameters ``base`` and ``components`` ask for."""
    if values["base"] == "mixture":
        return Mixture(dim, int(values["components"]))
    return Uniform(dim) if values["base"] == "uniform" else Normal(dim)

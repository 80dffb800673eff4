"""Batches of Gaussians over the latents, as an encoder gives them: with a diagonal or a full covariance.

Both are built from one row of numbers a Gaussian, drawn from as mean + L·ε with ε ~ N(0, I) (Kingma & Welling
2014, eq. 4; with a full L, Kingma & Welling 2019, sec. 2.5.1), and know their density and KL(·‖N(0, I)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from backends import base

LOG_2PI = math.log(2 * math.pi)


class Gaussians(Protocol):
    """n Gaussians over k latents. Leading axes of z and noise broadcast with n."""

    @property
    def mean(self) -> Tensor:
        """(n, k)"""
        ...

    @classmethod
    def outputs(cls, k: int) -> int:
        """How many numbers a row :meth:`of` takes."""
        ...

    @classmethod
    def of(cls, rows: Tensor, k: int) -> Gaussians:
        """From rows (n, outputs)."""
        ...

    @property
    def tril(self) -> Tensor:
        """L, (n, k, k), lower triangular."""
        ...

    def draw(self, noise: Tensor) -> Tensor:
        """mean + L·noise: noise (…, n, k) → z of that shape."""
        ...

    def log_prob_of(self, noise: Tensor) -> Tensor:
        """log-density of what :meth:`draw` makes of noise (…, n, k) → (…, n)."""
        ...

    def log_prob(self, z: Tensor) -> Tensor:
        """log-density of z (…, n, k) or (…, 1, k) → (…, n)."""
        ...

    def kl_to_normal(self) -> Tensor:
        """KL(·‖N(0, I)), (n,)."""
        ...

    def double(self) -> Gaussians: ...

    def numpy(self) -> base.Gaussian: ...


@dataclass(frozen=True, eq=False)
class Diagonal:
    """N(mean, diag e^log_variance), (n, k) each."""

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def outputs(cls, k: int) -> int:
        return 2 * k

    @classmethod
    def of(cls, rows: Tensor, k: int) -> Diagonal:
        """Rows (n, 2k): the mean, then the logarithms of the variances."""
        mean, log_variance = rows.chunk(2, -1)
        return cls(mean, log_variance)

    @property
    def tril(self) -> Tensor:
        return torch.diag_embed(torch.exp(0.5 * self.log_variance))

    def draw(self, noise: Tensor) -> Tensor:
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def log_prob_of(self, noise: Tensor) -> Tensor:
        return -0.5 * (noise.square() + self.log_variance + LOG_2PI).sum(-1)

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_of((z - self.mean) * torch.exp(-0.5 * self.log_variance))

    def kl_to_normal(self) -> Tensor:
        """−½ Σ (1 + log σ² − μ² − σ²) (Kingma & Welling 2014, app. B)."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - self.log_variance - 1).sum(-1)

    def double(self) -> Diagonal:
        return Diagonal(self.mean.cpu().double(), self.log_variance.cpu().double())

    def numpy(self) -> base.Gaussian:
        std = torch.exp(0.5 * self.log_variance)
        return base.Gaussian(self.mean.contiguous().cpu().numpy(), std.cpu().numpy())


@dataclass(frozen=True, eq=False)
class Full:
    """N(mean, LLᵀ): mean (n, k), L = tril (n, k, k), lower triangular with a positive diagonal."""

    mean: Tensor
    tril: Tensor

    @classmethod
    def outputs(cls, k: int) -> int:
        return 2 * k + k * (k - 1) // 2

    @classmethod
    def of(cls, rows: Tensor, k: int) -> Full:
        """Rows (n, 2k + k(k−1)/2): the mean, the doubled logarithms of L's diagonal, what is below it."""
        mean, log_variance, below = rows.split([k, k, k * (k - 1) // 2], -1)
        tril = torch.diag_embed(torch.exp(0.5 * log_variance))
        i, j = torch.tril_indices(k, k, -1, device=rows.device)
        tril[..., i, j] = below
        return cls(mean, tril)

    def draw(self, noise: Tensor) -> Tensor:
        return self.mean + (self.tril @ noise.unsqueeze(-1)).squeeze(-1)

    def _log_det(self) -> Tensor:
        return self.tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob_of(self, noise: Tensor) -> Tensor:
        return -0.5 * (noise.square() + LOG_2PI).sum(-1) - self._log_det()

    def log_prob(self, z: Tensor) -> Tensor:
        off = (z - self.mean).unsqueeze(-1)
        return self.log_prob_of(torch.linalg.solve_triangular(self.tril, off, upper=False).squeeze(-1))

    def kl_to_normal(self) -> Tensor:
        """½ (‖L‖² + ‖μ‖² − k) − log det L, Frobenius norm."""
        squares = self.tril.square().sum((-2, -1)) + self.mean.square().sum(-1)
        return 0.5 * (squares - self.mean.shape[-1]) - self._log_det()

    def double(self) -> Full:
        return Full(self.mean.cpu().double(), self.tril.cpu().double())

    def numpy(self) -> base.Gaussian:
        std = self.tril.square().sum(-1).sqrt()
        mean, tril = self.mean.contiguous().cpu().numpy(), self.tril.contiguous().cpu().numpy()
        return base.Gaussian(mean, std.cpu().numpy(), tril)

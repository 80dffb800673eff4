"""The divergence tr ∂f/∂x of a field, exactly or by Hutchinson's estimate, from Jacobian–vector products.

    exact        Σᵢ eᵢᵀ J eᵢ       over the unit vectors eᵢ: d products
    Hutchinson   mean of εᵀ J ε    over random ε with E[εεᵀ] = I (Hutchinson 1990): one product an ε

The estimate is unbiased. With S = (J + Jᵀ)/2 its variance for a single ε is 2(‖S‖²_F − Σᵢ Sᵢᵢ²) where ε has
Rademacher entries ±1, and 2‖S‖²_F where they are Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

NOISES = ("rademacher", "gaussian")


@dataclass(frozen=True, eq=False)
class Probes:
    """The vectors v (k, n, d), or (k, 1, d) for all rows, of the sum weight · Σ vᵀ J v."""

    vectors: Tensor
    weight: float

    def trace(self, products: Tensor) -> Tensor:
        """tr J of each row, (n,), or its estimate, from the products J v (k, n, d)."""
        return self.weight * (self.vectors * products).sum((0, -1))

    def frobenius(self, products: Tensor) -> Tensor:
        """‖J‖²_F of each row, (n,), or its estimate E‖Jε‖² (Finlay et al. 2020, eq. 11)."""
        return self.weight * products.square().sum((0, -1))


def unit_probes(like: Tensor) -> Probes:
    """Those of the exact trace, for rows like these (n, d)."""
    d = like.shape[-1]
    return Probes(torch.eye(d, dtype=like.dtype, device=like.device)[:, None, :], 1.0)


def random_probes(like: Tensor, noise: str, generator: Generator, draws: int = 1) -> Probes:
    """Those of Hutchinson's estimate for rows like these (n, d): ``draws`` of ε a row, of one of NOISES.

    ε stays the same during a solve, which keeps the dynamics smooth (Grathwohl et al. 2019, sec. 3.1).
    """
    shape = (draws, *like.shape)
    if noise == "rademacher":
        epsilon = 2.0 * torch.randint(0, 2, shape, generator=generator) - 1
    else:
        epsilon = torch.randn(shape, generator=generator)
    return Probes(epsilon.to(like), 1 / draws)

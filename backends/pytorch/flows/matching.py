"""Flow matching: training a velocity field by regression, without a solver.

A row of data x and a draw z from the base are joined by a straight line, x_t = (1 − t)x + tz, on which the
velocity is z − x; the field that fits these best, in the mean over all pairs, carries the data onto the base:

    min_f E‖f(x_t, t) − (z − x)‖²,   t ~ U(0, 1)   (Lipman et al. 2023, eq. 23; Tong et al. 2024, eq. 14-15)

Pairs are drawn independently, or, within a batch, so that the lines are as short as can be: the optimal
transport of the batch, under which the paths of the flow become straighter (Tong et al. 2024, sec. 3.2.3).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor

from backends.pytorch.flows.field import Field
from backends.pytorch.networks import Weights


def pair_by_transport(x: Tensor, z: Tensor) -> Tensor:
    """The rows of z (n, d) in the order in which Σᵢ‖xᵢ − zᵢ‖² is smallest; O(n³)."""
    cost = torch.cdist(x, z).square().cpu().numpy()
    _, order = linear_sum_assignment(cost.astype(np.float64))
    return z[torch.from_numpy(order).to(z.device)]


def times(n: int, generator: Generator) -> Tensor:
    """t ~ U(0, 1) for each of n rows, one in each n-th of the interval, in random order: (n, 1).

    Each is uniform by itself; together they cover the interval more evenly than independent draws.
    """
    order = torch.randperm(n, generator=generator)
    return ((order + torch.rand(n, generator=generator)) / n)[:, None]


def matching_loss(field: Field, w: Weights, x: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """Mean of ‖f(x_t, t) − (z − x)‖² over pairs x, z (n, d) at times t (n, 1)."""
    return (field(torch.lerp(x, z, t), t, w) - (z - x)).square().sum(-1).mean()

"""Flow matching: training a velocity field by regression, without a solver.

A row of data x and a draw z from the base are joined by a straight line, x_t = (1 − t)x + tz, on which the
velocity is z − x; the field that fits these best, in the mean over all pairs, carries the data onto the base:

    min_f E‖f(x_t, t) − (z − x)‖²                  (Lipman et al. 2023, eq. 23; Tong et al. 2024, eq. 14-15)

Pairs are drawn independently, or, within a batch, so that the lines are as short as can be: the optimal
transport of the batch, under which the paths of the flow become straighter (Tong et al. 2024, sec. 3.2.3).

Two things bring the density closer to the data's in the same time, and leave the best field as it is:

* Many lines pass near x_t, and the velocity of one is a noisy target. A better one is its mean over all lines
  from rows of the batch to x_t (Xu et al. 2023, for scores): :func:`mean_velocity`.
* An error of the field does not count the same at all times: :func:`times`.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor

from backends.pytorch.flows.field import Field
from backends.pytorch.networks import Weights

EARLY = 0.1  # time after which draws of it get rarer: about the width of the finest structure of the data


def pair_by_transport(x: Tensor, z: Tensor) -> Tensor:
    """The rows of z (n, d) in the order in which Σᵢ‖xᵢ − zᵢ‖² is smallest; O(n³)."""
    cost = torch.cdist(x, z).square().cpu().numpy()
    _, order = linear_sum_assignment(cost.astype(np.float64))
    return z[torch.from_numpy(order).to(z.device)]


def times(n: int, generator: Generator) -> Tensor:
    """t of density ∝ 1/(t + EARLY) on (0, 1) for each of n rows: (n, 1).

    The density q of a flow f departs from the data's p, whose velocity is v, by

        KL(p‖q) = ∫₀¹ E[(f − v)·(∇log p_t − ∇log q_t)] dt                  (Albergo et al. 2023, sec. 2.4)

    and ∇log p_t = −(x_t + (1 − t)v)/t for straight lines to N(0, I): an error of the velocity is one of the
    score (1 − t)/t times as large, and counts so, most where the lines leave the data. To draw times so is to
    weight the loss so, with less noise (Song et al. 2021, likelihood weighting); EARLY bounds the weight.

    One draw is in each n-th of the probability, in random order: each is distributed so by itself; together
    they cover the interval more evenly than independent draws.
    """
    order = torch.randperm(n, generator=generator)
    u = ((order + torch.rand(n, generator=generator)) / n)[:, None]
    t = EARLY * ((1 + 1 / EARLY) ** u - 1)
    return t.clamp(1e-6, 1 - 1e-6)


def mean_velocity(x: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """E[z − x | x_t] at x_t = (1 − t)x + tz, of rows x (n, d) and draws z of N(0, I) at times t (n, 1), were
    these rows all there are: Σⱼ wᵢⱼ (x_t − xⱼ)/t with wᵢⱼ ∝ N(x_t; (1 − t)xⱼ, t²I), (n, d).

    It is the mean of z − x given the batch and x_t: gradients of the loss have the same mean as without it,
    and less noise. Where no other line comes near, as for small t or many columns, it is z − x itself.
    """
    odds = (1 - t) / t
    # by differences: |a|² − 2ab + |b|² would lose all digits of the distance that small t divide
    began = torch.lerp(x, z, t) / (1 - t)
    distance = odds * torch.cdist(began, x, compute_mode="donot_use_mm_for_euclid_dist")
    weights = torch.softmax(-0.5 * distance.square(), -1)
    return z - x + (x - weights @ x) / t


def matching_loss(field: Field, w: Weights, x: Tensor, z: Tensor, t: Tensor, velocity: Tensor) -> Tensor:
    """Mean of ‖f(x_t, t) − velocity‖² over pairs x, z (n, d) at times t (n, 1)."""
    return (field(torch.lerp(x, z, t), t, w) - velocity).square().sum(-1).mean()

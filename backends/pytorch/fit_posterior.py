"""The best Gaussian q for one x: what an encoder, which must serve all x at once, leaves on the table.

    log p(x) − ELBO = [log p(x) − max_q ELBO] + [max_q ELBO − ELBO]   approximation gap + amortisation gap

with the maximum over Gaussians of full covariance (Cremer et al. 2018, eq. 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator

import numpy as np
import torch
from torch import Tensor

from backends.base import Gaussian, PosteriorFit
from backends.pytorch.gaussians import LOG_2PI
from backends.pytorch.training import adam_step

_REACH = 6.0  # standard deviations of q that quadrature goes
_NODES, _JUDGE_NODES = 600, 4000  # of a step, and of the finer grid by which one q is compared with another
_DRAWS = 64  # a step, where quadrature would need too many nodes
_JUDGES = 512  # fixed draws by which one q is compared with another there
_EVERY = {True: 5, False: 10}  # steps between two comparisons, by quadrature or by draws
_RATE = 0.1  # of Adam at the start, in standard deviations of the q that it begins at


def fit_posterior(
    log_joint: Callable[[Tensor], Tensor], mean: Tensor, scale_tril: Tensor, steps: int, seed: int, rows: int
) -> Generator[PosteriorFit, None, None]:
    """Climb the ELBO from N(mean, LLᵀ), mean (k,) and L = scale_tril (k, k), float32 on the CPU or elsewhere.

    log_joint: z (s, k) → log p(x, z), (s,), differentiable. rows: of z that fit in a slice of work. Yields
    the best q met so far: first the one that it begins at, then after each of ``steps`` steps of Adam on
    (a, T), where q has mean + L·a and L·T.

    Of one or two latents E_q is taken by the trapezoid rule, as far as a slice has room with 4000 nodes in a
    square around q: no noise, and stderr is how far every second node an axis gives another ELBO. (A decoder
    that is only piecewise smooth, as with ReLU, takes many nodes; Gauss–Hermite's lie too far apart.) Of more
    latents, steps use fresh draws and comparisons the same 512 draws of ε, whose noise then cancels; stderr
    is that of their mean.
    """
    k = len(mean)
    exact = k <= 2
    generator = torch.Generator().manual_seed(seed)
    nodes = _nodes(min(rows, _NODES), k) if exact else None
    # there without the way back, which is two thirds of the work
    noise, weights, coarse = (
        _nodes(min(3 * rows, _JUDGE_NODES), k) if exact else (*_draws(_JUDGES, k, generator), None)
    )
    parameters = torch.zeros(k + k * (k + 1) // 2, device=mean.device, requires_grad=True)
    row, column = torch.tril_indices(k, k, device=mean.device)

    def q_of(flat: Tensor) -> tuple[Tensor, Tensor]:
        triangle = flat.new_zeros(k, k)
        triangle[row, column] = torch.where(row == column, flat[k:].exp(), flat[k:])
        return mean + scale_tril @ flat[:k], scale_tril @ triangle

    def terms(q: tuple[Tensor, Tensor], at: Tensor, landing: bool = False) -> Tensor:
        """log p(x, z) − log q(z) of the z that q makes of noise (s, k), (s,) float64; when landing, without
        the gradient that has mean zero, so that at the exact posterior none is left (Roeder et al. 2017)."""
        there = at.to(mean)
        z = q[0] + there @ q[1].mT
        if landing:
            q = q[0].detach(), q[1].detach()
            there = torch.linalg.solve_triangular(q[1], (z - q[0]).mT, upper=False).mT
        log_q = -0.5 * (there.square() + LOG_2PI).sum(-1) - q[1].diagonal().log().sum()
        return log_joint(z).double() - log_q.double()

    def judge(flat: Tensor) -> PosteriorFit:
        with torch.no_grad():
            q = q_of(flat)
            values = terms(q, noise)
            elbo = float(weights.to(values) @ values)
            if coarse is not None:
                stderr = abs(elbo - float(coarse.to(values) @ values))
            else:
                stderr = float(values.std()) / math.sqrt(len(values))
        tril = q[1].cpu().numpy()
        std = np.sqrt(np.square(tril).sum(1))
        return PosteriorFit(Gaussian(q[0].cpu().numpy()[None], std[None], tril[None]), elbo, stderr)

    best = judge(parameters)
    yield best
    moments = torch.zeros_like(parameters), torch.zeros_like(parameters)
    count = torch.zeros((), device=mean.device)
    for step in range(1, steps + 1):
        at, weight = nodes[:2] if nodes is not None else _draws(_DRAWS, k, generator)
        with torch.enable_grad():
            values = terms(q_of(parameters), at, landing=not exact)
            (grad,) = torch.autograd.grad(-(weight.to(values) @ values), parameters)
        adam_step(parameters, grad, moments, count, _RATE * (1 - (step - 1) / steps), (0.9, 0.99))
        if step % _EVERY[exact] == 0 or step == steps:
            best = max(best, judge(parameters), key=lambda fit: fit.elbo)
        yield best


def _nodes(most: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Nodes ε (n, k) of the trapezoid rule for E[f(ε)], ε ~ N(0, I): about ``most``, but 13 an axis at least,
    in a square of which those inside the circle are kept; their weights (n,), and those of the rule that has
    every second node an axis only, others weighing nothing."""
    half = max(2 * int((most ** (1 / k) - 1) / 4), 6)
    ticks = np.stack(np.meshgrid(*[np.arange(-half, half + 1)] * k, indexing="ij"), -1).reshape(-1, k)
    ticks = ticks[np.square(ticks).sum(1) <= half**2]
    nodes = _REACH / half * ticks
    weights = np.exp(-0.5 * np.square(nodes).sum(1))
    coarse = weights * (ticks % 2 == 0).all(1)
    return torch.tensor(nodes), torch.tensor(weights / weights.sum()), torch.tensor(coarse / coarse.sum())


def _draws(n: int, k: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """ε in pairs ±ε, (n, k), and equal weights."""
    half = torch.randn((n // 2, k), generator=generator)
    return torch.cat([half, -half]), torch.full((n,), 1 / n)

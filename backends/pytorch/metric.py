"""The metric that a decoder lays on its latent space."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_CHUNK = 1 << 22  # numbers that a pass may hold of each layer's kind


def pull_back(mean: Callable[[Tensor], Tensor], z: Tensor, width: int) -> Tensor:
    """G(z) = JᵀJ with J = ∂mean/∂z, the pull-back of the data's Euclidean metric (Arvanitidis et al. 2018;
    Shao et al. 2018): latents (n, k) → (n, k, k) float64.

    mean: rows (m, k) → (m, d), each row by itself. width: numbers that it holds a row, about.

    Exact, at the cost of a few passes over n·k rows. Jᵀu is linear in u, and its transpose takes a direction
    e to Je: so two passes back make one forward. torch.func.jvp has its level of nesting in a global
    variable, which threads that call it at once would share.
    """
    k = z.shape[1]
    if not len(z):  # a solver cannot choose its steps
        return z.new_zeros((0, k, k), dtype=torch.float64)
    size = max(1, _CHUNK // max(1, k * width))
    return torch.cat([_pull_back(mean, part) for part in z.split(size)])


def _pull_back(mean: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    n, k = z.shape
    with torch.enable_grad():
        rows = z.repeat_interleave(k, 0).requires_grad_()  # row i·k + j for the direction j at latent i
        out = mean(rows)
        u = torch.zeros_like(out, requires_grad=True)
        (back,) = torch.autograd.grad(out, rows, u, create_graph=True)  # Jᵀu
        (columns,) = torch.autograd.grad(back, u, torch.eye(k).to(z).repeat(n, 1))
    jacobian = columns.double().view(n, k, out.shape[1])
    return jacobian @ jacobian.mT

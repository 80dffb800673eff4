"""The metric that a decoder lays on its latent space."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from backends.base import Array

_CHUNK = 1 << 22  # numbers that a pass may hold of each layer's kind


def pull_back(
    mean: Callable[[Tensor], Tensor], z: Tensor, width: int, directions: Array | None = None
) -> Tensor:
    """G(z) = JᵀJ with J = ∂mean/∂z, the pull-back of the data's Euclidean metric (Arvanitidis et al. 2018;
    Shao et al. 2018): latents (n, k) → (n, k, k) float64; of directions B (m, k), B G Bᵀ, (n, m, m).

    mean: rows (n, k) → (n, d), each row by itself. width: numbers that it holds a row, about.

    Exact, at the cost of one pass over the rows and one back for each direction. Jᵀu is linear in u, and its
    transpose takes a direction e to Je: so two passes back make one forward. torch.func.jvp has its level of
    nesting in a global variable, which threads that call it at once would share.
    """
    along = torch.eye(z.shape[1]).to(z) if directions is None else torch.tensor(directions).to(z)
    m = len(along)
    if not len(z):  # a solver cannot choose its steps
        return z.new_zeros((0, m, m), dtype=torch.float64)
    size = max(1, _CHUNK // max(1, m * width))
    return torch.cat([_pull_back(mean, part, along) for part in z.split(size)])


def _pull_back(mean: Callable[[Tensor], Tensor], z: Tensor, along: Tensor) -> Tensor:
    with torch.enable_grad():
        rows = z.detach().requires_grad_()
        out = mean(rows)
        u = torch.zeros_like(out, requires_grad=True)
        (back,) = torch.autograd.grad(out, rows, u, create_graph=True)  # Jᵀu
        columns = [
            torch.autograd.grad(back, u, e.expand_as(back), retain_graph=True)[0].double() for e in along
        ]
    jacobian = torch.stack(columns, 1)
    return jacobian @ jacobian.mT

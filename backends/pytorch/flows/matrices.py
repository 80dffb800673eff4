"""z = W y + b with a learned matrix W (m, m) in three parametrisations, by what its determinant costs.

LU            W = P·L·U with P fixed, L unit lower and U upper triangular: Σ log|u_ii|, O(m)
              (Kingma & Dhariwal 2018, eq. 10-11)
QR            W = Q·R with Q a product of m Householder reflections: Σ log|r_ii|, O(m)
              (Hoogeboom et al. 2019, sec. 3.2)
free          W itself: log|det W| by elimination, O(m³), at each step
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from backends.pytorch.flows.bijections import Mapped
from backends.pytorch.networks import Weights


class _Matrix:
    """What the three have in common: names, the bias b, and that log|det| is the same for all rows.

    Each of them computes log|det W|, a scalar; W y + b of rows y (n, m); and the y of rows z = W y + b.
    """

    passes = (1, 1)

    def __init__(self, name: str, dim: int, **shapes: tuple[int, ...]) -> None:
        self.dim, self._name = dim, name
        self.shapes = {f"{name}.{key}": shape for key, shape in {**shapes, "bias": (dim,)}.items()}

    def _get(self, w: Weights, *keys: str) -> tuple[Tensor, ...]:
        return tuple(w[f"{self._name}.{key}"] for key in keys)

    def transform(self, x: Tensor, w: Weights) -> Mapped:
        return self.apply(x, w), self.log_det(w).expand(len(x))

    def inverse(self, z: Tensor, w: Weights) -> Mapped:
        return self.solve(z, w), -self.log_det(w).expand(len(z))

    def log_det(self, w: Weights) -> Tensor:
        raise NotImplementedError

    def apply(self, y: Tensor, w: Weights) -> Tensor:
        raise NotImplementedError

    def solve(self, z: Tensor, w: Weights) -> Tensor:
        raise NotImplementedError


class _Triangular(_Matrix):
    """A W whose determinant is that of a triangular factor, with diagonal exp(d)."""

    def log_det(self, w: Weights) -> Tensor:
        return self._get(w, "log_diagonal")[0].sum()


class LU(_Triangular):
    """W = P·L·U. P reverses the columns; the diagonal of U is exp(d)."""

    def __init__(self, name: str, dim: int) -> None:
        super().__init__(name, dim, lower=(dim, dim), upper=(dim, dim), log_diagonal=(dim,))

    def initialise(self, w: Weights, generator: Generator) -> None:
        """L and U near I, so that W begins near P."""
        lower, upper, log_diagonal, bias = self._get(w, "lower", "upper", "log_diagonal", "bias")
        lower.normal_(std=0.01, generator=generator)
        upper.normal_(std=0.01, generator=generator)
        log_diagonal.zero_()
        bias.zero_()

    def apply(self, y: Tensor, w: Weights) -> Tensor:
        lower, upper, bias = self._factors(w)
        return (y @ upper.mT @ lower.mT).flip(-1) + bias

    def solve(self, z: Tensor, w: Weights) -> Tensor:
        lower, upper, bias = self._factors(w)
        u = torch.linalg.solve_triangular(lower, (z - bias).flip(-1).mT, upper=False, unitriangular=True)
        return torch.linalg.solve_triangular(upper, u, upper=True).mT

    def _factors(self, w: Weights) -> tuple[Tensor, Tensor, Tensor]:
        """L, U and b."""
        lower, upper, log_diagonal, bias = self._get(w, "lower", "upper", "log_diagonal", "bias")
        lower = lower.tril(-1) + torch.diag_embed(torch.ones_like(bias))
        return lower, upper.triu(1) + torch.diag_embed(log_diagonal.exp()), bias


class QR(_Triangular):
    """W = Q·R, Q = H_1 … H_m with H_i = I − 2 v_i v_iᵀ/|v_i|²; the diagonal of R is exp(d)."""

    def __init__(self, name: str, dim: int) -> None:
        super().__init__(name, dim, mirrors=(dim, dim), upper=(dim, dim), log_diagonal=(dim,))

    def initialise(self, w: Weights, generator: Generator) -> None:
        """Reflections at random and R near I."""
        mirrors, upper, log_diagonal, bias = self._get(w, "mirrors", "upper", "log_diagonal", "bias")
        mirrors.normal_(generator=generator)
        upper.normal_(std=0.01, generator=generator)
        log_diagonal.zero_()
        bias.zero_()

    def apply(self, y: Tensor, w: Weights) -> Tensor:
        mirrors, upper, bias = self._factors(w)
        z = y @ upper.mT
        for v in reversed(mirrors.unbind()):
            z = _reflected(z, v)
        return z + bias

    def solve(self, z: Tensor, w: Weights) -> Tensor:
        mirrors, upper, bias = self._factors(w)
        z = z - bias
        for v in mirrors.unbind():
            z = _reflected(z, v)
        return torch.linalg.solve_triangular(upper, z.mT, upper=True).mT

    def _factors(self, w: Weights) -> tuple[Tensor, Tensor, Tensor]:
        """The v_i, R and b."""
        mirrors, upper, log_diagonal, bias = self._get(w, "mirrors", "upper", "log_diagonal", "bias")
        return mirrors, upper.triu(1) + torch.diag_embed(log_diagonal.exp()), bias


def _reflected(rows: Tensor, v: Tensor) -> Tensor:
    return rows - 2 * (rows @ v).unsqueeze(-1) * v / v.square().sum()


class Free(_Matrix):
    """W as it is."""

    def __init__(self, name: str, dim: int) -> None:
        super().__init__(name, dim, weight=(dim, dim))

    def initialise(self, w: Weights, generator: Generator) -> None:
        """W near I."""
        weight, bias = self._get(w, "weight", "bias")
        weight.normal_(std=0.01, generator=generator).diagonal().add_(1)
        bias.zero_()

    def log_det(self, w: Weights) -> Tensor:
        return torch.linalg.slogdet(self._get(w, "weight")[0])[1]

    def apply(self, y: Tensor, w: Weights) -> Tensor:
        weight, bias = self._get(w, "weight", "bias")
        return y @ weight.mT + bias

    def solve(self, z: Tensor, w: Weights) -> Tensor:
        weight, bias = self._get(w, "weight", "bias")
        return torch.linalg.solve(weight, (z - bias).mT).mT


PARAMETRISATIONS: dict[str, type[LU | QR | Free]] = {"lu": LU, "qr": QR, "free": Free}

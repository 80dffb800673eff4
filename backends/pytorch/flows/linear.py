"""Linear flows z = W y + b in three parametrisations of W, by what their determinant costs.

LU            W = P·L·U with P fixed, L unit lower and U upper triangular: Σ log|u_ii|, O(m)
              (Kingma & Dhariwal 2018, eq. 10-11)
QR            W = Q·R with Q a product of m Householder reflections: Σ log|r_ii|, O(m)
              (Hoogeboom et al. 2019, sec. 3.2)
free          W itself: log|det W| by elimination, O(m³), at each step
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from backends.base import DataInfo, Value
from backends.pytorch.flows.bijections import Layers, Mapped
from backends.pytorch.flows.kinds import LINEAR_PARAMETERS
from backends.pytorch.flows.learner import FlowLearner
from backends.pytorch.networks import Weights


class _Linear:
    """What the three have in common: the bias b, and names."""

    passes = (1, 1)

    def __init__(self, name: str, dim: int, **shapes: tuple[int, ...]) -> None:
        self.dim, self._name = dim, name
        self.shapes = {f"{name}.{key}": shape for key, shape in {**shapes, "bias": (dim,)}.items()}

    def _get(self, w: Weights, *keys: str) -> tuple[Tensor, ...]:
        return tuple(w[f"{self._name}.{key}"] for key in keys)


class LU(_Linear):
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

    def transform(self, x: Tensor, w: Weights) -> Mapped:
        lower, upper, log_det, bias = self._factors(w)
        return (x @ upper.mT @ lower.mT).flip(-1) + bias, log_det.expand(len(x))

    def inverse(self, z: Tensor, w: Weights) -> Mapped:
        lower, upper, log_det, bias = self._factors(w)
        u = torch.linalg.solve_triangular(lower, (z - bias).flip(-1).mT, upper=False, unitriangular=True)
        return torch.linalg.solve_triangular(upper, u, upper=True).mT, -log_det.expand(len(z))

    def _factors(self, w: Weights) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """L, U, log|det W| and b."""
        lower, upper, log_diagonal, bias = self._get(w, "lower", "upper", "log_diagonal", "bias")
        lower = lower.tril(-1) + torch.diag_embed(torch.ones_like(bias))
        return lower, upper.triu(1) + torch.diag_embed(log_diagonal.exp()), log_diagonal.sum(), bias


class QR(_Linear):
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

    def transform(self, x: Tensor, w: Weights) -> Mapped:
        mirrors, upper, log_det, bias = self._factors(w)
        z = x @ upper.mT
        for v in reversed(mirrors.unbind()):
            z = _reflected(z, v)
        return z + bias, log_det.expand(len(x))

    def inverse(self, z: Tensor, w: Weights) -> Mapped:
        mirrors, upper, log_det, bias = self._factors(w)
        z = z - bias
        for v in mirrors.unbind():
            z = _reflected(z, v)
        return torch.linalg.solve_triangular(upper, z.mT, upper=True).mT, -log_det.expand(len(z))

    def _factors(self, w: Weights) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The v_i, R, log|det W| and b."""
        mirrors, upper, log_diagonal, bias = self._get(w, "mirrors", "upper", "log_diagonal", "bias")
        return mirrors, upper.triu(1) + torch.diag_embed(log_diagonal.exp()), log_diagonal.sum(), bias


def _reflected(rows: Tensor, v: Tensor) -> Tensor:
    return rows - 2 * (rows @ v).unsqueeze(-1) * v / v.square().sum()


class Free(_Linear):
    """W as it is."""

    def __init__(self, name: str, dim: int) -> None:
        super().__init__(name, dim, weight=(dim, dim))

    def initialise(self, w: Weights, generator: Generator) -> None:
        """W near I."""
        weight, bias = self._get(w, "weight", "bias")
        weight.normal_(std=0.01, generator=generator).diagonal().add_(1)
        bias.zero_()

    def transform(self, x: Tensor, w: Weights) -> Mapped:
        weight, bias = self._get(w, "weight", "bias")
        return x @ weight.mT + bias, torch.linalg.slogdet(weight)[1].expand(len(x))

    def inverse(self, z: Tensor, w: Weights) -> Mapped:
        weight, bias = self._get(w, "weight", "bias")
        x = torch.linalg.solve(weight, (z - bias).mT).mT
        return x, -torch.linalg.slogdet(weight)[1].expand(len(z))


PARAMETRISATIONS: dict[str, type[LU | QR | Free]] = {"lu": LU, "qr": QR, "free": Free}


class LinearFlowLearner(FlowLearner):
    """One matrix: with a normal base density, a Gaussian of full covariance."""

    kind = "linear-flow"
    parameters = LINEAR_PARAMETERS

    @staticmethod
    def bijection(info: DataInfo, values: Mapping[str, Value]) -> Layers:
        return Layers([PARAMETRISATIONS[str(values["parametrisation"])]("linear", info.dim)])

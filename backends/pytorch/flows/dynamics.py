"""What a continuous flow integrates: rows, their log-determinant, and what regularisation asks for.

dx/dt = f(x, t),    d/dt log|det ∂x(t)/∂x(0)| = tr ∂f/∂x                 (Chen et al. 2018, theorem 1)
tangents  dv/dt = (∂f/∂x) v, from unit vectors: columns of ∂x(t)/∂x(0)         (the equation of variations)
kinetic energy  dE/dt = ‖f(x, t)‖²,    Jacobian  dB/dt = ‖∂f/∂x‖²_F      (Finlay et al. 2020, eq. 8, 11)
"""

from __future__ import annotations

import torch
from torch import Tensor

from backends.pytorch.flows.divergence import Probes
from backends.pytorch.flows.field import Field
from backends.pytorch.networks import Weights


class Dynamics:
    """f(t, y) of the state y (n, d + 1), rows and their log-determinant, or with ``costs`` (n, d + 3), those
    two after them. The divergence is what the probes make of it, and so is ‖∂f/∂x‖²_F."""

    def __init__(self, field: Field, w: Weights, probes: Probes, costs: bool = False) -> None:
        self._field, self._w, self._probes = field, w, probes
        self._columns = 3 if costs else 1

    def start(self, x: Tensor) -> Tensor:
        """The state at rows x (n, d): nothing is integrated yet."""
        return torch.cat((x, x.new_zeros(len(x), self._columns)), -1)

    def __call__(self, t: float, y: Tensor) -> Tensor:
        x = y[:, : -self._columns]
        velocity, products = self._field.jvp(x, x.new_full((1, 1), t), self._probes.vectors, self._w)
        rates = [velocity, self._probes.trace(products)[:, None]]
        if self._columns > 1:
            rates += [velocity.square().sum(-1, True), self._probes.frobenius(products)[:, None]]
        return torch.cat(rates, -1)


class Velocity:
    """f(t, x) alone, of rows x (n, d): for samples, which need no density."""

    def __init__(self, field: Field, w: Weights) -> None:
        self._field, self._w = field, w

    def __call__(self, t: float, x: Tensor) -> Tensor:
        return self._field(x, x.new_full((1, 1), t), self._w)


class Variations:
    """f(t, y) of the state y (n, d + d²): rows x (n, d), and the Jacobian of where they are by where they
    began, its d columns one after the other."""

    def __init__(self, field: Field, w: Weights) -> None:
        self._field, self._w = field, w

    def start(self, x: Tensor) -> Tensor:
        """The state at rows x (n, d), which have not moved yet."""
        unit = torch.eye(x.shape[1]).to(x)
        return torch.cat((x, unit.reshape(1, -1).expand(len(x), -1)), -1)

    def jacobian(self, y: Tensor) -> Tensor:
        """∂x(t)/∂x(0) of each row, (n, d, d)."""
        return y[:, self._field.dim :].unflatten(-1, (self._field.dim, -1)).mT

    def __call__(self, t: float, y: Tensor) -> Tensor:
        x, columns = y[:, : self._field.dim], self.jacobian(y).movedim(-1, 0)
        velocity, products = self._field.jvp(x, x.new_full((1, 1), t), columns, self._w)
        return torch.cat((velocity, products.movedim(0, 1).flatten(1)), -1)

"""The velocity field f(x, t) of a continuous flow: a multi-layer perceptron of x and of features of the time.

Its Jacobian–vector products are propagated forwards through the layers by the chain rule, beside the value:
a trace, or an estimate of it, then costs one pass, and is differentiated as everything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional

from backends.pytorch.networks import ACTIVATIONS, MLP, Weights

OCTAVES = (0.5, 1.0, 2.0, 4.0)  # of time; with equally spaced frequencies it learns half as fast


def _tanh(a: Tensor) -> tuple[Tensor, Tensor]:
    h = torch.tanh(a)
    return h, 1 - h.square()


def _silu(a: Tensor) -> tuple[Tensor, Tensor]:
    s = torch.sigmoid(a)
    h = a * s
    return h, s + h * (1 - s)


def _softplus(a: Tensor) -> tuple[Tensor, Tensor]:
    return functional.softplus(a), torch.sigmoid(a)


# a → σ(a) and σ'(a): smooth ones, as training differentiates the divergence once more
SMOOTH: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "silu": _silu,
    "tanh": _tanh,
    "softplus": _softplus,
}


class Field:
    """f(x, t), (n, d) → (n, d): ``depth`` hidden layers of ``width`` units, fed with x and with
    cos πjt, sin πjt for j = ½, 1, 2, 4. At the start it is zero everywhere, so that the flow is the identity.

    A pure function of its input and of the weights w, whose names and shapes are ``shapes``.
    """

    def __init__(self, dim: int, width: int, depth: int, activation: str = "silu") -> None:
        self.dim = dim
        self._mlp = MLP("field", [dim + 2 * len(OCTAVES), *[width] * depth, dim], activation)
        self.shapes = self._mlp.shapes
        self._keys = [(f"field.{i}.weight", f"field.{i}.bias") for i in range(depth + 1)]
        self._value, self._activation = ACTIVATIONS[activation], SMOOTH[activation]

    def initialise(self, w: Weights, generator: Generator) -> None:
        """Fill the weights, on the CPU, from ``generator``."""
        self._mlp.initialise(w, generator)
        for key in self._keys[-1]:
            w[key].zero_()

    def _first(self, x: Tensor, t: Tensor, w: Weights) -> Tensor:
        """The first layer's input to its activation, (n, width); t is (n, 1), or (1, 1) for all rows."""
        weight, bias = (w[key] for key in self._keys[0])
        angle = math.pi * t * x.new_tensor(OCTAVES)
        time = torch.cat((angle.cos(), angle.sin()), -1)
        of_time = functional.linear(time, weight[:, self.dim :], bias)
        return functional.linear(x, weight[:, : self.dim]) + of_time

    def __call__(self, x: Tensor, t: Tensor, w: Weights) -> Tensor:
        """f(x, t): x (n, d) and t (n, 1), or (1, 1) for all rows."""
        a = self._first(x, t, w)
        for weight, bias in self._keys[1:]:
            a = functional.linear(self._value(a), w[weight], w[bias])
        return a

    def jvp(self, x: Tensor, t: Tensor, vectors: Tensor, w: Weights) -> tuple[Tensor, Tensor]:
        """f(x, t) (n, d), and ∂f/∂x · v for each of the vectors v (k, n, d), or (k, 1, d) for all rows."""
        a = self._first(x, t, w)
        tangent = functional.linear(vectors, w[self._keys[0][0]][:, : self.dim])
        for weight, bias in self._keys[1:]:
            h, slope = self._activation(a)
            a = functional.linear(h, w[weight], w[bias])
            tangent = functional.linear(tangent * slope, w[weight])
        return a, tangent.expand(-1, len(x), -1)  # without a hidden layer it is one for all rows

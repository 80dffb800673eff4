"""Multi-layer perceptrons over one flat parameter vector.

All weights of a model are views into a single vector θ. A snapshot is then one copy, an optimiser step one
kernel, "are all gradients finite" one norm, and θ itself is at hand for walks in parameter space. A network
is a pure function of its input and of those views, so that a learner and its snapshots share it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor
from torch.nn import functional

Weights = Mapping[str, Tensor]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": functional.gelu,
    "softplus": functional.softplus,
    "silu": functional.silu,
}


class Layout:
    """Where each named tensor lies in the flat vector."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = dict(shapes)
        self._sizes = [math.prod(shape) for shape in shapes.values()]
        self.size = sum(self._sizes)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The named tensors, sharing the memory of ``flat`` (size,)."""
        parts = flat.split(self._sizes)
        return {name: p.view(shape) for (name, shape), p in zip(self.shapes.items(), parts, strict=True)}


class Dropout:
    """Sets each unit to 0 with probability p, and divides the others by 1 − p (Srivastava et al. 2014).

    Its own generator lives on the device, seeded with ``seed``; a new instance serves each step, so that
    there is no state to keep.
    """

    def __init__(self, p: float, seed: int, device: torch.device) -> None:
        self._keep = 1 / (1 - p)
        self._below = round(p * 2**31)
        self._generator = Generator(device).manual_seed(seed)

    def __call__(self, h: Tensor) -> Tensor:
        # Of torch's ways to draw a mask the quickest: 31 random bits (five times faster than dropout's).
        bits = torch.empty(h.shape, dtype=torch.int32, device=h.device).random_(generator=self._generator)
        return h * ((bits >= self._below) * self._keep)


class MLP:
    """Linear layers of the given sizes, input first, with an activation between each two.

    Its tensors are called ``<name>.<i>.weight`` (out, in) and ``<name>.<i>.bias`` (out,).
    """

    def __init__(self, name: str, sizes: Sequence[int], activation: str) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        keys = []
        for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            weight, bias = f"{name}.{i}.weight", f"{name}.{i}.bias"
            self.shapes |= {weight: (fan_out, fan_in), bias: (fan_out,)}
            keys.append((weight, bias))
        self.layers, self.activation = keys, activation

    def __call__(self, h: Tensor, w: Weights, drop: Dropout | None = None) -> Tensor:
        """(..., first size) → (..., last size); ``drop`` is applied to each hidden layer."""
        activation, (*hidden, (weight, bias)) = ACTIVATIONS[self.activation], self.layers
        for its_weight, its_bias in hidden:
            h = activation(functional.linear(h, w[its_weight], w[its_bias]))
            if drop is not None:
                h = drop(h)
        return functional.linear(h, w[weight], w[bias])

    def initialise(self, w: Weights, generator: Generator) -> None:
        initialise(w, self.layers, generator)

    @property
    def multiplications(self) -> int:
        """Those of one row."""
        return sum(math.prod(shape) for shape in self.shapes.values() if len(shape) == 2)


def initialise(w: Weights, keys: Iterable[tuple[str, str]], generator: Generator) -> None:
    """Draw weights and biases, by their names, from U(−1/√fan_in, 1/√fan_in), as ``torch.nn.Linear`` and its
    convolutions do."""
    for weight, bias in keys:
        bound = 1 / math.sqrt(w[weight][0].numel())
        w[weight].uniform_(-bound, bound, generator=generator)
        w[bias].uniform_(-bound, bound, generator=generator)

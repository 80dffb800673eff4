"""Priors p(z) of a VAE other than N(0, I): mixtures of K Gaussians, learned with everything else.

    log p(z) = log Σ_j π_j N(z; m_j, S_j)

Of a mixture all of π_j, m_j and a diagonal S_j are learned. The VampPrior has π_j = 1/K and for components
the encoder's own q(z|u_j) at K learned pseudo-inputs u_j (Tomczak & Welling 2018, eq. 10).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Generator, Tensor

from backends.pytorch.gaussians import Diagonal, Gaussians
from backends.pytorch.networks import Weights


class Mixture(Protocol):
    """A prior's tensors, and the components that follow from them."""

    shapes: dict[str, tuple[int, ...]]

    def initialise(self, w: Weights, x: Tensor, generator: Generator) -> None:
        """Fill its tensors; x: standardised training rows (n, d), n may be 0."""
        ...

    def components(self, w: Weights) -> tuple[Tensor, Gaussians]:
        """Logarithms of the weights (K,), and the K Gaussians."""
        ...


class LearnedMixture:
    """Components of their own. Their standard deviations lie between 0.05 and 10, by a smooth bound on the
    logarithm: one that shrinks on to a few encodings would be narrower than any grid."""

    LOW, HIGH = math.log(0.05), math.log(10.0)
    START = math.log(0.5)

    def __init__(self, components: int, latent_dim: int) -> None:
        shape = (components, latent_dim)
        self.shapes = {"prior.logits": (components,), "prior.means": shape, "prior.log_std_raw": shape}

    def initialise(self, w: Weights, x: Tensor, generator: Generator) -> None:
        """Means drawn from N(0, I), so that together they begin about where that is."""
        at = (self.START - self.LOW) / (self.HIGH - self.LOW)
        w["prior.logits"].zero_()
        w["prior.means"].normal_(generator=generator)
        w["prior.log_std_raw"].fill_(math.log(at / (1 - at)))

    def components(self, w: Weights) -> tuple[Tensor, Gaussians]:
        log_std = self.LOW + (self.HIGH - self.LOW) * torch.sigmoid(w["prior.log_std_raw"])
        return torch.log_softmax(w["prior.logits"], 0), Diagonal(w["prior.means"], 2 * log_std)


class VampPrior:
    """A variational mixture of posteriors. Pseudo-inputs are rows of standardised data, not bounded to their
    range, and begin at training rows."""

    KEY = "prior.pseudo_inputs"

    def __init__(self, components: int, dim: int, encode: Callable[[Tensor, Weights], Gaussians]) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {self.KEY: (components, dim)}
        self._encode = encode

    def initialise(self, w: Weights, x: Tensor, generator: Generator) -> None:
        u = w[self.KEY].normal_(std=0.01, generator=generator)
        if len(x):
            u += x[torch.randint(len(x), (len(u),), generator=generator)].to(u)

    def components(self, w: Weights) -> tuple[Tensor, Gaussians]:
        u = w[self.KEY]
        return u.new_full((len(u),), -math.log(len(u))), self._encode(u, w)


def log_mixture(log_weights: Tensor, components: Gaussians, z: Tensor) -> Tensor:
    """log Σ_j π_j N(z; m_j, S_j): z (…, k) → (…,)."""
    return torch.logsumexp(log_weights + components.log_prob(z.unsqueeze(-2)), -1)

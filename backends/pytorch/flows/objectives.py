"""What a flow is fitted by: a loss in nats, of a batch of rows in the data's own units.

An objective is called with the flow's net, its weights, a batch x (b, d) and a generator on the CPU; it
returns the loss and what else is to be shown of the step, each a scalar. Those that know the likelihood of
the rows show :func:`terms`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Generator, Tensor

from backends.base import Array, Diverged
from backends.pytorch.flows.net import FlowNet
from backends.pytorch.networks import Weights

Loss = tuple[Tensor, Mapping[str, Tensor]]
Objective = Callable[[FlowNet, Weights, Tensor, Generator], Loss]


def terms(net: FlowNet, w: Weights, x: Tensor) -> dict[str, Tensor]:
    """Means over the rows: "log_likelihood" = "log_base" + "log_det"."""
    log_base, log_det = (term.mean() for term in net.log_prob(x, w))
    return {"log_likelihood": log_base + log_det, "log_base": log_base, "log_det": log_det}


def forward_kl(net: FlowNet, w: Weights, x: Tensor, noise: Generator) -> Loss:
    """−E[log p(x)] over the rows: maximum likelihood, KL(data ‖ flow) up to the entropy of the data."""
    shown = terms(net, w, x)
    return -shown["log_likelihood"], shown


class ReverseKL:
    """KL(p(x) ‖ π(x)) = E_{z ~ base}[log p(g(z)) − log π(g(z))] up to the constant of an unnormalised π.

    The expectation is over as many draws of the flow as there are rows, reparametrised by z (Papamakarios et
    al. 2021, eq. 17). The rows have no part in the loss; their log-likelihood comes along, without gradient.

    log_density: log π of rows (n, d) → (n,) float64, in NumPy; its gradient is by central differences.
    """

    def __init__(self, log_density: Callable[[Array], Array], name: str) -> None:
        self._log_density, self._name = log_density, name

    def __call__(self, net: FlowNet, w: Weights, x: Tensor, noise: Generator) -> Loss:
        with torch.no_grad():
            shown = terms(net, w, x)
        z = net.base.sample(len(x), w, noise)
        own, log_det_back = net.inverse(z, w)
        log_p = net.base.log_prob(z, w) - log_det_back
        log_pi = _LogDensity.apply(own, self._log_density, self._name)
        return (log_p - log_pi).mean(), shown


class _LogDensity(torch.autograd.Function):
    """log π of rows (n, d), with ∂/∂x_j by central differences in float64."""

    @staticmethod
    def forward(ctx, x: Tensor, log_density: Callable[[Array], Array], name: str) -> Tensor:  # type: ignore[no-untyped-def]
        rows = x.detach().cpu().double().numpy()
        n, d = rows.shape
        h = 1e-5 * max(1.0, float(np.abs(rows).max(initial=0)))
        moved = np.concatenate([rows, *(rows + s * h * e for e in np.eye(d) for s in (1, -1))])
        if not np.isfinite(rows).all():
            raise Diverged("the flow maps its base density to values that are not finite")
        values = np.asarray(log_density(moved), np.float64).reshape(1 + 2 * d, n)
        if not np.isfinite(values).all():
            raise Diverged(
                f"the density of {name} is zero or not finite where the flow samples, so that the reverse KL "
                "divergence is infinite"
            )
        gradient = (values[1::2] - values[2::2]).T / (2 * h)
        ctx.save_for_backward(torch.from_numpy(gradient).to(x))
        return torch.from_numpy(values[0]).to(x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[no-untyped-def]
        (gradient,) = ctx.saved_tensors
        return grad.unsqueeze(-1) * gradient, None, None

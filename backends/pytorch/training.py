"""What every gradient-trained learner needs: minibatches in a seeded order, and Adam over a flat θ.

Random numbers come from generators of its own, on the CPU whatever the device: the global ones are neither
used nor altered, the same seed draws the same noise everywhere, and a state moves between devices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch.optim.adam import adam

from backends.base import Array, Diverged, InputError
from backends.pytorch.networks import Layout

Arrays = dict[str, Array]


def shared(x: Array) -> Tensor:
    """Rows as a float32 tensor over the same memory, which nobody writes to; a copy where that is forbidden,
    since torch knows no such tensors."""
    rows = np.ascontiguousarray(x, dtype=np.float32)
    return torch.from_numpy(rows if rows.flags.writeable else rows.copy())


class Batches:
    """Rows of x (n, d) in a new random order each epoch; the last batch of an epoch may be smaller.

    ``x`` may be replaced by another tensor of as many rows.
    """

    def __init__(self, x: Tensor, batch_size: int, seed: int) -> None:
        self.x = x
        self._size = batch_size
        self._generator = Generator().manual_seed(seed)
        self._shuffle(len(x))

    @property
    def per_epoch(self) -> int:
        """Batches an epoch (1 where there are no rows, so that epochs can always be counted)."""
        return max(1, math.ceil(len(self._order) / self._size))

    def _shuffle(self, n: int) -> None:
        self._use(torch.randperm(n, generator=self._generator), 0)

    def _use(self, order: Tensor, position: int) -> None:
        self._order = order
        self._position = position

    def next(self) -> Tensor:
        """The next batch (b, d); raises InputError when there is no data."""
        n = len(self.x)
        if n == 0:
            raise InputError("there are no training data to make a step on")
        if self._position >= n:
            self._shuffle(n)
        stop = min(self._position + self._size, n)
        batch = self.x.index_select(0, self._order[self._position : stop].to(self.x.device))
        self._position = stop
        return batch

    def arrays(self) -> Arrays:
        return {"data.order": self._order.numpy().copy(), "data.generator": generator_array(self._generator)}

    @property
    def position(self) -> int:
        """Rows of this epoch already used."""
        return self._position

    def check(self, arrays: Mapping[str, Array], position: Any) -> None:
        """Raise InputError unless :meth:`restore` can take these. Without rows of its own it takes any n."""
        order = arrays["data.order"]
        n = len(order)
        if len(self.x) not in (0, n):
            raise InputError(f"data.order: the state was made on {n} rows, and the data have {len(self.x)}")
        if not np.array_equal(np.sort(order), np.arange(n)):
            raise InputError(f"data.order: not an order of {n} rows")
        if not isinstance(position, int) or not 0 <= position <= n:
            raise InputError(f"position: {position!r} is not a position among {n} rows")
        make_generator(arrays["data.generator"], "data.generator")

    def restore(self, arrays: Mapping[str, Array], position: int) -> None:
        self._generator = make_generator(arrays["data.generator"], "data.generator")
        self._use(torch.tensor(arrays["data.order"]), position)


def adam_step(
    theta: Tensor,
    grad: Tensor,
    moments: tuple[Tensor, Tensor],
    step: Tensor,
    learning_rate: float,
    betas: tuple[float, float] = (0.9, 0.999),
) -> None:
    """One step of Adam (Kingma & Ba 2015, alg. 1) on θ, in place, as are its moments and the count of steps.

    torch's function, and not its class: the first of that to be made loads torch's compiler, which takes as
    long as torch itself. One fused kernel over one vector: faster than the loop over tensors, same numbers.
    """
    first, second = moments
    with torch.no_grad():
        adam(
            [theta], [grad], [first], [second], [], [step], fused=True, amsgrad=False, maximize=False,
            beta1=betas[0], beta2=betas[1], lr=learning_rate, weight_decay=0.0, eps=1e-8,
        )  # fmt: skip


class FlatAdam:
    """Adam (Kingma & Ba 2015) on all tensors of a layout at once.

    ``w`` are the trainable tensors by name, views of one vector, as are their gradients: a loss is made
    from ``w``, :meth:`backward` fills the gradients, :meth:`update` makes the step.
    """

    SWEEP_EVERY = 100  # steps, in which β₁ᵗ takes no moment from TINY down to the subnormal numbers
    TINY = 1e-30  # of a moment; beside Adam's ε of 1e-8 it moves no weight

    def __init__(self, layout: Layout, theta: Tensor, learning_rate: float) -> None:
        self._layout = layout
        self.theta = theta
        self._grad = torch.zeros_like(theta)
        self.w = layout.views(theta)
        for name, grad in layout.views(self._grad).items():
            self.w[name].requires_grad_().grad = grad
        self._parameter = torch.nn.Parameter(theta)  # shares theta's memory
        self._learning_rate = learning_rate
        self._moments = {key: torch.zeros_like(theta) for key in ("exp_avg", "exp_avg_sq")}
        self._step = torch.zeros((), device=theta.device)
        self._steps = 0  # the same, without asking the device

    def set_learning_rate(self, value: float) -> None:
        self._learning_rate = value

    def backward(self, loss: Tensor) -> Tensor:
        """Gradients of a scalar loss; returns their norm, which is finite only if they all are."""
        self._grad.zero_()
        loss.backward()
        return torch.linalg.vector_norm(self._grad)

    def clip(self, norm: float, most: float) -> None:
        """Shrink the gradients of the last :meth:`backward`, of that norm, to the largest norm allowed."""
        if norm > most:
            self._grad.mul_(most / norm)

    def update(self) -> None:
        """One step along the gradients of the last :meth:`backward`."""
        first, second = self._moments.values()
        adam_step(self._parameter, self._grad, (first, second), self._step, self._learning_rate)
        self._steps += 1
        if self._steps % self.SWEEP_EVERY == 0:
            self._sweep()

    def _sweep(self) -> None:
        """Zero the moments that have died away, of weights that no longer get a gradient (at a dead unit).
        They would end as subnormal numbers, with which some processors reckon so slowly that the whole step
        of a VAE takes 1.4 times as long."""
        for moment in self._moments.values():
            moment.copy_(torch.nn.functional.hardshrink(moment, self.TINY))

    def arrays(self) -> Arrays:
        """θ and both moments by tensor name; copies."""
        out = _named(self._layout, self.theta, "")
        for key, flat in self._moments.items():
            out |= _named(self._layout, flat, f"adam.{key}.")
        return out

    def restore(self, arrays: Mapping[str, Array], steps: int) -> None:
        """Take over what :meth:`arrays` gave, after ``steps`` steps; names and shapes are already checked."""
        for prefix, flat in (("", self.theta), *((f"adam.{k}.", v) for k, v in self._moments.items())):
            parts = [np.ravel(arrays[prefix + name]) for name in self._layout.shapes]
            flat.copy_(torch.tensor(np.concatenate(parts)))
        self._step.fill_(steps)
        self._steps = steps


class Average:
    """Mean of θ over about the last ninth of the steps: their noise averages out, whenever one looks.

    θ̄_t = θ̄_{t−1} + (η + 1)/(t + η) · (θ_t − θ̄_{t−1}): polynomial decay (Shamir & Zhang 2013, eq. 4), which
    needs no horizon and forgets the beginning. The rate is bounded below, so that it never stops to follow.
    """

    ETA = 8.0
    SLOWEST = 1e-4

    def __init__(self, layout: Layout, theta: Tensor) -> None:
        self._layout = layout
        self.theta = theta.detach().clone()

    def update(self, theta: Tensor, step: int) -> None:
        """θ after step number ``step``, from 1."""
        rate = max((self.ETA + 1) / (step + self.ETA), self.SLOWEST)
        self.theta.lerp_(theta.detach(), rate)

    def arrays(self) -> Arrays:
        """θ̄ by tensor name, each "average.…"; copies."""
        return _named(self._layout, self.theta, "average.")

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Take over what :meth:`arrays` gave; names and shapes are already checked."""
        parts = [np.ravel(arrays[f"average.{name}"]) for name in self._layout.shapes]
        self.theta.copy_(torch.tensor(np.concatenate(parts)))


def _named(layout: Layout, flat: Tensor, prefix: str) -> Arrays:
    flat = flat.cpu().clone()
    return {prefix + name: view.numpy() for name, view in layout.views(flat).items()}


def generator_array(generator: Generator) -> Array:
    """A generator's state as bytes, (5056,) uint8."""
    return np.asarray(generator.get_state().numpy())


def make_generator(state: Array, name: str) -> Generator:
    """A CPU generator in that state; InputError when it is not a generator's."""
    generator = Generator()
    try:
        generator.set_state(torch.tensor(state))
    except (RuntimeError, TypeError) as error:
        raise InputError(f"{name}: not the state of a random generator ({error})") from None
    return generator


def require_device(name: str) -> None:
    """Raise InputError unless tensors can be made on the device of that name."""
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # torch raises either, by how it was built
        reason = str(error).splitlines()[0]
        raise InputError(f"device '{name}' cannot be used here: {reason}") from None


def require_float64(device: str) -> None:
    """Raise InputError unless tensors of float64 can be made on the device of that name."""
    if device.startswith("mps"):
        raise InputError(f"device '{device}' has no float64, which these models need: choose cpu")
    require_device(device)


def require_finite(scalars: Mapping[str, float], gradient_norm: float, step: int) -> None:
    """Raise Diverged, naming the quantity, when a loss or the gradient of this step is not finite."""
    for name, value in (*scalars.items(), ("gradient", gradient_norm)):
        if not math.isfinite(value):
            raise Diverged(f"the {name} is {value} at step {step}; the weights are those of before it")

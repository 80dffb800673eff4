"""Trains any flow by Adam, minibatch by minibatch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Generator, Tensor

from backends.base import DataInfo, InputError, Stamp, State, Value
from backends.data import known_density
from backends.pytorch.flows.bases import make_base
from backends.pytorch.flows.bijections import Travelled
from backends.pytorch.flows.kinds import blur, check_flow_data
from backends.pytorch.flows.model import Flow
from backends.pytorch.flows.net import FlowNet, standardisation
from backends.pytorch.flows.objectives import Objective, ReverseKL, forward_kl
from backends.pytorch.learner import GradientLearner
from backends.pytorch.training import Arrays, Average, FlatAdam, require_finite

LARGEST_GRADIENT = 5.0  # norm to which a larger one is shrunk
LEAST_RATE = 0.01  # of the learning rate, at the end of its decay


class FlowLearner(GradientLearner):
    """Trains a flow on the rows x (n, d) float32, kept on ``device``; n may be 0, then there is no stepping.

    A family gives ``kind``, ``parameters`` and :meth:`bijection`; where it knows more objectives than the two
    KL divergences also :meth:`objective`, and where its snapshots tell more, ``model``. Snapshots have the
    weights' average over the last steps, whose density is closer to the data's than that of any single step.

    Raises InputError where values and data do not fit each other, and for rows that are not finite.
    """

    kind: ClassVar[str]
    model: ClassVar[type[Flow]] = Flow

    def _build(self, info: DataInfo, initial: Generator) -> None:
        if not bool(self._rows.isfinite().all()):
            raise InputError(f"{info.name} holds values that are not finite")
        self._batches.x = self._rows.to(self._device)
        self.net = self.make_net(info, self._values)
        theta = torch.zeros(self.net.layout.size)
        self.net.initialise(self.net.layout.views(theta), initial)
        rate = float(self._values["learning_rate"])
        self._optimiser = FlatAdam(self.net.layout, theta.to(self._device), rate)
        self._average = Average(self.net.layout, self._optimiser.theta)
        self._blur = blur(info, self._values)
        self._use_standardisation(*standardisation(self._rows, self._blur))
        self._objective = self.objective()

    # -- what a family brings ---------------------------------------------------------------------

    @staticmethod
    def bijection(info: DataInfo, values: Mapping[str, Value]) -> Travelled:
        """The map of standardised rows y (n, d) to ℝᵈ, without its weights."""
        raise NotImplementedError

    def objective(self) -> Objective:
        """What the values ask the flow to be fitted by."""
        info = self.net.info
        if self._values["objective"] == "reverse-kl":
            density = known_density(info)
            assert density is not None  # check_flow_data has seen to it
            return ReverseKL(density.log_prob, info.name)
        return forward_kl

    # -- what all share ---------------------------------------------------------------------------

    @classmethod
    def make_net(cls, info: DataInfo, values: Mapping[str, Value]) -> FlowNet:
        """The flow without its weights."""
        return FlowNet(info, cls.bijection(info, values), make_base(info.dim, values))

    @classmethod
    def size(cls, info: DataInfo, values: Mapping[str, Value]) -> int:
        """Parameters of the flow, without drawing them."""
        return cls.make_net(info, values).layout.size

    def _check_data(self, info: DataInfo) -> None:
        check_flow_data(self.kind, info, self._values)

    def _use_standardisation(self, shift: Tensor, scale: Tensor) -> None:
        self._shift, self._scale = shift.to(self._device), scale.to(self._device)
        self._w = {**self._optimiser.w, "shift": self._shift, "scale": self._scale}

    def learning_rate(self) -> float:
        """That of the next step: ``learning_rate`` by :meth:`_decay`."""
        return float(self._values["learning_rate"]) * self._decay()

    def _decay(self) -> float:
        """Half a cosine from 1 to LEAST_RATE, which is reached after ``decay_steps`` and kept (Loshchilov &
        Hutter 2017, eq. 5); 0 of them is no decay."""
        decay = int(self._values["decay_steps"])
        done = min(self._steps / decay, 1.0) if decay else 0.0
        return LEAST_RATE + (1 - LEAST_RATE) * 0.5 * (1 + math.cos(math.pi * done))

    def _blurred(self, x: Tensor) -> Tensor:
        """x with uniform noise around each number, where it is a grid's (Theis et al. 2016, sec. 3.1); with
        normal noise, too, which keeps few rows from being learned by heart (Rothfuss et al. 2019)."""
        if self._blur:
            x = x + self._blur * (torch.rand(x.shape, generator=self._noise) - 0.5).to(x.device)
        if jitter := float(self._values["jitter"]) * self._decay():
            x = x + jitter * self._scale * torch.randn(x.shape, generator=self._noise).to(x.device)
        return x

    def step(self) -> Mapping[str, float]:
        """One minibatch: its "loss" and what the objective shows beside it, by the weights before it."""
        x = self._blurred(self._batches.next())
        loss, shown = self._objective(self.net, self._w, x, self._noise)
        norm = self._optimiser.backward(loss)
        # All scalars in one transfer: on a GPU each would wait for the device.
        *numbers, gradient = torch.stack((loss, *shown.values(), norm)).tolist()
        scalars = dict(zip(("loss", *shown), numbers, strict=True))
        require_finite(scalars, gradient, self._steps + 1)
        self._optimiser.clip(gradient, LARGEST_GRADIENT)
        self._optimiser.set_learning_rate(self.learning_rate())
        self._optimiser.update()
        self._steps += 1
        self._average.update(self._optimiser.theta, self._steps)
        return scalars

    def snapshot(self) -> Flow:
        theta, shift, scale = self._frozen(self._average.theta)
        return self.model(self.kind, self.net, theta, shift, scale, Stamp(self._run, self._steps))

    def _arrays(self) -> Arrays:
        return super()._arrays() | self._average.arrays()

    def restore(self, state: State) -> None:
        super().restore(state)
        self._average.restore(state.arrays)

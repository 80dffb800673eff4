"""What learners of VAEs and of flows share: minibatches, Adam, and a state that comes back exactly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Generator, Tensor

from backends.base import Array, DataInfo, InputError, State, Value
from backends.parameters import Parameter, check_live, resolve
from backends.pytorch.training import (
    Arrays,
    Batches,
    FlatAdam,
    generator_array,
    make_generator,
    require_device,
    shared,
)
from backends.states import check_arrays, whole_number


class GradientLearner(ABC):
    """A :class:`backends.base.Learner` but for its model, which a subclass builds, steps and snapshots.

    x: (n, d) float32 training rows; n may be 0, and then there is no stepping.
    values: those of ``parameters``, missing ones at their default.
    Raises InputError where these do not fit each other.
    """

    parameters: ClassVar[tuple[Parameter, ...]]
    _optimiser: FlatAdam
    _shift: Tensor  # (d,), as _scale, on the device
    _scale: Tensor

    def __init__(
        self,
        x: Array,
        info: DataInfo,
        values: Mapping[str, Value],
        seed: int = 0,
        device: str = "cpu",
        run: str = "",
    ) -> None:
        self._values = resolve(self.parameters, values)
        self._check_data(info)
        require_device(device)
        self._rows = shared(x)
        if self._rows.ndim != 2 or self._rows.shape[1] != info.dim:
            raise InputError(f"x has shape {tuple(self._rows.shape)}, and {info.name} has {info.dim} columns")
        self._device, self._run = device, run
        weight_seed, order_seed, noise_seed = np.random.SeedSequence(seed).generate_state(3, np.uint64)
        self._noise = Generator().manual_seed(int(noise_seed))
        self._batches = Batches(self._rows, int(self._values["batch_size"]), int(order_seed))
        self._steps = 0
        self._build(info, Generator().manual_seed(int(weight_seed)))

    @abstractmethod
    def _check_data(self, info: DataInfo) -> None:
        """Raise InputError where the values do not fit the data."""

    @abstractmethod
    def _build(self, info: DataInfo, initial: Generator) -> None:
        """Make the networks and ``_optimiser``, its θ drawn from ``initial``, and use a standardisation."""

    @abstractmethod
    def _use_standardisation(self, shift: Tensor, scale: Tensor) -> None:
        """Keep both, (d,), on the device, and train on (x − shift)/scale from now on."""

    @property
    def steps(self) -> int:
        return self._steps

    @property
    def steps_per_epoch(self) -> float:
        return float(self._batches.per_epoch)

    @property
    def values(self) -> Mapping[str, Value]:
        return dict(self._values)

    def set(self, name: str, value: Value) -> None:
        self._values[name] = check_live(self.parameters, name, value)

    def _frozen(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A copy of θ, shift and scale, where a Model can compute log-densities with them."""
        theta, shift, scale = theta.clone(), self._shift, self._scale
        if theta.device.type == "mps":  # has no float64, which log-densities need
            return theta.cpu(), shift.cpu(), scale.cpu()
        return theta, shift, scale

    def _live(self) -> dict[str, Parameter]:
        return {p.name: p for p in self.parameters if p.live}

    def _arrays(self) -> Arrays:
        return {
            **self._optimiser.arrays(),
            **self._batches.arrays(),
            "noise.generator": generator_array(self._noise),
            "shift": self._shift.cpu().numpy().copy(),
            "scale": self._scale.cpu().numpy().copy(),
        }

    def state(self) -> State:
        return State(
            self._arrays(),
            {
                "steps": self._steps,
                "position": self._batches.position,
                **{name: self._values[name] for name in self._live()},
            },
        )

    def restore(self, state: State) -> None:
        """Take over a state of the same architecture; made on other rows only if this learner has none.

        Raises InputError naming the array or value that does not fit, and then stays as it was.
        """
        arrays, values = state.arrays, state.values
        check_arrays(arrays, self._arrays(), any_length={"data.order"})
        if (arrays["scale"] <= 0).any():
            raise InputError("array scale holds values that are not positive")
        steps = whole_number(values, "steps")
        self._batches.check(arrays, values.get("position"))
        live = {name: parameter.check(values.get(name)) for name, parameter in self._live().items()}
        noise = make_generator(arrays["noise.generator"], "noise.generator")
        self._optimiser.restore(arrays, steps)
        self._use_standardisation(torch.tensor(arrays["shift"]), torch.tensor(arrays["scale"]))
        self._batches.restore(arrays, values["position"])
        self._noise, self._steps = noise, steps
        for name, value in live.items():
            self.set(name, value)

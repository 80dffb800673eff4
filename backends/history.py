"""The moments of a run: its models after earlier steps, so that any of them can be looked at again, each with
the learner's state, so that training can go on from there exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from backends.base import State

MOST = 2048  # moments that are kept
MEASURED = 16
MEMORY = 256_000_000  # bytes of all of them, unless another number is given


@dataclass(frozen=True, eq=False)
class _Moment:
    model: Any
    state: State | None
    nbytes: int

    @property
    def step(self) -> int:
        return int(self.model.stamp.step)


class History:
    """Models by step, in order. When their memory is full, every second is dropped and then only every
    second, fourth, … is kept: the moments stay evenly spread over the run.

    One thread adds; any number of threads read without a lock, since what they read is never changed.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self._moments: tuple[_Moment, ...] = ()
        self._stride = 1
        self._memory = memory
        self._nbytes = 0
        self._added = 0
        self._refused = 0  # bytes of a moment of which not even two have room

    def wants(self, step: int) -> bool:
        """Whether the model after this step is one to be kept."""
        if 2 * self._refused > self._memory:
            return False
        return not self._moments or step - self._moments[-1].step >= self._stride

    def add(self, model: Any, state: State | None = None) -> None:
        """Keep a model that is newer than all there are, with its learner's state at the same moment."""
        if self._moments and self._added % MEASURED:
            size = self._moments[-1].nbytes
        else:
            size = nbytes((model, {} if state is None else state.arrays))
        self._added += 1
        self._refused = size if 2 * size > self._memory else 0
        if not self._refused:
            self._keep((*self._moments, _Moment(model, state, size)))

    def _keep(self, moments: tuple[_Moment, ...]) -> None:
        self._nbytes += sum(moment.nbytes for moment in moments[len(self._moments) :])
        while len(moments) > MOST or self._nbytes > self._memory:
            self._stride *= 2
            moments = _spread(moments, self._stride)
            if len(moments) == 1 and moments[0].nbytes > self._memory:
                moments = ()
            self._nbytes = sum(moment.nbytes for moment in moments)
        self._moments = moments

    def set_memory(self, memory: int) -> None:
        """Keep no more than so many bytes from now on."""
        self._memory = memory
        self._keep(self._moments)

    @property
    def memory(self) -> int:
        """Bytes that the moments may take."""
        return self._memory

    @property
    def nbytes(self) -> int:
        """Bytes that they take, counted from above: what several of them share counts for each. One moment in
        MEASURED is counted, and those after it taken to be as large."""
        return self._nbytes

    @property
    def refused(self) -> int:
        """Bytes of one moment, where the memory has no room for two; otherwise 0."""
        return self._refused if 2 * self._refused > self._memory else 0

    @property
    def models(self) -> tuple[Any, ...]:
        """All that are kept, oldest first."""
        return tuple(moment.model for moment in self._moments)

    def state_of(self, model: Any) -> State | None:
        """The learner's state at the moment of a model; None where it is not kept (any more)."""
        return next((moment.state for moment in self._moments if moment.model is model), None)

    def until(self, step: int) -> History:
        """The moments up to a step, as the history of another run."""
        other = History(self._memory)
        other._stride = self._stride
        other._keep(tuple(moment for moment in self._moments if moment.step <= step))
        return other


def _spread(moments: Sequence[_Moment], stride: int) -> tuple[_Moment, ...]:
    """The first moment, and of the others those at least so many steps after the one before."""
    kept: list[_Moment] = []
    for moment in moments:
        if not kept or moment.step - kept[-1].step >= stride:
            kept.append(moment)
    return tuple(kept)


def nbytes(thing: object) -> int:
    """Bytes of all arrays and tensors that an object holds; views of one memory count once."""
    found: dict[int, int] = {}
    waiting = [thing]
    while waiting:
        value = waiting.pop()
        if isinstance(value, np.ndarray):
            while isinstance(value.base, np.ndarray):
                value = value.base
            found[id(value)] = value.nbytes
        elif callable(storage := getattr(value, "untyped_storage", None)):  # a tensor of PyTorch
            found[storage().data_ptr()] = storage().nbytes()
        elif id(value) in found or isinstance(value, type | FunctionType | BuiltinFunctionType | ModuleType):
            continue
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list | tuple | set | frozenset):
            waiting += value
        elif hasattr(value, "__dict__"):
            found[id(value)] = 0
            waiting += vars(value).values()
    return sum(found.values())

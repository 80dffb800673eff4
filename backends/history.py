"""The moments of a run: its models after earlier steps, so that any of them can be looked at again."""

from __future__ import annotations

from typing import Any

from backends.capabilities import HasParameters

MOST = 2048  # moments that are kept
_NUMBERS = 2**24  # in all of them: 128 MiB


class History:
    """Models by step, in order. When there are too many, every second is dropped and then only every second,
    fourth, … step is kept: the moments stay evenly spread over the run.

    One thread adds; any number of threads read without a lock, since what they read is never changed.
    """

    def __init__(self) -> None:
        self._models: tuple[Any, ...] = ()
        self._stride = 1

    def wants(self, step: int) -> bool:
        """Whether the model after this step is one to be kept."""
        return step % self._stride == 0

    def add(self, model: Any) -> None:
        """Keep a model that is newer than all there are."""
        models = (*self._models, model)
        # a model holds, beside θ, what it has computed from it: of the order of θ again, twice
        size = 3 * model.theta().size if isinstance(model, HasParameters) else 1
        while len(models) > max(min(MOST, _NUMBERS // size), 2):
            self._stride *= 2
            models = tuple(m for m in models if self.wants(m.stamp.step))
        self._models = models

    @property
    def models(self) -> tuple[Any, ...]:
        """All that are kept, oldest first."""
        return self._models

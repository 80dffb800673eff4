"""Curves that grow while they are being drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from backends.base import Array, InputError

_FIRST = 256  # points that a new curve has room for
RECENT = 1024  # the newest points of a curve that is thinned, of which all stay


class Curves:
    """Values by step, under names such as "batch/elbo".

    Each curve has one thread that appends to it (training "batch/…", the window "test/…"), and any number of
    threads read all of them without a lock: a curve's arrays and length are published together,
    and what has been published is never written to. ``get`` copies nothing, ``append`` is O(1) amortised.
    """

    def __init__(self) -> None:
        self._curves: dict[str, tuple[Array, Array, int]] = {}

    def append(self, name: str, step: int, value: float) -> None:
        """Add a point at the end of a curve; a new name begins a new curve."""
        self.append_all(step, {name: value})

    def append_all(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to several curves at once: who saves or draws them meanwhile sees all or none."""
        self._curves.update({name: self._grown(name, step, value) for name, value in values.items()})

    def _grown(self, name: str, step: int, value: float) -> tuple[Array, Array, int]:
        steps, values, n = self._curves.get(name) or (np.empty(_FIRST, np.int64), np.empty(_FIRST), 0)
        if n == len(steps):
            # new arrays: those who read the old ones keep them
            steps, values = (np.concatenate([a, np.empty_like(a)]) for a in (steps, values))
        steps[n], values[n] = step, value
        return steps, values, n + 1

    def thin(self, names: Iterable[str], most: int, together: int = 1) -> None:
        """Have these curves hold fewer than ``most`` points, at least 4·RECENT, of training without an end.

        One that has as many keeps its first, its newest RECENT and, of those between, every second, fourth, …
        step, until at most half are left: its past stays evenly covered, and each point is one that was
        measured. What is kept follows from the points alone, so a run that goes on from its file keeps the
        same. together: steps that stay side by side, as 2 for the halves of a step.
        """
        for name in names:
            steps, values, n = self._curves[name]
            if n < most:
                continue
            whole, stride, kept = -(-steps[:n] // together), 1, np.ones(n, bool)
            while 2 * np.count_nonzero(kept) > most:
                stride *= 2
                kept = whole % stride == 0
                kept[:together] = kept[-RECENT:] = True
            left = int(np.count_nonzero(kept))
            fewer = np.empty(most, np.int64), np.empty(most)  # those who read the old ones keep them
            fewer[0][:left], fewer[1][:left] = steps[:n][kept], values[:n][kept]
            self._curves[name] = *fewer, left

    def cut(self, step: int, names: Iterable[str]) -> None:
        """Drop the points of these curves that come after a step."""
        for name in names:
            steps, values, n = self._curves[name]
            kept = int(np.searchsorted(steps[:n], step, "right"))
            if not kept:
                del self._curves[name]
            elif kept < n:  # new arrays: those who read the old ones keep them
                self._curves[name] = steps[:kept].copy(), values[:kept].copy(), kept

    def names(self) -> tuple[str, ...]:
        """The names, in the order in which the curves began."""
        return tuple(self._curves)

    def get(self, name: str) -> tuple[Array, Array]:
        """Steps (n,) int64 and values (n,) float64 so far, read-only; empty for a name that is not there."""
        return _views(*(self._curves.get(name) or (np.empty(0, np.int64), np.empty(0), 0)))

    def last(self) -> dict[str, float]:
        """The newest value of each curve."""
        return {name: float(values[n - 1]) for name, (_, values, n) in self._curves.copy().items()}

    def to_arrays(self) -> dict[str, Array]:
        """{"NAME/steps": …, "NAME/values": …}, for a file."""
        out = {}
        for name, curve in self._curves.copy().items():  # all of one moment
            out[f"{name}/steps"], out[f"{name}/values"] = _views(*curve)
        return out

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Curves:
        """The inverse of :meth:`to_arrays`; raises InputError when a curve is not whole."""
        curves = cls()
        for name in dict.fromkeys(key.rpartition("/")[0] for key in arrays):
            steps, values = arrays.get(f"{name}/steps"), arrays.get(f"{name}/values")
            if steps is None or values is None or steps.ndim != 1 or steps.shape != values.shape:
                raise InputError(f"the curve '{name}' is not whole")
            if steps.dtype != np.int64 or values.dtype != np.float64:
                raise InputError(f"the curve '{name}' is not of integers and floats")
            if len(steps):
                curves._curves[name] = steps, values, len(steps)
        return curves


def _views(steps: Array, values: Array, n: int) -> tuple[Array, Array]:
    views = steps[:n], values[:n]
    for view in views:
        view.flags.writeable = False
    return views

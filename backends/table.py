"""What the readers of the user's files share: the table that they make, what its values and labels are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backends.base import Array, InputError, Progress, Work
from backends.estimates import slices

MAX_VALUES = 2**30  # 4 GiB as float32
MAX_CLASSES = 256
NUMBERS = 2**18  # that are looked at in one go


@dataclass(frozen=True, eq=False)
class Table:
    """What a file holds: x (n, d) float32, all finite, and labels (n,) int64 where there are any.

    values, levels, image_shape, columns, label_names: as in :class:`backends.base.DataInfo`.
    label_column: the column or array that the labels came from.
    """

    x: Array
    values: str = "real"
    levels: int = 0
    image_shape: tuple[int, ...] | None = None
    columns: tuple[str, ...] = ()
    labels: Array | None = None
    label_names: tuple[str, ...] = ()
    label_column: str | None = None


def check_room(size: int, name: str) -> None:
    """Raise InputError where so many bytes are more than is free, as far as the system tells (Linux): what it
    promises beyond that it takes back by ending the program."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return
    free = next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), size)
    if size > free:
        raise InputError(f"{name} takes {size / 1e9:.1f} GB of memory, where {free / 1e9:.1f} GB are free")


class Apart:
    """Whether numbers are still told apart once they have 32 bits, by columns; seen a block at a time."""

    def __init__(self) -> None:
        self._low, self._high, self._error = np.array(np.inf), np.array(-np.inf), np.array(0.0)

    def see(self, rows: Array, x: Array) -> None:
        """Rows (m, d) as they were, and in float32."""
        wide = rows.astype(np.float64, copy=False)
        self._low, self._high = np.minimum(self._low, wide.min(0)), np.maximum(self._high, wide.max(0))
        self._error = np.maximum(self._error, np.abs(wide - x).max(0))

    def check(self, columns: Sequence[str], name: str) -> None:
        """Raise InputError for a column whose values are apart, and much less so in float32. One that varies
        by no more than float64's own rounding is a constant, and may."""
        spread, size = self._high - self._low, np.maximum(np.abs(self._low), np.abs(self._high))
        lost = (spread > 1e-12 * size) & (self._error > spread / 32)
        if lost.any():
            j = int(lost.argmax())
            raise InputError(
                f"{name}, column {columns[j]}: its values differ by {spread[j]:.3g} around "
                f"{self._high[j]:.6g}, which numbers of 32 bits cannot tell apart: subtract its mean"
            )


def values_of(x: Array, whole: bool | None = None, levels: int = 0) -> Work[tuple[str, int]]:
    """("binary", 0) where all is 0 or 1, ("integer", levels) for whole numbers up to 255, or ("real", 0).

    whole: whether they are whole numbers, where that is known.
    """
    asked, binary, low, high = whole is None, True, np.inf, -np.inf
    for part in slices(len(x), NUMBERS / x.shape[1]):
        block = x[part]
        binary = binary and bool(((block == 0) | (block == 1)).all())
        if asked and whole is not False:
            whole = bool((block == np.floor(block)).all())
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        yield Progress(part.stop, len(x), "look at the values")
    if binary:
        return "binary", 0
    if whole and low >= 0 and high <= 255:
        return "integer", levels or int(high) + 1
    return "real", 0


def is_class(entries: Collection[str]) -> bool:
    """Whether these look like labels: text, or not too many whole numbers."""
    numbers = [number_in(entry) for entry in entries]
    whole = all(n is not None and n.is_integer() for n in numbers)
    return None in numbers or (whole and len(entries) <= MAX_CLASSES)


def classes(entries: Sequence[str], where: str) -> tuple[tuple[str, ...], Array]:
    """(names of the classes, class of each entry (int64)); whole numbers in their order, text sorted."""
    numbers = [number_in(entry) for entry in entries]
    if all(n is not None and n.is_integer() for n in numbers):
        entries = [str(int(n)) for n in numbers if n is not None]
        names = sorted(set(entries), key=int)
    else:
        names = sorted(set(entries))
    if len(names) > MAX_CLASSES:
        raise InputError(f"{where} has {len(names)} different entries; labels may have {MAX_CLASSES}")
    index = {name: i for i, name in enumerate(names)}
    return tuple(names), np.array([index[entry] for entry in entries], dtype=np.int64)


def number_in(text: str) -> float | None:
    """The number that a cell holds, as np.loadtxt reads it: no underscores, no digits of other scripts."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]

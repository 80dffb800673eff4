"""What the readers of the user's files share: the table that they make, what its values and labels are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from backends.base import Array, InputError
from backends.estimates import slices

MAX_VALUES = 2**30  # 4 GiB as float32
MAX_CLASSES = 256
NUMBERS = 2**20  # that are looked at in one go


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


def check_told_apart(rows: Array, x: Array, columns: Sequence[str], name: str) -> None:
    """Raise InputError for a column of rows (n, d) whose values are apart, and much less so in float32, as x.
    One that varies by no more than float64's own rounding is a constant, and may."""
    low, high = rows.min(0).astype(np.float64), rows.max(0).astype(np.float64)
    spread, size = high - low, np.maximum(np.abs(low), np.abs(high))
    error = np.array(
        [np.abs(wide.astype(np.float64) - narrow).max() for wide, narrow in zip(rows.T, x.T, strict=True)]
    )
    lost = (spread > 1e-12 * size) & (error > spread / 32)
    if lost.any():
        j = int(lost.argmax())
        raise InputError(
            f"{name}, column {columns[j]}: its values differ by {spread[j]:.3g} around {high[j]:.6g}, which "
            "numbers of 32 bits cannot tell apart: subtract its mean"
        )


def values_of(x: Array, whole: bool, levels: int = 0) -> tuple[str, int]:
    """("binary", 0) where all is 0 or 1, ("integer", levels) for whole numbers up to 255, or ("real", 0)."""
    parts = (x[rows] for rows in slices(len(x), NUMBERS / x.shape[1]))
    if all(((part == 0) | (part == 1)).all() for part in parts):  # the first that is not ends the search
        return "binary", 0
    if whole and x.min() >= 0 and x.max() <= 255:
        return "integer", levels or int(x.max()) + 1
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

"""A data set: rows in three splits, with what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backends.base import Array, DataInfo, InputError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Rows x (n, d) float32, C-contiguous, and labels (n,) int64, indices into the set's label_names.

    factors: (n, f) float32, what each row was made from, where that is known; a column for each of the set's
    factor_names.
    """

    x: Array
    labels: Array | None = None
    factors: Array | None = None

    def __len__(self) -> int:
        return len(self.x)

    def part(self, rows: slice) -> Split:
        """Some of the rows, sharing their memory."""
        return Split(
            self.x[rows],
            None if self.labels is None else self.labels[rows],
            None if self.factors is None else self.factors[rows],
        )


@dataclass(frozen=True, eq=False)
class Density:
    """The distribution that the rows were drawn from.

    log_prob: x (n, d) → log p(x), (n,) float64, −inf where the density is zero.
    entropy: −E log p(x) in nats: no model's mean log-likelihood on unseen rows can be above −entropy,
    save for sampling noise.
    """

    log_prob: Callable[[Array], Array]
    entropy: float


@dataclass(frozen=True, eq=False)
class DataSet:
    """Rows in three splits, what is known of them, and their true density where it is known.

    notes: sentences on what was left out.
    """

    info: DataInfo
    train: Split
    validation: Split
    test: Split
    density: Density | None = None
    notes: tuple[str, ...] = ()

    def split(self, name: str) -> Split:
        """The split of one of the names in SPLITS; raises InputError for another."""
        if name not in SPLITS:
            raise InputError(f"there is no split '{name}'; there are {', '.join(SPLITS)}")
        split: Split = getattr(self, name)
        return split


def in_splits(rows: Split, train: int, validation: int) -> tuple[Split, Split, Split]:
    """The first rows for training, the next for validation, the rest held out; nothing is copied."""
    end = train + validation
    return rows.part(slice(train)), rows.part(slice(train, end)), rows.part(slice(end, None))


def shuffled(n: int) -> Array:
    """The order (n,) in which the rows of a file are split: always the same, in every version of NumPy."""
    return np.random.RandomState(0).permutation(n)


def split_sizes(n: int, name: str) -> tuple[int, int]:
    """How many of n rows are for training and for validation; 15 % are held out. name: where they are from.

    Raises InputError for fewer than three.
    """
    if n < len(SPLITS):
        raise InputError(f"{name} has {n} row{'s' * (n != 1)}; at least 3 are needed to split them")
    validation = max(1, n // 10)
    return n - validation - max(1, round(0.15 * n)), validation


def value_range(x: Array) -> tuple[float, float]:
    """(smallest, largest) value, kept apart where all are the same."""
    low, high = float(x.min()), float(x.max())
    return (low, high) if low < high else (low, low + 1)

"""The clusters of a mixture, each row in the component that is most probable for it, against known labels."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array, InputError, Responsibilities
from backends.data import Split

_BLOCK = 1024  # rows between two yields


@dataclass(frozen=True, eq=False)
class Agreement:
    """How clusters agree with labels.

    table: (L, K) int64, how many rows of a label are in a cluster. partner: the cluster that each label is
    paired with, (L,), −1 where there is none for it. matched: rows that are in their label's partner. purity:
    share of the rows whose label is the commonest of their cluster. rand: the adjusted Rand index.
    """

    table: Array
    partner: Array
    matched: int
    purity: float
    rand: float

    @property
    def order(self) -> Array:
        """Clusters (K,): the labels' partners in the order of labels, then the others, the largest first."""
        partners = self.partner[self.partner >= 0]
        rest = np.setdiff1d(np.arange(self.table.shape[1]), partners)
        return np.concatenate([partners, rest[np.argsort(-self.table.sum(0)[rest], kind="stable")]])


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which cluster each row is in, (n,) int64, how many are in each, (K,), and the agreement with the labels
    where there are any."""

    step: int
    split: str
    of: Array
    sizes: Array
    agreement: Agreement | None = None

    def members(self, cluster: int) -> Array:
        """The rows of a cluster, by number."""
        return np.flatnonzero(self.of == cluster)


def clusters(model: Any, rows: Split, split: str = "") -> Generator[None, None, Clusters]:
    """Each row in its most probable component, in blocks; ``split`` is the rows' name.

    Raises InputError for a model without responsibilities.
    """
    of, k = np.empty(len(rows), np.int64), 0
    for start in range(0, max(len(rows), 1), _BLOCK):
        q = model.encode(rows.x[start : start + _BLOCK])
        if not isinstance(q, Responsibilities):
            raise InputError(f"a {model.kind} has no clusters")
        of[start : start + _BLOCK] = q.probs.argmax(1)
        k = q.probs.shape[1]
        yield
    labels = rows.labels
    found = None if labels is None or not len(rows) else agreement(labels, of, k)
    return Clusters(model.stamp.step, split, of, np.bincount(of, minlength=k), found)


def agreement(labels: Array, of: Array, clusters: int) -> Agreement:
    """How clusters ``of`` (n,) in 0 … clusters − 1 agree with labels (n,) of 0 … L − 1; n ≥ 1."""
    table = np.zeros((int(labels.max()) + 1, clusters), np.int64)
    np.add.at(table, (labels, of), 1)
    partner, matched = best_matching(table)
    purity = float(table.max(0).sum() / table.sum())
    return Agreement(table, partner, matched, purity, adjusted_rand_index(table))


def best_matching(table: Array) -> tuple[Array, int]:
    """The pairing of labels and clusters that has the most rows (the Hungarian method, Kuhn 1955).

    table (L, K) → each label's cluster (L,), −1 where there are too few, and the rows in the pairing.
    """
    from scipy.optimize import linear_sum_assignment

    label, cluster = linear_sum_assignment(table, maximize=True)
    partner = np.full(len(table), -1)
    partner[label] = cluster
    return partner, int(table[label, cluster].sum())


def adjusted_rand_index(table: Array) -> float:
    """Agreement of two partitions by pairs of rows, from their table of counts: 1 for the same, about 0 for
    independent ones (Hubert & Arabie 1985)."""

    def pairs(counts: Array) -> float:
        counts = counts.astype(np.float64)
        return float((counts * (counts - 1)).sum() / 2)

    both, first, second = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    everything = pairs(table.sum(keepdims=True))
    expected = first * second / everything if everything else 0.0
    most = (first + second) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)

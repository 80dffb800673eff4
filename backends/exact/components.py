"""What a mixture's components are asked: the part of EM that depends on their family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Self

import numpy as np

from backends.base import Array
from backends.exact.densities import Density

EMPTY = 1e-10  # a component with fewer points than this has none: what it was is kept
_BLOCK = 2**17  # numbers in a block of rows: a megabyte, which stays in the cache
_FEWEST = 256  # rows in a block, below which matrix products are slow


class Components(ABC):
    """p(x|k) for k = 1 … K: frozen, in float64, an exponential family.

    Sums over rows are tuples of arrays with one entry a component first, the expected counts
    N_k = Σ_n r_nk foremost; sums of different rows can be added.
    """

    #: (K, d): the mean of each component.
    means: Array
    #: What computes log p(x|k) and the sums.
    density: Density

    @abstractmethod
    def arrays(self) -> dict[str, Array]:
        """What :meth:`with_arrays` needs to make these again, bit for bit."""

    @abstractmethod
    def with_arrays(self, arrays: Mapping[str, Array]) -> Self:
        """Components of the same form from arrays of the same shapes; raises InputError naming a bad one."""

    @abstractmethod
    def theta(self) -> Array:
        """The parameters as a flat vector in which every value is allowed."""

    @abstractmethod
    def theta_names(self, columns: list[str]) -> list[str]:
        """What each entry of :meth:`theta` is called; columns: the names of the data's."""

    @abstractmethod
    def at(self, theta: Array) -> Self:
        """Components of the same form with other parameters, in the order of :meth:`theta`."""

    def log_prob(self, x: Array) -> Array:
        """log p(x|k), (n, d) float64 → (n, K)."""
        return np.asarray(self.density.log_prob(self.density.features(x)))

    def sums(self, x: Array, r: Array) -> tuple[Array, ...]:
        """Σ_n r_nk t(x_n) of rows x (n, d) float64 with responsibilities r (n, K)."""
        return self.density.sums(self.density.features(x), r)

    def statistics(self, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        """Sums over all rows in the form that the M-step and the bound take; counts foremost."""
        return self.density.statistics(sums)

    @abstractmethod
    def expected_log_prob(self, statistics: tuple[Array, ...]) -> float:
        """Σ_n Σ_k r_nk log p(x_n|k), of these components on the statistics of those rows."""

    @abstractmethod
    def maximise(self, statistics: tuple[Array, ...]) -> Self:
        """The components at which :meth:`expected_log_prob` is largest. Those without points stay.

        Raises InputError naming a component that has no density there.
        """

    def objective(self, statistics: tuple[Array, ...]) -> float:
        """What :meth:`maximise` maximises, at these components."""
        return self.expected_log_prob(statistics)

    @abstractmethod
    def gradient(self, statistics: tuple[Array, ...]) -> Array:
        """The gradient of :meth:`objective` with respect to :meth:`theta`."""

    def bounded(self) -> Self:
        """The nearest components that an M-step may lead to; raises InputError naming one without density."""
        return self

    def mean_statistics(
        self, first: tuple[Array, ...], a: float, second: tuple[Array, ...], b: float
    ) -> tuple[Array, ...]:
        """The statistics of all these rows, those of ``first`` counted a times and of ``second`` b times."""
        return tuple(a * one + b * other for one, other in zip(first, second, strict=True))

    @abstractmethod
    def sample(self, k: Array, rng: np.random.Generator) -> Array:
        """One row for each component index in k (n,), (n, d)."""

    def weights(self, counts: Array) -> Array:
        """The M-step's π (K,), from the expected counts (K,)."""
        return np.asarray(counts / counts.sum())

    def log_prior(self, weights: Array) -> float | None:
        """log p(θ) of π and these components; None for maximum likelihood."""
        return None

    def check(self, x: Array) -> None:  # noqa: B027 - most families take all numbers
        """Raise InputError where rows x (n, d) are of no kind that these components can produce."""

    def notes(self) -> tuple[str, ...]:
        """Sentences on components that are held open artificially, by number from 1."""
        return ()


def blocks(x: Array, width: int) -> Iterator[tuple[slice, Array]]:
    """Rows of x (n, d) in float64, some at a time; ``width`` numbers a row are computed from them."""
    rows = max(_FEWEST, _BLOCK // max(width, x.shape[1], 1))
    for start in range(0, len(x), rows):
        part = slice(start, min(start + rows, len(x)))
        yield part, x[part].astype(np.float64)


def numbers(indices: Array) -> str:
    """Components in words, counted from 1: "component 3", "components 1, 2 and 9"."""
    names = [str(int(i) + 1) for i in indices]
    if len(names) > 8:
        names = [*names[:7], f"{len(names) - 7} more"]
    return (
        f"component {names[0]}" if len(names) == 1 else f"components {', '.join(names[:-1])} and {names[-1]}"
    )

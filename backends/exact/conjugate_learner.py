"""Learning by conjugate Bayes: p(θ|x₁ … x_n) ∝ p(x_n|θ) p(θ|x₁ … x_{n−1}), one row a step.

The prior is of a family that this never leaves, so that prior, posterior, evidence and predictions are all in
closed form. By the chain rule log p(x₁ … x_n) = Σ_i log p(x_i|x₁ … x_{i−1}): the evidence is what the model
has been worth as a forecaster.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self

import numpy as np

from backends.base import Array, DataInfo, Diverged, InputError, Stamp, State, ThetaAxis, Value
from backends.exact import require_cpu
from backends.parameters import Parameter, check_live, resolve
from backends.states import check_arrays, whole_number


class ThetaDensity(Protocol):
    """A distribution of θ: the prior, or the posterior in the same family."""

    def log_prob(self, thetas: Array) -> Array:
        """(m, p) → (m,), −inf where θ is impossible."""
        ...

    def mode(self) -> Array: ...
    def mean(self) -> Array: ...
    def sample(self, n: int, rng: np.random.Generator) -> Array: ...
    def interval(self) -> Array:
        """Of each coordinate by itself, the middle 99 %: (p, 2)."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class ConjugateModel(ABC):
    """What the models have in common; see :class:`backends.capabilities.Bayesian` for what they answer.

    seen: the rows (n, d), of which a subclass keeps the sufficient statistics, too.
    """

    kind: ClassVar[str]
    latent_dim: ClassVar[int] = 0

    info: DataInfo
    stamp: Stamp
    seen: Array
    prior: ThetaDensity

    @classmethod
    @abstractmethod
    def start(cls, values: Mapping[str, Value], info: DataInfo, stamp: Stamp, seen: Array) -> Self:
        """The prior of these values; ``seen`` has no rows."""

    @abstractmethod
    def updated(self, rows: Array) -> Self:
        """With the statistics of more rows (n, d); stamp and ``seen`` stay."""

    @abstractmethod
    def blank(self) -> Self:
        """With the statistics of no rows; stamp and ``seen`` stay."""

    @property
    @abstractmethod
    def posterior(self) -> ThetaDensity: ...

    @property
    @abstractmethod
    def theta_axes(self) -> tuple[ThetaAxis, ...]: ...

    @abstractmethod
    def log_likelihood_theta(self, thetas: Array) -> Array: ...

    @abstractmethod
    def log_evidence(self) -> float: ...

    @abstractmethod
    def ml_theta(self) -> Array | None: ...

    @abstractmethod
    def log_predictive(self, x: Array) -> Array: ...

    def earlier(self, n: int) -> Self:
        """The model after the first n of the rows seen."""
        if not 0 <= n <= len(self.seen):
            raise InputError(f"{n} rows are asked for, and {len(self.seen)} have been seen")
        rows = self.seen[:n]
        return replace(self.blank().updated(rows), stamp=Stamp(self.stamp.run, n), seen=rows)

    def log_prior_theta(self, thetas: Array) -> Array:
        """log p(θ), (m, p) → (m,)."""
        return self.prior.log_prob(self._thetas(thetas))

    def log_posterior_theta(self, thetas: Array) -> Array:
        """log p(θ|X), normalised, (m, p) → (m,)."""
        return self.posterior.log_prob(self._thetas(thetas))

    def map_theta(self) -> Array:
        """The mode of p(θ|X) as a density of these coordinates, (p,)."""
        return self.posterior.mode()

    def posterior_mean(self) -> Array:
        """E[θ|X], (p,)."""
        return self.posterior.mean()

    def sample_theta(self, n: int, seed: int, prior: bool = False) -> Array:
        """θ from the posterior, or from the prior, (n, p)."""
        return (self.prior if prior else self.posterior).sample(n, np.random.default_rng(seed))

    def rows(self, x: Array) -> Array:
        """Rows (n, d) in float64; raises InputError for another shape and for what is not a number."""
        array = np.asarray(x, np.float64)
        if array.ndim != 2 or array.shape[1] != self.info.dim:
            raise InputError(f"x has shape {array.shape}, and this model needs (n, {self.info.dim})")
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            row, column = bad[0]
            raise InputError(f"row {row + 1}, column {column + 1} is {array[row, column]}")
        return array

    def _thetas(self, thetas: Array) -> Array:
        array, p = np.asarray(thetas, np.float64), len(self.posterior.mode())
        if array.ndim != 2 or array.shape[1] != p:
            raise InputError(f"thetas has shape {array.shape}, and this model needs (m, {p})")
        return array


def axis(name: str, wide: Array, focus: Array) -> ThetaAxis:
    """An axis over an interval (2,), widened to what it focuses on."""
    low, high = float(focus[0]), float(focus[1])
    return ThetaAxis(name, min(float(wide[0]), low), max(float(wide[1]), high), (low, high))


class ConjugateLearner:
    """Takes the training rows (n, d) into the posterior, one a step, in an order drawn with the seed.

    ``steps`` counts the rows seen, those given by hand (:meth:`observe`) included. After the last row
    ``step`` raises InputError; :attr:`total_steps` says when that is.
    """

    #: The kind's parameters, and its model.
    parameters: Sequence[Parameter]
    model: type[ConjugateModel]

    def __init__(
        self,
        x: Array,
        info: DataInfo,
        values: Mapping[str, Value],
        seed: int = 0,
        device: str = "cpu",
        run: str = "",
    ) -> None:
        require_cpu(device)
        self._values = resolve(self.parameters, values)
        self._info, self._run = info, run
        nothing = np.zeros((0, info.dim), np.float32)
        self._blank = self._model = self.model.start(self._values, info, Stamp(run, 0), nothing)
        self._blank.rows(x)
        self._x = x
        self._seed = seed
        self._order = _order(seed, len(x))
        self._taken = 0  # of the training rows
        self._seen = nothing  # with room for more rows at its end
        self._steps = 0
        self._by_hand = 0

    @property
    def by_hand(self) -> int:
        return self._by_hand

    @property
    def steps(self) -> int:
        return self._steps

    @property
    def total_steps(self) -> int:
        return self._steps + max(len(self._x) - self._taken, 0)

    @property
    def steps_per_epoch(self) -> float:
        return max(1.0, len(self._x))

    @property
    def values(self) -> Mapping[str, Value]:
        return dict(self._values)

    def set(self, name: str, value: Value) -> None:
        check_live(self.parameters, name, value)

    def step(self) -> Mapping[str, float]:
        """Take in the next row; see :meth:`observe` for the scalars."""
        if self._taken >= len(self._x):
            n, name = len(self._x), self._info.name
            all_seen = f"all {n} training rows of '{name}' have been seen"
            none = f"there are no rows of '{name}'"
            raise InputError(f"{all_seen if n else none}: what comes now has to be given by hand")
        try:
            (scalars,) = self.observe(self._x[self._order[self._taken]][None])
        except InputError as error:
            raise Diverged(str(error)) from error
        self._taken += 1
        self._by_hand = 0
        return scalars

    def observe(self, rows: Array) -> Sequence[Mapping[str, float]]:
        """Take in rows (m, d), given by hand, one after the other; their numbers are kept as float32.

        Of each row: "log_predictive", log p(x_n|x₁ … x_{n−1}), and "log_evidence", log p(x₁ … x_n), in nats,
        which is the sum of the former over all rows so far. Raises InputError, taking none, where a row is no
        datum of this model, or too far out for float64.
        """
        with np.errstate(over="ignore"):
            given = np.array(rows, np.float32, ndmin=2)
        self._model.rows(given)
        model, scalars = self._model, []
        for row in given:
            with np.errstate(over="ignore", invalid="ignore"):
                before, model = model, model.updated(row[None])
                of_step = {
                    "log_predictive": float(before.log_predictive(row[None])[0]),
                    "log_evidence": model.log_evidence(),
                }
            for name, value in of_step.items():
                if not math.isfinite(value):
                    raise InputError(f"at the row {row.tolist()} {name} is {value}")
            scalars.append(of_step)
        self._append(given)
        self._model = model
        self._by_hand += len(given)
        return scalars

    def forget(self, n: int) -> None:
        """Be as before the newest n rows, bit for bit; raises InputError for more than were given by hand."""
        if not 0 <= n <= self._by_hand:
            raise InputError(f"{n} rows cannot be taken back: {self._by_hand} of the newest came by hand")
        by_hand, state = self._by_hand - n, self.state()
        self.restore(State({"seen": state.arrays["seen"][: self._steps - n]}, state.values))
        self._by_hand = by_hand

    def _append(self, rows: Array) -> None:
        """Snapshots keep views of the part that is filled: it is never written to again."""
        end = self._steps + len(rows)
        if end > len(self._seen):
            larger = np.zeros((2 * end, self._info.dim), np.float32)
            larger[: self._steps] = self._seen[: self._steps]
            self._seen = larger
        self._seen[self._steps : end] = rows
        self._steps = end

    def snapshot(self) -> ConjugateModel:
        seen = self._seen[: self._steps]
        seen.flags.writeable = False
        return replace(self._model, stamp=Stamp(self._run, self._steps), seen=seen)

    def state(self) -> State:
        """The rows seen, how many of them were training rows, and the seed of those rows' order."""
        seen = self._seen[: self._steps].copy()
        return State({"seen": seen}, {"taken": self._taken, "seed": self._seed})

    def restore(self, state: State) -> None:
        """Take over a state: its rows are taken in again, in their order, which gives the same posterior to
        the last bit. Raises InputError naming the array or value that does not fit."""
        n = len(state.arrays.get("seen", ()))
        check_arrays(state.arrays, {"seen": np.zeros((n, self._info.dim), np.float32)})
        taken, seed = (whole_number(state.values, name) for name in ("taken", "seed"))
        if taken > n:
            raise InputError(f"taken: {taken} training rows cannot be among the {n} seen")
        seen = np.array(state.arrays["seen"])
        model = self._blank
        model.rows(seen)
        with np.errstate(over="ignore", invalid="ignore"):
            for row in seen:
                model = model.updated(row[None])
            if not math.isfinite(model.log_evidence()):
                raise InputError("seen: its rows are too far out for float64")
        self._model, self._seen, self._steps = model, seen, n
        self._taken, self._seed, self._order = taken, seed, _order(seed, len(self._x))
        self._by_hand = 0


def _order(seed: int, n: int) -> Array:
    """A random order of n rows, from a stream that NumPy never changes: a saved run goes on with it."""
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed))).permutation(n)

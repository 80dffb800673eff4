"""Mixtures p(x) = Σ_k π_k p(x|k), and EM for them (Dempster, Laird & Rubin 1977).

    E-step:  r_nk = π_k p(x_n|k) / Σ_j π_j p(x_n|j)                            (Bishop 2006, eq. 9.13, 9.23)
    M-step:  π_k = N_k / n,  N_k = Σ_n r_nk,  and p(x|k) fitted to the rows weighted by r_nk     (eq. 9.26)
    L(q, θ) = Σ_n Σ_k r_nk log π_k p(x_n|k) + H(r) ≤ log p(X|θ)             (eq. 9.71; Neal & Hinton 1998)

A pass over the rows (:mod:`backends.exact.rows`) leaves only sums over them, and L after an M-step is
computed from those sums and the new θ: not by the road on which log p(X|θ) is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import log_softmax

from backends.base import (
    Array,
    DataInfo,
    Diverged,
    Elbo,
    InputError,
    Responsibilities,
    Stamp,
    State,
    Value,
)
from backends.exact.components import EMPTY, Components, blocks, check_arrays, numbers
from backends.exact.posteriors import Exact, log_sum_exp
from backends.exact.rows import Expectation, Rows, log_of, weighted_log
from backends.exact.seeding import choose_rows
from backends.parameters import Parameter, check_live, resolve

_LOG_SMALLEST = -700.0  # stands for the logarithm of a weight of zero in θ, where all must be finite


class Mixture:
    """A mixture as it was after a step: encodes, samples, log_prob, elbo, parameters.

    ``weights`` π (K,) and ``means`` (K, d), float64 and read-only. θ = (log π up to a constant, the
    components' own): any θ is a mixture, so that a line through two of them is one of mixtures.
    """

    latent_dim = 0

    def __init__(self, kind: str, info: DataInfo, form: Components, theta: Array, stamp: Stamp) -> None:
        k = len(form.means)
        self.kind, self.info, self.stamp = kind, info, stamp
        self._theta = theta
        self._log_weights: Array = log_softmax(theta[:k])
        self._components = form.at(theta[k:])
        self.weights: Array = np.exp(self._log_weights)
        self.means: Array = self._components.means
        self.weights.flags.writeable = self.means.flags.writeable = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on components that have no points or no width of their own."""
        return _notes(self.weights, self._components)

    def encode(self, x: Array) -> Responsibilities:
        """Responsibilities p(k|x), (n, d) → (n, K) float64."""
        log_joint = self._log_joint(x)
        return Responsibilities(np.exp(log_joint - log_sum_exp(log_joint)[:, None]))

    def log_prob(self, x: Array) -> Array:
        """Exact log p(x), (n, d) → (n,) float64."""
        return log_sum_exp(self._log_joint(x))

    def elbo(self, x: Array, samples: int = 1, seed: int = 0) -> Elbo:
        """The bound with q(k|x) = p(k|x), exactly: Σ_k r_k log p(x|k), and KL(r‖π); their difference is
        log p(x). ``samples`` and ``seed`` are not needed."""
        log_joint = self._log_joint(x)
        log_r = log_joint - log_sum_exp(log_joint)[:, None]
        r = np.exp(log_r)
        return Elbo(
            weighted_log(r, log_joint - self._log_weights), weighted_log(r, log_r - self._log_weights)
        )

    def sample(self, n: int, seed: int) -> Array:
        """x ~ p(x), (n, d) float32; the same seed gives the same rows."""
        rng = np.random.default_rng(seed)
        k = rng.choice(len(self.weights), size=n, p=self.weights / self.weights.sum())
        return np.ascontiguousarray(self._components.sample(k, rng), np.float32)

    def theta(self) -> Array:
        """log π up to a constant (K), then the components' parameters; float64."""
        return self._theta.copy()

    def at(self, theta: Array) -> Mixture:
        """The same mixture with other parameters, in the order of :meth:`theta`."""
        if np.shape(theta) != self._theta.shape:
            raise InputError(f"theta has shape {np.shape(theta)}, not {self._theta.shape}")
        theta = np.array(theta, np.float64)
        return type(self)(self.kind, self.info, self._components, theta, self.stamp)

    def _log_joint(self, x: Array) -> Array:
        """log π_k p(x|k), (n, K)."""
        _check_rows(x, self.info, self._components)
        out = np.empty((len(x), len(self.weights)))
        for rows, part in blocks(x, len(self.weights)):
            out[rows] = self._components.log_prob(part)
        return out + self._log_weights


class MixtureLearner(ABC):
    """EM, in whole or half steps; a step is an iteration and ends with an M-step.

    x: (n, d) float32 training rows; n may be 0, and then there is no stepping.
    Raises InputError where data and values do not fit each other.
    """

    #: The name of the kind, its parameters, and the model that it makes.
    kind: str
    parameters: Sequence[Parameter]
    model: type[Mixture] = Mixture

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
        if device != "cpu":
            raise InputError(f"the exact backend computes on the CPU, not on '{device}'")
        self._rows, self._info, self._run = Rows(x), info, run
        k = int(self._values["components"])
        centres = np.zeros((k, info.dim))
        if len(x):
            if len(x) < k:
                raise InputError(
                    f"components is {k}, and there are {len(x)} training rows: choose at most {len(x)}"
                )
            _check_finite(x)
            centres = choose_rows(x, k, str(self._values["init"]), np.random.default_rng(seed))
        self._components = self._start(x, centres)
        _check_rows(x, info, self._components)
        self._weights = np.full(k, 1 / k)
        self._q = Exact()
        self._next = "E"
        self._steps = 0
        self._expectation: Expectation | None = None

    @abstractmethod
    def _start(self, x: Array, centres: Array) -> Components:
        """The components on the given centres (K, d), as wide as the rows around them."""

    @property
    def steps(self) -> int:
        return self._steps

    @property
    def steps_per_epoch(self) -> float:
        return 1.0

    @property
    def values(self) -> Mapping[str, Value]:
        return dict(self._values)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on components that have no points or no width of their own."""
        return _notes(self._weights, self._components)

    def set(self, name: str, value: Value) -> None:
        check_live(self.parameters, name, value)

    def begin(self, weights: Array, components: Components) -> None:
        """Go on from weights (K,) and components chosen by hand, with an E-step.

        Raises InputError where they are not of this mixture's form.
        """
        if type(components) is not type(self._components):
            raise InputError(f"components of {self.kind} cannot be {type(components).__name__}")
        self._take({"weights": np.array(weights, np.float64), **components.arrays()})
        self._next = "E"

    def step(self) -> Mapping[str, float]:
        """The rest of an iteration: E and M, or M after a half-step E; the scalars after the M-step.

        In nats a datum: "log_likelihood", "elbo" (of the E-step's q at the new θ) and its two terms
        "expected_log_joint" and "entropy". With a prior also "log_posterior", log p(X, θ)/n: then it is
        this that never falls.
        """
        while True:
            half, scalars = self.half_step()
            if half == "M":
                return scalars

    def half_step(self) -> tuple[str, Mapping[str, float]]:
        """The next half, "E" or "M", and the scalars after it."""
        if not len(self._rows):
            raise InputError("there are no training rows to go on with")
        if self._expectation is None:
            self._expectation = self._rows.expectation(self._weights, self._components, self._q)
        now = self._expectation
        if self._next == "E":
            scalars = self._scalars(now, self._weights, self._components, now)
            self._next = "M"
            return "E", scalars
        weights = self._components.weights(now.statistics[0])
        try:
            components = self._components.maximise(now.statistics)
        except InputError as error:
            raise Diverged(f"step {self._steps + 1}: {error}") from error
        # the pass for the new log-likelihood is also the E-step that comes next
        after = self._rows.expectation(weights, components, self._q)
        scalars = self._scalars(now, weights, components, after)
        self._weights, self._components, self._expectation = weights, components, after
        self._next = "E"
        self._steps += 1
        return "M", scalars

    def _scalars(
        self, q: Expectation, weights: Array, components: Components, at: Expectation
    ) -> dict[str, float]:
        scalars = q.scalars(weights, components)
        scalars["log_likelihood"] = at.log_likelihood / at.rows
        log_prior = components.log_prior(weights)
        if log_prior is not None:
            scalars["log_posterior"] = (at.log_likelihood + log_prior) / at.rows
        for name, value in scalars.items():
            if not np.isfinite(value):
                raise Diverged(f"step {self._steps + 1}: {name} is {value}")
        return scalars

    def snapshot(self) -> Any:
        log_weights = np.maximum(log_of(self._weights), _LOG_SMALLEST)
        theta = np.concatenate([log_weights, self._components.theta()])
        return self.model(self.kind, self._info, self._components, theta, Stamp(self._run, self._steps))

    def state(self) -> State:
        """θ, the steps made and which half comes next: an E-step's q follows from θ and the rows."""
        arrays = {"weights": self._weights.copy()}
        arrays |= {name: array.copy() for name, array in self._components.arrays().items()}
        return State(arrays, {"steps": self._steps, "next": self._next})

    def restore(self, state: State) -> None:
        steps, half = state.values.get("steps"), state.values.get("next")
        if not isinstance(steps, int) or steps < 0:
            raise InputError(f"steps: {steps!r} is not a number of steps")
        if half not in ("E", "M"):
            raise InputError(f"next: {half!r} is neither E nor M")
        self._take(state.arrays)
        self._steps, self._next = steps, half

    def _take(self, arrays: Mapping[str, Array]) -> None:
        """Take over weights and components, or raise InputError and stay as it was."""
        check_arrays(arrays, {"weights": self._weights, **self._components.arrays()})
        weights = np.array(arrays["weights"])
        if (weights < 0).any() or abs(weights.sum() - 1) > 1e-6:
            raise InputError("array weights holds no probabilities that sum to one")
        own = {name: np.array(array) for name, array in arrays.items() if name != "weights"}
        self._components = self._components.with_arrays(own)
        self._weights, self._expectation = weights, None


def _notes(weights: Array, components: Components) -> tuple[str, ...]:
    empty = np.flatnonzero(weights <= EMPTY)
    lost = (f"{numbers(empty)} lost all points",) if len(empty) else ()
    return lost + components.notes()


def _check_rows(x: Array, info: DataInfo, components: Components) -> None:
    if np.ndim(x) != 2 or x.shape[1] != info.dim:
        raise InputError(f"x has shape {np.shape(x)}, and {info.name} has {info.dim} columns")
    components.check(x)


def _check_finite(x: Array) -> None:
    for rows, part in blocks(x, 1):
        bad = np.argwhere(~np.isfinite(part))
        if len(bad):
            row, column = bad[0]
            raise InputError(
                f"row {rows.start + row + 1}, column {column + 1} of the training rows is {part[row, column]}"
            )

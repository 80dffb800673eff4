"""EM for mixtures p(x) = Σ_k π_k p(x|k) (Dempster, Laird & Rubin 1977), exact and variational, by all rows or
by batches.

    E-step:  q_nk = π_k p(x_n|k) / Σ_j π_j p(x_n|j)                            (Bishop 2006, eq. 9.13, 9.23)
    M-step:  π_k = N_k / n,  N_k = Σ_n q_nk,  and p(x|k) fitted to the rows weighted by q_nk     (eq. 9.26)
    L(q, θ) = Σ_n Σ_k q_nk log π_k p(x_n|k) + H(q) ≤ log p(X|θ)             (eq. 9.71; Neal & Hinton 1998)

With a restricted q (:mod:`backends.exact.posteriors`) the E-step is the best q of its family, or for one with
parameters φ some gradient steps; then the M-step, too, is some gradient steps. Both only ever raise L.

By batches, the M-step takes a running average of their statistics, s ← (1 − ρ_t) s + ρ_t ŝ, all scaled to n
rows (Cappé & Moulines 2009, eq. 8); the first batch, and one of all rows, is taken as it is.

A pass over the rows (:mod:`backends.exact.rows`) leaves only sums over them, and L after an M-step is
computed from those sums and the new θ: not by the road on which log p(X|θ) is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import log_softmax

from backends.base import Array, DataInfo, Diverged, InputError, Stamp, State, Value
from backends.exact import require_cpu
from backends.exact.ascent import Point, ascend
from backends.exact.batches import Batches, step_size
from backends.exact.components import Components, blocks
from backends.exact.mixture_model import Mixture, check_rows, notes
from backends.exact.mixtures import check_posterior, placement
from backends.exact.posteriors import Amortised, Exact, Hard, Posterior
from backends.exact.rows import Expectation, Rows, log_of
from backends.exact.seeding import choose_rows
from backends.parameters import Parameter, check_live, resolve
from backends.placement import Placement
from backends.states import check_arrays, whole_number

_LOG_SMALLEST = -700.0  # stands for the logarithm of a weight of zero in θ, where all must be finite
_SMALLEST = float(np.exp(_LOG_SMALLEST))


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
        check_posterior(self._values)
        self._passes = self.passes_on(device)
        self._rows, self._info, self._run = self._passes(x), info, run
        k = int(self._values["components"])
        placed = placement(info, self._values)
        centres = np.zeros((k, info.dim)) if placed is None else placed.means
        if len(x):
            if len(x) < k:
                raise InputError(
                    f"components is {k}, and there are {len(x)} training rows: choose at most {len(x)}"
                )
            _check_finite(x)
            if placed is None:
                centres = choose_rows(x, k, str(self._values["init"]), np.random.default_rng(seed))
        self._components = self._start(x, centres)
        if placed is not None:
            self._components = self._placed(self._components, placed)
        check_rows(x, info, self._components)
        self._weights = np.full(k, 1 / k)
        if placed is not None and placed.weights is not None:
            self._weights = placed.weights
        self._q: Posterior = Exact()
        if self._values["posterior"] == "hard":
            self._q = Hard()
        elif self._values["posterior"] == "gradient":
            self._q = Amortised.start(x, k)
            self._weights = np.maximum(self._weights, _SMALLEST)  # q gives mass to all components
        self._statistics: tuple[Array, ...] = ()
        self._batches: Batches | None = None
        if size := int(self._values["batch_size"]):
            self._statistics = self._no_statistics()
            self._batches = Batches(len(x), size, seed)
        self._next = "E"
        self._steps = 0
        self._expectation: Expectation | None = None

    @staticmethod
    def passes_on(device: str) -> Callable[[Array], Rows]:
        """What makes rows that are passed over on this device; raises InputError where none are."""
        require_cpu(device)
        return Rows

    @abstractmethod
    def _start(self, x: Array, centres: Array) -> Components:
        """The components on the given centres (K, d), as wide as the rows around them."""

    @abstractmethod
    def _placed(self, start: Components, placed: Placement) -> Components:
        """The components where a hand has put them; start: as :meth:`_start` makes them on the means.

        Raises InputError where there are none such.
        """

    @property
    def steps(self) -> int:
        return self._steps

    @property
    def next_half(self) -> str:
        return self._next

    @property
    def steps_per_epoch(self) -> float:
        return 1.0 if self._batches is None else float(self._batches.per_epoch)

    @property
    def values(self) -> Mapping[str, Value]:
        return dict(self._values)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on components that have no points or no width of their own."""
        return notes(self._weights, self._components)

    def set(self, name: str, value: Value) -> None:
        self._values[name] = check_live(self.parameters, name, value)

    def begin(self, weights: Array, components: Components) -> None:
        """Go on from weights (K,) and components chosen by hand, with an E-step.

        Raises InputError where they are not of this mixture's form.
        """
        if type(components) is not type(self._components):
            raise InputError(f"components of {self.kind} cannot be {type(components).__name__}")
        self._take({**self._arrays(), "weights": np.array(weights, np.float64), **components.arrays()})
        if self._batches is not None:
            self._statistics = self._no_statistics()
        self._next = "E"

    def step(self) -> Mapping[str, float]:
        """The rest of an iteration: E and M, or M after a half-step E; the scalars after the M-step.

        In nats a datum: "log_likelihood", "elbo" (of the E-step's q at the new θ) and its two terms
        "expected_log_joint" and "entropy". With a prior also "log_posterior", log p(X, θ)/n: then it is
        the elbo plus log p(θ)/n that never falls. By batches, all are of the rows of this step's batch.
        """
        while True:
            half, scalars = self.half_step()
            if half == "M":
                return scalars

    def half_step(self) -> tuple[str, Mapping[str, float]]:
        """The next half, "E" or "M", and the scalars after it."""
        if not len(self._rows):
            raise InputError("there are no training rows to go on with")
        rows = self._rows
        if self._batches is not None and self._batches.per_epoch > 1:
            rows = rows.batch(self._batches.at(self._steps))
        if self._expectation is None:
            self._expectation = rows.expectation(self._weights, self._components, self._q)
        if self._next == "E":
            return "E", self._e_step(rows, self._expectation)
        return "M", self._m_step(rows, self._expectation)

    def _e_step(self, rows: Rows, now: Expectation) -> dict[str, float]:
        """An exact or hard q follows from θ, and its pass has been made."""
        q = self._q
        if isinstance(q, Amortised):
            q, now = self._improve_q(q, rows, now)
        scalars = self._scalars(now, self._weights, self._components, now)
        self._q, self._expectation, self._next = q, now, "M"
        return scalars

    def _m_step(self, rows: Rows, now: Expectation) -> dict[str, float]:
        statistics = now.statistics
        if self._batches is not None:
            first = len(rows) == len(self._rows) or not self._statistics[0].any()
            rho = 1.0 if first else step_size(self._steps)
            statistics = self._components.mean_statistics(
                self._statistics, 1 - rho, statistics, rho * len(self._rows) / len(rows)
            )
        try:
            if isinstance(self._q, Amortised):
                weights, components = self._improve_theta(statistics)
            else:
                weights = self._components.weights(statistics[0])
                components = self._components.maximise(statistics)
        except InputError as error:
            raise Diverged(f"step {self._steps + 1}: {error}") from error
        # the pass for the new log-likelihood is also the first of the E-step that comes next on the same rows
        after = rows.expectation(weights, components, self._q)
        scalars = self._scalars(now, weights, components, after)
        self._weights, self._components = weights, components
        self._expectation = after
        if self._batches is not None:
            self._statistics, self._expectation = statistics, None
        self._next = "E"
        self._steps += 1
        return scalars

    def _improve_q(self, q: Amortised, rows: Rows, now: Expectation) -> tuple[Amortised, Expectation]:
        """φ after the gradient steps φ ← φ + η∇_φ L, L in nats a datum; ``now`` is the pass with this φ."""
        log_weights = log_of(self._weights)

        def point(q: Amortised, e: Expectation) -> Point[tuple[Amortised, Expectation]]:
            assert e.gradient is not None
            value = e.scalars(log_weights, self._components)["elbo"]
            return Point(q.phi, value, e.gradient / e.rows, (q, e))

        def at(phi: Array) -> Point[tuple[Amortised, Expectation]]:
            other = q.at(phi)
            return point(other, rows.expectation(self._weights, self._components, other))

        return ascend(at, point(q, now), *self._pace()).what

    def _improve_theta(self, statistics: tuple[Array, ...]) -> tuple[Array, Components]:
        """θ after the gradient steps θ ← θ + η∇_θ L, L in nats a datum, over log π and the components' θ."""
        k, counts = len(self._weights), statistics[0]
        n = counts.sum()

        def point(theta: Array) -> Point[tuple[Array, Components]]:
            log_weights = log_softmax(theta[:k])
            weights, components = np.exp(log_weights), self._components.at(theta[k:]).bounded()
            value = float(counts @ log_weights + components.objective(statistics)) / n
            gradient = np.concatenate([counts - n * weights, components.gradient(statistics)]) / n
            position = np.concatenate([log_weights, components.theta()])
            return Point(position, value, gradient, (weights, components))

        def at(theta: Array) -> Point[tuple[Array, Components]]:
            try:
                return point(theta)
            except ValueError:  # singular, or beyond float64: linear algebra raises it, too
                return Point(theta, -np.inf, theta, (self._weights, self._components))

        return ascend(at, point(self._theta()), *self._pace()).what

    def _pace(self) -> tuple[float, int]:
        return float(self._values["learning_rate"]), int(self._values["gradient_steps"])

    def _scalars(
        self, q: Expectation, weights: Array, components: Components, at: Expectation
    ) -> dict[str, float]:
        scalars = q.scalars(log_of(weights), components)
        scalars["log_likelihood"] = at.log_likelihood / at.rows
        log_prior = components.log_prior(weights)
        if log_prior is not None:
            scalars["log_posterior"] = scalars["log_likelihood"] + log_prior / len(self._rows)
        for name, value in scalars.items():
            if not np.isfinite(value):
                raise Diverged(f"step {self._steps + 1}: {name} is {value}")
        return scalars

    def _theta(self) -> Array:
        log_weights = np.maximum(log_of(self._weights), _LOG_SMALLEST)
        return np.concatenate([log_weights, self._components.theta()])

    def snapshot(self) -> Any:
        stamp = Stamp(self._run, self._steps)
        theta = self._theta()
        return self.model(self.kind, self._info, self._components, theta, stamp, self._q, self._passes)

    def state(self) -> State:
        """θ, the parameters of q if it has any, the averaged statistics if there are batches, the steps made
        and which half comes next: all else follows from these and the rows."""
        values = {"steps": self._steps, "next": self._next}
        if self._batches is not None:
            values["seed"] = self._batches.seed
        return State({name: array.copy() for name, array in self._arrays().items()}, values)

    def restore(self, state: State) -> None:
        steps, half = whole_number(state.values, "steps"), state.values.get("next")
        if half not in ("E", "M"):
            raise InputError(f"next: {half!r} is neither E nor M")
        batches = self._batches
        if batches is not None:
            seed = whole_number(state.values, "seed")
            batches = Batches(len(self._rows), int(self._values["batch_size"]), seed)
        self._take(state.arrays)
        self._steps, self._next, self._batches = steps, half, batches

    def _arrays(self) -> dict[str, Array]:
        arrays = {"weights": self._weights, **self._components.arrays()}
        if isinstance(self._q, Amortised):
            arrays |= self._q.arrays()
        return arrays | {f"statistics.{i}": array for i, array in enumerate(self._statistics)}

    def _take(self, arrays: Mapping[str, Array]) -> None:
        """Take over what :meth:`_arrays` gives, or raise InputError and stay as it was."""
        check_arrays(arrays, self._arrays())
        own = {name: np.array(array) for name, array in arrays.items()}
        weights, q = own["weights"], self._q
        if (weights < 0).any() or abs(weights.sum() - 1) > 1e-6:
            raise InputError("array weights holds no probabilities that sum to one")
        if isinstance(q, Amortised):  # which gives mass to all components
            weights = np.maximum(weights, _SMALLEST)
            q = q.with_arrays({name: own[name] for name in q.arrays()})
        self._components = self._components.with_arrays(
            {name: own[name] for name in self._components.arrays()}
        )
        self._weights, self._q, self._expectation = weights, q, None
        self._statistics = tuple(own[f"statistics.{i}"] for i in range(len(self._statistics)))

    def _no_statistics(self) -> tuple[Array, ...]:
        form = self._components
        return form.statistics(form.sums(form.means[:1], np.zeros((1, len(form.means)))))


def _check_finite(x: Array) -> None:
    for rows, part in blocks(x, 1):
        bad = np.argwhere(~np.isfinite(part))
        if len(bad):
            row, column = bad[0]
            raise InputError(
                f"row {rows.start + row + 1}, column {column + 1} of the training rows is {part[row, column]}"
            )

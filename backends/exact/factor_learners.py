"""Learning probabilistic PCA and factor analysis: by EM, in half-steps, or in closed form.

    E  q(z|x) ← the exact posterior N(Pᵀ(x − μ), G), or the best q of a restricted family, or a better one
    M  W ← A B⁻¹,  ψ_j ← s_j − W_j·A_j,  with averages over the rows A = ⟨(x − μ)E_q[z]ᵀ⟩, B = ⟨E_q[zzᵀ]⟩ and
       s_j the variance of column j; σ² is the mean of the ψ_j

which is Rubin & Thayer (1982, eq. 5-7) for factor analysis and Tipping & Bishop (1999, eq. 27-28) for PPCA.
The families of q are those of :mod:`backends.exact.factor_inference`. μ is the mean of the rows from the
start, which is its maximum likelihood. The closed form of PPCA (their eq. 7 and 8) has W = U(Λ − σ²I)^½ from
the largest eigenvalues of the covariance and σ² the mean of the others.

In batches, the M-step takes running averages of s, A and B (Cappé & Moulines 2009), which begin with what
they are on data that the first θ generates: diag C, W and I.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from backends.base import Array, DataInfo, Diverged, InputError, Stamp, State, Value
from backends.exact import require_cpu
from backends.exact.ascent import ascend
from backends.exact.batches import Batches, step_size
from backends.exact.factor_gradients import Objective, flat, posterior_objective, theta_objective
from backends.exact.factor_inference import BY_THETA, Factors, Posterior, Statistics
from backends.exact.factor_model import FactorModel
from backends.exact.factor_rows import Rows, mean_and_variance
from backends.exact.factors import FACTOR_ANALYSIS_PARAMETERS, PPCA_PARAMETERS, check_data
from backends.parameters import check_live, resolve
from backends.states import check_arrays, whole_number


@dataclass(frozen=True, eq=False)
class Pass:
    """What a pass over some rows tells of θ: log_likelihood, nats a datum; cross ⟨(x − μ)z̄ᵀ⟩ (d, k) and
    second ⟨z̄z̄ᵀ⟩ (k, k) of the means z̄ of p(z|x)."""

    log_likelihood: float
    cross: Array
    second: Array

    @classmethod
    def of(cls, factors: Factors, rows: Rows) -> Pass:
        w = factors.weights
        second, cross, residual = rows.averages(factors.mean, factors.posterior.projection, w)
        distance = (residual / factors.noise).sum() + np.trace(second)  # as in Factors.squared_distance
        return cls(float(factors.log_density(distance)), cross + w @ second, second)


class FactorLearner:
    """What both ways of learning share.

    rows: the training rows (n, d); n may be 0, and then there is no stepping.
    kind: "ppca", with one noise variance for all columns, or "factor-analysis".
    """

    def __init__(
        self, kind: str, rows: Rows, info: DataInfo, values: Mapping[str, Value], seed: int, run: str
    ) -> None:
        if rows.x.ndim != 2 or rows.x.shape[1] != info.dim:
            raise InputError(f"x has shape {rows.x.shape}, and {info.name} has {info.dim} columns")
        self._kind, self._info, self._run, self._shared = kind, info, run, kind == "ppca"
        self._parameters = PPCA_PARAMETERS if kind == "ppca" else FACTOR_ANALYSIS_PARAMETERS
        self._values = resolve(self._parameters, values)
        check_data(info, self._values)
        self._rows = rows
        self._mean, self._variance = mean_and_variance(rows, info)
        self._floor = float(self._values["minimum_variance"]) * float(self._variance.mean())
        self._steps = 0
        self._factors = self._start(np.random.default_rng(seed))
        self._seen: Pass | None = None  # of the present θ, once it is made

    def _start(self, rng: np.random.Generator) -> Factors:
        """Half of each column's variance is noise, the other half, on average, that of random factors."""
        k = int(self._values["latent_dim"])
        variance = np.full(self._info.dim, self._variance.mean()) if self._shared else self._variance
        weights = rng.standard_normal((self._info.dim, k)) * np.sqrt(variance / (2 * k))[:, None]
        return Factors(self._mean, weights, np.log(np.maximum(variance / 2, self._floor)))

    @property
    def steps(self) -> int:
        return self._steps

    @property
    def steps_per_epoch(self) -> float:
        return 1.0

    @property
    def values(self) -> Mapping[str, Value]:
        return dict(self._values)

    def set(self, name: str, value: Value) -> None:
        self._values[name] = check_live(self._parameters, name, value)

    def _batch(self) -> Rows:
        """The rows of this step."""
        if not len(self._rows):
            raise InputError(f"there are no rows of '{self._info.name}' to make a step on")
        return self._rows

    def _pass(self) -> Pass:
        """A pass over the rows of this step at the present θ, made once for each θ."""
        rows = self._batch()
        if self._seen is None:
            self._seen = Pass.of(self._factors, rows)
        return self._seen

    def _move_to(self, weights: Array, log_noise: Array) -> None:
        """Take over θ with a pass at it; Diverged where something is not finite."""
        try:
            factors = Factors(self._mean, weights, log_noise)
            seen = Pass.of(factors, self._batch())
        except np.linalg.LinAlgError as error:
            raise Diverged(f"step {self._steps + 1} has no posterior ({error})") from error
        if not math.isfinite(seen.log_likelihood):
            raise Diverged(f"log p(x) is {seen.log_likelihood} at step {self._steps + 1}")
        self._factors, self._seen = factors, seen

    def _scalars(self, q: Posterior, statistics: Statistics) -> dict[str, float]:
        """The bound of q on the rows of this step at the present θ, its terms, and log p(x)."""
        reconstruction = statistics.reconstruction(self._factors.weights, self._factors.log_noise)
        kl_prior = statistics.kl_prior(q)
        return {
            "elbo": reconstruction - kl_prior,
            "reconstruction": reconstruction,
            "kl_prior": kl_prior,
            "log_likelihood": self._pass().log_likelihood,
        }

    def _q(self) -> Callable[[Factors], Posterior]:
        return BY_THETA[str(self._values["posterior"])]

    def snapshot(self) -> FactorModel:
        stamp = Stamp(self._run, self._steps)
        return FactorModel(self._kind, self._info, self._factors, stamp, shared=self._shared, q=self._q())

    def state(self) -> State:
        f = self._factors
        log_noise = f.log_noise[:1] if self._shared else f.log_noise
        arrays = {"mean": f.mean.copy(), "weights": f.weights.copy(), "log_noise": log_noise.copy()}
        return State(arrays, {"steps": self._steps})

    def restore(self, state: State) -> None:
        """Take over a state; raises InputError naming the array or value that does not fit."""
        check_arrays(state.arrays, self.state().arrays)
        steps = whole_number(state.values, "steps")
        mean, weights = np.array(state.arrays["mean"]), np.array(state.arrays["weights"])
        log_noise = np.array(np.broadcast_to(state.arrays["log_noise"], mean.shape))
        try:
            factors = Factors(mean, weights, log_noise)
        except np.linalg.LinAlgError as error:
            raise InputError(f"its parameters make no density: {error}") from error
        self._factors, self._mean, self._steps, self._seen = factors, mean, steps, None


class EM(FactorLearner):
    """EM with half-steps (:class:`backends.base.HalfSteps`). A step is counted when its M is made.

    What is known of the rows of this step is made when it is needed, and is not part of the state.
    """

    def __init__(
        self, kind: str, rows: Rows, info: DataInfo, values: Mapping[str, Value], seed: int, run: str
    ) -> None:
        super().__init__(kind, rows, info, values, seed, run)
        self._half = "E"  # the next one
        self._gradient = self._values["posterior"] == "gradient"
        f, (d, k) = self._factors, self._factors.weights.shape
        # φ = (P, log s) begins with the prior as q
        self._phi = np.zeros((d, k)), np.zeros(k)
        # a power of two, so that a change of units rounds nothing
        self._unit = 2.0 ** round(0.5 * math.log2(self._variance.mean()))
        size = int(self._values["batch_size"])
        self._batches = Batches(len(rows), size, seed) if size else None
        self._running = Statistics((f.weights**2).sum(1) + f.noise, f.weights.copy(), np.eye(k))
        self._forget()

    @property
    def next_half(self) -> str:
        return self._half

    def _forget(self) -> None:
        """Forget what is known of the rows of the last step."""
        self._here: tuple[Rows, Array] | None = None  # a batch and its columns' variances
        self._times: Callable[[Array], Array] | None = None
        self._seen = None

    @property
    def steps_per_epoch(self) -> float:
        return 1.0 if self._batches is None else float(self._batches.per_epoch)

    def _batch(self) -> Rows:
        return self._batch_and_variance()[0]

    def _batch_and_variance(self) -> tuple[Rows, Array]:
        rows = super()._batch()
        if self._batches is None:
            return rows, self._variance
        if self._here is None:
            rows = rows.take(self._batches.at(self._steps))
            self._here = rows, rows.variance(self._mean)
        return self._here

    def _covariance_times(self) -> Callable[[Array], Array]:
        """P ↦ ⟨(x − μ)(x − μ)ᵀ⟩P of the rows of this step: by that matrix, or by the rows where they are
        fewer numbers."""
        if self._times is None:
            rows, mean = self._batch(), self._mean
            if len(rows) < len(mean):
                self._times = lambda projection: rows.cross(mean, projection)
            else:
                covariance = rows.covariance(mean)
                self._times = lambda projection: covariance @ projection
        return self._times

    def _q(self) -> Callable[[Factors], Posterior]:
        if not self._gradient:
            return super()._q()
        q = Posterior.independent(*self._phi)
        return lambda factors: q

    def _expectation(self) -> tuple[Posterior, Statistics]:
        """q under the present θ and φ, and what it makes of the rows of this step."""
        q, (_, variance) = self._q()(self._factors), self._batch_and_variance()
        if self._gradient:
            return q, Statistics.of(q, variance, self._covariance_times())
        seen = self._pass()
        return q, Statistics(variance, seen.cross, seen.second + q.covariance)

    def half_step(self) -> tuple[str, Mapping[str, float]]:
        """E or M, and after it "elbo", its terms "reconstruction" and "kl_prior", and "log_likelihood", in
        nats a datum over the rows of this step.

        E makes q the best of its family, M maximises the bound over θ for that q; by gradient, both go some
        steps that way.
        """
        if self._half == "E":
            self._batch()
            if self._gradient:
                self._phi = self._improved_phi()
            q, statistics = self._expectation()
            if self._batches is not None:
                self._running = self._running.towards(statistics, step_size(self._steps))
            self._half = "M"
            return "E", self._scalars(q, statistics)
        q, statistics = self._expectation()
        self._move_to(*self._maximised(statistics if self._batches is None else self._running))
        scalars = self._scalars(q, statistics)
        self._half = "E"
        self._steps += 1
        if self._batches is not None:
            self._forget()
        return "M", scalars

    def _climb(self, objective: Objective, position: Array) -> tuple[Array, Array]:
        steps, rate = int(self._values["gradient_steps"]), float(self._values["learning_rate"])
        return ascend(objective, objective(position), rate, steps).what

    def _improved_phi(self) -> tuple[Array, Array]:
        _, variance = self._batch_and_variance()
        projection, log_std = self._phi
        objective = posterior_objective(self._factors, variance, self._covariance_times(), self._unit)
        return self._climb(objective, flat(projection * self._unit, log_std))

    def _maximised(self, statistics: Statistics) -> tuple[Array, Array]:
        """W (d, k) and log ψ (d,) of the M-step."""
        f, log_floor = self._factors, math.log(self._floor)
        if self._gradient:
            own = f.log_noise[:1] if self._shared else f.log_noise
            objective = theta_objective(statistics, self._unit, log_floor)
            weights, own = self._climb(objective, flat(f.weights / self._unit, own))
            return weights, np.array(np.broadcast_to(own, len(weights)))
        try:
            # contiguous, as it is when it comes from a file: products may round otherwise if it is not
            weights = np.ascontiguousarray(np.linalg.solve(statistics.second, statistics.cross.T).T)
        except np.linalg.LinAlgError as error:
            raise Diverged(f"step {self._steps + 1} has no maximum ({error})") from error
        noise = statistics.variance - (weights * statistics.cross).sum(1)
        if self._shared:
            noise = np.full_like(noise, noise.mean())
        # For this W the bound rises with each ψ up to the value found, so the floor is the best there is.
        return weights, np.log(np.maximum(noise, self._floor))

    def step(self) -> Mapping[str, float]:
        """E, then M; or M alone, where an E has been made. Returns the scalars after M."""
        half, scalars = self.half_step()
        return scalars if half == "M" else self.half_step()[1]

    def state(self) -> State:
        state = super().state()
        arrays, values = dict(state.arrays), {**state.values, "half": self._half}
        if self._gradient:
            arrays |= {"projection": self._phi[0].copy(), "log_std": self._phi[1].copy()}
        if self._batches is not None:
            arrays |= {f"running.{name}": array.copy() for name, array in vars(self._running).items()}
            values["seed"] = self._batches.seed
        return State(arrays, values)

    def restore(self, state: State) -> None:
        half = state.values.get("half")
        if half not in ("E", "M"):
            raise InputError(f"half: {half!r} is neither E nor M")
        seed = 0 if self._batches is None else whole_number(state.values, "seed")
        super().restore(state)
        self._half = half
        own = {name: np.array(array) for name, array in state.arrays.items()}
        if self._gradient:
            self._phi = own["projection"], own["log_std"]
        if self._batches is not None:
            self._running = Statistics(*(own[f"running.{name}"] for name in vars(self._running)))
            self._batches = Batches(len(self._rows), int(self._values["batch_size"]), seed)
        self._forget()


class ClosedForm(FactorLearner):
    """The maximum likelihood of PPCA at the first step; later ones stay there."""

    def step(self) -> Mapping[str, float]:
        """Returns "elbo" and its terms, and "log_likelihood", which the elbo equals, in nats a datum over all
        training rows."""
        self._batch()
        if not self._steps:
            k = int(self._values["latent_dim"])
            weights, noise = maximum_likelihood(self._rows, self._mean, k, self._floor)
            self._move_to(weights, np.log(noise))
        self._steps += 1
        q, seen = self._factors.posterior, self._pass()
        return self._scalars(q, Statistics(self._variance, seen.cross, seen.second + q.covariance))


def maximum_likelihood(rows: Rows, mean: Array, k: int, floor: float = 0.0) -> tuple[Array, Array]:
    """W (d, k) and the noise variances (d,), all σ² ≥ floor, of PPCA (Tipping & Bishop 1999, eq. 7 and 8).

    At least one eigenvalue is left to be σ²: for k ≥ d W has columns of zeros, and C is the covariance of x.
    """
    d = rows.x.shape[1]
    q = min(k, d - 1)
    values, vectors = rows.principal(mean)
    noise = max(float(values[q:].sum()) / (d - q), floor)  # of n < d rows the other eigenvalues are 0
    top, vectors = values[:q], vectors[:, :q]
    weights = np.zeros((d, k))
    weights[:, : vectors.shape[1]] = vectors * np.sqrt(np.maximum(top - noise, 0))
    return weights, np.full(d, noise)


def make(
    kind: str,
    rows_on: Callable[[Array, str], Rows],
    x: Array,
    info: DataInfo,
    values: Mapping[str, Value],
    seed: int = 0,
    device: str = "cpu",
    run: str = "",
) -> FactorLearner:
    """The learner of "ppca" or "factor-analysis", by the ``method`` in values.

    rows_on: puts float32 rows on a device, or raises InputError; the rest is as in
    :class:`backends.registry.MakeLearner`.
    """
    rows = rows_on(np.asarray(x, np.float32), device)
    closed = kind == "ppca" and resolve(PPCA_PARAMETERS, values)["method"] == "closed-form"
    return (ClosedForm if closed else EM)(kind, rows, info, values, seed, run)


def _rows_here(x: Array, device: str) -> Rows:
    require_cpu(device)
    return Rows(x)


ppca = partial(make, "ppca", _rows_here)
factor_analysis = partial(make, "factor-analysis", _rows_here)

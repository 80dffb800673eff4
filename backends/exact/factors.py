"""Learning probabilistic PCA and factor analysis: by EM, in half-steps, or in closed form.

    E  for each x the exact posterior N(z̄, G) of :mod:`backends.exact.factor_model`
    M  W ← A B⁻¹,  ψ_j ← s_j − W_j·A_j,  with averages over the rows A = ⟨(x − μ) z̄ᵀ⟩, B = ⟨z̄z̄ᵀ⟩ + G and
       s_j the variance of column j; σ² is the mean of the ψ_j

which is Rubin & Thayer (1982, eq. 5-7) for factor analysis and Tipping & Bishop (1999, eq. 27-28) for PPCA.
μ is the mean of the rows from the start, which is its maximum likelihood. The closed form of PPCA (their eq.
7 and 8) has W = U(Λ − σ²I)^½ from the largest eigenvalues of the covariance and σ² the mean of the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from backends.base import Array, DataInfo, Diverged, InputError, Stamp, State, Value
from backends.exact.components import check_arrays
from backends.exact.factor_model import FactorModel, Factors
from backends.parameters import Parameter, check_live, resolve
from backends.registry import ModelKind, lazy

_LATENT_DIM = Parameter("latent_dim", "int", 2, "Dimension k of the latent vector z.", minimum=1, maximum=512)
_MINIMUM_VARIANCE = Parameter(
    "minimum_variance", "float", 1e-6,
    "No noise variance falls below this share of the columns' mean variance. Without such a floor a constant "
    "column, or as many factors as the data have dimensions, would make the density infinite.",
    minimum=1e-12, maximum=1,
)  # fmt: skip
PPCA_PARAMETERS = (
    _LATENT_DIM,
    Parameter(
        "method", "choice", "em",
        "EM climbs to the maximum of the likelihood step by step; closed-form is there at the first step, by "
        "the eigenvectors of the covariance.",
        choices=("em", "closed-form"),
    ),
    _MINIMUM_VARIANCE,
)  # fmt: skip
FACTOR_ANALYSIS_PARAMETERS = (_LATENT_DIM, _MINIMUM_VARIANCE)

_LOG_2PI = math.log(2 * math.pi)
_BLOCK = 2**17  # numbers in a block of rows: 1 MiB of float64 stays in the cache


# -- passes over the rows --------------------------------------------------------------------------


def _blocks(x: Array) -> Iterator[Array]:
    """x (n, d) in blocks of rows, as float64: memory does not grow with n."""
    rows = max(1, _BLOCK // x.shape[1])
    for start in range(0, len(x), rows):
        yield x[start : start + rows].astype(np.float64)


def _mean_and_variance(x: Array, info: DataInfo) -> tuple[Array, Array]:
    """Mean and variance (with 1/n) of each column, (d,); a constant column's variance is exactly 0.

    Without rows they are those of standardised data. Raises InputError for values that are not finite and
    for rows that are all the same.
    """
    if not len(x):
        return np.zeros(info.dim), np.ones(info.dim)
    low, high = x.min(0).astype(np.float64), x.max(0).astype(np.float64)
    finite = np.isfinite(low) & np.isfinite(high)
    if not finite.all():
        j = int(np.argmin(finite))
        name = f"'{info.columns[j]}'" if j < len(info.columns) else str(j)
        raise InputError(f"column {name} holds values that are not finite")
    if (low == high).all():
        what = "there is only one row" if len(x) == 1 else f"the {len(x)} rows are all the same"
        raise InputError(f"{what}: there is no variance to model")
    mean = sum(block.sum(0) for block in _blocks(x)) / len(x)
    mean = np.where(low == high, low, mean)
    return mean, sum(((block - mean) ** 2).sum(0) for block in _blocks(x)) / len(x)


@dataclass(frozen=True, eq=False)
class Moments:
    """What the M-step and the bound need of q, the exact posterior under one θ: averages over the rows.

    cross: A (d, k); second: B (k, k); log_det: log|G| of q's covariance; log_likelihood: log p(x) under that
    θ, nats a datum.
    """

    cross: Array
    second: Array
    log_det: float
    log_likelihood: float

    @classmethod
    def of(cls, factors: Factors, x: Array) -> Moments:
        """The E-step, in O(n d k)."""
        d, k = factors.weights.shape
        cross, second, residual = np.zeros((d, k)), np.zeros((k, k)), np.zeros(d)
        for block in _blocks(x):
            z, left = factors.infer(block)
            cross += left.T @ z
            second += z.T @ z
            residual += np.einsum("nd,nd->d", left, left)
        cross, second, residual = cross / len(x), second / len(x), residual / len(x)
        square = (residual / factors.noise).sum() + np.trace(second)  # as in Factors.log_prob
        return cls(
            cross=cross + factors.weights @ second,  # x − μ is what is left and W z̄
            second=second + factors.covariance,
            log_det=factors.log_det_posterior,
            log_likelihood=float(-0.5 * (d * _LOG_2PI + factors.log_det + square)),
        )

    def elbo(self, factors: Factors, variance: Array) -> float:
        """E_q[log p(x|z)] − KL(q‖p(z)) under any θ with the same μ, nats a datum; variance: s_j (d,)."""
        w, (d, k) = factors.weights, factors.weights.shape
        error = variance + (w * (w @ self.second - 2 * self.cross)).sum(1)  # E_q (x − μ − Wz)²_j
        reconstruction = -0.5 * (d * _LOG_2PI + (factors.log_noise + error / factors.noise).sum())
        kl = 0.5 * (np.trace(self.second) - k - self.log_det)
        return float(reconstruction - kl)


# -- learners --------------------------------------------------------------------------------------


class FactorLearner:
    """What both ways of learning share.

    x: (n, d) float32 training rows; n may be 0, and then there is no stepping.
    shared: one noise variance for all columns, as in PPCA.
    """

    def __init__(
        self,
        kind: str,
        x: Array,
        info: DataInfo,
        values: Mapping[str, Value],
        seed: int,
        run: str,
        *,
        shared: bool,
    ) -> None:
        rows = np.asarray(x, np.float32)
        if rows.ndim != 2 or rows.shape[1] != info.dim:
            raise InputError(f"x has shape {rows.shape}, and {info.name} has {info.dim} columns")
        self._kind, self._info, self._run, self._shared = kind, info, run, shared
        self._parameters = PPCA_PARAMETERS if kind == "ppca" else FACTOR_ANALYSIS_PARAMETERS
        self._values = resolve(self._parameters, values)
        self._x = rows
        self._mean, self._variance = _mean_and_variance(rows, info)
        self._floor = float(self._values["minimum_variance"]) * float(self._variance.mean())
        self._steps = 0
        self._factors = self._start(np.random.default_rng(seed))
        self._ahead: Moments | None = None  # of the posterior under the present θ, once it is known

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

    def _posterior(self) -> Moments:
        """The moments of the exact posterior under the present θ: one pass over the rows for each θ."""
        if not len(self._x):
            raise InputError(f"there are no rows of '{self._info.name}' to make a step on")
        if self._ahead is None:
            self._ahead = Moments.of(self._factors, self._x)
        return self._ahead

    def _move_to(self, weights: Array, noise: Array) -> None:
        """Take over θ with its posterior's moments and count a step; Diverged where they are not finite."""
        try:
            factors = Factors(self._mean, weights, np.log(noise))
            ahead = Moments.of(factors, self._x)
        except np.linalg.LinAlgError as error:
            raise Diverged(f"step {self._steps + 1} has no posterior ({error})") from error
        if not math.isfinite(ahead.log_likelihood):
            raise Diverged(f"log p(x) is {ahead.log_likelihood} at step {self._steps + 1}")
        self._factors, self._ahead = factors, ahead
        self._steps += 1

    def snapshot(self) -> FactorModel:
        stamp = Stamp(self._run, self._steps)
        return FactorModel(self._kind, self._info, self._factors, stamp, shared=self._shared)

    def state(self) -> State:
        f = self._factors
        log_noise = f.log_noise[:1] if self._shared else f.log_noise
        arrays = {"mean": f.mean.copy(), "weights": f.weights.copy(), "log_noise": log_noise.copy()}
        return State(arrays, {"steps": self._steps})

    def restore(self, state: State) -> None:
        """Take over a state; raises InputError naming the array or value that does not fit."""
        check_arrays(state.arrays, self.state().arrays)
        steps = state.values.get("steps")
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
            raise InputError(f"steps: {steps!r} is not a number of steps")
        mean, weights = np.array(state.arrays["mean"]), np.array(state.arrays["weights"])
        log_noise = np.array(np.broadcast_to(state.arrays["log_noise"], mean.shape))
        try:
            factors = Factors(mean, weights, log_noise)
        except np.linalg.LinAlgError as error:
            raise InputError(f"its parameters make no density: {error}") from error
        self._factors, self._mean, self._steps, self._ahead = factors, mean, steps, None


class EM(FactorLearner):
    """EM with half-steps (:class:`backends.base.HalfSteps`). A step is counted when its M is made."""

    _half = "E"  # the next one

    def half_step(self) -> tuple[str, Mapping[str, float]]:
        """E or M, and "elbo" and "log_likelihood" after it, in nats a datum over all training rows.

        E makes q the exact posterior, M maximises the bound over θ for that q.
        """
        q = self._posterior()
        if self._half == "E":
            self._half = "M"
            return "E", self._scalars(q)
        try:
            weights = np.linalg.solve(q.second, q.cross.T).T
        except np.linalg.LinAlgError as error:
            raise Diverged(f"step {self._steps + 1} has no maximum ({error})") from error
        noise = self._variance - (weights * q.cross).sum(1)
        if self._shared:
            noise = np.full_like(noise, noise.mean())
        # For this W the bound rises with each ψ up to the value found, so the floor is the best there is.
        self._move_to(weights, np.maximum(noise, self._floor))
        self._half = "E"
        return "M", self._scalars(q)

    def _scalars(self, q: Moments) -> dict[str, float]:
        return {
            "elbo": q.elbo(self._factors, self._variance),
            "log_likelihood": self._posterior().log_likelihood,
        }

    def step(self) -> Mapping[str, float]:
        """E, then M; or M alone, where an E has been made. Returns the scalars after M."""
        half, scalars = self.half_step()
        return scalars if half == "M" else self.half_step()[1]

    def state(self) -> State:
        state = super().state()
        return State(state.arrays, {**state.values, "half": self._half})

    def restore(self, state: State) -> None:
        half = state.values.get("half")
        if half not in ("E", "M"):
            raise InputError(f"half: {half!r} is neither E nor M")
        super().restore(state)
        self._half = half  # q needs no keeping: between E and M it is the exact posterior under θ


class ClosedForm(FactorLearner):
    """The maximum likelihood of PPCA at the first step; later ones stay there."""

    def step(self) -> Mapping[str, float]:
        """Returns "elbo" and "log_likelihood", which are equal, in nats a datum over all training rows."""
        q = self._posterior()
        if self._steps:
            self._steps += 1
        else:
            k = int(self._values["latent_dim"])
            self._move_to(*maximum_likelihood(self._x, self._mean, k, self._floor))
            q = self._posterior()
        return {"elbo": q.elbo(self._factors, self._variance), "log_likelihood": q.log_likelihood}


def maximum_likelihood(x: Array, mean: Array, k: int, floor: float = 0.0) -> tuple[Array, Array]:
    """W (d, k) and the noise variances (d,), all σ² ≥ floor, of PPCA (Tipping & Bishop 1999, eq. 7 and 8).

    At least one eigenvalue is left to be σ²: for k ≥ d W has columns of zeros, and C is the covariance of x.
    """
    n, d = x.shape
    q = min(k, d - 1)
    if d <= n:
        covariance = sum((block - mean).T @ (block - mean) for block in _blocks(x)) / n
        values, vectors = np.linalg.eigh(covariance)
        values, vectors = values[::-1], vectors[:, ::-1]
    else:
        _, singular, rows = np.linalg.svd(x - mean, full_matrices=False)
        values, vectors = singular**2 / n, rows.T
    noise = max(float(values[q:].sum()) / (d - q), floor)  # of n < d rows the other eigenvalues are 0
    top, vectors = values[:q], vectors[:, :q]
    vectors = vectors * np.where(vectors.sum(0) < 0, -1, 1)  # the sign is free: the same on every machine
    weights = np.zeros((d, k))
    weights[:, : vectors.shape[1]] = vectors * np.sqrt(np.maximum(top - noise, 0))
    return weights, np.full(d, noise)


# -- what is declared --------------------------------------------------------------------------------


def ppca(
    x: Array, info: DataInfo, values: Mapping[str, Value], seed: int = 0, device: str = "cpu", run: str = ""
) -> FactorLearner:
    """Learner of PPCA, by the ``method`` in values; see :class:`backends.registry.MakeLearner`."""
    learner = ClosedForm if resolve(PPCA_PARAMETERS, values)["method"] == "closed-form" else EM
    _require_cpu(device)
    return learner("ppca", x, info, values, seed, run, shared=True)


def factor_analysis(
    x: Array, info: DataInfo, values: Mapping[str, Value], seed: int = 0, device: str = "cpu", run: str = ""
) -> FactorLearner:
    """Learner of factor analysis, by EM; see :class:`backends.registry.MakeLearner`."""
    _require_cpu(device)
    return EM("factor-analysis", x, info, values, seed, run, shared=False)


def _require_cpu(device: str) -> None:
    if device != "cpu":
        raise InputError(f"device '{device}' cannot be used: these models are on the CPU")


_CAPABILITIES = frozenset(
    ("decodes", "encodes", "prior", "samples", "log_prob", "log_joint", "elbo", "parameters")
)
KINDS = (
    ModelKind(
        name="ppca",
        title="Probabilistic PCA",
        doc="A plane through the data with the same Gaussian noise in every direction around it; all exact "
        "(Tipping & Bishop 1999).",
        parameters=PPCA_PARAMETERS,
        capabilities=_CAPABILITIES,
        load=lazy("backends.exact.factors:ppca"),
        default_steps=100,
        size=lambda info, values: info.dim * (int(values["latent_dim"]) + 1) + 1,
    ),
    ModelKind(
        name="factor-analysis",
        title="Factor analysis",
        doc="A plane through the data with a Gaussian noise of its own in every column; all exact "
        "(Rubin & Thayer 1982).",
        parameters=FACTOR_ANALYSIS_PARAMETERS,
        capabilities=_CAPABILITIES,
        load=lazy("backends.exact.factors:factor_analysis"),
        default_steps=100,
        size=lambda info, values: info.dim * (int(values["latent_dim"]) + 2),
    ),
)

"""The contract between models and whoever looks at them.

What crosses it is NumPy and small frozen dataclasses. Arrays are C-contiguous with one row a datum, or
no rows at all: every method takes n = 0. Data, latents and pictures are float32, log-densities float64;
images are flattened. Units are nats, and densities are with respect to the data's own units (a model
that standardises inside adds its log-determinant).

A **Model** is frozen: it *is* a snapshot, stamped with the step it was taken at, and safe to call from
any thread. Besides the attributes of :class:`Model` it has the methods of whichever capabilities it
offers; ask with ``isinstance(model, Decodes)`` or :func:`capabilities`, never for its class.

A **Learner** is mutable and belongs to one thread. It makes progress and hands out Models.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from backends.costs import Measuring

Array = npt.NDArray[Any]
Value = bool | int | float | str
T = TypeVar("T")


class InputError(ValueError):
    """What was given cannot be used. The message is one sentence for the user and names the culprit."""


# -- values that cross the line ------------------------------------------------------------------


@dataclass(frozen=True)
class DataInfo:
    """All that a model and a panel need to know of a data set; it can be written as JSON.

    values: "binary" (0/1), "integer" (0 … levels−1) or "real".
    image_shape: (height, width) or (height, width, channels) of a flattened row; None for plain vectors.
    display: the (low, high) that are drawn black and white.
    source: what :func:`backends.data.open_data` needs to get the same rows again.
    """

    name: str
    title: str
    dim: int
    values: str = "real"
    levels: int = 0
    image_shape: tuple[int, ...] | None = None
    display: tuple[float, float] = (0.0, 1.0)
    columns: tuple[str, ...] = ()
    label_names: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Stamp:
    """Which run a model was taken from, and after how many steps."""

    run: str
    step: int


@dataclass(frozen=True, eq=False)
class Decoded:
    """Parameters of p(x|z): mean (n, d) and, where p(x|z) has a scale of its own, std (n, d); float32."""

    mean: Array
    std: Array | None = None


@dataclass(frozen=True, eq=False)
class Gaussian:
    """q(z|x) = N(mean, S): mean, std (n, k) float32; scale_tril (n, k, k) only where S is not diagonal."""

    mean: Array
    std: Array
    scale_tril: Array | None = None


@dataclass(frozen=True, eq=False)
class Responsibilities:
    """q(k|x) of a discrete latent: probs (n, K) float64, rows sum to one."""

    probs: Array


@dataclass(frozen=True, eq=False)
class Elbo:
    """The evidence lower bound, row by row, its two terms kept apart: (n,) float64, nats.

    ELBO = E_q[log p(x|z)] − KL(q(z|x)‖p(z))  (Kingma & Welling 2014, eq. 3).
    stderr: Monte Carlo standard error of each row's reconstruction term; None where it is analytic,
    or where a single draw cannot tell.
    """

    reconstruction: Array
    kl_prior: Array
    stderr: Array | None = None

    @property
    def value(self) -> Array:
        """The bound itself, (n,) float64."""
        return np.asarray(self.reconstruction - self.kl_prior)


@dataclass(frozen=True)
class Estimate:
    """A number that says how it was made: value ± stderr (nats a datum), by ``method``.

    stderr is the uncertainty of the *estimator* (Monte Carlo noise; for quadrature, the difference
    between two resolutions), not the spread over the data. ess: smallest effective sample size.
    """

    value: float
    stderr: float
    method: str
    ess: float | None = None

    def json(self) -> dict[str, Any]:
        """{"value", "stderr", "method"} and "ess" where there is one."""
        out: dict[str, Any] = {"value": self.value, "stderr": self.stderr, "method": self.method}
        return out if self.ess is None else {**out, "ess": self.ess}


@dataclass(frozen=True)
class ThetaAxis:
    """One coordinate of a model's parameters θ, as it is drawn.

    low, high: an interval that shows both prior and posterior, the same during most of a run.
    focus: where 99 % of the posterior lie, in this coordinate alone.
    """

    name: str
    low: float
    high: float
    focus: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Path:
    """Rows on their way through a flow, seen at T times: 0 is the data's side, 1 the latent one.

    points: (T, n, d) float32, at times (T,) float64, in the order in which they are passed.
    log_det: (T, n) float64, of the map from the first point, cumulative.
    """

    points: Array
    log_det: Array
    times: Array


@dataclass(frozen=True)
class Progress:
    """What a long computation yields between two slices of work of at most a few milliseconds."""

    done: int
    total: int
    what: str = ""


Work = Generator[Progress, None, T]


def finish(work: Generator[Any, None, T]) -> T:
    """Run a generator of slices to its end and return its result."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class State:
    """A Learner's whole state: arrays by name, and JSON-ready values (counters, scalars) beside them."""

    arrays: Mapping[str, Array]
    values: Mapping[str, Any] = field(default_factory=dict)


# -- the two roles -----------------------------------------------------------------------------


@runtime_checkable
class Model(Protocol):
    """A frozen snapshot. All methods of all its capabilities may be called from any thread at once."""

    @property
    def stamp(self) -> Stamp: ...
    @property
    def info(self) -> DataInfo: ...
    @property
    def kind(self) -> str: ...
    @property
    def latent_dim(self) -> int:
        """Dimension of z; 0 where there is no continuous latent."""
        ...


@runtime_checkable
class Learner(Protocol):
    """A model being trained. Everything here is called from one thread only."""

    @property
    def steps(self) -> int:
        """Steps made so far."""
        ...

    @property
    def steps_per_epoch(self) -> float: ...

    @property
    def values(self) -> Mapping[str, Value]:
        """The hyper-parameters in force, every one."""
        ...

    def step(self) -> Mapping[str, float]:
        """One step; returns scalars of this step by name, in nats a datum ("elbo", "loss", …).

        Raises :class:`Diverged` when a quantity is no longer finite, with θ as it was before the step.
        """
        ...

    def set(self, name: str, value: Value) -> None:
        """Change a live hyper-parameter from the next step on.

        Raises InputError for one that is not live, and for a value that it cannot have.
        """
        ...

    def snapshot(self) -> Any:
        """A Model of this moment, sharing nothing that later steps will change."""
        ...

    def state(self) -> State:
        """Everything that the next steps depend on: weights, optimiser, generators, data order."""
        ...

    def restore(self, state: State) -> None:
        """Take over a state; raises InputError and stays as it was when it does not fit."""
        ...


@runtime_checkable
class HalfSteps(Learner, Protocol):
    """A learner by EM, whose step has two halves; ``step`` makes both."""

    @property
    def next_half(self) -> str:
        """What :meth:`half_step` makes next: "E" or "M"."""
        ...

    def half_step(self) -> tuple[str, Mapping[str, float]]:
        """The next half: "E" or "M", and the scalars after it, "elbo" and "log_likelihood" among them.

        On all rows neither half lowers the "elbo" L(q, θ), plus log p(θ) where there is a prior (Neal &
        Hinton 1998). An E-step with the exact posterior makes it equal to the log-likelihood, which then
        never falls either. With a restricted q a gap KL(q‖p) stays, and the log-likelihood may fall; on a
        random batch of the rows both may.
        """
        ...


@runtime_checkable
class Observes(Learner, Protocol):
    """A learner that takes one row a step, each once, and between them any that are given by hand."""

    @property
    def total_steps(self) -> int:
        """Steps after which all rows have been seen; ``step`` then raises InputError."""
        ...

    def observe(self, rows: Array) -> Sequence[Mapping[str, float]]:
        """Take rows (m, d) at once, a step each, into the state; returns the scalars of each step.

        Raises InputError, and takes none of them, where one of them is no datum of this model.
        """
        ...

    @property
    def by_hand(self) -> int:
        """How many of the newest rows were given by hand, one after the other, since the learner was made."""
        ...

    def forget(self, n: int) -> None:
        """Be as before the newest n rows; raises InputError for more than were given by hand."""
        ...


class Diverged(RuntimeError):  # noqa: N818 - it is what happened, not a mistake
    """Training met a value that is not finite; the learner stays at its last good step."""


# -- capabilities ------------------------------------------------------------------------------


@runtime_checkable
class Decodes(Model, Protocol):
    def decode(self, z: Array) -> Decoded:
        """(n, k) latents → parameters of p(x|z)."""
        ...


@runtime_checkable
class Encodes(Model, Protocol):
    def encode(self, x: Array) -> Gaussian | Responsibilities:
        """(n, d) data → q(z|x)."""
        ...


@runtime_checkable
class HasPrior(Model, Protocol):
    def log_prior(self, z: Array) -> Array:
        """log p(z), (n, k) → (n,) float64."""
        ...

    def sample_prior(self, n: int, seed: int) -> Array:
        """z ~ p(z), (n, k) float32; the same seed gives the same rows."""
        ...


@runtime_checkable
class Samples(Model, Protocol):
    def sample(self, n: int, seed: int) -> Array:
        """x ~ p(x), (n, d) float32; the same seed gives the same rows."""
        ...


@runtime_checkable
class SamplesGiven(Model, Protocol):
    """What decodes can also be drawn: with it any density of z serves as prior when sampling."""

    def sample_given(self, z: Array, seed: int) -> Array:
        """x ~ p(x|z), one of each latent z (n, k): (n, d) float32; the same seed gives the same rows."""
        ...


@runtime_checkable
class LogProb(Model, Protocol):
    def log_prob(self, x: Array) -> Array:
        """Exact log p(x), (n, d) → (n,) float64."""
        ...


@runtime_checkable
class LogJoint(Model, Protocol):
    def log_joint(self, x: Array, z: Array) -> Array:
        """log p(x, z), (n, m) float64, of x (n, d) and z (m, k), shared by all rows, or (n, m, k)."""
        ...


@runtime_checkable
class HasElbo(Model, Protocol):
    def elbo(self, x: Array, samples: int = 1, seed: int = 0) -> Elbo:
        """The bound of each row of x (n, d), its reconstruction term a mean over ``samples`` draws of z."""
        ...


@runtime_checkable
class HasParameters(Model, Protocol):
    def theta(self) -> Array:
        """The parameters as one flat vector, float64."""
        ...

    def at(self, theta: Array) -> Any:
        """The same model with other parameters."""
        ...


@runtime_checkable
class HasBound(Model, Protocol):
    """log p(X|θ) and a lower bound on it as functions of θ, for the latent z of each row of x (n, d).

    In nats a datum, at m parameters in the order of ``theta``: thetas (m, p) → (m,) float64; −∞ where float64
    cannot hold the model at θ, zero without rows.
    """

    def log_likelihood_at(self, thetas: Array, x: Array) -> Array:
        """Mean log p(x|θ)."""
        ...

    def bound_at(self, thetas: Array, x: Array) -> Array:
        """Mean L(q, θ), where q is this model's own q(z|x), fixed. It lies below log p(x|θ) everywhere, and
        where q is the exact posterior it touches it at this model's own θ."""
        ...


@runtime_checkable
class Bayesian(Model, Protocol):
    """A distribution of the parameters θ in place of one θ, all of it exact: prior, and posterior p(θ|X)
    given the rows X seen so far. Arrays of θ are float64, one θ a row, (m, p)."""

    @property
    def seen(self) -> Array:
        """X: (n, d) float32, in the order in which they came."""
        ...

    def earlier(self, n: int) -> Self:
        """The model after the first n of these rows; raises InputError where there are fewer."""
        ...

    @property
    def theta_axes(self) -> tuple[ThetaAxis, ...]:
        """The p coordinates of θ."""
        ...

    def log_prior_theta(self, thetas: Array) -> Array:
        """log p(θ), (m, p) → (m,); −inf where θ is impossible."""
        ...

    def log_likelihood_theta(self, thetas: Array) -> Array:
        """log p(X|θ), of all rows together, (m, p) → (m,)."""
        ...

    def log_posterior_theta(self, thetas: Array) -> Array:
        """log p(θ|X), normalised, (m, p) → (m,)."""
        ...

    def log_evidence(self) -> float:
        """log p(X) = log ∫ p(X|θ) p(θ) dθ, of all rows together, in this order."""
        ...

    def map_theta(self) -> Array:
        """Where p(θ|X) is largest, (p,). The mode of a density is that of its coordinates: these ones."""
        ...

    def ml_theta(self) -> Array | None:
        """Where p(X|θ) is largest, (p,); None where no single θ is."""
        ...

    def posterior_mean(self) -> Array:
        """E[θ|X], (p,)."""
        ...

    def sample_theta(self, n: int, seed: int, prior: bool = False) -> Array:
        """θ ~ p(θ|X), or from the prior, (n, p); the same seed gives the same rows."""
        ...

    def log_predictive(self, x: Array) -> Array:
        """log p(x|X) = log ∫ p(x|θ) p(θ|X) dθ of each row by itself, (n, d) → (n,) float64.

        Of a regression it is log p(y|x, X), its rows being (x, y); so is the next.
        """
        ...

    def log_plug_in(self, x: Array) -> Array:
        """log p(x|θ) at :meth:`map_theta`, (n, d) → (n,) float64."""
        ...


@runtime_checkable
class Regresses(Model, Protocol):
    """p(y|x) of two columns: rows (x, y), a curve of x and noise about it."""

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of p(y|x, X) at inputs x (n,), (n,) float64 each."""
        ...

    def predict_plug_in(self, x: Array) -> tuple[Array, Array]:
        """Those of p(y|x, θ) at the θ that is most probable."""
        ...

    def curves(self, thetas: Array, x: Array) -> Array:
        """E[y|x, θ] of each θ in (m, p) at inputs x (n,), (m, n) float64."""
        ...


@runtime_checkable
class Bijects(Model, Protocol):
    """A normalizing flow f: x → z, so that log p(x) = log p(z) + log|det ∂z/∂x| (Rezende & Mohamed 2015).

    Latents have the dimension of the data; the prior is the flow's base density.
    """

    def transform(self, x: Array) -> tuple[Array, Array]:
        """x (n, d) → z = f(x) (n, d) float32 and log|det ∂z/∂x| (n,) float64."""
        ...

    def inverse(self, z: Array) -> tuple[Array, Array]:
        """z (n, d) → x = f⁻¹(z) (n, d) float32 and log|det ∂x/∂z| (n,) float64.

        Raises InputError for z outside the base density's support.
        """
        ...

    def log_base(self, z: Array) -> Array:
        """log p(z), (n, d) → (n,) float64; −inf outside its support."""
        ...


@runtime_checkable
class HasLayers(Model, Protocol):
    """A flow that can be stopped on its way: layer by layer, or at any time where it is continuous.

    Between the data's units and the latent ones, half of the way has half of the standardisation undone.
    """

    @property
    def times(self) -> Array:
        """The stations (T,) float64, from 0, the data, to 1, the latents; i/L after layer i of L."""
        ...

    def path(self, points: Array, times: Array | None = None) -> Path:
        """Points (n, d) on their way, from where they are at times[0].

        ``times`` (T,) rise, towards z, or fall, towards x; default: the stations, from data to latents.
        From 0 to 1 the last points and log_det are those of ``transform``, from 1 to 0 of ``inverse``. Raises
        InputError for a time that is no station of a flow made of layers.
        """
        ...


@runtime_checkable
class HasCosts(Model, Protocol):
    """A model that can measure what it costs to compute with it, on this machine, now."""

    def costs(self, x: Array) -> Measuring:
        """Measure with rows x (n, d); yields what there is so far. A slice lasts as long as the longest call
        that is measured, which can be more than a few milliseconds. Raises InputError without rows."""
        ...


CAPABILITIES: dict[str, type] = {
    "decodes": Decodes,
    "encodes": Encodes,
    "prior": HasPrior,
    "samples": Samples,
    "log_prob": LogProb,
    "log_joint": LogJoint,
    "elbo": HasElbo,
    "parameters": HasParameters,
    "bound": HasBound,
    "bayes": Bayesian,
    "regression": Regresses,
    "flow": Bijects,
    "layers": HasLayers,
    "costs": HasCosts,
}


def capabilities(model: object) -> frozenset[str]:
    """Names of what a model (or a model's class) can do."""
    return frozenset(
        name
        for name, protocol in CAPABILITIES.items()
        if all(hasattr(model, method) for method in vars(protocol) if not method.startswith("_"))
    )


def latent_points(model: Any, x: Array) -> Array:
    """Where a model puts rows x (n, d) in its latent space, (n, k) float32: f(x) of a flow, else the mean of
    q(z|x)."""
    if isinstance(model, Bijects):
        return model.transform(x)[0]
    q = model.encode(x)
    assert isinstance(q, Gaussian)
    return q.mean


def has_latent_points(model: Any) -> bool:
    """Whether :func:`latent_points` can be asked of a model."""
    return isinstance(model, Bijects) or (isinstance(model, Encodes) and bool(model.latent_dim))

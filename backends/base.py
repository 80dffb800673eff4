"""The contract between models and whoever looks at them.

What crosses it is NumPy and small frozen dataclasses. Arrays are C-contiguous with one row a datum, or
no rows at all: every method takes n = 0. Data, latents and pictures are float32, log-densities float64;
images are flattened. Units are nats, and densities are with respect to the data's own units (a model
that standardises inside adds its log-determinant).

A **Model** is frozen: it *is* a snapshot, stamped with the step it was taken at, and safe to call from
any thread. Besides the attributes of :class:`Model` it has the methods of whichever capabilities it
offers (:mod:`backends.capabilities`); ask for these, never for its class.

A **Learner** is mutable and belongs to one thread. It makes progress and hands out Models.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

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
    factor_names: what each row was made from, where that is known (:class:`backends.data.Split`).
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
    factor_names: tuple[str, ...] = ()
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
    stderr: Monte Carlo standard error of each row's bound; None where both terms are analytic, or where a
    single draw cannot tell. Where the KL is analytic it is the reconstruction's own. Else the terms come from
    the same draws, their errors are not independent, and each has its own beside that of the bound.
    """

    reconstruction: Array
    kl_prior: Array
    stderr: Array | None = None
    reconstruction_stderr: Array | None = None
    kl_stderr: Array | None = None

    def __post_init__(self) -> None:
        if self.kl_stderr is None:
            object.__setattr__(self, "reconstruction_stderr", self.stderr)

    @property
    def value(self) -> Array:
        """The bound itself, (n,) float64."""
        return np.asarray(self.reconstruction - self.kl_prior)


class PosteriorFit(NamedTuple):
    """A Gaussian for one x, q of one row with scale_tril (1, k, k), and its ELBO ± stderr in nats."""

    q: Gaussian
    elbo: float
    stderr: float


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


class _Asked(type(Protocol)):  # type: ignore[misc]  # a private name of typing's
    """Makes ``isinstance`` of a protocol cheap enough to be asked hundreds of times a mouse move: what it
    consists of is found out once, and not, as in Python 3.11, each time (30 µs)."""

    def __instancecheck__(cls, instance: object) -> bool:
        if not cls._is_protocol:
            return bool(super().__instancecheck__(instance))
        return all(hasattr(instance, name) for name in _members(cls))


@cache
def _members(protocol: type) -> tuple[str, ...]:
    bases = (base for base in protocol.__mro__ if getattr(base, "_is_protocol", False))
    return tuple({name for base in bases for name in vars(base) if not name.startswith("_")})


@runtime_checkable
class Model(Protocol, metaclass=_Asked):
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
class Learner(Protocol, metaclass=_Asked):
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

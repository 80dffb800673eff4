"""The capabilities of models: Protocols, each of a method or a few. A Model has the methods of those that it
offers; ask with ``isinstance(model, Decodes)`` or :func:`capabilities`, never for its class."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, runtime_checkable

from backends.base import (
    Array,
    Decoded,
    Elbo,
    Gaussian,
    Model,
    Path,
    PosteriorFit,
    Responsibilities,
    ThetaAxis,
)

if TYPE_CHECKING:
    from backends.costs import Measuring


@runtime_checkable
class Decodes(Model, Protocol):
    def decode(self, z: Array) -> Decoded:
        """(n, k) latents → parameters of p(x|z)."""
        ...


@runtime_checkable
class HasMetric(Model, Protocol):
    """The decoder's own measure of length: a small step dz moves the decoded mean by √(dzᵀ G(z) dz)."""

    def metric(self, z: Array, directions: Array | None = None) -> Array:
        """The pull-back metric G(z) = JᵀJ, J = ∂E[x|z]/∂z in the data's units (Arvanitidis et al. 2018;
        Shao et al. 2018): (n, k) → (n, k, k) float64; of some directions B (m, k) only, B G Bᵀ, (n, m, m)."""
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
class HasEntropy(Model, Protocol):
    def entropy_given(self, z: Array) -> Array:
        """Entropy −E[log p(x|z)] of x ~ p(x|z), nats: (n, k) latents → (n,) float64. Of a density it is the
        differential one, which can be negative."""
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
class FitsPosterior(Model, Protocol):
    """A model that can look for the best Gaussian q for one x alone: what that gains over the encoder's is
    the amortisation gap, what is left to log p(x) the approximation gap (Cremer et al. 2018)."""

    def fit_posterior(self, x: Array, steps: int = 100, seed: int = 0) -> Generator[PosteriorFit, None, None]:
        """Optimise a Gaussian of full covariance for x (d,), beginning at q(z|x).

        Yields first q(z|x) itself, then after each of ``steps`` steps the best so far: its ELBO never falls.
        """
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
class Continuous(HasLayers, Protocol):
    """A flow that is one motion, dy/dt = f(y, t), from x at time 0 to z at 1: its path stops at any time.

    Points at a time are those of :meth:`path`; ``times`` are stations of the solver. What is computed is
    what the solver makes of it.
    """

    def velocity(self, points: Array, time: float) -> Array:
        """d/dt of points (n, d) on their paths at that time, (n, d) float32.

        Raises InputError at time 1 of a base whose support has an edge: onto it paths jump.
        """
        ...

    def divergence(self, points: Array, time: float) -> Array:
        """The velocity's divergence there, (n,) float64: d/dt log|det| of paths through the points."""
        ...

    def move(self, points: Array, start: float, stop: float) -> Array:
        """Where points (n, d) at one time are at another, (n, d) float32: a path without its log-determinant,
        which is most of the cost."""
        ...

    def finer(self) -> Self:
        """The same flow with the solver's step halved, or its tolerance divided by ten."""
        ...


@runtime_checkable
class EstimatesLogDet(Bijects, Protocol):
    """A flow that can estimate its log-determinant where that costs too much to be exact (DESIGN §6)."""

    @property
    def exact_log_det(self) -> bool:
        """Whether the log-determinants of all other methods are exact; else they come from a few random
        probes, the same for every row, so that the errors of rows are alike."""
        ...

    def estimate_log_det(
        self, x: Array, noise: str = "rademacher", draws: int = 16, seed: int = 0
    ) -> tuple[Array, Array]:
        """log|det ∂z/∂x| of rows x (n, d) by Hutchinson's estimate: the mean over ``draws`` of ε, of each row
        its own, and the standard error of that, (n,) float64 each. Raises InputError for less than two."""
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
    "metric": HasMetric,
    "encodes": Encodes,
    "prior": HasPrior,
    "samples": Samples,
    "entropy": HasEntropy,
    "log_prob": LogProb,
    "log_joint": LogJoint,
    "elbo": HasElbo,
    "posterior_fit": FitsPosterior,
    "parameters": HasParameters,
    "bound": HasBound,
    "bayes": Bayesian,
    "regression": Regresses,
    "flow": Bijects,
    "layers": HasLayers,
    "continuous": Continuous,
    "log_det_estimate": EstimatesLogDet,
    "costs": HasCosts,
}


def methods(capability: type) -> list[str]:
    """What a model must have for a capability, besides what every Model has."""
    parts = (part for part in capability.__mro__ if part not in (Model, Protocol, Generic, object))
    return [name for part in parts for name in vars(part) if not name.startswith("_")]


def capabilities(model: object) -> frozenset[str]:
    """Names of what a model (or a model's class) can do."""
    return frozenset(
        name
        for name, protocol in CAPABILITIES.items()
        if all(hasattr(model, method) for method in methods(protocol))
    )


def latent_points(model: Any, x: Array) -> Array:
    """Where a model puts rows x (n, d) in its latent space, (n, k) float32: f(x) of a flow, else the mean of
    q(z|x)."""
    if isinstance(model, Continuous):
        return model.move(x, 0.0, 1.0)
    if isinstance(model, Bijects):
        return model.transform(x)[0]
    q = model.encode(x)
    assert isinstance(q, Gaussian)
    return q.mean


def has_latent_points(model: Any) -> bool:
    """Whether :func:`latent_points` can be asked of a model."""
    return isinstance(model, Bijects) or (isinstance(model, Encodes) and bool(model.latent_dim))


def has_log_likelihood(model: object) -> bool:
    """Whether log p(x) can be computed or estimated."""
    return isinstance(model, LogProb) or (
        isinstance(model, LogJoint) and isinstance(model, (Encodes, HasPrior))
    )

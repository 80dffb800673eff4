"""A mixture p(x) = Σ_k π_k p(x|k) as a frozen model, with the q(k|x) of its bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np
from scipy.special import log_softmax

from backends.base import Array, DataInfo, Elbo, InputError, Responsibilities, Stamp
from backends.exact.components import EMPTY, Components, numbers
from backends.exact.names import columns, subscript
from backends.exact.posteriors import Exact, Posterior
from backends.exact.rows import Rows, log_of, weighted_log


class Mixture:
    """A mixture as it was after a step: encodes, samples, log_prob, elbo, parameters, bound.

    ``weights`` π (K,) and ``means`` (K, d), float64 and read-only. θ = (log π up to a constant, the
    components' own): any θ is a mixture, so that a line through two of them is one of mixtures. q is no part
    of θ: one that follows from θ is made anew at another, one with parameters φ keeps them.
    """

    latent_dim = 0

    def __init__(
        self,
        kind: str,
        info: DataInfo,
        form: Components,
        theta: Array,
        stamp: Stamp,
        q: Posterior = Exact(),  # noqa: B008 - frozen
        passes: Callable[[Array], Rows] = Rows,
    ) -> None:
        k = len(form.means)
        self.kind, self.info, self.stamp = kind, info, stamp
        self._theta, self._q, self._passes = theta, q, passes
        self._log_weights: Array = log_softmax(theta[:k])
        self._components = form.at(theta[k:])
        self.weights: Array = np.exp(self._log_weights)
        self.means: Array = self._components.means
        self.weights.flags.writeable = self.means.flags.writeable = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on components that have no points or no width of their own."""
        return notes(self.weights, self._components)

    def encode(self, x: Array) -> Responsibilities:
        """q(k|x), (n, d) → (n, K) float64: the responsibilities p(k|x), where q is exact."""
        return Responsibilities(self._posterior(x)[0])

    def log_prob(self, x: Array) -> Array:
        """Exact log p(x), (n, d) → (n,) float64."""
        check_rows(x, self.info, self._components)
        return self._passes(x).log_prob(self._log_weights, self._components)

    def elbo(self, x: Array, samples: int = 1, seed: int = 0) -> Elbo:
        """The bound, exactly: Σ_k q_k log p(x|k), and KL(q‖π); their difference is log p(x) − KL(q‖p(k|x)).
        ``samples`` and ``seed`` are not needed."""
        q, log_joint = self._posterior(x)
        log_weights = self._log_weights
        return Elbo(weighted_log(q, log_joint - log_weights), weighted_log(q, log_of(q) - log_weights))

    def sample(self, n: int, seed: int) -> Array:
        """x ~ p(x), (n, d) float32; the same seed gives the same rows."""
        rng = np.random.default_rng(seed)
        k = rng.choice(len(self.weights), size=n, p=self.weights / self.weights.sum())
        return np.ascontiguousarray(self._components.sample(k, rng), np.float32)

    def theta(self) -> Array:
        """log π up to a constant (K), then the components' parameters; float64."""
        return self._theta.copy()

    def theta_names(self) -> list[str]:
        """What each entry of :meth:`theta` is called; L is the lower Cholesky factor of a covariance."""
        weights = [f"log π{subscript(k + 1)}" for k in range(len(self.weights))]
        return weights + self._components.theta_names(columns(self.info))

    def at(self, theta: Array) -> Self:
        """The same mixture with other parameters, in the order of :meth:`theta`."""
        if np.shape(theta) != self._theta.shape:
            raise InputError(f"theta has shape {np.shape(theta)}, not {self._theta.shape}")
        theta = np.array(theta, np.float64)
        return type(self)(self.kind, self.info, self._components, theta, self.stamp, self._q, self._passes)

    @property
    def free_parameters(self) -> int:
        """How many numbers fix p(x): those of θ but one, since the weights sum to one."""
        return len(self._theta) - 1

    def log_likelihood_at(self, thetas: Array, x: Array) -> Array:
        """Mean log p(x|θ), thetas (m, p) → (m,), by a pass over the rows x (n, d) for each θ."""
        check_rows(x, self.info, self._components)
        return self._each(thetas, x, lambda mixture: float(mixture.log_prob(x).mean()))

    def bound_at(self, thetas: Array, x: Array) -> Array:
        """Mean L(q, θ) with this mixture's q on the rows x (n, d), thetas (m, p) → (m,): one pass over the
        rows for its statistics, then each θ takes no longer than an M-step."""
        check_rows(x, self.info, self._components)
        if not len(x):
            return self._each(thetas, x, lambda mixture: 0.0)
        e_step = self._passes(x).expectation(self.weights, self._components, self._q)
        return self._each(
            thetas, x, lambda mixture: e_step.scalars(mixture._log_weights, mixture._components)["elbo"]
        )

    def _each(self, thetas: Array, x: Array, value: Callable[[Mixture], float]) -> Array:
        """The value of the mixture at each θ; −∞ where float64 cannot hold that mixture."""
        if np.ndim(thetas) != 2 or np.shape(thetas)[1] != len(self._theta):
            raise InputError(f"thetas has shape {np.shape(thetas)}, not (m, {len(self._theta)})")
        out = np.zeros(len(thetas))
        for i, theta in enumerate(thetas if len(x) else ()):
            with np.errstate(all="ignore"):
                try:
                    out[i] = value(self.at(theta))
                except ValueError:  # which linear algebra raises, too
                    out[i] = -np.inf
        return np.nan_to_num(out, nan=-np.inf, posinf=-np.inf, neginf=-np.inf)

    def _posterior(self, x: Array) -> tuple[Array, Array]:
        """q(k|x) and log π_k p(x|k), both (n, K)."""
        check_rows(x, self.info, self._components)
        return self._passes(x).posterior(self._log_weights, self._components, self._q)


def notes(weights: Array, components: Components) -> tuple[str, ...]:
    """Sentences on components that have no points or no width of their own."""
    empty = np.flatnonzero(weights <= EMPTY)
    lost = (f"{numbers(empty)} lost all points",) if len(empty) else ()
    return lost + components.notes()


def check_rows(x: Array, info: DataInfo, components: Components) -> None:
    """Raise InputError where x are no rows that such a mixture can produce."""
    if np.ndim(x) != 2 or x.shape[1] != info.dim:
        raise InputError(f"x has shape {np.shape(x)}, and {info.name} has {info.dim} columns")
    components.check(x)

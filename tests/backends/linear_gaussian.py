"""A model with every capability whose every number is known: x = mean + W z + σ ε, z and ε standard normal.

It is the right model from which the tests of the conformance kit make wrong ones.
"""

from dataclasses import dataclass

import numpy as np

from backends.base import (
    DataInfo,
    Decoded,
    Diverged,
    Elbo,
    Gaussian,
    InputError,
    Path,
    PosteriorFit,
    Stamp,
    State,
)
from backends.costs import Costs, CostTable, median_seconds
from backends.parameters import Parameter, check_live
from backends.registry import ModelKind

PARAMETERS = (
    Parameter("rate", "float", 0.1, "How far the mean moves to that of the batch.", minimum=0, live=True),
    Parameter("batch_size", "int", 32, "Rows a step.", minimum=1),
)
CAPABILITIES = frozenset(
    (
        "decodes",
        "metric",
        "posterior_fit",
        "encodes",
        "prior",
        "samples",
        "log_prob",
        "log_joint",
        "elbo",
        "parameters",
        "bound",
        "entropy",
    )
)
K = 2
SIGMA = 0.7


def log_normal(u):
    """log N(u; 0, 1) summed over the last axis."""
    return (-0.5 * u**2 - 0.5 * np.log(2 * np.pi)).sum(-1)


@dataclass(frozen=True, eq=False)
class Linear:
    stamp: Stamp
    info: DataInfo
    mean: np.ndarray  # (d,) float64
    kind: str = "linear"
    latent_dim: int = K

    @property
    def w(self):
        """(d, k)"""
        return np.random.default_rng(0).normal(size=(self.info.dim, K))

    def decode(self, z):
        mean = self.mean + z.astype(np.float64) @ self.w.T
        return Decoded(mean.astype(np.float32), np.full(mean.shape, SIGMA, np.float32))

    def metric(self, z, directions=None):
        w = self.w if directions is None else self.w @ directions.T
        return np.repeat((w.T @ w)[None], len(z), 0)

    def posterior(self, x):
        """Mean (n, k) and Cholesky factor (k, k) of p(z|x); Tipping & Bishop 1999, eq. 6."""
        m = self.w.T @ self.w + SIGMA**2 * np.eye(K)
        mean = np.linalg.solve(m, self.w.T @ (x.astype(np.float64) - self.mean).T).T
        return mean, np.linalg.cholesky(SIGMA**2 * np.linalg.inv(m))

    def encode(self, x):
        mean, tril = self.posterior(x)
        n = len(x)
        std = np.broadcast_to(np.sqrt((tril**2).sum(1)), (n, K))
        scale_tril = np.broadcast_to(tril, (n, K, K))
        return Gaussian(*(np.array(a, np.float32, order="C") for a in (mean, std, scale_tril)))

    def log_prior(self, z):
        return log_normal(z.astype(np.float64))

    def sample_prior(self, n, seed):
        return np.random.default_rng(seed).standard_normal((n, K), dtype=np.float32)

    def sample(self, n, seed):
        rng = np.random.default_rng([seed, 1])
        x = self.mean + rng.normal(size=(n, K)) @ self.w.T + SIGMA * rng.normal(size=(n, self.info.dim))
        return x.astype(np.float32)

    def sample_given(self, z, seed):
        noise = np.random.default_rng(seed).normal(size=(len(z), self.info.dim))
        return (self.mean + z.astype(np.float64) @ self.w.T + SIGMA * noise).astype(np.float32)

    def entropy_given(self, z):
        return np.full(len(z), self.info.dim * (0.5 * np.log(2 * np.pi * np.e) + np.log(SIGMA)))

    def log_prob(self, x):
        tril = np.linalg.cholesky(self.w @ self.w.T + SIGMA**2 * np.eye(self.info.dim))
        u = np.linalg.solve(tril, (x.astype(np.float64) - self.mean).T).T
        return log_normal(u) - np.log(np.diag(tril)).sum()

    def log_likelihood(self, x, z):
        """log p(x|z) of x (…, d) and z (…, k), broadcast."""
        u = (x.astype(np.float64) - self.mean - z @ self.w.T) / SIGMA
        return log_normal(u) - self.info.dim * np.log(SIGMA)

    def log_joint(self, x, z):
        z = z.astype(np.float64)
        return self.log_likelihood(x[:, None], z) + self.log_prior(z)

    def elbo(self, x, samples=1, seed=0):
        mean, tril = self.posterior(x)
        noise = np.random.default_rng(seed).normal(size=(samples, len(x), K))
        draws = self.log_likelihood(x, mean + noise @ tril.T)  # (samples, n)
        entropy = 0.5 * K * (1 + np.log(2 * np.pi)) + np.log(np.diag(tril)).sum()
        kl = 0.5 * ((mean**2).sum(1) + (tril**2).sum() + K * np.log(2 * np.pi)) - entropy
        stderr = draws.std(0, ddof=1) / np.sqrt(samples) if samples > 1 else None
        return Elbo(draws.mean(0), kl, stderr)

    def fit_posterior(self, x, steps=100, seed=0):
        elbo = float(self.log_prob(x[None])[0])
        yield from [PosteriorFit(self.encode(x[None]), elbo, 0.0)] * (steps + 1)

    def theta(self):
        return self.mean.copy()

    def at(self, theta):
        if np.shape(theta) != self.mean.shape:
            raise InputError(f"theta has shape {np.shape(theta)}, not {self.mean.shape}")
        return type(self)(self.stamp, self.info, np.array(theta, np.float64))

    def log_likelihood_at(self, thetas, x):
        return np.array([self.at(theta).log_prob(x).mean() if len(x) else 0.0 for theta in thetas])

    def bound_at(self, thetas, x):
        """log p(x|θ) − KL(q‖p(z|x, θ)), whose covariance is that of q."""
        mean, tril = self.posterior(x)
        off = [np.linalg.solve(tril, (mean - self.at(theta).posterior(x)[0]).T) for theta in thetas]
        kl = np.array([0.5 * (u**2).sum(0).mean() if len(x) else 0.0 for u in off])
        return self.log_likelihood_at(thetas, x) - kl


@dataclass(frozen=True, eq=False)
class Scaled:
    """A flow that takes x = mean + scale·z to z, steadily: at time t that share of log scale and of the mean
    is gone. It has an inner station, as one of two layers has, and a velocity, as a continuous one has."""

    stamp: Stamp
    info: DataInfo
    mean: np.ndarray  # (d,) float64
    kind: str = "linear"
    times = np.array([0.0, 0.5, 1.0])
    exact_log_det = True

    @property
    def latent_dim(self):
        return self.info.dim

    @property
    def log_scale(self):
        """(d,)"""
        return np.log(np.arange(2.0, 2 + self.info.dim))

    def sample(self, n, seed):
        return self.inverse(np.random.default_rng(seed).normal(size=(n, self.info.dim)))[0]

    def log_base(self, z):
        return log_normal(z.astype(np.float64))

    def log_prob(self, x):
        z, log_det = self.transform(x)
        return self.log_base(z) + log_det

    def transform(self, x):
        return self.ends(x, np.array([0.0, 1.0]))

    def inverse(self, z):
        return self.ends(z, np.array([1.0, 0.0]))

    def ends(self, rows, times):
        path = Scaled.path(self, rows, times)
        return path.points[-1], path.log_det[-1]

    def path(self, points, times=None):
        times = self.times if times is None else times
        if (np.diff(times) > 0).any() and (np.diff(times) < 0).any():
            raise InputError("the times of a path must rise or fall")
        t = times[:, None, None]
        y = (points - (1 - t[0]) * self.mean) * np.exp((t[0] - t) * self.log_scale) + (1 - t) * self.mean
        log_det = np.repeat(((times[0] - times) * self.log_scale.sum())[:, None], len(points), 1)
        return Path(y.astype(np.float32), log_det, times)

    def velocity(self, points, time):
        rate = -self.log_scale * (points - (1 - time) * self.mean) - self.mean
        return rate.astype(np.float32)

    def divergence(self, points, time):
        return np.full(len(points), -self.log_scale.sum())

    def move(self, points, start, stop):
        return self.ends(points, np.array([start, stop]))[0]

    def finer(self):
        return self

    def estimate_log_det(self, x, noise="rademacher", draws=16, seed=0):
        if draws < 2:
            raise InputError("one draw tells no standard error")
        epsilon = np.random.default_rng(seed).normal(size=(draws, *x.shape))
        log_det = -(self.log_scale * epsilon**2).sum(-1)
        return log_det.mean(0), log_det.std(0, ddof=1) / np.sqrt(draws)

    def costs(self, x):
        if not len(x):
            raise InputError("there are no rows to measure with")
        seconds = yield from median_seconds(lambda: self.transform(x))
        return Costs((CostTable("Ways", ("ms",), (("x to z", (1e3 * seconds,)),)),))


class LinearLearner:
    """Moves the mean towards those of random batches."""

    model = Linear

    def __init__(self, x, info, values, seed, device, run):
        self.x, self.info, self.values, self.run = x, info, dict(values), run
        self.steps, self.steps_per_epoch = 0, max(1.0, len(x) / values["batch_size"])
        self.rng = np.random.default_rng(seed)
        self.mean = np.zeros(info.dim)

    def step(self):
        if not len(self.x):
            raise InputError("there are no rows to make a step on")
        batch = self.x[self.rng.integers(len(self.x), size=self.values["batch_size"])]
        change = self.values["rate"] * (batch.mean(0) - self.mean)
        if not np.isfinite(change).all():
            raise Diverged("the mean is no longer finite")
        self.mean += change
        self.steps += 1
        return {"log_likelihood": float(self.snapshot().log_prob(batch).mean())}

    def set(self, name, value):
        self.values[name] = check_live(PARAMETERS, name, value)

    def snapshot(self):
        return self.model(Stamp(self.run, self.steps), self.info, self.mean.copy())

    def state(self):
        values = {"steps": self.steps, "rng": self.rng.bit_generator.state}
        return State({"mean": self.mean.copy()}, values)

    def restore(self, state):
        try:
            mean, steps, rng = state.arrays["mean"], state.values["steps"], np.random.default_rng()
            rng.bit_generator.state = state.values["rng"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the state does not fit: {error}") from error
        if mean.shape != self.mean.shape:
            raise InputError(f"array mean has shape {mean.shape}, not {self.mean.shape}")
        self.mean, self.steps, self.rng = mean.copy(), steps, rng


def takes_real(info, values):
    if info.values != "real":
        raise InputError(f"{info.name} has {info.values} values")


def kind(model=Linear, learner=LinearLearner, **changes):
    """The kind, with another model or learner, or other things declared."""
    made = type("Made", (learner,), {"model": model}) if model is not Linear else learner
    declared = {
        "name": "linear", "title": "Linear", "doc": "Linear and Gaussian.", "parameters": PARAMETERS,
        "capabilities": CAPABILITIES, "check_data": takes_real, "size": lambda info, values: info.dim,
    }  # fmt: skip
    return ModelKind(**{**declared, **changes}, load=lambda: made)

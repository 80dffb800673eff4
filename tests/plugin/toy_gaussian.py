"""A plug-in as a user would write one: a Gaussian with a diagonal covariance, fitted by gradient steps.

It is NumPy only, so that runs, checkpoints and the command line can be tested without torch. This folder is
what `pip install` makes of such a plug-in: put it on the path and it is installed.
"""

from dataclasses import dataclass

import numpy as np

from backends.base import DataInfo, Diverged, InputError, Stamp, State
from backends.parameters import Parameter, check_live
from backends.registry import Backend, ModelKind

PARAMETERS = (
    Parameter("learning_rate", "float", 0.05, "Step size.", minimum=0, open_minimum=True, live=True),
    Parameter("batch_size", "int", 32, "Rows a step.", minimum=1),
)


@dataclass(frozen=True, eq=False)
class Gaussian:
    """p(x) = N(x; mean, diag(exp(2 log_std)))."""

    stamp: Stamp
    info: DataInfo
    mean: np.ndarray  # (d,) float64
    log_std: np.ndarray  # (d,)
    kind: str = "toy-gaussian"
    latent_dim: int = 0

    def log_prob(self, x):
        u = (x - self.mean) * np.exp(-self.log_std)
        return (-0.5 * u**2 - self.log_std - 0.5 * np.log(2 * np.pi)).sum(1)

    def sample(self, n, seed):
        noise = np.random.default_rng(seed).standard_normal((n, self.info.dim))
        return (self.mean + noise * np.exp(self.log_std)).astype(np.float32)


class GaussianLearner:
    """Stochastic gradient ascent on log p of random batches."""

    def __init__(self, x, info, values, seed, device, run):
        self.x, self.info, self.values, self.run, self.steps = x, info, dict(values), run, 0
        self.steps_per_epoch = max(len(x) / values["batch_size"], 1.0)
        self.rng = np.random.default_rng(seed)
        self.theta = np.zeros((2, info.dim))  # mean, log_std

    def step(self):
        if not len(self.x):
            raise InputError("there is no data to train on")
        batch = self.x[self.rng.integers(len(self.x), size=self.values["batch_size"])].astype(np.float64)
        mean, log_std = self.theta
        u = (batch - mean) * np.exp(-log_std)
        gradient = np.stack([(u * np.exp(-log_std)).mean(0), (u**2 - 1).mean(0)])
        theta = self.theta + self.values["learning_rate"] * gradient
        if not (np.isfinite(theta).all() and np.abs(theta[1]).max() < 100):
            raise Diverged("the standard deviation is no longer finite")
        log_prob = self.snapshot().log_prob(batch).mean()
        self.theta, self.steps = theta, self.steps + 1
        return {"log_likelihood": float(log_prob)}

    def set(self, name, value):
        self.values[name] = check_live(PARAMETERS, name, value)

    def snapshot(self):
        return Gaussian(Stamp(self.run, self.steps), self.info, *self.theta.copy())

    def state(self):
        return State({"theta": self.theta.copy()}, {"steps": self.steps, "rng": self.rng.bit_generator.state})

    def restore(self, state):
        theta = state.arrays.get("theta")
        if theta is None or theta.shape != self.theta.shape or theta.dtype != np.float64:
            raise InputError("its array 'theta' does not fit")
        if not {"steps", "rng"} <= state.values.keys():
            raise InputError("its values are not those of this model")
        self.theta, self.steps = theta.copy(), state.values["steps"]
        self.rng.bit_generator.state = state.values["rng"]


BACKEND = Backend(
    name="toy",
    title="Toy models",
    kinds=(
        ModelKind(
            name="toy-gaussian",
            title="Gaussian",
            doc="One Gaussian with a diagonal covariance.",
            parameters=PARAMETERS,
            capabilities=frozenset({"log_prob", "samples"}),
            load=lambda: GaussianLearner,
            default_steps=300,
            size=lambda info, values: 2 * info.dim,
        ),
    ),
)

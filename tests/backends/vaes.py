"""Small VAEs of each likelihood, and rows for them, for tests."""

from __future__ import annotations

import numpy as np

from backends.base import Array, DataInfo, Value
from backends.pytorch.vae import VAE, VAELearner

D = 6
INFO = {
    "bernoulli": DataInfo("bits", "Bits", D, "binary"),
    "gaussian": DataInfo("reals", "Reals", D, "real"),
    "discrete": DataInfo("levels", "Levels", D, "integer", levels=5),
}
DECODERS = tuple(INFO)
SMALL: dict[str, Value] = {"width": 16, "batch_size": 32}  # dropout stays on, at its default


def rows(decoder: str, n: int = 100) -> Array:
    rng = np.random.default_rng(5)
    if decoder == "gaussian":
        common = rng.normal(size=(n, 1))  # here and below there is something to learn: columns mostly agree
        return ((common + 0.3 * rng.normal(size=(n, D))) * [1, 2, 3, 4, 5, 6] + 10).astype(np.float32)
    levels = 2 if decoder == "bernoulli" else 5
    common = rng.integers(levels, size=(n, 1))
    return np.where(rng.random((n, D)) < 0.8, common, rng.integers(levels, size=(n, D))).astype(np.float32)


def learner(decoder: str = "bernoulli", seed: int = 0, n: int = 100, **values: Value) -> VAELearner:
    return VAELearner(
        rows(decoder, n), INFO[decoder], {**SMALL, "decoder": decoder, **values}, seed, "cpu", "run"
    )


def trained(decoder: str = "bernoulli", steps: int = 30, **values: Value) -> VAE:
    made = learner(decoder, **values)
    for _ in range(steps):
        made.step()
    return made.snapshot()

"""What can be said of one point of latent space and of the datum nearest to it. Runs in exploration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array, Decodes, Elbo, Encodes, Gaussian, HasElbo, HasPrior, Progress
from backends.data import Split
from backends.likelihood import LogLikelihood, log_likelihood

RADIUS = 0.25  # "data within"
ELBO_SAMPLES = 256


@dataclass(frozen=True, eq=False)
class Look:
    """One point z (k,): what decodes from it (d,), its prior density, and the datum encoded nearest to it.

    log_prior in nats, None without a prior; within: encodings no farther than RADIUS; nearest: a row of
    the split, None without data.
    """

    z: Array
    step: int
    mean: Array
    std: Array | None
    log_prior: float | None
    within: int | None
    nearest: int | None
    tag: object = None


@dataclass(frozen=True, eq=False)
class Datum:
    """One row of data under a model: its reconstruction (d,), its bound and log p(x)."""

    row: int
    step: int
    x: Array
    reconstruction: Array | None
    label: str
    elbo: Elbo | None
    log_p: LogLikelihood | None


def look(model: Any, z: Array, encodings: Array | None, tag: object = None) -> Look:
    """Decode z (k,) and find its neighbours among the encodings (n, k)."""
    assert isinstance(model, Decodes)
    decoded = model.decode(z[None])
    log_prior = float(model.log_prior(z[None])[0]) if isinstance(model, HasPrior) else None
    within = nearest = None
    if encodings is not None and len(encodings) and encodings.shape[1] == len(z):
        squared = np.square(encodings - z).sum(axis=1)
        nearest, within = int(squared.argmin()), int((squared <= RADIUS**2).sum())
    std = None if decoded.std is None else decoded.std[0]
    return Look(z, model.stamp.step, decoded.mean[0], std, log_prior, within, nearest, tag)


def study(model: Any, split: Split, row: int, label_names: tuple[str, ...]) -> Iterator[Datum | Progress]:
    """A datum's picture and reconstruction at once, then its bound, then log p(x)."""
    x = split.x[row : row + 1]
    label = ""
    if split.labels is not None:
        number = int(split.labels[row])
        label = label_names[number] if 0 <= number < len(label_names) else str(number)
    reconstruction = None
    if isinstance(model, Encodes) and isinstance(model, Decodes):
        q = model.encode(x)
        reconstruction = model.decode(q.mean).mean[0] if isinstance(q, Gaussian) else None
    step = model.stamp.step
    yield Datum(row, step, x[0], reconstruction, label, None, None)
    elbo = model.elbo(x, ELBO_SAMPLES, seed=row) if isinstance(model, HasElbo) else None
    yield Datum(row, step, x[0], reconstruction, label, elbo, None)
    log_p = yield from log_likelihood(model, x)
    yield Datum(row, step, x[0], reconstruction, label, elbo, log_p)

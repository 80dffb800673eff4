"""What can be said of one point of latent space and of the datum nearest to it. Runs in exploration."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backends.base import Array, Estimate, Gaussian, Progress, Work, finish
from backends.capabilities import (
    Decodes,
    Encodes,
    FitsPosterior,
    HasElbo,
    HasPrior,
    LogJoint,
    LogProb,
    has_latent_points,
    has_log_likelihood,
    latent_points,
)
from backends.data import Split
from backends.estimates import LogLikelihood, PosteriorKL
from explorer.plane import Plane
from explorer.session import Encodings

RADIUS = 0.25  # "data within"
ELBO_SAMPLES = 256
FEW = 10  # effective samples below which an importance-sampling estimate is not to be trusted


@dataclass(frozen=True, eq=False)
class Look:
    """One point z (k,): what decodes from it (d,), its prior density, and the datum encoded nearest to it.

    mean: None outside the prior's support; log_prior in nats, None without a prior; within: encodings no
    farther than RADIUS; nearest: a row of the split, None without data.
    """

    z: Array
    step: int
    mean: Array | None
    std: Array | None
    log_prior: float | None
    within: int | None
    nearest: int | None
    tag: object = None
    counting: bool = False


@dataclass(frozen=True, eq=False)
class Datum:
    """One row of data (d,) and, where the model encodes and decodes, its reconstruction (d,)."""

    step: int
    x: Array
    reconstruction: Array | None


@dataclass(frozen=True, eq=False)
class Score:
    """The bound and log p(x) of one datum x (d,), by one model; None for what the model has not.

    kl: KL(q(z|x)‖p(z|x)) by quadrature, not through the other two; of latents of at most two dimensions.
    """

    x: Array
    step: int
    elbo: Estimate | None
    log_p: LogLikelihood | None
    kl: PosteriorKL | None = None


def look(model: Any, z: Array, known: Encodings | None, tag: object = None) -> Look:
    """Decode z (k,) and find its neighbours among the encodings."""
    return finish(looks(model, z, known, tag))


def looks(
    model: Any, z: Array, known: Encodings | None, tag: object = None
) -> Generator[Look | None, None, Look]:
    """The same for a hand that does not wait: of very many encodings those near are counted last."""
    assert isinstance(model, Decodes)
    log_prior = float(model.log_prior(z[None])[0]) if isinstance(model, HasPrior) else None
    decoded = model.decode(z[None]) if log_prior is None or log_prior > -np.inf else None
    mean = None if decoded is None else decoded.mean[0]
    std = None if decoded is None or decoded.std is None else decoded.std[0]
    seen = Look(z, model.stamp.step, mean, std, log_prior, None, None, tag)
    if known is None or not len(known.z) or known.z.shape[1] != len(z):
        return seen
    seen = replace(seen, nearest=nearest_row(known, z))
    if known.neighbours.many:
        yield replace(seen, counting=True)
    return replace(seen, within=(yield from known.neighbours.counting(z, RADIUS)))


def nearest_row(known: Encodings, z: Array) -> int | None:
    """The row of the split whose encoding is nearest to z (k,); None without any."""
    i = known.neighbours.nearest(z)
    return None if i is None else known.row(i)


def label_of(split: Split, row: int, label_names: tuple[str, ...]) -> str:
    """A row's label, by its name where it has one; "" without labels."""
    return "" if split.labels is None else label_name(int(split.labels[row]), label_names)


def label_name(label: int, label_names: tuple[str, ...]) -> str:
    """What a label ≥ 0 is called."""
    return label_names[label] if label < len(label_names) else str(label)


def row_name(split: Split, row: int, label_names: tuple[str, ...]) -> str:
    """ "row 12", or "row 12, label 7"."""
    label = label_of(split, row, label_names)
    return f"row {row}, label {label}" if label else f"row {row}"


@dataclass(frozen=True, eq=False)
class Posterior:
    """q(z|x) of a datum, in canvas coordinates: mean (2,), covariance (2, 2)."""

    mean: Array
    covariance: Array


def posterior(model: Any, x: Array, plane: Plane) -> Posterior | None:
    """q(z|x) of a datum x (d,). On a plane with orthonormal directions P it is N(Pμ, PSPᵀ), exactly."""
    q = model.encode(x[None])
    if not isinstance(q, Gaussian):
        return None
    scale = np.diag(q.std[0]) if q.scale_tril is None else q.scale_tril[0]
    scale = plane.basis @ scale.astype(np.float64)
    return Posterior(plane.to_canvas(q.mean)[0], scale @ scale.T)


def portrait(model: Any, x: Array) -> Datum:
    """A datum x (d,) and its reconstruction, without numbers."""
    reconstruction = None
    if has_latent_points(model) and isinstance(model, Decodes):
        reconstruction = model.decode(latent_points(model, x[None])).mean[0]
    return Datum(model.stamp.step, x, reconstruction)


def few_dimensions(model: Any) -> bool:
    """Whether integrals over a model's latents are done by quadrature."""
    from backends.quadrature import DIMENSIONS

    return model.latent_dim in DIMENSIONS


def score(model: Any, datum: Array, seed: int = 0) -> Work[Score]:
    """The bound and log p(x) of a datum (d,), both by the same model."""
    from backends.likelihood import log_likelihood  # neither is needed to open the window
    from backends.quadrature import quadrature_with_kl

    x = datum[None]
    elbo = _elbo(model, x, seed)
    yield Progress(0, 1)
    log_p, kl = None, None
    if isinstance(model, LogJoint) and isinstance(model, Encodes) and few_dimensions(model):
        log_p, kl = yield from quadrature_with_kl(model, x)
    if has_log_likelihood(model) and (log_p is None or isinstance(model, LogProb)):
        log_p = yield from log_likelihood(model, x)
    return Score(datum, model.stamp.step, elbo, log_p, kl)


def _elbo(model: Any, x: Array, seed: int) -> Estimate | None:
    """The ELBO of the one row of x, with as little noise as can be."""
    if isinstance(model, FitsPosterior):
        first = next(model.fit_posterior(x[0], seed=seed))
        method = "E_q by quadrature" if few_dimensions(model) else "Monte Carlo, fixed draws of z"
        return Estimate(first.elbo, first.stderr, method)
    if not isinstance(model, HasElbo):
        return None
    bound = model.elbo(x, ELBO_SAMPLES, seed=seed)
    if bound.stderr is None:
        return Estimate(float(bound.value[0]), 0.0, "analytic")
    return Estimate(
        float(bound.value[0]), float(bound.stderr[0]), f"Monte Carlo, {ELBO_SAMPLES} samples of z"
    )


def estimator(estimate: Estimate) -> str:
    """What made a number, in a word: "quadrature", "exact", "IS-1000"; ⚠ where it is not to be trusted."""
    if estimate.ess is None:
        return estimate.method.split()[0].rstrip(";,")
    k = re.search(r"K=(\d+)|IWAE-(\d+)", estimate.method)
    count = f"IS-{k[1] or k[2]}" if k else "IS"
    return f"{count} ⚠" if estimate.ess < FEW else count


def short(estimate: Estimate) -> str:
    """The estimator and, where it draws, its error, and of importance sampling the effective sample size."""
    name = estimator(estimate)
    if estimate.ess is None:
        return f"{name} ±{estimate.stderr:.2g}" if name == "Hutchinson" else name
    kind, _, warning = name.partition(" ")
    return f"{kind} ±{estimate.stderr:.2g}, ESS {estimate.ess:.0f} {warning}".rstrip()

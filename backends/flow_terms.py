"""log p(x) of a flow with its two terms: exact where it can be, for data on a grid the bound that a density
gives, and where the log-determinant is only estimated, with the error of that.

A density p says of a whole number x that its probability is that of its cell, P(x) = ∫ p(x + u) du over
u in [−½, ½]ᵈ. By Jensen's inequality

    log P(x) ≥ E[log p(x + u)],   u uniform                                  (Theis et al. 2016, sec. 3.1)

for any p, however it was trained, and it is that bound which dequantised training makes large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backends.base import Array, DataInfo, Progress, Work
from backends.capabilities import Bijects, EstimatesLogDet, latent_points
from backends.carry import block, telling, transform
from backends.estimates import SLICE, Cost, LogLikelihood, RowEstimates, slices

DRAWS = 4  # of u, a row
NOISES, BLURRED_NOISES = 16, 2  # of ε, a row, where log|det| is estimated; a draw of u
_BLOCK = 128  # rows a slice, at most


@dataclass(frozen=True, eq=False)
class FlowTerms:
    """log p(x) = log p(z) + log|det ∂z/∂x|, all three row by row. Of data on a grid they are means over u."""

    log_prob: LogLikelihood
    log_base: RowEstimates
    log_det: RowEstimates


def on_grid(info: DataInfo) -> bool:
    """Whether values are 0/1 or whole numbers, to which a flow gives probabilities only by its cells."""
    return info.values != "real"


def has_estimated_log_det(model: object) -> bool:
    """Whether log p(x) of a flow is not exact, but an estimate with an error."""
    return isinstance(model, EstimatesLogDet) and not model.exact_log_det


def flow_terms(model: Bijects, x: Array, seed: int = 0, draws: int = DRAWS) -> Work[FlowTerms]:
    """The terms at rows x (n, d), with ``draws`` of u a row where there is any: at least 2.

    Where the model can but estimate its log-determinant (:class:`EstimatesLogDet`), each row has ε of its
    own: the errors are independent, and the mean over rows has an honest one.
    """
    blurred, estimated = on_grid(model.info), has_estimated_log_det(model)
    k = draws if blurred else 1
    noises = BLURRED_NOISES if blurred else NOISES
    rng = np.random.default_rng(seed)
    terms, spread = np.empty((3, len(x), k)), np.zeros((len(x), k))
    for rows in slices(len(x), block(model, min(_BLOCK, int(SLICE / Cost.of(model).encode))) / k):
        at = np.repeat(np.asarray(x[rows], np.float32), k, axis=0)
        if blurred:
            at += rng.random(at.shape, np.float32) - np.float32(0.5)
        done = Progress(rows.stop, len(x), "log p(x)")
        if estimated:
            z = latent_points(model, at)
            yield done
            noise_seed = int(rng.integers(2**63))
            log_det, stderr = model.estimate_log_det(at, draws=noises, seed=noise_seed)  # type: ignore[attr-defined]
            spread[rows] = stderr.reshape(-1, k)
        else:
            z, log_det = yield from telling(transform(model, at), Progress(rows.start, len(x), "log p(x)"))
        log_base = model.log_base(z)
        terms[:, rows] = np.stack((log_base + log_det, log_base, log_det)).reshape(3, -1, k)
        yield done
    mean = terms.mean(2)
    if blurred:
        stderr = terms.std(2, ddof=1) / np.sqrt(k)  # has what ε adds: each u has its own
        noise = f"uniform u in each cell, {k} draws a row"
        hutchinson = f"; log|det| by Hutchinson, {noises} Rademacher ε a draw" if estimated else ""
        methods = (f"bound E[log p(x + u)] ≤ log P(x), {noise}{hutchinson}", f"mean, {noise}",
                   f"mean, {noise}{hutchinson}")  # fmt: skip
    else:
        stderr = np.stack((spread[:, 0], np.zeros(len(x)), spread[:, 0]))
        hutchinson = f"Hutchinson, {noises} Rademacher ε a row" if estimated else "exact"
        methods = (hutchinson, "exact", hutchinson)
    own = [how != "exact" for how in methods]
    return FlowTerms(
        LogLikelihood(mean[0], stderr[0], methods[0], independent=own[0]),
        RowEstimates(mean[1], stderr[1], methods[1], independent=own[1]),
        RowEstimates(mean[2], stderr[2], methods[2], independent=own[2]),
    )

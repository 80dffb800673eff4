"""log p(x) of a flow with its two terms: exact, or for data on a grid the bound that a density gives.

A density p says of a whole number x that its probability is that of its cell, P(x) = ∫ p(x + u) du over
u in [−½, ½]ᵈ. By Jensen's inequality

    log P(x) ≥ E[log p(x + u)],   u uniform                                  (Theis et al. 2016, sec. 3.1)

for any p, however it was trained, and it is that bound which dequantised training makes large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backends.base import Array, DataInfo, Progress, Work
from backends.capabilities import Bijects
from backends.estimates import SLICE, Cost, LogLikelihood, RowEstimates, slices

DRAWS = 4  # of u, a row
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


def flow_terms(model: Bijects, x: Array, seed: int = 0, draws: int = DRAWS) -> Work[FlowTerms]:
    """The terms at rows x (n, d), with ``draws`` of u a row where there is any: at least 2."""
    blurred = on_grid(model.info)
    k = draws if blurred else 1
    rng = np.random.default_rng(seed)
    terms = np.empty((3, len(x), k))
    for rows in slices(len(x), min(_BLOCK, SLICE / Cost.of(model).encode) / k):
        at = np.repeat(np.asarray(x[rows], np.float32), k, axis=0)
        if blurred:
            at += rng.random(at.shape, np.float32) - np.float32(0.5)
        z, log_det = model.transform(at)
        log_base = model.log_base(z)
        terms[:, rows] = np.stack((log_base + log_det, log_base, log_det)).reshape(3, -1, k)
        yield Progress(rows.stop, len(x), "log p(x)")
    mean = terms.mean(2)
    if not blurred:
        nothing = np.zeros(len(x))
        log_prob = LogLikelihood(mean[0], nothing, "exact")
        return FlowTerms(log_prob, *(RowEstimates(m, nothing, "exact") for m in mean[1:]))
    stderr = terms.std(2, ddof=1) / np.sqrt(k)
    noise = f"uniform u in each cell, {k} draws a row"
    return FlowTerms(
        LogLikelihood(mean[0], stderr[0], f"bound E[log p(x + u)] ≤ log P(x), {noise}", independent=True),
        *(
            RowEstimates(m, s, f"mean, {noise}", independent=True)
            for m, s in zip(mean[1:], stderr[1:], strict=True)
        ),
    )

"""What a model is worth on a data set: the ELBO, its two terms and log p(x), per split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backends.base import Array, Estimate, InputError, Progress, Work
from backends.capabilities import Bayesian, Bijects, HasElbo, LogProb, has_log_likelihood
from backends.curves import Curves
from backends.data import DataSet, Density
from backends.flow_terms import flow_terms, on_grid
from backends.likelihood import log_likelihood
from backends.mass import mass_around

SAMPLES = 32  # draws of z per row for the reconstruction term
TOLERANCE = 0.01  # nats
# Behind every point of a curve, so that its points are comparable:
CURVE_ROWS = 300  # of each split
CURVE_SAMPLES = 8  # draws of z per row
CURVE_K = 100  # samples of importance sampling, where there is no quadrature
CURVE_TOLERANCE = 0.05  # nats between two resolutions of the quadrature; drawn as the curve's band
_BLOCK = 16  # rows a slice; fixed, because a block's seed and so the result depends on it
_MANY = 100_000  # rows


@dataclass(frozen=True)
class Report:
    """Averages over the rows of each split, in nats a datum; bits_per_dim in bits a column.

    splits: by split, then by quantity (elbo, reconstruction, kl_prior, log_likelihood, of a flow log_base,
    log_det, where the data's density is known gap, and of pictures of whole numbers bits_per_dim, of a
    regression log_predictive: what the model has).
    whole: of no split: of a flow the entropy of the data and the mass of the flow's density around them.
    """

    step: int
    data: str
    model: str
    splits: Mapping[str, Mapping[str, Estimate]]
    whole: Mapping[str, Estimate] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """{"step", "data", "model"}, quantities of the whole, and by split the others; each quantity is
        {"value", "stderr", "method"}."""
        head: dict[str, Any] = {"step": self.step, "data": self.data, "model": self.model}
        head |= {name: estimate.json() for name, estimate in self.whole.items()}
        return head | {
            split: {name: estimate.json() for name, estimate in quantities.items()}
            for split, quantities in self.splits.items()
        }

    def add_to(self, curves: Curves) -> None:
        """Append each value to the curve "SPLIT/QUANTITY", its error and effective sample size to those named
        "SPLIT/QUANTITY/stderr" and "…/ess". A curve that has come as far as this step stays as it is."""
        for split, quantities in self.splits.items():
            for name, estimate in quantities.items():
                steps, _ = curves.get(f"{split}/{name}")
                if len(steps) and steps[-1] >= self.step:
                    continue
                several = {"": estimate.value, "/stderr": estimate.stderr}
                if estimate.ess is not None:
                    several["/ess"] = estimate.ess
                curves.append_all(self.step, {f"{split}/{name}{end}": v for end, v in several.items()})


def evaluate(
    model: Any,
    data: DataSet,
    splits: Sequence[str] = ("train", "test"),
    k: int | None = None,
    seed: int = 0,
    rows: int | None = None,
    samples: int = SAMPLES,
    tol: float = TOLERANCE,
) -> Work[Report]:
    """The report of a model, in slices.

    k: samples of importance sampling, where log p(x) needs it. rows: at most so many of each split, drawn
    with the seed; the method then says so. samples: draws of z per row for the reconstruction term.
    tol: nats to which two resolutions must agree where log p(x) is quadrature. The mass of a flow on the
    plane takes a second or so, and is only in a report on all rows.
    Raises InputError when the data does not fit the model, and for fewer than 2 samples, which have no error.
    """
    if samples < 2:
        raise InputError(f"the ELBO's error needs at least 2 samples of z a row, not {samples}")
    if data.info.dim != model.info.dim:
        raise InputError(f"'{data.info.name}' has {data.info.dim} columns, the model takes {model.info.dim}")
    x = {split: data.split(split).x for split in splits}
    sizes = {split: len(all_rows) for split, all_rows in x.items() if len(all_rows)}
    x = {split: x[split] if rows is None else some_rows(x[split], rows, seed) for split in sizes}
    report: dict[str, dict[str, Estimate]] = {split: {} for split in x}
    if isinstance(model, HasElbo):
        for split in x:
            report[split] |= yield from _elbo(model, x[split], samples, seed, split)
    if isinstance(model, Bijects):
        for split in x:
            report[split] |= yield from _flow(model, data, x[split], seed)
    elif x and has_log_likelihood(model):
        settings = {} if k is None else {"k": k}
        # all splits at once: quadrature spends most of its time on decoding its grid, which they share
        everything = np.concatenate(list(x.values()))
        result = yield from log_likelihood(model, everything, seed=seed, tol=tol, **settings)
        begin = 0
        for split, some in x.items():
            own = result.part(slice(begin, begin + len(some)))
            report[split]["log_likelihood"] = own.mean()
            begin += len(some)
    elif isinstance(model, Bayesian):  # of a regression, which has no p(x)
        for done, (split, some) in enumerate(x.items(), 1):
            mean = float(model.log_predictive(some).mean())
            report[split]["log_predictive"] = Estimate(mean, 0.0, "exact")
            yield Progress(done, len(x), f"log p(y|x), {split}")
    for split, n in sizes.items():
        if len(x[split]) < n:
            report[split] = {name: _of_rows(e, len(x[split]), n) for name, e in report[split].items()}
    whole: dict[str, Estimate] = {}
    if isinstance(model, Bijects) and rows is None:
        if data.density is not None:
            whole["entropy"] = Estimate(data.density.entropy, 0.0, "known")
        if data.info.dim == 2 and x and isinstance(model, LogProb):
            whole["mass"] = yield from mass_around(model, np.concatenate(list(x.values())))
    return Report(model.stamp.step, data.info.name, model.kind, report, whole)


def curve_report(model: Any, data: DataSet) -> Work[Report]:
    """The report behind a point of a run's curves, quick enough to follow training; the same wherever a run
    is trained: another number of samples would move the curve of an estimator that has a bias."""
    return evaluate(model, data, k=CURVE_K, rows=CURVE_ROWS, samples=CURVE_SAMPLES, tol=CURVE_TOLERANCE)


def some_rows(x: Array, rows: int, seed: int = 0) -> Array:
    """At most so many rows of x (n, d), in their order; the same seed draws the same ones."""
    return x if rows >= len(x) else x[drawn_rows(len(x), rows, seed)]


def drawn_rows(n: int, rows: int, seed: int = 0) -> Array:
    """Which of n rows :func:`some_rows` gives, in ascending order."""
    if rows >= n:
        return np.arange(n)
    rng = np.random.default_rng(seed)
    # an order of very many would take long, all in one piece
    few = n <= _MANY
    return np.sort(rng.permutation(n)[:rows] if few else rng.choice(n, rows, replace=False, shuffle=False))


def _elbo(model: HasElbo, x: Array, samples: int, seed: int, split: str) -> Work[dict[str, Estimate]]:
    blocks = range(0, len(x), _BLOCK)
    bounds = []
    for i, begin in enumerate(blocks):
        # blocks that shared a seed would share their noise, and their errors would not average out
        block_seed = int(np.random.SeedSequence([seed, i]).generate_state(1)[0])
        bounds.append(model.elbo(x[begin : begin + _BLOCK], samples, block_seed))
        yield Progress(i + 1, len(blocks), f"ELBO, {split}")
    reconstruction = np.concatenate([b.reconstruction for b in bounds])
    kl_prior = np.concatenate([b.kl_prior for b in bounds])

    def estimate(value: Array, errors: Sequence[Array | None]) -> Estimate:
        known = [e for e in errors if e is not None]
        if not known:
            return Estimate(float(value.mean()), 0.0, "analytic")
        # rows are independent given θ: the variance of the mean is the sum of the rows' variances over n²
        stderr = float(np.sqrt(np.square(np.concatenate(known)).sum()) / len(x))
        return Estimate(float(value.mean()), stderr, f"Monte Carlo, {samples} samples of z a row")

    return {
        "elbo": estimate(reconstruction - kl_prior, [b.stderr for b in bounds]),
        "reconstruction": estimate(reconstruction, [b.reconstruction_stderr for b in bounds]),
        "kl_prior": estimate(kl_prior, [b.kl_stderr for b in bounds]),
    }


def _flow(model: Bijects, data: DataSet, x: Array, seed: int) -> Work[dict[str, Estimate]]:
    """log p(x) of a flow, its terms, and what they say of such data."""
    terms = yield from flow_terms(model, x, seed)
    log_p = terms.log_prob.mean()
    out = {"log_likelihood": log_p}
    if data.density is not None:
        out["gap"] = _gap(data.density, x, terms.log_prob.value)
    out |= {"log_base": terms.log_base.mean(), "log_det": terms.log_det.mean()}
    if data.info.image_shape is not None and on_grid(data.info):
        bits = 1 / (data.info.dim * math.log(2))
        method = f"−log₂ P(x)/{data.info.dim}, P(x) by its {log_p.method}"
        out["bits_per_dim"] = Estimate(-log_p.value * bits, log_p.stderr * bits, method)
    return out


def _gap(density: Density, x: Array, log_p: Array) -> Estimate:
    """How far the mean of a model's log p, (n,) at rows x, is below −entropy: KL(data ‖ model).

    Row by row against the data's own log p, whose mean is −entropy: that has far less noise.
    """
    off = density.log_prob(x) - log_p
    stderr = 0.0
    if len(off) > 1:
        stderr = float(off.std(ddof=1) / np.sqrt(len(off))) if np.isfinite(off).all() else math.inf
    return Estimate(float(off.mean()), stderr, "mean over the rows of log p(x) of the data − log p(x)")


def _of_rows(estimate: Estimate, rows: int, n: int) -> Estimate:
    return Estimate(estimate.value, estimate.stderr, f"{estimate.method}; {rows} of {n} rows", estimate.ess)

"""Checks of a Model as an object: shapes, seeds, threads, and that it is frozen."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from backends.base import Array, Gaussian
from backends.conformance.case import Case
from backends.conformance.require import (
    answers,
    copy_of,
    require,
    require_input_error,
    require_same,
    require_same_state,
)
from backends.costs import Costs

# axes of each answer: n rows, d columns, k latent dimensions, ? any number
_FLOAT32 = {
    "decode.mean": "nd", "decode.std": "nd", "encode.mean": "nk", "encode.std": "nk",
    "encode.scale_tril": "nkk", "sample_prior": "nk", "sample": "nd", "transform.z": "nd", "inverse.x": "nd",
}  # fmt: skip
_FLOAT64 = {
    "encode.probs": "n?", "log_prior": "n", "log_prob": "n", "log_joint": "nn", "log_joint.rows": "n2",
    "metric": "nkk", "entropy_given": "n",
    "elbo.reconstruction": "n", "elbo.kl_prior": "n", "elbo.stderr": "n", "elbo.kl_stderr": "n",
    "theta": "?", "sample_theta": "n?", "log_prior_theta": "n", "log_likelihood_theta": "n",
    "log_posterior_theta": "n", "transform.log_det": "n", "inverse.log_det": "n", "log_base": "n",
    "log_predictive": "n", "map_theta": "?", "predict.mean": "n", "predict.std": "n",
}  # fmt: skip


_STEP = 0.003  # of a latent, in differences of what it decodes to


def shapes(case: Case) -> None:
    model = case.model
    for n in (0, 1, 7):
        sizes = {"n": n, "d": case.data.info.dim, "k": model.latent_dim, "2": 2}
        for name, a in answers(model, *case.inputs(n)).items():
            dtype, axes = ("float32", _FLOAT32[name]) if name in _FLOAT32 else ("float64", _FLOAT64[name])
            require(isinstance(a, np.ndarray), f"{name} is a {type(a).__name__}, not an array")
            want = tuple(sizes.get(axis, size) for axis, size in zip(axes, a.shape, strict=False))
            fits = a.ndim == len(axes) and a.shape == want
            require(fits, f"for {n} rows {name} has shape {a.shape}, not ({', '.join(axes)})")
            require(a.dtype == dtype, f"{name} is {a.dtype}, not {dtype}")
            require(a.flags.c_contiguous, f"{name} is not C-contiguous")
            require(np.isfinite(a).all(), f"{name} holds values that are not finite")


def rows_apart(case: Case) -> None:
    """One row's answers do not depend on the others in the batch (random ones and those on θ aside)."""
    x, z = case.inputs(7)
    drawn = ("sample", "sample_prior", "log_joint")
    every = answers(case.model, x, z)
    whole = {k: a[2:3] for k, a in every.items() if k not in drawn and "theta" not in k}
    for name in [name for name in whole if name.startswith("elbo")]:
        if name != "elbo.kl_prior" or "elbo.kl_stderr" in every:
            del whole[name]
    # log_joint.rows pairs a latent with its mirror image among the latents, so that stays out, too
    whole.pop("log_joint.rows", None)
    alone = answers(case.model, x[2:3], z[2:3])
    require_same({k: alone[k] for k in whole}, whole, "a row alone is answered otherwise", exact=False)


def frozen(case: Case) -> None:
    learner = case.learner(2)
    model, state, inputs = learner.snapshot(), learner.state(), case.inputs(5)
    before = {name: np.array(a) for name, a in answers(model, *inputs).items()}
    state_before = copy_of(state)
    for _ in range(3):
        learner.step()
    require_same(answers(model, *inputs), before, "later steps change a snapshot", exact=case.exact)
    require_same_state(state, state_before, "later steps change a state", exact=case.exact)
    for a in answers(model, *inputs).values():
        if a.flags.writeable:
            a[...] = 0
    require_same(answers(model, *inputs), before, "writing to an answer changes a snapshot", exact=case.exact)


def threads(case: Case) -> None:
    inputs = [case.inputs(50, seed) for seed in range(4)]
    want = [answers(case.model, *one) for one in inputs]
    start = threading.Barrier(len(inputs))

    def ask(one: tuple[Array, Array]) -> list[dict[str, Array]]:
        start.wait()
        return [answers(case.model, *one) for _ in range(4)]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # as many interleavings as there can be
    try:
        with ThreadPoolExecutor(len(inputs)) as pool:
            got = list(pool.map(ask, inputs))
    finally:
        sys.setswitchinterval(interval)
    for mine, expected in zip(got, want, strict=True):
        for one in mine:
            require_same(one, expected, "asked from several threads it answers otherwise", exact=False)


def parameters(case: Case) -> None:
    model, inputs = case.model, case.inputs(5)
    theta, before = model.theta(), answers(model, *inputs)
    require_same(answers(model.at(theta), *inputs), before, "at(theta()) is another model", exact=case.exact)
    new = theta + 0.01 * np.random.default_rng(0).standard_normal(theta.shape)
    other = model.at(new)
    require(np.allclose(other.theta(), new, rtol=1e-5, atol=1e-5), "at(θ).theta() is not θ")
    moved = answers(other, *inputs)
    same = all(np.array_equal(moved[name], before[name]) for name in before if name != "theta")
    require(not same or len(before) == 1, "at(θ) answers as the model does, whatever θ")
    require_same(answers(model, *inputs), before, "at() changes the model it is called on", exact=case.exact)
    require_input_error(lambda: model.at(theta[1:]), "a θ of another size")


def encoding(case: Case) -> None:
    q = case.model.encode(case.data.train.x[:50])
    if not isinstance(q, Gaussian):
        require((q.probs >= 0).all(), "responsibilities are negative")
        require(np.allclose(q.probs.sum(1), 1, atol=1e-9), "responsibilities do not sum to one")
        return
    require((q.std > 0).all(), "q(z|x) has a standard deviation that is not positive")
    if q.scale_tril is not None:
        wide = q.scale_tril.astype(np.float64)
        require(np.array_equal(wide, np.tril(wide)), "scale_tril is not lower triangular")
        require((np.diagonal(wide, axis1=1, axis2=2) > 0).all(), "scale_tril has a diagonal ≤ 0")
        require(np.allclose(q.std, np.sqrt((wide**2).sum(2)), rtol=1e-4), "std is not that of scale_tril")


def metric(case: Case) -> None:
    """metric is JᵀJ of decode's mean, by central differences; in most rows, as some straddle kinks."""
    model, z = case.model, case.inputs(50)[1]
    n, k = z.shape
    steps = _STEP * np.eye(k, dtype=np.float32)
    ahead, behind = (np.ascontiguousarray((z[:, None] + s * steps).reshape(-1, k)) for s in (1, -1))
    change = model.decode(ahead).mean.astype(np.float64) - model.decode(behind).mean
    jacobian = change.reshape(n, k, -1) / (ahead.astype(np.float64) - behind).sum(1).reshape(n, k, 1)
    want, got = jacobian @ jacobian.swapaxes(1, 2), model.metric(z)
    size = np.linalg.norm(want, axis=(1, 2))
    rounding = np.finfo(np.float32).eps * float(np.abs(model.decode(z).mean).max(initial=0)) / _STEP
    allowed = 0.05 * size + 4 * np.sqrt(size) * rounding * jacobian.shape[2] ** 0.5 + rounding**2
    off = np.linalg.norm(got - want, axis=(1, 2))
    require(
        np.mean(off < allowed) >= 0.9, f"metric is off JᵀJ of decode by {np.median(off / size):.2g} of it"
    )
    require(np.array_equal(got, got.swapaxes(1, 2)), "metric is not symmetric")
    two = np.random.default_rng(0).normal(size=(2, k))
    some, of_all = model.metric(z, two), two @ got @ two.T
    require(
        some.shape == (n, 2, 2) and np.allclose(some, of_all, rtol=1e-3, atol=1e-5 * np.abs(of_all).max()),
        "metric of two directions is not B G Bᵀ",
    )


def samples_seeded(case: Case) -> None:
    """sample gives the same rows for the same seed, and others for another."""
    _require_seeded(case.model.sample, "sample")


def prior_seeded(case: Case) -> None:
    """sample_prior gives the same rows for the same seed, and others for another."""
    _require_seeded(case.model.sample_prior, "sample_prior")


def costs(case: Case) -> None:
    """What is measured first has a number, or none, in each column; there must be rows to measure with."""
    work = case.model.costs(case.data.train.x[:50])
    found: Costs | None = None
    try:
        while not isinstance(found, Costs):
            found = next(work)
    except StopIteration as stop:
        found = stop.value
    work.close()
    require(isinstance(found, Costs), f"costs returns {type(found).__name__} and not Costs")
    for table in found.tables:
        for name, cells in table.rows:
            fits = len(cells) == len(table.columns)
            require(fits, f"{table.title}, {name}, has {len(cells)} numbers for {len(table.columns)} columns")
    require_input_error(lambda: next(case.model.costs(case.data.train.x[:0])), "costs without rows")


def _require_seeded(draw: Callable[[int, int], Array], name: str) -> None:
    require(
        np.array_equal(draw(100, 1), draw(100, 1)), f"{name} ignores its seed: each call gives other rows"
    )
    require(not np.array_equal(draw(100, 1), draw(100, 2)), f"{name} gives the same rows for two seeds")

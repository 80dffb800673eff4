"""Checks of flows: an inverse that inverts, log-determinants of the Jacobian, a path with the right ends.

Derivatives are differences of float32 rows: good to about 1e-3, save where one straddles a kink. So most rows
must agree, not all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backends.base import Array
from backends.conformance.case import Case
from backends.conformance.require import require, require_input_error

_INVERSE = 1e-3  # of the scale of the rows; sharper bounds are a matter of each flow's own tests
_LOG_DET = 0.02  # nats by which a log-determinant may be off its differences, in most of the rows
_SHARE = 0.9


def change_of_variables(case: Case) -> None:
    """log p(x) = log p(z) + log|det ∂z/∂x|, and where there is a prior it is p(z)."""
    model, (x, z) = case.model, case.inputs(50)
    latents, log_det = model.transform(x)
    _require_close(model.log_base(latents) + log_det, model.log_prob(x), "log_base + log_det is not log_prob")
    if "prior" in case.kind.capabilities:
        _require_close(model.log_prior(z), model.log_base(z), "log_prior is not log_base")


def inverses(case: Case) -> None:
    """inverse undoes transform, and transform inverse, with opposite log-determinants."""
    model, (x, z) = case.model, case.inputs(50)
    for rows, there, back, name in (
        (x, model.transform, model.inverse, "inverse(transform(x)) is not x"),
        (z, model.inverse, model.transform, "transform(inverse(z)) is not z"),
    ):
        moved, log_det = there(rows)
        again, log_det_back = back(moved)
        off = np.abs(again - rows).max() / rows.std()
        require(off < _INVERSE, f"{name}: off by {off:.2g} of its scale")
        off = np.abs(log_det + log_det_back).max()
        require(off < _LOG_DET, f"{name}, by its log-determinants: their sum is {off:.2g} and not 0")


def log_determinants(case: Case) -> None:
    """transform's log_det is log|det| of its Jacobian, by central differences."""
    model, x = case.model, case.inputs(50)[0]
    jacobian = _jacobians(lambda rows: model.transform(rows)[0], x)
    _require_log_det(jacobian, model.transform(x)[1], "transform")


def path_ends(case: Case) -> None:
    """A path begins at its points, ends at those of transform (or inverse), and is the same both ways."""
    model, x = case.model, case.inputs(20)[0]
    times = model.times
    rising = times.ndim == 1 and len(times) > 1 and (np.diff(times) > 0).all()
    require(rising and times[0] == 0 and times[-1] == 1, f"times are {times}, and do not rise from 0 to 1")
    z, log_det = model.transform(x)
    there, back = model.path(x), model.path(z, times[::-1].copy())
    for path, when, begin, end, name in (
        (there, times, x, (z, log_det), "path"),
        (back, times[::-1], z, model.inverse(z), "path back"),
    ):
        shape = (len(times), *x.shape)
        right = path.points.shape == shape and path.points.dtype == np.float32
        require(right, f"{name} has {path.points.dtype} points of shape {path.points.shape}, not {shape}")
        right = path.log_det.shape == shape[:2] and path.log_det.dtype == np.float64
        require(right, f"{name} has {path.log_det.dtype} log_det of {path.log_det.shape}, not {shape[:2]}")
        require(np.array_equal(path.times, when), f"{name} has times {path.times} and not {when}")
        _require_close(path.points[0], begin, f"{name} does not begin at its points")
        _require_close(path.log_det[0], 0 * log_det, f"the log_det of {name} does not begin with 0")
        _require_close(path.points[-1], end[0], f"{name} ends elsewhere than transform or inverse")
        _require_close(path.log_det[-1], end[1], f"{name} ends with a log_det that is not of its ends")
    off = np.abs(there.points - back.points[::-1]).max((1, 2)) / there.points.std((1, 2))
    require((off < _INVERSE).all(), f"path there and back differ on the way by {off.max():.2g} of the scale")
    off = np.abs(there.log_det - back.log_det[::-1] - log_det)
    require((off < _LOG_DET).all(), f"path there and back differ in log_det on the way by {off.max():.2g}")
    middle = len(times) // 2
    rest = model.path(there.points[middle], times[middle:].copy())
    _require_close(rest.points[-1], z, "a path from half of the way ends elsewhere")
    _require_close(there.log_det[middle] + rest.log_det[-1], log_det, "two halves have not the whole log_det")
    require(model.path(x[:0]).points.shape == (len(times), 0, x.shape[1]), "a path of no rows has some")
    require_input_error(lambda: model.path(x, np.array([0.0, 1.0, 0.0])), "a path there and back at once")


def path_jacobians(case: Case) -> None:
    """log_det at each station is that of the Jacobian from x to there: so each layer's own is right."""
    model, x = case.model, case.inputs(30)[0]
    whole = model.path(x)
    jacobians = _jacobians(lambda rows: model.path(rows).points, x)
    for time, jacobian, log_det in zip(whole.times, jacobians, whole.log_det, strict=True):
        _require_log_det(jacobian, log_det, f"path at time {time:g}")


def motion(case: Case) -> None:
    """Velocity and divergence are the derivatives of a path in time, which stops anywhere; a finer solver and
    points alone agree with the rest."""
    model, x = case.model, case.inputs(30)[0]
    h = 1e-2
    for time in (0.1, 0.63):
        at = model.path(x, np.array([0.0, time]))
        path = model.path(at.points[-1], np.array([time, time + h]))
        back = model.path(at.points[-1], np.array([time, time - h]))
        points = at.points[-1]
        rate = (path.points[-1].astype(np.float64) - back.points[-1]) / (2 * h)
        off = np.abs(rate - model.velocity(points, time)).max() / np.abs(rate).max()
        require(
            off < 0.05, f"the velocity at time {time:g} is off that of the path by {off:.2g} of the largest"
        )
        rate = (path.log_det[-1] - back.log_det[-1]) / (2 * h)
        off = np.abs(rate - model.divergence(points, time)).max() / max(1.0, np.abs(rate).max())
        require(off < 0.05, f"the divergence at time {time:g} is off the path's log_det by {off:.2g}")
    _require_close(model.move(x, 0.0, 1.0), model.transform(x)[0], "move does not end where transform does")
    half = model.path(x, np.array([0.0, 0.37, 1.0])).points
    _require_close(model.move(half[2], 1.0, 0.37), half[1], "move back does not end on the path")
    off = np.abs(model.finer().log_prob(x) - model.log_prob(x)).max()
    require(off < 0.5, f"a finer solver changes log p(x) by {off:.2g} nats")


def estimated_log_det(case: Case) -> None:
    """The estimate is within its standard errors of the exact log-determinant."""
    model, x = case.model, case.inputs(40)[0]
    if not model.exact_log_det:
        return
    exact = model.transform(x)[1]
    mean, stderr = model.estimate_log_det(x, draws=32, seed=1)
    z = (mean - exact) / np.maximum(stderr, 1e-3)
    require(np.abs(z).max() < 7, f"an estimated log_det is {np.abs(z).max():.1f} standard errors off")
    require_input_error(lambda: model.estimate_log_det(x, draws=1), "an estimate by one draw")


def _jacobians(f: Callable[[Array], Array], x: Array) -> Array:
    """Transposed Jacobians at x (n, d) of what takes rows (m, d) to (…, m, d): (…, n, d, d) float64."""
    n, d = x.shape
    h = np.maximum(2e-3 * x.std(0), 1e-6).astype(np.float32)
    steps = np.diag(h)
    ahead = (x[:, None] + steps).astype(np.float32)  # (n, d, d): row j moved along column j
    behind = (x[:, None] - steps).astype(np.float32)
    width = np.einsum("njj->nj", ahead.astype(np.float64) - behind)  # as float32 has it
    there, back = (f(np.ascontiguousarray(a.reshape(-1, d))).astype(np.float64) for a in (ahead, behind))
    return np.asarray((there - back).reshape(*there.shape[:-2], n, d, d) / width[:, :, None])


def _require_log_det(jacobian: Array, log_det: Array, what: str) -> None:
    off = np.abs(np.linalg.slogdet(jacobian)[1] - log_det)
    share = float(np.mean(off < _LOG_DET))
    require(
        share >= _SHARE,
        f"the log_det of {what} is off that of its Jacobian by {np.median(off):.2g} in the median row",
    )


def _require_close(got: Array, want: Array, what: str) -> None:
    off = float(np.abs(got - want).max())
    require(off < 1e-4 * max(1.0, float(np.abs(want).max())), f"{what}: off by {off:.2g}")

"""What is drawn of a distribution of parameters θ, and of what it predicts. Runs in exploration."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from backends.base import Array
from backends.capabilities import Bayesian, Regresses
from backends.curves import Curves
from explorer.planes.contours import contour
from explorer.planes.density import colours
from explorer.view import Picture, View

CELL = 2  # device pixels a cell of a field over θ
DRAWS = 12  # θ that are drawn as curves on the data and as dots among the parameters: the same ones
CLOUD = 1000  # θ of a scatter
SEED = 0
POINTS = 400  # of a line
MOST_ROWS = 4000  # drawn


@dataclass(frozen=True, eq=False)
class Estimates:
    """Numbers of one moment, for θ of p coordinates.

    total: Σ log p(x_i|x_1 … x_{i−1}) as the curves have it; None where they lack some of the rows.
    newest: log p of the newest row given those before it. best: MAP; likeliest: ML; each (p,).
    """

    rows: int
    log_evidence: float
    total: float | None
    newest: float | None
    names: tuple[str, ...]
    best: Array
    likeliest: Array | None
    mean: Array


def estimates(model: Bayesian, curves: Curves) -> Estimates:
    """The numbers of a model, whose rows have left their scalars on the curves of its run."""
    n = len(model.seen)
    steps, log_p = curves.get("batch/log_predictive")
    log_p = log_p[: np.searchsorted(steps, n, "right")]  # training may have gone on
    whole = len(log_p) == n
    return Estimates(
        n,
        model.log_evidence(),
        float(log_p.sum()) if whole else None,
        float(log_p[-1]) if whole and n else None,
        tuple(axis.name for axis in model.theta_axes),
        model.map_theta(),
        model.ml_theta(),
        model.posterior_mean(),
    )


# -- among the parameters ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ThetaLines:
    """Densities over one θ (m,), the likelihood scaled to area one over these. marks: {name: (θ, height)},
    "ml" on the likelihood, "map" and "mean" on the posterior."""

    theta: Array
    prior: Array
    likelihood: Array
    posterior: Array
    marks: dict[str, tuple[float, float]]


def theta_lines(model: Bayesian) -> ThetaLines:
    """Prior, likelihood and posterior of a single parameter."""
    (axis,) = model.theta_axes
    parts = [_middles(axis.low, axis.high), _middles(*axis.focus)]
    theta = np.unique(np.clip(np.concatenate(parts), axis.low, axis.high))
    whole = np.array([axis.low, *theta, axis.high])
    log_l = model.log_likelihood_theta(whole[:, None])
    peak = float(log_l.max())
    area = float(np.trapezoid(np.exp(log_l - peak), whole))

    def likelihood(at: Array) -> Array:
        return np.asarray(np.exp(model.log_likelihood_theta(at[:, None]) - peak) / area)

    def posterior(at: Array) -> Array:
        return np.asarray(np.exp(model.log_posterior_theta(at[:, None])))

    marks = {}
    for name, at, curve in (
        ("map", model.map_theta(), posterior),
        ("mean", model.posterior_mean(), posterior),
        ("ml", model.ml_theta(), likelihood),
    ):
        if at is not None and np.isfinite(height := float(curve(at)[0])):
            marks[name] = (float(at[0]), height)
    prior = np.exp(model.log_prior_theta(theta[:, None]))
    return ThetaLines(theta, prior, likelihood(theta), posterior(theta), marks)


def _middles(low: float, high: float) -> Array:
    """Of as many cells: a density may be infinite at the ends."""
    return low + (np.arange(POINTS) + 0.5) / POINTS * (high - low)


@dataclass(frozen=True, eq=False)
class ThetaField:
    """One density on a plane of θ: its picture, None where it is flat, and contours (m, 2, 2) in canvas
    coordinates where it is e^(−r²/2) of its peak, r = 1 and 2: at r σ of a normal density."""

    picture: Picture | None
    contours: Array


@dataclass(frozen=True, eq=False)
class ThetaFields:
    """Two parameters: prior, likelihood and posterior on their plane, marks (2,) by name, and θ drawn from
    the posterior (DRAWS, 2)."""

    prior: ThetaField
    likelihood: ThetaField
    posterior: ThetaField
    marks: dict[str, Array]
    draws: Array


def theta_fields(model: Bayesian, view: View, table: Array) -> Generator[None, None, ThetaFields | None]:
    """Prior, likelihood and posterior of two parameters over the view, in slices.

    table: (256, 3) uint8, colours by rising density; the brightest is the greatest in view.
    """
    rows, columns = view.height // CELL, view.width // CELL
    if not rows or not columns:
        return None
    py, px = np.divmod(np.arange(rows * columns), columns)
    grid = view.to_canvas((px + 0.5) * view.width / columns, (py + 0.5) * view.height / rows)
    marks = theta_marks(model)
    inside = [m for m in marks.values() if view.x0 <= m[0] <= view.x1 and view.y0 <= m[1] <= view.y1]
    fields = []
    for log_density, flat in (
        (model.log_prior_theta, False),
        (model.log_likelihood_theta, not len(model.seen)),
        (model.log_posterior_theta, False),
    ):
        yield
        if flat:
            fields.append(ThetaField(None, np.zeros((0, 2, 2))))
            continue
        log_p = log_density(np.concatenate([grid, *(m[None] for m in inside)]))
        finite = log_p[np.isfinite(log_p)]
        peak = float(finite.max()) if len(finite) else 0.0  # a mode may fall between cells
        log_p = log_p[: len(grid)].reshape(rows, columns)
        image = np.ascontiguousarray(colours(log_p, table, peak))
        found = np.concatenate([contour(log_p, peak - r * r / 2) for r in (1.0, 2.0)]) + 0.5
        lines = view.to_canvas(found[..., 0] * view.width / columns, found[..., 1] * view.height / rows)
        fields.append(ThetaField(Picture(image, view, model.stamp.step), lines))
    prior, likelihood, posterior = fields
    return ThetaFields(prior, likelihood, posterior, marks, model.sample_theta(DRAWS, SEED))


@dataclass(frozen=True, eq=False)
class ThetaCloud:
    """Two of many coordinates of θ: draws from prior and posterior (CLOUD, 2) each, and marks (2,)."""

    prior: Array
    posterior: Array
    marks: dict[str, Array]


def theta_cloud(model: Bayesian, i: int, j: int) -> ThetaCloud:
    """Draws of coordinates i and j."""
    prior, posterior = (model.sample_theta(CLOUD, SEED, prior=of_prior) for of_prior in (True, False))
    marks = {name: at[[i, j]] for name, at in theta_marks(model).items()}
    return ThetaCloud(prior[:, [i, j]], posterior[:, [i, j]], marks)


def theta_marks(model: Bayesian) -> dict[str, Array]:
    """MAP, ML where there is one, and posterior mean, (p,) each."""
    known = {"map": model.map_theta(), "ml": model.ml_theta(), "mean": model.posterior_mean()}
    return {name: at for name, at in known.items() if at is not None}


# -- among the data ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Seen:
    """The newest rows (m, d) of those seen, and how many of all are one (of a coin)."""

    rows: Array
    count: int
    ones: int


def seen_by(model: Bayesian) -> Seen:
    """What is drawn of the rows: no more than can be told apart."""
    return Seen(model.seen[-MOST_ROWS:], len(model.seen), int((model.seen[:, 0] == 1).sum()))


def is_coin(model: Bayesian) -> bool:
    """Whether the model gives 0 and 1 probabilities; densities there need not sum to one."""
    if model.info.dim != 1 or model.info.values != "binary":
        return False
    return bool(np.isclose(np.exp(model.log_predictive(np.array([[0.0], [1.0]]))).sum(), 1.0, atol=1e-9))


@dataclass(frozen=True, eq=False)
class LinePrediction:
    """p(x|X) and the plug-in p(x|θ_MAP) at x (m,)."""

    x: Array
    predictive: Array
    plug_in: Array


def predict_line(model: Bayesian, x: Array) -> LinePrediction:
    """Densities, or of binary data probabilities, at x (m,)."""
    rows = x[:, None]
    return LinePrediction(x, np.exp(model.log_predictive(rows)), np.exp(model.log_plug_in(rows)))


@dataclass(frozen=True, eq=False)
class PlanePrediction:
    """Of y at inputs x (m,): mean and standard deviation of p(y|x, X) and of the plug-in p(y|x, θ_MAP), and
    curves (DRAWS, m) of θ drawn from the posterior."""

    x: Array
    mean: Array
    std: Array
    plug_in_mean: Array
    plug_in_std: Array
    curves: Array


def predict_plane(model: Regresses, x: Array) -> PlanePrediction:
    """What a regression says at inputs x (m,)."""
    assert isinstance(model, Bayesian)
    curves = model.curves(model.sample_theta(DRAWS, SEED), x)
    return PlanePrediction(x, *model.predict(x), *model.predict_plug_in(x), curves)

"""Checks of Bayes for parameters: its theorem, the chain rule, densities of θ, rows given by hand.

A kind that declares "bayes" has a learner that is :class:`backends.base.Observes`, whose steps return
"log_predictive" and "log_evidence".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from backends.base import Array, InputError, Observes
from backends.capabilities import Bayesian
from backends.conformance.case import STEPS, Case
from backends.conformance.require import (
    copy_of,
    require,
    require_input_error,
    require_mean,
    require_same_state,
)

_MASS = 0.005  # what a grid over θ may miss or add
_POINTS = {1: 4000, 2: 300}  # cells an axis, by the dimension of θ
_DRAWS = 4000


def _close(got: Any, want: Any, what: str) -> None:
    """Raise AssertionError where the two differ by more than 1e-8 of their size."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    close = np.allclose(got, want, rtol=1e-8, atol=1e-8, equal_nan=False)
    require(close, f"{what}: {got.ravel()[:3]} instead of {want.ravel()[:3]}")


def _thetas(model: Bayesian) -> Array:
    """Some from the posterior, some from the prior: (40, p)."""
    return np.concatenate([model.sample_theta(20, 1), model.sample_theta(20, 2, prior=True)])


def theorem(case: Case) -> None:
    """log p(θ|X) = log p(θ) + log p(X|θ) − log p(X); before the first row it is log p(θ)."""
    model, blank = case.model, case.learner().snapshot()
    thetas = _thetas(model)
    joint = model.log_prior_theta(thetas) + model.log_likelihood_theta(thetas)
    _close(model.log_posterior_theta(thetas), joint - model.log_evidence(), "log p(θ|X) by Bayes' theorem")
    _close(blank.log_prior_theta(thetas), model.log_prior_theta(thetas), "the prior depends on the rows")
    _close(blank.log_posterior_theta(thetas), blank.log_prior_theta(thetas), "without rows the posterior")
    _close(blank.log_likelihood_theta(thetas), np.zeros(len(thetas)), "log p(X|θ) without rows")
    _close(blank.log_evidence(), 0.0, "log p(X) without rows")


def _nodes(box: Sequence[tuple[float, float]]) -> tuple[Array, Array]:
    """Points (m, p) and weights (m,) of a quadrature over a box, denser towards its sides: a density may rise
    there without bound, as Beta(½, ½) does."""
    n = _POINTS[len(box)]
    angle = np.pi * (np.arange(n) + 0.5) / n
    sides = [low + (high - low) * (1 - np.cos(angle)) / 2 for low, high in box]
    weights = [(high - low) * np.sin(angle) * np.pi / (2 * n) for low, high in box]
    points, of_points = (np.meshgrid(*axes, indexing="ij") for axes in (sides, weights))
    return np.stack([a.ravel() for a in points], 1), np.prod([a.ravel() for a in of_points], 0)


def thetas_integrate(case: Case) -> None:
    """Over their axes prior and posterior integrate to nearly one, and the draws of θ follow them."""
    model = case.model
    axes = model.theta_axes
    draws, of_prior = model.sample_theta(_DRAWS, 1), model.sample_theta(_DRAWS, 2, prior=True)
    require(len(axes) == draws.shape[1], f"θ has {draws.shape[1]} coordinates and {len(axes)} axes")
    require(np.array_equal(draws, model.sample_theta(_DRAWS, 1)), "sample_theta ignores its seed")
    require_mean(draws, model.posterior_mean(), "posterior_mean differs from the mean of sample_theta")
    mean = case.learner().snapshot().posterior_mean()
    require_mean(of_prior, mean, "without rows posterior_mean differs from the mean of draws from the prior")
    if len(axes) not in _POINTS:
        return
    wide = [(a.low, a.high) for a in axes]
    focus = [a.focus for a in axes]
    for name, box, log_prob, some in (
        ("prior", wide, model.log_prior_theta, of_prior),
        ("posterior", focus, model.log_posterior_theta, draws),
    ):
        grid, weights = _nodes(box)
        mass = float(np.exp(log_prob(grid)) @ weights)
        least = 1 - 0.01 * len(axes) - _MASS
        require(least < mass < 1 + _MASS, f"over its axes the {name} of θ integrates to {mass:.4g}, not to 1")
        inside = np.all([(c >= low) & (c <= high) for c, (low, high) in zip(some.T, box, strict=True)], 0)
        what = f"the share of sample_theta inside the axes differs from the mass of the {name} there"
        require_mean(inside[:, None].astype(np.float64), np.array([mass]), what, also=_MASS)


def chain_rule(case: Case) -> None:
    """log p(X) is the sum of log p(x_n|x₁ … x_{n−1}); log_plug_in is log p(x|θ) at the MAP θ."""
    learner, total = case.learner(), 0.0
    for n in range(STEPS):
        before = learner.snapshot()
        scalars = learner.step()
        after = learner.snapshot()
        require(len(after.seen) == n + 1, f"after {n + 1} steps {len(after.seen)} rows are seen")
        row, best = after.seen[-1:], before.map_theta()[None]
        total += scalars["log_predictive"]
        _close(before.log_predictive(row), scalars["log_predictive"], "log_predictive of the next row")
        _close(after.log_evidence(), total, "log_evidence by the chain rule")
        _close(scalars["log_evidence"], total, "the scalar log_evidence by the chain rule")
        of_row = after.log_likelihood_theta(best) - before.log_likelihood_theta(best)
        _close(before.log_plug_in(row), of_row, "log_plug_in, by the likelihood at map_theta")
        again = after.earlier(before.stamp.step)
        require(np.array_equal(again.seen, before.seen), "earlier(n) has seen others than the first n rows")
        require(again.stamp == before.stamp, f"earlier({before.stamp.step}) is stamped {again.stamp}")
        _close(again.log_evidence(), before.log_evidence(), "log_evidence of an earlier moment")


def any_order(case: Case) -> None:
    """The posterior and the evidence are the same for the same rows in another order."""
    none = np.zeros((0, case.data.info.dim), np.float32)
    x = case.inputs(STEPS)[0]
    models = []
    for rows in (x, x[::-1]):
        learner = case.learner(x=none)
        learner.observe(rows)  # type: ignore[attr-defined]
        models.append(learner.snapshot())
    one, other = models
    require(np.array_equal(one.seen, x), "rows given by hand are not those seen")
    thetas = _thetas(one)
    what = "in another order of the rows"
    _close(other.log_evidence(), one.log_evidence(), f"log_evidence {what}")
    _close(other.log_posterior_theta(thetas), one.log_posterior_theta(thetas), f"log p(θ|X) {what}")


def by_hand(case: Case) -> None:
    """Rows given by hand count as steps and are kept in the state; the training rows end, once each."""
    learner, x = case.learner(2), case.inputs(3)[0]
    require(isinstance(learner, Observes), "the learner lacks observe or total_steps")
    assert isinstance(learner, Observes)
    total = learner.total_steps
    require(total == len(case.data.train), f"of {len(case.data.train)} rows total_steps is {total}")
    scalars = learner.observe(x)
    require(len(scalars) == 3, f"observe gives the scalars of {len(scalars)} steps for 3 rows")
    require((learner.steps, learner.total_steps) == (5, total + 3), "rows given by hand are not steps")
    before = copy_of(learner.state())
    bad = np.array(x)
    bad[-1, 0] = np.nan
    require_input_error(lambda: learner.observe(bad), "a row that is not finite, given by hand,")
    require_input_error(lambda: learner.observe(np.zeros((1, x.shape[1] + 1))), "a row that is too wide")
    require_same_state(learner.state(), before, "refusing a row by hand changes it", exact=case.exact)
    learner.observe(x)
    require_input_error(lambda: learner.forget(7), "taking back more rows than were given by hand")
    learner.forget(3)
    require_same_state(learner.state(), before, "rows taken back leave something", exact=case.exact)
    require(learner.by_hand == 3, f"of 3 rows by hand before those taken back it counts {learner.by_hand}")
    other = case.learner(seed=1)
    other.restore(before)
    learner.step()
    other.step()
    what = "after rows by hand it does not go on as before"
    require_same_state(other.state(), learner.state(), what, exact=case.exact)
    while learner.steps < learner.total_steps:
        learner.step()
    require(learner.steps == total + 3, f"{total} training rows and 3 by hand make {learner.steps} steps")
    seen = learner.snapshot().seen
    want = np.concatenate([case.data.train.x, x])
    same = np.array_equal(seen[np.lexsort(seen.T)], want[np.lexsort(want.T)])
    require(same, "the rows seen are not the training rows and those given by hand")
    require_input_error(learner.step, "a step after the last row")


def modes(case: Case) -> None:
    """No θ near or far is more probable than map_theta, nor more likely than ml_theta."""
    model = case.model
    best, likely = model.map_theta(), model.ml_theta()
    rng = np.random.default_rng(0)
    spread = model.sample_theta(200, 1).std(0)
    for name, at, log_prob in (
        ("map_theta", best, model.log_posterior_theta),
        ("ml_theta", likely, model.log_likelihood_theta),
    ):
        if at is None:
            continue
        near = at + spread * rng.standard_normal((200, len(at))) * np.geomspace(1e-3, 1, 200)[:, None]
        others = log_prob(np.concatenate([near, _thetas(model)]))
        top = float(log_prob(at[None])[0])
        require(others.max() <= top + 1e-8 * (1 + abs(top)), f"{name} is not where it should be largest")


def predictions(case: Case) -> None:
    """predict and predict_plug_in give mean and spread of the densities log_predictive and log_plug_in."""
    model = case.model
    x = case.inputs(4)[0][:, 0].astype(np.float64)
    for name, (mean, std), log_prob in (
        ("predict", model.predict(x), model.log_predictive),
        ("predict_plug_in", model.predict_plug_in(x), model.log_plug_in),
    ):
        for one, m, s in zip(x, mean, std, strict=True):
            y = np.linspace(m - 30 * s, m + 30 * s, 6001)
            p = np.exp(log_prob(np.stack([np.full_like(y, one), y], 1))) * (y[1] - y[0])
            require(abs(p.sum() - 1) < _MASS, f"the density that {name} is of integrates to {p.sum():.4g}")
            off = abs(p @ y / p.sum() - m) + abs(math.sqrt(p @ (y - m) ** 2 / p.sum()) - s)
            require(off < 0.02 * s, f"{name} gives {m:.4g} ± {s:.4g}, its density {off:.2g} more or less")
    best = model.map_theta()[None]
    _close(model.curves(best, x)[0], model.predict_plug_in(x)[0], "the curve of map_theta")
    try:
        model.curves(best[:, 1:], x)
    except InputError:
        return
    raise AssertionError("a θ with a coordinate less is accepted; it must raise InputError")

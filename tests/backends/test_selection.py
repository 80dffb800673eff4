"""Fits of several sizes, against scikit-learn's criteria and counts of parameters by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from backends.base import InputError, Progress, finish
from backends.data import Split, open_data
from backends.run import Run
from backends.selection import Selection, can_select, select, size_of
from tests.backends.mixtures import scikit_precisions


def start(model, data, **values):
    run = Run.start(model, open_data(data), values)
    run.step()
    return run


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_criteria_are_scikit_learns(covariance):
    run = Run.start("gmm", open_data("two-moons"), {"components": 2, "covariance": covariance})
    found = finish(select(run, (1, 4), restarts=1, steps=15, tolerance=0.0))
    x = run.data.train.x.astype(np.float64)
    for fit in found.fits:
        model = fit.run.model()
        theirs = GaussianMixture(fit.size, covariance_type=covariance)
        theirs.weights_, theirs.means_ = model.weights, model.means
        precisions = scikit_precisions(model, covariance)
        cholesky = np.linalg.cholesky(precisions) if covariance in ("full", "tied") else np.sqrt(precisions)
        theirs.precisions_cholesky_, theirs.converged_ = cholesky, True
        assert fit.aic == pytest.approx(theirs.aic(x), rel=1e-9)
        assert fit.bic == pytest.approx(theirs.bic(x), rel=1e-9)
        assert fit.parameters == theirs._n_parameters()
        assert fit.held_out == pytest.approx(theirs.score(run.data.test.x.astype(np.float64)), rel=1e-9)


@pytest.mark.parametrize(
    ("model", "data", "values", "parameters"),
    [
        ("bernoulli-mixture", "digits", {"components": 3}, 2 + 3 * 64),
        ("ppca", "digits-grey", {"latent_dim": 4}, 64 + 64 * 4 + 1 - 6),
        ("factor-analysis", "digits-grey", {"latent_dim": 4}, 64 + 64 * 4 + 64 - 6),
        ("factor-analysis", "two-moons", {"latent_dim": 2}, 2 + 3),  # no more than a Gaussian has
        ("ppca", "two-moons", {"latent_dim": 1}, 2 + 2 + 1),
    ],
)
def test_free_parameters_are_counted(model, data, values, parameters):
    assert start(model, data, **values).model().free_parameters == parameters


def test_the_best_of_the_restarts_is_kept_and_can_go_on():
    run = start("gmm", "eight-gaussians", components=3, covariance="diag")
    found = finish(select(run, (7,), restarts=3, steps=8, tolerance=0.0))
    (fit,) = found.fits
    others = []
    for seed in range(3):
        other = Run.start("gmm", run.data, {"components": 7, "covariance": "diag"}, seed=seed)
        for _ in range(8):
            other.step()
        others.append(float(other.model().log_prob(run.data.train.x).mean()))
    assert fit.train == pytest.approx(max(others), rel=1e-12)
    assert fit.run.seed == int(np.argmax(others))
    assert (fit.run.steps, fit.run.values["components"], fit.run.values["covariance"]) == (8, 7, "diag")
    before = fit.run.steps
    fit.run.step()
    assert fit.run.steps == before + 1


def test_progress_goes_to_its_end_and_sizes_come_one_by_one():
    run = start("ppca", "digits-grey", latent_dim=2)
    seen = list(select(run, range(1, 4), restarts=2, steps=5, tolerance=1e-3))
    progress = [p for p in seen if isinstance(p, Progress)]
    assert (progress[-1].done, progress[-1].total) == (30, 30)
    assert [p.done for p in progress] == sorted(p.done for p in progress)
    assert [[f.size for f in s.fits] for s in seen if isinstance(s, Selection)] == [[1], [1, 2], [1, 2, 3]]
    train = [f.train for f in [s for s in seen if isinstance(s, Selection)][-1].fits]
    assert train == sorted(train)


def test_what_is_too_large_is_a_sentence():
    run = start("gmm", "digits-grey", components=2, covariance="diag")
    with pytest.raises(InputError, match="1350 training rows"):
        finish(select(run, (1400,), restarts=1, steps=1, tolerance=0.0))
    with pytest.raises(InputError, match="components"):
        finish(select(run, (0,), restarts=1, steps=1, tolerance=0.0))


def test_fits_that_diverge_are_left_out_and_counted():
    moons = open_data("two-moons")
    few = replace(moons, train=Split(moons.train.x[:12]))  # some components will shrink to one of them
    run = Run.start("gmm", few, {"covariance": "diag", "reg_covar": 0.0})
    found = finish(select(run, (1, 6), restarts=3, steps=60, tolerance=0.0))
    assert found.fits[0].size == 1
    assert found.diverged > 0
    assert all(math.isfinite(f.train) for f in found.fits)


def test_which_runs_have_a_size_to_choose():
    gmm, vae = start("gmm", "two-moons"), Run.start("vae", open_data("digits"), {"width": 8, "depth": 1})
    assert can_select(gmm, gmm.model())
    assert not can_select(vae, vae.model())
    assert size_of(gmm.kind).name == "components"
    assert size_of(start("ppca", "two-moons", latent_dim=1).kind).name == "latent_dim"

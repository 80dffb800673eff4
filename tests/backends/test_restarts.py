"""Restarts of EM are the runs that one would have made oneself, seed by seed."""

from dataclasses import replace

import numpy as np
import pytest

from backends.base import InputError, Progress, finish
from backends.data import open_data
from backends.restarts import Restart, best, restarts
from backends.run import Run

DATA = open_data("eight-gaussians")
VALUES = {"components": 8}
STEPS, TOLERANCE = 30, 1e-4


@pytest.fixture(scope="module")
def fits():
    return finish(restarts("gmm", DATA, VALUES, range(3, 7), STEPS, TOLERANCE))


def test_each_is_the_run_of_its_seed(fits):
    assert [fit.seed for fit in fits] == [3, 4, 5, 6]
    for fit in fits:
        run = Run.start("gmm", DATA, VALUES, seed=fit.seed)
        expected = [run.model().log_prob(DATA.train.x).mean()]
        while run.steps < STEPS and not run.settled(TOLERANCE):
            run.step()
            expected.append(run.model().log_prob(DATA.train.x).mean())
        np.testing.assert_allclose(fit.log_likelihood, expected, rtol=1e-10)
    assert 1 < min(len(fit.log_likelihood) for fit in fits) < STEPS  # the rule ended some of them


def test_the_best_is_the_likeliest_and_comes_with_its_run(fits):
    first = best(fits)
    assert first.value == max(fit.log_likelihood[-1] for fit in fits)
    assert [fit.seed for fit in fits if fit.run is not None] == [first.seed]
    assert first.run.seed == first.seed
    assert first.run.model().log_prob(DATA.train.x).mean() == pytest.approx(first.value, rel=1e-10)
    assert len(first.run.history.models) == len(first.log_likelihood)


def test_it_works_in_slices_and_shows_each_fit_as_it_ends(fits):
    yielded = list(restarts("gmm", DATA, VALUES, (3, 4), STEPS, TOLERANCE))
    shown = [y for y in yielded if not isinstance(y, Progress)]
    assert [len(s) for s in shown] == [1, 2]
    progress = [y for y in yielded if isinstance(y, Progress)]
    assert len(progress) == sum(len(fit.log_likelihood) - 1 for fit in fits[:2])  # one a step
    done = [p.done for p in progress]
    assert done == sorted(set(done))
    assert {p.total for p in progress} == {2 * STEPS}


def test_a_failed_fit_is_never_the_best():
    good = Restart(1, np.array([-3.0, -2.0]))
    bad = Restart(2, np.array([-3.0, 5.0]), failure="step 2: elbo is inf")
    assert best((bad, good)) is good
    assert best((bad,)) is None
    assert best(()) is None


def few_rows():
    """Thirty rows, eight of them the same: maximum likelihood wants a component of no width on those."""
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    x[:8] = x[0]
    return replace(DATA, train=replace(DATA.train, x=x, labels=None))


def test_a_component_that_collapses_is_noted():
    values = {"components": 4, "reg_covar": 1e-9}
    fits = finish(restarts("gmm", few_rows(), values, range(5), 200, 1e-9))
    assert any("component" in note for fit in fits for note in fit.notes)


def test_a_fit_that_diverges_is_told_and_the_others_go_on():
    """Without regularisation the covariance of that component is singular."""
    values = {"components": 4, "reg_covar": 0.0}
    fits = finish(restarts("gmm", few_rows(), values, range(8), 200, 1e-9))
    failed = [fit for fit in fits if fit.failure]
    assert 0 < len(failed) < len(fits)
    assert all(fit.value == -np.inf and np.isfinite(fit.log_likelihood).all() for fit in failed)
    assert all(fit.failure.startswith(f"step {len(fit.log_likelihood)}") for fit in failed)
    assert not best(fits).failure


@pytest.mark.parametrize(
    ("model", "values", "steps", "said"),
    [
        ("gmm", VALUES, 0, "steps is 0"),
        ("gmm", {"components": 10**6}, 5, "components"),
        ("vae", {"decoder": "gaussian"}, 5, "half"),
    ],
)
def test_what_cannot_be_restarted_is_refused(model, values, steps, said):
    with pytest.raises(InputError, match=said):
        finish(restarts(model, DATA, values, (1, 2), steps, TOLERANCE))

"""log p(X|θ) and its bounds along lines and over planes, against what the models themselves say."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from backends.base import finish
from backends.data import Split, open_data
from backends.run import Run
from explorer.studies.theta import (
    POINTS,
    SIDES,
    e_step,
    field,
    names_of,
    plane_of,
    profile,
    some,
    step_of,
    values_at,
)


def last(work):
    """The newest result of a generator, and all of them."""
    results = [r for r in work if r is not None]
    return results[-1], results


@pytest.fixture(scope="module")
def mixture():
    return started("gmm", "two-moons", steps=6, seed=1, components=3)


def started(model, data, steps=5, seed=0, **values):
    data = open_data(data)
    data = replace(data, train=Split(data.train.x[:1500]))
    run = Run.start(model, data, values, seed=seed)
    for _ in range(steps):
        run.step()
    return run


def test_means_over_rows_do_not_depend_on_the_slices(mixture):
    model, x = mixture.model(), mixture.data.train.x
    thetas = np.stack([m.theta() for m in mixture.history.models])
    found = finish(values_at(model.log_likelihood_at, thetas, x))
    np.testing.assert_allclose(found, model.log_likelihood_at(thetas, x), rtol=1e-12)


def test_a_step_of_em_is_the_picture_of_the_books(mixture):
    models, x = mixture.history.models, mixture.data.train.x
    seen, all_of_it = last(profile(models, models[3], x, "step", 0, successive=True))
    assert len(all_of_it) == 2
    assert seen.complete
    assert len(seen.positions) == POINTS
    assert seen.steps == (2, 3)
    old, new = models[2].theta(), models[3].theta()
    on_line = old + seen.positions[:, None] * (new - old)
    np.testing.assert_allclose(seen.log_p, models[0].log_likelihood_at(on_line, x), rtol=1e-12)
    assert [b.step for b in seen.bounds] == [1, 2, 3]
    for bound in seen.bounds:
        assert (bound.values <= seen.log_p + 1e-10).all()
    main = seen.bounds[seen.main]
    at, log_p, value = main.touch
    assert (at, main.step) == (0.0, 2)
    assert value == pytest.approx(log_p, rel=1e-12)
    # the M-step went to the bound's maximum, which lies on the line at θ_new
    assert main.top[0] == pytest.approx(1.0, abs=1e-3)
    assert main.top[1] <= seen.ends[1][1]
    following = seen.bounds[2]
    assert following.touch[0] == 1.0
    assert following.touch[2] == pytest.approx(seen.ends[1][1], rel=1e-12)
    assert seen.bounds[0].touch is None  # its θ is not on this line
    assert [p for p, _ in seen.ends] == [0.0, 1.0]


@pytest.mark.parametrize("posterior", ["hard", "gradient"])
def test_a_restricted_q_does_not_touch(posterior):
    run = started("gmm", "two-moons", components=3, posterior=posterior)
    models = run.history.models
    seen, _ = last(profile(models, models[-1], run.data.train.x, "step", 0, successive=False))
    (bound,) = seen.bounds
    assert (bound.values < seen.log_p).all()
    assert bound.touch[2] < bound.touch[1] - 1e-4
    # what the step climbed: from L after the E-step to L after the M-step
    _, elbo = run.curves.get("half/elbo")
    assert bound.touch[2] == pytest.approx(elbo[-2], rel=1e-9)
    at_new = bound.values[np.flatnonzero(seen.positions == 1.0)[0]]
    assert at_new == pytest.approx(elbo[-1], rel=1e-9)


@pytest.mark.parametrize(("model", "data"), [("ppca", "digits-grey"), ("factor-analysis", "digits-grey")])
@pytest.mark.parametrize("posterior", ["exact", "spherical", "gradient"])
def test_latent_variables_have_the_picture_too(model, data, posterior):
    run = started(model, data, steps=4, latent_dim=3, posterior=posterior)
    models = run.history.models
    seen, _ = last(profile(models, models[-1], run.data.train.x, "step", 0, successive=False))
    (bound,) = seen.bounds
    assert (bound.values <= seen.log_p + 1e-9).all()
    _, elbo = run.curves.get("half/elbo")
    assert bound.touch[2] == pytest.approx(elbo[-2], rel=1e-9)
    assert (bound.touch[1] - bound.touch[2] < 1e-9) == (posterior == "exact")


def test_along_one_parameter(mixture):
    models, x = mixture.history.models, mixture.data.train.x
    seen, _ = last(profile(models, models[4], x, "parameter", 4, successive=False))
    theta = models[3].theta()
    assert len(seen.ends) == 1
    assert seen.ends[0][0] == theta[4]
    assert seen.positions[0] < min(m.theta()[4] for m in models)
    for i in (0, 70):
        moved = theta.copy()
        moved[4] = seen.positions[i]
        assert seen.log_p[i] == pytest.approx(models[0].log_likelihood_at(moved[None], x)[0], rel=1e-12)
        assert seen.bounds[0].values[i] == pytest.approx(models[3].bound_at(moved[None], x)[0], rel=1e-9)


def test_along_the_whole_path_bounds_climb(mixture):
    models, x = mixture.history.models, mixture.data.train.x
    seen, _ = last(profile(models, models[-1], x, "path", 0, successive=True))
    assert seen.steps == (0, 6)
    assert [b.step for b in seen.bounds] == [0, 3, 6]
    one = np.flatnonzero(seen.positions == 1.0)[0]
    climbing = [b.values[one] for b in seen.bounds]
    assert all(a < b for a, b in pairwise(climbing))
    assert climbing[-1] == pytest.approx(seen.log_p[one], rel=1e-12)


def test_without_a_step_there_is_no_line(mixture):
    first = mixture.history.models[:1]
    assert not [r for r in profile(first, first[0], mixture.data.train.x, "step", 0, True) if r is not None]
    seen, _ = last(profile(first, first[0], mixture.data.train.x, "parameter", 0, True))
    assert seen.bounds[0].touch is not None


def test_which_step_led_to_a_model(mixture):
    models = mixture.history.models
    assert [step_of(models, m) for m in models] == [0, 0, 1, 2, 3, 4, 5]
    assert e_step(models, 6) is models[6]
    np.testing.assert_array_equal(e_step(models, 2).theta(), models[2].theta())


def test_many_rows_are_thinned_evenly():
    x = np.arange(60_001)[:, None]
    few = some(x)
    assert len(few) == 40_000
    assert (few[0], few[-1]) == (0, 60_000)
    assert len(some(np.zeros((12_000, 64)))) == 5000
    assert len(some(x[:10])) == 10


def test_em_is_not_seen_to_go_past_the_maximum():
    run = Run.start("gmm", open_data("two-moons"), {"components": 6})
    for _ in range(40):
        run.step()
    models, x = run.history.models[20:], run.data.train.x  # it has nearly settled: little is gained any more
    coarse = next(found for found in field(models, models[-1], x, None, None, names_of(models[0])) if found)
    assert coarse.rows == len(x) == 20_000
    climb = models[0].log_likelihood_at(np.array([m.theta() for m in models]), some(x))
    assert (np.diff(climb) > 0).all()


def test_a_field_is_the_likelihood_on_a_plane_through_theta(mixture):
    models, x = mixture.history.models, mixture.data.train.x
    seen, results = last(field(models, models[-1], x, None, None, names_of(models[0])))
    assert [r.values.shape for r in results] == [(s, s) for s in SIDES]
    here = models[-1].theta()
    basis, labels = plane_of(np.array([m.theta() for m in models]), here, None, names_of(models[0]))
    np.testing.assert_allclose(basis @ basis.T, np.eye(2), atol=1e-12)
    assert "1" in labels[0]
    u0, u1, v0, v1 = seen.extent
    side = SIDES[-1]
    for row, column in ((0, 0), (20, 40), (63, 10)):
        u, v = u0 + (column + 0.5) / side * (u1 - u0), v0 + (row + 0.5) / side * (v1 - v0)
        theta = here + (np.array([u, v]) - seen.here) @ basis
        value = models[0].log_likelihood_at(theta[None], x)[0]
        assert seen.values[row, column] == pytest.approx(value, rel=1e-9)
    np.testing.assert_allclose(seen.path, [m.theta() @ basis.T for m in models])
    assert 0.5 < seen.share <= 1
    assert (seen.path >= [u0, v0]).all()
    assert (seen.path <= [u1, v1]).all()


def test_a_field_of_two_coordinates_where_some_theta_cannot_be(mixture):
    models = mixture.history.models
    x = mixture.data.train.x[:50]
    scale = len(models[0].theta()) - 1  # the logarithm of a standard deviation
    far = (-2000.0, 2000.0, -2000.0, 2000.0)
    seen, _ = last(field(models, models[-1], x, (3, scale), far, names_of(models[0])))
    assert seen.labels == ("μ₁[x1]", "log L₃[x2]")
    assert np.isneginf(seen.values).any()
    assert not np.isnan(seen.values).any()


def test_a_path_of_one_or_two_moments_still_has_a_plane(mixture):
    models = mixture.history.models
    for few in (models[:1], models[:2]):
        basis, _ = plane_of(np.array([m.theta() for m in few]), few[-1].theta(), None, names_of(models[0]))
        np.testing.assert_allclose(basis @ basis.T, np.eye(2), atol=1e-12)


def test_a_model_without_names_has_numbers():
    class Nameless:
        def theta(self):
            return np.zeros(12)

    assert names_of(Nameless())[-1] == "θ₁₂"

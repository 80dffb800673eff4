"""What is drawn of θ and of predictions equals what the model, or a closed form, says."""

import numpy as np
import pyqtgraph as pg
import pytest
from scipy import stats

from backends.base import finish
from backends.data import open_data
from backends.run import Run
from explorer.studies.posterior import (
    estimates,
    is_coin,
    predict_line,
    predict_plane,
    seen_by,
    theta_cloud,
    theta_fields,
    theta_lines,
)
from explorer.view import View

TABLE = pg.colormap.get("viridis").getLookupTable(nPts=256)[:, :3]


def run_of(model, data, rows, **values):
    run = Run.start(model, open_data(data), values)
    for _ in range(rows):
        run.step()
    return run


@pytest.mark.parametrize("flips", [0, 1, 40])
def test_curves_over_one_parameter_are_the_beta_densities(flips):
    model = run_of("beta-bernoulli", "coin", flips, a=2.0, b=3.0).model()
    drawn = theta_lines(model)
    ones = int(model.seen.sum())
    zeros = flips - ones
    np.testing.assert_allclose(drawn.prior, stats.beta(2, 3).pdf(drawn.theta))
    np.testing.assert_allclose(drawn.posterior, stats.beta(2 + ones, 3 + zeros).pdf(drawn.theta))
    # the likelihood, scaled to area one, is the beta density of a flat prior
    np.testing.assert_allclose(
        drawn.likelihood, stats.beta(1 + ones, 1 + zeros).pdf(drawn.theta), rtol=1e-3, atol=1e-9
    )
    assert ("ml" in drawn.marks) == (flips > 0)
    assert drawn.marks["map"] == pytest.approx(
        ((1 + ones) / (3 + flips), stats.beta(2 + ones, 3 + zeros).pdf((1 + ones) / (3 + flips)))
    )


def test_a_density_that_is_infinite_at_the_ends_is_drawn_where_it_is_finite():
    drawn = theta_lines(run_of("beta-bernoulli", "coin", 0, a=0.5, b=0.5).model())
    assert np.isfinite(drawn.prior).all()


@pytest.mark.parametrize(
    ("model", "data", "values"),
    [("normal-gamma", "normal-1d", {}), ("bayesian-linear-regression", "noisy-line", {})],
)
def test_fields_are_brightest_at_the_estimates(model, data, values):
    model = run_of(model, data, 12, **values).model()
    across, up = model.theta_axes
    view = View(*across.focus, *up.focus, 200, 160)
    drawn = finish(theta_fields(model, view, TABLE))

    def brightest(field):
        row, column = np.unravel_index(field.picture.image.astype(int)[..., 2].argmax(), (80, 100))
        return view.to_canvas(np.array([2 * column + 1.0]), np.array([2 * row + 1.0]))[0]

    cell = np.array([view.x1 - view.x0, view.y1 - view.y0]) / (20, 16)
    assert (abs(brightest(drawn.posterior) - drawn.marks["map"]) < cell).all()
    assert (abs(brightest(drawn.likelihood) - drawn.marks["ml"]) < cell).all()
    # contours: e^(−1/2) and e^(−2) of the peak, where they lie
    at = drawn.posterior.contours.mean(axis=1)
    levels = model.log_posterior_theta(at) - model.log_posterior_theta(model.map_theta()[None])
    assert np.minimum(abs(levels + 0.5), abs(levels + 2)).max() < 0.05
    assert {round(-2 * level) for level in levels} == {1, 4}


def test_without_rows_there_is_no_likelihood_to_draw():
    model = run_of("normal-gamma", "normal-1d", 0).model()
    drawn = finish(theta_fields(model, View(-5, 5, 0, 4, 100, 100), TABLE))
    assert drawn.likelihood.picture is None
    assert np.array_equal(drawn.prior.picture.image, drawn.posterior.picture.image)


def test_a_cloud_has_the_moments_of_prior_and_posterior():
    model = run_of("bayesian-linear-regression", "noisy-sine", 20, degree=4).model()
    cloud = theta_cloud(model, 3, 1)
    np.testing.assert_allclose(cloud.prior.std(0), 1 / np.sqrt(2), rtol=0.1)
    np.testing.assert_allclose(cloud.posterior.mean(0), model.posterior_mean()[[3, 1]], atol=0.1)
    assert np.array_equal(cloud.marks["map"], model.map_theta()[[3, 1]])


@pytest.mark.parametrize("by_hand", [False, True])
def test_the_evidence_is_the_sum_of_what_rows_were_worth(by_hand):
    run = run_of("bayesian-linear-regression", "noisy-line", 7, noise="unknown")
    if by_hand:
        run.observe(np.array([[0.0, 3.0], [0.5, 0.0]]))
    model = run.model()
    run.step()  # training goes on while the numbers of a snapshot are made
    numbers = estimates(model, run.curves)
    assert numbers.rows == (9 if by_hand else 7)
    assert numbers.total == pytest.approx(numbers.log_evidence, rel=1e-12)
    assert numbers.newest == run.curves.get("batch/log_predictive")[1][numbers.rows - 1]
    assert numbers.names == ("w0", "w1", "σ")


def test_a_sum_of_which_rows_are_missing_is_not_shown():
    run = run_of("beta-bernoulli", "coin", 3)
    other = run_of("beta-bernoulli", "coin", 2)
    assert estimates(run.model(), other.curves).total is None


def test_predictions_are_the_models():
    coin = run_of("beta-bernoulli", "coin", 9).model()
    heads = coin.posterior_mean()[0]
    p = predict_line(coin, np.array([0.0, 1.0]))
    np.testing.assert_allclose(p.predictive, [1 - heads, heads])
    np.testing.assert_allclose(p.plug_in[1], coin.map_theta()[0])

    normal = run_of("normal-gamma", "normal-1d", 9).model()
    x = np.linspace(-200, 200, 200_001)
    p = predict_line(normal, x)
    mu, sigma = normal.map_theta()
    np.testing.assert_allclose(p.plug_in, stats.norm(mu, sigma).pdf(x), rtol=1e-9, atol=1e-300)
    assert np.trapezoid(p.predictive, x) == pytest.approx(1, abs=1e-4)

    line = run_of("bayesian-linear-regression", "noisy-line", 9).model()
    p = predict_plane(line, np.array([-1.0, 0.0, 1.0]))
    np.testing.assert_allclose(p.plug_in_mean, p.mean)  # the noise is known: MAP is the mean
    assert (p.std > p.plug_in_std).all()
    theta = line.sample_theta(len(p.curves), 0)
    np.testing.assert_allclose(p.curves[:, 1], theta[:, 0])


def test_a_coin_is_known_by_its_probabilities():
    assert is_coin(run_of("beta-bernoulli", "coin", 3).model())
    assert not is_coin(run_of("normal-gamma", "coin", 3).model())
    assert not is_coin(run_of("normal-gamma", "normal-1d", 3).model())


def test_of_many_rows_the_newest_are_drawn_and_all_are_counted():
    run = run_of("beta-bernoulli", "my-coin", 0)
    run.observe(np.repeat([[0.0], [1.0]], [3000, 2000], axis=0))
    seen = seen_by(run.model())
    assert (seen.count, seen.ones) == (5000, 2000)
    assert len(seen.rows) == 4000
    assert seen.rows[-1] == 1

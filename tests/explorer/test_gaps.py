"""One datum: exact posterior, best Gaussian and the two gaps, against importance sampling and each other."""

from dataclasses import replace

import numpy as np
import pytest

from backends.base import Gaussian, finish
from backends.data import open_data
from backends.run import Run
from explorer.plane import coordinate_plane
from explorer.planes.fields import CELLS, shaded
from explorer.studies.gaps import gaps, moments
from explorer.style.theme import theme
from explorer.view import View
from tests.explorer.conftest import Driver

ROW = 7


@pytest.fixture(scope="module")
def opened(small_run):
    run = Run.open(small_run)
    return run.model(), run.data


@pytest.fixture(scope="module")
def found(opened):
    model, data = opened
    return finish(gaps(model, data.test.x[ROW], steps=60))


def test_the_elbo_never_falls_and_both_gaps_add_up_to_the_kl(found):
    elbos = [fit.elbo for fit in found.fits]
    assert len(elbos) == 61
    assert (np.diff(elbos) >= 0).all()
    assert found.amortisation > 0
    assert found.approximation > -0.005
    assert found.amortisation + found.approximation == pytest.approx(found.direct.value, abs=0.02)
    assert found.elbo <= found.best.elbo <= found.log_p.value + 0.005
    assert found.reconstruction - found.kl_prior.value == pytest.approx(found.elbo)
    assert found.complete


def test_the_terms_are_those_of_the_models_own_bound(opened, found):
    model, data = opened
    bound = model.elbo(data.test.x[ROW : ROW + 1], 20_000, seed=1)
    assert found.elbo == pytest.approx(bound.value[0], abs=4 * bound.stderr[0])
    assert found.kl_prior.value == pytest.approx(bound.kl_prior[0])
    assert found.kl_prior.stderr == 0


def test_a_kl_without_a_closed_form_says_its_standard_error():
    run = Run.start("vae", open_data("digits"), {"width": 16, "depth": 1, "prior": "mixture"})
    x = run.data.test.x[ROW]
    kl = finish(gaps(run.model(), x, steps=1)).kl_prior
    many = run.model().elbo(np.repeat(x[None], 400, 0), 50, seed=99).kl_prior.astype(float)
    assert 0 < kl.stderr < 0.2
    assert abs(kl.value - many.mean()) < 5 * np.hypot(kl.stderr, many.std() / 20)
    assert kl.stderr == pytest.approx(many.std() * np.sqrt(50 / 512), rel=0.6)


def test_the_posterior_field_is_a_density_with_the_moments_of_a_long_importance_sample(opened, found):
    model, data = opened
    x = data.test.x[ROW : ROW + 1]
    mean, covariance = moments(found.best.q)
    reach = 8 * np.sqrt(np.diag(covariance).max())
    (x0, y0), (x1, y1) = mean - reach, mean + reach
    view = View(x0, x1, y0, y1, 300, 300)
    field = finish(shaded("posterior", model, x, coordinate_plane(2), view, theme().table, CELLS))
    n = field.values.shape[0]
    step = (x1 - x0) / 300 * field.cell
    u, v = x0 + (np.arange(n) + 0.5) * step, y1 - (np.arange(n) + 0.5) * step
    mass = field.values * step**2
    assert mass.sum() == pytest.approx(1, abs=0.005)
    z = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
    of_field = mass.ravel() @ z
    spread_of_field = ((z - of_field) * mass.reshape(-1, 1)).T @ (z - of_field)

    rng = np.random.default_rng(0)  # from the best Gaussian, widened, so that weights are bounded
    scale = 1.5 * np.linalg.cholesky(covariance)
    noise = rng.standard_normal((200_000, 2))
    draws = (mean + noise @ scale.T).astype(np.float32)
    log_w = model.log_joint(x, draws)[0] + 0.5 * (noise**2).sum(1)
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    of_sample = w @ draws
    spread_of_sample = ((draws - of_sample) * w[:, None]).T @ (draws - of_sample)
    np.testing.assert_allclose(of_field, of_sample, atol=0.005)
    np.testing.assert_allclose(spread_of_field, spread_of_sample, atol=0.02 * np.trace(spread_of_sample))


def test_without_a_datum_the_field_is_empty(opened):
    view = View(-1, 1, -1, 1, 40, 40)
    field = finish(shaded("posterior", opened[0], None, coordinate_plane(2), view, theme().table, (20,)))
    assert np.isnan(field.values).all()
    assert not field.picture.image.any()


def value(panel, key: str) -> float:
    return float(panel.rows.value(key).replace("−", "-"))


def test_the_panel_follows_the_datum_beside_the_map(program: Driver):
    program.window.docks["datum"].raise_()
    panel = program.window.suited["datum"]
    program.until(panel.isVisible)
    program.hover(0.3, -0.8)
    program.until(lambda: panel.found is not None and panel.found.complete)
    subject = program.session.subject
    assert panel.found.x is subject.x
    assert value(panel, "amortisation") + value(panel, "approximation") == pytest.approx(
        value(panel, "direct"), abs=0.02
    )
    assert value(panel, "reconstruction") - value(panel, "kl_prior") == pytest.approx(
        value(panel, "elbo"), abs=0.0011
    )
    assert panel.rows._labels["log_p"].text() == "log p(x)  quadrature"
    found = panel.found
    errors = {
        "log_p": found.log_p.stderr,
        "elbo": found.fits[0].stderr,
        "reconstruction": found.fits[0].stderr,
        "amortisation": np.hypot(found.fits[0].stderr, found.best.stderr),
        "approximation": np.hypot(found.log_p.stderr, found.best.stderr),
        "direct": found.direct.stderr,
    }
    for key, error in errors.items():
        assert panel.rows._values[key].toolTip().endswith(f"± {error:.2g}.")
    assert panel.rows._values["kl_prior"].toolTip().endswith("In closed form.")
    program.until(lambda: panel.field.picture is not None and panel.field.picture.complete)
    image = program.pixels(panel.canvas)
    best, _ = moments(panel.found.best.q)
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 50
    (x0, x1), (y0, y1) = panel.canvas.box.viewRange()
    assert x0 < best[0] < x1
    assert y0 < best[1] < y1

    cursor = program.window.cursor_panel.datum_rows  # both cards say the same of it
    program.until(lambda: cursor.value("elbo") != "–")
    assert float(cursor.value("elbo").replace("−", "-")) == pytest.approx(panel.found.elbo, abs=0.006)

    known = program.session.encodings.z
    program.hover(*known[np.linalg.norm(known - program.session.point, axis=1).argmax()])
    program.until(lambda: program.session.subject is not subject)
    program.until(lambda: panel.found is not None and panel.found.x is program.session.subject.x)


def test_in_a_small_window_the_numbers_are_whole(program: Driver):
    program.window.docks["datum"].raise_()
    panel = program.window.suited["datum"]
    program.until(panel.isVisible)
    for width, has_plot in ((1024, False), (1440, True)):
        program.window.resize(width, 700)
        program.until(lambda has_plot=has_plot: panel.plot.isVisible() == has_plot)
        program.settle()
        assert panel.picture.width() > 180
        assert panel.rows.mapTo(panel, panel.rows.rect().bottomRight()).x() < panel.width()


def test_the_view_goes_with_a_best_gaussian_that_has_left_it(program: Driver):
    program.window.docks["datum"].raise_()
    panel = program.window.suited["datum"]
    program.until(panel.isVisible)
    program.click_map(0.3, -0.8)
    program.until(lambda: panel.found is not None and panel.found.complete)
    before = panel.found.step
    panel.canvas.box.setRange(xRange=(50, 51), yRange=(50, 51), padding=0)  # as far as that
    program.click(program.run_panel.step)
    program.until(lambda: panel.found is not None and panel.found.step > before and panel.found.complete)
    mean, _ = moments(panel.found.best.q)
    (x0, x1), (y0, y1) = panel.canvas.box.viewRange()
    assert x0 < mean[0] < x1
    assert y0 < mean[1] < y1


def test_a_best_gaussian_that_widens_stays_in_view_and_a_hand_may_come_near(program: Driver):
    program.window.docks["datum"].raise_()
    panel = program.window.suited["datum"]
    program.until(panel.isVisible)
    program.click_map(0.3, -0.8)
    program.until(lambda: panel.found is not None and panel.found.complete)
    found = panel.found
    mean, std = found.best.q.mean, 20 * found.fits[0].q.std
    wide = replace(found, fits=(*found.fits, found.best._replace(q=Gaussian(mean, std))))
    x, y = mean[0].tolist()
    before = panel.canvas.box.viewRange()
    panel._show(wide)
    low, high = np.transpose(panel.canvas.box.viewRange())
    assert (low <= mean[0] - 2 * std[0]).all()
    assert (mean[0] + 2 * std[0] <= high).all()
    assert panel.canvas.box.viewRange() != before
    panel.canvas.box.setRange(xRange=(x - 0.1, x + 0.1), yRange=(y - 0.1, y + 0.1), padding=0)
    looked = panel.canvas.box.viewRange()
    panel._show(wide)
    assert panel.canvas.box.viewRange() == looked


def test_on_the_map_the_posterior_lies_behind_the_points(program: Driver):
    program.click_map(0.3, -0.8)
    program.until(lambda: program.session.subject is not None)
    bar = program.map.fields
    bar.field.setCurrentIndex(bar.field.findData("posterior"))
    bar.field.activated.emit(bar.field.currentIndex())
    assert program.session.state.map.field == "posterior"
    program.until(lambda: program.map._shaded is not None and program.map._shaded.picture.complete)
    shown = program.map._shaded
    z = program.session.model.encode(program.session.subject.x[None]).mean[0]
    assert shown.at(*z) > 0.1 * np.nanmax(shown.values)
    assert shown.at(-3.0, 3.0) < 1e-3 * np.nanmax(shown.values)
    program.trigger("undo")
    assert program.session.state.map.field == "images"


def test_numbers_that_stand_together_are_of_one_datum_and_one_moment(program: Driver):
    program.window.docks["datum"].raise_()
    panel = program.window.suited["datum"]
    program.until(panel.isVisible)
    program.hover(0.3, -0.8)
    program.until(lambda: panel.found is not None and panel.found.complete)
    found, keys = panel.found, ("log_p", "elbo", "reconstruction", "amortisation", "approximation", "direct")
    told, legend = [panel.rows.value(key) for key in keys], panel.plot.legend()
    begun = replace(found, fits=found.fits[:1], log_p=None, direct=None, complete=False)
    panel._show(replace(begun, step=found.step + 1))  # of a later moment log p(x) is not known yet
    assert [panel.rows.value(key) for key in keys] == told
    assert panel.plot.legend() == legend

    subject, known = program.session.subject, program.session.encodings.z
    program.hover(*known[np.linalg.norm(known - program.session.point, axis=1).argmax()])
    program.until(lambda: program.session.subject is not subject)
    panel._show(replace(begun, x=program.session.subject.x))  # nor of another datum
    assert panel.rows.value("elbo") == told[1]
    assert panel.rows.value("log_p") == panel.rows.value("approximation") == "–"
    assert not panel.rows._values["direct"].isVisible()
    assert "log p(x)&nbsp;–" in panel.plot.legend()

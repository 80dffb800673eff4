"""Bayes for parameters in the window: rows arrive or are clicked, and all that is shown is the model's."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF
from PySide6.QtGui import QColor

from backends.base import finish
from backends.capabilities import Regresses
from backends.data import open_data
from backends.run import Run
from explorer.follow import live_evaluation
from explorer.panels.estimates import in_digits
from explorer.style.theme import theme
from tests.explorer.conftest import send_mouse
from tests.runs import saved_run

RUNS = {
    "coin": ("beta-bernoulli", "coin", {}),
    "normal": ("normal-gamma", "normal-1d", {}),
    "line": ("bayesian-linear-regression", "noisy-line", {}),
    "sine": ("bayesian-linear-regression", "noisy-sine", {"degree": 9, "alpha": 5e-3}),
}


@pytest.fixture
def bayes(start, tmp_path):
    """Opens a run that has seen some rows: ``bayes("coin", 12)``."""

    def begin(name, rows):
        model, data, values = RUNS[name]
        path = saved_run(tmp_path / "run.safetensors", model, data, values, steps=rows)
        driver = start(path, tmp_path / "home")
        driver.wait_for_run()
        rest(driver)
        return driver

    return begin


def rest(driver):
    """Until all pictures are those of the newest model."""
    exploration, rows = driver.program.exploration, driver.window.stage.estimates.rows

    def still():
        n = len(driver.session.model.seen)
        busy = any(exploration.busy(slot) for slot in ("theta", "predictive", "estimates", "predicted"))
        return not busy and number(rows.value("rows")) == n

    driver.until(still)
    driver.until(still)


def number(text):
    return float(text.replace("\N{MINUS SIGN}", "-").replace("\N{NARROW NO-BREAK SPACE}", ""))


def at(canvas, x, y):
    """The pixel of the canvas' viewport at (x, y), and the data coordinates of its centre."""
    pixel = canvas.mapFromScene(canvas.box.mapViewToScene(QPointF(x, y)))
    return pixel, canvas.at(QPointF(pixel))


def near(pixels, colour):
    """Where a picture (h, w, 3) is nearly of a colour."""
    wanted = QColor(colour)
    rgb = np.array([wanted.red(), wanted.green(), wanted.blue()])
    return (abs(pixels - rgb) < 24).all(-1)


def test_the_window_is_arranged_for_bayes_and_back(bayes, small_run):
    program = bayes("coin", 5)
    window = program.window
    assert window.stage.panel is window.stage.predictive
    assert window.stage.stacks[1].currentWidget() is window.stage.estimates
    assert window.stage.stacks[2].currentWidget() is window.stage.evidence
    assert window.docks["map"].windowTitle() == "Prediction"
    assert "p(x|X)" in window.docks["map"].status.text()
    assert not window.docks["bayes"].isHidden()
    assert not window.stage.again.isVisible()
    program.actions.open(small_run)
    program.until(lambda: window.stage.panel is window.map)
    assert window.stage.stacks[1].currentWidget() is window.cursor_panel
    assert window.stage.stacks[2].currentWidget() is window.samples
    assert window.docks["samples"].windowTitle() == "Samples"
    assert window.docks["bayes"].isHidden()


@pytest.mark.parametrize("name", RUNS)
def test_numbers_are_the_models(bayes, name):
    program = bayes(name, 12)
    model, panel = program.session.model, program.window.stage.estimates
    assert number(panel.rows.value("evidence")) == pytest.approx(model.log_evidence(), abs=6e-5)
    assert panel.rows.value("total") == panel.rows.value("evidence")
    log_p = program.session.run.curves.get("batch/log_predictive")[1]
    assert number(panel.rows.value("newest")) == pytest.approx(log_p[-1], abs=6e-5)
    columns = np.array([[number(v) for v in texts] for _, texts in panel.table.rows]).T
    expected = [model.map_theta(), model.ml_theta(), model.posterior_mean()]
    np.testing.assert_allclose(columns, expected, rtol=1e-3, atol=6e-4)
    assert [name for name, _ in panel.table.rows] == [axis.name for axis in model.theta_axes]
    evidence = panel.rows._labels["evidence"].text()
    assert evidence == ("Evidence log p(Y|x)" if isinstance(model, Regresses) else "Evidence log p(X)")


def test_flips_are_given_with_two_buttons(bayes):
    program = bayes("coin", 3)
    panel = program.window.stage.predictive
    tails, heads = panel.flip
    for button in (heads, heads, tails, tails, heads):
        program.click(button)
    program.until(lambda: program.session.moment.steps == 8)
    program.trigger("undo")
    program.trigger("undo")
    program.until(lambda: program.session.moment.steps == 6)
    rest(program)
    model = program.session.model
    assert model.seen[3:, 0].tolist() == [1, 1, 0]
    assert panel.flips.flips.tolist() == model.seen[:, 0].tolist()
    # the bars are as high as the probabilities
    share = model.posterior_mean()[0]
    pixels = program.pixels(panel.flips)
    scale = panel.flips.bar(1).height() / share
    bar = panel.flips.bar(1)
    column = near(pixels, theme().tokens.curve(0))[:, round(bar.center().x())]
    assert column.sum() == pytest.approx(share * scale, abs=2)
    low = panel.flips.bar(0)
    column = near(pixels, theme().tokens.curve(0))[:, round(low.center().x())]
    assert column.sum() == pytest.approx((1 - share) * scale, abs=2)


def test_clicks_on_the_plane_are_rows_of_the_regression(bayes):
    program = bayes("line", 2)
    plane = program.window.stage.predictive.plane
    added = []
    for x, y in ((-0.5, 0.1), (0.6, -0.3)):
        pixel, exact = at(plane, x, y)
        program.click(plane.viewport(), pixel)
        added.append(exact)
    program.until(lambda: program.session.moment.steps == 4)
    rest(program)
    model = program.session.model
    np.testing.assert_allclose(model.seen[2:], added, rtol=1e-6)
    # the line that is drawn goes through the predictive mean
    x, y = plane.mean.getData()
    np.testing.assert_allclose(y, model.predict(x)[0])
    pixels = program.pixels(plane.viewport())
    where = near(pixels, theme().tokens.curve(0))
    pixel, _ = at(plane, 0.2, float(model.predict(np.array([0.2]))[0][0]))
    assert where[pixel.y() - 2 : pixel.y() + 3, pixel.x() - 2 : pixel.x() + 3].any()
    assert not where[pixel.y() - 30 : pixel.y() - 20, pixel.x()].any()


def test_a_click_on_the_axis_of_the_normal_is_a_row_and_pauses_training(bayes):
    program = bayes("normal", 2)
    line = program.window.stage.predictive.line
    program.click(program.run_panel.play)  # ten rows a second
    program.until(lambda: program.session.moment.training)
    pixel, (x, _) = at(line, 4.0, 0.05)
    program.click(line.viewport(), pixel)
    program.until(lambda: not program.session.moment.training)
    rest(program)
    seen = program.session.model.seen
    assert len(seen) < 60
    assert seen[-1, 0] == pytest.approx(x, rel=1e-6)
    shown, density = line.curves["predictive"].getData()
    np.testing.assert_allclose(density, np.exp(program.session.model.log_predictive(shown[:, None])))


def test_a_run_can_begin_without_rows(bayes):
    program = bayes("line", 5)
    panel = program.window.stage.predictive
    program.click(panel.blank)
    program.until(lambda: program.session.run.info.name == "my-points")
    rest(program)
    assert program.session.state.run.data == "my-points"
    assert len(program.session.model.seen) == 0
    assert not program.session.moment.training
    assert not [m for m in program.said if m.kind == "error"]
    assert program.window.suited["bayes"].titles["likelihood"].text() == "Likelihood: 1, no rows yet"
    pixel, exact = at(panel.plane, 0.3, 0.4)
    program.click(panel.plane.viewport(), pixel)
    program.until(lambda: program.session.moment.steps == 1)
    rest(program)
    np.testing.assert_allclose(program.session.model.seen, [exact], rtol=1e-6)
    assert program.window.suited["bayes"].titles["likelihood"].text() == "Likelihood p(X|θ)"
    program.trigger("undo")  # the row
    program.until(lambda: program.session.moment.steps == 0)
    program.trigger("undo")  # what the run is made of
    assert program.session.state.run.data == "noisy-line"


def test_hovering_tells_both_predictions(bayes):
    program = bayes("normal", 10)
    panel = program.window.stage.predictive
    pixel, (x, _) = at(panel.line, 2.0, 0.05)
    send_mouse(panel.line.viewport(), QEvent.Type.MouseMove, pixel)
    program.until(lambda: "plug-in" in panel.hint.text())
    model = program.session.model
    row = np.array([[x]])
    ours, plug_in = (float(np.exp(f(row))[0]) for f in (model.log_predictive, model.log_plug_in))
    assert panel.hint.text().startswith(f"At {x:.2f}: {ours:.3f}, plug-in {plug_in:.3f}")
    program.actions.given.give(np.array([[x]], np.float32))  # the number is of the newest model
    program.until(lambda: program.session.moment.steps == 11)
    rest(program)
    again = float(np.exp(program.session.model.log_predictive(row))[0])
    assert f"{again:.3f}" != f"{ours:.3f}"
    program.until(lambda: panel.hint.text().startswith(f"At {x:.2f}: {again:.3f}, "))


def test_two_parameters_are_three_fields_with_one_view(bayes):
    program = bayes("line", 12)
    panel = program.window.suited["bayes"]
    model = program.session.model
    prior, posterior = panel.fields["prior"], panel.fields["posterior"]
    (x0, x1), _ = prior.box.viewRange()
    assert x0 < model.theta_axes[0].low < model.theta_axes[0].high < x1
    program.click(panel.focus, QPoint(8, panel.focus.height() // 2))
    rest(program)
    (x0, x1), (y0, y1) = posterior.box.viewRange()
    np.testing.assert_allclose(posterior.box.viewRange(), prior.box.viewRange(), rtol=0.02)
    for (low, high), axis in zip(((x0, x1), (y0, y1)), model.theta_axes, strict=True):
        assert low < axis.focus[0] < axis.focus[1] < high
        assert high - low < 2 * (axis.focus[1] - axis.focus[0])
    assert posterior.marks.at["map"] == pytest.approx(tuple(model.map_theta()))
    assert posterior.marks.at["ml"] == pytest.approx(tuple(model.ml_theta()))
    # the marker is where MAP is
    pixels = program.pixels(posterior.viewport())
    pixel, _ = at(posterior, *model.map_theta())
    assert near(pixels, theme().tokens.curve(0))[pixel.y(), pixel.x()]
    program.trigger("undo")
    assert not panel.focus.isChecked()


def test_of_many_parameters_two_are_chosen(bayes):
    program = bayes("sine", 12)
    panel = program.window.suited["bayes"]
    assert "posterior: 1\N{NARROW NO-BREAK SPACE}000 draws" in program.window.docks["bayes"].status.text()
    assert not panel.first.isHidden()
    panel.second.setFocus()
    panel.second.setCurrentIndex(4)
    panel.second.activated.emit(4)
    rest(program)
    assert (program.session.state.bayes.i, program.session.state.bayes.j) == (0, 4)
    model = program.session.model
    assert panel.cloud.marks.at["map"] == pytest.approx(tuple(model.map_theta()[[0, 4]]))
    panel.first.setCurrentIndex(4)  # the other gives way
    panel.first.activated.emit(4)
    assert (program.session.state.bayes.i, program.session.state.bayes.j) == (4, 0)


def test_one_parameter_is_three_curves(bayes):
    program = bayes("coin", 12)
    panel = program.window.suited["bayes"]
    model = program.session.model
    theta, posterior = panel.lines.curves["posterior"].getData()
    np.testing.assert_allclose(posterior, np.exp(model.log_posterior_theta(theta[:, None])))
    pixels = program.pixels(panel.lines.viewport())
    for key, colour in (("posterior", 0), ("likelihood", 1)):
        theta, _ = panel.lines.curves[key].getData()
        assert near(pixels, theme().tokens.curve(colour)).any(), key
    pixel, _ = at(panel.lines, *panel.lines.marks.at["map"])
    assert near(pixels, theme().tokens.curve(0))[pixel.y(), pixel.x()]


def test_the_evidence_curve_begins_at_the_log_of_one(bayes):
    program = bayes("coin", 6)
    plot = program.window.stage.evidence.plot
    program.until(lambda: len(plot._curves["log_evidence"].points) == 7)
    points = plot._curves["log_evidence"].points
    steps, values = program.session.run.curves.get("batch/log_evidence")
    assert points.steps.tolist() == [0, *steps.tolist()]
    assert points.values.tolist() == [0.0, *values.tolist()]


def look_at(program, row):
    """Drag the scrubber to a row, and wait until that is shown everywhere."""
    program.window.suited["bayes"].scrubber.slider.setValue(row)
    program.until(lambda: len(program.session.model.seen) == row)
    rest(program)


@pytest.mark.parametrize("name", RUNS)
def test_any_earlier_row_is_looked_at_in_all_panels(bayes, name):
    program = bayes(name, 12)
    kind, data, values = RUNS[name]
    again = Run.start(kind, open_data(data), values)
    for _ in range(5):
        again.step()
    look_at(program, 5)
    stage, panel = program.window.stage, program.window.suited["bayes"]
    assert panel.scrubber.label.text() == "row 5 of 12"
    assert number(stage.estimates.rows.value("evidence")) == pytest.approx(
        again.model().log_evidence(), abs=6e-5
    )
    assert stage.estimates.rows.value("total") == stage.estimates.rows.value("evidence")
    log_p = again.curves.get("batch/log_predictive")[1]
    assert number(stage.estimates.rows.value("newest")) == pytest.approx(log_p[-1], abs=6e-5)
    program.click(panel.scrubber.live)
    rest(program)
    assert program.session.past is None
    assert stage.estimates.rows.value("rows") == "12"


def test_a_row_by_hand_ends_the_look_back_and_can_be_undone(bayes):
    program = bayes("normal", 6)
    panel, model = program.window.stage.predictive, program.session.model
    look_at(program, 2)
    pixel, _ = at(panel.line, 3.0, 0.05)
    program.click(panel.line.viewport(), pixel)
    program.until(lambda: program.session.moment.steps == 7)
    rest(program)
    assert len(program.session.model.seen) == 7
    assert program.window.suited["bayes"].scrubber.label.text() == "row 7 of 7"
    with_row = program.session.model
    program.trigger("undo")
    program.until(lambda: program.session.moment.steps == 6)
    rest(program)
    assert program.session.model.log_evidence() == model.log_evidence()
    assert len(panel.line.rug.getData()[0]) == 2 * 5  # two ends a tick; the newest row has its own
    assert len(program.session.run.curves.get("batch/log_evidence")[0]) == 6
    program.trigger("redo")
    program.until(lambda: program.session.moment.steps == 7)
    rest(program)
    assert program.session.model.log_evidence() == with_row.log_evidence()
    program.click(program.run_panel.step)
    program.until(lambda: program.session.moment.steps == 8)
    program.trigger("undo")  # too late
    program.until(lambda: any("other rows have come since, and all stay" in m.text for m in program.said))
    rest(program)
    assert len(program.session.model.seen) == 8


def test_a_run_with_rows_by_hand_is_saved_reopened_and_goes_on(bayes, tmp_path):
    program = bayes("coin", 3)
    tails, _ = program.window.stage.predictive.flip
    program.click(tails)
    program.until(lambda: program.session.moment.steps == 4)
    rest(program)
    evidence = program.window.stage.estimates.rows.value("evidence")
    program.actions.files.save(tmp_path / "mine.safetensors")
    program.until(lambda: any("Saved" in m.text for m in program.said))
    before = program.session.run
    program.actions.open(tmp_path / "mine.safetensors")
    program.until(lambda: program.session.run is not before)
    rest(program)
    stage = program.window.stage
    assert stage.estimates.rows.value("evidence") == evidence
    assert len(stage.predictive.flips.flips) == 4
    program.click(program.run_panel.step)
    program.until(lambda: program.session.moment.steps == 5)
    rest(program)
    expected = program.session.model.log_evidence()
    assert number(stage.estimates.rows.value("evidence")) == pytest.approx(expected, abs=6e-5)


def test_after_the_last_row_training_says_what_can_still_be_given(bayes):
    program = bayes("line", 25)
    program.click(program.run_panel.play)
    program.until(lambda: any("what comes now has to be given by hand" in m.text for m in program.said))
    assert program.session.moment.steps == 25


def test_a_regression_draws_what_each_row_was_worth_in_place_of_elbo(bayes):
    program = bayes("line", 9)
    curves = program.window.curves
    assert program.window.docks["curves"].windowTitle() == "log p"
    program.until(lambda: len(curves.plot._curves["batch"].points) == 9)
    values = program.session.run.curves.get("batch/log_predictive")[1]
    assert curves.plot._curves["batch"].points.values.tolist() == values.tolist()
    assert all(box.isHidden() for box in curves.toggles.values())


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0.000"),
        (-0.2316, "−0.232"),
        (-4.234e-5, "−4.2e−05"),
        (99.5, "99.50"),
        (-433.12, "−433.1"),
        (23456.7, "23\N{NARROW NO-BREAK SPACE}457"),
        (1.5e9, "1.5e+09"),
        (np.nan, "–"),
    ],
)
def test_three_columns_of_numbers_fit(x, text):
    assert in_digits(x) == text


def test_evaluations_are_of_the_rows_that_there_are(bayes):
    program = bayes("coin", 5)
    session, (tails, heads) = program.session, program.window.stage.predictive.flip
    program.until(lambda: session.report is not None and session.report.step == 5)
    program.click(heads)
    program.until(lambda: session.report.step == 6)
    program.trigger("undo")
    program.until(lambda: session.report.step == 5)
    program.click(tails)

    def evaluated():
        want = finish(live_evaluation(session.model, session.data, False)).report
        return session.model.stamp.step == 6 and session.report == want

    program.until(evaluated)
    steps, values = session.curves.get("test/log_likelihood")
    assert steps.tolist() == [5, 6]
    assert values[-1] == session.report.splits["test"]["log_likelihood"].value


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_run_opens_without_a_button_in_focus(bayes, name):
    program = bayes(name, 3)
    assert program.window.focusWidget() is program.window.stage.canvas  # Space would press a button

"""Flows in the window: two planes that show what the model says, a way between them, gauges that tell."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from scipy import integrate

from backends.base import finish
from backends.carry import log_prob
from backends.run import Run
from explorer.shell.cards import in_front
from explorer.studies.flow import CELLS, Gauges, gauges, passage
from explorer.style.theme import theme
from explorer.widgets.flow_bar import TICKS
from tests.explorer.conftest import send_mouse
from tests.runs import saved_run

QUICK = {
    "realnvp": {"layers": 4, "width": 16, "depth": 1},
    "cnf": {"width": 16, "depth": 1},
}


@pytest.fixture(scope="module")
def flow_file(tmp_path_factory):
    """A file of a short run of a flow on two moons, by its kind."""

    def make(kind):
        path = tmp_path_factory.getbasetemp() / f"{kind}-flow.safetensors"
        if not path.exists():
            saved_run(path, kind, "two-moons", QUICK[kind], steps=60)
        return path

    return make


@pytest.fixture
def flow(start, flow_file):
    def begin(kind="realnvp"):
        program = start(flow_file(kind))
        program.wait_for_run()
        program.until(lambda: program.session.travel is not None)
        return program

    return begin


def rest(program, *slots):
    program.until(lambda: not any(program.program.exploration.busy(slot) for slot in slots))


def hover(program, plane, point):
    """Move the mouse over a plane; returns the coordinates under the whole pixel."""
    canvas = plane.canvas
    at = canvas.mapFromScene(canvas.box.mapViewToScene(QPointF(*point)))
    send_mouse(canvas.viewport(), QEvent.Type.MouseMove, at)
    point = np.array(canvas.at(QPointF(at)))  # now: a dock that grows later would move it
    rest(program, "passage")
    return point


def number(text):
    return float(text.replace("−", "-").replace("⚠ ", ""))


def test_a_flow_brings_its_two_planes(flow):
    program = flow()
    stage = program.window.stage
    assert stage.panel is stage.flow
    assert program.window.docks["map"].windowTitle() == "Flow"
    model, found = program.session.model, program.session.travel
    corners = stage.flow.right.grid.corners
    assert corners.shape == (CELLS + 1, CELLS + 1, 2)
    assert np.ptp(np.diff(corners, axis=0)[..., 1]) < 1e-5  # squares in z
    x, _ = model.inverse(corners.reshape(-1, 2).astype(np.float32))
    np.testing.assert_allclose(stage.flow.left.grid.corners.reshape(-1, 2), x, atol=1e-4)
    z, log_det = model.transform(program.session.data.train.x[found.which])
    np.testing.assert_allclose(found.data[-1], z, atol=1e-5)
    assert found.log_det[-1] == pytest.approx(log_det.mean(), abs=1e-6)


def test_where_the_field_is_bright_the_density_is_high(flow):
    program = flow()
    panel = program.window.stage.flow
    field = panel.left.field
    program.until(lambda: field.picture is not None and field.picture.complete)
    picture = field.picture
    rows, columns = np.mgrid[0 : picture.view.height : 7, 0 : picture.view.width : 7]
    x = picture.view.to_canvas(columns.ravel() + 0.5, rows.ravel() + 0.5)
    p = np.exp(program.session.model.log_prob(x.astype(np.float32))).reshape(rows.shape)
    seen = picture.image[::7, ::7, 3] > 120
    assert 0 < seen.sum() < seen.size
    assert p[seen].min() > p[~seen].max() * 0.98


def test_every_term_of_the_hovered_point_is_the_models(flow):
    program = flow()
    stage, model = program.window.stage, program.session.model
    x = hover(program, stage.flow.left, (0.4, 0.3))
    row = x[None].astype(np.float32)
    z, log_det = model.transform(row)
    rows = stage.flow_point.rows
    assert number(rows.value("log_det")) == pytest.approx(log_det[0], abs=0.006)
    assert number(rows.value("log_base")) == pytest.approx(model.log_base(z)[0], abs=0.006)
    assert number(rows.value("log_p")) == pytest.approx(model.log_prob(row)[0], abs=0.006)
    np.testing.assert_allclose(stage.flow.right.way.at, z[0], atol=1e-5)
    assert len(stage.flow_point.bars.point) == len(model.times) - 1
    assert stage.flow_point.bars.point.sum() == pytest.approx(log_det[0], abs=1e-4)
    tokens, pixels = theme().tokens, program.pixels(stage.flow_point.bars)
    up = np.array([int(tokens.curve(0)[i : i + 2], 16) for i in (1, 3, 5)])
    down = np.array([int(tokens.curve(1)[i : i + 2], 16) for i in (1, 3, 5)])
    drawn = [(np.abs(pixels - colour).max(-1) < 8).sum() > 20 for colour in (up, down)]
    bars = stage.flow_point.bars.point
    assert drawn == [bool((bars > 0.02).any()), bool((bars < -0.02).any())]


def test_hovering_z_finds_the_x_that_belongs_to_it(flow):
    program = flow()
    stage, model = program.window.stage, program.session.model
    z = hover(program, stage.flow.right, (0.5, -0.7))
    x, _ = model.inverse(z[None].astype(np.float32))
    np.testing.assert_allclose(stage.flow.left.way.at, x[0], atol=1e-3)


def test_outside_of_a_base_with_edges_nothing_is_followed(start, tmp_path):
    values = {"layers": 2, "width": 8, "base": "uniform"}
    program = start(saved_run(tmp_path / "cube.safetensors", "realnvp", "two-moons", values, steps=5))
    program.wait_for_run()
    program.until(lambda: program.session.travel is not None)
    right = program.window.stage.flow.right
    for point, inside in (((0.5, 0.4), True), ((1.02, 0.4), False), ((0.3, 0.4), True)):
        hover(program, right, point)
        program.until(lambda inside=inside: (program.session.passage is not None) is inside)
    assert not program.said


def test_a_layered_flow_is_shown_at_a_station_before_anything_was_carried_through_it(flow, flow_file):
    program = flow("cnf")
    session, panel = program.session, program.window.stage.flow
    program.actions.open(flow_file("realnvp"))
    program.until(lambda: session.run.kind.name == "realnvp")
    assert session.travel is None
    session.apply(replace(session.state, flow=replace(session.state.flow, time=0.616)), "travel")
    assert panel._shown_time() == 0.5  # of 0, 1/4, …, 1
    program.until(lambda: session.travel is not None)
    assert panel._shown_time() == 0.5


def test_the_stretch_is_the_jacobian(flow):
    model = flow().session.model
    x = np.array([0.3, 0.2])
    seen = passage(model, x, width=3.0)
    _, log_det = model.transform(x[None].astype(np.float32))
    assert np.log(abs(np.linalg.det(seen.jacobian))) == pytest.approx(log_det[0], abs=0.01)


def test_the_circle_becomes_its_ellipse_station_by_station(flow):
    model = flow().session.model
    x, width = np.array([0.3, 0.2]), 3.0
    seen, h = passage(model, x, width), 1e-3
    np.testing.assert_array_equal(seen.jacobians[0], np.eye(2))
    for time, jacobian in zip(seen.times[1:], seen.jacobians[1:], strict=True):
        sides = [
            model.path((x + s * h * np.eye(2)).astype(np.float32), np.array([0.0, time])).points[-1]
            for s in (1, -1)
        ]
        by_hand = ((sides[0] - sides[1]) / (2 * h)).T
        np.testing.assert_allclose(jacobian, by_hand, atol=0.02 * np.abs(by_hand).max())


def test_the_slider_travels_layer_by_layer(flow):
    program = flow()
    panel, model = program.window.stage.flow, program.session.model
    found = program.session.travel
    panel.time.slider.setFocus()
    QTest.keyClick(panel.time.slider, Qt.Key.Key_Right)
    assert program.session.state.flow.time == pytest.approx(1 / 4)
    np.testing.assert_allclose(panel.left.grid.corners, found.grid[1], atol=1e-9)
    assert panel.left.title.text() == "layer 1 of 4"
    y = hover(program, panel.left, (0.4, 0.3))  # a point is met where it is now
    start = program.session.passage.x[None].astype(np.float32)
    np.testing.assert_allclose(model.path(start, np.array([0, 0.25])).points[-1][0], y, atol=1e-3)
    QTest.keyClick(panel.time.slider, Qt.Key.Key_End)
    np.testing.assert_allclose(panel.left.grid.corners, panel.right.grid.corners, atol=1e-9)
    program.trigger("undo")  # one drag is one step
    assert program.session.state.flow.time == 0
    np.testing.assert_allclose(panel.left.grid.corners, found.grid[0], atol=1e-9)


def test_a_click_on_the_slider_goes_there(flow):
    program = flow()
    slider = program.window.stage.flow.time.slider
    at = slider.rect().center()
    QTest.mouseClick(slider, Qt.MouseButton.LeftButton, pos=at)
    assert abs(slider.value() - TICKS / 2) < 0.02 * TICKS


def test_it_plays_to_the_end_and_back(flow):
    program = flow()
    panel = program.window.stage.flow
    program.click(panel.time.play)
    assert panel.time.play.text() == "Stop"
    program.until(lambda: program.session.state.flow.time == 1.0)
    assert panel.time.play.text() == "Travel"


def test_the_density_on_the_way_is_the_density_there(flow):
    model = flow().session.model
    x = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    np.testing.assert_allclose(finish(log_prob(model, x, 0.0)), model.log_prob(x), atol=1e-5)
    np.testing.assert_allclose(finish(log_prob(model, x, 1.0)), model.log_base(x), atol=1e-5)

    def p(v, u):
        return np.exp(finish(log_prob(model, np.array([[u, v]], np.float32), 0.5)))[0]

    mass = integrate.dblquad(p, -6, 7, -6, 6, epsabs=5e-3)[0]
    assert mass == pytest.approx(1, abs=0.02)


def test_what_is_switched_off_is_not_drawn(flow):
    program = flow()
    panel = program.window.stage.flow
    assert panel.left.grid.isVisible()
    program.click(
        panel.bar.boxes["grid"], panel.bar.boxes["grid"].rect().center() * 0 + QPointF(8, 8).toPoint()
    )
    assert not panel.left.grid.isVisible()
    assert not panel.right.grid.isVisible()
    program.trigger("undo")
    assert panel.left.grid.isVisible()


def test_the_gauges_tell_what_is_wrong(flow):
    program = flow()
    panel, model = program.window.stage.flow, program.session.model
    program.until(lambda: "mass" in panel.gauges.x.values["mass"].text())
    program.until(lambda: "–" not in panel.gauges.x.values["mass"].text())
    assert not any((panel.gauges.x.wrong | panel.gauges.z.wrong).values())
    corners = np.array([[-6.0, -6.0], [6.0, 6.0]])
    samples = program.session.travel.samples[0]
    work = gauges(model, program.session.data.test.x[:50], samples, corners)
    read = None
    while read is None:
        try:
            next(work)
        except StopIteration as stop:
            read = stop.value
    assert read.mass == pytest.approx(1, abs=0.01)
    assert read.inverse < 1e-3
    assert read.inside == pytest.approx(1, abs=0.01)
    half = np.array([[-6.0, -6.0], [np.median(samples[:, 0]), 6.0]])
    read = finish(gauges(model, program.session.data.test.x[:50], samples, half))
    assert read.inside == pytest.approx(0.5, abs=0.01)
    assert read.mass == pytest.approx(read.inside, abs=0.01 + 3 * read.inside_error)
    panel.gauges.show_gauges(read)  # half of the mass, where half of the samples are: nothing is wrong
    assert not any((panel.gauges.x.wrong | panel.gauges.z.wrong).values())
    panel.gauges.show_gauges(replace(read, mass=0.7))
    assert panel.gauges.x.wrong["mass"]
    panel.gauges.show_gauges(Gauges(1, 1.65, 0.01, 1.0, 0.001, 0.5, None))
    assert panel.gauges.x.wrong | panel.gauges.z.wrong == {"mass": True, "inverse": True, "solver": False}
    red = theme().tokens.danger
    wanted = np.array([int(red[i : i + 2], 16) for i in (1, 3, 5)])
    assert (np.abs(program.pixels(panel.gauges.x.values["mass"]) - wanted).max(-1) < 40).sum() > 10
    panel.gauges.pace.reset()
    panel.gauges.show_gauges(read)
    program.trigger("light")
    assert theme().tokens.text in panel.gauges.x.values["mass"].text()


def test_everything_follows_training(flow):
    program = flow()
    before = program.session.travel
    program.click(program.run_panel.play)
    program.until(lambda: program.session.travel.step > before.step + 5)
    program.click(program.run_panel.play)
    program.paused()
    program.until(lambda: program.session.travel.step == program.session.model.stamp.step)
    x = program.session.data.train.x[program.session.travel.which]
    z, _ = program.session.model.transform(x)
    np.testing.assert_allclose(program.session.travel.data[-1], z, atol=1e-5)


def test_the_gap_to_the_entropy_is_read_off(flow):
    program = flow()
    panel = program.window.suited["likelihood"]
    program.until(lambda: program.session.report is not None)
    assert panel.entropy == pytest.approx(1.00758, abs=2e-3)
    report = program.session.report.splits["test"]
    assert report["log_base"].value + report["log_det"].value == pytest.approx(report["log_likelihood"].value)
    program.until(lambda: "KL(π‖p)" in program.window.docks["likelihood"].status.text())
    legend = program.window.docks["likelihood"].status.text().replace("−", "-")
    assert f"{panel.entropy + report['gap'].value:.3f}" in legend
    assert f"{report['gap'].value:.3f}" in legend
    noise = 5 * report["gap"].stderr
    assert report["gap"].value == pytest.approx(-report["log_likelihood"].value - panel.entropy, abs=noise)
    program.click(panel.switch.buttons["terms"])
    legend = program.window.docks["likelihood"].status.text().replace("−", "-")
    assert f"{report['log_base'].value:.3f}" in legend
    assert f"{report['log_det'].value:.3f}" in legend
    program.trigger("undo")
    assert panel.switch.buttons["likelihood"].isChecked()


def test_a_legend_tells_of_which_evaluation_it_is_when_an_earlier_moment_is_looked_back_at(flow):
    program = flow()
    session, status = program.session, program.window.docks["likelihood"].status
    for steps in (61, 62):
        program.trigger("step")
        program.until(lambda steps=steps: program.steps == steps)
        program.paused()
        program.settle()
    curves = session.curves
    program.until(lambda: 62 in curves.get("test/log_likelihood")[0])
    evaluated = curves.get("test/log_likelihood")[0]
    moments = {model.stamp.step: model for model in session.run.history.models}
    for step, model in moments.items():
        session.look_back(model)
        before = evaluated[evaluated <= step]
        told = f"at step {before[-1]}:" if len(before) and before[-1] != step else ""
        assert (told in status.text()) if told else ("at step" not in status.text())
    session.look_back(None)
    assert "at step" not in status.text()
    assert len(moments) > 1


def test_whole_curves_are_those_of_the_card_in_front(flow):
    program = flow()
    seen, behind = program.window.suited["likelihood"].plot, program.window.curves.plot
    program.until(lambda: program.session.report is not None)
    program.until(lambda: bool(seen._to_fit()))  # its curves are drawn a little later
    for plot in (seen, behind):
        plot.set_view_range((1, 3), (-3, -2))
    program.trigger("fit-curves")
    assert seen.follows
    assert seen.view_range() != ((1, 3), (-3, -2))
    assert not behind.follows


def test_a_continuous_flow_has_arrows_divergence_and_a_solver(flow):
    program = flow("cnf")
    program.window.resize(1100, 800)  # its fields take long: a small one
    panel, model = program.window.stage.flow, program.session.model
    assert panel.bar.boxes["arrows"].isVisible()
    program.click(panel.bar.boxes["arrows"], QPoint(8, 8))
    program.until(lambda: panel.left.arrows.count > 50)
    index = panel.bar.field.findData("divergence")
    panel.bar.field.setCurrentIndex(index)
    panel.bar.field.activated.emit(index)
    program.until(lambda: "divergence" in program.window.docks["map"].status.text())
    picture = panel.left.field.picture
    rows, columns = np.array([40, 40]), np.array([40, 160])
    x = picture.view.to_canvas((columns // 4 + 0.5) * 4, (rows // 4 + 0.5) * 4).astype(np.float32)
    divergence = model.divergence(x, 0.0)
    warm = picture.image[rows, columns, 2] > picture.image[rows, columns, 0]
    assert (warm == (divergence > 0)).all()
    program.until(lambda: "–" not in panel.gauges.z.values["solver"].text())
    assert panel.gauges.z.values["solver"].isVisible()
    panel.time.slider.setFocus()
    program.click(panel.time.slider)
    assert panel.left.title.text().startswith("t = 0.")


def test_the_view_travels_along_until_a_hand_moves_it(flow):
    program = flow()
    panel, session = program.window.stage.flow, program.session
    for time in (0.5, 1.0):
        session.apply(replace(session.state, flow=replace(session.state.flow, time=time)), "travel")
        seen, x = panel.left.corners(), session.travel.at(session.travel.data, time)
        assert ((x > seen[0]) & (x < seen[1])).all(1).mean() > 0.98
        assert (np.ptp(seen, axis=0) < 4 * np.ptp(x, axis=0)).any()
    panel.left.canvas.box.scaleBy((0.5, 0.5))
    panel.left.canvas.box.sigRangeChangedManually.emit([True, True])
    seen = panel.left.corners()
    session.apply(replace(session.state, flow=replace(session.state.flow, time=0.0)), "travel")
    np.testing.assert_allclose(panel.left.corners(), seen)
    program.trigger("home")
    assert (panel.left.corners()[1] > session.travel.x_corners[1] - 1e-6).all()


def test_a_flow_has_no_card_of_bounds(flow):
    program = flow()
    docks = program.window.docks
    assert docks["curves"].isHidden()
    assert in_front(docks["likelihood"])
    assert not program.window.can_show("curves")
    mixture = Run.start("gmm", program.session.data, {"components": 2})
    program.actions.take(mixture)
    program.until(lambda: program.session.run is mixture)
    assert not docks["curves"].isHidden()
    program.window.arrange_anew()
    assert not docks["curves"].isHidden()


def test_without_a_field_nothing_is_said_of_one(flow):
    program = flow()
    panel = program.window.stage.flow
    status = program.window.docks["map"].status
    program.until(lambda: status.text().startswith("density"))
    panel.bar.field.setFocus()
    QTest.keyClick(panel.bar.field, Qt.Key.Key_End)
    assert program.session.state.flow.field == "nothing"
    program.until(lambda: not status.text())

"""Numbers and pictures that stand together are of one x, one moment and one view: none stays of a former."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF

from explorer.shell.beside import BesideDock
from tests.explorer.conftest import send_mouse
from tests.runs import saved_run

NARROW = {"width": 16, "depth": 1}


def hover(canvas, point) -> None:
    at = canvas.mapFromScene(canvas.box.mapViewToScene(QPointF(*point)))
    send_mouse(canvas.viewport(), QEvent.Type.MouseMove, at)


@pytest.fixture
def opened(start, tmp_path):
    """Opens a short run of a model, with these values."""

    def begin(model, data, **values):
        program = start(saved_run(tmp_path / f"{model}.safetensors", model, data, values, steps=30, seed=1))
        program.wait_for_run()
        return program

    return begin


def test_of_another_x_on_the_data_plane_no_number_is_told_before_it_is_its_own(opened):
    program = opened("vae", "two-moons", **NARROW, decoder="gaussian")
    program.session.apply(replace(program.session.state, canvas="data"), "see the data plane")
    place, canvas = program.window.stage.place, program.window.stage.data.canvas
    program.until(place.isVisible)
    program.settle()
    keys = ("log_p", "elbo", "gap")
    hover(canvas, (0.0, 0.5))
    program.until(lambda: place.rows.value("gap") != "–")
    plain, before = "in nats; zero where q is exact.", place.columns.value("0")
    assert not place.rows._values["gap"].toolTip().endswith(plain)
    told, original = [], place._show

    def show(reading):
        original(reading)
        told.append((place.columns.value("0"), [place.rows.value(key) for key in keys]))

    place._show = show
    hover(canvas, (1.5, -0.2))
    program.until(lambda: place.columns.value("0") != before)
    assert told[-1][1] == ["–", "–", "–"]
    program.until(lambda: place.rows.value("gap") != "–")
    elbo = program.session.model.elbo(program.session.place[None], 4096, seed=5)
    assert float(place.rows.value("elbo").replace("−", "-")) == pytest.approx(elbo.value[0], abs=0.3)


def test_a_divergence_has_no_contours_of_the_density(opened):
    program = opened("cnf", "two-moons", **NARROW)
    session, left = program.session, program.window.stage.flow.left
    program.until(lambda: session.travel is not None)

    def look(**shown) -> np.ndarray:
        flow = replace(session.state.flow, grid=False, data=False, **shown)
        session.apply(replace(session.state, flow=flow), "look")
        program.until(lambda: not program.program.exploration.busy("x-field"))
        return program.pixels(left.canvas)

    plain = look(field="divergence", contours=False)
    look(field="density", contours=True)
    np.testing.assert_array_equal(look(field="divergence", contours=True), plain)
    lines, none = (look(field="nothing", contours=on) for on in (True, False))
    assert (lines != none).any()  # those of the density are there again


def test_the_mass_is_never_that_of_another_view_or_time(opened):
    program = opened("realnvp", "two-moons", **NARROW, layers=2)
    panel, session = program.window.stage.flow, program.session
    program.until(lambda: session.travel is not None)
    mass, told, original = panel.gauges.x.values["mass"], [], panel.gauges.x.show_gauges
    program.until(lambda: any(c.isdigit() for c in mass.text()))
    before = mass.text()

    def show(found):
        original(found)
        told.append(mass.text())

    panel.gauges.x.show_gauges = show
    x0, x1 = panel.left.canvas.box.viewRange()[0]
    panel.left.canvas.box.setRange(xRange=(x0, (x0 + x1) / 2), padding=0)
    program.until(lambda: len(told) > 1 and told[-1] not in (before, told[0]))
    assert "–" in told[0]
    told.clear()
    session.apply(replace(session.state, flow=replace(session.state.flow, time=1.0)), "travel")
    assert "–" in told[0]
    program.until(lambda: any(c.isdigit() for c in mass.text()))


def test_while_a_flow_plays_its_density_goes_along(opened):
    program = opened("maf", "two-moons", layers=4)
    panel, session, exploration = program.window.stage.flow, program.session, program.program.exploration
    program.until(lambda: session.travel is not None)
    slots = ("travel", "x-field", "z-field")
    program.until(lambda: not any(exploration.busy(slot) for slot in slots))
    begun, time = panel.left.field.picture, iter(np.linspace(0.0, 1.0, 2000))

    def tick() -> bool:
        """The next moment of the way, which is asked for before much of the last one can be done."""
        for _ in range(3):
            flow = replace(session.state.flow, time=float(next(time)))
            session.apply(replace(session.state, flow=flow), "travel", merge="flow time")
        return panel.left.field.picture is not begun

    program.until(tick)


def test_looking_back_the_legend_has_the_errors_of_then(start, tmp_path):
    path = saved_run(tmp_path / "five.safetensors", "vae", "digits", {**NARROW, "latent_dim": 5}, steps=20)
    program = start(path)
    run, panel = program.wait_for_run(), program.window.curves
    for _ in range(3):
        before = program.steps
        program.trigger("step")
        program.until(lambda before=before: program.session.moment.steps == before + 1)
        program.paused()
        program.settle()
    program.until(lambda: run.curves.get("test/log_likelihood")[0][-1] == program.steps)
    newest, (steps, errors) = panel._label(), run.curves.get("test/log_likelihood/stderr")
    assert f"±{errors[-1]:.2g}, ESS" in newest
    assert newest.replace(" ", "&nbsp;") in panel.plot.legend().replace(" ", "&nbsp;")
    then = program.session.run.history.models[0]
    program.session.look_back(then)
    at = int(np.searchsorted(steps, then.stamp.step, side="right")) - 1
    told, (_, ess) = panel._label(), run.curves.get("test/log_likelihood/ess")
    assert told.startswith(f"log p(x) IS-100 ±{errors[at]:.2g}, ESS {ess[at]:.0f}")
    assert told != newest
    assert told in panel.plot.legend()
    log_p = panel._explanation().splitlines()[-1]
    assert log_p == f"log p(x): importance sampling K=100, ½q + ½p(z), ± {errors[at]:.2g}"
    program.session.look_back(None)
    assert panel._label() == newest


def test_on_the_plane_of_theta_the_value_under_the_mouse_goes_with_the_field(opened):
    program = opened("gmm", "two-moons", components=3)
    panel = program.window.suited["bounds"]
    program.window.docks["bounds"].raise_()
    program.until(panel.isVisible)
    session = program.session
    session.apply(replace(session.state, bounds=replace(session.state.bounds, shown="plane")), "see a plane")
    program.trigger("step")
    program.until(lambda: panel.plane.shown is not None and panel.plane.shown.complete)
    field, heard = panel.plane.shown, []
    u0, u1, v0, v1 = field.extent
    hover(panel.plane, ((u0 + u1) / 2, (v0 + v1) / 2))
    assert panel.values.text().startswith("log p ")
    panel.plane.read.connect(heard.append)
    panel.plane.show_field(replace(field, values=field.values + 1.0))
    side = len(field.values)
    assert heard == [pytest.approx(field.values[side // 2, side // 2] + 1.0, abs=0.1)]
    send = QEvent(QEvent.Type.Leave)
    panel.plane.event(send)
    assert heard[-1] is None
    assert panel.values.text() == ""


def test_the_posterior_of_a_datum_is_of_the_moment_of_its_ellipses(program):
    program.window.docks["datum"].raise_()
    panel = program.window.suited["datum"]
    program.until(panel.isVisible)
    program.hover(0.3, -0.8)
    program.until(lambda: panel.found is not None and panel.found.complete)
    together, original = [], panel._draw_field

    def draw(found):
        original(found)
        together.append((found.picture.step, panel.found.step))

    panel._draw_field = draw
    for _ in range(3):
        before = program.steps
        program.trigger("step")
        program.until(lambda before=before: program.session.moment.steps == before + 1)
        panel.canvas.viewed.emit()  # asks for the field before the gaps of the new moment are there
        program.until(lambda before=before: bool(together) and together[-1][1] == before + 1)
    assert all(field == ellipses for field, ellipses in together)


def test_passes_of_a_former_flow_are_not_told(opened):
    program = opened("maf", "two-moons", **NARROW, layers=4)
    point = program.window.stage.flow_point
    program.until(lambda: point.rows.value("passes") != "–")
    program.session.set_travel(None)  # as it is while another flow is opened
    assert point.rows.value("passes") == "–"


def test_beside_shows_nothing_where_no_point_is_under_the_cursor(program, tmp_path):
    program.trigger("beside")
    dock = program.window.findChild(BesideDock)
    program.hover(0.3, -0.8)
    program.until(lambda: all(caption.text() for caption in dock.captions))
    run = program.session.run
    five = saved_run(tmp_path / "five.safetensors", "vae", "digits", {**NARROW, "latent_dim": 5})
    program.actions.open(str(five))
    program.until(lambda: program.session.run is not run)
    program.settle()
    assert program.session.point is None
    assert not any(caption.text() for caption in dock.captions)

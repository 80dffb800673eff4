"""The board figure of a flow of one column: where x goes, and the densities on either side."""

import numpy as np
import pytest
from scipy.integrate import trapezoid

from backends.base import Stamp, finish
from backends.run import Run
from explorer.studies.flow_line import flow_line
from tests.runs import saved_run


@pytest.fixture(scope="module")
def line_file(tmp_path_factory):
    path, values = tmp_path_factory.mktemp("line") / "line.safetensors", {"layers": 2, "width": 16}
    return saved_run(path, "nsf", "normal-1d", values, steps=60)


def test_the_map_is_monotone_and_both_densities_have_a_mass_of_one(line_file):
    run = Run.open(line_file)
    model = run.model()
    found = finish(flow_line(model, run.data.train.x))
    assert (np.diff(found.z) > 0).all() or (np.diff(found.z) < 0).all()
    inside = np.diff(model.log_prob(found.x[[0, -1], None].astype(np.float32)))  # of no great height there
    assert np.isfinite(inside).all()
    assert trapezoid(found.p_x, found.x) == pytest.approx(trapezoid(found.p_z, found.along), abs=0.01)
    assert 0.9 < trapezoid(found.p_x, found.x) < 1.005
    for x in (1.0, 3.3):
        z, _ = model.transform(np.array([[x]], np.float32))
        assert found.to_z(x) == pytest.approx(float(z[0, 0]), abs=0.01)
        assert found.to_x(found.to_z(x)) == pytest.approx(x, abs=1e-6)
    assert found.to_z(1e3) is None
    assert found.to_x(1e3) is None


def test_a_falling_map_is_read_back_too():
    class Falling:
        stamp = Stamp("one", 3)

        def transform(self, x):
            return -2 * x, np.full(len(x), np.log(2))

        def log_base(self, z):
            return -0.5 * z[:, 0].astype(float) ** 2 - 0.5 * np.log(2 * np.pi)

    found = finish(flow_line(Falling(), np.array([[-2.0], [2.0]], np.float32)))
    assert found.to_z(1.5) == pytest.approx(-3, abs=1e-5)
    assert found.to_x(-3.0) == pytest.approx(1.5, abs=1e-5)


def test_the_panel_is_on_top_and_follows_the_mouse_and_the_model(start, line_file):
    program = start(line_file)
    program.wait_for_run()
    panel = program.window.suited["line"]
    program.until(lambda: panel.found is not None)
    assert not panel.visibleRegion().isEmpty()
    assert not panel.way.getData()[0].size
    viewport = panel.canvas.viewport()
    program.qtbot.mouseMove(viewport, viewport.rect().center())
    program.qtbot.mouseMove(viewport, viewport.rect().center() * 0.9)
    program.until(lambda: panel.way.getData()[0].size == 3)
    x, z = (values[1] for values in panel.way.getData())  # the corner lies on the map
    assert z == pytest.approx(panel.found.to_z(x))
    assert program.session.place[0] == pytest.approx(x, abs=1e-5)
    assert "→" in program.window.docks["line"].status.text()
    step = panel.found.step
    program.trigger("step")
    program.until(lambda: panel.found.step > step)


def test_there_is_no_latent_map_to_set_pins_on(start, line_file):
    program = start(line_file)
    program.wait_for_run()
    assert program.window.stage.scene == "data"
    assert not {"path", "pins", "traversals"} & set(program.window.suited)

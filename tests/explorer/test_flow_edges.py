"""A flow whose base density has edges, seen where its way ends."""

from dataclasses import replace

import numpy as np
import pytest

from tests.runs import saved_run


@pytest.fixture
def cube(start, tmp_path):
    def begin(kind):
        values = {"width": 8, "base": "uniform"}
        program = start(saved_run(tmp_path / "cube.safetensors", kind, "two-moons", values, steps=5))
        program.window.resize(1000, 700)  # a continuous flow's fields take long: small ones
        program.wait_for_run()
        program.until(lambda: program.session.travel is not None)
        return program

    return begin


def look(program, **shown):
    """Show the end of the way so, and wait until its field is drawn; returns the picture."""
    session, exploration = program.session, program.program.exploration
    session.apply(replace(session.state, flow=replace(session.state.flow, time=1.0, **shown)), "travel")
    program.until(lambda: not any(exploration.busy(slot) for slot in ("x-field", "arrows", "gauges")))
    return program.window.stage.flow.left.field.picture


@pytest.mark.parametrize("kind", ["realnvp", "cnf"])
def test_its_density_is_1_in_the_cube_and_0_outside(cube, kind):
    program = cube(kind)
    picture = look(program, field="density")
    rows, columns, _ = picture.image.shape
    at = picture.view.to_canvas(*(side.ravel() for side in np.meshgrid(np.arange(columns), np.arange(rows))))
    deep = np.all((at > 0.05) & (at < 0.95), axis=1).reshape(rows, columns)
    out = np.any((at < -0.02) | (at > 1.02), axis=1).reshape(rows, columns)
    (inside,) = np.unique(picture.image[deep], axis=0)
    (beyond,) = np.unique(picture.image[out], axis=0)
    assert np.abs(inside.astype(int) - beyond).max() > 60
    gauges = program.window.stage.flow.gauges.x
    assert not gauges.wrong["mass"]
    assert not program.said


def test_nothing_moves_there(cube):
    program = cube("cnf")
    picture = look(program, field="divergence", arrows=True)
    assert picture.detail.startswith("no velocity")
    assert not picture.image.any()
    assert program.window.stage.flow.left.arrows.count == 0
    assert not program.said

"""The prior's contours on the map, and the standard view that holds it: also of a prior that learns."""

import numpy as np
import pytest

from backends.base import finish
from backends.data import open_data
from backends.prior_levels import prior_levels
from backends.run import Run
from explorer.plane import coordinate_plane
from explorer.planes.prior_view import prior_lines, standard_view
from explorer.view import View
from tests.explorer.conftest import SMALL
from tests.runs import saved_run

VALUES = {**SMALL, "prior": "mixture", "prior_components": 3, "learning_rate": 0.05}


@pytest.fixture(scope="module")
def mixture_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "mixture.safetensors"
    return saved_run(path, "vae", "digits", VALUES, steps=40, seed=3)


def test_of_a_normal_prior_they_are_circles_of_radius_one_two_and_three():
    model = Run.start("vae", open_data("digits"), SMALL).model()
    found = finish(prior_lines(model, coordinate_plane(2), View(-4, 4, -3.5, 3.5, 400, 350)))
    radii = [np.linalg.norm(line, axis=1) for line in found.lines]
    assert sorted(round(r.mean()) for r in radii) == [1, 2, 3]
    for r in radii:
        np.testing.assert_allclose(r, round(r.mean()), atol=0.01)


def test_on_each_contour_of_a_mixture_its_density_is_one_of_its_levels(mixture_run):
    model = Run.open(mixture_run).model()
    (x0, y0), (x1, y1) = standard_view(model, coordinate_plane(2))
    found = finish(prior_lines(model, coordinate_plane(2), View(x0, x1, y0, y1, 400, 400)))
    levels = np.array(prior_levels(model).levels)
    there = [np.abs(model.log_prior(line)[:, None] - levels) for line in found.lines]
    assert {int(off.mean(0).argmin()) for off in there} == {0, 1, 2}
    assert max(off.min(1).mean() for off in there) < 0.05
    assert finish(prior_lines(model, coordinate_plane(2), found.view, found)) is found


def test_contours_and_the_standard_view_go_with_a_prior_that_learns(start, tmp_path):
    values = {**VALUES, "learning_rate": 0.2}  # that soon spreads it
    program = start(saved_run(tmp_path / "young.safetensors", "vae", "digits", values, steps=1, seed=3))
    program.wait_for_run()
    program.settle()
    session, panel = program.session, program.map
    high = panel.canvas.box.viewRange()[1]

    def right() -> bool:
        wanted = finish(prior_lines(session.model, session.plane, panel.view())).lines
        drawn = [] if panel._prior is None else panel._prior.lines
        return len(wanted) == len(drawn) and all(map(np.array_equal, wanted, drawn))

    program.until(right)
    for _ in range(30):
        steps = program.steps
        program.click(program.run_panel.step)
        program.until(lambda steps=steps: session.moment.steps == steps + 1)
    program.until(right)
    assert panel.canvas.box.viewRange()[1] == high  # no view moves under the hand
    session.look_back(session.run.history.models[0])
    program.until(right)
    session.look_back(None)
    program.until(right)

    corners = standard_view(session.model, session.plane)
    assert corners[1, 1] > 1.2 * high[1]  # it has learned to be wider
    program.trigger("home")

    def seen() -> bool:
        (u0, u1), (v0, v1) = panel.canvas.box.viewRange()
        return bool(
            (corners[0] >= (u0 - 1e-6, v0 - 1e-6)).all() and (corners[1] <= (u1 + 1e-6, v1 + 1e-6)).all()
        )

    program.until(seen)

"""Components moved by hand on the data plane: the run goes on from there, or begins there."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtTest import QTest

from backends.base import finish
from backends.data import open_data
from backends.run import Run
from explorer.__main__ import main
from explorer.follow import live_evaluation
from explorer.planes.data_points import rgb
from explorer.planes.scatter import mix
from explorer.style.theme import theme
from tests.explorer.conftest import grab, send_mouse
from tests.runs import saved_run

VALUES = {"components": 3}
LEFT = Qt.MouseButton.LeftButton


def saved(tmp_path, steps, values=VALUES, data="", model="gmm"):
    rows = tmp_path / "rows.npy"
    if not rows.exists():
        np.save(rows, open_data("two-moons").train.x[:600])
    path = tmp_path / f"{model}-{steps}.safetensors"
    return saved_run(path, model, data or str(rows), values, steps=steps, seed=1)


class Plane:
    """The data plane of a program, and a mouse on it."""

    def __init__(self, program):
        self.program, self.panel = program, program.window.stage.data
        self.canvas = self.panel.canvas
        program.until(lambda: self.panel.components is not None and self.panel.ellipses.shown is not None)
        program.until(lambda: self.panel.field.picture is not None and self.panel.field.picture.complete)
        program.paused()

    @property
    def shown(self):
        return self.panel.ellipses.shown

    @property
    def model(self):
        return self.program.session.model

    def pixel(self, uv):
        return self.canvas.mapFromScene(self.canvas.box.mapViewToScene(QPointF(*map(float, uv))))

    def under(self, uv):
        """Canvas coordinates under the whole pixel that shows uv."""
        return np.array(self.canvas.at(QPointF(self.pixel(uv))))

    def hover(self, uv):
        send_mouse(self.canvas.viewport(), QEvent.Type.MouseMove, self.pixel(uv))

    def press(self, uv):
        self.hover(uv)
        send_mouse(self.canvas.viewport(), QEvent.Type.MouseButtonPress, self.pixel(uv), LEFT, LEFT)

    def move(self, uv):
        send_mouse(self.canvas.viewport(), QEvent.Type.MouseMove, self.pixel(uv), buttons=LEFT)

    def release(self, uv):
        send_mouse(self.canvas.viewport(), QEvent.Type.MouseButtonRelease, self.pixel(uv), LEFT)

    def drag(self, begin, end):
        """Returns once the model has followed."""
        before = self.model
        self.press(begin)
        self.move((np.array(begin) + end) / 2)
        self.move(end)
        self.release(end)
        self.program.until(
            lambda: (
                not np.array_equal(self.model.theta(), before.theta())
                and self.panel.components.model is self.model
            )
        )


@pytest.fixture
def begun(start, tmp_path):
    """A mixture of three after two steps, at rest."""
    program = start(saved(tmp_path, 2))
    program.wait_for_run()
    return Plane(program)


@pytest.fixture
def fresh(start, tmp_path):
    """A mixture of three before its first step."""
    program = start(saved(tmp_path, 0))
    program.wait_for_run()
    return Plane(program)


def test_a_mean_is_dragged_and_em_goes_on_from_there(begun, tmp_path):
    program, plane = begun.program, begun
    before, end = begun.model, begun.shown.means[0] + (0.4, -0.5)
    plane.drag(plane.shown.means[0], end)
    put = plane.under(end)
    np.testing.assert_allclose(plane.model.means[0], put, atol=1e-6)
    np.testing.assert_allclose(plane.model.means[1:], before.means[1:])
    np.testing.assert_allclose(plane.model.covariances, before.covariances)
    np.testing.assert_allclose(plane.shown.means[0], put, atol=1e-6)
    assert program.session.run.history.models[-1].means[0] == pytest.approx(put, abs=1e-6)
    legend = program.window.suited["em"].plot.legend
    program.until(lambda: "log p(x)&nbsp;–" in legend())  # nothing has been computed of these components yet

    other = Run.open(saved(tmp_path, 2))
    other.place(before.weights, plane.model.means, before.covariances)
    half, first = other.half_step()
    other.half_step()
    halves = program.session.run.curves
    program.trigger("half-step")
    program.until(lambda: halves.get("half/elbo")[0][-1] == 5)
    program.until(lambda: "log p(x)&nbsp;–" not in legend())
    assert half == "E"
    assert halves.get("half/log_likelihood")[1][-1] == pytest.approx(first["log_likelihood"], rel=1e-10)
    program.trigger("half-step")
    program.until(lambda: plane.model.stamp.step == 3)
    np.testing.assert_allclose(plane.model.means, other.model().means, rtol=1e-9)
    np.testing.assert_allclose(plane.model.covariances, other.model().covariances, rtol=1e-9)


def test_while_em_plays_a_drag_pauses_it(begun):
    program, plane = begun.program, begun
    program.session.apply(with_steps(program.session.state, 10**6), "more steps")
    program.trigger("toggle")
    program.until(lambda: program.steps > 3)
    plane.press(plane.shown.means[1])
    program.paused()
    steps = program.steps
    end = plane.shown.means[1] + (0.0, 0.4)
    plane.move(end)
    plane.release(end)
    program.until(lambda: np.allclose(plane.model.means[1], plane.under(end), atol=1e-6))
    assert program.steps == steps
    assert [m.text for m in program.said if "paused" in m.text]


def with_steps(state, steps):
    return replace(state, run=replace(state.run, steps=steps, tolerance=0.0))


@pytest.mark.parametrize("handle", [0, 3])
def test_an_ellipse_is_pulled_by_any_of_its_ends(begun, handle):
    plane = begun
    before = plane.model
    plane.hover(plane.shown.means[2])
    grip = plane.panel.ellipses.handles(2)[handle]
    arm = grip - plane.shown.means[2]
    plane.drag(grip, plane.shown.means[2] + 1.6 * arm)
    pulled = plane.under(before.means[2] + 1.6 * arm) - before.means[2]
    covariance = plane.model.covariances[2]
    # the end is where the hand is, and the axes are at right angles: Σ⁻¹ has arm' as an axis of length one
    assert pulled @ np.linalg.inv(covariance) @ pulled == pytest.approx(1, abs=1e-6)
    across = np.array([-pulled[1], pulled[0]])
    assert pulled @ covariance @ across == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(plane.model.means, before.means, atol=1e-9)
    np.testing.assert_allclose(plane.model.covariances[:2], before.covariances[:2])


def test_before_the_first_step_the_run_begins_where_the_hand_has_put_it(fresh, tmp_path, capsys):
    program, plane = fresh.program, fresh
    end = plane.shown.means[0] + (0.5, 0.3)
    plane.drag(plane.shown.means[0], end)
    init = json.loads(program.session.state.run.values["init"])
    np.testing.assert_allclose(init["means"][0], plane.under(end), atol=1e-6)
    assert program.session.run.values["init"] == program.session.state.run.values["init"]
    assert program.steps == 0
    for step in (1, 2):
        program.trigger("step")
        program.until(lambda step=step: plane.model.stamp.step == step)

    file, out = tmp_path / "start.json", tmp_path / "same.safetensors"
    file.write_text(json.dumps(init))
    asked = ["--set", "components=3", f"init={file}", "--seed", "1", "--steps", "2", "--out", str(out)]
    assert main(["train", "gmm", "--data", str(tmp_path / "rows.npy"), *asked]) == 0
    capsys.readouterr()
    same = Run.open(out)
    assert dict(same.values) == dict(program.session.run.values)
    np.testing.assert_array_equal(same.model().theta(), plane.model.theta())


def test_a_start_by_hand_is_taken_back_and_made_again(fresh):
    program, plane = fresh.program, fresh
    before, end = plane.model.means, plane.shown.means[1] + (0.3, 0.0)
    plane.drag(plane.shown.means[1], end)
    moved = plane.model.means
    program.trigger("undo")
    program.until(lambda: np.allclose(plane.model.means, before))
    program.until(lambda: np.allclose(plane.shown.means, before))
    program.trigger("redo")
    program.until(lambda: np.allclose(plane.shown.means, moved))


def test_a_move_is_taken_back_and_made_again_until_the_next_step(begun):
    program, plane = begun.program, begun
    before, end = plane.model, plane.shown.means[1] + (0.3, 0.2)
    plane.drag(plane.shown.means[1], end)
    moved = plane.model
    program.trigger("undo")
    program.until(lambda: np.allclose(plane.model.theta(), before.theta(), rtol=1e-12))
    program.until(lambda: np.allclose(plane.shown.means, before.means))
    program.trigger("redo")
    program.until(lambda: np.allclose(plane.model.theta(), moved.theta(), rtol=1e-12))
    assert program.session.run.change is None  # the next step is the first from here
    program.trigger("step")
    program.until(lambda: plane.model.stamp.step == 3)
    after = plane.model.theta()
    program.trigger("undo")
    program.settle()
    assert "stays where it is" in program.said[-1].text
    np.testing.assert_array_equal(plane.model.theta(), after)


def test_esc_leaves_a_component_where_it_was(begun):
    program, plane = begun.program, begun
    before, shown = plane.model, plane.shown.means.copy()
    end = shown[0] + (0.4, 0.4)
    plane.press(shown[0])
    plane.move(end)
    np.testing.assert_allclose(plane.shown.means[0], plane.under(end))
    plane.canvas.setFocus()
    QTest.keyClick(plane.canvas, Qt.Key.Key_Escape)
    np.testing.assert_allclose(plane.shown.means, shown)
    plane.move(end)
    plane.release(end)
    program.settle()
    np.testing.assert_allclose(plane.shown.means, shown)
    np.testing.assert_array_equal(plane.model.theta(), before.theta())


def test_what_is_placed_is_evaluated_though_the_step_is_the_same(begun):
    program, plane, session = begun.program, begun, begun.program.session
    program.until(lambda: session.report is not None and session.report.step == program.steps)
    plane.drag(plane.shown.means[0], plane.shown.means[0] + (0.4, 0.4))
    want = finish(live_evaluation(session.model, session.data, False)).report
    program.until(lambda: session.report == want)
    steps, values = session.curves.get("test/log_likelihood")
    assert steps.tolist() == [program.steps]
    assert values.tolist() == [want.splits["test"]["log_likelihood"].value]


def test_a_click_on_a_mean_moves_nothing(begun):
    plane = begun
    before = plane.model
    plane.press(plane.shown.means[0])
    plane.release(plane.shown.means[0])
    begun.program.settle()
    np.testing.assert_array_equal(plane.model.theta(), before.theta())


def test_beside_the_components_a_drag_moves_the_view(begun):
    plane = begun
    before, view = plane.model, plane.canvas.view()
    corner = np.array([view.x0 + 0.05 * (view.x1 - view.x0), view.y0 + 0.05 * (view.y1 - view.y0)])
    plane.press(corner)

    def moved():
        plane.move(corner + 0.3)
        return plane.canvas.view() != view

    begun.program.until(moved)
    plane.release(corner + 0.3)
    np.testing.assert_array_equal(plane.model.theta(), before.theta())


def test_during_a_drag_the_picture_is_of_what_is_in_hand(begun):
    program, plane = begun.program, begun
    end = plane.shown.means[0] + (0.0, -1.2)
    before = grab(plane.canvas)
    plane.press(plane.shown.means[0])
    plane.move(end)
    preview = plane.panel.hand.preview
    np.testing.assert_allclose(preview.means[0], plane.under(end))
    colours = plane.panel.points
    seen = colours.scatter
    share = preview.responsibilities(seen.uv)
    assert np.abs(share - plane.model.encode(seen.plane.to_space(seen.uv)).probs).max() > 0.5
    palette = np.array([rgb(c) for c in theme().tokens.labels], np.uint8)
    program.until(lambda: np.abs(mix(share, palette).astype(int) - colours.layer._colours).max() <= 1)
    assert (np.abs(grab(plane.canvas) - before).sum(2) > 60).mean() > 0.02
    plane.release(plane.shown.means[0])


@pytest.mark.parametrize("covariance", ["tied", "diag", "spherical"])
def test_other_covariances_keep_their_form(start, tmp_path, covariance):
    program = start(saved(tmp_path, 2, {**VALUES, "covariance": covariance}))
    program.wait_for_run()
    plane = Plane(program)
    before = plane.model.covariances
    plane.hover(plane.shown.means[0])
    grip = plane.panel.ellipses.handles(0)[0]
    plane.drag(grip, plane.shown.means[0] + 1.5 * (grip - plane.shown.means[0]))
    after = plane.model.covariances
    largest = np.linalg.eigvalsh(after[0])[-1] / np.linalg.eigvalsh(before[0])[-1]
    assert largest == pytest.approx(1.5**2, rel=0.15)  # whole pixels
    if covariance == "tied":
        np.testing.assert_allclose(after[1:], after[:1].repeat(2, 0))
    else:
        np.testing.assert_allclose(after[1:], before[1:])
        np.testing.assert_allclose(after[0][0, 1], 0, atol=1e-12)
    if covariance == "spherical":
        assert after[0][0, 0] == after[0][1, 1]


def test_a_mixture_of_bernoullis_has_no_handles(start, tmp_path):
    program = start(saved(tmp_path, 1, VALUES, "digits", "bernoulli-mixture"))
    program.wait_for_run()
    panel = program.window.stage.data
    program.until(lambda: panel.ellipses.shown is not None)
    before, means = program.session.model, panel.ellipses.shown.means
    canvas = panel.canvas
    at = canvas.mapFromScene(canvas.box.mapViewToScene(QPointF(*means[0])))
    send_mouse(canvas.viewport(), QEvent.Type.MouseButtonPress, at, LEFT, LEFT)
    assert panel.hand.preview is None
    send_mouse(canvas.viewport(), QEvent.Type.MouseButtonRelease, at, LEFT)
    assert program.session.model is before

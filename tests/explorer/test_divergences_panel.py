"""A flow fitted both ways, as a person does it: fit, compare, look, train on, open the other one."""

import math

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from backends.base import finish
from backends.data import open_data
from backends.divergences import divergences
from backends.run import Run
from explorer.panels.divergences import HEADROOM, ROWS, with_error
from explorer.style.theme import theme
from tests.runs import saved_run

QUICK = {"width": 16, "depth": 1, "learning_rate": 5e-3}


@pytest.fixture
def opened(start, tmp_path):
    """Opens a flow of so many steps with the two fits on top: (program, panel)."""

    def begin(data="eight-gaussians", steps=60, model="realnvp"):
        path = tmp_path / "flow.safetensors"
        few = {} if model == "cnf" else {"layers": 4}
        program = start(saved_run(path, model, data, QUICK | few, steps=steps, seed=1))
        program.wait_for_run()
        program.window.docks["kl"].raise_()
        panel = program.window.suited["kl"]
        program.until(panel.isVisible)
        return program, panel

    return begin


def fit(program, panel, button):
    program.click(button)
    assert panel.other.busy
    program.until(lambda: not panel.other.busy, timeout=60_000)


def measured(program, panel):
    """Until both pictures are drawn and all numbers are there, of the models on show."""
    exploration, sides = program.program.exploration, panel.sides.values()
    program.until(lambda: all(one.found_at == one.model.stamp.step for one in sides if one.model))
    program.until(lambda: all(one.plane.field.picture is not None for one in sides))
    slots = [f"kl-{what}-{side}" for what in ("field", "lines") for side in ("forward", "reverse")]
    program.until(lambda: not any(exploration.busy(slot) for slot in (*slots, "kl-view")))
    program.until(lambda: all(one.plane.field.picture.step == one.model.stamp.step for one in sides))


def off_contours(side, density):
    """How far most of the lines of a picture are from the levels that are to be drawn, in nats."""
    path = side.plane.contours._path
    assert not path.isEmpty()
    ends = [path.elementAt(i) for i in range(0, path.elementCount(), 7)]
    log_pi = density.log_prob(np.array([[e.x, e.y] for e in ends]))
    below = (log_pi.max() - log_pi)[:, None] - (np.array([1, 2, 3, 4]) ** 2 / 2 - 0.5)
    return np.quantile(np.abs(below).min(1), 0.9)


def wheel(widget, at, notches):
    point = QPointF(at)
    event = QWheelEvent(
        point, QPointF(widget.mapToGlobal(point)), QPoint(), QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


def table(panel):
    return dict(panel.table.rows)


def test_without_the_other_fit_there_is_a_sentence_and_a_button(opened):
    program, panel = opened()
    empty = panel.sides[True].plane
    assert empty.is_empty
    assert "avoids what π lacks" in empty.sentence.text()
    assert not panel.sides[False].plane.is_empty
    assert "open" in panel.sides[False].plane.mark.text()
    program.until(lambda: panel.sides[False].found is not None)
    assert table(panel)["KL(π‖p)"][1] == "–"
    assert not panel.take.isVisible()
    fit(program, panel, empty.button)
    assert not empty.is_empty
    assert panel.take.isVisible()


def test_both_fits_have_the_numbers_of_the_estimators(opened):
    program, panel = opened()
    fit(program, panel, panel.sides[True].plane.button)
    run, other = program.session.run, panel.other.fit.run
    assert dict(other.values) == {**run.values, "objective": "reverse-kl"}
    assert (other.steps, other.seed) == (run.steps, run.seed)
    measured(program, panel)
    data = program.session.data
    x = data.test.x[:ROWS]
    for column, model in enumerate((program.session.model, panel.other.fit.model)):
        found = finish(divergences(model, data.density, x, len(x)))
        rows = table(panel)
        assert rows["KL(π‖p)"][column] == with_error(found.forward)
        assert rows["KL(p‖π)"][column] == with_error(found.reverse)
        assert rows["in x-space"][column] == with_error(found.dual.x_space)
        assert rows["in z-space"][column] == with_error(found.dual.z_space)
        assert float(rows["differ by"][column].split()[-2]) == pytest.approx(
            found.dual.errors_apart, abs=0.05
        )
    same = finish(divergences(other.model(), data.density, x, len(x)))
    assert panel.sides[True].found == same
    assert "Monte Carlo over 5000 rows" in panel.table.tooltip(100, 30)
    assert "E[log π(x) − log p(x)]" in panel.table.tooltip(5, 30)


def test_the_pictures_are_of_the_fits_under_the_contours_of_the_target(opened):
    program, panel = opened(steps=150)
    fit(program, panel, panel.sides[True].plane.button)
    measured(program, panel)
    density = program.session.data.density
    seen = []
    for one in panel.sides.values():
        picture = one.plane.field.picture
        rows, columns = np.mgrid[3 : picture.view.height : 6, 3 : picture.view.width : 6]
        x = picture.view.to_canvas(columns.ravel(), rows.ravel()).astype(np.float32)
        p = one.model.log_prob(x).reshape(rows.shape)
        bright = picture.image[rows, columns, 3] > 120
        assert 0 < bright.sum() < bright.size
        assert np.median(p[bright]) > np.median(p[~bright]) + 1
        seen.append(bright)
        assert off_contours(one, density) < 0.3
    assert (seen[0] != seen[1]).mean() > 0.02
    pixels = [program.pixels(one.plane.canvas).astype(int) for one in panel.sides.values()]
    shape = tuple(min(a, b) for a, b in zip(pixels[0].shape, pixels[1].shape, strict=True))
    cut = [p[: shape[0], : shape[1]] for p in pixels]
    assert (np.abs(cut[0] - cut[1]).max(-1) > 40).mean() > 0.02


def test_heights_of_both_pictures_are_on_one_scale(opened):
    program, panel = opened(steps=150)
    before = panel.table.height()
    fit(program, panel, panel.sides[True].plane.button)
    measured(program, panel)
    assert panel.table.height() == before  # its room was there before its numbers
    density, table = program.session.data.density, theme().table
    for one in panel.sides.values():
        picture = one.plane.field.picture
        rows, columns = np.mgrid[1 : picture.view.height : 2, 1 : picture.view.width : 2]
        x = picture.view.to_canvas(columns.ravel(), rows.ravel()).astype(np.float32)
        top = HEADROOM * np.exp(density.log_prob(x).max())
        level = np.sqrt(np.clip(np.exp(one.model.log_prob(x)) / top, 0, 1))
        want = table[(255 * level).astype(int)]
        seen = picture.image[rows, columns].reshape(-1, 4)
        dense = level > 0.4
        assert dense.sum() > 50
        off = np.abs(seen[dense, 2::-1] - 0.9 * want[dense]).max(1)
        assert np.quantile(off, 0.9) < 12


def test_what_is_zoomed_in_one_picture_is_zoomed_in_the_other(opened):
    program, panel = opened(steps=2)
    fit(program, panel, panel.sides[True].plane.button)
    measured(program, panel)
    left, right = (one.plane for one in panel.sides.values())
    middle, scale = left.looks_at()
    np.testing.assert_allclose(right.looks_at()[0], middle, atol=5 * scale)
    assert right.looks_at()[1] == pytest.approx(scale, rel=0.05)
    viewport = left.canvas.viewport()
    wheel(viewport, viewport.rect().center() / 2, 2)
    program.until(lambda: left.looks_at()[1] < 0.8 * scale)
    np.testing.assert_allclose(right.looks_at()[0], left.looks_at()[0], atol=1e-6)
    assert right.looks_at()[1] == pytest.approx(left.looks_at()[1], rel=0.01)


def test_a_click_on_the_other_picture_opens_it_and_back(opened):
    program, panel = opened()
    fit(program, panel, panel.sides[True].plane.button)
    first, second = program.session.run, panel.other.fit.run
    measured(program, panel)
    canvas = panel.sides[True].plane.canvas
    program.click(canvas.viewport())
    program.until(lambda: program.session.run is second)
    program.until(lambda: panel.other.fit is not None and panel.other.fit.run is first)
    assert "open" in panel.sides[True].plane.mark.text()
    assert "open" not in panel.sides[False].plane.mark.text()
    assert panel.sides[False].run is first
    assert program.session.state.run.values["objective"] == "reverse-kl"
    program.click(panel.take)
    program.until(lambda: program.session.run is first)
    program.until(lambda: panel.other.fit is not None and panel.other.fit.run is second)


def test_the_other_fit_stays_while_the_open_run_trains_and_can_catch_up(opened):
    program, panel = opened(steps=20)
    fit(program, panel, panel.sides[True].plane.button)
    measured(program, panel)
    before, found = panel.other.fit, panel.sides[False].found
    program.click(program.run_panel.play)
    program.until(lambda: program.steps > 40 and panel.sides[False].found is not found)
    program.click(program.run_panel.play)
    program.paused()
    assert panel.other.fit is before
    assert panel.go.text() == "Train further"
    fit(program, panel, panel.go)
    assert panel.other.fit.run is before.run
    assert panel.other.fit.run.steps == program.session.run.steps
    assert panel.other.fit.model.stamp.step == program.session.run.steps
    program.click(panel.go)
    assert panel.go.text() == "Cancel"
    assert panel.progress.isVisible()
    program.until(lambda: panel.other.fit.run.steps > program.steps)
    program.click(panel.go)
    program.until(lambda: not panel.other.busy)
    assert panel.other.fit.model.stamp.step == panel.other.fit.run.steps < program.steps + 1000
    assert not panel.progress.isVisible()


def test_another_run_takes_the_other_fit_away_and_another_seed_does_not(opened):
    program, panel = opened(steps=5)
    fit(program, panel, panel.sides[True].plane.button)
    kept, session = panel.other.fit, program.session
    another = Run.start("realnvp", session.data, {**QUICK, "layers": 4}, seed=9)
    program.actions.take(another)
    program.until(lambda: session.run is another)
    assert panel.other.fit is kept
    wider = Run.start("realnvp", session.data, {**QUICK, "layers": 4, "width": 17})
    program.actions.take(wider)
    program.until(lambda: session.run is wider)
    assert panel.other.fit is None
    assert panel.sides[True].plane.is_empty


def test_another_target_has_its_own_contours_in_both_pictures(opened):
    program, panel = opened("two-gaussians@1", steps=5)
    fit(program, panel, panel.sides[True].plane.button)
    measured(program, panel)
    farther = Run.start("realnvp", open_data("two-gaussians@3"), {**QUICK, "layers": 4})
    farther.step()  # the other fit is given as many
    program.actions.take(farther)
    program.until(lambda: program.session.run is farther)
    fit(program, panel, panel.sides[True].plane.button)
    measured(program, panel)
    for one in panel.sides.values():
        assert off_contours(one, farther.data.density) < 0.3


def test_a_run_that_has_nothing_to_compare_takes_the_panel_away(opened):
    program, panel = opened(steps=5)
    fit(program, panel, panel.sides[True].plane.button)
    mixture = Run.start("gmm", program.session.data, {"components": 2})  # which has no objective to choose
    program.actions.take(mixture)
    program.until(lambda: program.session.run is mixture)
    assert panel.other.fit is None
    assert program.window.docks["kl"].isHidden()
    assert not program.said


def test_where_the_target_is_zero_the_divergence_is_infinite_and_says_so(opened):
    program, panel = opened("checkerboard")
    fit(program, panel, panel.sides[True].plane.button)
    assert panel.failure.text().startswith("The density of checkerboard is zero")
    measured(program, panel)
    rows = table(panel)
    assert rows["KL(p‖π)"] == ["∞", "∞"]
    assert rows["KL(π‖p)"][0][0].isdigit()
    tip = panel.table.tooltip(panel.table.width() - 20, 52)
    assert "fall where π is zero" in tip
    assert math.isinf(panel.sides[False].found.reverse.value)
    assert not panel.sides[False].plane.contours._path.isEmpty()


def test_a_flow_by_matching_counts_as_forward(opened):
    program, panel = opened("two-moons", 3, "cnf")
    assert panel.sides[False].run is program.session.run
    assert panel.sides[False].plane.title.text() == "Flow matching"


def test_only_where_the_density_is_known(start, tmp_path):
    path, table = tmp_path / "flow.safetensors", tmp_path / "mine.csv"
    np.savetxt(
        table, np.random.default_rng(0).normal(size=(200, 2)), delimiter=",", header="a,b", comments=""
    )
    saved_run(path, "realnvp", table, QUICK)
    program = start(path)
    program.wait_for_run()
    assert program.window.docks["kl"].isHidden()

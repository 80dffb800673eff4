"""The history of a run under the canvas: looking back, the film, branches, and what it may take."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from backends.base import finish
from backends.run import Run
from explorer.panels import history
from explorer.planes.mosaic import Ink
from explorer.slices import samples
from explorer.studies.tiles import Tiling
from explorer.style.tokens import DARK
from tests.runs import saved_run

STEPS = 12


@pytest.fixture
def bar(program):
    return program.window.stage.history


def trained(program, steps: int = STEPS):
    """The run after so many steps more, each of which was seen, and so kept."""
    for _ in range(steps):
        before = program.steps
        program.trigger("step")
        program.until(lambda before=before: program.session.moment.steps == before + 1)
    program.paused()
    program.settle()
    newest = f"of {program.steps}"
    program.until(lambda: program.window.stage.history.scrubber.label.text().endswith(newest))
    return program.session.run


def seen(program, step: int) -> None:
    """Wait until the map's mosaic and points are those of a step."""

    def there() -> bool:
        known, items = program.session.encodings, (program.map.field, program.map.points.item)
        drawn = all(item.picture is not None and item.picture.step == step for item in items)
        return known is not None and known.step == step and drawn

    program.until(there)
    program.settle()


def test_a_drag_brings_map_and_curves_back_and_now_lets_go(program, bar):
    run = trained(program)
    seen(program, 132)
    newest = program.pixels(program.map.canvas)
    slider, session = bar.scrubber.slider, program.session
    assert bar.scrubber.label.text() == "step 132 of 132"
    assert not bar.scrubber.live.isEnabled()
    program.click(slider, QPoint(4, slider.height() // 2))
    assert session.past is run.history.models[0]
    seen(program, 120)
    assert bar.scrubber.label.text() == "step 120 of 132"
    expected = session.past.encode(session.data.train.x).mean
    np.testing.assert_array_equal(session.encodings.z, expected)
    then = program.pixels(program.map.canvas)
    assert (abs(then - newest).max(axis=2) > 24).mean() > 0.001
    plot = program.window.curves.plot
    at = plot.position(120, plot.view_range()[1][0]).x()
    line = program.pixels(plot)[10:-40, at - 1 : at + 2]
    accent = np.array(QColor(DARK.accent).getRgb()[:3])
    assert (abs(line - accent).max(axis=2) < 60).any(axis=1).mean() > 0.3
    steps, values = run.curves.get("test/elbo")
    told = values[np.searchsorted(steps, 120, side="right") - 1]
    assert f"ELBO&nbsp;−{abs(told):.2f}" in plot.legend()
    for step, is_another in ((120, False), (125, True)):  # it was evaluated at the one, and not at the other
        slider.setValue(step - 120)
        assert session.past.stamp.step == step
        assert program.window.docks["curves"].status.text().startswith("at step 120:") == is_another
    slider.setValue(0)
    assert bar.branch.isEnabled()
    program.click(bar.scrubber.live)
    assert session.past is None
    assert not bar.branch.isEnabled()
    assert QApplication.focusWidget() is None  # or Space, which trains, would press another button
    seen(program, 132)
    np.testing.assert_array_equal(program.pixels(program.map.canvas), newest)


def test_samples_are_as_they_were_then(program, bar):
    run, panel = trained(program, 3), program.window.samples
    run.learner.set("learning_rate", 0.1)
    trained(program, 2)  # after which they look otherwise

    def drawn_from(model) -> bool:
        tiling = Tiling.of(run.info, panel.tiles.width(), panel.tiles.height(), 1.0)
        wanted = finish(samples(model, tiling.count, panel._seed))
        return program.tiled(tiling.lay(wanted, run.info, Ink((255, 255, 255), 1.0)))

    program.until(lambda: drawn_from(run.model()))
    first = run.history.models[0]
    assert not drawn_from(first)
    bar.scrubber.slider.setValue(0)
    program.until(lambda: drawn_from(first))
    program.click(bar.scrubber.live)
    program.until(lambda: drawn_from(run.model()))


def test_keys_walk_through_the_history(program, bar):
    trained(program, 3)
    session = program.session
    program.trigger("earlier")
    assert session.model.stamp.step == 122
    program.trigger("earlier")
    assert session.model.stamp.step == 121
    program.trigger("later")
    assert session.model.stamp.step == 122
    program.trigger("now")
    assert session.past is None
    bar.scrubber.slider.setFocus()
    QTest.keyClick(bar.scrubber.slider, Qt.Key.Key_Home)
    assert session.model.stamp.step == 120
    assert program.window.commands["earlier"].shortcut().toString() == "Alt+Left"


def test_the_past_stays_while_training_goes_on_and_curves_grow(program, bar):
    run = trained(program, 2)
    bar.scrubber.slider.setValue(0)
    model, known = program.session.model, len(run.curves.get("test/elbo")[0])
    trained(program, 3)
    assert program.session.model is model
    assert bar.scrubber.label.text() == "step 120 of 125"
    program.until(lambda: len(run.curves.get("test/elbo")[0]) > known)
    assert run.curves.get("test/elbo")[0][-1] > 122


def test_the_film_shows_moment_after_moment_and_ends_with_the_newest(program, bar):
    run = trained(program)
    bar.scrubber.slider.setValue(6)
    bar.speed.setCurrentIndex(bar.speed.findData(5))
    bar.speed.activated.emit(bar.speed.currentIndex())
    shown = []
    program.session.model_changed.connect(lambda model: shown.append(model.stamp.step))
    program.trigger("film")
    assert bar.playing
    program.until(lambda: not bar.playing)
    assert program.session.past is None
    assert shown == sorted(shown)
    assert shown[-1] == run.steps
    assert len(set(shown)) > 2  # a slow machine leaves some out
    assert min(shown) > 120 + 5


def test_the_film_begins_where_one_is_loops_and_stops_at_a_drag(program, bar):
    trained(program, 4)
    program.click(bar.loop)
    assert program.session.state.history.loop
    bar.speed.setCurrentIndex(bar.speed.findData(5))
    bar.speed.activated.emit(bar.speed.currentIndex())
    bar.scrubber.slider.setValue(3)
    shown = []
    program.session.model_changed.connect(lambda model: shown.append(model.stamp.step))
    program.click(bar.play)
    assert program.session.model.stamp.step == 123
    program.until(lambda: 120 in shown)
    assert bar.playing
    bar.scrubber.slider.setValue(1)
    assert not bar.playing
    assert program.session.model.stamp.step == 121


def test_the_film_takes_as_long_as_is_chosen(program, bar, monkeypatch):
    run = trained(program, 4)
    clock = [100.0]
    monkeypatch.setattr(history.time, "perf_counter", lambda: clock[0])
    bar.speed.setCurrentIndex(bar.speed.findData(20))
    bar.speed.activated.emit(bar.speed.currentIndex())
    bar.toggle_film()
    for seconds, at in ((0.1, 0), (4.9, 0), (5.1, 1), (10.1, 2), (19.9, 3)):
        clock[0] = 100.0 + seconds
        bar._next_frame()
        assert program.session.past is run.history.models[at]
    clock[0] += 0.2
    bar._next_frame()
    assert program.session.past is None


def test_a_branch_carries_on_from_the_moment_on_show(program, bar):
    run = trained(program, 6)
    assert not bar.branch.isEnabled()
    bar.scrubber.slider.setValue(2)
    bar.scrubber.slider.setFocus()
    program.trigger("branch")
    program.until(lambda: program.session.run is not run)
    assert bar.scrubber.slider.hasFocus()  # not what lies beside it, which Space would press
    other = program.session.run
    program.paused()
    assert program.session.past is None
    assert other.steps == 122
    assert bar.scrubber.label.text() == "step 122 of 122"
    trained(program, 4)
    z = np.zeros((1, 2), np.float32)
    np.testing.assert_array_equal(other.model().decode(z).mean, run.model().decode(z).mean)
    kept = program.home / "unsaved" / f"{run.id}.safetensors"
    program.until(kept.exists)
    assert Run.open(kept).steps == 126


def test_the_memory_is_told_and_can_be_changed(program, bar):
    run = trained(program, 2)
    assert bar.memory.text() == f"{round(run.history.nbytes / 1e6)} / 256 MB"
    assert "3 moments" in bar.memory.toolTip()
    state = run.learner.state()
    large = replace(state, arrays={**state.arrays, "large": np.zeros(20_000_000, np.uint8)})
    small, run.history._added = run.history.nbytes, 0  # the size of the next one is measured
    run.history.add(run.model(), large)
    assert 20e6 <= run.history.nbytes - small < 21e6
    counts = []
    for _ in range(3):  # what comes for the first time may lay something out, once
        before = bar.memory.text()
        with program.layouts() as layouts:
            run.history.add(run.model(), large)
            trained(program, 1)
        assert bar.memory.text() == f"{round(run.history.nbytes / 1e6)} / 256 MB" != before
        counts.append(layouts.count)
    assert min(counts) == 0, "a new text lays the whole window out"
    next(a for a in bar.menu.actions() if a.data() == 64).trigger()
    assert program.session.state.history.memory == 64
    program.until(lambda: run.history.memory == 64_000_000)
    program.until(lambda: bar.memory.text().endswith("/ 64 MB"))
    program.trigger("undo")
    program.until(lambda: run.history.memory == 256_000_000)
    assert next(a for a in bar.menu.actions() if a.data() == 256).isChecked()


def test_the_history_of_a_run_that_was_just_begun_starts_before_its_first_step(program, bar):
    before = program.session.run
    program.trigger("restart")
    program.until(lambda: program.session.run is not before and program.session.moment.steps > 5)
    program.actions.pause()
    program.paused()
    run = program.session.run
    kept = [model.stamp.step for model in run.history.models]
    assert kept[0] == 0
    assert kept == sorted(set(kept))
    assert len(kept) > 1


def test_a_flow_has_a_history_too(start, tmp_path):
    path = saved_run(tmp_path / "flow.safetensors", "realnvp", "two-moons", {"width": 16, "layers": 2})
    program = start(path)
    program.wait_for_run()
    trained(program, 3)
    program.window.stage.history.scrubber.slider.setValue(1)
    assert program.session.model.stamp.step == 1
    program.until(lambda: program.session.travel is not None and program.session.travel.step == 1)


def test_everything_has_a_name_and_a_tip(bar):
    for widget in (bar.play, bar.loop, bar.speed, bar.scrubber.slider, bar.branch, bar.memory):
        assert widget.toolTip()
        assert widget.accessibleName() or widget.text()
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_a_run_from_a_file_has_no_bar_of_moments_until_it_is_trained_on(program):
    bar, before = program.window.stage.history, program.map.canvas.height()
    assert bar.isHidden()
    program.trigger("step")
    program.until(lambda: bar.isVisible() and bar.scrubber.slider.isEnabled())
    program.until(lambda: program.map.canvas.height() < before)


def test_before_a_run_is_open_it_takes_no_room(start, small_run, tmp_path):
    program = start(small_run, tmp_path)
    bar = program.window.stage.history
    assert program.session.run is None
    assert bar.isHidden()

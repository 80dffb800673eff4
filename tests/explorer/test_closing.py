"""What closing, or a crash, leaves: runs that are kept, and no thread or window."""

import gc
import threading
from dataclasses import replace

import numpy as np
from PySide6.QtWidgets import QApplication, QMenu

from backends.run import Run
from explorer import settings
from explorer.runs.kept import kept_runs

Z = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)


def test_closing_while_it_trains_ends_both_threads_and_keeps_the_run(start, small_run, tmp_path):
    home = tmp_path / "kept"
    program = start(small_run, home)
    program.wait_for_run()
    program.click(program.run_panel.play)
    program.until(lambda: program.steps > 130)
    run = program.session.run
    threads = [t for t in threading.enumerate() if t.name in ("training", "exploration")]
    assert len(threads) == 2
    program.window.close()
    assert not any(t.is_alive() for t in threads)
    kept = Run.open(*kept_runs(home))
    assert kept.steps == run.steps > 130
    np.testing.assert_array_equal(kept.model().decode(Z).mean, run.model().decode(Z).mean)

    again = start(home=home)
    again.wait_for_run()
    (offer,) = (m.action for m in again.said if m.action)
    assert offer[0] == "Open it"
    offer[1]()
    again.until(lambda: again.session.run.steps == kept.steps)
    assert again.actions.files.path is None  # saving it asks for a name


def test_a_run_that_is_kept_while_it_trains_is_offered_back_after_a_crash(start, small_run, tmp_path):
    home = tmp_path / "crashed"
    program = start(small_run, home)
    program.wait_for_run()
    program.click(program.run_panel.step)
    program.until(lambda: program.actions.files.unsaved())
    program.actions._autosave.timeout.emit()  # a minute has passed
    program.until(lambda: bool(kept_runs(home)))
    # No close: whatever is on the disk now is what a crash would leave.
    assert Run.open(*kept_runs(home)).steps == 121


def test_two_openings_of_one_file_are_kept_apart_and_a_kept_run_in_its_place(start, small_run, tmp_path):
    home = tmp_path / "twice"

    def go_on(program, to):
        while program.steps < to:
            before = program.steps
            program.click(program.run_panel.step)
            program.until(lambda before=before: program.steps == before + 1)
        program.close()

    for to in (121, 122):
        first = start(small_run, home)
        first.wait_for_run()
        go_on(first, to)
    assert sorted(Run.open(path).steps for path in kept_runs(home)) == [121, 122]

    again = start(small_run, home)
    again.wait_for_run()
    again.actions.open_kept(kept_runs(home)[0])
    again.until(lambda: again.steps == 122)
    go_on(again, 123)
    assert sorted(Run.open(path).steps for path in kept_runs(home)) == [121, 123]


def test_what_was_trained_is_kept_when_another_file_is_opened(start, small_run, tmp_path):
    home = tmp_path / "other"
    program = start(small_run, home)
    program.wait_for_run()
    program.click(program.run_panel.step)
    program.until(lambda: program.actions.files.unsaved())
    first = program.session.run
    program.actions.open(small_run)
    program.until(lambda: program.session.run is not first)
    program.until(lambda: bool(kept_runs(home)))
    assert Run.open(*kept_runs(home)).steps == 121
    assert program.actions.files.path == small_run


def test_a_run_that_cannot_be_kept_at_the_end_is_told_of(start, small_run, tmp_path, capfd):
    home = tmp_path / "full"
    home.mkdir()
    (home / "unsaved").write_text("in the way")
    program = start(small_run, home)
    program.wait_for_run()
    program.click(program.run_panel.step)
    program.until(lambda: program.actions.files.unsaved())
    program.window.close()
    program.said.clear()  # it is told where it can still be read
    assert "latent-explorer: Could not keep the run" in capfd.readouterr().err


def test_closing_without_anything_new_keeps_nothing(start, small_run, tmp_path):
    home = tmp_path / "clean"
    program = start(small_run, home)
    program.wait_for_run()
    program.window.close()
    assert kept_runs(home) == []


def test_nothing_of_a_closed_program_stays(start, small_run):
    def living():  # pyqtgraph's context menus have no parent and stay
        gc.collect()
        return {w for w in QApplication.allWidgets() if not isinstance(w, QMenu)}

    before = living()
    program = start(small_run)
    program.wait_for_run()
    program.settle()
    program.close()
    assert living() <= before


def test_settings_that_mean_nothing_do_not_keep_it_from_starting(start, small_run, tmp_path):
    home = tmp_path / "odd"
    good = settings.Settings()
    spec = replace(good.state.run, values={"width": "wide", "beta": -3.0, "rotor": 1}, data="", device="tpu")
    settings.save(
        home,
        replace(good, state=replace(good.state, run=spec), geometry="zz", arrangement="00ff", recent=("x",)),
    )
    program = start(small_run, home)
    program.wait_for_run()
    assert program.session.run.steps == 120

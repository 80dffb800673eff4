"""The process is killed, while it trains and while it saves: what is offered back afterwards."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication

from backends.checkpoint import read_manifest
from backends.run import Run
from explorer import settings
from explorer.runs.kept import kept_runs
from explorer.shell.preferences import Preferences
from explorer.state import State
from tests.runs import saved_run

CHILD = """
import sys
from pathlib import Path
from PySide6.QtWidgets import QApplication
from explorer.app import Program
from explorer.style.theme import apply

app = QApplication([])
apply(app)
program = Program(Path(sys.argv[1]), sys.argv[2])
program.session.run_changed.connect(lambda run: program.actions.train())
program.window.show()
app.exec()
"""


@pytest.fixture
def home(tmp_path) -> Path:
    """Of a program that keeps its run every second."""
    settings.save(tmp_path / "home", settings.Settings(replace(State(), autosave=1)))
    return tmp_path / "home"


@pytest.fixture
def child(home):
    """Starts the program in a process of its own, training a run; whatever happens it ends with the test."""
    processes = []

    def begin(path: Path) -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, "-c", CHILD, str(home), str(path)])
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def kept_step(home: Path) -> int:
    """How far the run has come that is kept, 0 where none is."""
    paths = kept_runs(home)
    return read_manifest(paths[0])["step"] if paths else 0


def recover(start, home: Path):
    """Start again, and take the offer; returns the program."""
    program = start(home=home)
    program.wait_for_run()
    program.until(lambda: any(m.action for m in program.said))
    starter = program.session.run
    next(m.action for m in program.said if m.action)[1]()
    program.until(lambda: program.session.run is not starter)
    return program


def test_killed_while_it_trains_it_offers_what_was_kept_last(start, qtbot, small_run, home, child):
    process = child(small_run)
    qtbot.waitUntil(lambda: kept_step(home) > 120, timeout=60_000)
    first = kept_step(home)
    qtbot.waitUntil(lambda: kept_step(home) > first, timeout=60_000)  # and again, with nobody asking
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    last = kept_step(home)
    program = recover(start, home)
    assert program.steps == last > first
    assert program.session.run.data is not None
    assert len(program.session.curves.get("batch/loss")[0]) >= last - 120
    program.click(program.run_panel.step)
    program.until(lambda: program.steps == last + 1)


def test_single_steps_are_kept_in_time_though_nobody_pauses_or_closes(start, small_run, home):
    program = start(small_run, home)
    program.wait_for_run()
    for steps in (121, 122):  # as long as it goes on
        program.click(program.run_panel.step)
        program.until(lambda steps=steps: kept_step(home) == steps)


def test_what_a_hand_did_between_two_steps_is_kept_in_time(start, tmp_path, home):
    program = start(saved_run(tmp_path / "gmm", "gmm", "two-moons", {"components": 3}, steps=2), home)
    program.wait_for_run()
    model = program.session.model
    program.actions.by_hand.place((model.weights, model.means + 1, model.covariances))
    program.until(lambda: bool(kept_runs(home)))
    np.testing.assert_allclose(Run.open(kept_runs(home)[0]).model().means, model.means + 1)


def test_killed_while_it_saves_it_still_has_what_was_saved_before(start, qtbot, tmp_path, home, child):
    values = {"width": 768, "depth": 3}
    process = child(saved_run(tmp_path / "large.safetensors", "vae", "digits", values, steps=1, seed=1))
    qtbot.waitUntil(lambda: kept_step(home) > 1, timeout=60_000)
    end = time.monotonic() + 60
    while not (halves := list((home / "unsaved").glob(".*.tmp"))):
        assert time.monotonic() < end
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert halves[0].exists(), "the save had ended"
    kept = kept_step(home)
    assert kept > 1
    program = recover(start, home)
    assert program.steps == kept
    assert program.session.run.notes == ()

    os.utime(halves[0], (0, 0))  # another program might still be at it, but not from long ago
    kept_runs(home)
    assert not halves[0].exists()


def offers(start, home: Path):
    """Start again; returns the program, and the buttons of the offer to recover."""
    program = start(home=home)
    program.wait_for_run()
    program.settle()
    return program, program.window.messages.findChildren(QAbstractButton)


def test_an_offer_that_was_answered_is_made_no_more_until_something_else_is_kept(start, small_run, home):
    folder = home / "unsaved"
    folder.mkdir(parents=True)
    (folder / "a.safetensors").write_bytes(small_run.read_bytes())
    program, _ = offers(start, home)
    assert len(program.window.messages.messages()) == 1
    program.close()
    program, buttons = offers(start, home)  # nobody has answered
    program.click(next(b for b in buttons if b.toolTip() == "Dismiss"))
    program.close()
    program, _ = offers(start, home)
    assert not program.window.messages.messages()
    assert (folder / "a.safetensors").exists()
    program.close()
    (folder / "b.safetensors").write_bytes(small_run.read_bytes())
    program, buttons = offers(start, home)
    assert program.window.messages.messages()[0].startswith("2 unsaved runs are kept")
    offered = program.window.messages.geometry()
    program.window.title.setText("")  # as when the offer is made
    program.window.messages.place()
    assert program.window.messages.geometry() == offered
    starter = program.session.run
    program.click(next(b for b in buttons if b.text() == "Open it"))
    program.until(lambda: program.session.run is not starter)
    program.close()
    program, _ = offers(start, home)
    assert not program.window.messages.messages()


def test_no_start_throws_away_what_was_kept(start, small_run, home):
    folder = home / "unsaved"
    folder.mkdir(parents=True)
    for i in range(30):
        (folder / f"{i}.safetensors").write_bytes(small_run.read_bytes())
    program = start(home=home)
    program.wait_for_run()
    program.until(lambda: any(m.action for m in program.said))
    assert len(list(folder.glob("*.safetensors"))) == 30


def test_what_was_set_is_remembered_without_closing(start, small_run, tmp_path):
    program = start(small_run, tmp_path / "home")
    program.wait_for_run()
    program.trigger("preferences")
    dialog = QApplication.activeModalWidget()
    assert isinstance(dialog, Preferences)
    program.type_into(dialog.form.fields["autosave"], "5")
    assert program.session.state.autosave == 5
    program.until(lambda: settings.load(program.home).state.autosave == 5)  # no close: as a crash leaves it
    program.type_into(dialog.form.fields["autosave"], "0")
    assert dialog.form.invalid()
    assert program.session.state.autosave == 5
    dialog.reject()
    QTest.qWaitForWindowActive(program.window)
    program.trigger("undo")
    assert program.session.state.autosave == 60

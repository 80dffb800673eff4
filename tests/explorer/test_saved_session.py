"""A saved session: everything that was set comes back with its run; a file that is none changes nothing."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from backends.base import InputError
from explorer.runs.saved_session import read_session, write_session
from explorer.settings import Settings
from explorer.state import CurveSpec, MapSpec, PathSpec, Pin, State


def test_a_session_is_written_and_read(tmp_path):
    run = tmp_path / "runs" / "a.safetensors"
    run.parent.mkdir()
    run.touch()
    settings = Settings(
        replace(State(), curves=CurveSpec(split="train", iwae=True)), (), "0a", "0b", (0.1, -2.0)
    )
    write_session(tmp_path / "work.session", settings, run)
    assert read_session(tmp_path / "work.session") == (settings, run)
    shutil.copytree(tmp_path, tmp_path.parent / "moved")
    assert read_session(tmp_path.parent / "moved" / "work.session")[1].parents[2] == tmp_path.parent


def test_a_run_elsewhere_is_found_by_its_whole_path(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "a.safetensors").touch()
    write_session(tmp_path / "here" / "work.session", Settings(), tmp_path / "a.safetensors")
    assert read_session(tmp_path / "here" / "work.session")[1] == tmp_path / "a.safetensors"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "damaged"),
        ("[" * 100_000, "damaged"),
        ("[]", "no saved session"),
        (json.dumps({"latent_explorer_session": 1}), "no saved session"),
        (json.dumps({"latent_explorer_session": 9, "run": "a"}), "another version"),
        (json.dumps({"latent_explorer_session": 1, "run": "gone"}), "'gone'"),
        (json.dumps({"latent_explorer_session": 1, "run": "a\0b"}), "not there"),
        (json.dumps({"latent_explorer_session": 1, "run": "\ud800"}), "not there"),
        (json.dumps({"latent_explorer_session": 1, "run": "/dev/zero"}), "not there"),
        (None, "cannot read"),
    ],
)
def test_what_is_no_session_is_a_sentence(tmp_path, content, says):
    path = tmp_path / "work.session"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=says):
        read_session(path)


def test_another_day_everything_is_as_it_was(start, small_run, tmp_path):
    path = tmp_path / "run.safetensors"
    shutil.copy(small_run, path)  # which the session will save
    first = start(path, tmp_path / "home")
    first.wait_for_run()
    first.click(first.run_panel.step)
    first.until(lambda: first.steps == 121)
    first.paused()
    state = first.session.state
    pins = (Pin("A", (0.1, -0.2)), Pin("B", (1.0, 2.0)))
    way = PathSpec("shortest", "A", "B")
    first.session.apply(replace(state, map=MapSpec(points=False), theme="light", pins=pins, path=way), "set")
    first.click_map(0.7, -0.4)
    point = first.session.point
    first.actions.files.save_session(tmp_path / "work", first.window.settings())
    first.until(lambda: (tmp_path / "work.session").exists())
    first.until(lambda: any("work.session" in m.text for m in first.said))
    saved = first.session.state
    first.close()

    second = start(home=tmp_path / "another home")
    starter = second.wait_for_run()
    second.actions.open(tmp_path / "work.session")
    second.until(lambda: second.session.run is not starter)
    assert second.steps == 121
    assert second.session.state == saved
    assert second.session.undo_text == ""
    assert second.map.held
    np.testing.assert_array_equal(second.session.point, point)
    assert not second.map.points.item.isVisible()
    assert second.actions.files.path == path


def test_a_session_without_its_run_changes_nothing(start, small_run, tmp_path):
    write_session(tmp_path / "work.session", Settings(replace(State(), theme="light")), tmp_path / "gone")
    program = start(small_run)
    run = program.wait_for_run()
    before = program.session.state
    program.actions.open(tmp_path / "work.session")
    program.until(lambda: any(m.kind == "error" for m in program.said))
    (error,) = (m for m in program.said if m.kind == "error")
    assert "gone" in error.text
    assert program.session.run is run
    assert program.session.state == before


def test_a_card_that_was_closed_stays_so_and_comes_back(start, small_run, tmp_path):
    first = start(small_run, tmp_path / "home")
    first.wait_for_run()
    docks = first.window.docks
    first.trigger("card-pins")  # behind another: it comes into view
    first.until(lambda: not docks["pins"].visibleRegion().isEmpty())
    first.trigger("card-pins")
    assert docks["pins"].isHidden()
    docks["samples"].close()
    assert first.window.commands["undo"].text() == "Undo close Samples"
    first.trigger("undo")
    assert not docks["samples"].isHidden()
    first.trigger("redo")
    assert docks["samples"].isHidden()
    first.close()

    second = start(small_run, tmp_path / "home")
    second.wait_for_run()
    second.settle()
    docks, commands = second.window.docks, second.window.commands
    assert {name for name in ("samples", "pins", "path", "curves") if docks[name].isHidden()} == {
        "samples",
        "pins",
    }
    assert not commands["card-pins"].isChecked()
    assert not commands["card-em"].isEnabled()  # this run has none
    second.trigger("arrange")
    assert not docks["samples"].isHidden()
    assert not docks["pins"].isHidden()

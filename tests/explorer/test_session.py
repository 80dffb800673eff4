"""The session: undo, redo, merging, and saying what changed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.data import open_data
from backends.run import Run
from explorer.plane import coordinate_plane
from explorer.session import UNDO_DEPTH, Message, Session
from explorer.state import State
from explorer.training import Moment


def seeded(state: State, seed: int) -> State:
    return replace(state, run=replace(state.run, seed=seed))


@pytest.fixture
def session(qapp):
    return Session()


def test_a_change_is_told_with_what_it_was_before(session, qtbot):
    old, new = session.state, seeded(session.state, 5)
    with qtbot.waitSignal(session.changed) as told:
        session.apply(new, "change seed")
    assert told.args == [old, new]
    assert session.state is new


def test_a_change_that_changes_nothing_is_no_change(session, qtbot):
    with qtbot.assertNotEmitted(session.changed):
        session.apply(State(), "change nothing")
    assert session.undo_text == ""


def test_undo_and_redo_say_what_they_would_do(session):
    assert (session.undo_text, session.redo_text) == ("", "")
    session.apply(seeded(session.state, 1), "change seed")
    session.apply(replace(session.state, theme="light"), "change the colours")
    assert (session.undo_text, session.redo_text) == ("change the colours", "")
    session.undo()
    assert session.state == seeded(State(), 1)
    assert (session.undo_text, session.redo_text) == ("change seed", "change the colours")
    session.redo()
    assert session.state.theme == "light"
    assert session.redo_text == ""


def test_undo_and_redo_with_nothing_to_do_are_quiet(session, qtbot):
    with qtbot.assertNotEmitted(session.changed):
        session.undo()
        session.redo()


def test_a_new_change_forgets_what_was_taken_back(session):
    session.apply(seeded(session.state, 1), "change seed")
    session.undo()
    session.apply(seeded(session.state, 2), "change seed")
    session.redo()
    assert session.state.run.seed == 2
    session.undo()
    assert session.state == State()


def test_a_dragged_slider_is_one_step(session):
    for seed in range(1, 50):
        session.apply(seeded(session.state, seed), "drag the seed", merge="seed")
    session.apply(replace(session.state, theme="light"), "change the colours")
    session.apply(seeded(session.state, 99), "drag the seed", merge="seed")
    session.undo()
    assert session.state.run.seed == 49
    session.undo()
    session.undo()
    assert session.state == State()


def test_a_drag_after_an_undo_is_a_step_of_its_own(session):
    session.apply(seeded(session.state, 1), "drag the seed", merge="seed")
    session.apply(replace(session.state, theme="light"), "change the colours")
    session.undo()
    session.apply(seeded(session.state, 2), "drag the seed", merge="seed")
    session.undo()
    assert session.state.run.seed == 1


def test_the_depth_of_undo_is_bounded(session):
    for seed in range(1, UNDO_DEPTH + 51):
        session.apply(seeded(session.state, seed), "change seed")
    for _ in range(UNDO_DEPTH + 50):
        session.undo()
    assert session.state.run.seed == 50
    assert session.undo_text == ""


@given(st.lists(st.one_of(st.integers(1, 9), st.sampled_from(["undo", "redo"])), max_size=40))
def test_undo_and_redo_walk_along_one_line_of_history(session_ops):
    session = Session()
    line, here = [0], 0
    for op in session_ops:
        if op == "undo":
            session.undo()
            here = max(here - 1, 0)
        elif op == "redo":
            session.redo()
            here = min(here + 1, len(line) - 1)
        elif op != line[here]:
            session.apply(seeded(session.state, op), "change seed")
            line[here + 1 :] = [op]
            here += 1
        assert session.state.run.seed == line[here]


def test_point_plane_and_messages_are_told(session, qtbot):
    z, plane = np.ones(3, np.float32), coordinate_plane(3)
    with qtbot.waitSignal(session.point_changed) as point:
        session.set_point(z, tag=7)
    assert point.args[0] is z
    assert session.point_tag == 7
    with qtbot.waitSignal(session.plane_changed) as told:
        session.set_plane(plane)
    assert told.args == [plane]
    with qtbot.waitSignal(session.message) as said:
        session.say("a sentence", "warning", "a traceback")
    assert said.args == [Message("a sentence", "warning", "a traceback")]


def test_an_act_that_is_no_state_is_undone_in_its_turn(session):
    acts = []
    session.apply(replace(session.state, theme="light"), "change the colours")
    session.did("move", lambda: acts.append("back"), lambda: acts.append("forth"))
    session.apply(replace(session.state, theme="dark"), "change the colours")
    session.undo()
    assert (session.state.theme, session.undo_text, acts) == ("light", "move", [])
    session.undo()
    assert (session.state.theme, session.redo_text, acts) == ("light", "move", ["back"])
    session.undo()
    assert session.state.theme == "system"
    session.redo()
    session.redo()
    assert (session.state.theme, acts) == ("light", ["back", "forth"])
    session.did("move", lambda: None, lambda: None)
    assert session.redo_text == ""  # another way was taken


def test_whoever_shows_undo_hears_of_acts_as_well(session, qtbot):
    told = []
    session.undo_changed.connect(told.append)
    session.did("act", lambda: None, lambda: None)
    session.undo()
    session.redo()
    session.did("lasting act", lambda: None, lambda: None, lasting=True)
    session.begin(State())
    assert told == ["act", "", "act", "lasting act", "lasting act"]
    session.undo()
    assert not session.undo_text
    told.clear()
    for theme in ("light", "dark", "light"):
        session.apply(replace(session.state, theme=theme), "choose a theme", merge="theme")
    assert told == ["choose a theme"]  # one step


def test_it_says_once_that_training_has_come_to_rest_when_the_last_moment_is_there(session):
    run = Run.start("gmm", open_data("two-moons:50"), {"components": 2}, seed=0)
    told = []
    session.rested.connect(lambda: told.append(session.moment.steps))
    for step, training in enumerate((False, True, True, False, False, True)):
        session.set_moment(Moment(run, run.learner.snapshot(), step, 0.0, training, None, 0.0))
        assert session.training is training
    assert told == [3]

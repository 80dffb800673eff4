"""The state: plain data that survives the settings file, whatever that file has become."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.state import (
    FIELDS,
    CurveSpec,
    EMSpec,
    FilmSpec,
    HistorySpec,
    MapSpec,
    PathSpec,
    Pin,
    PlaneSpec,
    RunSpec,
    State,
    from_json,
    to_json,
    with_value,
)

NUMBERS = st.floats(allow_nan=False)
VALUES = st.dictionaries(st.text(), st.one_of(st.booleans(), st.integers(), NUMBERS, st.text()), max_size=5)
NAMES = st.from_regex(r"[A-Za-z]\w*", fullmatch=True)
POINTS = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5).map(tuple)
INDICES = st.lists(st.integers(0, 511), min_size=2, max_size=2, unique=True)
SPLITS = st.sampled_from(["train", "validation", "test"])
STATES = st.builds(
    State,
    run=st.builds(
        RunSpec,
        data=st.text(),
        model=st.text(),
        values=VALUES,
        device=st.text(),
        seed=st.integers(0, 2**31 - 1),
        steps=st.integers(0, 10**9),
    ),
    map=st.builds(
        MapSpec,
        plane=st.builds(
            lambda kind, ij: PlaneSpec(kind, *ij), st.sampled_from(["coordinates", "principal"]), INDICES
        ),
        field=st.sampled_from(FIELDS),
        opacity=st.floats(0, 1),
        sliders=st.booleans(),
        points=st.booleans(),
        prior=st.booleans(),
    ),
    curves=st.builds(
        CurveSpec,
        split=st.sampled_from(["train", "test"]),
        iwae=st.booleans(),
        terms=st.booleans(),
        batches=st.booleans(),
    ),
    em=st.builds(
        EMSpec,
        pace=st.sampled_from([0, 1, 2, 4]),
        recent=st.booleans(),
        terms=st.booleans(),
        restarts=st.sampled_from([5, 10, 20, 50]),
    ),
    pins=st.lists(st.builds(Pin, NAMES, POINTS), max_size=4).map(tuple),
    path=st.builds(
        PathSpec,
        kind=st.sampled_from(["nothing", "drawn", "straight", "circle", "shortest"]),
        a=st.text(),
        b=st.text(),
        points=st.lists(POINTS, max_size=4).map(tuple),
    ),
    film=st.builds(
        FilmSpec,
        frames=st.integers(2, 240),
        spacing=st.sampled_from(["latent", "image"]),
        speed=st.integers(1, 60),
        play=st.sampled_from(["once", "loop", "back"]),
    ),
    history=st.builds(
        HistorySpec,
        memory=st.sampled_from([64, 256, 4096]),
        seconds=st.sampled_from([5, 60]),
        loop=st.booleans(),
    ),
    theme=st.sampled_from(["system", "dark", "light"]),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=20,
)


@given(STATES)
def test_a_state_survives_being_written(state):
    assert from_json(to_json(state)) == state


@given(st.text())
def test_any_text_gives_a_state(text):
    assert isinstance(from_json(text), State)


@given(JSON)
def test_any_json_gives_a_state(value):
    state = from_json(json.dumps(value))
    assert from_json(to_json(state)) == state


@given(STATES, st.data())
def test_what_is_wrong_in_one_place_leaves_the_rest(state, data):
    raw = json.loads(to_json(state))
    part = data.draw(st.sampled_from(["run", "map", "curves"]))
    name = data.draw(st.sampled_from(sorted(raw[part])))
    raw[part][name] = data.draw(st.sampled_from([None, [], [1], {"x": [1]}]))
    back = from_json(json.dumps(raw))
    default = getattr(getattr(State(), part), name)
    assert back == dataclasses.replace(
        state, **{part: dataclasses.replace(getattr(state, part), **{name: default})}
    )


@pytest.mark.parametrize(
    "raw",
    [
        {"theme": "purple"},
        {"map": {"split": "everything"}},
        {"map": {"plane": {"kind": "diagonal"}}},
        {"map": {"plane": {"i": -1}}},
        {"map": {"plane": {"i": 1, "j": 1}}},
        {"curves": {"split": "validation-2"}},
        {"run": {"seed": -1}},
        {"run": {"seed": 2**31}},
        {"run": {"steps": -5}},
        {"run": {"steps": 10**10}},
    ],
)
def test_values_of_the_right_type_that_mean_nothing_are_at_their_default(raw):
    assert from_json(json.dumps(raw)) == State()


def test_json_nested_beyond_reason_gives_the_default():
    assert from_json("[" * 200_000) == State()


def test_what_another_version_wrote_is_ignored():
    assert from_json('{"flows": {"tubes": 3}, "theme": "light"}') == State(theme="light")


def test_true_is_no_number_and_a_number_no_text():
    assert from_json('{"run": {"seed": true, "data": 3, "steps": 7.0}}') == State()


@given(STATES, st.text(), NUMBERS)
def test_one_hyper_parameter_changes_and_nothing_else(state, name, value):
    changed = with_value(state, name, value)
    assert dict(changed.run.values) == {**state.run.values, name: value}
    assert dataclasses.replace(changed, run=state.run) == state


def test_nobody_can_change_a_state_from_outside():
    values = {"beta": 2.0}
    spec = RunSpec(values=values)
    values["beta"] = 3.0
    assert spec.values["beta"] == 2.0
    with pytest.raises(TypeError):
        spec.values["beta"] = 4.0  # type: ignore[index]

"""What is remembered between two starts, and which runs are the same run."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.data import open_data
from explorer import settings
from explorer.settings import Settings
from explorer.spec import same_run, sound, spec_of, steps_to_go, suit
from explorer.state import RunSpec, State, with_value


def test_settings_survive_being_written(tmp_path):
    home = tmp_path / "not" / "there" / "yet"
    state = with_value(State(theme="light"), "learning_rate", 3e-6)
    written = Settings(state, ("/a/β.safetensors", "/b"), "0a", "0b")
    settings.save(home, written)
    assert settings.load(home) == written


@pytest.mark.parametrize(
    "content",
    [
        b'{"geometry": "0g", "arrangement": "\\ud800"}',
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"recent": 3, "geometry": 4, "state": 5}',
        b"\xff\xfe",
        b"[" * 9999,
    ],
)
def test_damaged_settings_are_at_their_default(tmp_path, content):
    (tmp_path / "settings.json").write_bytes(content)
    assert settings.load(tmp_path) == Settings()


def test_no_settings_are_the_default_ones(tmp_path):
    assert settings.load(tmp_path) == Settings()


def test_recent_files_are_the_newest_first_each_once_and_few():
    known = Settings()
    for path in [*"abcdefghij", "c"]:
        known = known.opened(path)
    assert known.recent == ("c", "j", "i", "h", "g", "f", "e", "d")
    assert known.forgotten("j").recent == ("c", "i", "h", "g", "f", "e", "d")


@given(st.integers(0, 10**6), st.integers(0, 10**5))
def test_training_ends_at_the_next_multiple(done, every):
    more = steps_to_go(done, every)
    if not every:
        assert more is None
    else:
        assert 1 <= more <= every
        assert (done + more) % every == 0


def test_the_same_run_is_that_which_would_begin_alike():
    spec = RunSpec()
    assert same_run(spec, replace(spec, steps=7))
    assert same_run(spec, replace(spec, values={"width": 256}))  # the default, said aloud
    assert same_run(spec, replace(spec, values={"beta": 4.0, "learning_rate": 3e-6}))  # both are live
    for other in (
        {"data": "rings"},
        {"seed": 1},
        {"device": "cuda"},
        {"values": {"width": 255}},
        {"model": "x"},
    ):
        assert not same_run(spec, replace(spec, **other)), other


def test_what_a_model_does_not_take_is_left_out():
    odd = RunSpec(values={"width": "wide", "beta": -3.0, "rotor": 1, "depth": 1})
    assert dict(sound(odd).values) == {"depth": 1}
    assert dict(sound(replace(odd, model="gone")).values) == {}


@pytest.mark.parametrize("name", ["digits", "digits-grey", "digits-16", "rings"])
def test_a_decoder_that_suits_the_data_is_chosen(name):
    from backends.run import Run

    data = open_data(name)
    spec = suit(RunSpec(data=name, values={"width": 4}), data.info)
    run = Run.start(spec.model, data, spec.values)
    assert same_run(spec_of(run), spec)
    assert spec.values["width"] == 4


def test_a_run_is_copied_as_a_python_script_that_makes_it_again(program, qapp):
    qapp.clipboard().clear()
    program.trigger("script")
    program.until(lambda: "Run.start" in qapp.clipboard().text())
    script = qapp.clipboard().text()
    run = program.session.run
    assert f"STEPS = {run.steps}" in script
    compile(script, "script.py", "exec")

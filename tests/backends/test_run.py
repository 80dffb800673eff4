"""Runs, with a learner in NumPy from a plug-in: exact resume, honest notes, refusal of what does not fit."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import checkpoint
from backends.base import DataInfo, InputError, Stamp
from backends.data import DataSet, Split, open_data
from backends.manifest import parse_info
from backends.run import Run

pytestmark = pytest.mark.usefixtures("toy_plugin")


@pytest.fixture
def data_file(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.random.default_rng(0).normal(3, 2, (200, 3)))
    return path


@pytest.fixture
def data(data_file):
    return open_data(data_file)


def trained(data, steps=100, **kwargs):
    run = Run.start("toy-gaussian", data, {}, **kwargs)
    for _ in range(steps):
        run.step()
    return run


def curve(run):
    return [a.tolist() for a in run.curves.get("batch/log_likelihood")]


def test_a_run_learns_the_gaussian(data):
    run = trained(data, 600)
    np.testing.assert_allclose(run.model().mean, data.train.x.mean(0), atol=0.4)
    np.testing.assert_allclose(np.exp(run.model().log_std), data.train.x.std(0), atol=0.4)
    assert run.model().stamp == Stamp(run.id, 600)


def test_200_steps_are_100_saved_loaded_and_100_more_bit_for_bit(data, tmp_path):
    whole = trained(data, 200, seed=5)
    trained(data, 100, seed=5).save(tmp_path / "run")
    resumed = Run.open(tmp_path / "run")
    assert resumed.notes == ()
    for _ in range(100):
        resumed.step()
    np.testing.assert_array_equal(resumed.learner.theta, whole.learner.theta)
    assert curve(resumed) == curve(whole)
    assert not np.array_equal(trained(data, 200, seed=6).learner.theta, whole.learner.theta)


def test_all_that_describes_a_run_comes_back(data, tmp_path):
    run = trained(data, 3, seed=9, name="mine")
    run.learner.set("learning_rate", 3e-6)
    run.save(tmp_path / "run")
    opened = Run.open(tmp_path / "run")
    assert (opened.name, opened.seed, opened.device, opened.steps) == ("mine", 9, "cpu", 3)
    assert opened.values == {"learning_rate": 3e-6, "batch_size": 32}
    assert (opened.backend, opened.kind, opened.info) == (run.backend, run.kind, run.info)
    assert checkpoint.read_manifest(tmp_path / "run")["metrics"] == run.curves.last()


def test_two_openings_never_share_a_stamp(data, tmp_path):
    run = trained(data, 3)
    run.save(tmp_path / "run")
    ids = [run.id, Run.open(tmp_path / "run").id, Run.open(tmp_path / "run").id]
    assert len(set(ids)) == 3
    assert {id.partition(".")[0] for id in ids} == {run.id}


def test_without_its_data_a_run_opens_is_looked_at_and_keeps_its_place(data, data_file, tmp_path):
    run = trained(data, 20)
    run.save(tmp_path / "run")
    moved = data_file.rename(tmp_path / "moved.npy")
    opened = Run.open(tmp_path / "run")
    assert opened.data is None
    assert len(opened.notes) == 1
    assert "rows.npy" in opened.notes[0]
    assert opened.model().log_prob(data.test.x).shape == (len(data.test),)
    with pytest.raises(InputError, match="no data"):
        opened.step()
    opened.save(tmp_path / "again")
    found = Run.open(tmp_path / "again", data=open_data(moved))
    assert found.notes == ()
    found.step()
    run.step()
    np.testing.assert_array_equal(found.learner.theta, run.learner.theta)


def test_changed_data_is_noticed(data, data_file, tmp_path):
    trained(data, 3).save(tmp_path / "run")
    np.save(data_file, np.zeros((200, 3)) + np.arange(3))
    opened = Run.open(tmp_path / "run")
    assert opened.data is None
    assert "changed" in opened.notes[0]
    with pytest.raises(InputError, match="is not the data"):
        Run.open(tmp_path / "run", data=open_data(data_file))


def test_data_made_in_memory_is_missed_with_a_note(tmp_path):
    rows = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    parts = (Split(rows), Split(rows[:0]), Split(rows[:0]))
    made = DataSet(DataInfo("made", "Made here", 2), *parts, None)
    trained(made, 3).save(tmp_path / "run")
    assert "'Made here' was not kept in a file" in Run.open(tmp_path / "run").notes[0]
    assert Run.open(tmp_path / "run", data=made).notes == ()


def test_an_unknown_device_is_refused_and_a_lost_one_replaced(data, tmp_path):
    with pytest.raises(InputError, match="no device 'cuda'"):
        Run.start("toy-gaussian", data, {}, device="cuda")
    run = trained(data, 3)
    run.device = "cuda:7"
    run.save(tmp_path / "run")
    opened = Run.open(tmp_path / "run")
    assert opened.device == "cpu"
    assert opened.notes == ("it was trained on 'cuda:7', which is not here; it is on the CPU now",)
    with pytest.raises(InputError, match="no device 'mps'"):
        Run.open(tmp_path / "run", device="mps")


def test_a_model_whose_numbers_changed_is_noticed_with_the_versions(data, tmp_path):
    path = tmp_path / "run"
    trained(data, 3).save(path)
    manifest, arrays = checkpoint.read(path)
    arrays["probes/log_prob"] = arrays["probes/log_prob"] + 0.01
    manifest["libraries"]["numpy"] = "1.0"
    checkpoint.write(path, manifest, arrays)
    (note,) = Run.open(path).notes
    assert "log_prob by 0.01" in note
    assert f"numpy 1.0 then and {np.__version__} now" in note
    # other versions alone are no reason to worry anybody, nor is another order of summation
    arrays["probes/log_prob"] = arrays["probes/log_prob"] - 0.01 + 1e-6
    checkpoint.write(path, manifest, arrays)
    assert Run.open(path).notes == ()


def change(path, edit):
    manifest, arrays = checkpoint.read(path)
    edit(manifest, arrays)
    checkpoint.write(path, manifest, arrays)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda m, a: a.pop("state/theta"), "ask for 6 parameters, its arrays hold 0"),
        (lambda m, a: a.update({"state/theta": np.zeros((3, 3))}), "'theta' does not fit"),
        (lambda m, a: a.update({"state/theta": np.zeros((2, 3), np.float32)}), "'theta' does not fit"),
        (lambda m, a: m["state"].pop("rng"), "not those of this model"),
        (lambda m, a: m["data"].update(dim=10**12), "ask for 2,000,000,000,000 parameters"),
        (lambda m, a: m["data"].update(dim=-1), "-1 columns"),
        (lambda m, a: m["data"].update(image_shape=[2, 2]), "pictures of shape"),
        (lambda m, a: m["data"].update(values="words"), "unknown type"),
        (lambda m, a: m.update(kind="gan"), "there is no model 'gan'"),
        (lambda m, a: m.update(backend="jax"), "there is no backend 'jax'"),
        (lambda m, a: m.update(values={"batch_size": 0}), "batch_size: 0 is outside"),
        (lambda m, a: m.update(values=[]), "no valid 'values'"),
        (lambda m, a: m.update(seed=True), "no valid 'seed'"),
        (lambda m, a: m.pop("name"), "no valid 'name'"),
        (lambda m, a: m.update(id="/home/somebody/best"), "no valid 'id'"),
        (lambda m, a: m.update(id=""), "no valid 'id'"),
        (lambda m, a: a.pop("curves/batch/log_likelihood/steps"), "log_likelihood' is not whole"),
        (lambda m, a: a.update({"curves/x/steps": np.zeros(2), "curves/x/values": np.zeros(2)}), "curve 'x'"),
        (lambda m, a: a.update({"probes/x": np.zeros((4, 7), np.float32)}), "probe 'x' is of shape"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_reason(data, tmp_path, edit, says):
    path = tmp_path / "run.safetensors"
    trained(data, 3).save(path)
    change(path, edit)
    with pytest.raises(InputError, match=says) as error:
        Run.open(path)
    assert "run.safetensors" in str(error.value)


def test_bad_settings_and_data_are_refused_at_the_start(data):
    with pytest.raises(InputError, match="there is no model 'vea'"):
        Run.start("vea", data, {})
    with pytest.raises(InputError, match="there is no parameter 'depht'"):
        Run.start("toy-gaussian", data, {"depht": 3})
    none = dataclasses.replace(data, train=Split(data.train.x[:0]))
    with pytest.raises(InputError, match="no training rows"):
        Run.start("toy-gaussian", none, {})


@settings(max_examples=40)
@given(
    info=st.builds(
        DataInfo,
        name=st.text(max_size=5),
        title=st.text(max_size=5),
        dim=st.just(12),
        values=st.sampled_from(["binary", "integer", "real"]),
        levels=st.integers(0, 256),
        image_shape=st.sampled_from([None, (3, 4), (2, 2, 3), (12, 1)]),
        display=st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
        label_names=st.tuples(st.text(max_size=3)),
        source=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    )
)
def test_a_data_description_survives_json(info, tmp_path_factory):
    path = tmp_path_factory.mktemp("info") / "x"
    checkpoint.write(path, {"data": dataclasses.asdict(info)}, {})
    assert parse_info(checkpoint.read_manifest(path)["data"]) == info

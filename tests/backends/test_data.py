"""Opening data sets: the named ones, files, and the same again from their source."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from backends.base import InputError
from backends.data import SPLITS, DataSet, data_sets, known_density, open_data, without_rows
from backends.run import Run

NAMES = [entry.name for entry in data_sets()]


def rows(data: DataSet):
    return [data.split(name).x for name in SPLITS]


def same(a: DataSet, b: DataSet) -> bool:
    labels = [(a.split(name).labels, b.split(name).labels) for name in SPLITS]
    return (
        a.info == b.info
        and all(np.array_equal(x, y) for x, y in zip(rows(a), rows(b), strict=True))
        and all((p is None and q is None) or np.array_equal(p, q) for p, q in labels)
    )


@pytest.mark.parametrize("entry", data_sets(), ids=NAMES)
def test_every_listed_set_opens_as_listed_and_again_from_its_source(entry):
    data = open_data(entry.name)
    info = data.info
    assert (info.name, info.title, info.dim) == (entry.name, entry.title, entry.dim)
    assert (info.values, info.image_shape) == (entry.values, entry.image_shape)
    assert (data.density.entropy if data.density else None) == entry.known_entropy
    low, high = info.display
    for name in SPLITS:
        split = data.split(name)
        assert split.x.shape == (len(split), entry.dim)
        assert split.x.dtype == np.float32
        assert split.x.flags.c_contiguous
        labels = np.zeros(0, np.int64) if split.labels is None else split.labels
        assert labels.dtype == np.int64
        assert set(labels) == set(range(len(info.label_names)))
        assert ((split.x >= low) & (split.x <= high)).all()
    source = json.loads(json.dumps(info.source))
    assert same(open_data(source), data)


def test_digits_are_split_and_binarised_as_others_report_on():
    digits = load_digits()
    order = np.random.RandomState(0).permutation(1797)
    binary, grey, levels = (open_data(name) for name in ("digits", "digits-grey", "digits-16"))
    parts = {"train": order[:1350], "validation": order[1350:1500], "test": order[1500:]}
    for name, part in parts.items():
        assert np.array_equal(binary.split(name).x, digits.data[part] >= 8)
        assert np.array_equal(grey.split(name).x, digits.data[part] / 16)
        assert np.array_equal(levels.split(name).x, digits.data[part])
        assert np.array_equal(binary.split(name).labels, digits.target[part])
    assert levels.info.levels == 17


def test_the_list_is_json():
    listed = {e["name"]: e for e in json.loads(json.dumps([entry.json() for entry in data_sets()]))}
    assert listed["rings"]["known_entropy"] == pytest.approx(2.62318, abs=5e-6)
    assert listed["digits"]["known_entropy"] is None
    assert listed["digits"]["image_shape"] == [8, 8]


def test_the_list_loads_nothing_heavy():
    code = (
        "import sys, backends.data; backends.data.data_sets(); "
        "print([m for m in ('sklearn', 'scipy', 'torch', 'PySide6') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_density_of_a_set_scores_its_held_out_rows():
    data = open_data("two-moons")
    log_p = data.density.log_prob(data.test.x)
    assert log_p.mean() == pytest.approx(-data.density.entropy, abs=4 * log_p.std() / np.sqrt(len(log_p)))


@pytest.mark.parametrize(("n", "sizes"), [(3, (1, 1, 1)), (10, (7, 1, 2)), (1000, (750, 100, 150))])
def test_a_file_is_split_into_all_of_its_rows(tmp_path, n, sizes):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(2.0 * n).reshape(n, 2))
    data = open_data(path)
    assert tuple(len(x) for x in rows(data)) == sizes
    assert sorted(np.concatenate(rows(data))[:, 0]) == list(range(0, 2 * n, 2))
    assert data.info.display == (0, 2 * n - 1)
    assert same(open_data(str(path)), data)


def test_labels_stay_with_their_rows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("value,kind\n" + "".join(f"{i + 0.5},{'odd' if i % 2 else 'even'}\n" for i in range(40)))
    data = open_data(f"{path}:label=kind")
    assert data.info.label_names == ("even", "odd")
    assert data.info.columns == ("value",)
    for name in SPLITS:
        split = data.split(name)
        assert np.array_equal(split.labels, np.floor(split.x[:, 0]) % 2)
    assert same(open_data(json.loads(json.dumps(data.info.source))), data)


def test_a_source_holds_from_any_folder_and_notices_a_change(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.eye(5))
    data = open_data("a.npy")
    monkeypatch.chdir("/")
    assert same(open_data(data.info.source), data)
    np.save(tmp_path / "a.npy", np.eye(6))
    with pytest.raises(InputError, match=r"a\.npy has changed since"):
        open_data(data.info.source)
    (tmp_path / "a.npy").unlink()
    with pytest.raises(InputError, match=r"a\.npy: there is no such file"):
        open_data(data.info.source)


@pytest.mark.parametrize(
    ("array", "display"),
    [(np.eye(3), (0, 1)), (np.full((3, 2), 7.5), (7.5, 8.5)), (np.full((3, 2), 9, np.uint8), (0, 255))],
)
def test_display_range_is_never_empty(tmp_path, array, display):
    np.save(tmp_path / "a.npy", array)
    assert open_data(tmp_path / "a.npy").info.display == display


def test_what_cannot_be_opened_says_why(tmp_path):
    np.save(tmp_path / "two.npy", np.eye(2))
    with pytest.raises(InputError, match=r"two\.npy has 2 rows; at least 3"):
        open_data(tmp_path / "two.npy")
    with pytest.raises(InputError, match="neither a data set nor a file 'digit'; there are digits"):
        open_data("digit")
    with pytest.raises(InputError, match=r"missing\.npy: there is no such file"):
        open_data("missing.npy")
    with pytest.raises(InputError, match="there is no split 'dev'"):
        open_data("digits").split("dev")


texts = st.text("rings/.\0é", max_size=5)  # hypothesis takes a second to build its table of all letters
json_values = st.none() | st.booleans() | st.integers() | texts | st.lists(st.integers(), max_size=2)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["name", "file", "sha256", "label_column"]), json_values))
def test_a_damaged_source_is_refused(source):
    with pytest.raises(InputError):
        open_data(source)


@pytest.mark.parametrize(
    ("name", "model", "rows"),
    [
        ("my-coin", "beta-bernoulli", [[1], [0], [1]]),
        ("my-points-1d", "normal-gamma", [[2.5], [-1]]),
        ("my-points", "bayesian-linear-regression", [[0, 1], [0.5, 2]]),
    ],
)
def test_on_a_set_without_rows_those_given_by_hand_are_all_that_a_run_knows(name, model, rows, tmp_path):
    run = Run.start(model, open_data(name), {})
    assert run.finished
    with pytest.raises(InputError, match=f"no rows of '{name}'"):
        run.step()
    run.observe(np.array(rows))
    run.save(tmp_path / "run.safetensors")
    again = Run.open(tmp_path / "run.safetensors")
    assert not again.notes
    assert again.model().seen.tolist() == rows
    assert again.model().log_evidence() == run.model().log_evidence()


def test_a_set_without_rows_is_found_for_data_like_its_own():
    found = {name: without_rows(open_data(name).info) for name in NAMES}
    assert {k: v for k, v in found.items() if v} == {
        "coin": "my-coin", "normal-1d": "my-points-1d", "noisy-line": "my-points", "noisy-sine": "my-points",
        "my-coin": "my-coin", "my-points-1d": "my-points-1d", "my-points": "my-points",
        "eight-gaussians": "my-points", "checkerboard": "my-points", "two-moons": "my-points",
        "rings": "my-points", "spirals": "my-points", "pinwheel": "my-points",
        "two-gaussians": "my-points",
    }  # fmt: skip


def test_a_mixture_says_that_a_set_has_no_rows():
    with pytest.raises(InputError, match="'my-points' has no training rows"):
        Run.start("gmm", open_data("my-points"), {})


@pytest.mark.parametrize("n", [7, 20_001])
def test_a_synthetic_set_with_another_number_of_training_rows(n):
    usual, data = open_data("rings"), open_data(f"rings:{n}")
    assert len(data.train) == len(data.train.labels) == n
    assert same(open_data(json.loads(json.dumps(data.info.source))), data)
    both = min(n, len(usual.train))
    for part in ("x", "labels"):
        assert np.array_equal(getattr(data.train, part)[:both], getattr(usual.train, part)[:both])
        assert np.array_equal(getattr(data.test, part), getattr(usual.test, part))
    assert (data.info.name, data.density.entropy) == (f"rings:{n}", usual.density.entropy)
    assert known_density(data.info).entropy == usual.density.entropy


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("rings:0", "'rings:0' is not of the form rings:N"),
        ("rings:many", "'rings:many' is not of the form rings:N"),
        ("rings:99999999", "with 1 to 10000000 training rows"),
        ("digits:100", "the rows of 'digits' are always the same"),
    ],
)
def test_a_number_of_rows_that_cannot_be_had(source, sentence):
    with pytest.raises(InputError, match=sentence):
        open_data(source)


def test_a_density_is_known_from_the_source_alone():
    assert known_density(open_data("digits").info) is None
    x = np.array([[0.5, 0.2]], np.float32)
    assert known_density(open_data("two-moons").info).log_prob(x) == open_data("two-moons").density.log_prob(
        x
    )

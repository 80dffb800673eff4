"""Mixtures that begin where a hand puts them: as JSON, from a file, and what cannot be used is named."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.base import DataInfo, InputError
from backends.data import DataSet, Split, open_data
from backends.exact.bernoulli_mixture import BernoulliMixtureLearner
from backends.exact.gaussian_mixture import GaussianMixtureLearner
from backends.exact.mixtures import BERNOULLI_PARAMETERS, GAUSSIAN_PARAMETERS
from backends.parameters import parse_settings
from backends.run import Run

INIT = next(p for p in GAUSSIAN_PARAMETERS if p.name == "init")
MEANS = [[0.1, -2.0], [3.0, 4.5]]
X = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
INFO = DataInfo("test", "Test", 2)


def gmm(init, **values):
    values = {"components": 2, "init": init if isinstance(init, str) else json.dumps(init), **values}
    return GaussianMixtureLearner(X, INFO, values)


# -- the text -----------------------------------------------------------------------------------------


def test_a_list_of_means_is_an_object_of_means_and_both_are_written_one_way():
    text = INIT.check(json.dumps(MEANS))
    assert json.loads(text) == {"means": MEANS}
    assert INIT.parse(json.dumps({"means": MEANS}, indent=4)) == text
    assert INIT.check(text) == text == INIT.parse(INIT.format(text))
    assert INIT.check("k-means++") == INIT.parse(" k-means++ ") == "k-means++"
    assert "JSON" in INIT.range_text()
    assert INIT.json()["custom"] == "components"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2), min_size=1, max_size=5))
def test_any_finite_means_are_kept_to_the_last_bit(means):
    means = [list(row) for row in means]
    text = INIT.parse(json.dumps(means))
    assert json.loads(text)["means"] == means
    assert INIT.parse(INIT.format(text)) == text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[1, 2], [1, 2, 3]]", "init: row 2 has 3 numbers, row 1 has 2"),
        ("[[1, 2], 3]", "init: row 2 has no list of numbers, row 1 has 2"),
        ("[[1, NaN]]", "init: means: nan is not finite"),
        ("[[1, 1e999]]", "init: means: inf is not finite"),
        ("[[1, true]]", "init: means: 'True' is not a number"),
        ('[["a", 2]]', "init: means: 'a' is not a number"),
        ("[]", "init: means: there is an empty list"),
        ("[[]]", "init: means: there is an empty list"),
        ("[[[1]]]", "init: means: the lists are nested too deeply"),
        ("[1, 2]", "init: means are not a list of rows of numbers"),
        ("[[1, 2]", "init: this is not JSON"),
        ("{}", "init: means are missing"),
        ('{"means": 3}', "init: means are not a list of rows of numbers"),
        ('{"means": [[1]], "sizes": 3}', "init: there is no 'sizes'"),
        ('{"means": [[1], [2]], "weights": [1]}', "init: there are 1 weights and 2 means"),
        ('{"means": [[1], [2]], "weights": 1}', "init: weights are not a list of numbers"),
        ('{"means": [[1], [2]], "weights": [2, -1]}', "init: weights are not all positive"),
        ('{"means": [[1], [2]], "weights": [0, 0]}', "init: weights are not all positive"),
        ('{"means": [[1]], "covariances": [[[1, 2], [3]]]}', "init: covariances: row 2 has 1 numbers"),
        ("[" * 100_000, "init: "),
        ("[[" + "1," * 140_000 + "1]]", "init: there are more than 131,072 numbers"),
        ("random", "init: 'random' is not one of k-means++, random-points"),
    ],
)
def test_a_fault_in_the_text_is_named(text, fault):
    with pytest.raises(InputError) as error:
        INIT.parse(text)
    assert str(error.value).startswith(fault)
    assert len(str(error.value)) < 300


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet='[]{}",:. 0123456789eamns-', max_size=40))
def test_whatever_is_typed_is_a_value_or_a_sentence(text):
    for start in ("", "[", '{"means": '):
        try:
            value = INIT.parse(start + text)
        except InputError as error:
            assert str(error).startswith("init: ")  # noqa: PT017 - either outcome is right
        else:
            assert INIT.check(value) == value


# -- files --------------------------------------------------------------------------------------------


def write(path, what):
    suffix = path.suffix
    if suffix == ".csv":
        path.write_text("\n".join(",".join(map(str, row)) for row in what))
    elif suffix == ".json":
        path.write_text(json.dumps(what))
    elif suffix == ".npy":
        np.save(path, np.array(what))
    else:
        np.savez_compressed(path, **{k: np.array(v) for k, v in what.items()})
    return path


@pytest.mark.parametrize("suffix", [".csv", ".json", ".npy"])
def test_a_file_of_means_is_read_into_the_value(tmp_path, suffix):
    path = write(tmp_path / f"means{suffix}", MEANS)
    values = parse_settings(GAUSSIAN_PARAMETERS, [f"init={path}", "components=2"])
    path.unlink()
    assert json.loads(values["init"]) == {"means": MEANS}
    np.testing.assert_array_equal(GaussianMixtureLearner(X, INFO, values).snapshot().means, MEANS)


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_a_file_of_all_three(tmp_path, suffix):
    what = {
        "means": MEANS,
        "covariances": [[[2.0, 0.5], [0.5, 1]], [[1, 0], [0, 1]]],
        "weights": [0.25, 0.75],
    }
    m = gmm(INIT.parse(str(write(tmp_path / f"all{suffix}", what)))).snapshot()
    np.testing.assert_array_equal(m.means, MEANS)
    np.testing.assert_allclose(m.covariances, what["covariances"], rtol=1e-14)
    np.testing.assert_allclose(m.weights, what["weights"], rtol=1e-14)


def test_files_that_cannot_be_used_are_named(tmp_path):
    pickled, huge, text, bomb = (tmp_path / name for name in ("o.npy", "h.npy", "t.npz", "b.npz"))
    np.save(pickled, np.array([{}], object), allow_pickle=True)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (2**50, 2)}
    )
    huge.write_bytes(header.getvalue())
    text.write_text("no archive")
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("means.npy", bytes(2**25))
    (tmp_path / "bad.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "number.json").write_text("3")
    (tmp_path / "ragged.csv").write_text("1,2\n1,2,3\n")
    (tmp_path / "means.mat").write_text("1")
    for path in sorted(Path(tmp_path).iterdir()):
        with pytest.raises(InputError, match=r"^init: "):
            INIT.parse(str(path))
    with pytest.raises(InputError, match="not one of"):
        INIT.parse(str(tmp_path) + "/")
    with pytest.raises(InputError, match=r"^init: there is no file '.*missing.csv'"):
        INIT.parse(str(tmp_path / "missing.csv"))


# -- learners -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("covariance", "given", "scale"),
    [
        ("full", [[[2, 0.5], [0.5, 1]], [[1, 0], [0, 1]]], None),
        ("tied", [[2, 0.5], [0.5, 1]], None),
        ("tied", [[[2, 0.5], [0.5, 1]]], None),
        ("diag", [[2, 1], [3, 4]], [[[2, 0], [0, 1]], [[3, 0], [0, 4]]]),
        ("spherical", [2, 3], [[[2, 0], [0, 2]], [[3, 0], [0, 3]]]),
        ("spherical", [[2], [3]], [[[2, 0], [0, 2]], [[3, 0], [0, 3]]]),
    ],
)
def test_covariances_of_every_type(covariance, given, scale):
    learner = gmm({"means": MEANS, "covariances": given}, covariance=covariance)
    want = np.broadcast_to(given, (2, 2, 2)) if scale is None else scale
    np.testing.assert_allclose(learner.snapshot().covariances, want, rtol=1e-14)
    learner.step()


def test_means_alone_take_the_default_covariances():
    learner = gmm(MEANS)
    m = learner.snapshot()
    own = X - np.array(MEANS)[np.square(X[:, None] - np.array(MEANS)).sum(2).argmin(1)]
    np.testing.assert_allclose(m.covariances[1], own.T @ own / len(X) + 1e-6 * np.eye(2), rtol=1e-6)
    np.testing.assert_allclose(m.weights, [0.5, 0.5])


@pytest.mark.parametrize(
    ("init", "values", "fault"),
    [
        (MEANS, {"components": 3}, "init: there are 2 means, and components is 3"),
        ([[1, 2, 3], [4, 5, 6]], {}, "init: the means have 3 columns, and test has 2"),
        ({"means": MEANS, "covariances": [1, 2]}, {}, r"init: covariances have shape \(2,\), and"),
        ({"means": MEANS, "covariances": [[[1, 2], [2, 1]]] * 2}, {}, "init: the covariance of comp"),
        ({"means": MEANS, "covariances": [[[1, 0.2], [0.1, 1]]] * 2}, {}, "init: a covariance matrix is"),
        ({"means": MEANS, "covariances": [1, -2]}, {"covariance": "spherical"}, "init: the covariance of"),
    ],
)  # fmt: skip
def test_components_that_are_none_of_this_mixture_are_named(init, values, fault):
    with pytest.raises(InputError, match=f"^{fault}"):
        gmm(init, **values)


def test_a_mixture_of_bernoullis_begins_at_probabilities():
    x = (X > 0).astype(np.float32)
    info = DataInfo("bits", "Bits", 2, "binary")

    def bmm(init):
        return BernoulliMixtureLearner(x, info, {"components": 2, "init": json.dumps(init), "floor": 0.01})

    m = bmm({"means": [[0.2, 1], [0.5, 0.7]], "weights": [1, 3]}).snapshot()
    np.testing.assert_allclose(m.means, [[0.2, 0.99], [0.5, 0.7]], rtol=1e-12)
    np.testing.assert_allclose(m.weights, [0.25, 0.75], rtol=1e-12)
    with pytest.raises(InputError, match="no probabilities"):
        bmm([[0.2, 1], [0.5, 1.7]])
    with pytest.raises(InputError, match="has no covariances"):
        bmm({"means": [[0.2, 1], [0.5, 0.7]], "covariances": [1, 1]})
    assert {p.name for p in BERNOULLI_PARAMETERS if p.custom} == {"init"}


@pytest.mark.parametrize("posterior", ["exact", "hard", "gradient"])
def test_a_component_without_weight_stays_without_points(posterior):
    learner = gmm({"means": MEANS, "weights": [1, 0]}, posterior=posterior)
    for _ in range(3):
        assert np.isfinite(list(learner.step().values())).all()


def test_a_run_holds_all_that_it_began_with(tmp_path):
    path = write(tmp_path / "means.csv", MEANS)
    data = open_data("two-moons")
    rows = Split(data.train.x[:200], None)
    data = DataSet(data.info, rows, rows, rows)
    values = parse_settings(GAUSSIAN_PARAMETERS, ["components=2", f"init={path}"])
    whole, run = (Run.start("gmm", data, values) for _ in range(2))
    run.step()
    run.save(tmp_path / "run")
    path.unlink()
    opened = Run.open(tmp_path / "run", data=data)
    assert opened.values["init"] == values["init"]
    whole.step()
    assert opened.step() == whole.step()

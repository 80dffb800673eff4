"""Tables of every format: good ones come back equal, what is no table gives a sentence."""

import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from backends.base import InputError
from backends.files import read_table
from tests.backends.tables import archive, saved, sentence, table

matrices = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@settings(max_examples=60, deadline=None)
@given(matrices)
def test_any_finite_matrix_comes_back_equal(x):
    text = "\n".join(",".join(repr(float(v)) for v in row) for row in x)
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/a.npy", x)
        np.savez(f"{folder}/a.npz", data=x)
        Path(f"{folder}/a.csv").write_text(text)
        for suffix in ("npy", "npz", "csv"):
            assert np.array_equal(table(Path(f"{folder}/a.{suffix}")).x, x), suffix


def test_measurements_are_no_labels(write):
    assert table(write("a.npz", x=np.ones((2, 2)), y=np.array([0.5, 1.5]))).labels is None
    read = table(write("a.csv", "a,target\n1,0.5\n2,1.5\n"))
    assert read.columns == ("a", "target")
    assert read.labels is None
    points = table(write("b.csv", "x,y\n1,2\n3,4\n"))
    assert points.x.tolist() == [[1, 2], [3, 4]]


def test_files_that_are_none(write, tmp_path):
    assert "no such file" in sentence(tmp_path / "missing.npy")
    assert "is not a file" in sentence(tmp_path)
    assert "cannot be read" in sentence(tmp_path / ("x" * 5000 + ".npy"))
    assert "only .npy, .npz, CSV" in sentence(write("a.xlsx", b"hello"))


def test_columns_and_labels_that_are_not_there(write):
    assert "no column 'kind'; it has a, b" in sentence(write("a.csv", "a,b\n1,2\n"), "kind")
    assert "no labels 'kind'" in sentence(write("a.npy", np.ones((2, 2))), "kind")


good_bytes = [
    saved(np.ones((3, 2), np.float32)),
    archive("x.npy", saved(np.ones((3, 2))), compression=zipfile.ZIP_DEFLATED),
    b"a,b,label\n1,2,x\n3,4,y\n",
]


@st.composite
def broken(draw):
    """Arbitrary bytes, or a good file with some bytes replaced and its end cut off."""
    if draw(st.booleans()):
        prefix = draw(st.sampled_from([b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"1,2\n"]))
        return prefix + draw(st.binary(max_size=200))
    content = bytearray(draw(st.sampled_from(good_bytes)))
    for _ in range(draw(st.integers(0, 4))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))])


@settings(max_examples=300, deadline=None)
@given(broken(), st.sampled_from([".npy", ".npz", ".csv", ".txt", ""]), st.sampled_from([None, "label", "1"]))
def test_any_bytes_give_finite_rows_or_a_sentence(content, suffix, label_column):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(content)
        try:
            read = table(path, label_column)
        except InputError:
            return
    assert read.x.ndim == 2
    assert len(read.x) > 0
    assert np.isfinite(read.x).all()
    assert read.labels is None or len(read.labels) == len(read.x)


@pytest.mark.parametrize("kind", ["npy", "csv"])
def test_values_that_32_bits_would_run_together_are_refused(tmp_path, kind):
    x = np.random.default_rng(0).normal(size=(50, 2))
    path = tmp_path / f"x.{kind}"

    def write(rows):
        np.save(path, rows) if kind == "npy" else np.savetxt(path, rows, delimiter=",", fmt="%.17g")

    write(x + np.array([0, 1e8]))
    with pytest.raises(InputError, match=r"column 2: its values differ by .* subtract its mean"):
        read_table(path)
    write(x + np.array([0, 1e3]))
    assert np.abs(read_table(path)[0].x - x - [0, 1e3]).max() < 1e-3
    write(
        np.stack([x[:, 0], np.full(50, 0.1) * (1 + 1e-16 * np.arange(50))], axis=1)
    )  # a constant, but for noise
    assert np.ptp(read_table(path)[0].x[:, 1]) == 0

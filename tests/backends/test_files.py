"""Readers of the user's files: what is good comes back equal, what is bad is named with its place."""

import io
import pickle
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from backends import arrays as array_files
from backends.base import InputError, finish
from backends.csv_table import read_csv
from backends.files import read_table, reading_table

matrices = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@pytest.fixture
def write(tmp_path):
    """Write a file of this name: bytes, text, one array (.npy) or several (.npz)."""

    def write(name, content=None, **arrays):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_bytes(content.encode())
        elif content is not None:
            np.save(path, content)
        else:
            np.savez_compressed(path, **arrays)
        return path

    return write


def table(path, label_column=None):
    return read_table(path, label_column)[0]


def sentence(path, label_column=None):
    """The one sentence that a file which cannot be used gives."""
    with pytest.raises(InputError) as error:
        read_table(path, label_column)
    text = str(error.value)
    assert path.name in text
    assert "\n" not in text
    return text


def npy(header, data=b"", version=1):
    """A .npy file with any header at all."""
    header = header.encode("latin1")
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", len(header))
        + header
        + data
    )


def described(shape, descr="<f4"):
    return f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}\n"


# -- what is good ------------------------------------------------------------------------------------


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


def test_an_array_in_any_byte_and_storage_order(write):
    x = np.arange(12.0).reshape(3, 4) / 7
    for array in (x, np.asfortranarray(x), x.astype(">f8"), x.astype("<f2").astype("<f8")):
        read = table(write("a.npy", array)).x
        assert np.array_equal(read, array.astype(np.float32))
        assert read.flags.c_contiguous
        assert read.dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [((5, 4, 3), (4, 3)), ((5, 4, 3, 1), (4, 3)), ((5, 4, 2, 3), (4, 2, 3)), ((5, 6), None)],
)
def test_images_are_flattened_and_their_shape_is_kept(write, shape, image_shape):
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    read = table(write("a.npy", x))
    assert read.image_shape == image_shape
    assert np.array_equal(read.x.reshape(shape), x)
    assert (read.values, read.levels) == ("integer", 256)


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.array([[0, 1], [1, 1]]), ("binary", 0)),
        (np.array([[False], [True]]), ("binary", 0)),
        (np.array([[0.0, 1.0]]), ("binary", 0)),
        (np.array([[0, 16]]), ("integer", 17)),
        (np.array([[0, 255]], dtype=np.uint8), ("integer", 256)),
        (np.array([[0, 256]]), ("real", 0)),
        (np.array([[-1, 3]]), ("real", 0)),
        (np.array([[0.0, 2.0]]), ("real", 0)),
    ],
)
def test_kind_of_values_follows_from_dtype_and_range(write, array, kind):
    read = table(write("a.npy", array))
    assert (read.values, read.levels) == kind


def test_an_archive_gives_its_rows_and_labels(write):
    x = np.random.default_rng(0).normal(size=(4, 3))
    read = table(write("a.npz", seeds=np.arange(9), data=x, y=np.array([7, 3, 7, 5])))
    assert np.array_equal(read.x, x.astype(np.float32))
    assert read.label_names == ("3", "5", "7")
    assert read.labels.tolist() == [2, 0, 2, 1]
    assert read.label_column == "y"


def test_an_archive_without_the_usual_names_gives_its_first_rows(write):
    path = write("a.npz", step=np.array(3), faces=np.ones((4, 2)), other=np.zeros((4, 9)))
    assert table(path).x.shape == (4, 2)
    path = write("b.npz", faces=np.ones((2, 2)), who=np.array([["zoe"], ["ada"]]))
    assert table(path).labels is None
    named = table(path, "who")
    assert named.label_names == ("ada", "zoe")
    assert named.labels.tolist() == [1, 0]
    raw = table(write("c.npz", x=np.ones((2, 2)), labels=np.array([b"up", b"down"])))
    assert raw.label_names == ("down", "up")


def test_measurements_are_no_labels(write):
    assert table(write("a.npz", x=np.ones((2, 2)), y=np.array([0.5, 1.5]))).labels is None
    read = table(write("a.csv", "a,target\n1,0.5\n2,1.5\n"))
    assert read.columns == ("a", "target")
    assert read.labels is None
    points = table(write("b.csv", "x,y\n1,2\n3,4\n"))
    assert points.x.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("header", [True, False])
def test_csv_dialects(write, delimiter, end, header):
    rows = [["length", "width"]] * header + [["1.5", "-2e3"], [" 3", '"4"']]
    text = "\ufeff" + end.join(delimiter.join(row) for row in rows) + end + end
    read = table(write("a.csv", text))
    assert read.x.tolist() == [[1.5, -2000], [3, 4]]
    assert read.columns == (("length", "width") if header else ())


@pytest.mark.parametrize(
    ("text", "label_column"),
    [
        ("a,b,Class\n1,2.5,sun\n3,4,moon\n5,6,sun\n", None),
        ("label,0,1\nsun,1,2.5\nmoon,3,4\nsun,5,6\n", None),
        ("a,kind,b\n1,sun,2.5\n3,moon,4\n5,sun,6\n", "kind"),
        ("1;2.5;sun\n3;4;moon\n5;6;sun\n", "3"),
    ],
)
def test_csv_labels(write, text, label_column):
    read = table(write("a.csv", text), label_column)
    assert read.x.tolist() == [[1, 2.5], [3, 4], [5, 6]]
    assert read.label_names == ("moon", "sun")
    assert read.labels.tolist() == [1, 0, 1]
    assert len(read.columns) in (0, 2)


def test_whole_numbers_as_labels_are_in_their_order(write):
    read = table(write("a.csv", "a,y\n0.5,10\n1,2\n2,10.0\n"))
    assert read.label_names == ("2", "10")
    assert read.labels.tolist() == [1, 0, 1]


def test_a_header_written_by_numpy_is_one(write):
    assert table(write("a.txt", "# u,v\n1,2\n")).columns == ("u", "v")


# -- what is bad -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2\n3,4,5\n", "line 2: 3 columns"),
        ("a,b\n\n1,2\n3\n", "line 4: 1 column, where"),
        ("a,b,c\n1,2\n", "line 2: 2 columns, where the first has 3"),
        ("1,2\n3,nan\n", "line 2, column 2: nan is not finite"),
        ("a,b\n1,2\n-inf,4\n", "line 3, column 'a': -inf is not finite"),
        ("1,2\n1e300,4\n", "line 2, column 1: 1e300"),
        ("1,2\n3,\n", "line 2, column 2: the cell is empty"),
        ("1,2\n3,four\n", "line 2, column 2: 'four' is not a number"),
        ("1,2O\n3,4\n", "line 1, column 2: '2O' is not a number"),
        ("1,1_000\n", "'1_000' is not a number"),
        ("a,b\n", "has a header and no rows"),
        ("\n\n", "is empty"),
        ("", "is empty"),
        ("label\n1\n", "column of labels and no other"),
        ("a,label\n1,x\n2,\n", "line 3, column 'label': the cell is empty"),
        (b"1,2\n3,\xff\n", "line 2: not readable as text"),
        (b"\xff\xfe1\x00", "line 1: not readable as text"),
        ("a,label\n" + "".join(f"1,c{i}\n" for i in range(257)), "257 different entries"),
    ],
)
def test_bad_csv(write, text, said):
    assert said in sentence(write("bad.csv", text))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(5), "has shape (5,)"),
        (np.zeros(()), "has shape ()"),
        (np.zeros((0, 5)), "there is nothing in it"),
        (np.zeros((5, 0)), "there is nothing in it"),
        (np.zeros((2, 2, 2, 2)), "1, 3 or 4 channels"),
        (np.zeros((2, 2, 2, 1, 1)), "has shape (2, 2, 2, 1, 1)"),
        (np.array([[1, 2], [3, np.nan]]), "has nan at [1, 1]"),
        (np.array([[[1, 2], [-np.inf, 4]]]), "has -inf at [0, 1, 0]"),
        (np.array([[1, 1e300]]), "has 1e+300 at [0, 1]"),
        (np.array([[1j]]), "holds complex numbers"),
        (np.array([["a"]]), "holds text"),
        (np.array([[b"a"]]), "holds text"),
        (np.array([["2020-01-01"]], dtype="M8[D]"), "holds dates"),
        (np.zeros((2, 2), dtype=[("a", "f4")]), "holds records"),
    ],
)
def test_bad_arrays(write, array, said):
    assert said in sentence(write("bad.npy", array))
    assert said in sentence(write("bad.npz", x=array))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npy(described((4, 4)), b"\0" * 63), "64 bytes should follow"),
        (npy(described((2**40, 2**40))), "cut short"),
        (npy(described((2**70, 1))), "cut short"),
        (npy(described((-4, 4))), "the shape (-4, 4)"),
        (npy(described((4, 4), "<U0")), "holds text"),
        (npy(described((4, 4), "|O")), "Python objects"),
        (npy(described((2, 2), "<f3")), "damaged"),
        (npy("{'descr': "), "damaged"),
        (npy("(" * 9000), "damaged"),
        (npy("[]"), "damaged"),
        (npy("__import__('os').abort()"), "damaged"),
        (npy("", version=3), "version 3.0"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "an array header of 4294967295 bytes"),
        (b"\x93NUMPY", "damaged"),
        (b"hello", "is not a NumPy file"),
        (pickle.dumps([1, 2]), "is not a NumPy file"),
        (b"", "is empty"),
    ],
)
def test_bad_npy_bytes(write, content, said):
    assert said in sentence(write("bad.npy", content))


def test_an_array_with_a_long_header_is_read(write):
    data = np.arange(4, dtype="<f4")
    assert table(write("a.npy", npy(described((2, 2)), data.tobytes(), version=2))).x.tolist() == [
        [0, 1],
        [2, 3],
    ]


class Bomb:
    """Writes a file if anybody unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_no_pickle_is_executed(write, tmp_path):
    objects = np.array([[Bomb(tmp_path / "executed")]], dtype=object)
    assert "pickle" in sentence(write("bad.npy", objects))
    assert "pickle" in sentence(write("bad.npz", x=objects))
    assert "pickle" in sentence(write("labels.npz", x=np.ones((1, 1)), y=objects[0]))
    assert "not a NumPy file" in sentence(write("plain.npz", pickle.dumps(objects)))
    assert not (tmp_path / "executed").exists()


def archive(name, data, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as z:
        z.writestr(name, data)
    return out.getvalue()


def saved(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def test_bad_archives(write):
    good = archive("x.npy", saved(np.ones((100, 3))))
    assert "no array of rows" in sentence(write("bad.npz", archive("readme.txt", b"hello")))
    assert "no array of rows" in sentence(write("bad.npz", archive("x1.npy", saved(np.ones(3)))))
    assert "not a readable .npz" in sentence(write("bad.npz", good[:200]))
    flipped = bytearray(good)
    flipped[900] ^= 1
    assert "CRC" in sentence(write("bad.npz", bytes(flipped)))
    assert "NumPy does not use" in sentence(
        write("bad.npz", archive("x.npy", saved(np.ones((9, 9))), compression=zipfile.ZIP_LZMA))
    )
    path = write("bad.npz", x=np.ones((3, 2)), y=np.ones(2))
    assert "array 'y' has shape (2,), not one label a row (3)" in sentence(path)
    assert "has no array 'kind'; it has x, y" in sentence(path, "kind")


def test_an_archive_that_unpacks_to_too_much_is_refused(write, monkeypatch):
    monkeypatch.setattr(array_files, "MAX_VALUES", 1000)
    path = write("bomb.npz", x=np.zeros((1001, 1000), dtype=np.uint8))
    assert path.stat().st_size < 3000
    assert "1001000 values; at most 1000" in sentence(path)


def test_a_label_of_many_bytes_is_refused_however_small_it_is_packed(write):
    path = write("bomb.npz", x=np.ones((3, 2)), y=np.array(["a", "b", "c" * 10_000]))
    assert path.stat().st_size < 2000
    assert "texts of 40000 bytes; at most 4096" in sentence(path)


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


# -- what is too much ------------------------------------------------------------------------------


def test_a_line_without_an_end_is_a_sentence_and_is_not_read(tmp_path):
    path = tmp_path / "endless.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n1,")
        file.truncate(2**33)  # zeros, which take no room on the disk
    with (
        path.open("rb") as file,
        pytest.raises(InputError, match=r"endless\.csv, line 2 has more than 4 MiB"),
    ):
        finish(read_csv(file, path.name, None))


def test_a_quote_that_never_ends_is_named(tmp_path):
    path = tmp_path / "quote.csv"
    path.write_text('a,b\n1,2\n3,"4\n' + "5,6\n" * 200_000)
    with pytest.raises(InputError, match=r"quote\.csv, line \d+: not readable as text"):
        read_table(path)


def test_zeros_that_unpack_to_more_than_there_is_room_for_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "zeros.npz"
    np.savez_compressed(path, x=np.zeros((1000, 1000)))
    monkeypatch.setattr("backends.arrays._BYTES", 2**40)  # a value that takes this much stands for many
    with pytest.raises(
        InputError, match=r"zeros\.npz: array 'x' takes [\d.]+ GB of memory, where [\d.]+ GB are"
    ):
        read_table(path)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_large_array_comes_in_slices_and_can_be_left(tmp_path, order, packed):
    x = np.asarray(np.random.default_rng(0).normal(size=(60_000, 4, 3)), order=order)
    path = tmp_path / ("a.npz" if packed else "a.npy")
    if packed:
        np.savez(path, x=x)
    else:
        np.save(path, x)
    work, told = reading_table(path), []
    while True:
        try:
            told.append(next(work))
        except StopIteration as end:
            table, _ = end.value
            break
    assert np.array_equal(table.x, x.reshape(len(x), -1).astype(np.float32))
    by = {what: [p.done for p in told if p.what == what] for what in {p.what for p in told}}
    assert len(by) >= 4
    assert all(done == sorted(done) for done in by.values())
    work = reading_table(path)
    next(work)
    work.close()

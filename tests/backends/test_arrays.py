"""Arrays and archives of NumPy: what is good comes back equal, what is bad or too much is named."""

import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from backends import arrays as array_files
from backends.base import InputError
from backends.files import read_table, reading_table
from tests.backends.tables import archive, saved, sentence, table


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

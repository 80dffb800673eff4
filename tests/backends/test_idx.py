"""IDX files: written here as MNIST's are, and broken in every way that a file can be."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.base import InputError, finish
from backends.data import SPLITS, open_data
from backends.idx import is_idx, read_idx

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array) -> bytes:
    """The format, from its description."""
    code = CODES[array.dtype.str[1:]]
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def digits(n, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n, dtype=np.uint8) % 10
    images = rng.integers(0, 256, (n, 5, 4), dtype=np.uint8)
    images[:, 0, 0] = labels * 20  # so that a row says which label it has
    return images, labels


@pytest.fixture(params=["", ".gz"])
def mnist(tmp_path, request):
    """A folder with the four files, 50 training images and 20 others."""
    pack = gzip.compress if request.param else bytes
    for part, n in (("train", 50), ("t10k", 20)):
        images, labels = digits(n, seed=n)
        (tmp_path / f"{part}-images-idx3-ubyte{request.param}").write_bytes(pack(idx(images)))
        (tmp_path / f"{part}-labels-idx1-ubyte{request.param}").write_bytes(pack(idx(labels)))
    return tmp_path / f"train-images-idx3-ubyte{request.param}"


def test_mnist_opens_by_its_images_with_labels_and_held_out_rows(mnist):
    data = open_data(mnist)
    info = data.info
    assert (info.dim, info.image_shape, info.values, info.levels) == (20, (5, 4), "integer", 256)
    assert info.label_names == tuple("0123456789")
    assert [len(data.split(s)) for s in SPLITS] == [45, 5, 20]
    np.testing.assert_array_equal(data.test.x, digits(20, seed=20)[0].reshape(20, 20))
    for split in SPLITS:
        part = data.split(split)
        np.testing.assert_array_equal(part.x[:, 0], part.labels * 20)
    train = np.concatenate((data.train.x, data.validation.x))
    assert sorted(map(tuple, train)) == sorted(map(tuple, digits(50, seed=50)[0].reshape(50, 20)))
    again = open_data(info.source)
    assert again.info == info
    np.testing.assert_array_equal(again.train.x, data.train.x)
    np.testing.assert_array_equal(open_data(mnist.parent).train.x, data.train.x)  # by its folder


def test_a_change_of_any_of_the_files_is_noticed(mnist):
    source = open_data(mnist).info.source
    labels = mnist.with_name(mnist.name.replace("train-images-idx3", "t10k-labels-idx1"))
    pack = gzip.compress if mnist.suffix else bytes
    labels.write_bytes(pack(idx(np.zeros(20, np.uint8))))
    with pytest.raises(InputError, match="has changed since"):
        open_data(source)


def test_images_alone_are_split(tmp_path):
    (tmp_path / "faces").write_bytes(idx(digits(40)[0]))
    data = open_data(tmp_path / "faces")
    assert [len(data.split(s)) for s in SPLITS] == [30, 4, 6]
    assert data.train.labels is None


def test_labels_may_be_packed_when_the_images_are_not(tmp_path):
    images, labels = digits(30)
    (tmp_path / "train-images.idx3-ubyte").write_bytes(idx(images))
    (tmp_path / "train-labels.idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    part = open_data(tmp_path / "train-images.idx3-ubyte").train
    np.testing.assert_array_equal(part.x[:, 0], part.labels * 20)


@pytest.mark.parametrize("kind", CODES)
@settings(max_examples=20, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), packed=st.booleans())
def test_what_is_written_is_read(tmp_path_factory, kind, shape, packed):
    array = (np.random.default_rng(1).normal(size=shape) * 100).astype(kind)
    path = tmp_path_factory.mktemp("idx") / "a"
    path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    assert is_idx(path)
    read, _ = finish(read_idx(path))
    np.testing.assert_array_equal(read, array)


GOOD = idx(digits(12)[0])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\0\0\x0a\x03" + GOOD[4:], r"a is no IDX file: it begins with the bytes 00 00 0a 03"),
        (b"", "no IDX file: it begins with the bytes of an empty file"),
        (b"\0\0\x08\x07" + GOOD[4:], "has 7 dimensions; 1 to 4"),
        (GOOD[:9], "cut short: it ends within its header"),
        (GOOD[:-1], r"cut short: its sizes \(12, 5, 4\) are 240 bytes, which a file of 255"),
        (GOOD + b"\0", r"holds more than its sizes \(12, 5, 4\) say"),
        (gzip.compress(GOOD[:-1]), "cut short: it holds 239 of 240 bytes"),
        (gzip.compress(GOOD)[:-9], "damaged: it cannot be unpacked|cut short"),
        (gzip.compress(GOOD)[:-8] + b"\0" * 8, "damaged: it cannot be unpacked"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "a file of 16 bytes cannot hold"),
        (gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12), "bytes cannot hold"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, reason):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        finish(read_idx(tmp_path / "a"))


def test_no_header_makes_it_allocate_and_no_bomb_unpack(tmp_path):
    """A small file that claims 4 GB, and one that would unpack to 200 MB after its 240 bytes."""
    claim = b"\0\0\x08\x03" + struct.pack(">3I", 1000, 1000, 1000)
    (tmp_path / "claims").write_bytes(gzip.compress(claim + bytes(2 * 10**6)))
    (tmp_path / "bomb").write_bytes(gzip.compress(GOOD + bytes(2 * 10**8)))
    tracemalloc.start()
    for name in ("claims", "bomb"):
        with pytest.raises(InputError, match=f"^{name} "):
            finish(read_idx(tmp_path / name))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**24


def test_too_many_values_are_refused_before_they_are_read(tmp_path, monkeypatch):
    from backends import idx as module

    monkeypatch.setattr(module, "MAX_VALUES", 239)
    (tmp_path / "a").write_bytes(GOOD)
    with pytest.raises(InputError, match="holds 240 values; at most 239"):
        open_data(tmp_path / "a")


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (
            np.zeros(11, np.uint8),
            r"train-labels-idx1-ubyte has shape \(11,\), not one label for each of the 12",
        ),
        (np.zeros((12, 2), np.uint8), r"has shape \(12, 2\)"),
        (np.zeros(12, np.float32), "holds no labels"),
    ],
)
def test_labels_that_do_not_fit_are_named(tmp_path, labels, reason):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(GOOD)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    with pytest.raises(InputError, match=reason):
        open_data(tmp_path / "train-images-idx3-ubyte")


def test_a_file_of_labels_is_no_data(tmp_path):
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(9, dtype=np.uint8)))
    with pytest.raises(InputError, match="open the images that they are of"):
        open_data(tmp_path / "train-labels-idx1-ubyte")


def test_held_out_images_of_another_size_are_named(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(GOOD)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((4, 6, 6), np.uint8)))
    with pytest.raises(InputError, match=r"t10k-images-idx3-ubyte has rows of shape \(6, 6\)"):
        open_data(tmp_path / "train-images-idx3-ubyte")

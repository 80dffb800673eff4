"""A look at one's own data: what it says is what they are."""

import struct

import numpy as np
import pytest
from PIL import Image

from backends.base import InputError, Progress
from backends.csv_table import Missing
from backends.data import SPLITS, open_data
from backends.preview import SHOWN, Look, look
from backends.sources import Choices, text_of


def looks(path, before=None, **chosen):
    """(all looks, the last one), and whether progress was told."""
    work, seen = look(path, Choices(**chosen), before), []
    while True:
        try:
            value = next(work)
        except StopIteration as stop:
            return [*seen, stop.value], stop.value
        if isinstance(value, Look):
            seen.append(value)
        else:
            assert isinstance(value, Progress)


@pytest.fixture
def iris(tmp_path):
    path = tmp_path / "iris.csv"
    rows = [f"{i / 8},{10 - i / 8},{('setosa', 'virginica')[i % 3 > 0]}" for i in range(60)]
    path.write_text("length,width,species\n" + "\n".join(rows))
    return path


def test_a_column_of_text_is_taken_for_the_labels(iris):
    (first, *_), seen = looks(iris)
    assert first.glance.columns == ("length", "width", "species")  # before all of it is read
    assert first.glance.rows[1] == ("0.125", "9.875", "virginica")
    assert seen.labels == ("length", "width", "species")
    assert seen.choices.label == "species"
    assert seen.rows == 60
    assert dict(zip(seen.info.label_names, seen.counts, strict=True)) == {"setosa": 20, "virginica": 40}
    assert seen.missing == Missing()
    assert text_of(seen.data.info.source).endswith("iris.csv:label=species")


def test_another_column_can_be_chosen_and_says_what_is_in_the_way(iris):
    _, seen = looks(iris, label="width")
    assert "column 'species': 'setosa' is not a number" in seen.problem
    assert seen.data is None
    assert seen.info is None
    assert len(seen.glance.rows) == 10


def test_what_is_missing_is_counted(tmp_path):
    path = tmp_path / "holes.csv"
    path.write_text("a,b,c\n1,2,3\n4,,nan\n5,NA,6\n7,8,9\n1,2\n")
    _, seen = looks(path)
    assert seen.missing == Missing(4, 3, 5)
    assert "line 3, column 'b': the cell is empty" in seen.problem


def test_arrays_offer_their_names(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", x=rng.normal(size=(20, 3)), y=np.arange(20) % 4, site=np.arange(20) % 2)
    _, seen = looks(tmp_path / "a.npz")
    assert seen.labels == ("y", "x", "site")
    assert seen.choices.label == "y"
    assert seen.counts == (5, 5, 5, 5)
    _, other = looks(tmp_path / "a.npz", label="site")
    assert other.counts == (10, 10)


def test_mnist_is_seen_with_its_classes(tmp_path):
    images = np.arange(30 * 6, dtype=np.uint8).reshape(30, 3, 2)
    for name, array in (
        ("train-images-idx3-ubyte", images),
        ("train-labels-idx1-ubyte", np.arange(30, dtype=np.uint8) % 3),
    ):
        head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (tmp_path / name).write_bytes(head + array.tobytes())
    for path in (tmp_path, tmp_path / "train-images-idx3-ubyte"):
        _, seen = looks(path)
        assert seen.info.image_shape == (3, 2)
        assert seen.counts == (10, 10, 10)
        np.testing.assert_array_equal(seen.first, seen.data.train.x[:SHOWN])


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for i in range(60):
        path = folder / ("sea", "wood")[i >= 40] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((50, 70, 3), (i, i, 90), np.uint8)).save(path)
    return folder


def test_of_a_folder_a_few_images_of_each_class_are_seen(photos):
    _, seen = looks(photos)
    assert (seen.choices.size, seen.choices.colour) == (48, "rgb")
    assert seen.info.image_shape == (48, 48, 3)
    assert seen.first.shape == (SHOWN, 48 * 48 * 3)
    assert set(seen.first_labels) == {0, 1}
    assert np.array_equal(seen.first[:, 0] >= 40, seen.first_labels)
    assert set(seen.sizes) == {(70, 50)}
    assert seen.counts == (40, 20)
    assert seen.rows == 60
    assert seen.memory == 4 * 60 * 48 * 48 * 3
    assert seen.data is None  # it is read when it is used
    data = open_data(f"{photos}:{seen.choices.text()}")
    assert data.info.image_shape == seen.info.image_shape
    assert sum(data.split(s).x.nbytes for s in SPLITS) == seen.memory


def test_another_size_and_colour_are_seen_without_listing_the_folder_again(photos):
    _, before = looks(photos)
    (photos / "sea" / "00.png").unlink()
    _, seen = looks(photos, before, size=16, colour="grey")
    assert seen.folder is before.folder
    assert seen.info.image_shape == (16, 16)
    assert seen.unreadable == 1
    assert seen.sizes == before.sizes


@pytest.mark.parametrize(
    ("n", "reason"), [(1, "photos has 1 image; at least 3 are needed"), (2, "photos has 2 images")]
)
def test_too_few_images_are_seen_and_cannot_be_used(tmp_path, n, reason):
    (tmp_path / "photos").mkdir()
    for i in range(n):
        Image.fromarray(np.full((9, 9), 7, np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    _, seen = looks(tmp_path / "photos")
    assert reason in seen.problem
    assert seen.choices.colour == "grey"


def test_a_folder_of_broken_images_says_so(tmp_path):
    for i in range(4):
        (tmp_path / f"{i}.png").write_text("no picture")
    _, seen = looks(tmp_path)
    assert "none of the first images can be read: 0.png is no picture" in seen.problem


def test_where_there_is_nothing_to_see_an_error_says_why(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the folder empty holds no images"):
        looks(tmp_path / "empty")
    (tmp_path / "a.npy").write_bytes(b"x")
    with pytest.raises(InputError, match="not a NumPy file"):
        looks(tmp_path / "a.npy")

"""A picture as density: what is dense, where it lies, log p(x), entropy, draws; and what cannot be used."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from backends.base import InputError
from backends.data import SPLITS, known_density, open_data
from backends.files import read_table
from backends.picture import HAZE, HAZE_STD, Picture, is_picture, read_levels, read_picture, write_levels
from backends.run import Run
from backends.synthetic import TEST, TRAIN, VALIDATION

RNG = np.random.default_rng(0)


def save(path, array, form="PNG", **options):
    """Grey levels (h, w), 8 bits each, as a file."""
    Image.fromarray(np.asarray(array, np.uint8)).save(path, form, **options)
    return path


def shape():
    """Some bright cells on black, and none at the border: (5, 8), the longer side across."""
    levels = np.zeros((5, 8))
    levels[1:4, 1:7] = RNG.integers(0, 256, (3, 6))
    levels[2, 3] = 0
    return levels


def brute_force(weights, x):
    """The density as its definition has it, one tent a pixel."""
    side = 8 / max(weights.shape)
    total = np.zeros(len(x))
    for (i, j), weight in np.ndenumerate(weights):
        centre = side * np.array([j - (weights.shape[1] - 1) / 2, i - (weights.shape[0] - 1) / 2])
        total += weight * np.maximum(1 - abs(x - centre) / side, 0).prod(1) / side**2
    haze = np.exp(-(x**2).sum(1) / (2 * HAZE_STD**2)) / (2 * np.pi * HAZE_STD**2)
    return (1 - HAZE) * total + HAZE * haze


def grid(extent, steps):
    side = 2 * extent / steps
    axis = -extent + side * (np.arange(steps) + 0.5)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2), side**2


def test_log_prob_is_that_of_a_tent_on_each_pixel(tmp_path):
    levels = shape()
    picture, _ = read_picture(save(tmp_path / "p.png", levels))
    weights = levels[::-1] / levels.sum()
    np.testing.assert_allclose(picture.weights, weights, rtol=1e-12)
    x = np.concatenate([RNG.uniform(-5, 5, (4000, 2)), picture.draw(RNG, 1000), [[4, 4], [-4, 2.5], [0, 0]]])
    np.testing.assert_allclose(np.exp(picture.log_prob(x)), brute_force(weights, x), rtol=1e-10)
    centres = np.array([[j - 3.5, i - 2] for i in range(5) for j in range(8)], float)
    haze = HAZE * np.exp(-(centres**2).sum(1) / 8) / (8 * np.pi)
    np.testing.assert_allclose(
        np.exp(picture.log_prob(centres)) - haze, (1 - HAZE) * weights.ravel(), rtol=1e-9, atol=1e-15
    )


@pytest.mark.parametrize("levels", [shape(), np.ones((3, 3)), np.eye(6), np.ones((1, 4))])
def test_the_density_integrates_to_one_and_has_the_entropy_that_is_said(levels):
    picture = Picture(levels / levels.sum())
    points, area = grid(8, 1600)
    log_p = picture.log_prob(points)
    p = np.exp(log_p)
    assert p.sum() * area == pytest.approx(1, abs=1e-4)
    assert -(p @ log_p) * area == pytest.approx(picture.entropy, abs=1e-4)
    x = picture.draw(np.random.default_rng(1), 200_000)
    log_p = picture.log_prob(x)
    assert log_p.mean() == pytest.approx(-picture.entropy, abs=4 * log_p.std() / np.sqrt(len(x)))


def test_entropy_of_a_large_picture_is_nearly_that_of_its_pixels():
    """−Σ w log(w/s²) is what it would be without interpolation and haze."""
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    levels = np.exp(-4 * (x**2 + y**2))
    weights = levels / levels.sum()
    pixels = -(weights * np.log(weights / (8 / 256) ** 2)).sum()
    assert Picture(weights).entropy == pytest.approx(pixels, abs=5e-3)


def test_draws_fill_the_pixels_by_their_weights():
    levels = shape()
    picture = Picture(levels / levels.sum())
    n = 100_000
    x = picture.draw(np.random.default_rng(2), n)
    assert x.shape == (n, 2)
    assert x.dtype == np.float32
    fine, area = grid(4, 800)  # 100 midpoints across each pixel of side 1
    mass = np.exp(picture.log_prob(fine)).reshape(8, 100, 8, 100).sum((1, 3)) * area
    counts, _, _ = np.histogram2d(*x.T, bins=[np.linspace(-4, 4, 9)] * 2)
    assert (abs(counts - n * mass) <= 5 * np.sqrt(n * mass) + 3).all()


def test_a_picture_lies_centred_and_upright_with_its_longer_side_from_minus_4_to_4(tmp_path):
    levels = np.zeros((100, 200))
    levels[5:15, 5:15] = 255  # near the upper left corner
    x = open_data(save(tmp_path / "corner.png", levels)).train.x
    low, high = np.quantile(x, [0.001, 0.999], axis=0)
    assert low == pytest.approx([-3.8, 1.4], abs=0.06)  # 5 pixels of 0.04 from the corner (−4, 2)
    assert high == pytest.approx([-3.4, 1.8], abs=0.06)


def test_dark_is_dense_on_bright_paper_and_bright_on_dark(tmp_path):
    bright = shape() * 0.4
    on_black = read_levels(save(tmp_path / "a.png", bright))
    on_white = read_levels(save(tmp_path / "b.png", 255 - bright.astype(np.uint8)))
    np.testing.assert_allclose(on_black, on_white, atol=1e-12)
    assert on_black.max() > 0.1
    assert on_black[0].max() == 0


def test_colour_transparency_16_bits_and_a_turned_photograph(tmp_path):
    rgba = np.zeros((6, 6, 4), np.uint8)
    rgba[2:4, 2:5, 3] = 255  # black where it is seen
    Image.fromarray(rgba).save(tmp_path / "logo.png")
    expected = np.zeros((6, 6))
    expected[2:4, 2:5] = 1
    np.testing.assert_array_equal(read_levels(tmp_path / "logo.png"), expected)
    Image.fromarray((expected * 65535 * 0.3).astype(np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_allclose(read_levels(tmp_path / "deep.png"), 0.3 * expected, atol=1e-4)
    red = np.full((6, 6, 3), 255, np.uint8)
    red[2:4, 2:5] = (255, 0, 0)
    Image.fromarray(red).save(tmp_path / "red.png")
    np.testing.assert_allclose(read_levels(tmp_path / "red.png"), expected * (1 - 76 / 255), atol=1e-9)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: to be shown a quarter clockwise
    Image.fromarray(np.uint8(255 - 255 * expected)).save(tmp_path / "photo.jpg", exif=exif, quality=100)
    turned = read_levels(tmp_path / "photo.jpg")
    np.testing.assert_allclose(turned, np.rot90(expected, -1), atol=0.1)


def test_a_large_picture_is_averaged_down(tmp_path):
    levels = np.zeros((700, 2048))
    levels[200:400, 512:1024] = 200
    small = read_levels(save(tmp_path / "large.png", levels))
    assert small.shape == (175, 512)
    assert small[50:100, 128:256] == pytest.approx(200 / 255)
    assert small.sum() == pytest.approx(levels.sum() / 255 / 16)


def test_levels_are_written_as_they_are_read(tmp_path):
    levels = np.zeros((32, 32))
    levels[4:20, 6:9] = np.linspace(0, 1, 48).reshape(16, 3)
    write_levels(tmp_path / "levels.png", levels)
    np.testing.assert_allclose(read_levels(tmp_path / "levels.png"), levels, atol=0.5 / 255)


def test_a_picture_is_data_with_a_known_density(tmp_path):
    path = save(tmp_path / "blob.jpg", 255 - shape().repeat(20, 0).repeat(20, 1), "JPEG")
    data = open_data(path)
    assert [len(data.split(name)) for name in SPLITS] == [TRAIN, VALIDATION, TEST]
    assert (data.info.title, data.info.dim, data.info.columns) == ("blob.jpg", 2, ("x1", "x2"))
    again = open_data(json.loads(json.dumps(data.info.source)))
    assert again.info == data.info
    np.testing.assert_array_equal(again.train.x, data.train.x)
    known = known_density(data.info)
    assert known.entropy == data.density.entropy
    np.testing.assert_array_equal(known.log_prob(data.test.x), data.density.log_prob(data.test.x))


def test_a_run_finds_its_picture_again_or_says_that_it_has_changed_or_gone(tmp_path):
    path = save(tmp_path / "p.png", shape())
    run = Run.start("linear-flow", open_data(path), {"objective": "reverse-kl", "batch_size": 64})
    run.step()
    run.save(tmp_path / "run.safetensors")
    again = Run.open(tmp_path / "run.safetensors")
    assert not again.notes
    assert again.step() == run.step()
    save(path, shape() // 2)
    changed = Run.open(tmp_path / "run.safetensors")
    assert "has changed since it was opened" in changed.notes[0]
    assert changed.data is None
    path.unlink()
    gone = Run.open(tmp_path / "run.safetensors")
    assert "there is no such file" in gone.notes[0]
    assert known_density(gone.info).entropy == known_density(run.info).entropy


def test_a_uniform_picture_is_a_square(tmp_path):
    data = open_data(save(tmp_path / "grey.png", np.full((64, 64), 128)))
    assert data.density.entropy == pytest.approx(np.log(64), abs=0.05)


def png_of_size(width, height) -> bytes:
    """A PNG that claims a size, and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">II5B", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0"))


def half_a_picture() -> bytes:
    out = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (50, 50), np.uint8)).save(out, "PNG")
    return out.getvalue()[:900]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (png_of_size(10_000, 10_000), r"p.png has 10000 × 10000 pixels; at most \d+ can be read"),
        (png_of_size(100_000, 100_000), "p.png has more pixels than can be read"),
        (half_a_picture(), "p.png is damaged: it cannot be read as a PNG picture"),
        (b"\x89PNG\r\n\x1a\n", "p.png is damaged"),
        (b"\xff\xd8\xff\xe0 no", "p.png is damaged: it cannot be read as a JPEG picture"),
        (b"just a text", "only .npy, .npz, CSV .* and pictures can be read"),
        (b"", "p.png is empty"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "p.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence) as caught:
        open_data(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("level", [0, 255])
def test_a_picture_that_is_all_paper_is_refused(tmp_path, level):
    path = save(tmp_path / "blank.png", np.full((9, 9), level))
    with pytest.raises(InputError, match=r"blank.png is all paper"):
        open_data(path)


def test_a_picture_is_known_by_its_content(tmp_path):
    path = save(tmp_path / "no-name", shape())
    assert is_picture(path)
    assert open_data(path).info.dim == 2
    assert not is_picture(tmp_path / "absent")
    (tmp_path / "table.csv").write_text("1,2\n3,4\n5,6\n")
    assert not is_picture(tmp_path / "table.csv")
    with pytest.raises(InputError, match="has no labels 'a'"):
        open_data(f"{path}:label=a")
    with pytest.raises(InputError, match="pictures can be read"):
        read_table(path)

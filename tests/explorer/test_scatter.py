"""Points as they are painted, against a brute-force count and mixture, and the planes on which they lie."""

import numpy as np
import pytest

from backends.base import finish
from backends.data import Split, open_data
from backends.projections import lda_directions
from explorer import scatter as module
from explorer.scatter import (
    MOST_DOTS,
    OPACITY,
    column_names,
    mix,
    mixed_colours,
    nearest,
    points_picture,
    scatter,
)
from explorer.state import PlaneSpec
from explorer.view import View

VIEW = View(0, 10, 0, 8, 100, 80)
RED, BLUE = (200, 20, 40), (10, 60, 220)


def split(x, labels=None):
    return Split(np.asarray(x, np.float32), labels)


def paint(uv, colours, view=VIEW):
    return finish(points_picture(np.array(uv, float), np.array(colours, np.uint8), view)).image


def straight(pixel):
    """(4,) blue-green-red-alpha, premultiplied → red, green, blue and opacity."""
    alpha = pixel[3] / 255
    return pixel[2::-1] / alpha, alpha


def test_a_dot_is_round_and_in_its_colour():
    image = paint([[5.05, 4.05]], [RED])
    colour, alpha = straight(image[39, 50].astype(float))
    np.testing.assert_allclose(colour, RED, atol=1)
    assert alpha == pytest.approx(OPACITY, abs=0.01)
    covered = image[..., 3] > 0
    assert not covered[:36].any()
    assert not covered[:, 54:].any()
    np.testing.assert_array_equal(image[35:44], image[35:44][::-1])  # about its own middle, in row 39
    assert image[..., 3].sum() / 255 / OPACITY == pytest.approx(np.pi * module.RADIUS**2, rel=0.05)


def test_a_later_point_covers_an_earlier_one():
    image = paint([[5.05, 4.05], [5.05, 4.05]], [RED, BLUE])
    colour, alpha = straight(image[39, 50].astype(float))
    np.testing.assert_allclose(colour, BLUE, atol=1)
    assert alpha == pytest.approx(1 - (1 - OPACITY) ** 2, abs=0.01)


def test_many_points_are_counted_in_pixels():
    rng = np.random.default_rng(0)
    n = MOST_DOTS + 5000
    uv = rng.uniform((-1, -1), (11, 9), (n, 2))
    colours = rng.integers(0, 256, (n, 3)).astype(np.uint8)
    image = paint(uv, colours).astype(float)
    column, row = np.floor(uv[:, 0] * 10).astype(int), np.floor((8 - uv[:, 1]) * 10).astype(int)
    counts, sums = np.zeros((80, 100)), np.zeros((80, 100, 3))
    for c, r, colour in zip(column, row, colours, strict=True):
        if 0 <= c < 100 and 0 <= r < 80:
            counts[r, c] += 1
            sums[r, c] += colour
    np.testing.assert_array_equal(image[..., 3] > 0, counts > 0)
    opacity = image[..., 3] / 255
    order = np.argsort(counts, axis=None)
    assert (np.diff(opacity.ravel()[order]) >= -1e-9).all()  # the more points the less is let through
    mean = sums / np.maximum(counts, 1)[..., None]
    np.testing.assert_allclose(image[..., 2::-1], mean * opacity[..., None], atol=2)


def test_colours_are_mixed_in_the_shares_of_the_components():
    palette = np.array([RED, BLUE, (0, 255, 0)], np.uint8)
    shares = np.array([[1.0, 0, 0], [0, 1, 0], [0.25, 0.75, 0], [0.2, 0.3, 0.5]])
    want = np.round(shares @ palette.astype(float))
    np.testing.assert_array_equal(mix(shares, palette), want)
    parts = finish(mixed_colours(lambda part: shares[part], 4, palette, 2**20))
    np.testing.assert_array_equal(parts, want)
    four = np.eye(4)  # a fourth component has the first colour again
    np.testing.assert_array_equal(mix(four, palette)[3], RED)


def test_two_columns_lie_in_the_plane_through_the_mean():
    x = np.random.default_rng(0).normal(3, 1, (50, 5))
    seen = finish(scatter(split(x), tuple("abcde"), PlaneSpec("coordinates", 3, 1)))
    np.testing.assert_allclose(seen.uv, x[seen.rows][:, [3, 1]], atol=1e-6)
    assert seen.plane.labels == ("d", "b")
    inside = seen.plane.to_space(np.array([[7.0, 8.0]]))[0]
    want = x.astype(np.float32).mean(0)
    want[[3, 1]] = 7, 8
    np.testing.assert_allclose(inside, want, rtol=1e-5)


def test_two_columns_are_themselves_whatever_is_asked_for():
    x = np.random.default_rng(0).normal(size=(20, 2))
    for kind in ("principal", "lda", "coordinates"):
        seen = finish(scatter(split(x, np.arange(20) % 2), ("x", "y"), PlaneSpec(kind)))
        np.testing.assert_allclose(seen.uv, x[seen.rows], atol=1e-6)


def test_one_column_lies_along_the_first_axis():
    seen = finish(scatter(split([[1.0], [4.0]]), ("x",), PlaneSpec()))
    np.testing.assert_allclose(seen.uv[np.argsort(seen.rows)], [[1, 0], [4, 0]])


def test_the_discriminants_of_the_digits_are_a_plane():
    data = open_data("digits")
    seen = finish(scatter(data.train, column_names(data.info), PlaneSpec("lda")))
    origin, basis = lda_directions(data.train.x, data.train.labels)
    np.testing.assert_allclose(seen.uv, (data.train.x[seen.rows] - origin) @ basis.T, atol=1e-4)
    assert seen.plane.labels == ("discriminant 1", "discriminant 2")


def test_one_kind_of_label_gives_way_to_principal_directions():
    x = np.random.default_rng(0).normal(size=(30, 4))
    seen = finish(scatter(split(x, np.zeros(30, int)), tuple("abcd"), PlaneSpec("lda")))
    assert seen.plane.labels[0] == "principal direction 1"


def test_of_very_many_rows_some_are_drawn(monkeypatch):
    monkeypatch.setattr(module, "MOST_POINTS", 30)
    x = np.arange(200.0).reshape(100, 2)
    seen = finish(scatter(split(x), ("x", "y"), PlaneSpec()))
    assert len(seen.rows) == len(np.unique(seen.rows)) == 30
    np.testing.assert_array_equal(seen.uv, x[seen.rows])


def test_the_nearest_row_within_reach():
    x = np.random.default_rng(0).uniform(size=(40, 2))
    seen = finish(scatter(split(x), ("x", "y"), PlaneSpec()))
    for at in np.random.default_rng(1).uniform(-0.2, 1.2, (50, 2)):
        distance = np.linalg.norm(x.astype(np.float32) - at, axis=1)
        want = int(distance.argmin()) if distance.min() <= 0.1 else None
        assert nearest(seen, at, 0.1) == want

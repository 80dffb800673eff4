"""Points sorted into cells and painted, against a brute-force count and mixture of all of them."""

import numpy as np
import pytest

from backends.base import finish
from explorer.plane import Plane, coordinate_plane
from explorer.planes import points as module
from explorer.planes.points import MOST_DOTS, OPACITY, label_colours, points_picture, scattered
from explorer.view import View

VIEW = View(0, 10, 0, 8, 100, 80)
RED, BLUE = (200, 20, 40), (10, 60, 220)


def place(uv):
    return finish(scattered(np.array(uv, np.float32).reshape(-1, 2), coordinate_plane(2)))


def paint(uv, colours, view=VIEW):
    """The picture of points whose colours (n, 3) are in the order of uv (n, 2)."""
    seen = place(uv)
    colours = np.array(colours, np.uint8).reshape(-1, 3)[seen.rows]
    return finish(points_picture(seen, colours, view))


def straight(pixel):
    """(4,) blue-green-red-alpha, premultiplied → red, green, blue and opacity."""
    alpha = pixel[3] / 255
    return pixel[2::-1] / alpha, alpha


def test_every_row_is_a_point_where_it_lies():
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((40_000, 5)) * 3 + 100).astype(np.float32)
    basis, _ = np.linalg.qr(rng.standard_normal((5, 2)))
    plane = Plane(x.mean(0).astype(float), basis.T)
    seen = finish(scattered(x, plane))
    np.testing.assert_array_equal(np.sort(seen.rows), np.arange(len(x)))
    np.testing.assert_allclose(seen.uv, plane.to_canvas(x[seen.rows]), atol=1e-4)


@pytest.mark.parametrize("n", [0, 1, 5, 3000, 150_000])
def test_what_lies_in_a_rectangle_is_found_among_few_others(n):
    rng = np.random.default_rng(n)
    stray = np.where(rng.uniform(size=(n, 1)) < 1e-3, 1e3, 1.0)  # beside the grid
    seen = place(rng.standard_normal((n, 2)) * stray)
    for low, high in [((-0.2, -0.1), (0.3, 0.2)), ((5, -1), (1e6, 1e6)), ((-1e9, -1e9), (1e9, 1e9))]:
        low, high = np.array(low), np.array(high)
        wanted = np.flatnonzero(((seen.uv >= low) & (seen.uv <= high)).all(1))
        parts = [np.arange(n)[part] for part in seen.near(low, high)]
        found = np.concatenate(parts) if parts else np.zeros(0, int)
        assert len(np.unique(found)) == len(found)
        assert np.isin(wanted, found).all()
    small = sum(part.stop - part.start for part in seen.near(np.array([0.5, 0.5]), np.array([0.6, 0.6])))
    assert small <= n / 20 + 50


def test_a_dot_is_round_and_in_its_colour():
    image = paint([[5.05, 4.05]], [RED]).image
    colour, alpha = straight(image[39, 50].astype(float))
    np.testing.assert_allclose(colour, RED, atol=1)
    assert alpha == pytest.approx(OPACITY, abs=0.01)
    covered = image[..., 3] > 0
    assert not covered[:36].any()
    assert not covered[:, 54:].any()
    assert image[..., 3].sum() / 255 / OPACITY == pytest.approx(np.pi * module.RADIUS**2, rel=0.05)


def test_a_later_row_covers_an_earlier_one():
    image = paint([[5.05, 4.05], [5.05, 4.05]], [RED, BLUE]).image
    colour, alpha = straight(image[39, 50].astype(float))
    np.testing.assert_allclose(colour, BLUE, atol=1)
    assert alpha == pytest.approx(1 - (1 - OPACITY) ** 2, abs=0.01)


def test_a_dot_beside_the_view_reaches_into_it():
    image = paint([[-0.1, 4.05]], [RED]).image
    assert image[39, 0, 3] > 0


def test_many_points_are_counted_in_pixels():
    rng = np.random.default_rng(0)
    n = 2 * MOST_DOTS
    uv = rng.uniform((-1, -1), (11, 9), (n, 2)).astype(np.float32)
    colours = rng.integers(0, 256, (n, 3)).astype(np.uint8)
    picture = paint(uv, colours)
    image = picture.image.astype(float)
    column, row = np.floor(uv[:, 0] * 10).astype(int), np.floor((8 - uv[:, 1]) * 10).astype(int)
    counts, sums = np.zeros((80, 100)), np.zeros((80, 100, 3))
    inside = (column >= 0) & (column < 100) & (row >= 0) & (row < 80)
    np.add.at(counts, (row[inside], column[inside]), 1)
    np.add.at(sums, (row[inside], column[inside]), colours[inside])
    assert picture.detail.replace("\u202f", "") == f"{inside.sum()} points in view"
    np.testing.assert_array_equal(image[..., 3] > 0, counts > 0)
    opacity = image[..., 3] / 255
    order = np.argsort(counts, axis=None)
    assert (np.diff(opacity.ravel()[order]) >= -1e-9).all()  # the more points the less is let through
    mean = sums / np.maximum(counts, 1)[..., None]
    np.testing.assert_allclose(image[..., 2::-1], mean * opacity[..., None], atol=2)


def test_few_points_in_view_of_very_many_are_dots():
    rng = np.random.default_rng(1)
    many = rng.uniform((100, 100), (200, 200), (2 * MOST_DOTS, 2))
    uv = np.concatenate([many, [[5.05, 4.05], [2.05, 4.05]]])
    colours = np.concatenate([np.tile(BLUE, (len(many), 1)), [RED, BLUE]])
    np.testing.assert_array_equal(
        paint(uv, colours).image, paint([[5.05, 4.05], [2.05, 4.05]], [RED, BLUE]).image
    )


def test_labels_are_colours_of_a_palette_that_repeats():
    palette = np.array([RED, BLUE], np.uint8)
    rows = np.array([4, 0, 3])
    colours = finish(label_colours(np.array([0, 1, 2, 3, 4]), rows, palette))
    np.testing.assert_array_equal(colours, [RED, RED, BLUE])
    np.testing.assert_array_equal(finish(label_colours(None, rows, palette)), [RED] * 3)


def test_points_that_are_no_numbers_are_nowhere():
    picture = paint([[np.nan, 1.0], [np.inf, 2.0], [5.05, 4.05]], [BLUE, BLUE, RED])
    np.testing.assert_array_equal(picture.image, paint([[5.05, 4.05]], [RED]).image)


def test_a_ring_sets_dots_off_and_lies_below_all_of_them():
    at = [[5.05, 4.05], [5.55, 4.05]]  # five pixels apart: the ring of each reaches the other
    seen, surface = place(at), (250, 250, 240)
    colours = np.array([RED, BLUE], np.uint8)[seen.rows]
    plain = finish(points_picture(seen, colours, VIEW)).image
    ringed = finish(points_picture(seen, colours, VIEW, rim=surface)).image
    for x, colour in ((50, RED), (55, BLUE)):
        for picture in (plain, ringed):
            np.testing.assert_allclose(straight(picture[39, x].astype(float))[0], colour, atol=30)
    above, opacity = straight(ringed[36, 50].astype(float))  # between RADIUS and RADIUS + RIM from the middle
    np.testing.assert_allclose(above, surface, atol=6)
    assert opacity > 0.5
    assert not plain[36, 50].any()
    assert not ringed[33, 50].any()

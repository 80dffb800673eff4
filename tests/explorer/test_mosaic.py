"""The mosaic: every tile is the decoding of the latent under its centre, on whole pixels, coarse to fine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.base import DataInfo, Decoded, Stamp
from backends.prior_levels import prior_levels
from explorer.plane import coordinate_plane
from explorer.planes.mosaic import Ink, fade, interlaced, mosaic, normalise, paint, resampling, resize
from explorer.planes.prior_view import prior_heights
from explorer.view import View

INFO = DataInfo("waves", "Waves", 16, image_shape=(4, 4))
WHITE = Ink((255, 255, 255), 1.0)


class Waves:
    """Decodes z to a flat grey that tells where it is; its prior is flat, so nothing fades."""

    stamp, info, kind, latent_dim = Stamp("run", 7), INFO, "waves", 2

    def decode(self, z):
        grey = 0.5 + 0.25 * np.sin(z[:, 0]) + 0.25 * np.cos(z[:, 1])
        return Decoded(np.repeat(grey[:, None], 16, axis=1).astype(np.float32))


class Normal(Waves):
    def log_prior(self, z):
        return -0.5 * (z.astype(np.float64) ** 2).sum(1) - z.shape[1] / 2 * np.log(2 * np.pi)

    def sample_prior(self, n, seed):
        return np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32)


def all_of(generator):
    pictures = []
    while True:
        try:
            pictures.append(next(generator))
        except StopIteration as end:
            return [p for p in pictures if p is not None], end.value


@given(st.integers(1, 64), st.integers(1, 64))
def test_resampling_keeps_a_flat_picture_flat(n, m):
    matrix = resampling(n, m)
    assert matrix.shape == (m, n)
    assert (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)
    if n == m:
        np.testing.assert_allclose(matrix, np.eye(n), atol=1e-6)


def test_colours_are_resized_like_greys():
    image = np.random.default_rng(0).uniform(size=(2, 5, 7, 3)).astype(np.float32)
    grey = np.stack([resize(image[..., c], 11, 9) for c in range(3)], axis=-1)
    np.testing.assert_allclose(resize(image, 11, 9), grey, atol=1e-6)


def test_values_are_drawn_within_their_display_range():
    info = DataInfo("x", "x", 4, image_shape=(2, 2), display=(-1.0, 3.0))
    np.testing.assert_allclose(normalise(np.array([[-5, -1, 1, 9]]), info), [[[0, 0], [0.5, 1]]])


def test_ink_is_premultiplied_blue_green_red():
    pixels = paint(np.full((1, 1, 1), 0.5, np.float32), Ink((200, 100, 50)), np.ones(1, np.float32))
    assert pixels[0, 0, 0].tolist() == [25, 50, 100, 128]
    colour = np.array([1.0, 0.5, 0.0], np.float32).reshape(1, 1, 1, 3)
    assert paint(colour, WHITE, np.full(1, 0.5, np.float32))[0, 0, 0].tolist() == [0, 64, 128, 128]


@given(st.integers(1, 30), st.integers(1, 30))
def test_interlacing_visits_every_tile_once_and_the_coarse_grid_first(rows, columns):
    order = interlaced(rows, columns)
    assert sorted(order) == list(range(rows * columns))
    r, c = np.divmod(order, columns)
    coarse = (r % 4 == 0) & (c % 4 == 0)
    middle = (r % 2 == 0) & (c % 2 == 0)
    assert coarse[: coarse.sum()].all()
    assert middle[: middle.sum()].all()


@settings(max_examples=30)
@given(st.integers(30, 300), st.integers(30, 300), st.sampled_from([1.0, 1.5, 2.0]), st.floats(-3, 3))
def test_each_tile_is_the_decoding_of_the_latent_under_its_centre(width, height, scale, x0):
    view = View(x0, x0 + 2.0, -1.0, -1.0 + 2.0 * height / width, width, height, scale)
    _, picture = all_of(mosaic(Waves(), INFO, coordinate_plane(2), view, WHITE))
    if picture is None:
        assert min(width, height) < 26 * scale + 1
        return
    assert picture.image.shape == (height, width, 4)
    assert (picture.step, picture.view, picture.complete) == (7, view, True)
    alpha = picture.image[..., 3]
    columns = np.flatnonzero(alpha.any(axis=0))
    rows = np.flatnonzero(alpha.any(axis=1))
    starts = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    tops = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    assert {len(run) for run in (*starts, *tops)} == {round(24 * scale)}
    assert picture.detail == f"mosaic {len(starts)} × {len(tops)}"
    for xs in starts:
        for ys in tops:
            tile = alpha[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
            u, v = (xs[0] + xs[-1] + 1) / 2, (ys[0] + ys[-1] + 1) / 2
            z = view.to_canvas(np.array([u]), np.array([v])).astype(np.float32)
            expected = Waves().decode(z).mean[0, 0] * 255
            assert np.abs(tile - expected).max() <= 1.0


def test_no_room_for_a_tile_gives_no_picture():
    view = View(0, 1, 0, 1, 20, 200)
    assert all_of(mosaic(Waves(), INFO, coordinate_plane(2), view, WHITE)) == ([], None)


def test_pictures_grow_from_coarse_to_complete(monkeypatch):
    monkeypatch.setattr("explorer.planes.mosaic.SHOW_EVERY", 0.0)
    view = View(-3, 3, -3, 3, 800, 800)
    grown, last = all_of(mosaic(Waves(), INFO, coordinate_plane(2), view, WHITE))
    assert grown
    assert not any(p.complete for p in grown)
    filled = [np.count_nonzero(p.image[..., 3]) for p in (*grown, last)]
    assert filled == sorted(filled)
    assert filled[0] < filled[-1]
    for p in grown:
        there = p.image[..., 3] > 0
        np.testing.assert_array_equal(p.image[there], last.image[there])


def test_what_the_prior_does_not_hold_fades():
    z = np.array([[0, 0], [1, 0], [2, 2], [9, 9]], np.float32)
    strength = fade(Normal(), z, prior_levels(Normal()).top)
    assert strength[0] == 1
    assert (np.diff(strength) < 0).all()
    assert strength[-1] == pytest.approx(0.1)
    np.testing.assert_array_equal(fade(Waves(), z), 1)


def test_the_priors_contours_are_circles_of_radius_one_two_three():
    height = prior_heights(Normal(), coordinate_plane(2), View(-3, 3, -3, 3, 100, 100), size=61)
    levels = prior_levels(Normal()).levels
    for radius, level in zip((1, 2, 3), levels, strict=True):
        assert height[30 + 10 * radius, 30] == pytest.approx(level, abs=1e-5)
        assert height[30, 30 - 10 * radius] == pytest.approx(level, abs=1e-5)

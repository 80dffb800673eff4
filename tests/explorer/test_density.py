"""The density as a field: true at every pixel, coarse first, and nothing where there is nothing."""

import numpy as np
from scipy import stats

from explorer.planes.density import CELLS, HIGHEST, Lines, colours, density, profile
from explorer.view import Picture, View

GREY = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
NORMAL = stats.multivariate_normal([0.5, -1.0], [[1.0, 0.3], [0.3, 0.5]])


def log_prob(x):
    return np.reshape(NORMAL.logpdf(x), len(x))  # of one row, too


def run(log_prob, view, kind=Picture):
    work, pictures = density(log_prob, 7, view, GREY), []
    while True:
        try:
            value = next(work)
        except StopIteration as stop:
            return pictures, stop.value
        if isinstance(value, kind):
            pictures.append(value)


def test_each_pixel_is_the_density_at_its_centre():
    view = View(-3, 3, -4, 2, 96, 80)
    _, last = run(log_prob, view)
    assert (last.complete, last.step, last.image.shape) == (True, 7, (80, 96, 4))
    rows, columns = np.mgrid[0:80, 0:96]
    x = view.to_canvas(columns.ravel() + 0.5, rows.ravel() + 0.5)
    p = NORMAL.pdf(x).reshape(80, 96)
    level = np.sqrt(p / p.max())
    opacity = np.clip(3 * level, 0, 0.9)
    np.testing.assert_allclose(last.image[..., 3], 255 * opacity, atol=1.01)
    np.testing.assert_allclose(last.image[..., 0], np.floor(255 * level) * opacity, atol=1.5)


def test_a_coarse_picture_comes_first():
    pictures, last = run(log_prob, View(-3, 3, -3, 3, 64, 64))
    first = pictures[0]
    assert not first.complete
    cell = first.image[: CELLS[0], : CELLS[0]]
    assert (cell == cell[0, 0]).all()
    assert len(np.unique(last.image[..., 3])) > len(np.unique(first.image[..., 3]))


def test_where_there_is_no_density_nothing_is_drawn():
    image = colours(np.array([[-np.inf, np.nan, 0.0]]), GREY, 0.0)
    assert image[0, 0].tolist() == [0, 0, 0, 0]
    assert image[0, 1].tolist() == [0, 0, 0, 0]
    assert image[0, 2, 3] > 200


def test_a_density_of_zero_everywhere_is_an_empty_picture():
    _, last = run(lambda x: np.full(len(x), -np.inf), View(0, 1, 0, 1, 20, 20))
    assert not last.image.any()


def test_the_contours_of_a_gaussian_are_its_ellipses_at_whole_standard_deviations():
    pictures, _ = run(log_prob, View(-5, 6, -6, 4, 440, 400), Lines)
    ends = pictures[-1].segments.reshape(-1, 2)
    distance = np.sqrt(2 * (NORMAL.logpdf(NORMAL.mean) - NORMAL.logpdf(ends)))
    np.testing.assert_allclose(distance, np.round(distance), atol=0.01)
    assert set(np.round(distance)) == {1, 2, 3, 4}


def test_a_spike_does_not_darken_the_rest():
    spike = stats.multivariate_normal([0.015, 0.005], 1e-8 * np.eye(2))  # in the middle of a pixel

    def with_spike(x):
        return np.logaddexp(log_prob(x), np.reshape(spike.logpdf(x), len(x)))

    view = View(-3, 3, -4, 2, 200, 200)
    _, without = run(log_prob, view)
    _, last = run(with_spike, view)
    assert with_spike(np.array([[0.015, 0.005]])) - NORMAL.logpdf(NORMAL.mean) > 10
    changed = np.argwhere((np.abs(last.image.astype(int) - without.image) > 12).any(2))
    np.testing.assert_array_equal(changed, [[66, 100]])
    assert last.image[66, 100, 0] >= 229  # the brightest there is, at an opacity of 0.9


def test_a_view_without_pixels_has_no_picture():
    assert run(log_prob, View(0, 1, 0, 1, 0, 10)) == ([], None)


def test_a_density_of_one_column_is_a_height_above_its_line():
    view = View(-4, 4, -2, 3, 400, 250)
    lines, last = None, None
    work = profile(lambda uv: stats.norm.logpdf(uv[:, 0], 0.5, 0.8), 3, view, GREY)
    while last is None:
        try:
            found = next(work)
            lines = found if isinstance(found, Lines) else lines
        except StopIteration as stop:
            last = stop.value
    ends = lines.segments.reshape(-1, 2)
    p = stats.norm.pdf(ends[:, 0], 0.5, 0.8)
    np.testing.assert_allclose(ends[:, 1], HIGHEST * 3 * p / p.max(), rtol=1e-9)
    filled = last.image[..., 3] > 0
    height = filled.sum(0) * 5 / 250  # of canvas units
    u = view.to_canvas(np.arange(400) + 0.5, np.zeros(400))[:, 0]
    np.testing.assert_allclose(height, HIGHEST * 3 * stats.norm.pdf(u, 0.5, 0.8) / p.max(), atol=0.03)
    assert not filled[view.height * 3 // 5 + 1 :].any()  # nothing below the line

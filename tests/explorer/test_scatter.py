"""The planes on which the data lie, which of them is near, and their colours."""

import numpy as np

from backends.base import finish
from backends.data import Split, open_data
from backends.projections import lda_directions
from explorer.planes.scatter import (
    column_names,
    mix,
    mixed_colours,
    nearest,
    scatter,
)
from explorer.state import PlaneSpec

RED, BLUE = (200, 20, 40), (10, 60, 220)


def split(x, labels=None):
    return Split(np.asarray(x, np.float32), labels)


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


def test_the_nearest_row_within_reach():
    x = np.random.default_rng(0).uniform(size=(40, 2))
    seen = finish(scatter(split(x), ("x", "y"), PlaneSpec()))
    for at in np.random.default_rng(1).uniform(-0.2, 1.2, (50, 2)):
        distance = np.linalg.norm(x.astype(np.float32) - at, axis=1)
        want = int(distance.argmin()) if distance.min() <= 0.1 else None
        assert nearest(seen, at, 0.1) == want

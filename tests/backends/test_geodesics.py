"""Paths in latent space against closed forms: lines, circles, and geodesics of surfaces that are known."""

import numpy as np
import pytest

from backends.base import InputError, finish
from backends.data import open_data
from backends.geodesics import (
    along,
    evenly,
    geodesic,
    great_circle,
    image_marks,
    steps,
    straight,
    subdivided,
)
from backends.run import Run
from resources import resource


def decoder(g):
    """What decodes by a function of rows, in slices of a few."""

    def decode(z):
        parts = []
        for start in range(0, len(z), 50):
            parts.append(np.asarray(g(z[start : start + 50]), np.float32))
            yield
        return np.concatenate(parts)

    return decode


def mean_of(model):
    """The decoder of a model."""
    return decoder(lambda z: model.decode(np.float32(z)).mean)


@pytest.fixture(scope="module")
def vae():
    return Run.open(resource("digits-vae.safetensors")).learner.snapshot()


@pytest.fixture(scope="module")
def ppca():
    run = Run.start("ppca", open_data("digits"), {"latent_dim": 6}, seed=0)
    run.step()
    return run.learner.snapshot()


def test_a_line_has_equal_steps_and_its_ends():
    a, b = np.array([1.0, 2.0, -1.0]), np.array([0.5, -3.0, 4.0])
    line = straight(a, b, 9)
    np.testing.assert_allclose(steps(line), np.linalg.norm(b - a) / 8)
    np.testing.assert_array_equal(line[[0, -1]], [a, b])


def test_a_great_circle_has_equal_angles_and_lengths_between_those_of_its_ends():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 50))
    path = great_circle(a, b, 17)
    lengths = np.linalg.norm(path, axis=1)
    np.testing.assert_allclose(lengths, np.linspace(lengths[0], lengths[-1], 17))
    unit = path / lengths[:, None]
    np.testing.assert_allclose(np.ptp(np.arccos((unit[1:] * unit[:-1]).sum(1))), 0, atol=1e-9)
    assert np.linalg.matrix_rank(path, tol=1e-9) == 2
    np.testing.assert_allclose(path[[0, -1]], [a, b], rtol=1e-12)


def test_no_great_circle_through_zero_or_between_opposite_points():
    a = np.array([1.0, 2.0])
    np.testing.assert_allclose(great_circle(a, 3 * a, 5), straight(a, 3 * a, 5))
    with pytest.raises(InputError, match="opposite"):
        great_circle(a, -2 * a, 5)
    with pytest.raises(InputError, match="other than 0"):
        great_circle(a, 0 * a, 5)


def test_equal_steps_of_image_length():
    curved = decoder(lambda z: np.column_stack([z[:, 0] ** 3, z[:, 1]]))
    path = straight(np.array([0.0, 0.0]), np.array([2.0, 1.0]), 40)
    even = finish(evenly(curved, path, 12))
    t = np.linspace(0, 1, 100_001)
    lengths = np.concatenate([[0], np.cumsum(steps(np.column_stack([8 * t**3, t])))])
    exact = np.interp(np.linspace(0, lengths[-1], 12), lengths, t)
    np.testing.assert_allclose(even, exact[:, None] * [2, 1], atol=2e-3)
    assert finish(image_marks(curved, path))[-1] == pytest.approx(lengths[-1], rel=1e-4)


def test_a_path_that_goes_nowhere_stays_there():
    points = np.ones((4, 2))
    np.testing.assert_array_equal(along(points, np.zeros(4), 7), np.ones((7, 2)))
    np.testing.assert_array_equal(subdivided(points, 3), np.ones((10, 2)))


def paths(work):
    """Every path that a search yields, and its result."""
    found = []
    while True:
        try:
            if (value := next(work)) is not None:
                found.append(value)
        except StopIteration as stop:
            return [*found, stop.value]


def test_on_a_linear_decoder_it_is_the_straight_line(ppca):
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, ppca.latent_dim))
    best = finish(geodesic(mean_of(ppca), a, b))
    np.testing.assert_array_equal(best.path, straight(a, b, len(best.path)))
    assert best.length == best.straight


def test_never_longer_than_the_straight_line_and_ever_shorter(vae):
    for seed in range(3):
        a, b = 1.5 * np.random.default_rng(seed).standard_normal((2, 2))
        found = paths(geodesic(mean_of(vae), a, b, 16))
        lengths = [f.length for f in found]
        assert lengths[0] == found[0].straight
        assert lengths == sorted(lengths, reverse=True)
        for one in found:
            np.testing.assert_allclose(one.path[[0, -1]], [a, b], atol=1e-12)
            assert finish(image_marks(mean_of(vae), one.path))[-1] == pytest.approx(one.length)
        assert lengths[-1] < lengths[0]


def test_on_a_sphere_it_is_the_great_circle():
    def sphere(z):  # longitude and latitude
        return np.column_stack([
            np.cos(z[:, 1]) * np.cos(z[:, 0]), np.cos(z[:, 1]) * np.sin(z[:, 0]), np.sin(z[:, 1])
        ])  # fmt: skip

    a, b = np.array([-1.0, 0.8]), np.array([1.0, 0.8])
    best = finish(geodesic(decoder(sphere), a, b))
    ends = sphere(np.stack([a, b]))
    exact = np.arccos(ends[0] @ ends[1])
    assert best.length == pytest.approx(exact, rel=1e-3)
    normal = np.cross(*ends) / np.linalg.norm(np.cross(*ends))
    assert np.abs(sphere(best.path) @ normal).max() < 0.01
    np.testing.assert_allclose(steps(sphere(best.path)), exact / (len(best.path) - 1), rtol=0.01)


def test_it_goes_round_a_hill_that_the_straight_line_crosses():
    hill = decoder(lambda z: np.column_stack([z, 6 * np.exp(-2 * (z**2).sum(1))]))
    a, b = np.array([-2.0, 0.0]), np.array([2.0, 0.0])
    best = finish(geodesic(hill, a, b))
    assert best.length < 0.5 * best.straight
    assert np.linalg.norm(best.path, axis=1).min() > 0.7


def test_it_begins_where_it_was(vae):
    a, b = np.array([-1.5, 1.0]), np.array([1.2, -1.0])
    best = finish(geodesic(mean_of(vae), a, b, 16))
    again = paths(geodesic(mean_of(vae), a, b + 0.01, 16, begin=best.path))
    assert again[0].length < 1.02 * best.length
    np.testing.assert_array_equal(again[-1].path[-1], b + 0.01)


def test_in_many_dimensions_and_between_equal_points():
    rng = np.random.default_rng(2)
    weights = rng.standard_normal((20, 12)) / 4
    bent = decoder(lambda z: np.tanh(z @ weights))
    a, b = 2 * rng.standard_normal((2, 20))
    best = finish(geodesic(bent, a, b, 8))
    assert best.length < best.straight
    same = finish(geodesic(bent, a, a, 8))
    assert (same.length, same.straight) == (0, 0)


def test_one_latent_dimension():
    best = finish(geodesic(decoder(np.sin), np.array([0.0]), np.array([1.0]), 8))
    assert best.length == pytest.approx(np.sin(1), rel=1e-5)

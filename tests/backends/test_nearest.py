"""The nearest of many points, against a look at all of them in 64 bits."""

import numpy as np
import pytest

from backends import nearest as module
from backends.base import finish
from backends.nearest import Neighbours


def brute(points, z):
    return np.linalg.norm(points.astype(np.float64) - z.astype(np.float64), axis=1)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Trees for few points already, and several of them."""
    monkeypatch.setattr(module, "FEW", 0)
    monkeypatch.setattr(module, "_PART", 300)
    monkeypatch.setattr(module, "_BLOCK", 1000)


def check(found, points, queries):
    for z in queries.astype(np.float32):
        distance = brute(points, z)
        assert found.nearest(z) == distance.argmin()
        assert found.within(z, 0.25) == (distance <= 0.25).sum()


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("trees", [0, 2, 5, 99])  # none, none yet, some, all
def test_trees_find_what_a_look_at_all_points_finds(k, trees):
    rng = np.random.default_rng(k)
    points = rng.standard_normal((1000, k)).astype(np.float32)
    found = Neighbours(points)
    work = found.build()
    for _ in range(2 * trees):
        next(work, None)
    check(found, points, rng.standard_normal((60, k)) * 1.5)


def test_on_a_plane_of_many_dimensions():
    rng = np.random.default_rng(0)
    points = (rng.standard_normal((1000, 20)) * np.geomspace(2, 0.01, 20) + 1).astype(np.float32)
    origin, (basis, _) = points.mean(0).astype(float), np.linalg.qr(rng.standard_normal((20, 2)))
    found = Neighbours(points)
    finish(found.build((np.zeros(20), np.eye(20)[:2])))  # of another plane
    finish(found.build((origin, basis.T)))
    check(found, points, origin + rng.standard_normal((60, 2)) @ basis.T)
    check(found, points, rng.standard_normal((20, 20)))  # off the plane
    alone = Neighbours(points)
    finish(alone.build())
    check(alone, points, origin + rng.standard_normal((20, 2)) @ basis.T)


def test_of_points_that_lie_together_one_is_the_nearest():
    points = np.repeat(np.array([[1, 1], [0, 0]], np.float32), 500, axis=0)
    found = Neighbours(points)
    assert found.nearest(np.array([0.1, 0], np.float32)) >= 500
    finish(found.build())
    assert found.nearest(np.array([0.1, 0], np.float32)) >= 500


def test_more_points_in_one_place_than_a_part_holds():
    points = np.concatenate([np.zeros((1500, 2)), np.random.default_rng(0).standard_normal((500, 2))])
    found = Neighbours(points.astype(np.float32))
    finish(found.build())
    assert max(len(part.rows) for part in found._parts) <= 600
    check(found, points.astype(np.float32), np.random.default_rng(1).standard_normal((40, 2)))


def test_without_points_there_is_no_nearest():
    found = Neighbours(np.zeros((0, 2), np.float32))
    finish(found.build())
    assert found.nearest(np.zeros(2, np.float32)) is None
    assert found.within(np.zeros(2, np.float32), 1.0) == 0

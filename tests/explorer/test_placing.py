"""What a hand does to components in a plane, against what is asked of the plane."""

import numpy as np
import pytest

from explorer.plane import Plane, coordinate_plane
from explorer.studies.placing import axes, coordinates_of, placed, pulled

FORMS = ("full", "tied", "diag", "spherical")


def any_plane(d, rng):
    basis, _ = np.linalg.qr(rng.normal(size=(d, 2)))
    return Plane(rng.normal(size=d), basis.T)


def components(form, k, d, rng):
    """Matrices (k, d, d) that this form can have."""
    if form in ("full", "tied"):
        root = rng.normal(size=(1 if form == "tied" else k, d, d + 2))
        own = root @ root.swapaxes(1, 2)
    else:
        own = rng.uniform(0.5, 3, (k, d if form == "diag" else 1, 1)) * np.eye(d)
    return np.full(k, 1 / k), rng.normal(size=(k, d)), np.broadcast_to(own, (k, d, d)).copy()


def matrices(covariances, form, k, d):
    """What a learner makes of the arrays of its form."""
    if form in ("full", "tied"):
        return np.broadcast_to(covariances, (k, d, d))
    return covariances[:, :, None] * np.eye(d)


@pytest.mark.parametrize("form", FORMS)
def test_a_moved_mean_is_where_it_was_put_and_nothing_else_changes(form):
    rng = np.random.default_rng(1)
    plane = any_plane(5, rng)
    weights, means, covariances = components(form, 3, 5, rng)
    w, m, c = placed(weights, means, covariances, form, plane, 1, np.array([0.7, -2.0]))
    np.testing.assert_allclose(plane.to_canvas(m[1:2])[0], [0.7, -2.0])
    off = np.eye(5) - plane.basis.T @ plane.basis
    np.testing.assert_allclose(off @ m[1], off @ means[1], atol=1e-12)  # as far off the plane as it was
    np.testing.assert_array_equal(m[[0, 2]], means[[0, 2]])
    np.testing.assert_allclose(matrices(c, form, 3, 5), covariances)
    np.testing.assert_array_equal(w, weights)


@pytest.mark.parametrize("d", [2, 5])
@pytest.mark.parametrize("form", ["full", "tied"])
def test_a_pulled_ellipse_is_seen_as_it_was_pulled(form, d):
    rng = np.random.default_rng(2)
    plane = coordinate_plane(2) if d == 2 else any_plane(d, rng)
    weights, means, covariances = components(form, 3, d, rng)
    wanted = np.array([[2.0, 0.6], [0.6, 0.5]])
    mean = plane.to_canvas(means[2:])[0]
    _, m, c = placed(weights, means, covariances, form, plane, 2, mean, wanted)
    own = matrices(c, form, 3, d)
    np.testing.assert_allclose(plane.basis @ own[2] @ plane.basis.T, wanted)
    np.testing.assert_allclose(m, means, atol=1e-12)
    off = np.eye(d) - plane.basis.T @ plane.basis
    np.testing.assert_allclose(off @ own[2] @ off, off @ covariances[2] @ off, atol=1e-9)
    assert np.linalg.eigvalsh(own[2]).min() > 0
    if form == "full":
        np.testing.assert_allclose(own[:2], covariances[:2])


def test_diagonal_covariances_follow_along_columns_and_grow_elsewhere():
    rng = np.random.default_rng(3)
    weights, means, covariances = components("diag", 2, 4, rng)
    plane = coordinate_plane(4, 3, 1)
    mean = plane.to_canvas(means[:1])[0]
    _, _, c = placed(weights, means, covariances, "diag", plane, 0, mean, np.diag([9.0, 4.0]))
    np.testing.assert_allclose(c[0], [covariances[0, 0, 0], 4, covariances[0, 2, 2], 9])
    plane = any_plane(4, rng)
    before = plane.basis @ covariances[0] @ plane.basis.T
    _, _, c = placed(weights, means, covariances, "diag", plane, 0, mean, 4 * before)
    np.testing.assert_allclose(c[0], 4 * np.diagonal(covariances[0]))


@pytest.mark.parametrize("axis", [0, 1])
def test_an_axis_of_a_full_covariance_ends_where_the_hand_is(axis):
    covariance = np.array([[3.0, 1.0], [1.0, 1.0]])
    to = np.array([0.3, 1.7])
    new = pulled(covariance, axis, to, "full", coordinate_plane(2))
    other = np.linalg.norm(axes(covariance)[1 - axis])
    # in the frame of the hand: its length along it, that of the other axis across
    along = to / np.linalg.norm(to)
    across = np.array([-along[1], along[0]])
    np.testing.assert_allclose(np.array([along, across]) @ new @ np.array([along, across]).T,
                               np.diag([to @ to, other**2]), atol=1e-12)  # fmt: skip


def test_other_forms_keep_their_form():
    plane, covariance = coordinate_plane(2), np.diag([4.0, 1.0])
    wide = pulled(covariance, 0, np.array([3.0, 0.5]), "diag", plane)  # from 2 to 3 along its axis
    np.testing.assert_allclose(wide, np.diag([9.0, 1.0]))
    ball = pulled(np.eye(2), 1, 2 * axes(np.eye(2))[1], "spherical", plane)
    np.testing.assert_allclose(ball, 4 * np.eye(2))


@pytest.mark.parametrize("form", FORMS)
def test_an_ellipse_that_is_pulled_to_nothing_keeps_a_little(form):
    own = np.eye(2) if form == "spherical" else np.diag([4.0, 1.0])
    new = pulled(own, 0, np.zeros(2), form, coordinate_plane(2))
    assert np.linalg.eigvalsh(new).min() > 0


def test_planes_of_columns_are_known():
    assert coordinates_of(coordinate_plane(5, 4, 2)) == (4, 2)
    assert coordinates_of(any_plane(3, np.random.default_rng(0))) is None

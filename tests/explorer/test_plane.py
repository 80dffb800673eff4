"""Planes: an isometry between the canvas and a flat piece of a space of any dimension."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backends.base import InputError
from explorer.plane import (
    Plane,
    coordinate_plane,
    plane_between,
    plane_through,
    principal_directions_left,
    principal_plane,
    subscript,
)
from explorer.planes.latent_plane import Known, in_plane, latent_plane, left_out
from explorer.state import Pin, PlaneSpec

SEEDS = st.integers(0, 2**32 - 1)
CANVAS = hnp.arrays(np.float64, st.tuples(st.integers(0, 20), st.just(2)), elements=st.floats(-50, 50))


@st.composite
def coordinate_planes(draw):
    dim = draw(st.integers(2, 200))
    i, j = draw(st.lists(st.integers(0, dim - 1), min_size=2, max_size=2, unique=True))
    return coordinate_plane(dim, i, j, np.random.default_rng(draw(SEEDS)).normal(size=dim))


@st.composite
def principal_planes(draw):
    rng, dim = np.random.default_rng(draw(SEEDS)), draw(st.integers(2, 200))
    return principal_plane(rng.normal(size=(draw(st.integers(1, 60)), dim)) * rng.uniform(0.1, 3, dim))


@st.composite
def planes_through(draw):
    rng, dim = np.random.default_rng(draw(SEEDS)), draw(st.integers(2, 200))
    return plane_through(*rng.normal(size=(3, dim)))


PLANES = st.one_of(coordinate_planes(), principal_planes(), planes_through())


@given(PLANES, CANVAS)
def test_the_canvas_survives_the_way_there_and_back(plane, uv):
    z = plane.to_space(uv)
    assert z.dtype == np.float32
    assert z.flags.c_contiguous
    assert z.shape == (len(uv), plane.dim)
    # float32 holds about 7 digits of coordinates that are at most 50 + |origin|, summed over dim of them
    np.testing.assert_allclose(plane.to_canvas(z), uv, atol=1e-4)
    np.testing.assert_allclose(plane.distance(z), 0, atol=1e-4)


@given(PLANES)
def test_the_basis_is_orthonormal(plane):
    np.testing.assert_allclose(plane.basis @ plane.basis.T, np.eye(2), atol=1e-9)


@given(PLANES, SEEDS)
def test_projection_is_orthogonal_and_idempotent(plane, seed):
    z = np.random.default_rng(seed).normal(size=(5, plane.dim))
    foot = plane.to_space(plane.to_canvas(z))
    np.testing.assert_allclose((z - foot) @ plane.basis.T, 0, atol=1e-4)
    np.testing.assert_allclose(plane.to_space(plane.to_canvas(foot)), foot, atol=1e-4)
    np.testing.assert_allclose(plane.distance(z), np.linalg.norm(z - foot, axis=1), atol=1e-4)


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_one_dimension_lies_along_the_first_axis(u, v):
    plane = coordinate_plane(1)
    assert plane.to_space(np.array([[u, v]])) == pytest.approx(np.float32(u))
    np.testing.assert_allclose(plane.to_canvas(np.array([[u]])), [[u, 0.0]])
    assert plane.labels == ("z₁", "")


def test_coordinate_planes_keep_the_other_coordinates():
    plane = coordinate_plane(4, 3, 1, origin=np.array([10.0, 20.0, 30.0, 40.0]))
    np.testing.assert_array_equal(plane.to_space(np.array([[1.0, 2.0]])), [[10.0, 2.0, 30.0, 1.0]])
    assert plane.labels == ("z₄", "z₂")


@pytest.mark.parametrize(
    ("dim", "i", "j"), [(2, 0, 0), (2, 0, 2), (2, -1, 0), (3, 1, -1), (1, 1, 0), (0, 1, 0)]
)
def test_coordinates_that_span_no_plane_are_refused(dim, i, j):
    with pytest.raises(ValueError, match="span"):
        coordinate_plane(dim, i, j)


@given(SEEDS, st.integers(2, 40))
def test_principal_directions_are_those_of_the_svd(seed, dim):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(100, dim)) * np.linspace(5.0, 1.0, dim) + rng.normal(size=dim)
    plane = principal_plane(points)
    np.testing.assert_allclose(plane.origin, points.mean(0))
    variance = np.linalg.svd(points - points.mean(0), compute_uv=False)[:2] ** 2
    shadow = plane.to_canvas(points)
    np.testing.assert_allclose((shadow**2).sum(0), variance, rtol=1e-6)


@given(SEEDS, st.integers(2, 60))
def test_signs_of_principal_directions_are_fixed(seed, dim):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(200, dim)) * np.geomspace(8.0, 1.0, dim)
    for basis in (principal_plane(points).basis, principal_plane(-points).basis):
        peaks = np.abs(basis).argmax(axis=1)
        assert (basis[[0, 1], peaks] > 0).all()
    np.testing.assert_allclose(principal_plane(points).basis, principal_plane(-points).basis, atol=1e-6)


def test_the_picture_does_not_flip_from_one_snapshot_to_the_next():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(500, 8)) * [6, 4, 1, 1, 1, 1, 1, 1]
    first, second = (principal_plane(points + 0.01 * rng.normal(size=points.shape)) for _ in range(2))
    assert (np.einsum("ij,ij->i", first.basis, second.basis) > 0.999).all()


@pytest.mark.parametrize("points", [np.zeros((5, 1)), np.zeros(5), np.zeros((2, 3, 4))])
def test_points_without_two_dimensions_have_no_principal_plane(points):
    with pytest.raises(ValueError, match="two or more dimensions"):
        principal_plane(points)


@given(st.integers(2, 50))
def test_points_that_all_lie_in_one_place_still_give_a_plane(dim):
    plane = principal_plane(np.ones((4, dim)))
    np.testing.assert_allclose(plane.basis @ plane.basis.T, np.eye(2), atol=1e-12)


@given(SEEDS, st.integers(2, 200))
def test_a_plane_through_three_points_holds_them(seed, dim):
    a, b, c = np.random.default_rng(seed).normal(size=(3, dim))
    plane = plane_through(a, b, c)
    shadow = plane.to_canvas(np.stack([a, b, c]))
    np.testing.assert_allclose(shadow[0], 0, atol=1e-12)
    np.testing.assert_allclose(shadow[1], [np.linalg.norm(b - a), 0], atol=1e-9)
    np.testing.assert_allclose(plane.distance(np.stack([a, b, c])), 0, atol=1e-5)
    assert shadow[2, 1] > 0


@given(SEEDS, st.integers(2, 50), st.floats(-5, 5))
def test_three_points_on_a_line_span_no_plane(seed, dim, share):
    a, b = np.random.default_rng(seed).normal(size=(2, dim))
    assume(np.linalg.norm(b - a) > 1e-3)
    with pytest.raises(ValueError, match=r"line|same"):
        plane_through(a, b, a + share * (b - a))
    with pytest.raises(ValueError, match="same"):
        plane_through(a, a, b)


def test_labels_are_written_with_subscripts():
    assert subscript(1203) == "₁₂₀₃"
    assert isinstance(coordinate_plane(2), Plane)


def test_beside_another_plane_the_principal_one_turns_within_itself():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(400, 5)) * (3, 2.9, 1, 0.5, 0.1)
    plane = principal_plane(points)
    angle = 1.1
    turn = np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]])  # and a reflection
    before = Plane(np.ones(5), turn @ plane.basis)
    after = principal_plane(points, before)
    np.testing.assert_allclose(after.basis, before.basis, atol=1e-9)
    np.testing.assert_allclose(after.origin, plane.origin)
    far = Plane(np.zeros(5), np.eye(5)[:2] @ np.linalg.qr(rng.normal(size=(5, 5)))[0])
    nearest = np.trace(principal_plane(points, far).basis @ far.basis.T)
    for t in np.linspace(0, 2 * np.pi, 50):
        c, s = np.cos(t), np.sin(t)
        for q in (np.array([[c, -s], [s, c]]), np.array([[c, s], [s, -c]])):
            assert np.trace(q @ plane.basis @ far.basis.T) <= nearest + 1e-9


# -- between two means, and what a plane leaves out ------------------------------------------------


@given(SEEDS, st.integers(2, 30))
def test_a_plane_between_two_points_leads_from_one_to_the_other(seed, dim):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, dim))
    points = rng.normal(size=(80, dim)) * np.linspace(4, 1, dim)
    plane = plane_between(a, b, points)
    np.testing.assert_allclose(plane.basis @ plane.basis.T, np.eye(2), atol=1e-9)
    half = np.linalg.norm(b - a) / 2
    np.testing.assert_allclose(plane.to_canvas(np.stack([a, b])), [[-half, 0], [half, 0]], atol=1e-9)
    rest = points - points.mean(0)
    rest = rest - np.outer(rest @ plane.basis[0], plane.basis[0])
    widest = np.linalg.svd(rest)[2][0]
    if dim > 2:  # of two dimensions only one direction is left
        assert np.square(rest @ plane.basis[1]).sum() == pytest.approx(
            np.square(rest @ widest).sum(), rel=1e-6
        )
    turned = plane_between(a, b, points, like=replace(plane, basis=plane.basis * [[1], [-1]]))
    np.testing.assert_allclose(turned.basis[1], -plane.basis[1])


def test_between_one_point_and_itself_there_is_no_plane():
    with pytest.raises(ValueError, match="same"):
        plane_between(np.ones(3), np.ones(3), np.zeros((4, 3)))


@given(SEEDS, st.integers(3, 40), st.integers(1, 12))
def test_directions_left_out_are_those_of_the_residual(seed, dim, most):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(120, dim)) * np.geomspace(6, 0.5, dim)
    plane = plane_through(*rng.normal(size=(3, dim)))
    found, std = principal_directions_left(plane, points, most)
    assert found.shape == (min(most, dim - 2), dim)
    both = np.concatenate([plane.basis, found])
    np.testing.assert_allclose(both @ both.T, np.eye(len(both)), atol=1e-9)
    rest = points - points.mean(0)
    rest = rest - rest @ plane.basis.T @ plane.basis
    singular = np.linalg.svd(rest, compute_uv=False)[: len(found)]
    np.testing.assert_allclose(std * np.sqrt(len(points)), singular, rtol=1e-6)
    again, _ = principal_directions_left(plane, points, most, like=found[::-1].copy())
    np.testing.assert_allclose(again, found[::-1], atol=1e-7)  # they keep their places


@given(SEEDS, st.integers(3, 30))
def test_a_plane_moves_along_what_it_leaves_out_and_back(seed, dim):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(60, dim)).astype(np.float32)
    plane = coordinate_plane(dim, 1, 2)
    left = left_out(plane, z)
    assert len(left.names) == min(dim - 2, 8)
    offsets = rng.normal(size=len(left.names))
    moved = replace(plane, left_out=left).moved(offsets)
    np.testing.assert_allclose((moved.origin - plane.origin) @ left.directions.T, offsets, atol=1e-9)
    np.testing.assert_allclose(
        moved.to_canvas(moved.origin[None]), plane.to_canvas(plane.origin[None]), atol=1e-9
    )
    np.testing.assert_array_equal(moved.moved(()).origin, plane.origin)
    np.testing.assert_allclose(left.mean, left.directions @ (z.mean(0) - plane.origin), atol=1e-5)
    if dim <= 10:  # coordinates, by their names
        others = [i for i in range(dim) if i not in (1, 2)]
        assert left.names == tuple(f"z{subscript(i + 1)}" for i in others)
        np.testing.assert_allclose(left.std, z.std(0)[others], rtol=1e-5)


# -- the plane that is asked for -------------------------------------------------------------------

MODEL = SimpleNamespace(latent_dim=5)


def known(pins=(), labels=True):
    rng = np.random.default_rng(1)
    groups = np.arange(90) % 3
    z = (rng.normal(size=(90, 5)) + 3 * np.eye(5)[groups]).astype(np.float32)
    return Known(z, groups if labels else None, ("a", "b", "c"), pins)


def test_a_plane_between_labels_goes_through_their_means():
    plane = latent_plane(MODEL, PlaneSpec("labels", 0, 2), known(), None)
    means = [known().z[known().labels == label].mean(0) for label in (0, 2)]
    (u0, v0), (u1, v1) = plane.to_canvas(np.stack(means))
    assert u1 == pytest.approx(-u0)
    assert u1 > 0
    assert v0 == pytest.approx(0, abs=1e-6)
    assert v1 == pytest.approx(0, abs=1e-6)
    assert plane.labels[0] == "mean of a → c"
    assert len(plane.left_out.names) == 3


def test_of_encodings_of_some_rows_each_keeps_its_label():
    rows = np.sort(np.random.default_rng(4).permutation(90)[:50])
    some = replace(known(), z=known().z[rows], rows=rows).some()
    np.testing.assert_array_equal(some.labels, known().labels[rows])


def test_a_plane_through_pins_holds_them_and_one_on_a_line_is_refused():
    z = np.random.default_rng(2).normal(size=(3, 5))
    pins = tuple(Pin(name, tuple(row)) for name, row in zip("ABC", z, strict=True))
    spec = PlaneSpec("pins", pins=("B", "A", "C"))
    plane = latent_plane(MODEL, spec, known(pins), None)
    np.testing.assert_allclose(plane.to_canvas(z[1:2]), 0, atol=1e-9)
    assert in_plane(plane, z)
    assert not in_plane(plane, [z[0] + 1])
    assert plane.labels == ("B → A", "towards C")
    bad = (*pins[:2], Pin("C", tuple(2 * z[0] - z[1])))
    with pytest.raises(InputError, match="B, A and C span no plane"):
        latent_plane(MODEL, spec, known(bad), None)


@pytest.mark.parametrize("spec", [PlaneSpec("pins", pins=("A", "B", "C")), PlaneSpec("labels", 0, 7)])
def test_where_it_would_go_through_is_not_there_principal_directions_stand_in(spec):
    principal = latent_plane(MODEL, PlaneSpec("principal"), known(), None)
    np.testing.assert_array_equal(latent_plane(MODEL, spec, known(), None).basis, principal.basis)
    nothing = Known(np.zeros((0, 5), np.float32))
    np.testing.assert_array_equal(latent_plane(MODEL, spec, nothing, None).origin, np.zeros(5))


@pytest.mark.parametrize(("dim", "i", "j"), [(1, 1, 0), (1, 0, 1), (2, 1, 4)])
def test_coordinates_chosen_in_another_latent_space_give_way_to_the_first(dim, i, j):
    nothing = Known(np.zeros((0, dim), np.float32))
    plane = latent_plane(SimpleNamespace(latent_dim=dim), PlaneSpec("coordinates", i, j), nothing, None)
    np.testing.assert_array_equal(plane.basis, np.eye(2)[:, :dim])


def test_offsets_move_the_plane_that_is_asked_for():
    plane = latent_plane(MODEL, PlaneSpec("coordinates", 0, 3, offsets=(0.5, -1.0)), known(), None)
    np.testing.assert_allclose(plane.origin, [0, 0.5, -1.0, 0, 0])

"""Paths through latent space: what is computed along them, and the hand that draws them."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from backends import nearest
from backends.base import InputError, finish
from backends.data import open_data
from backends.run import Run
from explorer.paths import pins
from explorer.paths.lanes import summary
from explorer.paths.walk import NEIGHBOURS, Route, counts, counts_near, route_of, speeds, typical_radius, walk
from explorer.session import Encodings
from explorer.state import FilmSpec, PathSpec, State, from_json, to_json
from tests.runs import saved_run

from .conftest import send_mouse

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton


@pytest.fixture(scope="module")
def vae(small_run):
    return Run.open(small_run).learner.snapshot()


@pytest.fixture(scope="module")
def encodings(vae):
    return Encodings(0, "train", vae.encode(open_data("digits").train.x).mean)


@pytest.fixture(scope="module")
def ppca():
    run = Run.start("ppca", open_data("digits"), {"latent_dim": 5}, seed=0)
    run.step()
    return run.learner.snapshot()


def joined(kind, *ends):
    return Route(kind, np.array(ends, float))


# -- what is set -----------------------------------------------------------------------------------


def test_paths_survive_the_settings_exactly():
    points = tuple(map(tuple, np.random.default_rng(0).standard_normal((7, 200)).tolist()))
    state = State(path=PathSpec("drawn", "A", "B", points), film=FilmSpec(60, "image", 24, "loop"))
    assert from_json(to_json(state)) == state


def test_what_there_is_of_a_path():
    state = State(path=PathSpec("straight", "A", "B"))
    assert route_of(State(), 2) is None
    assert "two pins" in route_of(state, 2)
    for name in "AB":
        state = pins.with_pin(state, name, np.ones(2))
    assert "same place" in route_of(state, 2)
    state = pins.with_pin(state, "B", np.zeros(2))
    np.testing.assert_array_equal(route_of(state, 2).points, [[1, 1], [0, 0]])
    assert "two pins" in route_of(state, 3)
    third = pins.with_pin(replace(state, path=PathSpec("straight", "B", "gone")), "C", np.full(2, 2.0))
    np.testing.assert_array_equal(route_of(third, 2).points, [[0, 0], [2, 2]])  # the last in place of "gone"
    drawn = replace(state, path=PathSpec("drawn", points=((0.0, 1.0), (1.0, 1.0))))
    np.testing.assert_array_equal(route_of(drawn, 2).points, [[0, 1], [1, 1]])
    assert route_of(drawn, 3) is None


# -- what lies along it ----------------------------------------------------------------------------


def test_lengths_of_the_straight_line_and_of_the_shortest_are_measured_alike(vae, encodings):
    ends = [-1, 0.5], [2, -1]
    shortest = finish(walk(vae, joined("shortest", *ends), FilmSpec(13), encodings))
    there = finish(walk(vae, joined("straight", *ends), FilmSpec(13), encodings))
    assert shortest.shortest.straight == pytest.approx(there.image[-1], rel=1e-6)
    assert shortest.shortest.length == pytest.approx(shortest.image[-1], rel=1e-6)


def test_the_lengths_that_are_told_are_those_of_the_path_and_of_its_image(vae, encodings):
    a, b = np.array([-1.5, 0.5]), np.array([2.0, -1.0])

    def image_length(line):
        way = np.concatenate([np.linspace(p, q, 400) for p, q in pairwise(line)])
        return np.linalg.norm(np.diff(vae.decode(way.astype(np.float32)).mean, axis=0), axis=1).sum()

    def told(kind):
        found = finish(walk(vae, joined(kind, a, b), FilmSpec(13), encodings))
        return found, [float(n) for n in re.findall(r"\d+\.\d+", summary(found))]

    straight = finish(walk(vae, joined("straight", a, b), FilmSpec(13), encodings)).line
    found, (z, x) = told("straight")
    assert (z, x) == pytest.approx((np.linalg.norm(b - a), image_length(straight)), abs=0.006)
    found, (z, x, other) = told("shortest")
    assert z == pytest.approx(np.linalg.norm(np.diff(found.line, axis=0), axis=1).sum(), abs=0.006)
    assert (x, other) == pytest.approx((image_length(found.line), image_length(straight)), abs=0.012)
    assert x < other


def test_frames_at_equal_steps_of_the_latent_are_what_decodes_there(vae, encodings):
    found = finish(walk(vae, joined("straight", [-1, 0.5], [2, -1]), FilmSpec(13), encodings))
    t = np.linspace(0, 1, 13)[:, None]
    np.testing.assert_allclose(found.z, (1 - t) * [-1, 0.5] + t * [2, -1], atol=1e-6)
    np.testing.assert_allclose(found.mean, vae.decode(found.z).mean, atol=1e-6)
    np.testing.assert_allclose(found.latent, np.hypot(3, 1.5) * t[:, 0])
    np.testing.assert_allclose(found.log_prior, vae.log_prior(found.z))


def test_frames_at_equal_steps_of_the_image(vae):
    found = finish(walk(vae, joined("straight", [-2, 0], [2, 0]), FilmSpec(20, "image"), None))
    fine = vae.decode(np.column_stack([np.linspace(-2, 2, 20_001), np.zeros(20_001)]).astype(np.float32)).mean
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(fine.astype(float), axis=0), axis=1))])
    exact = np.interp(np.linspace(0, lengths[-1], 20), lengths, np.linspace(-2, 2, 20_001))
    np.testing.assert_allclose(found.z[:, 0], exact, atol=0.02)
    np.testing.assert_allclose(found.image, np.linspace(0, lengths[-1], 20), rtol=0.01)
    assert found.within is None


def test_a_drawn_path_keeps_its_corners(vae):
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    found = finish(walk(vae, Route("drawn", corners), FilmSpec(5), None))
    np.testing.assert_allclose(found.z, [[0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1]], atol=1e-6)
    np.testing.assert_array_equal(found.line, corners)


def test_speed_is_that_of_the_metric(vae, ppca):
    for model in (vae, ppca):
        rng = np.random.default_rng(3)
        a, b = rng.standard_normal((2, model.latent_dim))
        places = a + np.linspace(0, 1, 9)[:, None] * (b - a)
        unit = (b - a) / np.linalg.norm(b - a)
        exact = np.sqrt(np.einsum("i,nij,j->n", unit, model.metric(places.astype(np.float32)), unit))
        found = finish(speeds(model, places, np.tile(unit, (9, 1))))
        np.testing.assert_allclose(found, exact, rtol=2e-3)


@pytest.mark.parametrize("spacing", ["latent", "image"])
def test_speed_is_along_the_path_and_not_across_its_bends(spacing):
    """Of few frames on a path of three sides, each along an axis; the decoder is smooth."""
    run = Run.start("vae", open_data("digits"), {"activation": "tanh", "width": 16}, seed=0)
    run.step()
    vae = run.model()
    corners = np.array([[0.0, 0.0], [0.9, 0.0], [0.9, 0.0], [0.9, 0.7], [-0.5, 0.7]])
    found = finish(walk(vae, Route("drawn", corners), FilmSpec(6, spacing=spacing), None))
    metric = vae.metric(found.z)
    along = (found.z[:, 1] > 1e-6) & (found.z[:, 1] < 0.7 - 1e-6)
    assert 1 <= along.sum() <= 3
    exact = np.sqrt(np.where(along, metric[:, 1, 1], metric[:, 0, 0]))
    np.testing.assert_allclose(found.speed, exact, rtol=2e-3)


def test_counts_are_those_of_brute_force_and_the_radius_is_typical(encodings):
    z = np.random.default_rng(0).standard_normal((11, 2)).astype(np.float32)
    radius = finish(typical_radius(encodings))
    distance = np.linalg.norm(encodings.z[:, None].astype(float) - z, axis=2)
    np.testing.assert_array_equal(finish(counts(encodings.z, z, radius)), (distance <= radius).sum(0))
    among = np.linalg.norm(encodings.z[:, None].astype(float) - encodings.z, axis=2)
    assert np.median((among <= radius).sum(0) - 1) == pytest.approx(NEIGHBOURS, abs=2)


@pytest.mark.parametrize("spread", [0.2, 5.0])
def test_along_a_path_encodings_count_within_their_radius_or_a_quarter(vae, encodings, spread):
    known = Encodings(0, "train", (spread * encodings.z).astype(np.float32))
    found = finish(walk(vae, joined("straight", [-1, 0], [1, 1]), FilmSpec(7), known))
    assert found.radius == max(finish(typical_radius(known)), 0.25)
    distance = np.linalg.norm(known.z[:, None].astype(float) - found.z, axis=2)
    np.testing.assert_array_equal(found.within, (distance <= found.radius).sum(0))


@pytest.mark.parametrize("built", [False, True])
def test_counts_of_very_many_come_from_their_trees(monkeypatch, built):
    monkeypatch.setattr(nearest, "FEW", 0)
    monkeypatch.setattr(nearest, "_PART", 300)
    rng = np.random.default_rng(0)
    known = Encodings(0, "train", rng.standard_normal((1000, 2)).astype(np.float32))
    if built:
        finish(known.neighbours.build())
    z = rng.standard_normal((9, 2)).astype(np.float32)
    distance = np.linalg.norm(known.z[:, None].astype(float) - z, axis=2)
    assert known.neighbours.everywhere == built
    np.testing.assert_array_equal(finish(counts_near(known, z, 0.3)), (distance <= 0.3).sum(0))


def test_counts_are_right_between_clusters_that_lie_far_apart():
    rng = np.random.default_rng(0)
    values = (rng.normal(0, 0.3, (2000, 2)) + 500 * rng.integers(2, size=(2000, 1))).astype(np.float32)
    distances = np.linalg.norm(values[:20, None].astype(float) - values, axis=2)
    np.testing.assert_array_equal(finish(counts(values, values[:20], 0.1)), (distances <= 0.1).sum(1))
    near = np.linalg.norm(values[:, None].astype(float) - values, axis=2)
    assert finish(typical_radius(Encodings(0, "train", values))) == pytest.approx(
        np.median(np.partition(near, 20, axis=1)[:, 20]), rel=0.15
    )


def test_the_shortest_path_gets_shorter_and_ends_complete(vae, encodings):
    found = [w for w in run(walk(vae, joined("shortest", [-2, 1], [2, -1]), FilmSpec(16), encodings)) if w]
    lengths = [w.shortest.length for w in found]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < found[0].shortest.straight == lengths[0]
    assert [w.complete for w in found] == [False] * (len(found) - 1) + [True]
    np.testing.assert_allclose(found[-1].z[[0, -1]], [[-2, 1], [2, -1]], atol=1e-6)


def run(work):
    while True:
        try:
            yield next(work)
        except StopIteration as stop:
            yield stop.value
            return


def test_a_great_circle_between_opposite_points_is_a_sentence(vae):
    with pytest.raises(InputError, match="opposite"):
        finish(walk(vae, joined("circle", [1, 1], [-1, -1]), FilmSpec(), None))


# -- the hand --------------------------------------------------------------------------------------


def draw(program, *places, keys=Qt.KeyboardModifier.NoModifier):
    viewport = program.map.canvas.viewport()
    pixels = [program.pixel_of(*place) for place in places]
    send_mouse(viewport, QEvent.Type.MouseButtonPress, pixels[0], LEFT, LEFT, keys)
    for a, b in pairwise(pixels):
        for share in np.linspace(0.1, 1, 10):
            send_mouse(viewport, QEvent.Type.MouseMove, a + share * (b - a), NONE, LEFT, keys)
    send_mouse(viewport, QEvent.Type.MouseButtonRelease, pixels[-1], LEFT, NONE, keys)


def walked(program):
    """Until what lies along the path that is set has been computed."""
    session = program.session

    def there():
        route, found = route_of(session.state, session.model.latent_dim), session.walk
        ends = found is not None and found.complete and found.line[[0, -1]]
        return ends is not False and np.allclose(ends, route.points[[0, -1]], atol=1e-6)

    program.until(there)
    return session.walk


def test_dragging_draws_a_path_that_is_seen_and_can_be_undone(program):
    view, before = program.map.view(), program.pixels(program.map.canvas)
    draw(program, (-1.5, 0.0), (0.0, 1.0), (1.5, 0.0))
    spec = program.session.state.path
    assert spec.kind == "drawn"
    points = np.array(spec.points)
    np.testing.assert_allclose(points[[0, -1]], [[-1.5, 0], [1.5, 0]], atol=0.05)
    assert points[:, 1].max() == pytest.approx(1, abs=0.05)
    assert program.map.view() == view
    found = walked(program)
    assert len(found) == program.session.state.film.frames
    np.testing.assert_allclose(found.z[[0, -1]], points[[0, -1]], atol=1e-5)
    at = program.pixel_of(-0.75, 0.5)
    part = slice(at.y() - 4, at.y() + 5), slice(at.x() - 4, at.x() + 5)
    assert (np.abs(program.pixels(program.map.canvas)[part] - before[part]).sum(2) > 40).sum() > 10
    program.session.undo()
    assert program.session.state.path == PathSpec()
    program.until(lambda: program.session.walk is None)
    assert not len(program.map.path.item.line)


def test_the_point_follows_the_hand_that_draws(program):
    draw(program, (0.0, 0.0), (1.0, 0.5))
    session, viewport = program.session, program.map.canvas.viewport()
    np.testing.assert_allclose(session.point, session.state.path.points[-1], atol=1e-6)
    begin, end = program.pixel_of(-1, 0), program.pixel_of(-1, 1)
    send_mouse(viewport, QEvent.Type.MouseButtonPress, begin, LEFT, LEFT)
    send_mouse(viewport, QEvent.Type.MouseMove, end, NONE, LEFT)
    points, near = session.state.path.points, end + QPoint(1, 0)
    send_mouse(viewport, QEvent.Type.MouseMove, near, NONE, LEFT)
    assert session.state.path.points == points  # a pixel on, it needs no other point
    np.testing.assert_allclose(session.point, program.map.canvas.at(QPointF(near)), atol=1e-6)
    send_mouse(viewport, QEvent.Type.MouseButtonRelease, near, LEFT, NONE)


def test_a_stroke_ends_where_another_latent_space_is_opened(program, tmp_path):
    values = {"latent_dim": 1, "width": 8}
    line = saved_run(tmp_path / "line.safetensors", "vae", "digits", values)
    viewport, session = program.map.canvas.viewport(), program.session
    send_mouse(viewport, QEvent.Type.MouseButtonPress, program.pixel_of(-1, 0), LEFT, LEFT)
    send_mouse(viewport, QEvent.Type.MouseMove, program.pixel_of(0, 0.5), NONE, LEFT)
    before = session.state.path
    assert before.kind == "drawn"
    program.actions.open(line)
    program.until(lambda: session.model.latent_dim == 1)
    program.settle()
    send_mouse(viewport, QEvent.Type.MouseMove, program.pixel_of(1, 0), NONE, LEFT)
    send_mouse(viewport, QEvent.Type.MouseButtonRelease, program.pixel_of(1, 0), LEFT, NONE)
    assert session.state.path.points in ((), before.points)


def test_a_click_without_a_drag_still_holds_the_point(program):
    program.click_map(0.5, 0.5)
    assert program.map.held
    assert program.session.state.path == PathSpec()


def test_with_shift_a_drag_moves_the_map(program):
    view = program.map.view()
    begin, end = program.pixel_of(0, 0), program.pixel_of(1, 1)
    viewport, shift = program.map.canvas.viewport(), Qt.KeyboardModifier.ShiftModifier
    send_mouse(viewport, QEvent.Type.MouseButtonPress, begin, LEFT, LEFT, shift)

    def moved():
        send_mouse(viewport, QEvent.Type.MouseMove, end, NONE, LEFT, shift)
        return program.map.view() != view

    program.until(moved)
    send_mouse(viewport, QEvent.Type.MouseButtonRelease, end, LEFT, NONE, shift)
    assert program.session.state.path == PathSpec()


def test_enter_draws_a_path_by_keys(program):
    canvas, session = program.map.canvas, program.session
    program.hover(0.0, 0.0)
    corners = []
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Left):
        for _ in range(5):
            QTest.keyClick(canvas, key)
        QTest.keyClick(canvas, Qt.Key.Key_Return)
        corners.append(session.point.tolist())
    QTest.keyClick(canvas, Qt.Key.Key_Return)  # there already
    np.testing.assert_array_equal(session.state.path.points, corners)
    found = walked(program)
    assert found.latent[-1] == pytest.approx(np.linalg.norm(np.diff(corners, axis=0), axis=1).sum())
    session.undo()
    np.testing.assert_array_equal(session.state.path.points, corners[:2])
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    QTest.keyClick(canvas, Qt.Key.Key_Return)  # another path begins
    assert session.state.path.points == (tuple(corners[2]),)


def test_a_long_path_is_thinned_and_keeps_its_ends(program):
    circle = [(2 * np.cos(t), 2 * np.sin(t)) for t in np.linspace(0, 12, 120)]
    draw(program, *circle)
    points = np.array(program.session.state.path.points)
    assert 60 < len(points) <= 201
    ends = [program.map.canvas.at(QPointF(program.pixel_of(*at))) for at in (circle[0], circle[-1])]
    np.testing.assert_allclose(points[[0, -1]], ends, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 2, atol=0.1)


def test_a_path_between_pins_follows_them_and_the_training(program):
    session = program.session
    state = pins.with_pin(pins.with_pin(session.state, "A", np.array([-1.0, 0.0])), "B", np.array([1.0, 1.0]))
    session.apply(replace(state, path=PathSpec("shortest", "A", "B")), "join")
    first = walked(program)
    session.apply(pins.with_pin(session.state, "B", np.array([1.0, -1.0])), "move")
    program.until(lambda: session.walk.z[-1][1] < 0 and session.walk.complete)
    program.trigger("step")
    program.paused()
    program.until(lambda: session.walk.step > first.step)
    session.apply(pins.without(session.state, "A"), "delete")
    program.until(lambda: session.walk is None)
    assert "two pins" in session.no_walk


def test_through_a_plane_of_many_dimensions(start, tmp_path):
    values = {"width": 16, "depth": 1, "latent_dim": 50}
    program = start(saved_run(tmp_path / "many.safetensors", "vae", "digits", values, steps=1))
    program.wait_for_run()
    program.settle()
    draw(program, (-1.0, 0.0), (1.0, 1.0))
    found, plane = walked(program), program.session.plane
    assert found.z.shape == (24, 50)
    np.testing.assert_allclose(plane.distance(found.z), 0, atol=1e-4)
    np.testing.assert_allclose(plane.to_canvas(found.z[[0, -1]]), [[-1, 0], [1, 1]], atol=0.1)

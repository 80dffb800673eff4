"""The path as a film: frames, lanes, playing; by mouse and by keys."""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest

from explorer.paths import pins
from explorer.paths.player import Player, following
from explorer.state import FilmSpec, PathSpec
from explorer.style.theme import theme
from explorer.widgets.film_strip import LABELS, LEAST_TILE, Layout
from tests.runs import saved_run

from .test_paths import draw, walked


@pytest.mark.parametrize(
    ("play", "frames"),
    [("once", [0, 1, 2]), ("loop", [0, 1, 2, 0, 1, 2, 0]), ("back", [0, 1, 2, 1, 0, 1, 2])],
)
def test_the_order_of_frames(play, frames):
    seen, now = [0], (0, 1)
    while len(seen) < 7 and (now := following(*now, 3, play)) is not None:
        seen.append(now[0])
    assert seen == frames


def test_backwards():
    assert following(0, -1, 5, "loop") == (4, -1)
    assert following(0, -1, 5, "back") == (1, 1)
    assert following(0, -1, 5, "once") is None
    assert following(0, 1, 1, "back") is None


@pytest.mark.parametrize("frames", [2, 12, 24, 240])
@pytest.mark.parametrize("width", [150, 537, 1400])
@pytest.mark.parametrize("aspect", [0.5, 1.0, 2.0])
def test_tiles_lie_apart_in_the_room_they_have(frames, width, aspect):
    layout = Layout.of(frames, width, 60, aspect)
    assert layout.lefts[0] == 0
    assert layout.lefts[-1] + layout.tile_width <= width
    assert layout.tile_height <= 60
    if len(layout.lefts) > 1:
        assert np.diff(layout.lefts).min() >= layout.tile_width
        assert layout.tile_width >= min(LEAST_TILE, int(60 * aspect))
    for place, frame in zip(layout.lefts, layout.shown, strict=True):
        centre = layout.centres(frames, width)[frame]
        assert centre == pytest.approx(place + layout.tile_width / 2, abs=1)
        assert layout.frame_at(centre, frames, width) == frame


@pytest.fixture
def film(program):
    """The film of a drawn path."""
    draw(program, (-1.5, 0.0), (1.5, 1.0))
    walked(program)
    panel = program.window.suited["path"]
    program.until(lambda: panel.strip._picture is not None)
    return panel


def test_a_path_brings_its_film_into_view(program, film):
    assert not film.visibleRegion().isEmpty()
    program.window.docks["curves"].raise_()
    program.until(lambda: film.visibleRegion().isEmpty())
    draw(program, (0.0, 0.0), (1.0, -1.0))
    program.until(lambda: not film.visibleRegion().isEmpty())


def test_what_is_painted_piece_by_piece_is_what_is_painted_anew(program, film):
    for place in ((1.0, -1.0), (-1.0, -1.5), (-1.2, 1.3)):
        draw(program, (0.4, 0.6), place, (0.1, 0.1))
        program.on_screen(film)  # while the hand moves
    walked(program)
    program.settle()
    program.until(lambda: not program.program.exploration.busy("film"))
    cards = [program.window.docks[name] for name in ("path", "map", "cursor")]
    for widget in (film.strip, program.map.canvas, *cards):
        seen, anew = program.on_screen(widget), program.pixels(widget)
        assert np.abs(seen - anew).max() <= 2, widget
    assert all(curves_on_screen(program, film))


def test_a_path_that_goes_and_comes_lays_out_nothing(program, film):
    session, datum = program.session, program.window.cursor_panel.datum_rows
    program.until(lambda: datum.value("gap") != "–")  # its rows take their places with the first numbers
    counts = []
    for _ in range(3):  # whatever else comes for the first time may lay something out, once
        with program.layouts() as layouts:
            session.apply(replace(session.state, path=PathSpec()), "no path")
            program.until(lambda: film.empty.isVisible() and not film.strip.isVisible())
            draw(program, (0.0, 0.0), (1.0, -1.0))
            program.until(lambda: film.strip.isVisible() and not film.empty.isVisible())
            walked(program)
            program.settle()
        counts.append(layouts.count)
    assert min(counts) == 0


def test_of_larger_tiles_nothing_is_left_in_a_smaller_window(program, film):
    for size in ((1600, 1000), (1100, 760)):
        program.window.resize(*size)
        program.on_screen(film)
        program.settle()
        program.until(lambda: not program.program.exploration.busy("film"))
        program.until(lambda: film.strip._picture.width() == round(film.strip.room().width()))
    seen, anew = program.on_screen(film.strip), program.pixels(film.strip)
    assert np.abs(seen - anew).max() <= 2


def curves_on_screen(program, film):
    """Whether each lane's curve is on the screen, in its colour."""
    pixels = program.on_screen(film.strip)
    for k, rect in enumerate(film.strip._lane_rects()):
        colour = np.array(QColor(theme().tokens.curve(2 * k)).getRgb()[:3])
        lane = pixels[int(rect.top()) : int(rect.bottom()), LABELS:]
        yield bool((np.abs(lane - colour).max(-1) < 40).any())


def test_the_strip_shows_what_decodes(program, film):
    pixels, walk = program.pixels(film.strip), program.session.walk
    room, layout = film.strip.room(), film.strip.arrangement()
    for k in (1, len(layout.shown) - 1):
        left = room.left() + layout.lefts[k]
        tile = pixels[room.top() : room.top() + layout.tile_height, left : left + layout.tile_width, 0]
        small = walk.mean[layout.shown[k]].reshape(8, 8)
        rows, columns = (np.linspace(2, n - 3, 8).astype(int) for n in tile.shape)
        assert np.corrcoef(tile[np.ix_(rows, columns)].ravel(), small.ravel())[0, 1] > 0.7


def test_a_frame_moves_the_point_by_mouse_and_by_keys(program, film):
    walk, strip = program.session.walk, film.strip
    room, layout = strip.room(), strip.arrangement()
    x = room.left() + layout.centres(len(walk), room.width())[layout.shown[2]]
    program.click(strip, QPoint(round(x), room.center().y()))
    np.testing.assert_array_equal(program.session.point, walk.z[layout.shown[2]])
    strip.setFocus()
    QTest.keyClick(strip, Qt.Key.Key_Right)
    np.testing.assert_array_equal(program.session.point, walk.z[layout.shown[2] + 1])
    QTest.keyClick(strip, Qt.Key.Key_End)
    np.testing.assert_array_equal(program.session.point, walk.z[-1])
    assert f"frame {len(walk)} of {len(walk)}" in strip.accessibleDescription()


def test_it_plays_there_and_back_and_pauses(program, film):
    session, seen = program.session, []
    session.point_changed.connect(lambda z: seen.append(film.player.frame))
    session.apply(replace(session.state, film=FilmSpec(12, speed=60)), "film")
    program.until(lambda: len(session.walk) == 12)
    program.trigger("play-path")
    program.until(lambda: len(seen) > 16)
    program.trigger("play-path")
    assert film.player.asked == 0
    frames = np.array(seen)
    assert frames.max() == 11
    assert (np.diff(frames) < 0).any()
    stopped = len(seen)
    program.settle()
    assert len(seen) == stopped


def test_with_more_frames_it_stays_where_it_was_on_the_path(program, film):
    session = program.session
    film.strip.pointed.emit(18)  # of 24
    place = session.point
    session.apply(replace(session.state, film=FilmSpec(192)), "film")
    program.until(lambda: len(session.walk) == 192)
    assert film.strip.frame == film.player.frame
    step = np.abs(np.diff(session.walk.z, axis=0)).max()
    np.testing.assert_allclose(session.walk.z[film.player.frame], place, atol=step)


def test_backwards_once_begins_at_the_end(program, film):
    session = program.session
    session.apply(replace(session.state, film=FilmSpec(12, speed=60, play="once")), "film")
    program.until(lambda: len(session.walk) == 12)
    film.player.frame = 0
    program.click(film.buttons[-1])
    assert film.player.frame == 11
    program.until(lambda: film.player.asked == 0)
    assert film.player.frame == 0


def test_pins_are_joined_in_the_bar(program):
    session, panel = program.session, program.window.suited["path"]
    program.window.docks["path"].raise_()
    state = session.state
    for name, z in (("A", [-1.0, 0.5]), ("B", [1.0, 1.0]), ("C", [0.0, -1.5])):
        state = pins.with_pin(state, name, np.array(z))
    session.apply(state, "pins")
    bar = panel.bar
    bar.kind.setCurrentIndex(bar.kind.findData("shortest"))
    bar.kind.activated.emit(bar.kind.currentIndex())
    assert session.state.path == PathSpec("shortest", "A", "C")
    walk = walked(program)
    np.testing.assert_allclose(walk.z[[0, -1]], [[-1, 0.5], [0, -1.5]], atol=1e-6)
    bar.end.setCurrentIndex(1)
    bar.end.activated.emit(1)
    assert session.state.path == PathSpec("shortest", "A", "B")
    program.until(lambda: "straight line" in program.window.docks["path"].status.text())
    session.undo()
    session.undo()
    assert session.state.path == PathSpec()
    assert bar.kind.currentData() == "nothing"


def test_a_path_without_its_pin_says_so(program):
    session, panel = program.session, program.window.suited["path"]
    session.apply(replace(session.state, path=PathSpec("straight", "A", "B")), "join")
    program.until(lambda: bool(session.no_walk))
    assert "two pins" in panel.empty.text()
    assert not panel.bar.export.isEnabled()


def test_empty_space_is_shaded(program, film):
    session = program.session
    z = session.encodings.z
    densest = z[(np.linalg.norm(z[:, None] - z, axis=2) < 0.2).sum(axis=1).argmax()]
    outside = z[np.linalg.norm(z - densest, axis=1).argmax()]
    draw(program, densest, densest + 2 * (outside - densest))
    walk = walked(program)
    assert walk.within.min() == 0
    room, layout, pixels = film.strip.room(), film.strip.arrangement(), program.pixels(film.strip)
    row = round(film.strip._lane_rects()[2].top())  # between two lanes
    known = np.flatnonzero(walk.within > 0)[1:]  # the first is marked as the frame that is shown
    full = known[walk.speed[known].argmin()]
    x = room.left() + layout.centres(len(walk), room.width())[[full, walk.within.argmin()]]
    there, beyond = (pixels[row, round(at)] for at in x)
    assert beyond[0] - there[0] > 15  # towards amber


def test_two_dimensional_data_are_drawn_as_a_plane(start, tmp_path):
    values = {"width": 16, "depth": 1, "decoder": "gaussian"}
    program = start(saved_run(tmp_path / "moons.safetensors", "vae", "two-moons", values, steps=1))
    program.wait_for_run()
    program.settle()
    draw(program, (-1.0, 0.0), (1.0, 1.0))
    walk = walked(program)
    panel = program.window.suited["path"]
    assert panel.plane.isVisible()
    assert not panel.strip.images
    np.testing.assert_allclose(panel.plane._mean, walk.mean)
    panel.strip.setFocus()
    QTest.keyClick(panel.strip, Qt.Key.Key_End)
    np.testing.assert_array_equal(program.session.point, walk.z[-1])


def test_a_film_leaves_frames_out_and_never_lags(program):
    player, moves, busy = Player(program.window), [], 0.1

    def slow(frame: int) -> None:
        moves.append((frame, time.perf_counter() + busy))
        while time.perf_counter() < moves[-1][1]:
            pass

    player.frames, player.play = 1000, "once"
    player.set_speed(60)
    player.moved.connect(slow)
    player.toggle(1)
    begun = time.perf_counter()
    program.until(lambda: len(moves) > 4)
    player.stop()
    for (_, rested), (frame, _) in pairwise(moves):
        assert frame >= int((rested - begun) * 60)  # those that were due before this one was shown
    assert player.frame <= (time.perf_counter() - begun) * 60 + 1


def test_playing_ends_with_another_run(program, film):
    player = Player(film)
    player.toggle(1)
    assert player.asked == 0  # nothing to play
    film.play()
    assert film.player.asked == 1
    program.session.apply(replace(program.session.state, path=PathSpec()), "no path")
    program.until(lambda: program.session.walk is None)
    assert film.player.asked == 0

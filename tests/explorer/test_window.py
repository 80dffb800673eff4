"""The window, driven as a person drives it: mouse, keys and menus; and looked at."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QTabBar

from backends.data import open_data
from backends.run import Run
from explorer.planes.mosaic import normalise
from explorer.state import PathSpec
from explorer.widgets.image import to_image
from resources import resource


def test_it_opens_on_the_run_that_comes_with_it(start):
    program = start()
    run = program.wait_for_run()
    program.settle()
    assert (run.kind.name, run.info.name, run.learner.snapshot().latent_dim) == ("vae", "digits", 2)
    assert run.steps > 0
    assert (
        program.actions.files.path is None
    )  # saving asks for a name, and never writes into the program's own folder
    assert Run.open(resource("digits-vae.safetensors")).steps == run.steps
    program.hover(0.5, 0.5)
    program.settle()
    assert program.window.cursor_panel.picture.picture().isNull() is False
    assert program.said == []


# -- the point -------------------------------------------------------------------------------------


def test_the_mouse_moves_the_point_and_its_picture_is_decoded(program):
    picture = program.window.cursor_panel.picture
    seen = []
    for u, v in ((1.0, -0.5), (-1.5, 1.0)):
        at = program.hover(u, v)
        program.settle()
        np.testing.assert_allclose(program.session.point, at, atol=1e-6)
        model, info = program.session.model, program.session.run.info
        mean = model.decode(at[None].astype(np.float32)).mean
        expected = to_image(normalise(mean, info)[0])
        shown = picture.picture()
        scaled = expected.scaled(
            shown.size(), Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        assert shown.convertToFormat(scaled.format()) == scaled
        seen.append(program.pixels(picture))
    assert (seen[0] != seen[1]).any()


@pytest.mark.parametrize("size", [(900, 600), (1280, 800)])
def test_no_card_lies_over_another_however_small_the_window(program, size):
    window = program.window
    window.resize(*size)
    program.settle()
    seen = [dock.geometry() for dock in window.docks.values() if not dock.visibleRegion().isEmpty()]
    assert len(seen) == 5
    assert all(window.rect().contains(frame) for frame in seen)
    assert not any(a.intersects(b) for i, a in enumerate(seen) for b in seen[:i])


@pytest.mark.parametrize("name", ["curves", "path", "traversals", "pins"])
def test_at_200_per_cent_on_a_laptop_no_control_is_cut_or_covered(program, name):
    window, dock = program.window, program.window.docks[name]
    window.resize(960, 600)
    window.show_card(name)
    program.settle()
    tabs = next(bar for bar in window.findChildren(QTabBar) if bar.isVisible())
    for i in range(tabs.count()):
        assert tabs.tabRect(i).width() > tabs.fontMetrics().horizontalAdvance(tabs.tabText(i))
    controls = [c for kind in (QAbstractButton, QComboBox) for c in dock.findChildren(kind) if c.isVisible()]
    frames = [QRect(control.mapTo(dock, QPoint()), control.size()) for control in controls]
    assert controls
    assert all(dock.rect().contains(frame) for frame in frames)
    assert not any(a.intersects(b) for i, a in enumerate(frames) for b in frames[:i])
    for control in dock.findChildren(QAbstractButton):
        assert not control.isVisible() or control.width() >= control.minimumSizeHint().width()


@pytest.mark.parametrize("width", [960, 1000, 1280, 1920])
def test_the_boxes_of_the_path_stand_side_by_side_in_one_row_or_two(program, width):
    window, bar = program.window, program.window.suited["path"].bar
    window.resize(width, 900)
    window.show_card("path")
    program.settle()
    boxes = bar.kind, bar.begin, bar.end, bar.spacing, bar.frames, bar.play
    rows = {box.y() for box in boxes}
    assert len(rows) == (1 if width >= 1280 else 2)
    assert min(box.x() for box in boxes) == 0
    for left, right in pairwise(boxes):
        if left.y() == right.y():
            assert 0 < right.x() - left.geometry().right() <= 8


def test_commands_are_on_as_soon_as_there_is_what_they_need(start, small_run):
    program = start(small_run)
    can = {name: program.window.commands[name].isEnabled for name in ("draw-input", "script", "play-path")}
    assert not any(is_on() for is_on in can.values())
    program.wait_for_run()
    assert can["draw-input"]()
    assert can["script"]()
    assert not can["play-path"]()
    session = program.session
    path = PathSpec("drawn", points=((-1.0, 0.5), (1.0, 0.0)))
    session.apply(replace(session.state, path=path), "draw a path")
    program.until(lambda: session.walk is not None)
    assert can["play-path"]()


def test_under_the_cursor_stand_z_the_prior_and_the_nearest_datum(program):
    at = program.hover(0.3, -0.8)
    rows = program.window.cursor_panel
    program.until(lambda: rows.datum_rows.value("gap") != "–")
    program.settle()
    z = [float(t.replace("−", "-")) for t in rows.point_rows.value("z").split(",")]
    np.testing.assert_allclose(z, at, atol=0.0051)
    density = float(rows.point_rows.value("prior"))
    assert density == pytest.approx(np.exp(-0.5 * at @ at) / (2 * np.pi), abs=5.1e-5)
    encodings = program.session.encodings.z
    distance = np.linalg.norm(encodings - at, axis=1)
    assert int(rows.point_rows.value("within")) == (distance <= 0.25).sum()
    label = program.session.data.train.labels[distance.argmin()]
    assert rows.datum_rows.value("label") == str(label)
    log_p, elbo, gap = (
        float(rows.datum_rows.value(key).replace("−", "-")) for key in ("log_p", "elbo", "gap")
    )
    assert gap == pytest.approx(log_p - elbo, abs=0.011)
    for key in ("log_p", "elbo", "gap"):  # each says how uncertain it is
        assert "±" in rows.datum_rows._values[key].toolTip()
    assert gap > -0.1


def test_arrow_keys_move_the_point_by_eight_pixels_and_with_shift_by_one(program):
    canvas = program.map.canvas
    program.click_map(0.5, 0.5)  # holds the point and takes the keys
    assert QApplication.focusWidget() is canvas
    pixel = np.array(canvas.box.viewPixelSize())
    for key, modifier, (dx, dy) in (
        (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier, (8, 0)),
        (Qt.Key.Key_Up, Qt.KeyboardModifier.NoModifier, (0, 8)),
        (Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier, (-1, 0)),
        (Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier, (0, -1)),
    ):
        before = program.session.point.copy()
        QTest.keyClick(canvas, key, modifier)
        np.testing.assert_allclose(program.session.point - before, pixel * (dx, dy), rtol=2e-3, atol=1e-5)


def test_a_click_holds_the_point_and_esc_lets_it_go(program):
    program.click_map(1.0, 1.0)
    held = program.session.point.copy()
    program.hover(-1.0, -1.0)
    np.testing.assert_array_equal(program.session.point, held)
    QTest.keyClick(program.map.canvas, Qt.Key.Key_Escape)
    at = program.hover(-1.0, -1.0)
    np.testing.assert_allclose(program.session.point, at, atol=1e-6)


def test_a_drag_moves_the_map_and_not_the_point(program):
    program.hover(0.0, 0.0)
    before, view = program.session.point.copy(), program.map.view()
    begin = program.pixel_of(0.0, 0.0)
    program.drag_map(begin, begin + QPoint(100, 50))
    after = program.map.view()
    shift = np.array([after.x0 - view.x0, after.y0 - view.y0])
    pixel = np.array(program.map.canvas.box.viewPixelSize())
    np.testing.assert_allclose(shift / pixel, [-100, 50], atol=1.5)
    np.testing.assert_array_equal(program.session.point, before)
    program.hover(0.0, 0.0)
    assert not program.map.held


# -- the map ---------------------------------------------------------------------------------------


def test_zooming_in_decodes_anew(program):
    program.settle()
    first = program.map.field.picture
    assert first.view == program.map.view()
    assert first.complete
    program.wheel_map(0.5, 0.5, 8)
    program.settle()
    second = program.map.field.picture
    assert second.complete
    assert second.view == program.map.view()
    assert second.view.x1 - second.view.x0 < 0.5 * (first.view.x1 - first.view.x0)
    assert second.image.shape == first.image.shape
    assert second.detail == first.detail  # as many tiles as before, so none was stretched


def test_the_map_draws_its_picture_pixel_on_pixel(program):
    """Where no point, line or cursor lies, a pixel of the map is a pixel of the field over the card."""
    for name in ("points", "prior"):
        program.trigger(name)
    program.settle()
    picture, canvas = program.map.field.picture, program.map.canvas
    shown = program.pixels(canvas.viewport())
    corner = canvas.mapFromScene(canvas.box.sceneBoundingRect().topLeft())
    height, width = picture.image.shape[:2]
    part = shown[corner.y() : corner.y() + height, corner.x() : corner.x() + width]
    ground = part[0, 0]
    image = picture.image[: part.shape[0], : part.shape[1]].astype(int)
    expected = image[..., 2::-1] + ground * (255 - image[..., 3:]) / 255
    inner = np.s_[6:-6, 6:-6]  # the axes' ticks reach four pixels in
    assert np.abs(part - expected)[inner].max() <= 2


def test_layers_of_the_map_come_and_go(program):
    look = lambda: program.pixels(program.map.canvas.viewport())  # noqa: E731
    for name in ("mosaic", "points", "prior"):
        with_it = look()
        program.trigger(name)
        program.settle()
        assert (look() != with_it).any(), name
        program.trigger("undo")
        program.settle()
        assert (look() == with_it).all(), name


def test_the_standard_view_comes_back(program):
    view = program.map.view()
    program.wheel_map(1.0, 1.0, 5)
    assert program.map.view() != view
    program.trigger("home")
    after = program.map.view()
    np.testing.assert_allclose([after.x0, after.x1, after.y0, after.y1], [view.x0, view.x1, view.y0, view.y1])


@pytest.mark.parametrize(
    ("kind", "data", "values"),
    [
        ("nsf", "two-moons", {"layers": 2, "width": 8}),
        ("gmm", "two-moons", {"components": 2}),
        ("beta-bernoulli", "coin", {}),
    ],
)
def test_on_a_small_window_the_bars_of_no_run_push_the_canvas_over_another_card(
    start, tmp_path, kind, data, values
):
    run = Run.start(kind, open_data(data), values)
    run.step()
    path = tmp_path / "run.safetensors"
    run.save(path)
    program = start(path)
    program.wait_for_run()
    program.window.resize(960, 600)
    program.settle()
    canvas, cursor = program.window.docks["map"], program.window.docks["cursor"]
    assert not canvas.geometry().intersects(cursor.geometry())
    for control in (c for k in (QAbstractButton, QComboBox) for c in canvas.findChildren(k) if c.isVisible()):
        assert canvas.rect().contains(QRect(control.mapTo(canvas, QPoint()), control.size()))

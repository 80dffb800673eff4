"""Graphics items on a real canvas, looked at pixel by pixel."""

import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QImage

from explorer.plots.canvas import ContourItem, CursorItem, FieldItem, PointsItem, to_qimage
from explorer.plots.items import Axis
from explorer.view import Picture, View

WIDTH, HEIGHT = 200, 120


@pytest.fixture
def canvas(qtbot):
    """A bare view of 200 × 120 pixels, one unit a pixel, y upwards, black."""
    out = pg.GraphicsView(background="k")
    out.setFrameShape(pg.GraphicsView.Shape.NoFrame)
    box = pg.ViewBox(enableMenu=False, defaultPadding=0, border=None)
    out.setCentralItem(box)
    out.resize(WIDTH, HEIGHT)
    qtbot.addWidget(out)
    out.show()
    qtbot.waitExposed(out)
    box.setRange(xRange=(0, WIDTH), yRange=(0, HEIGHT), padding=0, disableAutoRange=True)
    out.box = box
    return out


def seen(canvas) -> np.ndarray:
    """(h, w, 3) uint8, red-green-blue."""
    image = canvas.viewport().grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def noise(height, width):
    """An opaque picture of random colours."""
    image = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    image[..., 3] = 255
    return image


def test_a_picture_over_the_view_is_drawn_pixel_on_pixel(canvas):
    field, image = FieldItem(), noise(HEIGHT, WIDTH)
    canvas.box.addItem(field)
    field.set_picture(Picture(image, View(0, WIDTH, 0, HEIGHT, WIDTH, HEIGHT), 1))
    inner = np.s_[1:-1, 1:-1]  # the view box draws a border
    np.testing.assert_array_equal(seen(canvas)[inner], image[..., 2::-1][inner])
    field.set_picture(None)
    assert not seen(canvas)[inner].any()


def test_a_picture_moves_with_a_drag_by_whole_pixels(canvas):
    field, image = FieldItem(), noise(HEIGHT, WIDTH)
    canvas.box.addItem(field)
    field.set_picture(Picture(image, View(0, WIDTH, 0, HEIGHT, WIDTH, HEIGHT), 1))
    canvas.box.setRange(xRange=(30, WIDTH + 30), yRange=(-20, HEIGHT - 20), padding=0)
    picture = seen(canvas)
    np.testing.assert_array_equal(picture[1 : HEIGHT - 21, 1 : WIDTH - 31], image[21:-1, 31:-1, 2::-1])


def test_during_a_zoom_the_old_picture_is_stretched_to_its_place(canvas):
    image = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    image[..., 3] = 255
    image[:, WIDTH // 2 :, 2] = 255  # the right half is red
    field = FieldItem()
    canvas.box.addItem(field)
    field.set_picture(Picture(image, View(0, WIDTH, 0, HEIGHT, WIDTH, HEIGHT), 1))
    canvas.box.setRange(xRange=(50, 150), yRange=(30, 90), padding=0)
    picture = seen(canvas)[1:-1, 1:-1, 0]
    assert (picture[:, : WIDTH // 2 - 6] == 0).all()
    assert (picture[:, WIDTH // 2 + 4 :] == 255).all()


def test_bytes_are_blue_green_red_alpha():
    assert to_qimage(np.array([[[10, 20, 30, 255]]], np.uint8)).pixelColor(0, 0) == QColor(30, 20, 10)


def at(canvas, u, v):
    point = canvas.mapFromScene(canvas.box.mapViewToScene(QPointF(u, v)))
    return point.y(), point.x()


def test_points_have_the_colour_of_their_group_where_they_lie(canvas):
    points = PointsItem(6.0)
    canvas.box.addItem(points)
    points.set_colours([QColor("red"), QColor("lime"), QColor("blue")])
    xy = np.array([[20, 20], [60, 90], [100, 50], [150, 100], [np.nan, 3], [180, 30]], float)
    groups = np.array([0, 1, 2, 4, 0, 5])  # taken modulo three
    points.set_points(xy, groups)
    picture = seen(canvas)
    for (u, v), group in zip(xy, groups, strict=True):
        if np.isfinite(u):
            colour = np.zeros(3)
            colour[group % 3] = 255
            np.testing.assert_array_equal(picture[at(canvas, u, v)], colour)
    assert np.count_nonzero(picture.any(axis=2)[1:-1, 1:-1]) < 5 * 60
    points.set_points(np.zeros((0, 2)), None)
    assert not seen(canvas)[1:-1, 1:-1].any()


def test_points_keep_their_size_when_zoomed(canvas):
    points = PointsItem(6.0)
    canvas.box.addItem(points)
    points.set_colours([QColor("white")])
    points.set_points(np.array([[100.0, 60.0]]), None)
    areas = []
    for half in (100, 10, 1):
        canvas.box.setRange(
            xRange=(100 - half, 100 + half), yRange=(60 - half * 0.6, 60 + half * 0.6), padding=0
        )
        areas.append(seen(canvas)[1:-1, 1:-1].sum())
    assert max(areas) < 1.5 * min(areas)  # where it lies between pixels, its edge differs


def test_contours_and_the_cursor_are_drawn_where_they_lie(canvas):
    lines, cursor = ContourItem(), CursorItem()
    canvas.box.addItem(lines)
    canvas.box.addItem(cursor)
    lines.set_colour(QColor("lime"))
    lines.set_lines([np.array([[10.0, 20.0], [190.0, 20.0]])])
    cursor.set_colours(QColor("red"), QColor("black"))
    cursor.setPos(100, 80)
    picture = seen(canvas)
    y, x = at(canvas, 100, 80)
    assert picture[y - 2 : y + 2, 11:189, 1].max() == 0
    row, _ = at(canvas, 0, 20)
    assert picture[row - 2 : row + 3, 11:189, 1].max() > 100  # antialiased over two rows
    assert not picture[y, x].any()  # a ring is open in the middle
    cursor.set_held(True)
    assert seen(canvas)[y, x].tolist() == [255, 0, 0]
    assert Qt.PenStyle.DotLine == lines._pen.style()


@pytest.mark.parametrize("side", ["left", "bottom"])
def test_ticks_lie_apart_and_where_there_is_room_at_least_two_are_seen(qtbot, side):
    axis = Axis(side)
    for size in (90, 180, 320, 436, 700):
        for width in (0.7, 1.9, 4.4, 9.98, 10.0, 37.0):
            ((spacing, _),) = axis.tickSpacing(-width / 2, width / 2, size)
            pixels = spacing * size / width
            assert pixels >= min(0.4 * axis.room, size / 3)
            assert width >= 2 * spacing or size < 3 * axis.room


def test_the_name_of_an_axis_stays_in_its_middle_when_it_changes(canvas):
    axis = Axis("bottom")
    axis.setLabel("a name of many letters")
    axis.resize(400, 40)
    for name in ("a name of many letters", "z"):
        axis.setLabel(name)
        middle = axis.label.pos().x() + axis.label.boundingRect().width() / 2
        assert middle == pytest.approx(200, abs=1)

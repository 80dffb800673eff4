"""The plane of a latent space of many dimensions, chosen and moved by hand."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from explorer.state import Pin
from tests.runs import saved_run


@pytest.fixture(scope="module")
def five_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "five.safetensors"
    values = {"width": 32, "depth": 1, "latent_dim": 5}
    return saved_run(path, "vae", "digits", values, steps=60, seed=3)


@pytest.fixture
def five(start, five_file):
    program = start(five_file)
    program.wait_for_run()
    program.until(lambda: program.session.plane.left_out is not None)
    program.settle()
    return program


def choose(program, box, steps):
    """Go on by so many entries of a combo box."""
    box.setFocus()
    for _ in range(abs(steps)):
        QTest.keyClick(box, Qt.Key.Key_Down if steps > 0 else Qt.Key.Key_Up)


def test_the_plane_between_two_labels_is_chosen(five):
    bar, session = five.map.planes, five.session
    choose(five, bar.kind, 2)
    five.until(lambda: session.plane.labels[0] == "mean of 0 → 1")
    choose(five, bar.second, 7)
    five.until(lambda: session.plane.labels[0] == "mean of 0 → 8")
    z, labels = session.encodings.z.astype(float), session.data.train.labels
    means = np.stack([z[labels == label].mean(0) for label in (0, 8)])
    shown = session.plane.to_canvas(means)
    np.testing.assert_allclose(shown[0], -shown[1], atol=1e-5)
    np.testing.assert_allclose(shown[:, 1], 0, atol=1e-5)
    choose(five, bar.first, 8)  # to itself there is no way: the other gives way
    assert (session.state.map.plane.i, session.state.map.plane.j) == (8, 7)
    five.trigger("undo")
    five.until(lambda: session.plane.labels[0] == "mean of 7 → 8")


def test_the_posterior_of_the_datum_lies_on_another_plane_as_soon_as_that_is_laid(five):
    session, shown = five.session, five.map.posterior.item
    five.hover(0.4, -0.3)
    five.until(lambda: shown.shown is not None and session.subject is not None)
    five.settle()
    x = session.subject.x
    choose(five, five.map.planes.kind, 1)
    five.until(lambda: session.plane.labels == ("z₁", "z₂"))
    mean = session.model.encode(x[None]).mean[0, :2]
    five.until(lambda: np.allclose(shown.shown.means[0], mean, atol=1e-5))


def test_a_plane_through_three_pins_follows_them_out_of_it_but_not_within(five):
    bar, session = five.map.planes, five.session
    item = bar.kind.model().item(3)
    assert not item.isEnabled()
    assert "three pins" in item.toolTip()
    z = np.random.default_rng(0).normal(size=(3, 5))
    pins = tuple(Pin(name, tuple(row)) for name, row in zip("ABC", z.tolist(), strict=True))
    session.apply(replace(session.state, pins=pins), "set pins")
    assert item.isEnabled()
    choose(five, bar.kind, 3)
    five.until(lambda: session.plane.labels == ("A → B", "towards C"))
    plane = session.plane
    np.testing.assert_allclose(plane.to_canvas(z[:1]), 0, atol=1e-6)
    np.testing.assert_allclose(plane.distance(z), 0, atol=1e-5)
    within = tuple(plane.to_space(np.array([[0.3, 0.4]]))[0].tolist())
    session.apply(replace(session.state, pins=(Pin("A", within), *pins[1:])), "move a pin")
    five.settle()
    assert session.plane is plane
    session.apply(replace(session.state, pins=(Pin("A", tuple(z[0] + 1)), *pins[1:])), "move a pin")
    five.until(lambda: session.plane.distance(z[:1] + 1)[0] < 1e-5)
    choose(five, bar.third, -1)  # B, which was the second: they change places
    assert session.state.map.plane.pins == ("A", "C", "B")


def test_pins_on_a_line_are_refused_in_a_sentence_and_the_plane_stays(five):
    session = five.session
    line = tuple(Pin(name, (float(t),) * 5) for t, name in enumerate("ABC"))
    session.apply(replace(session.state, pins=line), "set pins")
    plane = session.plane
    choose(five, five.map.planes.kind, 3)
    five.until(lambda: any("span no plane" in m.text for m in five.said))
    assert session.plane is plane
    five.said[:] = [m for m in five.said if "span no plane" not in m.text]


def test_sliders_move_the_plane_along_what_it_leaves_out(five):
    bar, sliders, session = five.map.planes, five.map.left_out, five.session
    assert sliders.isHidden()
    five.click(bar.sliders)
    five.until(sliders.isVisible)
    assert len(sliders.sliders) == 3
    left, origin = session.plane.left_out, session.plane.origin
    five.settle()
    mosaic = five.map.field.picture.image
    slider = sliders.sliders[1]
    middle = slider.rect().center()
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=middle)
    for x in range(0, slider.width() // 2, 4):
        QTest.mouseMove(slider, middle + QPoint(x, 0))
    QTest.mouseMove(slider, QPoint(slider.width() + 40, middle.y()))
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() + 40, middle.y()))
    moved = session.plane.origin - origin
    np.testing.assert_allclose(left.directions @ moved, [0, 3 * left.std[1], 0], atol=1e-4)  # to the end
    five.settle()
    assert (five.map.field.picture.image != mosaic).any()
    assert sliders._values[1].text() == f"{3 * left.std[1]:.2f}"
    before = session.state
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(4, middle.y()))
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(4, middle.y()))
    assert session.state != before
    five.trigger("undo")  # the second drag alone
    assert session.state == before
    five.click(sliders.reset)
    np.testing.assert_allclose(session.plane.origin, origin, atol=1e-9)
    assert session.state.map.plane.offsets == ()
    five.trigger("undo")
    np.testing.assert_allclose(
        left.directions @ (session.plane.origin - origin), [0, 3 * left.std[1], 0], atol=1e-4
    )


def test_sliders_of_a_plane_of_coordinates_are_the_other_coordinates(five):
    bar, sliders, session = five.map.planes, five.map.left_out, five.session
    five.click(bar.sliders)
    choose(five, bar.kind, 1)
    five.until(lambda: session.plane.labels == ("z₁", "z₂"))
    assert [label.text() for label in sliders._labels] == ["z₃", "z₄", "z₅"]
    slider = sliders.sliders[0]
    slider.setFocus()
    for _ in range(4):
        QTest.keyClick(slider, Qt.Key.Key_Right)
    assert 0 < session.plane.origin[2] < 0.3
    assert float(sliders._values[0].text()) == pytest.approx(session.plane.origin[2], abs=0.006)
    choose(five, bar.first, 3)  # another plane leaves out others: nothing is moved
    assert session.state.map.plane.offsets == ()


def test_the_plane_and_its_sliders_stay_as_the_encodings_move(five):
    session = five.session
    five.click(five.map.planes.sliders)
    sliders = five.map.left_out
    five.until(sliders.isVisible)
    QTest.keyClick(sliders.sliders[0], Qt.Key.Key_PageUp)
    offsets = session.state.map.plane.offsets
    for _ in range(3):
        step = session.encodings.step
        five.trigger("step")
        five.until(lambda step=step: session.encodings.step > step)
        five.settle()
    assert session.state.map.plane.offsets == offsets
    left = session.plane.left_out
    np.testing.assert_allclose(left.directions @ (session.plane.origin - left.origin), offsets, atol=1e-6)


def test_two_dimensions_leave_nothing_out(program):
    assert program.map.planes.isHidden()
    assert program.map.left_out.isHidden()
    assert program.session.plane.left_out is None


def test_a_plane_far_from_the_prior_shows_it_in_the_middle(five):
    """Through three pins the first is the origin, wherever that is."""
    session = five.session
    z = np.random.default_rng(0).normal(size=(3, 5)) + np.array([6.0, 0, 0, 0, 0])
    pins = tuple(Pin(name, tuple(row)) for name, row in zip("ABC", z.tolist(), strict=True))
    session.apply(replace(session.state, pins=pins), "set pins")
    choose(five, five.map.planes.kind, 3)
    five.until(lambda: session.plane.labels == ("A → B", "towards C"))
    five.settle()
    five.trigger("home")
    view, middle = five.map.view(), session.plane.to_canvas(np.zeros((1, 5)))[0]
    np.testing.assert_allclose([(view.x0 + view.x1) / 2, (view.y0 + view.y1) / 2], middle, atol=1e-6)
    drawn = session.plane.to_canvas(session.model.sample_prior(1000, 1))
    assert (np.abs(drawn - middle) < [(view.x1 - view.x0) / 2, (view.y1 - view.y0) / 2]).all()
    assert view.y1 - view.y0 < 12

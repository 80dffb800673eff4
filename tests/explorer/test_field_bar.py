"""The field behind the map, chosen, read and faded by hand, and looked at."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from explorer.state import from_json
from explorer.style.colourmaps import colour_table


def choose(program, box, text):
    """Choose an entry of a combo box by its first letters."""
    box.setFocus()
    QTest.keyClicks(box, text[:3])
    assert box.currentText() == text
    program.settle()


def colour(program, name):
    """Choose a colour map in the menu."""
    next(a for a in program.map.fields.look.menu().actions() if a.data() == name).trigger()
    program.settle()


def shown(program):
    """The map's pixels without what lies on its field."""
    for name in ("points", "prior"):
        if program.window.commands[name].isChecked():
            program.trigger(name)
    program.settle()
    return program.pixels(program.map.canvas.viewport())[20:-60, 80:-20]


def test_a_field_is_chosen_coloured_and_its_value_is_read(program):
    bar, session = program.map.fields, program.session
    assert bar.shown == "images"
    assert bar.bar.isHidden()
    choose(program, bar.field, "log prior")
    assert session.state.map.field == "prior"
    assert not bar.bar.isHidden()
    program.hover(1.5, -2.0)
    picture = shown(program)
    z = session.point.astype(float)
    exact = -0.5 * z @ z - np.log(2 * np.pi)
    value, unit = bar.value.text().split()
    assert float(value.replace("−", "-")) == pytest.approx(exact, abs=0.06)
    assert unit == "nats"
    assert [t.replace("−", "-") for t in bar.bar.texts()][2] == f"{-np.log(2 * np.pi):.1f}"
    # the brightest colour in the middle, where the prior is highest, and that on the bar's right end
    at = program.pixel_of(0, 0)
    pixels = program.pixels(program.map.canvas.viewport())
    assert np.abs(pixels[at.y(), at.x()] - colour_table("viridis")[-1]).max() <= 3
    ends = program.pixels(bar.bar)[8]
    assert np.abs(ends[-8] - colour_table("viridis")[-1]).max() <= 24
    assert np.abs(ends[8] - colour_table("viridis")[0]).max() <= 24
    colour(program, "magma")
    assert session.state.colours == "magma"
    program.settle()
    pixels = program.pixels(program.map.canvas.viewport())
    assert np.abs(pixels[at.y(), at.x()] - colour_table("magma")[-1]).max() <= 3
    assert (shown(program) != picture).any()
    program.trigger("undo")
    program.settle()
    assert (shown(program) == picture).all()


def test_a_field_fades_in_one_step_of_undo(program):
    bar, session = program.map.fields, program.session
    program.trigger("field-entropy")
    program.settle()
    whole = shown(program)
    bar.opacity.setFocus()
    for _ in range(3):
        QTest.keyClick(bar.opacity, Qt.Key.Key_PageDown)
    assert session.state.map.opacity == pytest.approx(0.7)
    faint = shown(program)
    ground = program.pixels(program.map)[-1, 2]
    expected = 0.7 * whole + 0.3 * ground
    assert np.abs(faint - expected).mean() < 2
    program.trigger("undo")
    assert session.state.map.opacity == 1.0


def test_the_key_m_shows_images_or_nothing(program):
    program.trigger("field-holes")
    program.settle()
    assert program.map.fields.bar.scale.diverging
    assert not program.map.fields.colours.actions()[0].isEnabled()  # it has colours of its own
    canvas = program.map.canvas
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_M)
    program.settle()
    assert program.session.state.map.field == "nothing"
    assert program.map.field.picture is None
    QTest.keyClick(canvas, Qt.Key.Key_M)
    program.settle()
    assert program.session.state.map.field == "images"
    assert program.map.field.picture.detail.startswith("mosaic")


@pytest.mark.parametrize("name", ["aggregate", "magnification", "error"])
def test_each_field_is_drawn_and_follows_training(program, name):
    program.trigger(f"field-{name}")
    program.settle()
    first = program.map.field.picture
    assert first.complete
    assert np.unique(first.image.reshape(-1, 4), axis=0).shape[0] > 50
    program.trigger("step")
    program.until(lambda: program.map.field.picture.step > first.step)
    program.settle()
    assert program.map.field.picture.complete


def test_settings_from_before_there_were_fields_still_mean_what_they_did():
    assert from_json('{"map": {"mosaic": false}}').map.field == "nothing"
    assert from_json('{"map": {"mosaic": true}}').map.field == "images"
    assert from_json('{"map": {"field": "tea", "opacity": 7.0}, "colours": "jet"}').map.field == "images"


def saturation(pixels):
    """How far the most coloured of these is from grey, of 255."""
    return int(np.ptp(pixels.astype(int), axis=-1).max())


def test_points_in_colours_lie_on_greys_unless_other_colours_are_chosen(program):
    program.trigger("field-magnification")
    program.settle()
    picture = program.map.field.picture
    assert saturation(picture.image[..., :3]) < 20
    ends = program.pixels(program.map.fields.bar)[8]
    assert saturation(ends[8:-8]) < 20
    program.trigger("points")  # without them
    program.settle()
    assert saturation(program.map.field.picture.image[..., :3]) > 100
    program.trigger("points")
    colour(program, "viridis")
    assert program.session.state.colours == "viridis"
    assert saturation(program.map.field.picture.image[..., :3]) > 100

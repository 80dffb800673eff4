"""Data with known factors in the window: points in a factor's colours, and which latent has found it."""

import json

import numpy as np
import pytest

from backends.base import finish
from backends.data import open_data
from backends.factors_found import explained_variance
from explorer.planes.encoding_points import colouring
from explorer.state import from_json, to_json
from explorer.style.theme import rgb, theme
from tests.runs import saved_run

ROWS = "shapes:300"


@pytest.fixture(scope="module")
def shapes_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("shapes") / "shapes.safetensors"
    return saved_run(path, "vae", ROWS, {"width": 16, "depth": 1, "decoder": "gaussian"}, steps=3)


@pytest.fixture
def program(start, shapes_run):
    driver = start(shapes_run)
    driver.wait_for_run()
    driver.until(lambda: driver.session.encodings is not None)
    driver.settle()
    return driver


def choose(program, text):
    box = program.map.colours.colour
    box.setCurrentIndex(box.findText(text))
    box.activated.emit(box.currentIndex())


def test_a_factor_colours_rows_from_dark_to_bright():
    data = open_data(ROWS)
    rows = np.array([5, 250, 17, 5])
    for name in data.info.factor_names:
        colours, scale = finish(colouring(data.train, data.info, name)(rows))
        values = data.train.factors[:, data.info.factor_names.index(name)]
        assert (scale.low, scale.high) == (values.min(), values.max())
        wanted = (values[rows] - scale.low) / (scale.high - scale.low) * 255
        np.testing.assert_array_equal(colours, theme().table_of_points[wanted.astype(int)])
    for name in ("label", "no such factor"):
        colours, scale = finish(colouring(data.train, data.info, name)(rows))
        assert scale is None
        assert [tuple(c) for c in colours] == [rgb(theme().tokens.label(k)) for k in data.train.labels[rows]]
    plain, _ = finish(colouring(data.train, data.info, "plain")(rows))
    assert len(np.unique(plain, axis=0)) == 1


def test_points_are_coloured_by_a_chosen_factor(program):
    bar = program.map.colours
    assert bar.isVisible()
    assert [bar.colour.itemText(i) for i in range(bar.colour.count())] == [
        "Labels", "X", "Y", "Size", "Rotation", "All alike",
    ]  # fmt: skip
    assert not bar.bar.isVisible()
    before = program.pixels(program.map.canvas)
    choose(program, "Size")
    program.until(lambda: bar.bar.isVisible())
    assert program.session.state.map.colour == "size"
    sizes = open_data(ROWS).train.factors[:, 2]
    assert (bar.bar.scale.low, bar.bar.scale.high) == (sizes.min(), sizes.max())
    program.until(lambda: (program.pixels(program.map.canvas) != before).any(2).sum() > 100)
    program.trigger("undo")
    assert bar.colour.currentText() == "Labels"
    program.until(lambda: not bar.bar.isVisible())


def test_the_table_shows_which_latent_has_found_what(program):
    panel = program.window.suited["factors"]
    program.until(lambda: panel.table.counts.size > 0)
    session = program.session
    split = session.data.split(session.encodings.split)
    wanted = finish(explained_variance(session.encodings.z, split.factors, split.labels))
    np.testing.assert_array_equal(panel.table.counts, np.rint(100 * wanted))
    assert "z₁: label" in panel.table.accessibleDescription()
    assert "300 rows" in panel.note.text()
    assert not program.window.docks["factors"].isHidden()


def test_data_without_factors_have_neither_bar_nor_panel(start, small_run):
    other = start(small_run)
    other.wait_for_run()
    assert not other.map.colours.isVisible()
    assert other.window.docks["factors"].isHidden()


def test_the_colour_is_kept_with_the_settings():
    state = from_json(json.dumps({"map": {"colour": "rotation"}}))
    assert state.map.colour == "rotation"
    assert from_json(to_json(state)) == state
    assert from_json(json.dumps({"map": {"colour": ""}})).map.colour == "label"

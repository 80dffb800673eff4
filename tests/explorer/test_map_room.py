"""The room that the latent map gets: most of the middle, on small screens and with every bar open."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtWidgets import QTabBar, QWidget

from explorer.paths import pins
from explorer.state import FilmSpec, PathSpec
from tests.runs import saved_run


@pytest.fixture(scope="module")
def shapes_file(tmp_path_factory):
    """A model with all the bars that there are: a plane to choose, factors, and directions left out."""
    path = tmp_path_factory.mktemp("room") / "shapes.safetensors"
    values = {"width": 8, "depth": 1, "decoder": "gaussian", "latent_dim": 9}
    return saved_run(path, "vae", "shapes:200", values)


@pytest.fixture
def program(start, shapes_file):
    driver = start(shapes_file)
    driver.wait_for_run()
    driver.until(lambda: driver.session.plane.left_out is not None)
    driver.settle()
    return driver


def central(window):
    """Logical pixels of height between the menus and the status."""
    return window.statusBar().y() - window.menuWidget().geometry().bottom()


@pytest.mark.parametrize(("width", "height", "least"), [(1280, 800, 0.4), (1440, 900, 0.42)])
def test_with_every_bar_open_the_map_still_has_the_most_room(program, width, height, least):
    window, panel = program.window, program.map
    window.resize(width, height)
    program.trigger("field-prior")
    panel.colours.colour.setCurrentIndex(panel.colours.colour.findData("x"))
    panel.colours.colour.activated.emit(0)
    program.click(panel.planes.sliders)
    program.settle()
    assert len(panel.left_out.sliders) == 7
    assert panel.canvas.height() >= least * central(window)
    assert panel.canvas.width() >= 0.6 * panel.width()
    for whole in (panel, panel.planes, panel.fields, panel.colours, panel.left_out):
        parts = [c for c in whole.children() if isinstance(c, QWidget) and c.isVisible() and not c.isWindow()]
        frames = [c.geometry() for c in parts]
        assert all(whole.rect().contains(frame) for frame in frames)
        assert not any(a.intersects(b) for i, a in enumerate(frames) for b in frames[:i])


def test_height_that_a_window_gains_goes_to_the_map_first(program):
    window, map_, curves = program.window, program.window.docks["map"], program.window.docks["curves"]
    window.docks["factors"].close()
    window.resize(1280, 800)
    program.trigger("arrange")
    program.settle()
    map_before, curves_before = map_.height(), curves.height()
    window.resize(1280, 1100)
    program.until(lambda: map_.height() > map_before + 150)
    assert map_.height() - map_before > 2 * (curves.height() - curves_before)
    window.resize(1280, 800)  # and back
    program.until(lambda: abs(map_.height() - map_before) < 12)


def test_it_is_wide_enough_for_one_line_of_bars(program):
    program.window.resize(1440, 900)
    program.settle()
    panel = program.map
    assert panel.planes.y() == panel.fields.y() == panel.colours.y()
    assert panel.planes.width() == panel.planes.sizeHint().width()
    look = panel.fields.look.geometry()  # the field's controls stand together at the left
    assert look.right() < panel.fields.sizeHint().width()
    program.window.resize(1000, 800)
    program.until(lambda: panel.colours.y() > panel.planes.y())  # and where it is not, there are two


def test_names_of_models_and_pins_are_read_whole(program):
    window, bar = program.window, program.window.suited["path"].bar
    window.resize(1280, 800)
    state = program.session.state
    for name, z in zip(("three", "seven"), np.eye(9), strict=False):
        state = pins.with_pin(state, name, z)
    program.session.apply(
        replace(state, path=PathSpec("straight", "three", "seven"), film=FilmSpec(192)), "join two pins"
    )
    window.docks["path"].raise_()
    program.settle()
    for box in (program.run_panel.model, bar.begin, bar.end, bar.kind, bar.spacing, bar.frames, bar.play):
        assert box.fontMetrics().horizontalAdvance(box.currentText()) + 38 <= box.width()


def test_at_200_per_cent_on_a_laptop_all_tabs_have_their_whole_names(program):
    window = program.window
    window.resize(960, 600)
    program.settle()
    tabs = next(bar for bar in window.findChildren(QTabBar) if bar.isVisible())
    names = [tabs.tabText(i) for i in range(tabs.count())]
    assert {"Factors", "Datum", "Path", "Traversals", "Pins"} < set(names)
    for i, name in enumerate(names):
        assert tabs.tabRect(i).width() > tabs.fontMetrics().horizontalAdvance(name)
    assert tabs.tabRect(tabs.count() - 1).right() <= tabs.width()

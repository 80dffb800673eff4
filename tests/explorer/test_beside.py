"""A second map beside the first: another run, or another moment, with linked cursors."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from backends.data import open_data
from backends.run import Run
from explorer.paths import pins
from explorer.planes.mosaic import normalise
from explorer.runs.dialog import RunsDialog
from explorer.shell.beside import BesideDock
from explorer.state import PathSpec
from tests.runs import saved_run

WIDTH = {"width": 16, "depth": 1}


@pytest.fixture
def five_wide(tmp_path):
    """A run of five latent dimensions, whose plane leaves three out."""
    path = tmp_path / "five.safetensors"
    saved_run(path, "vae", "digits", {**WIDTH, "latent_dim": 5}, seed=3)
    return path


@pytest.fixture
def beside(program):
    """The open run's model of step 120, held beside, and the run two steps on."""
    program.trigger("beside")
    dock = program.window.findChild(BesideDock)
    for _ in range(2):
        before = program.steps
        program.trigger("step")
        program.until(lambda before=before: program.session.moment.steps == before + 1)
    program.paused()
    drawn(program, dock)
    return dock


def drawn(program, dock) -> None:
    """Until both maps show their model's encodings and mosaic."""

    def there() -> bool:
        both = ((program.session, program.map), (dock.other, dock.map))
        return all(
            s.encodings is not None
            and s.encodings.step == s.model.stamp.step
            and m.field.picture is not None
            and m.field.picture.step == s.model.stamp.step
            for s, m in both
        )

    program.until(there)
    program.settle()


def kept_run(home, kind, values, name, data="digits"):
    run = Run.start(kind, open_data(data), values, seed=5, name=name)
    for _ in range(30):
        run.step()
    path = home / "unsaved" / f"{run.id}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    run.save(path)
    return run


def test_the_earlier_moment_that_is_on_show_is_the_one_that_is_held(program):
    for _ in range(2):
        before = program.steps
        program.trigger("step")
        program.until(lambda before=before: program.session.moment.steps == before + 1)
    program.paused()
    first = program.session.run.history.models[0]
    program.session.look_back(first)
    program.trigger("beside")
    program.session.look_back(None)
    dock = program.window.findChild(BesideDock)
    drawn(program, dock)
    assert dock.other.model is first
    assert (first.stamp.step, program.session.model.stamp.step) == (120, 122)


def show_beside(program, name) -> BesideDock | None:
    """Choose a run in the list and have it shown beside."""
    program.trigger("runs")
    dialog = program.window.findChild(RunsDialog)

    def row() -> int:
        items = [dialog.list.topLevelItem(i).text(0) for i in range(dialog.list.topLevelItemCount())]
        return items.index(name) if name in items else -1

    program.until(lambda: row() >= 0)
    at = dialog.list.visualItemRect(dialog.list.topLevelItem(row())).center()
    QTest.mouseClick(dialog.list.viewport(), Qt.MouseButton.LeftButton, pos=at)
    program.click(dialog.beside)
    return program.window.findChild(BesideDock)


def linked(program, dock, z, theirs) -> None:
    program.until(lambda: is_at(dock.other, theirs(z)))


def is_at(session, z) -> bool:
    return session.point is not None and np.allclose(session.point, z, atol=1e-5)


def test_a_moment_held_beside_stays_while_the_run_goes_on(program, beside):
    assert not beside.isHidden()
    assert beside.other.model.stamp.step == 120
    assert program.session.model.stamp.step == 122
    assert "step 120" in beside.status.text()
    expected = beside.other.model.encode(program.session.data.train.x).mean
    np.testing.assert_array_equal(beside.other.encodings.z, expected)
    assert not np.allclose(beside.other.encodings.z, program.session.encodings.z)
    ours, theirs = (program.pixels(m.canvas) for m in (program.map, beside.map))
    assert ours.std() > 10
    assert theirs.std() > 10


def test_cursors_at_the_same_z_and_what_decodes_from_both(program, beside):
    at = program.hover(0.7, -0.4)
    linked(program, beside, at, lambda z: z)
    program.settle()
    info = program.session.run.info
    models = (program.session.model, beside.other.model)
    z = program.session.point[None]
    program.until(lambda: beside.captions[0].text() == "step 122")
    assert beside.captions[1].text() == "step 120"
    for model, picture in zip(models, beside.pictures, strict=True):
        np.testing.assert_array_equal(picture._array, normalise(model.decode(z).mean, info)[0])
    assert beside.map.marker.isVisible()


def test_a_hand_on_the_map_beside_moves_both(program, beside):
    canvas = beside.map.canvas
    at = canvas.mapFromScene(canvas.box.mapViewToScene(QPointF(-0.5, 0.8)))
    QTest.mouseMove(canvas.viewport(), at)
    z = np.array(canvas.at(QPointF(at)))
    program.until(lambda: is_at(program.session, z))
    np.testing.assert_allclose(beside.other.point, z, atol=1e-5)


def test_cursors_at_the_same_x(program, beside):
    program.click(beside.switch.buttons["x"])
    assert program.session.state.shared == "x"
    at = program.hover(0.7, -0.4)
    row = int(np.square(program.session.encodings.z - at).sum(axis=1).argmin())
    x = program.session.data.train.x[row : row + 1]
    linked(program, beside, at, lambda _: beside.other.model.encode(x).mean[0])
    program.until(lambda: beside.told.text().startswith(f"row {row},"))
    program.trigger("undo")
    assert program.session.state.shared == "z"
    assert beside.switch.buttons["z"].isChecked()
    linked(program, beside, at, lambda z: z)


def test_another_run_of_more_dimensions_is_linked_by_x_alone(program, tmp_path):
    run = kept_run(program.home, "vae", {**WIDTH, "latent_dim": 3}, "of three")
    dock = show_beside(program, "of three")
    program.until(lambda: dock.other.run is not None and dock.other.run.name == "of three")
    drawn(program, dock)
    assert dock.other.run is not program.session.run
    at = program.hover(0.5, 0.5)
    program.until(lambda: "other dimensions" in dock.told.text())
    assert dock.other.point is None
    program.click(dock.switch.buttons["x"])
    row = int(np.square(program.session.encodings.z - at).sum(axis=1).argmin())
    x = program.session.data.train.x[row : row + 1]
    linked(program, dock, at, lambda _: run.model().encode(x).mean[0])
    assert set(dock.other.run.curves.names()) == set(run.curves.names())  # it is only looked at


def test_what_the_user_sets_holds_for_both_maps_and_is_undone_once(program, beside):
    program.trigger("points")
    assert not program.map.points.item.isVisible()
    assert not beside.map.points.item.isVisible()
    program.trigger("undo")
    assert program.map.points.item.isVisible()
    assert beside.map.points.item.isVisible()


def test_a_run_without_latents_is_not_shown_beside(program):
    kept_run(program.home, "gmm", {"components": 2}, "a mixture", "two-moons")
    dock = show_beside(program, "a mixture")
    program.until(lambda: any("no latent space" in m.text for m in program.said))
    assert dock.isHidden()


def test_it_is_closed_and_computes_nothing_then(program, beside):
    program.click(beside.findChildren(type(program.window.stage.again))[0])
    assert beside.isHidden()
    before = beside.other.point
    program.hover(0.1, 0.2)
    program.settle()
    assert beside.other.point is before
    program.trigger("beside")
    assert not beside.isHidden()
    assert beside.other.model.stamp.step == 122


def test_closed_it_keeps_nothing_of_its_run(program):
    kept_run(program.home, "vae", {**WIDTH, "latent_dim": 3}, "of three")
    dock = show_beside(program, "of three")
    program.until(lambda: dock.other.run is not None)
    drawn(program, dock)
    ghosts = [weakref.ref(part) for part in (dock.other.run, dock.other.model, dock.other.encodings)]
    dock.close()
    program.settle()
    gc.collect()
    assert [ghost() for ghost in ghosts] == [None] * 3
    program.trigger("beside")
    drawn(program, dock)
    assert dock.other.run is program.session.run


def test_a_path_is_on_both_maps_and_the_shortest_is_each_models_own(program, beside):
    state = program.session.state
    for name, z in (("A", (-1.5, 0.5)), ("B", (1.0, -1.0))):
        state = pins.with_pin(state, name, np.array(z))
    program.session.apply(replace(state, path=PathSpec("shortest")), "join two pins")
    both = ((program.session, program.map), (beside.other, beside.map))
    program.until(lambda: all(s.walk is not None and s.walk.complete for s, _ in both))
    for session, panel in both:
        assert session.walk.step == session.model.stamp.step
        np.testing.assert_array_equal(session.walk.line[[0, -1]], [(-1.5, 0.5), (1.0, -1.0)])
        assert len(panel.path.item.frames) == len(session.walk)


def test_on_a_small_screen_no_card_lies_over_another_and_none_is_cut(start, five_wide):
    program = start(five_wide)
    program.wait_for_run()
    window = program.window
    window.resize(1280, 800)
    program.until(lambda: program.session.plane.left_out is not None)
    program.trigger("field-magnification")
    program.click(window.map.planes.sliders)
    program.trigger("beside")
    dock = window.findChild(BesideDock)
    program.trigger("arrange")
    program.settle()
    cards = [d for d in (*window.docks.values(), dock) if not d.visibleRegion().isEmpty()]
    assert {"run", "map", "cursor", "samples", "beside"} <= {card.objectName() for card in cards}
    frames = [card.geometry() for card in cards]
    assert all(window.rect().contains(frame) for frame in frames)
    assert not any(a.intersects(b) for i, a in enumerate(frames) for b in frames[:i])
    order = sorted(cards, key=lambda card: card.x())
    assert [c.objectName() for c in order if c.y() == min(frames, key=QRect.y).y()] == [
        "run", "map", "beside", "cursor",
    ]  # fmt: skip
    for panel in (window.map, dock.map):
        for bar in (panel.planes, panel.left_out, panel.fields):
            parts = [c.geometry() for c in bar.children() if isinstance(c, QWidget) and not c.isHidden()]
            assert len(parts) > 1
            assert all(bar.rect().contains(part) for part in parts)
            assert not any(a.intersects(b) for i, a in enumerate(parts) for b in parts[:i])

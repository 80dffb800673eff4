"""Data of one's own on the latent map: drawn, dropped, clicked; encoded, held, scored, and let go again."""

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from backends.base import DataInfo, InputError
from backends.capabilities import latent_points
from backends.data import open_data
from explorer.data.inputs import as_row, read_row
from explorer.data.sketch import SHOWN, Sketch
from tests.explorer.conftest import send_mouse
from tests.runs import saved_run

LEFT = Qt.MouseButton.LeftButton
GREY = DataInfo("g", "G", 12, values="integer", levels=17, image_shape=(3, 4), display=(0.0, 16.0))


def test_a_picture_in_the_datas_own_values():
    unit = np.linspace(0, 1, 12).reshape(3, 4)
    row = as_row(unit, GREY)
    assert row.dtype == np.float32
    np.testing.assert_array_equal(row, np.rint(16 * unit.ravel()))
    binary = DataInfo("b", "B", 12, values="binary", image_shape=(3, 4))
    np.testing.assert_array_equal(as_row(unit, binary), unit.ravel() > 0.5)
    colour = DataInfo("c", "C", 36, values="real", image_shape=(3, 4, 3), display=(-1.0, 1.0))
    np.testing.assert_allclose(as_row(unit, colour).reshape(12, 3).T, [2 * unit.ravel() - 1] * 3, atol=1e-6)


@pytest.fixture
def digits():
    return open_data("digits-grey")


def write_digit(path, data, row: int, ink_on_paper: bool) -> np.ndarray:
    """A row of the data as a PNG, eight times as large; returns the row."""
    x = data.test.x[row]
    low, high = data.info.display
    grey = np.rint(255 * (x.reshape(data.info.image_shape) - low) / (high - low)).astype(np.uint8)
    large = np.kron(255 - grey if ink_on_paper else grey, np.ones((8, 8), np.uint8))
    Image.fromarray(large).save(path)
    return x


@pytest.mark.parametrize("ink_on_paper", [False, True])
def test_a_picture_of_a_datum_is_read_as_that_datum(tmp_path, digits, ink_on_paper):
    x = write_digit(tmp_path / "a.png", digits, 3, ink_on_paper)
    found = read_row(tmp_path / "a.png", digits.info, digits)
    low, high = digits.info.display
    np.testing.assert_allclose(found, x, atol=0.3 * (high - low))  # a triangle filter has reduced it
    assert np.corrcoef(found, x)[0, 1] > 0.95


def test_what_is_no_picture_is_a_sentence(tmp_path, digits):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(InputError, match=r"a\.png is damaged"):
        read_row(tmp_path / "a.png", digits.info, digits)
    with pytest.raises(InputError, match="no such file"):
        read_row(tmp_path / "b.png", digits.info, digits)


def sketch_of(program) -> Sketch:
    program.trigger("draw-input")
    (sketch,) = program.window.findChildren(Sketch)
    return sketch


def stroke(sketch, *places) -> None:
    """Draw a line through places in [0, 1]², the origin at the top left."""
    at = [QPoint(round(x * SHOWN), round(y * SHOWN)) for x, y in places]
    send_mouse(sketch.canvas, QEvent.Type.MouseButtonPress, at[0], LEFT, LEFT)
    for point in at[1:]:
        send_mouse(sketch.canvas, QEvent.Type.MouseMove, point, buttons=LEFT)
    send_mouse(sketch.canvas, QEvent.Type.MouseButtonRelease, at[-1], LEFT)


def given(program) -> bool:
    subject = program.session.subject
    return subject is not None and subject.given


def test_what_is_drawn_is_encoded_held_and_scored_and_esc_lets_go(program):
    session, cursor = program.session, program.window.cursor_panel
    sketch = sketch_of(program)
    stroke(sketch, (0.5, 0.15), (0.5, 0.85))
    program.until(lambda: given(program))
    first = session.point
    stroke(sketch, (0.2, 0.5), (0.8, 0.5))
    program.until(lambda: not np.array_equal(session.point, first))
    program.settle()
    x = session.subject.x
    assert x.reshape(8, 8)[3:5, 2:6].min() > 0  # the bar is where it was drawn
    assert x.reshape(8, 8)[0, 0] == 0
    np.testing.assert_array_equal(session.point, latent_points(session.model, x[None])[0])
    assert program.map.held
    assert cursor.datum_title.text() == "Your input"
    assert cursor.datum_rows.value("label") == "your drawing"
    program.until(lambda: cursor.datum_rows.value("log_p") != "–")
    program.hover(-2.0, 2.0)  # it is held
    assert given(program)

    program.trigger("let-go")
    assert not given(program)
    program.hover(0.4, 0.2)
    program.until(lambda: session.subject is not None)
    assert cursor.datum_title.text() == "Nearest datum"
    program.until(lambda: cursor.datum_rows.value("log_p") != "–")


def test_strokes_are_undone_and_an_empty_sheet_is_no_datum(program):
    sketch = sketch_of(program)
    stroke(sketch, (0.5, 0.2), (0.5, 0.8))
    program.until(lambda: given(program))
    QTest.keyClick(sketch, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert sketch.canvas.empty
    assert not given(program)
    sketch.close()


def test_a_picture_dropped_on_the_map_is_looked_at(program, tmp_path):
    data, window = program.session.data, program.window
    write_digit(tmp_path / "mine.png", open_data("digits-grey"), 5, ink_on_paper=True)
    run, chosen = program.session.run, program.session.state.run
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(tmp_path / "mine.png"))])
    at = program.map.mapTo(window, program.map.rect().center())
    for kind, place in ((QDragEnterEvent, at), (QDropEvent, QPointF(at))):
        event = kind(place, Qt.DropAction.CopyAction, mime, LEFT, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(window, event)
        assert event.isAccepted()
    program.until(lambda: given(program))
    assert program.session.subject.name == "mine.png"
    assert program.session.run is run
    assert program.session.state.run == chosen
    assert set(np.unique(program.session.subject.x)) <= set(np.unique(data.train.x))


def test_a_picture_that_cannot_be_read_is_told_of(program, tmp_path, monkeypatch):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *args, **kwargs: (str(tmp_path / "bad.png"), "")
    )
    program.trigger("open-input")
    program.until(lambda: any("bad.png" in m.text for m in program.said))
    assert not given(program)


def test_a_click_on_the_data_plane_gives_a_datum_of_the_plane(start, tmp_path):
    values = {"width": 16, "depth": 1, "decoder": "gaussian"}
    program = start(saved_run(tmp_path / "run.safetensors", "vae", "two-moons", values, steps=1))
    program.wait_for_run()
    program.click(program.window.stage.switch.buttons["data"])
    panel = program.window.stage.data
    program.until(lambda: panel.scatter is not None)
    canvas = panel.canvas
    at = canvas.mapFromScene(canvas.box.mapViewToScene(QPointF(0.5, 0.25)))
    program.click(canvas.viewport(), at)
    program.until(lambda: given(program))
    x = program.session.subject.x
    np.testing.assert_allclose(x, [0.5, 0.25], atol=0.02)
    np.testing.assert_array_equal(program.session.point, latent_points(program.session.model, x[None])[0])

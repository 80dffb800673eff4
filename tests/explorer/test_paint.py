"""A density painted by hand, a picture dropped, and two Gaussians moved apart."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from backends.data import SPLITS, open_data
from explorer.data.painter import Painter
from explorer.data.paintings import keep_painting, last_painting
from explorer.widgets.paint_canvas import CELLS, SHOWN, fitted
from explorer.widgets.values import format_number
from tests.explorer.conftest import send_mouse

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


def open_painter(program) -> Painter:
    """Choose the command, and wait for the dialog."""
    program.trigger("paint")
    program.until(lambda: QApplication.activeModalWidget() is not None)
    painter = QApplication.activeModalWidget()
    assert isinstance(painter, Painter)
    return painter


def pixel(u: float, v: float) -> QPoint:
    """Where (u, v) of the plane lies on the canvas, which shows [−4, 4]²."""
    return QPoint(round((u + 4) / 8 * SHOWN), round((4 - v) / 8 * SHOWN))


def stroke(painter, *places, button=LEFT) -> None:
    """Press, drag through these places of the plane and let go."""
    canvas, at = painter.canvas, [pixel(*place) for place in places]
    send_mouse(canvas, QEvent.Type.MouseButtonPress, at[0], button, button)
    for point in at[1:]:
        send_mouse(canvas, QEvent.Type.MouseMove, point, buttons=button)
    send_mouse(canvas, QEvent.Type.MouseButtonRelease, at[-1], button)


def chosen(program) -> str:
    return program.session.state.run.data


def accept(program, painter) -> str:
    """Press OK; returns what is chosen as data then."""
    before = chosen(program)
    program.click(painter.ok)
    program.until(lambda: chosen(program) != before)
    program.settle()
    return chosen(program)


def test_what_is_painted_is_the_density_of_the_next_run(program):
    painter = open_painter(program)
    for _ in range(4):
        stroke(painter, (-3, 2), (1, 2))
    stroke(painter, (2, -2))
    path = accept(program, painter)
    assert path == str(program.home / "paintings" / "painted-1.png")
    assert program.run_panel.data.currentText() == "painted-1.png"
    density = open_data(path).density
    bright, faint, outside = density.log_prob(np.array([[-1.0, 2.0], [2.0, -2.0], [-2.0, -2.0]]))
    assert bright > faint + 0.5
    assert faint > outside + 5
    x = open_data(path).train.x
    assert (abs(x[:, 1] - 2) < 0.6).mean() > 0.9


def test_the_canvas_stays_below_the_hand_with_the_first_stroke(program):
    painter = open_painter(program)
    before = painter.canvas.geometry(), painter.size()
    stroke(painter, (-3, 2), (1, 2))
    QApplication.processEvents()
    assert painter.ok.isEnabled()
    assert (painter.canvas.geometry(), painter.size()) == before
    program.click(painter.cancel)


def test_strokes_are_undone_erased_and_cleared(program):
    painter = open_painter(program)
    canvas = painter.canvas
    assert not painter.undo.isEnabled()
    stroke(painter, (-2, 0), (2, 0))
    first = canvas.levels.copy()
    stroke(painter, (0, -3), (0, 3))
    QTest.keyClick(painter, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(canvas.levels, first)
    for _ in range(12):
        stroke(painter, (0, 0), button=RIGHT)
    row, column = CELLS // 2, CELLS // 2
    assert first[row, column] > 0.3
    assert canvas.levels[row, column] == 0
    assert canvas.levels[row, column // 2 + 8] == first[row, column // 2 + 8]
    program.click(painter.clear)
    assert canvas.empty
    program.click(painter.undo)
    assert not canvas.empty
    painter.reject()


def test_the_brush_has_a_size_and_shows_what_it_paints(program):
    painter = open_painter(program)
    before = program.pixels(painter.canvas)
    painter.size_.setValue(4)
    stroke(painter, (0, 0))
    thin = (painter.canvas.levels > 0).sum()
    assert thin == pytest.approx(np.pi * 16, rel=0.3)
    QTest.keyClick(painter, Qt.Key.Key_BracketRight)
    stroke(painter, (0, 3))
    assert (painter.canvas.levels[:80] > 0).sum() == pytest.approx(np.pi * 36, rel=0.3)
    changed = abs(program.pixels(painter.canvas) - before).sum(2) > 30
    at = pixel(0, 0)
    assert changed[at.y(), at.x()]
    assert not changed[at.y(), at.x() + 100]
    painter.reject()


def test_keys_paint_and_erase(program):
    painter = open_painter(program)
    canvas = painter.canvas
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Left, Qt.Key.Key_Space):
        QTest.keyClick(canvas, key)
    row, column = np.unravel_index(canvas.levels.argmax(), canvas.levels.shape)
    assert (row, column) == (pytest.approx(CELLS / 2 - 4, abs=1), pytest.approx(CELLS / 2 - 4, abs=1))
    QTest.keyClick(canvas, Qt.Key.Key_Delete)
    assert canvas.empty
    painter.reject()


def test_an_empty_painting_cannot_be_used_and_says_so(program):
    painter = open_painter(program)
    assert not painter.ok.isEnabled()
    assert "Drag over the square" in painter.note.text()
    stroke(painter, (0, 0))
    assert painter.ok.isEnabled()
    assert "Nothing is painted" not in painter.note.text()
    painter.reject()


def test_cancel_changes_nothing(program):
    state, undo = program.session.state, program.session.undo_text
    painter = open_painter(program)
    stroke(painter, (0, 0))
    program.click(painter.cancel)
    program.settle()
    assert (program.session.state, program.session.undo_text) == (state, undo)
    assert not (program.home / "paintings").exists()


def test_painting_again_begins_with_the_last_and_keeps_it(program):
    painter = open_painter(program)
    stroke(painter, (-2, -2), (2, 2))
    painted = painter.canvas.levels.copy()
    first = accept(program, painter)
    content = Path(first).read_bytes()
    painter = open_painter(program)
    np.testing.assert_allclose(painter.canvas.levels, painted, atol=0.5 / 255)
    stroke(painter, (2, -2))
    second = accept(program, painter)
    assert second.endswith("painted-2.png")
    assert Path(first).read_bytes() == content
    np.testing.assert_array_equal(last_painting(program.home) > 0, open_levels(second) > 0)
    assert str(keep_painting(program.home, last_painting(program.home))) == second  # the same: no third


def open_levels(path):
    return np.asarray(Image.open(path), float) / 255


def test_even_a_painting_up_to_the_edge_is_bright_where_painted(program):
    painter = open_painter(program)
    painter.size_.setValue(48)
    for v in np.linspace(-4, 4, 9):
        for _ in range(3):
            stroke(painter, (-4, v), (4, v))
    density = open_data(accept(program, painter)).density
    log_p = density.log_prob(np.array([[0.0, 0.0], [3.9, -3.9], [4.2, 0.0]]))
    assert log_p[:2] == pytest.approx(-np.log(64), abs=0.1)
    assert log_p[2] < -10


def test_the_list_of_data_offers_to_paint(program):
    data = program.run_panel.data
    before = data.currentText()
    data.activated.emit(data.findText("Paint a density…"))
    program.until(lambda: isinstance(QApplication.activeModalWidget(), Painter))
    assert data.currentText() == before
    QApplication.activeModalWidget().reject()


def test_a_picture_fills_the_canvas(program, tmp_path, monkeypatch):
    levels = np.full((60, 120), 255, np.uint8)
    levels[20:40, 30:90] = 0
    Image.fromarray(levels).save(tmp_path / "bar.png")
    (tmp_path / "no.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    painter = open_painter(program)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(tmp_path / "bar.png"), ""))
    program.click(painter.fill)
    program.until(lambda: not painter.canvas.empty)
    np.testing.assert_array_equal(painter.canvas.levels, fitted(1 - levels / 255))
    assert painter.canvas.levels.mean() == pytest.approx(0.5 * 0.5 / 3, abs=0.01)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(tmp_path / "no.png"), ""))
    program.click(painter.fill)
    program.until(lambda: "no.png is damaged" in painter.note.text())
    program.click(painter.undo)
    assert painter.canvas.empty
    painter.reject()


def test_a_picture_is_opened_as_data_whatever_its_name(program, tmp_path):
    levels = np.zeros((40, 40), np.uint8)
    levels[10:20, 10:30] = 255
    path = tmp_path / "picture"

    def preview():
        return program.window.dialogs.preview

    Image.fromarray(levels).save(path, "PNG")
    before = program.session.state
    program.actions.open(path)
    program.until(lambda: preview() is not None and preview().ok.isEnabled())
    (item,) = preview().pictures.items
    assert np.array_equal(item.picture > 0, levels > 0)
    rows = open_data(path)
    assert preview().facts.value("rows") == format_number(sum(len(rows.split(s)) for s in SPLITS))
    shown = program.pixels(preview().pictures).min(2)
    assert 0.03 < (shown > 200).mean() < 0.3  # the bright block, and little else
    assert program.session.state == before
    program.click(preview().ok)
    program.until(lambda: chosen(program) == str(path))
    assert program.session.state.run.values["decoder"] == "gaussian"
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    program.actions.open(tmp_path / "broken.png")
    program.until(lambda: program.said[-1].kind == "error")
    assert "broken.png is damaged" in program.said[-1].text
    assert chosen(program) == str(path)


def test_two_gaussians_are_moved_apart_by_a_slider(program):
    panel = program.run_panel
    assert panel.separation.isHidden()
    panel.data.activated.emit(panel.data.findData("two-gaussians"))
    program.until(lambda: chosen(program) == "two-gaussians")
    assert not panel.separation.isHidden()
    assert panel.separation.number.text() == "2"
    entries = panel.data.count()
    for value in (21, 24, 28):
        panel.separation.slider.setValue(value)
    assert chosen(program) == "two-gaussians@2.8"
    assert panel.data.currentText() == "Two Gaussians"
    assert panel.data.count() == entries
    program.session.undo()
    assert chosen(program) == "two-gaussians"
    assert panel.separation.number.text() == "2"
    program.session.undo()
    assert panel.separation.isHidden()

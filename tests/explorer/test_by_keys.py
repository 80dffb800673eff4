"""The latent map by keys alone; where the keyboard is, and what a hand would do."""

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QEnterEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from explorer.shell.cards import in_front
from explorer.widgets.palette import Palette

CONTROL, NONE = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def by_keys(program):
    active(program)
    return program


def active(program) -> None:
    """Offscreen there is no window manager, which else sees to it."""
    program.window.activateWindow()
    program.until(lambda: program.window.isActiveWindow() and program.window.focusWidget().hasFocus())


def press(program, *keys: Qt.Key, with_: Qt.KeyboardModifier = NONE) -> None:
    for key in keys:
        QTest.keyClick(QApplication.focusWidget() or program.window, key, with_)


def command(program, words: str) -> None:
    """Type a command into the palette."""
    press(program, Qt.Key.Key_K, with_=CONTROL)
    (palette,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, Palette) and w.isVisible())
    QTest.keyClicks(palette.line, words)
    QTest.keyClick(palette.line, Qt.Key.Key_Return)
    active(program)


def going(program, kind: str) -> bool:
    walk = program.session.walk
    return walk is not None and walk.kind == kind and walk.complete


def card_of(program, widget) -> str | None:
    return next((name for name, dock in program.window.docks.items() if dock.isAncestorOf(widget)), None)


@pytest.mark.qt_log_ignore("grabbing the keyboard")
def test_pins_a_path_its_film_and_its_file_by_keys_alone(by_keys, tmp_path, monkeypatch):
    program, file = by_keys, tmp_path / "path.npz"
    assert QApplication.focusWidget() is program.map.canvas
    press(
        program, *[Qt.Key.Key_Left] * 5, Qt.Key.Key_N, *[Qt.Key.Key_Right] * 12, Qt.Key.Key_Up, Qt.Key.Key_N
    )
    assert [pin.name for pin in program.session.state.pins] == ["A", "B"]
    for words, kind in (
        ("path shortest", "shortest"),
        ("path circle", "circle"),
        ("path straight", "straight"),
    ):
        command(program, words)
        assert program.session.state.path.kind == kind
        program.until(lambda kind=kind: going(program, kind))
    assert in_front(program.window.docks["path"])
    player = program.window.suited["path"].player
    press(program, Qt.Key.Key_F)
    assert player.asked == 1
    press(program, Qt.Key.Key_F)
    assert player.asked == 0
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(file), ""))
    command(program, "path numbers")
    program.until(file.exists)
    with np.load(file) as read:
        np.testing.assert_array_equal(read["z"], program.session.walk.z)


def test_a_path_is_drawn_and_goes_on_by_keys(by_keys):
    press(by_keys, Qt.Key.Key_Left, Qt.Key.Key_Return, *[Qt.Key.Key_Up] * 4, Qt.Key.Key_Return)
    press(by_keys, *[Qt.Key.Key_Right] * 4, Qt.Key.Key_Return)
    assert by_keys.session.state.path.kind == "drawn"
    assert len(by_keys.session.state.path.points) == 3


def test_f6_goes_from_card_to_card_and_back(by_keys):
    program, been = by_keys, []
    for _ in range(8):
        been.append(card_of(program, QApplication.focusWidget()))
        press(program, Qt.Key.Key_F6)
    count = been.index("map", 1)
    assert set(been[:count]) == {"map", "curves", "run", "samples"}  # what is under the cursor takes no keys
    assert been[count : 2 * count] == been[: len(been) - count][:count]
    press(program, Qt.Key.Key_F6, with_=Qt.KeyboardModifier.ShiftModifier)
    assert card_of(program, QApplication.focusWidget()) == been[-1]


def test_tab_comes_to_nothing_that_lies_behind_another_card(by_keys):
    canvas, seen = by_keys.map.canvas, []
    while not seen or seen[-1] is not canvas:
        press(by_keys, Qt.Key.Key_Tab)
        seen.append(QApplication.focusWidget())
    cards = {card_of(by_keys, widget) for widget in seen} - {None}
    assert {"curves", "run", "map", "samples"} <= cards
    assert all(in_front(by_keys.window.docks[name]) for name in cards)
    fields = [seen.index(field) for field in by_keys.run_panel.form.fields.values() if field in seen]
    assert fields == sorted(fields)
    assert fields[-1] < seen.index(by_keys.run_panel.play)  # as the eye goes


@pytest.mark.qt_log_ignore("grabbing the keyboard")
def test_a_card_behind_a_tab_comes_to_the_front_and_then_is_hidden(by_keys):
    pins = by_keys.window.docks["pins"]
    assert not in_front(pins)
    command(by_keys, "card pins")
    assert in_front(pins)
    by_keys.trigger("card-pins")
    assert pins.isHidden()


def test_the_pointer_and_the_line_below_say_what_a_drag_does(program):
    canvas, shape = program.map.canvas, lambda: program.map.canvas.viewport().cursor().shape()
    program.hover(0.5, 0.5)
    assert shape() == Qt.CursorShape.CrossCursor
    program.trigger("pin")
    program.hover(-0.5, 0.5)
    program.hover(0.5, 0.5)
    assert shape() == Qt.CursorShape.OpenHandCursor
    at = QPointF(canvas.rect().center())
    QApplication.sendEvent(canvas, QEnterEvent(at, at, QPointF(canvas.mapToGlobal(at))))
    assert "draw a path" in program.window.hint.text()


def test_another_tab_does_not_move_the_keyboard_into_another_card(by_keys):
    docks, film = by_keys.window.docks, by_keys.window.suited["path"]
    docks["path"].raise_()
    by_keys.until(film.isVisible)
    film.bar.kind.setFocus()
    assert card_of(by_keys, QApplication.focusWidget()) == "path"
    docks["curves"].raise_()
    by_keys.until(lambda: not film.isVisible())
    assert QApplication.focusWidget() is None

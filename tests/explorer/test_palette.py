"""The palette: every command is found by its words, and done with the keys."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from explorer.widgets.palette import Palette


def palette_of(program) -> Palette:
    (found,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, Palette) and w.isVisible())
    return found


@pytest.mark.qt_log_ignore("grabbing the keyboard")
def test_the_palette_filters_and_does(program):
    QTest.keyClick(program.window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    palette = palette_of(program)
    assert palette.list.count() > 10
    QTest.keyClicks(palette.line, "CONT prior")
    assert palette.list.count() == 1
    assert palette.list.item(0).text().startswith("Contours: of the prior")
    QTest.keyClick(palette.line, Qt.Key.Key_Return)
    assert program.session.state.map.prior is False
    program.settle()


@pytest.mark.qt_log_ignore("grabbing the keyboard")
@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("theme dark", "dark"),
        ("settings", "preferences"),
        ("layout", "arrange"),
        ("export image", "save-map"),
        ("rename", "runs"),
        ("traversals", "card-traversals"),
        ("exit", "quit"),
        ("start training", "toggle"),
    ],
)
def test_a_command_is_found_by_what_it_does(program, words, name):
    program.trigger("palette")
    palette = palette_of(program)
    QTest.keyClicks(palette.line, words)
    assert palette.list.item(0).data(Qt.ItemDataRole.UserRole) is program.window.commands[name]


@pytest.mark.qt_log_ignore("grabbing the keyboard")
def test_the_palette_is_walked_with_the_arrows_and_left_with_esc(program):
    state = program.session.state
    program.trigger("palette")
    palette = palette_of(program)
    QTest.keyClick(palette.line, Qt.Key.Key_Up)
    assert palette.list.currentRow() == 0
    QTest.keyClick(palette.line, Qt.Key.Key_Down)
    assert palette.list.currentRow() == 1
    QTest.keyClicks(palette.line, "no such command")
    assert palette.list.count() == 0
    QTest.keyClick(palette.line, Qt.Key.Key_Return)
    QTest.keyClick(palette.line, Qt.Key.Key_Escape)
    assert program.session.state == state

"""Pins: plain data with arithmetic, and the hand that sets, moves, names and deletes them."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest

from backends.base import InputError
from explorer.paths import pins
from explorer.state import PathSpec, Pin, PlaneSpec, State, from_json, to_json

from .conftest import send_mouse

LEFT = Qt.MouseButton.LeftButton


def three(dim=2):
    rng = np.random.default_rng(0)
    state = State()
    for name in "abc":
        state = pins.with_pin(state, name, rng.standard_normal(dim))
    return state, {pin.name: np.array(pin.z) for pin in state.pins}


# -- plain data ------------------------------------------------------------------------------------


def test_pins_survive_the_settings_exactly():
    state, _ = three(200)
    assert from_json(to_json(state)) == state


@pytest.mark.parametrize(
    "given",
    [
        "3",
        '["a"]',
        '[{"name": "a", "z": "0,1"}]',
        '[{"name": "a", "z": [1, null]}]',
        '[{"name": "a", "z": [NaN]}]',
    ],
)
def test_pins_that_are_none_do_not_keep_the_program_from_starting(given):
    read = from_json('{"pins": ' + given + "}")
    assert all(pin.z == () for pin in read.pins)
    assert pins.shown(read, 2) == ()


def test_a_name_that_is_none_gives_way_to_the_standard_one():
    assert from_json('{"pins": [{"name": "1 2", "z": [1]}]}').pins == (Pin("A", (1.0,)),)


def test_only_pins_of_the_models_dimension_are_shown():
    state, _ = three()
    state = pins.with_pin(state, "d", np.zeros(3))
    assert [pin.name for pin in pins.shown(state, 2)] == ["a", "b", "c"]
    assert pins.at(state, "d", 2) is None


def test_new_names_go_on_after_the_alphabet():
    state = State()
    for _ in range(28):
        state = pins.with_pin(state, pins.new_name(state), np.zeros(2))
    assert [pin.name for pin in state.pins][::9] == ["A", "J", "S", "B2"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a − b + c", lambda a, b, c: a - b + c),
        ("a - (b - c)", lambda a, b, c: a - (b - c)),
        ("0.5*a + .5 · b", lambda a, b, c: 0.5 * a + 0.5 * b),
        ("-a/2 + 1e-1*b*3", lambda a, b, c: -a / 2 + 1e-1 * b * 3),
        ("(1 - 0.25)*a + 0.25*c", lambda a, b, c: 0.75 * a + 0.25 * c),
    ],
)
def test_arithmetic(text, value):
    _, known = three(5)
    np.testing.assert_allclose(pins.evaluate(text, known, 5), value(**known), rtol=1e-15)


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("", "type an expression"),
        ("a +", "ends where a pin"),
        ("a b", "“b” stands where"),
        ("a + 1", "a number cannot be added"),
        ("a*b", "cannot be multiplied"),
        ("1/a", "divided by"),
        ("a/0", "by zero"),
        ("(a", "not closed"),
        ("king", "no pin called king"),
        ("0.5 + 1", "a number and no point"),
        ("a % b", "“%” stands where"),
        ("1e308*a*1e308", "not finite"),
        ("(" * 2000, "nested too deeply"),
        ("x = y = a", "is no name"),
        ("9x = a", "“9x” is no name"),
    ],
)
def test_what_cannot_be_computed_is_a_sentence(text, culprit):
    state, _ = three()
    with pytest.raises(InputError, match=culprit):
        pins.computed(state, text, 2)


def test_a_pin_of_another_dimension_cannot_be_added():
    state, _ = three()
    with pytest.raises(InputError, match="a lies in 2 dimensions, and this model has 3"):
        pins.computed(state, "a", 3)


def test_the_result_is_a_pin_under_the_name_that_is_given():
    state, known = three()
    new, name = pins.computed(state, "d = a − b + c", 2)
    assert name == "d"
    np.testing.assert_array_equal(pins.at(new, "d", 2), known["a"] - known["b"] + known["c"])
    again, name = pins.computed(new, "d", 2)
    assert name == "A"
    np.testing.assert_array_equal(pins.at(again, "A", 2), pins.at(new, "d", 2))


def test_a_path_goes_on_to_end_in_a_pin_that_is_renamed():
    state, _ = three()
    state = replace(state, path=PathSpec("straight", "a", "b"))
    assert pins.renamed(state, "b", "king").path == PathSpec("straight", "a", "king")


def test_a_plane_goes_on_through_a_pin_that_is_renamed():
    state, _ = three(5)
    state = replace(state, map=replace(state.map, plane=PlaneSpec("pins", pins=("a", "b", "c"))))
    assert pins.renamed(state, "b", "king").map.plane.pins == ("a", "king", "c")


# -- on the map ------------------------------------------------------------------------------------


def drag(program, begin: QPoint, end: QPoint):
    viewport = program.map.canvas.viewport()
    send_mouse(viewport, QEvent.Type.MouseButtonPress, begin, LEFT, LEFT)
    for share in (0.25, 0.5, 0.75, 1.0):
        send_mouse(viewport, QEvent.Type.MouseMove, begin + share * (end - begin), buttons=LEFT)
    send_mouse(viewport, QEvent.Type.MouseButtonRelease, end, LEFT)


def set_pin(program, u, v):
    program.hover(u, v)
    program.trigger("pin")
    return program.session.state.pins[-1]


def test_a_pin_is_set_where_the_point_is_and_seen_there(program):
    before = program.pixels(program.map.canvas)
    pin = set_pin(program, 1.0, 0.5)
    program.hover(-3.0, -3.0)
    assert pin.name == "A"
    np.testing.assert_allclose(pin.z, [1.0, 0.5], atol=0.02)
    at = program.pixel_of(*pin.z)
    rows, columns = slice(at.y() - 3, at.y() + 4), slice(at.x() - 3, at.x() + 4)
    changed = np.abs(program.pixels(program.map.canvas)[rows, columns] - before[rows, columns]).sum(2)
    assert (changed > 20).mean() > 0.5
    program.session.undo()
    assert not program.map.pins.items


def test_dragging_a_pin_is_one_step_and_moves_no_map(program):
    pin, view = set_pin(program, -1.0, 1.0), program.map.view()
    begin, end = program.pixel_of(*pin.z), program.pixel_of(0.7, -0.4)
    drag(program, begin, end)
    moved = program.session.state.pins[0]
    np.testing.assert_allclose(moved.z, [0.7, -0.4], atol=0.05)
    np.testing.assert_allclose(program.session.point, moved.z, atol=1e-6)
    assert program.map.view() == view
    program.session.undo()
    assert program.session.state.pins == (pin,)


def test_with_the_middle_button_a_drag_over_a_pin_moves_the_map(program):
    pin = set_pin(program, 0.0, 0.0)
    begin = program.pixel_of(*pin.z)
    program.drag_map(begin, begin + QPoint(60, 40))
    assert program.session.state.pins == (pin,)


def test_a_click_on_a_pin_holds_the_point_there_exactly(program):
    pin = set_pin(program, 0.3, 0.2)
    program.hover(-2.0, -2.0)
    program.click_map(*pin.z)
    np.testing.assert_array_equal(program.session.point, np.float32(pin.z))
    assert program.map.held


def test_a_double_click_renames(program):
    pin = set_pin(program, 0.3, 0.2)
    QTest.mouseDClick(program.map.canvas.viewport(), LEFT, pos=program.pixel_of(*pin.z))
    editor = program.map.pins.editor
    editor.selectAll()
    QTest.keyClicks(editor, "two words")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert "“two words” is no name" in program.said[-1].text
    set_again = program.session.state.pins[0].name
    assert set_again == "A"
    QTest.keyClick(program.map.canvas, Qt.Key.Key_F2)
    editor = program.map.pins.editor
    editor.selectAll()
    QTest.keyClicks(editor, "seven")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert program.session.state.pins == (Pin("seven", pin.z),)
    assert program.map.pins.editor is None
    assert list(program.map.pins.items) == ["seven"]


def test_delete_and_escape_from_renaming(program):
    set_pin(program, 0.3, 0.2)
    QTest.keyClick(program.map.canvas, Qt.Key.Key_F2)
    QTest.keyClick(program.map.pins.editor, Qt.Key.Key_Escape)
    assert program.map.pins.editor is None
    assert program.session.state.pins[0].name == "A"
    QTest.keyClick(program.map.canvas, Qt.Key.Key_Delete)
    assert program.session.state.pins == ()
    program.session.undo()
    assert len(program.map.pins.items) == 1


def test_enter_that_ends_a_name_sets_no_corner_of_a_path(program):
    set_pin(program, 0.3, 0.2)
    QTest.keyClick(program.map.canvas, Qt.Key.Key_F2)
    QTest.keyClicks(program.map.pins.editor, "seven")
    QTest.keyClick(program.map.pins.editor, Qt.Key.Key_Return)
    assert program.session.state.path == PathSpec()
    assert program.session.undo_text == "rename the pin A"


def test_a_pin_is_moved_by_keys_as_by_hand(program):
    a, b = set_pin(program, 1.0, 0.5), set_pin(program, -1.0, 0.5)
    program.click_map(*a.z)
    for _ in range(5):
        QTest.keyClick(program.map.canvas, Qt.Key.Key_Up)
    program.trigger("move-pin")
    moved = program.session.state.pins[0]
    np.testing.assert_array_equal(np.float32(moved.z), program.session.point)
    assert moved.z[0] == pytest.approx(a.z[0], abs=1e-6)
    assert moved.z[1] > a.z[1]
    program.session.undo()
    assert program.session.state.pins == (a, b)


def test_a_name_that_is_taken_back_leaves_the_pin_chosen(program):
    set_pin(program, 0.3, 0.2), set_pin(program, 1.0, 0.2)
    panel = program.window.suited["pins"]
    QTest.keyClick(program.map.canvas, Qt.Key.Key_F2)
    QTest.keyClicks(program.map.pins.editor, "seven")
    QTest.keyClick(program.map.pins.editor, Qt.Key.Key_Return)
    for command, name in (("undo", "B"), ("redo", "seven"), ("undo", "B")):
        program.trigger(command)
        assert program.session.pin == panel.current == name
        assert [item.selected for item in program.map.pins.items.values()].count(True) == 1
        assert program.map.pins.items[name].selected
    QTest.keyClick(program.map.canvas, Qt.Key.Key_Delete)
    assert [pin.name for pin in program.session.state.pins] == ["A"]


# -- the list --------------------------------------------------------------------------------------


@pytest.fixture
def panel(program):
    program.window.docks["pins"].raise_()
    return program.window.suited["pins"]


def test_the_list_moves_the_point_renames_and_deletes(program, panel):
    assert not panel.list.isVisible()
    a, b = set_pin(program, 1.0, 0.0), set_pin(program, 0.0, 1.0)
    assert [panel.list.topLevelItem(i).text(0) for i in (0, 1)] == ["A", "B"]
    panel.list.setFocus()
    panel.list.setCurrentItem(panel.list.topLevelItem(0))
    np.testing.assert_array_equal(program.session.point, np.float32(a.z))
    QTest.keyClick(panel.list, Qt.Key.Key_Down)
    np.testing.assert_array_equal(program.session.point, np.float32(b.z))
    panel.list.topLevelItem(1).setText(0, "A")
    assert "here is a pin called A already" in panel.error.text()
    assert panel.list.topLevelItem(1).text(0) == "B"
    panel.list.topLevelItem(1).setText(0, "one")
    assert program.session.state.pins == (a, Pin("one", b.z))
    assert not panel.error.isVisible()
    QTest.keyClick(panel.list, Qt.Key.Key_Delete)
    assert program.session.state.pins == (a,)


def test_map_and_list_have_one_pin_chosen(program, panel):
    a, _ = set_pin(program, 1.0, 0.0), set_pin(program, 0.0, 1.0)
    assert panel.current == "B"
    program.click_map(*a.z)
    assert panel.current == "A"
    assert [item.selected for item in program.map.pins.items.values()] == [True, False]
    panel.list.setCurrentItem(panel.list.topLevelItem(1))
    assert [item.selected for item in program.map.pins.items.values()] == [False, True]
    panel.list.topLevelItem(1).setText(0, "one")
    assert program.map.pins.items["one"].selected
    program.map.canvas.setFocus()
    QTest.keyClick(program.map.canvas, Qt.Key.Key_Delete)
    assert program.session.state.pins == (a,)
    assert not panel.delete.isEnabled()


def test_arithmetic_by_keyboard(program, panel):
    a, b = set_pin(program, 1.0, 0.2), set_pin(program, 0.1, 1.0)
    program.type_into(panel.sum, "A + X")
    assert "no pin called X" in panel.error.text()
    assert panel.error.isVisible()
    program.type_into(panel.sum, "2*A - B")
    assert not panel.error.isVisible()
    assert program.session.state.pins[-1] == Pin("C", tuple(2 * np.array(a.z) - np.array(b.z)))
    np.testing.assert_allclose(program.session.point, program.session.state.pins[-1].z, rtol=1e-6)
    assert program.session.pin == "C"  # the keys are for it
    assert [(i.row(), i.column()) for i in panel.list.selectedIndexes()] == [(2, 0), (2, 1), (2, 2)]
    program.session.apply(pins.with_pin(program.session.state, "D", np.ones(2)), "set another")
    assert [(i.row(), i.column()) for i in panel.list.selectedIndexes()] == [(2, 0), (2, 1), (2, 2)]


def test_the_pin_that_was_computed_comes_into_view(program, panel):
    state = program.session.state
    for i in range(30):
        state = pins.with_pin(state, pins.new_name(state), np.full(2, i / 30))
    program.session.apply(state, "set thirty pins")
    program.type_into(panel.sum, "far = A - B")
    (row,) = panel.list.findItems("far", Qt.MatchFlag.MatchExactly)
    assert panel.list.viewport().rect().contains(panel.list.visualItemRect(row))

"""Where the docks stand: remembered, brought back, and in small windows."""

from PySide6.QtWidgets import QApplication

from explorer.shell.cards import in_front
from explorer.shell.suited import SUITED


def shape(program):
    """Is it there, and does it float, of each dock that every run has."""
    docks = program.window.docks
    return {n: (dock.isVisible(), dock.isFloating()) for n, dock in docks.items() if n not in SUITED}


def test_the_arrangement_is_remembered_and_the_standard_one_comes_back(start, small_run, tmp_path):
    home = tmp_path / "shared"
    first = start(small_run, home)
    first.wait_for_run()
    standard = shape(first)
    assert set(standard.values()) == {(True, False)}
    first.window.docks["samples"].close()
    first.window.docks["curves"].setFloating(True)
    first.trigger("light")
    first.settle()
    arranged = shape(first)
    first.close()
    second = start(small_run, home)
    second.wait_for_run()
    second.settle()
    assert shape(second) == arranged
    assert second.session.state.theme == "light"
    second.trigger("arrange")
    assert shape(second) == standard
    QApplication.processEvents()
    areas = {name: dock.geometry() for name, dock in second.window.docks.items()}
    assert areas["run"].right() < areas["map"].left() < areas["map"].right() < areas["cursor"].left()
    assert areas["map"].bottom() < areas["curves"].top()
    assert areas["map"].width() > 0.4 * second.window.width()


def test_a_remembered_tab_is_a_card_from_the_first_paint_on(start, small_run):
    first = start(small_run)
    first.wait_for_run()
    first.window.show_card("traversals")
    first.settle()
    first.close()
    second = start(small_run)
    docks, seen = second.window.docks, []

    def look():
        front = {name for name, dock in docks.items() if in_front(dock)}
        cards = all(docks[name].titleBarWidget() is not None for name in front)  # Qt's own have its buttons
        seen.append((second.session.run is None, cards, front, docks["traversals"].geometry()))

    second.window.first_painted.connect(look)
    second.wait_for_run()
    second.settle()
    look()
    assert [early for early, *_ in seen] == [True, False]
    assert seen[0][1:] == seen[1][1:]
    assert seen[0][1]
    assert "traversals" in seen[0][2]


def test_a_smaller_window_takes_its_room_from_the_canvas(program):
    docks = program.window.docks
    before = {name: docks[name].width() for name in ("run", "map", "cursor")}
    program.window.resize(1280, 800)
    QApplication.processEvents()
    after = {name: docks[name].width() for name in before}
    assert abs(after["run"] - before["run"]) <= 2
    assert abs(after["cursor"] - before["cursor"]) <= 2
    assert before["map"] - after["map"] >= 150

"""Files in the window: open, save, drop; what is remembered; and what closing leaves behind."""

import gc
import threading
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QWidget

from backends.run import Run
from explorer import settings
from explorer.cards import in_front
from explorer.kept import kept_runs
from explorer.suited import SUITED
from explorer.theme import DARK, LIGHT
from explorer.widgets.palette import Palette
from tests.runs import saved_run

Z = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)


def drop(program, path, onto: QWidget | None = None) -> bool:
    """Drop a file on a widget as Qt does: it asks the widget, then its parents. Was it taken?"""
    target = onto or program.window
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    at, copy, left = target.rect().center(), Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(at, copy, mime, left, Qt.KeyboardModifier.NoModifier)
    enter.ignore()
    while not target.acceptDrops() or not (QApplication.sendEvent(target, enter) and enter.isAccepted()):
        if target.isWindow():
            return False
        target = target.parentWidget()
    event = QDropEvent(QPointF(at), copy, mime, left, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(target, event)
    return event.isAccepted()


def answer(monkeypatch, which: str, path) -> None:
    """What the person chooses in the system's file dialog."""
    monkeypatch.setattr(QFileDialog, which, lambda *args, **kwargs: (str(path), ""))


def everything(program):
    session = program.session
    return session.run, session.model, session.state, program.actions.files.path, session.undo_text


# -- save and open ---------------------------------------------------------------------------------


def test_save_and_reopen_gives_the_same_step_and_the_same_pictures(program, start, tmp_path, monkeypatch):
    program.click(program.run_panel.step)
    program.until(lambda: program.session.moment.steps == 121)
    target = tmp_path / "mine.safetensors"
    answer(monkeypatch, "getSaveFileName", target)
    program.trigger("save-as")
    program.until(lambda: program.actions.files.path == target)
    assert "121" in program.said[-1].text
    assert program.window.windowTitle().startswith("mine")
    before = program.session.model

    other = start(target, home=tmp_path / "other")
    other.wait_for_run()
    after = other.session.model
    assert after.stamp.step == 121
    np.testing.assert_array_equal(after.decode(Z).mean, before.decode(Z).mean)
    assert str(target) in other.actions.files.settings.recent


def test_a_run_goes_on_from_its_file_as_it_would_have_gone_on(program, small_run):
    program.type_into(program.run_panel.run_form.fields["steps"], "130")
    program.click(program.run_panel.play)
    program.until(lambda: program.session.moment.steps == 130)
    program.paused()
    run = Run.open(small_run)
    for _ in range(10):
        run.step()
    np.testing.assert_array_equal(program.session.model.decode(Z).mean, run.model().decode(Z).mean)


def test_save_writes_to_the_runs_own_file_and_asks_where_there_is_none(start, tmp_path, monkeypatch):
    program = start()
    program.wait_for_run()
    asked = tmp_path / "asked"
    answer(monkeypatch, "getSaveFileName", asked)
    program.trigger("save")
    target = asked.with_suffix(".safetensors")
    program.until(lambda: program.actions.files.path == target)
    answer(monkeypatch, "getSaveFileName", tmp_path / "never")
    program.trigger("step")
    program.until(lambda: program.actions.files.unsaved())
    program.trigger("save")
    program.until(lambda: not program.actions.files.unsaved())
    assert Run.open(target).steps == program.steps
    assert not (tmp_path / "never.safetensors").exists()


def test_a_file_is_opened_by_menu_and_from_the_recent_ones(program, tmp_path, monkeypatch):
    path = saved_run(tmp_path / "moons.safetensors", "vae", "two-moons", {"width": 8, "decoder": "gaussian"})
    answer(monkeypatch, "getOpenFileName", path)
    program.trigger("open")
    program.until(lambda: program.session.run.info.name == "two-moons")
    program.settle()
    recent = program.window.menus.recent.actions()
    assert [a.text() for a in recent] == ["moons.safetensors", "small.safetensors"]
    recent[1].trigger()
    program.until(lambda: program.session.run.info.name == "digits")


def test_saving_where_it_cannot_be_says_so(program, tmp_path, monkeypatch):
    folder = tmp_path / "a-file"
    folder.write_text("")
    answer(monkeypatch, "getSaveFileName", folder / "run.safetensors")
    path = program.actions.files.path
    program.trigger("save-as")
    program.until(lambda: bool(program.said))
    assert "run.safetensors" in program.said[-1].text
    assert program.said[-1].kind == "error"
    assert program.actions.files.path == path
    banner = program.window.messages
    assert banner.messages() == [program.said[-1].text]
    answer(monkeypatch, "getSaveFileName", tmp_path / "run.safetensors")
    program.trigger("save-as")
    program.until(lambda: program.actions.files.path == tmp_path / "run.safetensors")
    assert program.said[-1].text.startswith("Saved run.safetensors")
    assert not banner.messages()


# -- drop ------------------------------------------------------------------------------------------


def test_a_dropped_run_is_opened_wherever_it_falls(program, tmp_path):
    saved_run(tmp_path / "wheel.safetensors", "vae", "pinwheel", {"width": 8, "decoder": "gaussian"})
    for onto in (None, program.map.canvas.viewport(), program.window.curves.plot, program.run_panel):
        assert drop(program, tmp_path / "wheel.safetensors", onto)
        old = program.session.run
        program.until(lambda old=old: program.session.run is not old)
        assert program.session.run.info.name == "pinwheel"
        program.settle()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.safetensors", None),
        ("noise.safetensors", b"\x00" * 5000),
        ("text.safetensors", b"this is no run"),
        ("pickle.pt", b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00."),
        ("binary.csv", b"a,b\n\xff\xfe,2\n"),
        ("empty.npy", b""),
        ("not.npz", b"PK\x03\x04 nonsense"),
    ],
)
def test_a_broken_file_is_named_and_changes_nothing(program, small_run, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(small_run.read_bytes()[:-1000] if content is None else content)
    before = everything(program)
    assert drop(program, path)
    program.until(lambda: bool(program.said))
    assert [m.kind for m in program.said] == ["error"]
    assert name in program.said[0].text
    assert program.window.messages.messages() == [program.said[0].text]
    program.settle()
    assert everything(program) == before
    assert program.window.busy.text() == ""
    program.hover(0.5, 0.5)
    program.settle()


def test_a_file_that_is_not_there_is_named(program, tmp_path):
    program.actions.open(tmp_path / "gone.safetensors")
    program.until(lambda: bool(program.said))
    assert "gone.safetensors" in program.said[0].text


def table(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    rows = ["height,weight,label"]
    rows += [f"{a:.4f},{b:.4f},{'cat' if a > 0 else 'dog'}" for a, b in rng.normal(size=(200, 2))]
    (tmp_path / "animals.csv").write_text("\n".join(rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "animals.csv"


def accept(program) -> None:
    """Use what the preview shows."""
    program.until(
        lambda: program.window.dialogs.preview is not None and program.window.dialogs.preview.ok.isEnabled()
    )
    program.click(program.window.dialogs.preview.ok)


@pytest.mark.parametrize("relative", [False, True])
def test_a_table_of_the_users_own_is_chosen_and_trained_on(program, tmp_path, monkeypatch, relative):
    path = table(tmp_path, monkeypatch)
    old = program.session.run
    if relative:
        program.actions.open("animals.csv")
    else:
        drop(program, path)

    accept(program)
    program.until(lambda: "animals" in program.session.state.run.data)
    panel = program.run_panel
    assert panel.data.currentText() == "animals.csv"
    assert "200" in program.said[-1].text
    assert program.session.run is old
    program.type_into(panel.run_form.fields["steps"], "10")
    program.click(panel.play)
    program.until(lambda: program.session.run is not old and program.session.moment.steps == 10)
    program.paused()
    assert program.session.run.info.columns[:2] == ("height", "weight")
    assert panel.play.text() == "Train"  # what is chosen is what is open
    program.hover(0.1, 0.1)
    program.settle()
    assert program.window.cursor_panel.columns.isVisible()
    assert program.window.cursor_panel.columns.value("0") != "–"


def test_named_data_are_chosen_in_the_form(program):
    box = program.run_panel.data
    box.setFocus()
    box.setCurrentIndex(box.findData("rings"))
    box.activated.emit(box.currentIndex())
    program.until(lambda: program.session.state.run.data == "rings")
    assert program.session.state.run.values["decoder"] == "gaussian"  # the one that suits real values
    assert program.run_panel.play.text() == "New run"
    program.trigger("undo")
    assert box.currentData() == "digits"
    assert program.run_panel.play.text() == "Train"


# -- looks -----------------------------------------------------------------------------------------


def test_the_colours_change_everywhere(program):
    program.hover(0.5, 0.5)
    for name, tokens in (("light", LIGHT), ("dark", DARK)):
        program.trigger(name)
        program.settle()
        picture = program.pixels(program.window)
        common = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
        counts = dict(zip(map(tuple, common[0]), common[1], strict=True))
        ground = [counts.get(QColor(c).getRgb()[:3], 0) for c in (tokens.window, tokens.surface)]
        assert sum(ground) > 0.3 * picture.shape[0] * picture.shape[1]
    assert program.session.state.theme == "dark"


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


# -- the end ---------------------------------------------------------------------------------------


def test_closing_while_it_trains_ends_both_threads_and_keeps_the_run(start, small_run, tmp_path):
    home = tmp_path / "kept"
    program = start(small_run, home)
    program.wait_for_run()
    program.click(program.run_panel.play)
    program.until(lambda: program.steps > 130)
    run = program.session.run
    threads = [t for t in threading.enumerate() if t.name in ("training", "exploration")]
    assert len(threads) == 2
    program.window.close()
    assert not any(t.is_alive() for t in threads)
    kept = Run.open(*kept_runs(home))
    assert kept.steps == run.steps > 130
    np.testing.assert_array_equal(kept.model().decode(Z).mean, run.model().decode(Z).mean)

    again = start(home=home)
    again.wait_for_run()
    (offer,) = (m.action for m in again.said if m.action)
    assert offer[0] == "Open it"
    offer[1]()
    again.until(lambda: again.session.run.steps == kept.steps)
    assert again.actions.files.path is None  # saving it asks for a name


def test_a_run_that_is_kept_while_it_trains_is_offered_back_after_a_crash(start, small_run, tmp_path):
    home = tmp_path / "crashed"
    program = start(small_run, home)
    program.wait_for_run()
    program.click(program.run_panel.step)
    program.until(lambda: program.actions.files.unsaved())
    program.actions._autosave.timeout.emit()  # a minute has passed
    program.until(lambda: bool(kept_runs(home)))
    # No close: whatever is on the disk now is what a crash would leave.
    assert Run.open(*kept_runs(home)).steps == 121


def test_two_openings_of_one_file_are_kept_apart_and_a_kept_run_in_its_place(start, small_run, tmp_path):
    home = tmp_path / "twice"

    def go_on(program, to):
        while program.steps < to:
            before = program.steps
            program.click(program.run_panel.step)
            program.until(lambda before=before: program.steps == before + 1)
        program.close()

    for to in (121, 122):
        first = start(small_run, home)
        first.wait_for_run()
        go_on(first, to)
    assert sorted(Run.open(path).steps for path in kept_runs(home)) == [121, 122]

    again = start(small_run, home)
    again.wait_for_run()
    again.actions.open_kept(kept_runs(home)[0])
    again.until(lambda: again.steps == 122)
    go_on(again, 123)
    assert sorted(Run.open(path).steps for path in kept_runs(home)) == [121, 123]


def test_what_was_trained_is_kept_when_another_file_is_opened(start, small_run, tmp_path):
    home = tmp_path / "other"
    program = start(small_run, home)
    program.wait_for_run()
    program.click(program.run_panel.step)
    program.until(lambda: program.actions.files.unsaved())
    first = program.session.run
    program.actions.open(small_run)
    program.until(lambda: program.session.run is not first)
    program.until(lambda: bool(kept_runs(home)))
    assert Run.open(*kept_runs(home)).steps == 121
    assert program.actions.files.path == small_run


def test_a_run_that_cannot_be_kept_at_the_end_is_told_of(start, small_run, tmp_path, capfd):
    home = tmp_path / "full"
    home.mkdir()
    (home / "unsaved").write_text("in the way")
    program = start(small_run, home)
    program.wait_for_run()
    program.click(program.run_panel.step)
    program.until(lambda: program.actions.files.unsaved())
    program.window.close()
    program.said.clear()  # it is told where it can still be read
    assert "latent-explorer: Could not keep the run" in capfd.readouterr().err


def test_closing_without_anything_new_keeps_nothing(start, small_run, tmp_path):
    home = tmp_path / "clean"
    program = start(small_run, home)
    program.wait_for_run()
    program.window.close()
    assert kept_runs(home) == []


def test_nothing_of_a_closed_program_stays(start, small_run):
    def living():  # pyqtgraph's context menus have no parent and stay
        gc.collect()
        return {w for w in QApplication.allWidgets() if not isinstance(w, QMenu)}

    before = living()
    program = start(small_run)
    program.wait_for_run()
    program.settle()
    program.close()
    assert living() <= before


def test_settings_that_mean_nothing_do_not_keep_it_from_starting(start, small_run, tmp_path):
    home = tmp_path / "odd"
    good = settings.Settings()
    spec = replace(good.state.run, values={"width": "wide", "beta": -3.0, "rotor": 1}, data="", device="tpu")
    settings.save(
        home,
        replace(good, state=replace(good.state, run=spec), geometry="zz", arrangement="00ff", recent=("x",)),
    )
    program = start(small_run, home)
    program.wait_for_run()
    assert program.session.run.steps == 120

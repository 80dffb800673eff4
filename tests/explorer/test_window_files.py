"""Files in the window: open, save, drop, and data of the user's own."""

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from backends.run import Run
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
    run = program.session.run
    assert drop(program, small_run)
    program.until(lambda: program.session.run is not run)
    assert not program.window.messages.messages()  # what was said of the other file is over
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

"""One's own data in the window: looked at, chosen, read, trained on; and nothing lost where it fails."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from backends.data import SPLITS
from backends.run import Run
from explorer.data.preview import DataPreview
from explorer.panels.run import OPEN_FOLDER
from explorer.style.theme import LIGHT
from tests.runs import saved_run


@pytest.fixture
def faces(tmp_path):
    """Sixty pictures of two classes, red ones and green ones."""
    for i in range(60):
        path = tmp_path / "faces" / ("red", "green")[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((40, 30, 3), np.uint8)
        pixels[..., i % 2] = 150 + i
        Image.fromarray(pixels).save(path)
    return tmp_path / "faces"


@pytest.fixture
def iris(tmp_path):
    path = tmp_path / "iris.csv"
    rows = [f"{i / 8},{i % 4},{('setosa', 'virginica')[i % 3 > 0]}" for i in range(60)]
    path.write_text("length,site,species\n" + "\n".join(rows))
    return path


def dialog(program) -> DataPreview:
    """The preview, when it has seen what there is to see."""
    program.until(
        lambda: program.window.dialogs.preview is not None and program.window.dialogs.preview.isVisible()
    )
    program.until(lambda: not program.program.exploration.busy("preview"))
    return program.window.dialogs.preview


def choose(box, text: str) -> None:
    """Choose an entry of a list."""
    assert box.isEnabled()
    box.setCurrentIndex(box.findText(text))
    box.activated.emit(box.currentIndex())
    assert box.currentText() == text


def everything(program):
    session = program.session
    return session.run, session.model, session.state, program.actions.files.path, session.undo_text


def drop(program, path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    at, copy, left = program.window.rect().center(), Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(at, copy, mime, left, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(program.window, enter)
    assert enter.isAccepted()
    event = QDropEvent(QPointF(at), copy, mime, left, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(program.window, event)


def test_a_dropped_folder_is_seen_before_anything_changes_and_then_used(program, faces):
    before = everything(program)
    drop(program, faces)
    preview = dialog(program)
    assert everything(program) == before
    assert len(preview.pictures.items) == 24
    assert {item.caption[0] for item in preview.pictures.items} == {"red", "green"}
    assert preview.facts.value("rows") == "60"
    assert preview.facts.value("size") == "28 × 28, RGB"
    assert preview.facts.value("sizes") == "30 × 40"
    assert preview.classes.text().replace("\N{NO-BREAK SPACE}", " ") == "green: 30 · red: 30"
    shown = program.pixels(preview.pictures)
    assert ((shown[..., 0] > 140) & (shown[..., 1] < 20)).sum() > 1000  # red is seen
    program.click(preview.ok)
    program.until(lambda: program.session.state.run.data == f"{faces}:size=28,colour=rgb")
    assert program.window.dialogs.preview is None or not program.window.dialogs.preview.isVisible()
    assert program.session.run is before[0]
    assert program.run_panel.data.currentText() == "faces"
    assert program.session.undo_text == "choose data"
    program.trigger("undo")
    assert program.session.state == before[2]


def test_size_and_colour_are_chosen_and_the_run_trains_on_them(program, faces, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(faces))
    program.trigger("open-folder")
    preview = dialog(program)
    choose(preview.size_, "16 × 16")
    choose(preview.colour, "Grey")
    preview = dialog(program)
    assert preview.facts.value("size") == "16 × 16"
    program.click(preview.ok)
    source = f"{faces}:size=16,colour=grey"
    program.until(lambda: program.session.state.run.data == source)
    (faces / "red" / "00.png").unlink()  # what was read is at hand
    program.type_into(program.run_panel.run_form.fields["steps"], "5")
    old = program.session.run
    program.click(program.run_panel.play)
    program.until(lambda: program.session.run is not old and program.session.moment.steps == 5)
    program.paused()
    data = program.session.data
    assert data.info.image_shape == (16, 16)
    assert sum(len(data.split(s)) for s in SPLITS) == 60
    assert program.run_panel.play.text() == "Train"


def test_the_label_column_is_chosen_in_the_preview_and_known_ever_after(program, iris, tmp_path):
    program.actions.open(iris)
    preview = dialog(program)
    assert preview.label.currentText() == "species"  # the only column of text
    assert preview.table.item(3, 2).text() == "setosa"
    choose(preview.label, "none")
    preview = dialog(program)
    assert "column 'species': 'setosa' is not a number" in preview.note.text()
    assert not preview.ok.isEnabled()
    QTest.keyClick(preview.ok, Qt.Key.Key_Return)
    assert preview.isVisible()
    choose(preview.label, "species")
    preview = dialog(program)
    assert preview.note.text() == ""
    assert preview.facts.value("missing") == "none"
    assert preview.facts.value("values") == "real, 0 to 7.38"
    QTest.keyClick(preview.focusWidget(), Qt.Key.Key_Return)
    program.until(lambda: program.session.state.run.data == f"{iris}:label=species")
    old = program.session.run
    program.click(program.run_panel.step)
    program.until(lambda: program.session.run is not old)
    assert program.session.data.info.label_names == ("setosa", "virginica")
    program.until(lambda: program.session.moment.steps == 1)
    program.actions.files.save(tmp_path / "run.safetensors")
    program.until(lambda: (tmp_path / "run.safetensors").exists())
    assert Run.open(tmp_path / "run.safetensors").data.info.columns == ("length", "site")
    box = program.run_panel.data  # another set, and back by the list
    program.actions.choose_data("rings")
    program.until(lambda: program.session.state.run.data == "rings")
    box.setCurrentIndex(box.findText("iris.csv"))
    box.activated.emit(box.currentIndex())
    program.until(lambda: program.session.state.run.data == f"{iris}:label=species")


def test_holes_are_counted_and_a_table_with_them_cannot_be_used(program, tmp_path):
    path = tmp_path / "holes.csv"
    path.write_text("a,b\n1,2\n3,\nnan,\n4,5\n")
    before = everything(program)
    program.actions.open(path)
    preview = dialog(program)
    assert preview.facts.value("missing") == "3, in 2 of 4 rows"
    assert "holes.csv, line 3, column 'b': the cell is empty" in preview.note.text()
    assert not preview.ok.isEnabled()
    QTest.keyClick(preview, Qt.Key.Key_Escape)
    program.settle()
    assert everything(program) == before


@pytest.mark.parametrize("how", ["escape", "while it reads"])
def test_cancel_changes_nothing(program, faces, how):
    before = everything(program)
    program.actions.open(faces)
    preview = dialog(program)
    if how == "while it reads":
        program.click(preview.ok)
        assert program.program.exploration.busy("preview")
        assert not preview.ok.isEnabled()
        assert not preview.size_.isEnabled()
        assert preview.progress.isVisible()
    if how == "escape":
        QTest.keyClick(preview, Qt.Key.Key_Escape)
    else:
        program.click(preview.cancel)
    assert not program.program.exploration.busy("preview")
    program.settle()
    assert everything(program) == before
    assert program.said == []


def test_reading_shows_how_far_it_is(program, faces):
    program.actions.open(faces)
    preview = dialog(program)
    told = []
    preview.progress.valueChanged.connect(told.append)
    choose(preview.size_, "128 × 128")
    preview = dialog(program)
    program.click(preview.ok)
    program.until(lambda: "size=128" in program.session.state.run.data)
    assert len(told) > 3


def test_damaged_images_are_told_of_and_the_others_used(program, faces):
    for i in range(5):
        (faces / "red" / f"bad{i}.png").write_bytes(b"\x89PNG\r\n\x1a\n rubbish")
    program.actions.open(faces)
    preview = dialog(program)
    program.click(preview.ok)
    program.until(lambda: "faces" in program.session.state.run.data)
    warning = next(m for m in program.said if m.kind == "warning")
    assert "5 of the 65 images in faces are left out: red/bad0.png is damaged" in warning.text


@pytest.mark.parametrize("content", [[], ["notes.txt"]])
def test_an_empty_folder_is_a_sentence_and_no_dialog(program, tmp_path, content):
    folder = tmp_path / "nothing"
    folder.mkdir()
    for name in content:
        (folder / name).write_text("x")
    before = everything(program)
    drop(program, folder)
    program.until(lambda: bool(program.said))
    assert "the folder nothing holds no images" in program.said[0].text
    assert [m.kind for m in program.said] == ["error"]
    assert everything(program) == before


def test_a_folder_that_vanishes_while_it_is_looked_at_is_a_sentence_in_the_dialog(program, faces):
    program.actions.open(faces)
    preview = dialog(program)
    faces.rename(faces.parent / "elsewhere")
    program.click(preview.ok)
    program.until(lambda: bool(preview.note.text()))
    assert "faces: there is no such file" in preview.note.text()
    assert preview.isVisible()
    program.click(preview.cancel)


def test_a_second_preview_takes_the_place_of_the_first(program, faces, iris):
    program.actions.open(faces)
    first = dialog(program)
    program.actions.open(iris)
    program.until(lambda: program.window.dialogs.preview not in (None, first))
    assert dialog(program) is not first
    visible = [w for w in QApplication.topLevelWidgets() if isinstance(w, DataPreview) and w.isVisible()]
    assert visible == [program.window.dialogs.preview]
    program.window.dialogs.preview.reject()


def test_the_command_line_opens_a_folder_over_the_starting_run(start, faces):
    program = start(f"{faces}:size=20,colour=grey")
    program.wait_for_run()
    preview = dialog(program)
    assert program.session.run.info.name == "digits"
    program.click(preview.ok)
    program.until(lambda: program.session.state.run.data == f"{faces}:size=20,colour=grey")


def test_the_list_of_data_opens_a_folder(program, faces, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(faces))
    box = program.run_panel.data
    box.activated.emit(box.findText(OPEN_FOLDER))
    program.click(dialog(program).cancel)


def test_a_run_on_a_folder_is_opened_with_its_images_and_can_be_left(program, start, faces, tmp_path):
    values = {"width": 8, "decoder": "gaussian"}
    saved_run(tmp_path / "faces.safetensors", "vae", f"{faces}:size=8,colour=rgb", values)
    before = program.session.run
    program.actions.open(tmp_path / "faces.safetensors")
    program.actions.cancel()
    program.settle()
    assert program.session.run is before
    assert not program.window.reading.isVisible()
    program.actions.open(tmp_path / "faces.safetensors")
    program.until(lambda: program.session.run is not before)
    assert program.session.data.info.image_shape == (8, 8, 3)
    assert not program.window.reading.isVisible()


def test_data_of_last_time_are_read_before_a_run_begins_on_them(start, small_run, faces, tmp_path):
    home = tmp_path / "home"
    first = start(small_run, home)
    first.wait_for_run()
    first.actions.open(faces)
    first.click(dialog(first).ok)
    first.until(lambda: "faces" in first.session.state.run.data)
    state = first.session.state
    first.close()
    second = start(small_run, home)
    second.wait_for_run()
    second.session.apply(state, "what was chosen then")
    shown = []
    second.actions.progress.connect(lambda p: shown.append(second.window.reading.isVisible()))
    old, exploration = second.session.run, second.program.exploration
    second.click(second.run_panel.step)
    assert exploration.busy("begin")
    second.actions.cancel()
    second.until(lambda: not exploration.busy("begin"))
    second.trainer.order("look", lambda: None, shown.append)  # after whatever it was told before
    second.until(lambda: None in shown)
    assert second.session.run is old
    second.click(second.run_panel.step)
    second.until(lambda: second.session.run is not old)
    assert second.session.data.info.name == "faces"
    assert shown[-1] is False


def test_the_preview_is_drawn_in_light_and_dark(program, faces):
    program.actions.open(faces)
    preview = dialog(program)
    dark = program.pixels(preview.pictures)
    program.trigger("light")
    light = program.pixels(preview.pictures)
    assert tuple(light[-2, -2]) == QColor(LIGHT.window).getRgb()[:3]
    assert light[-2, -2].sum() > dark[-2, -2].sum() + 300
    preview.reject()


def test_a_program_without_previews_loads_nothing_of_them():
    code = "import sys, explorer.app; print('explorer.data.preview' in sys.modules, 'PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]

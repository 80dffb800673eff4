"""The list of runs: figures, curves over each other, names, deleting and bringing back."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit

from backends.data import open_data
from backends.evaluation import evaluate
from backends.heads import read_head
from backends.run import Run
from explorer.runs.dialog import DATA, ELBO, NAME, STEP, WHERE, RunsDialog
from explorer.style.tokens import DARK
from explorer.widgets.values import format_number


@pytest.fixture
def kept(tmp_path):
    """Two runs in the program's own folder: a VAE that was evaluated twice, and a mixture."""
    folder = tmp_path / "home" / "unsaved"
    folder.mkdir(parents=True)
    paths = []
    for kind, data in (("vae", "digits"), ("gmm", "two-moons")):
        run = Run.start(kind, open_data(data), {"width": 8, "depth": 1} if kind == "vae" else {}, name=kind)
        for _ in range(2):
            run.step()
            work = evaluate(run.model(), run.data, rows=20, samples=2)
            while True:
                try:
                    next(work)
                except StopIteration as stop:
                    stop.value.add_to(run.curves)
                    break
        path = folder / f"{run.id}.safetensors"
        run.save(path)
        paths.append(path)
    return paths


@pytest.fixture
def dialog(kept, program):
    program.trigger("runs")
    dialog = program.window.findChild(RunsDialog)
    program.until(lambda: dialog.list.topLevelItemCount() == 3)
    return dialog


def names(dialog) -> list[str]:
    items = [dialog.list.topLevelItem(i) for i in range(dialog.list.topLevelItemCount())]
    return [item.text(NAME) for item in items]


def choose(dialog, *several: str) -> None:
    """Choose the runs of these names with the mouse."""
    key = Qt.KeyboardModifier.NoModifier
    for name in several:
        item = dialog.list.topLevelItem(names(dialog).index(name))
        at = dialog.list.visualItemRect(item).center()
        QTest.mouseClick(dialog.list.viewport(), Qt.MouseButton.LeftButton, key, at)
        key = Qt.KeyboardModifier.ControlModifier


def rename(program, dialog, name: str, new: str) -> None:
    choose(dialog, name)
    program.click(dialog.rename)
    field = dialog.list.viewport().findChild(QLineEdit) or dialog.list.findChild(QLineEdit)
    program.type_into(field, new)


def test_the_list_tells_what_each_run_is_and_came_to(program, dialog, kept):
    assert names(dialog)[0] == program.session.run.name
    assert set(names(dialog)[1:]) == {"vae", "gmm"}
    row = dialog.list.topLevelItem(names(dialog).index("vae"))
    head = read_head(kept[0])
    assert row.text(DATA) == open_data("digits").info.title
    assert row.text(STEP) == "2"
    assert row.text(WHERE) == "not saved"
    assert row.text(ELBO) == format_number(head.curves.get("test/elbo")[1][-1])
    error = head.curves.get("test/elbo/stderr")[1][-1]
    assert row.toolTip(ELBO).endswith(f" ± {format_number(error, 3)} at step 2")
    thumb = row.icon(NAME).pixmap(64, 22).toImage()
    drawn = sum(thumb.pixelColor(x, y).alpha() > 0 for x in range(64) for y in range(22))
    assert 30 < drawn < 64 * 22 / 2


def test_the_open_run_goes_on_in_the_list(program, dialog):
    assert dialog.list.topLevelItem(0).text(STEP) == "120"
    program.trigger("step")
    program.until(lambda: dialog.list.topLevelItem(0).text(STEP) == "121")


def test_curves_of_several_runs_lie_over_each_other(program, dialog, kept):
    choose(dialog, "vae", "gmm")
    assert dialog.curve.currentText() == "ELBO, held out"
    dialog.curve.setCurrentIndex(dialog.curve.findData("test/log_likelihood"))
    dialog.curve.activated.emit(dialog.curve.currentIndex())
    plot = dialog.plot
    legend = plot.legend()
    for path, name in zip(kept, ("vae", "gmm"), strict=True):
        value = read_head(path).curves.get("test/log_likelihood")[1][-1]
        assert f"{name}&nbsp;{format_number(float(value))}" in legend
    pixels = program.pixels(plot)
    for colour in DARK.series[:2]:
        near = (abs(pixels - np.array(QColor(colour).getRgb()[:3])).max(axis=2) < 90).any(axis=0)
        assert near.mean() > 0.5  # of the columns
    for name, colour in zip(sorted(("vae", "gmm"), key=names(dialog).index), DARK.series, strict=False):
        thumb = dialog.list.topLevelItem(names(dialog).index(name)).icon(NAME).pixmap(64, 22).toImage()
        inks = {thumb.pixelColor(x, y).name() for x in range(64) for y in range(22)}
        assert colour in inks  # of its curve
    choose(dialog, "gmm")
    assert "vae" not in plot.legend()


def test_runs_are_opened(program, dialog, kept):
    before = program.session.run
    choose(dialog, "gmm")
    program.click(dialog.open_)
    program.until(lambda: program.session.run is not before)
    program.settle()
    assert program.session.run.name == "gmm"
    program.until(lambda: names(dialog)[0] == "gmm" and dialog.list.topLevelItemCount() == 3)
    assert names(dialog).count("gmm") == 1  # not also as the file that it was kept in


def test_a_kept_run_is_renamed_in_its_file_and_undo_brings_the_name_back(program, dialog, kept):
    rename(program, dialog, "vae", "a better name")
    program.until(lambda: "a better name" in names(dialog))
    program.until(lambda: read_head(kept[0]).name == "a better name")
    program.trigger("undo")
    program.until(lambda: read_head(kept[0]).name == "vae")
    program.until(lambda: "vae" in names(dialog))
    program.trigger("redo")
    program.until(lambda: read_head(kept[0]).name == "a better name")


def test_deleting_and_renaming_can_be_undone_when_another_run_is_open(program, dialog, kept):
    program.click(program.run_panel.step)  # so that there is something to keep of the open run
    program.until(lambda: not program.session.moment.training and program.actions.files.unsaved())
    own, name = program.actions.files.places[0], program.session.run.name
    rename(program, dialog, name, "mine")
    program.until(lambda: "mine" in names(dialog))
    choose(dialog, "gmm")
    program.click(dialog.delete)
    program.until(lambda: not kept[1].exists())
    program.trigger("light")
    choose(dialog, "vae")
    program.click(dialog.open_)
    program.until(lambda: program.session.run.name == "vae" and own.exists())
    assert program.session.state.theme == "light"
    program.trigger("undo")
    program.until(kept[1].exists)
    assert program.session.state.theme == "light"  # which is no act on a file
    assert read_head(own).name == "mine"
    program.trigger("undo")
    program.until(lambda: read_head(own).name == name)
    assert program.session.run.name == "vae"
    program.until(lambda: set(names(dialog)) == {"vae", "gmm", name})


def test_the_open_run_is_renamed(program, dialog):
    rename(program, dialog, program.session.run.name, "mine")
    program.until(lambda: program.session.run.name == "mine")
    program.until(lambda: "mine" in names(dialog))
    program.trigger("undo")
    assert program.session.run.name != "mine"


def test_a_deleted_run_can_be_brought_back_until_the_end(program, dialog, kept):
    choose(dialog, "vae", "gmm")
    content = kept[0].read_bytes()
    dialog.list.setFocus()
    program.click(dialog.delete)
    program.until(lambda: not any(path.exists() for path in kept))
    program.until(lambda: len(names(dialog)) == 1)
    assert program.session.undo_text == "delete 2 runs"
    program.trigger("undo")
    program.until(lambda: all(path.exists() for path in kept))
    assert kept[0].read_bytes() == content
    program.until(lambda: len(names(dialog)) == 3)
    program.trigger("redo")
    program.until(lambda: not any(path.exists() for path in kept))
    program.close()
    assert not list((program.home / "trash").iterdir())
    assert not any(path.exists() for path in kept)


def test_where_one_was_deleted_arrow_keys_and_delete_go_on(program, dialog, kept):
    dialog.list.setFocus()
    QTest.keyClick(dialog.list, Qt.Key.Key_Down)
    (first,) = dialog.chosen
    QTest.keyClick(dialog.list, Qt.Key.Key_Delete)
    program.until(lambda: len(names(dialog)) == 2)
    assert [dialog.list.indexOfTopLevelItem(item) for item in dialog.list.selectedItems()] == [1]
    program.trigger("undo")
    program.until(lambda: len(names(dialog)) == 3 and first.path.exists())
    assert [one.path for one in dialog.chosen] == [first.path]  # what came back, in place of its neighbour
    row = dialog.list.indexOfTopLevelItem(dialog.list.selectedItems()[0])
    QTest.keyClick(dialog.list, Qt.Key.Key_Up)
    assert dialog.list.indexOfTopLevelItem(dialog.list.selectedItems()[0]) == row - 1


def test_a_run_is_deleted_once_however_often_the_key_is_struck(program, dialog, kept):
    choose(dialog, "vae")
    for _ in range(3):  # before anything was read from the disk
        QTest.keyClick(dialog.list, Qt.Key.Key_Delete)
    program.until(lambda: len(names(dialog)) == 2 and not kept[0].exists())
    assert kept[1].exists()
    program.trigger("undo")
    program.until(lambda: kept[0].exists() and len(names(dialog)) == 3)
    assert program.said == []


def test_a_file_of_the_users_own_is_only_taken_off_the_list(start, small_run, tmp_path, qtbot):
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(small_run.read_bytes())
    program = start(mine)
    program.wait_for_run()
    program.actions.open(small_run)
    program.until(lambda: program.actions.files.path == small_run)
    program.settle()
    program.trigger("runs")
    dialog = program.window.findChild(RunsDialog)

    def files() -> list[str]:
        return [dialog.list.topLevelItem(i).text(WHERE) for i in range(dialog.list.topLevelItemCount())]

    program.until(lambda: files() == ["open", "mine.safetensors"])
    dialog.list.clearSelection()
    dialog.list.topLevelItem(1).setSelected(True)
    program.click(dialog.delete)
    program.until(lambda: files() == ["open"])
    assert mine.exists()
    assert str(mine) not in program.actions.files.settings.recent
    program.trigger("undo")
    program.until(lambda: files() == ["open", "mine.safetensors"])

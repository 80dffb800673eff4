"""Clusters beside labels, as a person sees them: means, members, agreement."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

from tests.runs import saved_run


@pytest.fixture
def opened(start, tmp_path):
    """Opens a run of a mixture after some steps with its clusters on top: (program, panel)."""

    def begin(model="bernoulli-mixture", data="digits", steps=10, **values):
        path = tmp_path / f"{model}.safetensors"
        program = start(saved_run(path, model, data, {"components": 10} | values, steps=steps, seed=1))
        program.wait_for_run()
        panel = program.window.suited["clusters"]
        program.window.docks["clusters"].raise_()
        program.until(lambda: panel.found is not None)
        program.settle()
        return program, panel

    return begin


def assigned(program, split="train"):
    """The most probable component of each row, and its label."""
    rows = program.session.run.data.split(split)
    return program.session.model.encode(rows.x).probs.argmax(1), rows.labels


def choose(program, panel, cluster):
    program.click(panel.means, panel.means.cell(cluster).center())


def test_digits_agree_with_their_labels_as_scikit_learn_says(opened):
    program, panel = opened()
    of, labels = assigned(program)
    table = contingency_matrix(labels, of)
    assert panel.agreement.isVisible()
    assert float(panel.rows.value("rand")) == pytest.approx(adjusted_rand_score(labels, of), abs=6e-4)
    assert float(panel.rows.value("purity")) == pytest.approx(table.max(0).sum() / len(of), abs=6e-4)
    shown = panel.table.counts
    assert sorted(map(tuple, shown.T.tolist())) == sorted(map(tuple, table.T.tolist()))
    assert float(panel.rows.value("matched")) == pytest.approx(np.trace(shown) / len(of), abs=6e-4)
    assert panel.table._framed == {(i, i) for i in range(10)}  # partners are in the order of the labels


def test_a_mean_is_a_picture_and_its_members_are_those_of_the_cluster(opened):
    program, panel = opened()
    of, labels = assigned(program)
    model, x = program.session.model, program.session.run.data.train.x
    for cluster in (3, 7):
        choose(program, panel, cluster)
        own = np.flatnonzero(of == cluster)
        assert panel.members_title.text() == f"cluster {cluster + 1}: {len(own)} rows"
        assert len(panel.members.items) == len(own)
        for item, row in list(zip(panel.members.items, own, strict=True))[:20]:
            np.testing.assert_array_equal(item.picture.ravel(), x[row])
            assert item.tip == f"row {row}, label {labels[row]}"  # as on the data plane
    # in the middle of each pixel of a mean's picture its grey is that of the probability
    cell = panel.means.cell(7)
    side = cell.width() - 4
    picture = program.pixels(panel.means)[cell.top() + 2 :, cell.left() + 2 :]
    mean = model.means[7].reshape(8, 8)
    middle = ((np.arange(8) + 0.5) * side / 8).astype(int)
    grey = picture[np.ix_(middle, middle)].mean(2)
    assert np.corrcoef(grey.ravel(), mean.ravel())[0, 1] > 0.98


def test_arrows_go_from_cluster_to_cluster(opened):
    program, panel = opened()
    choose(program, panel, 2)
    QTest.keyClick(panel.means, Qt.Key.Key_Right)
    assert panel.means.selected == 3
    assert panel.members_title.text().startswith("cluster 4:")


def test_members_out_of_view_are_reached_by_the_wheel(opened):
    _, panel = opened(components=2)
    last = panel.members.items[-1]
    assert panel.members.cell(len(panel.members.items) - 1).top() > panel.members.height()
    at = QPointF(20, 20)
    for _ in range(60):
        event = QWheelEvent(
            at, QPointF(panel.members.mapToGlobal(at)), QPoint(), QPoint(0, -120),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(panel.members, event)
    cell = panel.members.cell(len(panel.members.items) - 1)
    assert panel.members.rect().contains(cell)
    assert panel.members.items[panel.members.at(cell.center())] is last


def test_held_out_rows_and_back_by_undo(opened):
    program, panel = opened()
    program.click(panel.split.buttons["test"])
    program.until(lambda: panel.found.split == "test")
    of, labels = assigned(program, "test")
    assert float(panel.rows.value("rand")) == pytest.approx(adjusted_rand_score(labels, of), abs=6e-4)
    program.session.undo()
    program.until(lambda: panel.found.split == "train")
    assert panel.split.buttons["train"].isChecked()


def test_a_step_moves_the_clusters(opened):
    program, panel = opened(steps=0)
    program.actions.step()
    program.until(lambda: panel.found.step == 1)
    of, _ = assigned(program)
    np.testing.assert_array_equal(panel.found.of, of)
    assert panel.means.items[0].caption == (f"{program.session.model.weights[0]:.2f}",)


def test_rows_that_are_no_pictures_are_lines_of_numbers(opened):
    program, panel = opened("gmm", "two-moons", components=3)
    choose(program, panel, 1)
    of, _ = assigned(program)
    row = int(np.flatnonzero(of == 1)[0])
    x = program.session.run.data.train.x[row]
    text = panel.members.items[0].text.replace("\N{MINUS SIGN}", "-")
    assert text.startswith(f"{x[0]:.2f},  {x[1]:.2f}")
    assert text.endswith("moon")
    assert panel.agreement.isVisible()


def test_data_without_labels_have_a_sentence(opened, tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32))
    _, panel = opened("gmm", str(tmp_path / "rows.npy"), components=2)
    assert not panel.agreement.isVisible()
    assert panel.unlabelled.isVisible()
    assert "no labels" in panel.unlabelled.text()


def test_it_is_there_for_mixtures_only(opened, tmp_path):
    program, _ = opened()
    path = tmp_path / "ppca.safetensors"
    saved_run(path, "ppca", "digits-grey", {})
    program.actions.open(path)
    program.until(lambda: program.session.run.kind.name == "ppca")
    assert program.window.docks["clusters"].isHidden()

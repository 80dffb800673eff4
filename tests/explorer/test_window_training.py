"""Training in the window: the form, the buttons, the keys and the curves."""

import threading

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from backends.base import finish
from backends.evaluation import CURVE_K, CURVE_ROWS, some_rows
from backends.likelihood import iwae
from backends.run import Run
from tests.runs import saved_run


def typed(program, name):
    return program.run_panel.form.fields[name]


def test_train_trains_and_pause_pauses(program):
    panel, begin = program.run_panel, program.steps
    assert panel.play.text() == "Train"
    program.click(panel.play)
    program.until(lambda: program.session.moment.training and program.steps > begin)
    assert panel.play.text() == "Pause"
    program.click(panel.play)
    program.paused()
    stopped = program.steps
    assert panel.play.text() == "Train"
    assert program.session.model.stamp.step == program.session.moment.steps == stopped
    program.settle()
    assert program.steps == stopped


def test_one_step_makes_exactly_one_step(program):
    run, begin = program.session.run, program.steps
    for n in range(1, 4):
        program.click(program.run_panel.step)
        program.until(lambda n=n: program.session.moment.steps == begin + n)
        program.paused()
    assert (program.session.run, run.steps) == (run, begin + 3)


def test_space_trains_and_pauses(program):
    canvas = program.map.canvas
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    program.until(lambda: program.session.moment.training)
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    program.paused()


def test_space_presses_the_button_that_has_the_focus(program):
    box = program.window.curves.toggles["terms"]
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Space)
    assert box.isChecked()
    assert not program.session.moment.training


def test_training_ends_where_it_was_told_to(program):
    begin = program.steps  # 120
    program.type_into(program.run_panel.run_form.fields["steps"], "50")
    program.click(program.run_panel.play)
    program.until(lambda: program.session.moment.steps == 150)
    program.paused()
    assert begin == 120
    program.click(program.run_panel.play)
    program.until(lambda: program.session.moment.steps == 200)
    program.paused()


def test_the_hand_moves_the_picture_while_it_trains(program):
    program.click(program.run_panel.play)
    program.until(lambda: program.session.moment.training)
    picture = program.window.cursor_panel.picture
    for u, v in ((1.0, 0.5), (-1.0, -1.0)):
        before = program.pixels(picture)
        at = program.hover(u, v)
        np.testing.assert_allclose(program.session.point, at, atol=1e-6)
        program.until(lambda before=before: (program.pixels(picture) != before).any())
    first = program.session.encodings.step
    program.until(lambda: program.session.encodings.step > first)
    program.until(lambda: program.map.field.picture.step > first)
    program.click(program.run_panel.play)
    program.paused()


def test_elbo_and_log_likelihood_appear_while_it_trains(program):
    curves = program.session.run.curves
    program.click(program.run_panel.play)
    program.until(lambda: len(curves.get("test/elbo")[0]) >= 3 and len(curves.get("train/elbo")[0]) >= 3)
    program.click(program.run_panel.play)
    program.paused()
    last = program.steps  # the moment that it stopped at is evaluated too
    program.until(lambda: curves.get("test/elbo")[0][-1] == last)
    steps, elbo = curves.get("test/elbo")
    same, log_p = curves.get("test/log_likelihood")
    assert (np.diff(steps) > 0).all()
    np.testing.assert_array_equal(steps, same)
    assert (elbo < log_p + 0.5).all()
    status = program.window.docks["curves"].status
    program.until(lambda: f"ELBO&nbsp;−{-elbo[-1]:.2f}" in status.text())


def test_a_click_in_the_legend_hides_a_curve(program):
    plot, label = program.window.curves.plot, program.window.docks["curves"].status
    program.click(program.run_panel.play)
    program.until(lambda: "ELBO" in label.text() and len(program.session.run.curves.get("test/elbo")[0]) > 0)
    program.click(program.run_panel.play)
    program.paused()
    assert plot.is_visible("elbo")
    for x in range(label.width() - 2, 0, -8):  # from the right end of the legend, until the click meets it
        at = QPoint(x, label.height() // 2)
        program.click(label.childAt(at), at)
        if not plot.is_visible("elbo"):
            break
    assert not plot.is_visible("elbo")
    assert plot.is_visible("log_likelihood")


def test_curves_are_of_held_out_or_of_training_data(program):
    panel = program.window.curves
    program.click(panel.split.buttons["train"])
    assert program.session.state.curves.split == "train"
    program.trigger("undo")
    assert panel.split.buttons["test"].isChecked()


@pytest.mark.parametrize("name", ["iwae", "terms", "batches"])
def test_further_curves_are_shown_and_hidden(program, name):
    panel = program.window.curves
    box = panel.toggles[name]
    before = panel.plot.legend()
    box.click()
    assert getattr(program.session.state.curves, name) is True
    program.settle()
    assert len(panel.plot.legend()) > len(before)
    program.trigger("undo")
    assert not box.isChecked()


def test_the_legend_says_which_estimator_made_log_p(start, small_run, tmp_path):
    program = start(small_run)
    program.wait_for_run()
    told = program.window.docks["curves"].status.text
    program.until(lambda: "log p(x) quadrature&nbsp;−" in told())
    values = {"latent_dim": 3, "width": 16, "depth": 1}
    program.actions.open(saved_run(tmp_path / "three.safetensors", "vae", "digits", values, steps=20))
    program.until(lambda: f"log p(x) IS-{CURVE_K} ±" in told())
    assert ", ESS " in told()


def test_iwae_is_computed_once_it_is_asked_for(program):
    program.window.curves.toggles["iwae"].click()
    curves = program.session.run.curves
    program.until(lambda: len(curves.get("test/iwae_50")[0]) > 0)
    x = some_rows(program.session.data.test.x, CURVE_ROWS)
    for k, bound in finish(iwae(program.session.run.model(), x, (1, 5, 50))).items():
        assert curves.get(f"test/iwae_{k}/stderr")[1][-1] == pytest.approx(bound.mean().stderr)
        assert curves.get(f"test/iwae_{k}")[1][-1] == pytest.approx(bound.mean().value)
    elbo, one, fifty, log_p = (
        curves.get(f"test/{name}")[1][-1] for name in ("elbo", "iwae_1", "iwae_50", "log_likelihood")
    )
    assert one < fifty < log_p + 0.3
    assert one == pytest.approx(elbo, abs=1.0)  # both are the bound, IWAE-1 from one draw a row


# -- the form --------------------------------------------------------------------------------------


def test_what_is_typed_is_exactly_what_is_used(program):
    program.type_into(typed(program, "learning_rate"), "3e-6")
    assert program.session.state.run.values["learning_rate"] == 3e-6
    program.until(lambda: program.session.run.learner.values["learning_rate"] == 3e-6)
    assert program.run_panel.play.text() == "Train"  # it is live: no new run is needed


def test_beta_changes_live_while_it_trains(program):
    program.click(program.run_panel.play)
    program.until(lambda: program.session.moment.training)
    run = program.session.run
    program.type_into(typed(program, "beta"), "2.5")
    program.until(lambda: run.learner.values["beta"] == 2.5)
    assert program.session.run is run
    program.trigger("undo")
    program.until(lambda: run.learner.values["beta"] == 1.0)
    program.click(program.run_panel.play)
    program.paused()


def test_a_live_value_taken_back_before_it_was_used_is_taken_back(program):
    """Two changes within one step: the second must not be judged by what the learner still has."""
    run, gate = program.session.run, threading.Event()
    program.trainer.order("wait", lambda: gate.wait(10))
    program.type_into(typed(program, "beta"), "2")
    program.type_into(typed(program, "beta"), "1")
    gate.set()
    done = []
    program.trainer.order("look", lambda: run.learner.values["beta"], done.append)
    program.until(lambda: bool(done))
    assert done == [1.0]


def test_another_width_makes_a_new_run(program):
    old = program.session.run
    program.type_into(typed(program, "width"), "24")
    assert program.run_panel.play.text() == "New run"
    program.type_into(program.run_panel.run_form.fields["steps"], "20")
    program.click(program.run_panel.play)
    program.until(lambda: program.session.run is not old and program.session.moment.steps == 20)
    program.paused()
    run = program.session.run
    assert dict(run.values)["width"] == 24
    assert program.actions.files.path is None
    assert program.run_panel.play.text() == "Train"


def test_the_old_width_again_goes_on_with_the_old_run(program):
    program.type_into(typed(program, "width"), "24")
    program.type_into(typed(program, "width"), "32")
    assert program.run_panel.play.text() == "Train"


def test_a_value_that_cannot_be_is_said_and_nothing_is_trained(program):
    begin = program.steps
    program.type_into(typed(program, "width"), "many")
    program.click(program.run_panel.play)
    assert "many" in program.said[-1].text
    assert not program.session.moment.training
    assert program.steps == begin
    assert "width" not in program.session.state.run.values or program.session.state.run.values["width"] == 32


def test_undo_takes_a_changed_seed_back_while_the_field_has_the_keys(program):
    field = program.run_panel.run_form.fields["seed"]
    seed = program.session.state.run.seed
    program.type_into(field, "77")
    assert program.session.state.run.seed == 77
    assert program.run_panel.play.text() == "New run"
    QTest.keyClick(field, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert program.session.state.run.seed == seed
    assert field.text() == str(seed)
    QTest.keyClick(field, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert program.session.state.run.seed == 77


def test_undo_in_a_field_takes_back_what_is_being_typed(program):
    field = program.run_panel.run_form.fields["seed"]
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "123")
    QTest.keyClick(field, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert field.text() != "123"
    assert program.session.undo_text in ("", "open a run")


def test_esc_in_a_field_brings_the_old_value_back(program):
    field = typed(program, "learning_rate")
    before = field.text()
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "0.5")
    QTest.keyClick(field, Qt.Key.Key_Escape)
    assert field.text() == before


def test_restart_begins_the_same_run_from_its_seed(program, small_run):
    old = program.session.run
    program.type_into(program.run_panel.run_form.fields["steps"], "120")
    program.click(program.run_panel.again)
    program.until(lambda: program.session.run is not old and program.session.moment.steps == 120)
    program.paused()
    now, then = program.session.run, Run.open(small_run)
    assert now.seed == then.seed
    z = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    np.testing.assert_array_equal(now.model().decode(z).mean, then.model().decode(z).mean)


def test_other_samples_are_drawn(program):
    tiles = program.window.samples.tiles
    before = program.pixels(tiles)
    program.trigger("resample")
    program.settle()
    assert (program.pixels(tiles) != before).any()


# -- half a step of what is chosen --------------------------------------------------------------


@pytest.fixture
def mixture(start, tmp_path):
    """The program with a mixture before its first step."""
    driver = start(saved_run(tmp_path / "gmm.safetensors", "gmm", "eight-gaussians", {"components": 4}))
    driver.wait_for_run()
    return driver


def choose_model(program, name):
    box = program.run_panel.model
    box.setCurrentIndex(box.findData(name))
    box.activated.emit(box.currentIndex())


def test_half_a_step_of_a_chosen_model_without_halves_is_its_first_step(mixture):
    old = mixture.session.run
    choose_model(mixture, "realnvp")
    mixture.trigger("half-step")
    mixture.until(lambda: mixture.session.run is not old and mixture.steps == 1)
    mixture.paused()
    assert (mixture.session.run.kind.name, mixture.session.run.steps) == ("realnvp", 1)
    assert mixture.said == []


def test_where_the_chosen_run_cannot_begin_half_a_step_leaves_the_open_one_as_it_is(mixture):
    run = mixture.session.run
    choose_model(mixture, "bernoulli-mixture")
    mixture.trigger("half-step")
    mixture.until(lambda: bool(mixture.said))
    mixture.settle()
    assert "eight-gaussians" in mixture.said[0].text
    assert mixture.session.run is run
    assert (run.next_half, run.steps) == ("E", 0)


def test_what_means_nothing_to_the_open_run_waits_for_the_chosen_one(start, tmp_path):
    values = {"width": 8, "objective": "flow-matching"}
    program = start(saved_run(tmp_path / "cnf.safetensors", "cnf", "two-moons", values, steps=1))
    run = program.wait_for_run()
    form = program.run_panel.form
    objective = form.fields["objective"]
    objective.setCurrentIndex(objective.findData("forward-kl"))
    objective.activated.emit(objective.currentIndex())
    program.type_into(form.fields["kinetic"], "0.5")
    program.type_into(form.fields["learning_rate"], "0.002")
    program.until(lambda: run.values["learning_rate"] == 0.002)
    assert program.session.state.run.values["kinetic"] == 0.5
    assert run.values["kinetic"] == 0
    assert program.said == []

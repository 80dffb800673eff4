"""EM as a person watches it: half-steps, the staircase, earlier iterations, other seeds."""

import csv

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest

from backends.restarts import best
from explorer.style.tokens import DARK, blend
from explorer.widgets.values import format_number
from tests.runs import saved_run


@pytest.fixture
def program(start, tmp_path):
    """The program with a mixture of eight that has made no step, at rest."""
    path = saved_run(tmp_path / "gmm.safetensors", "gmm", "eight-gaussians", {"components": 8}, seed=3)
    driver = start(path)
    driver.wait_for_run()
    driver.settle()
    return driver


@pytest.fixture
def em(program):
    return program.window.suited["em"]


@pytest.fixture
def history(program):
    return program.window.stage.history


def halves(program):
    return program.session.run.curves.get("half/elbo")[0]


def half(program, button):
    """Click E or M and wait until it is made and shown."""
    before = len(halves(program))
    assert button.isEnabled()
    program.click(button)
    program.until(lambda: len(halves(program)) == before + 1)
    program.until(lambda: not button.isEnabled())


def iterate(program, em, count):
    for _ in range(count):
        before = program.steps
        program.click(em.step)
        program.until(lambda before=before: program.session.moment.steps == before + 1)
    program.paused()
    program.until(lambda: em.facts.value("iterations") == str(program.steps))


def drawn(em, key):
    points = em.plot._curves[key].points
    return points.steps, points.values


# -- where it is -----------------------------------------------------------------------------------


def test_it_is_there_for_runs_of_em_and_on_top(program, em, small_run):
    assert not program.window.docks["em"].isHidden()
    assert em.isVisible()
    program.actions.open(small_run)
    program.until(lambda: program.session.run.kind.name == "vae")
    assert program.window.docks["em"].isHidden()


def test_back_to_the_start_waits_there(program, em):
    start = program.session.model.means
    iterate(program, em, 2)
    program.click(em.start)
    program.until(lambda: program.session.run.steps == 0)
    program.paused()
    assert program.steps == 0
    np.testing.assert_array_equal(program.session.model.means, start)


# -- half-steps --------------------------------------------------------------------------------------


def test_e_closes_the_gap_and_m_lifts_both(program, em):
    assert em.e.isEnabled()
    assert not em.m.isEnabled()
    half(program, em.e)
    half(program, em.m)
    _, elbo = drawn(em, "elbo")
    _, log_p = drawn(em, "log_likelihood")
    assert elbo[0] == pytest.approx(log_p[0], rel=1e-10)
    assert elbo[1] > elbo[0]
    assert log_p[1] > elbo[1]
    half(program, em.e)
    steps, elbo = drawn(em, "elbo")
    _, log_p = drawn(em, "log_likelihood")
    assert elbo[2] == pytest.approx(log_p[2], rel=1e-10)
    assert log_p[2] == pytest.approx(log_p[1], rel=1e-10)  # an E-step moves no θ
    assert steps.tolist() == [0.5, 1.0, 1.5]
    assert "KL(q‖p(z|x))&nbsp;0.0000" in program.window.docks["em"].status.text()


def test_what_is_drawn_and_written_is_what_was_measured(program, em, tmp_path):
    iterate(program, em, 4)
    half(program, em.e)
    curves = program.session.run.curves
    for key in ("log_likelihood", "elbo"):
        made, values = curves.get(f"half/{key}")
        steps, shown = drawn(em, key)
        np.testing.assert_array_equal(steps, made / 2)
        np.testing.assert_array_equal(shown, values)
    em.plot.save_csv(tmp_path / "stairs.csv")
    with open(tmp_path / "stairs.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["iteration"]) for row in rows] == (halves(program) / 2).tolist()
    assert [float(row["elbo"]) for row in rows] == curves.get("half/elbo")[1].tolist()


def test_the_gap_is_shaded_after_m_and_closed_after_e(program, em):
    half(program, em.e)
    half(program, em.m)
    half(program, em.e)
    _, elbo = drawn(em, "elbo")
    _, log_p = drawn(em, "log_likelihood")
    picture = program.pixels(em.plot)
    middle = (elbo[1] + log_p[1]) / 2

    def colour(x, y):
        at = em.plot.position(x, y)
        return picture[at.y(), at.x()]

    shade = np.array(QColor(blend(DARK.curve(1), DARK.surface, 0.16)).getRgb()[:3])
    ground = np.array(QColor(DARK.surface).getRgb()[:3])
    assert abs(colour(1.25, middle) - shade).max() <= 3  # between M at 1 and E at 1.5
    assert abs(colour(1.75, middle) - ground).max() <= 3
    assert abs(colour(0.75, middle) - ground).max() <= 3


def test_one_iteration_is_an_e_and_an_m(program, em):
    half(program, em.e)
    iterate(program, em, 1)  # the rest of it
    assert halves(program).tolist() == [1, 2]
    iterate(program, em, 1)
    assert halves(program).tolist() == [1, 2, 3, 4]
    assert em.e.isEnabled()


def test_play_goes_on_until_the_rule_is_met(program, em):
    assert em.play.text() == "Play"
    program.click(em.play)
    program.until(lambda: program.session.run.settled(1e-6) and not program.session.moment.training)
    program.until(lambda: em.facts.value("rule") == "met")
    assert em.play.text() == "Play"
    assert program.session.run.change < 1e-6
    assert em.facts.value("iterations") == str(program.steps)
    change = float(em.facts.value("change").replace("−", "-"))
    assert change == pytest.approx(program.session.run.change, rel=1e-3)
    assert "1e−06" in em.rule.text()
    program.type_into(program.run_panel.run_form.fields["tolerance"], "1e-12")
    assert em.facts.value("rule") == "not met yet"
    assert "1e−12" in em.rule.text()


def test_play_pauses_while_it_plays_slowly(program, em):
    index = em.speed.findData(4)
    em.speed.setCurrentIndex(index)
    em.speed.activated.emit(index)
    assert program.session.state.em.pace == 4
    program.click(em.play)
    program.until(lambda: em.play.text() == "Pause" and len(halves(program)) >= 1)
    assert len(halves(program)) <= 3  # at full speed it would have settled by now
    program.click(em.play)
    program.paused()
    program.until(lambda: em.play.text() == "Play")
    program.trigger("undo")
    assert em.speed.currentData() == 0


def test_keys_make_half_steps(program, em):
    program.trigger("half-step")
    program.until(lambda: halves(program).tolist() == [1])
    program.until(lambda: em.m.isEnabled())
    em.m.setFocus()
    QTest.keyClick(em.m, Qt.Key.Key_Space)
    program.until(lambda: halves(program).tolist() == [1, 2])


# -- what is shown beside ------------------------------------------------------------------------------


def test_the_terms_add_up_to_the_bound(program, em):
    iterate(program, em, 3)
    assert em.plot.terms == []
    em.terms.click()
    assert em.plot.terms == ["expected_log_joint", "entropy"]
    total = drawn(em, "expected_log_joint")[1] + drawn(em, "entropy")[1]
    np.testing.assert_allclose(total, drawn(em, "elbo")[1], rtol=1e-12)
    assert "H(q)" in em.extra.text()
    program.trigger("undo")
    assert em.plot.terms == []


def test_the_terms_of_probabilistic_pca(start, tmp_path):
    values = {"method": "em", "latent_dim": 2}
    program = start(saved_run(tmp_path / "ppca.safetensors", "ppca", "digits-grey", values, steps=3))
    program.wait_for_run()
    em = program.window.suited["em"]
    em.terms.click()
    assert em.plot.terms == ["reconstruction", "kl_prior"]
    difference = drawn(em, "reconstruction")[1] - drawn(em, "kl_prior")[1]
    np.testing.assert_allclose(difference, drawn(em, "elbo")[1], rtol=1e-12)


def test_the_last_iterations_alone_or_all(program, em):
    iterate(program, em, 16)
    (low, high), _ = em.plot.view_range()
    assert low < 0.5
    assert high > 16.5
    em.recent.click()
    (low, high), _ = em.plot.view_range()
    assert 3.5 < low <= 4.5
    assert high > 16.5
    em.plot.set_view_range((1, 3), (-3, -2))
    assert not em.plot.follows
    program.click(em.fit)
    assert em.plot.follows
    assert em.plot.view_range()[0] == (low, high)


def test_a_click_in_the_legend_hides_a_curve(program, em):
    iterate(program, em, 2)
    program.window.docks["em"].status.linkActivated.emit("elbo")
    assert not em.plot.is_visible("elbo")


def test_a_component_that_collapses_is_told(start, tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    x[:20] = x[0]
    np.save(tmp_path / "few.npy", x)
    path = saved_run(tmp_path / "gmm.safetensors", "gmm", tmp_path / "few.npy", {"components": 4}, steps=60)
    program = start(path)
    program.wait_for_run()
    em, model = program.window.suited["em"], program.session.model
    assert model.notes
    assert model.notes[0][1:] in em.notes.text()
    assert em.notes.isVisible()
    program.window.resize(1024, 700)  # there is no room for all: the column scrolls, and nothing is cut
    program.until(lambda: program.window.width() == 1024)
    for widget in (em.notes, em.rule, em.facts):
        needed = max(widget.heightForWidth(widget.width()), widget.minimumSizeHint().height())
        program.until(lambda widget=widget, needed=needed: widget.height() >= needed)


def test_after_a_click_space_plays_and_presses_nothing_again(program, em):
    before = program.session.run
    em.speed.setCurrentIndex(em.speed.findData(2))
    em.speed.activated.emit(em.speed.currentIndex())
    program.click(program.run_panel.again)  # which also plays
    program.until(lambda: program.session.run is not before)
    run = program.session.run
    program.until(lambda: program.session.moment.training)
    QTest.keyClick(program.window, Qt.Key.Key_Space)
    program.until(lambda: not program.session.moment.training)
    assert program.session.run is run


# -- earlier iterations ------------------------------------------------------------------------------


def test_the_scrubber_shows_any_iteration(program, em, history):
    iterate(program, em, 6)
    slider, session = history.scrubber.slider, program.session
    program.until(lambda: slider.maximum() == 6)
    assert (slider.minimum(), slider.value()) == (0, 6)
    assert not history.scrubber.live.isEnabled()
    slider.setFocus()
    for _ in range(4):
        QTest.keyClick(slider, Qt.Key.Key_Left)
    assert session.model.stamp.step == 2
    assert history.scrubber.label.text() == "iteration 2 of 6"
    then = session.run.curves.get("half/log_likelihood")[1][3]
    assert f"log p(x)&nbsp;{format_number(then, 4)}" in em.plot.legend()
    mean = session.model.log_prob(session.data.train.x).mean()
    assert mean == pytest.approx(session.run.curves.get("half/log_likelihood")[1][3], rel=1e-10)
    at = em.plot.position(2, em.plot.view_range()[1][0]).x()
    below = program.pixels(em.plot)[10:-40, at - 1 : at + 2]
    assert (abs(below - np.array(QColor(DARK.accent).getRgb()[:3])).max(axis=2) < 60).any(axis=1).mean() > 0.3
    program.click(history.scrubber.live)
    assert session.past is None
    assert session.model.stamp.step == 6
    assert history.scrubber.label.text() == "iteration 6 of 6"


def test_looking_back_stays_while_training_goes_on(program, em, history):
    iterate(program, em, 3)
    history.scrubber.slider.setValue(1)
    model = program.session.model
    iterate(program, em, 3)
    assert program.session.model is model
    program.until(lambda: history.scrubber.slider.maximum() == 6)
    assert history.scrubber.slider.value() == 1
    assert history.scrubber.label.text() == "iteration 1 of 6"


def test_another_run_is_seen_live(program, em, history):
    iterate(program, em, 3)
    history.scrubber.slider.setValue(1)
    run = program.session.run
    program.actions.restart()
    program.until(lambda: program.session.run is not run and program.session.past is None)
    program.actions.pause()
    program.paused()
    assert history.scrubber.at is None


# -- other seeds -------------------------------------------------------------------------------------


@pytest.fixture
def restarted(program, em):
    program.type_into(program.run_panel.run_form.fields["tolerance"], "1e-3")
    em.restarts.count.setCurrentIndex(0)
    em.restarts.count.activated.emit(0)
    iterate(program, em, 2)
    program.click(em.restarts.go)
    program.until(lambda: not em.restarting.busy)
    return em.restarting


def test_restarts_are_drawn_and_the_best_is_marked(program, em, restarted):
    found = restarted.found
    assert [one.seed for one in found] == [4, 5, 6, 7, 8]
    assert em.restarts.go.text() == "Restarts"
    first = best(found)
    assert em.restarts.results.itemData(0) == em.restarts.results.currentData() == first.seed
    assert em.restarts.results.itemText(0).startswith("★ seed")
    end = em.plot.position(len(first.log_likelihood) - 1, first.value)
    dot = program.pixels(em.plot)[end.y(), end.x()]
    assert abs(dot - np.array(QColor(DARK.text).getRgb()[:3])).max() < 40
    assert (em.plot.view_range()[0][1]) > max(len(one.log_likelihood) for one in found) - 1


def test_the_best_is_opened_as_it_is(program, em, history, restarted):
    first = best(restarted.found)
    own = program.session.run
    program.click(em.restarts.take)
    program.until(lambda: program.session.run is not own)
    program.paused()
    assert program.session.run is first.run
    assert program.session.state.run.seed == first.seed
    assert program.run_panel.play.text() == "Train"
    mean = program.session.model.log_prob(program.session.data.train.x).mean()
    assert mean == pytest.approx(first.value, rel=1e-10)
    assert len(restarted.found) == 5  # they are still beside it
    history.scrubber.slider.setValue(0)
    assert program.session.model.stamp.step == 0


def test_a_click_on_a_curve_chooses_it_and_it_becomes_the_same_run(program, em, restarted):
    last = min(restarted.found, key=lambda one: one.value)
    assert last.run is None
    at = em.plot.position(0.5, last.log_likelihood[0])
    viewport = em.plot._plot.viewport()
    program.click(viewport, viewport.mapFrom(em.plot, at))
    program.until(lambda: restarted.chosen is last)
    assert em.restarts.results.currentData() == last.seed
    own = program.session.run
    program.click(em.restarts.take)
    program.until(lambda: program.session.run is not own and program.session.run.steps > 0)
    program.paused()
    assert program.session.run.seed == last.seed
    after = program.session.run.curves.get("batch/log_likelihood")[1]
    np.testing.assert_array_equal(after, last.log_likelihood[1:])
    program.trigger("undo")
    assert program.session.state.run.seed == own.seed


def test_restarts_are_chosen_with_the_keys(program, em, restarted):
    em.restarts.results.setFocus()
    QTest.keyClick(em.restarts.results, Qt.Key.Key_Down)
    order = sorted(restarted.found, key=lambda one: -one.value)
    assert restarted.chosen is order[1]


def test_restarts_can_be_cancelled_and_show_how_far_they_are(program, em):
    em.restarts.count.setCurrentIndex(3)
    em.restarts.count.activated.emit(3)
    program.click(em.restarts.go)
    assert em.restarts.go.text() == "Cancel"
    program.until(lambda: em.restarts.progress.isVisible() and em.restarts.progress.value() > 0)
    program.click(em.restarts.go)
    assert em.restarts.go.text() == "Restarts"
    assert not em.restarting.busy
    assert len(em.restarting.found) < 50


def test_restarts_of_another_model_are_forgotten(program, em, restarted):
    own = program.session.run
    program.type_into(program.run_panel.form.fields["components"], "5")
    program.click(em.step)
    program.until(lambda: program.session.run is not own)
    program.paused()
    assert restarted.found == ()
    assert not em.restarts.results.isVisible()


def test_the_stairs_and_controls_follow_the_theme(program, em):
    iterate(program, em, 2)
    program.trigger("light")
    assert np.median(program.pixels(em.plot), axis=(0, 1)).min() == 255


def test_everything_has_a_name_and_a_tip(em):
    for widget in (em.play, em.step, em.e, em.m, em.speed, em.fit, em.terms, em.recent):
        assert widget.toolTip()
        assert widget.accessibleName() or widget.text()
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert em.plot.accessibleName()


def test_training_does_not_lay_the_window_out_anew(program):
    panel, moment = program.run_panel, lambda: program.session.moment
    program.type_into(panel.run_form.fields["tolerance"], "0")
    program.type_into(panel.run_form.fields["steps"], "0")  # without end
    program.click(panel.play)
    program.until(lambda: moment().training and moment().steps > 20)  # past what is laid out once
    begin = moment().steps
    with program.layouts() as layouts:
        program.until(lambda: moment().steps > begin + 60)
    program.click(panel.play)
    program.paused()
    assert layouts.count == 0


def test_the_controls_have_the_room_that_they_need(program, em):
    program.window.resize(1280, 800)
    program.until(lambda: program.window.width() == 1280)
    program.settle()
    scroller = em.play.parentWidget().parentWidget().parentWidget()
    program.until(lambda: scroller.verticalScrollBar().maximum() == 0)
    assert em.restarts.mapTo(scroller, em.restarts.rect().bottomRight()).y() < scroller.height()

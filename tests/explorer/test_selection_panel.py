"""Choosing K, as a person does it: fit, watch, stop, read which is best, load one, go back."""

import numpy as np
import pytest
from PySide6.QtWidgets import QLineEdit, QTabBar

from backends.run import Run
from explorer.panels.selection import SERIES, best_of, value
from tests.runs import saved_run


@pytest.fixture
def opened(start, tmp_path):
    """Opens a run of a model with the choice of its size on top: (program, panel)."""

    def begin(model="gmm", data="eight-gaussians", **values):
        program = start(saved_run(tmp_path / f"{model}.safetensors", model, data, values, seed=1))
        program.wait_for_run()
        program.settle()
        panel = program.window.suited["selection"]
        program.window.docks["selection"].raise_()
        program.until(panel.isVisible)
        return program, panel

    return begin


def fit(program, panel, low, high, restarts=1):
    for name, number in (("low", low), ("high", high), ("restarts", restarts)):
        program.type_into(panel.form.fields[name], str(number))
    program.click(panel.fit)
    assert panel.fit.text() == "Cancel"
    assert panel.progress.isVisible()
    program.until(lambda: panel.fit.text() == "Fit", timeout=60_000)
    program.until(lambda: not panel.progress.isVisible())


def click_size(program, panel, size):
    """Click where the training curve has a size."""
    chosen = next(one for one in panel.selection.fits if one.size == size)
    viewport = panel.plot._plot.viewport()
    program.click(viewport, viewport.mapFrom(panel.plot, panel.plot.position(size, chosen.train)))
    program.until(lambda: program.session.run is chosen.run)
    return chosen


def sizes(panel):
    return [one.size for one in panel.selection.fits]


def test_each_size_is_fitted_and_the_best_of_each_curve_is_told(opened):
    program, panel = opened(components=2)
    fit(program, panel, 6, 9)
    fits = panel.selection.fits
    assert sizes(panel) == [6, 7, 8, 9]
    status = program.window.docks["selection"].status.text()
    assert status.startswith("best at")
    for series in SERIES:
        best = max(fits, key=lambda one, key=series.key: value(one, key))
        assert best_of(fits, series.key) is best
        assert f"{series.label}&nbsp;{best.size}" in status
        points = panel.plot._curves[series.key].points
        assert points.values.tolist() == [value(one, series.key) for one in fits]
    assert best_of(fits, "bic").size == 8  # there are eight
    rings = [mark for mark in panel.plot._marks._marks if mark.ring]
    assert len(rings) == len(SERIES)
    one = fits[0]
    train = one.run.model().log_prob(program.session.run.data.train.x).mean()
    assert one.train == pytest.approx(train, rel=1e-9)
    assert value(one, "aic") == pytest.approx(train - one.parameters / one.rows, rel=1e-9)


def test_a_click_loads_a_fit_and_the_way_back_leads_to_the_run_before(opened):
    program, panel = opened(components=2)
    before = program.session.run
    assert not panel.back.isVisible()
    fit(program, panel, 1, 3)
    chosen = click_size(program, panel, 3)
    assert len(program.session.model.weights) == 3
    assert program.session.state.run.values["components"] == 3
    assert program.session.undo_text == ""  # an opened run is nothing to take back
    assert sizes(panel) == [1, 2, 3]
    assert [mark.x for mark in panel.plot._marks._marks if mark.label] == [3]
    click_size(program, panel, 1)
    program.click(panel.back)
    program.until(lambda: program.session.run is before)
    assert len(panel.plot._curves["train"].points) == 3  # they stay
    assert not panel.back.isVisible()
    assert chosen in panel.selection.fits


def test_what_was_found_is_shown_for_like_runs_only(opened, small_run):
    program, panel = opened(components=2)
    before = program.session.run
    fit(program, panel, 1, 2)
    program.actions.open(small_run)
    program.until(lambda: program.session.run.kind.name == "vae")
    program.actions.take(Run.start("gmm", before.data, {"components": 2, "covariance": "diag"}))
    program.until(lambda: program.session.run.values.get("covariance") == "diag")
    assert not panel.plot._curves
    program.actions.take(before)
    program.until(lambda: program.session.run is before)
    assert sizes(panel) == [1, 2]
    assert len(panel.plot._curves["train"].points) == 2


def test_cancel_keeps_what_there_is(opened):
    program, panel = opened(components=2)
    program.type_into(panel.form.fields["high"], "400")
    program.click(panel.fit)
    program.until(lambda: len(panel.selection.fits) >= 2)
    program.click(panel.fit)
    kept = sizes(panel)
    assert panel.fit.text() == "Fit"
    assert panel.doing.text() == "stopped"
    assert not program.program.exploration.busy("selection")
    assert kept[:2] == [1, 2]


def test_a_range_without_sizes_is_a_sentence(opened):
    program, panel = opened(components=2)
    program.type_into(panel.form.fields["low"], "12")
    program.click(panel.fit)
    assert "no size" in program.said[-1].text
    assert panel.fit.text() == "Fit"


def test_more_components_than_rows_are_a_sentence(opened, tmp_path):
    np.save(tmp_path / "few.npy", np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32))
    program, panel = opened(data=str(tmp_path / "few.npy"), components=2)
    program.type_into(panel.form.fields["high"], "40")
    program.click(panel.fit)
    program.until(lambda: bool(program.said))
    assert program.said[-1].details is None
    assert "components" in program.said[-1].text


@pytest.mark.parametrize("model", ["ppca", "factor-analysis"])
def test_the_latent_dimension_is_chosen_likewise(opened, model):
    program, panel = opened(model, "digits-grey", latent_dim=2)
    fit(program, panel, 1, 3)
    train = [one.train for one in panel.selection.fits]
    assert train == sorted(train)
    assert panel.plot._unit == "k"
    click_size(program, panel, 3)
    assert program.session.model.latent_dim == 3


def test_in_a_small_window_tabs_have_their_whole_names_and_fields_are_not_squeezed(opened):
    program, panel = opened("ppca", "digits-grey", latent_dim=2)
    program.window.resize(1024, 700)
    program.until(lambda: program.window.width() == 1024)
    program.settle()
    tabs = next(bar for bar in program.window.findChildren(QTabBar) if bar.isVisible())
    assert tabs.count() == 8
    for i in range(tabs.count()):
        assert tabs.tabRect(i).width() > tabs.fontMetrics().horizontalAdvance(tabs.tabText(i))
    for widget in (*panel.form.findChildren(QLineEdit), panel.fit):
        assert widget.height() >= widget.sizeHint().height()

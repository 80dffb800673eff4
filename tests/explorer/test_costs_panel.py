"""What a flow costs, as a person asks for it: measure, watch, stop, see the numbers of the model itself."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint

from backends.base import finish
from backends.capabilities import HasCosts
from backends.data import open_data
from backends.pytorch.flows.costs import GRADIENT_ROWS, ROWS, TIGHT
from backends.run import Run
from explorer.panels.costs import CostsPanel
from explorer.plots.growth import duration
from explorer.style.theme import theme
from explorer.widgets.values import format_number

WAYS = f"Both ways, {ROWS} rows"
SMALL = {
    "linear-flow": {},
    "maf": {"layers": 2, "width": 8, "depth": 1},
    "cnf": {"width": 8, "depth": 1},
}


def run_of(kind, seed=0, **values):
    return Run.start(kind, open_data("two-moons:500"), {**SMALL[kind], **values}, seed=seed)


@pytest.fixture
def opened(start, tmp_path):
    """Opens a run of a flow with its costs on top: (program, panel)."""

    def begin(kind):
        path = tmp_path / f"{kind}.safetensors"
        run_of(kind).save(path)
        program = start(path)
        program.wait_for_run()
        program.window.docks["costs"].raise_()
        panel = program.window.suited["costs"]
        program.until(panel.isVisible)
        return program, panel

    return begin


def measure(program, panel):
    program.click(panel.measure)
    assert panel.measure.text() == "Cancel"
    assert panel.progress.isVisible()
    program.until(lambda: panel.measure.text() == "Measure", timeout=60_000)


def take(program, run):
    program.actions.take(run)
    program.until(lambda: program.session.run is run)


def test_nothing_is_measured_by_itself(opened):
    program, panel = opened("maf")
    assert panel.empty.isVisible()
    assert "press Measure" in panel.empty.text()
    assert not program.program.exploration.busy("costs")
    measure(program, panel)
    assert not panel.empty.isVisible()
    assert not panel.progress.isVisible()


def test_passes_of_both_ways_are_the_models(opened):
    program, panel = opened("maf")
    measure(program, panel)
    rows = panel.tables[WAYS].rows
    assert [texts[0] for _, texts in rows] == [format_number(n) for n in program.session.model.passes]
    assert [texts[0] for _, texts in rows] == ["2", "4"]
    assert panel.tables[WAYS].titles[0] == "passes"
    assert not panel.plot.isVisible()
    assert "at step 0" in panel.doing.text()


def test_the_gradients_are_those_that_are_compared(opened):
    program, panel = opened("cnf")
    measure(program, panel)
    model, x = program.session.model, program.session.data.train.x[:GRADIENT_ROWS]
    ways, table = panel.tables.values()
    assert ways is panel.tables[WAYS]
    for rows, tolerance in ((table.rows[:2], None), (table.rows[2:], TIGHT)):
        want = model.compare_gradients(x, tolerance)
        (_, back), (_, adjoint) = rows
        for texts, cost in ((back, want.backpropagation), (adjoint, want.adjoint)):
            shown = dict(zip(table.titles, texts, strict=True))
            assert shown["MB"] == format_number(cost.bytes / 1e6)
            assert shown["NFE"] == format_number(cost.evaluations)
            assert shown["NFE back"] == format_number(cost.evaluations_back)
        assert back[-1] == format_number(None)
        assert adjoint[-1] == format_number(want.difference)
    assert model.trained_with in table.rows[0][0]


def test_determinants_are_drawn_over_the_size(opened):
    program, panel = opened("linear-flow")
    program.click(panel.measure)
    program.until(lambda: len(panel.costs.curves) == 6 and len(panel.costs.curves[0].sizes) >= 4)
    assert panel.plot.isVisible()
    assert panel.measure.text() == "Cancel"
    program.click(panel.measure)  # what there is stays
    assert panel.measure.text() == "Measure"
    assert not program.program.exploration.busy("costs")
    curves = panel.costs.curves
    assert {c.way for c in curves} == {"lu", "qr", "free"}
    for key, curve in zip(panel.plot._curves, curves, strict=True):
        points = panel.plot._curves[key].points
        np.testing.assert_allclose(2.0**points.steps, curve.sizes)
        np.testing.assert_allclose(10.0**points.values, curve.seconds)
        assert f"m<sup>{format_number(round(curve.slope, 1) + 0.0, 1)}</sup>" in panel.legend.text()
    free = theme().tokens.curve(2)
    wanted = np.array([int(free[i : i + 2], 16) for i in (1, 3, 5)])
    drawn = np.abs(program.pixels(panel.plot) - wanted).max(-1) < 24
    assert drawn.sum() > 50
    panel.legend.linkActivated.emit("4")  # a click on one of its entries
    assert not panel.plot.is_visible("4")


def test_the_curves_are_saved_in_seconds(opened, tmp_path):
    program, panel = opened("linear-flow")
    program.click(panel.measure)
    program.until(lambda: len(panel.costs.curves) == 6)
    program.click(panel.measure)
    panel.plot.save_csv(tmp_path / "costs.csv")
    table = np.genfromtxt(tmp_path / "costs.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(np.atleast_1d(table["m"]), panel.costs.curves[0].sizes)
    np.testing.assert_array_equal(np.atleast_1d(table["0"]), panel.costs.curves[0].seconds)


def test_cancel_before_anything_is_measured_leaves_the_invitation(opened):
    program, panel = opened("maf")
    program.click(panel.measure)
    program.click(panel.measure)
    assert panel.empty.isVisible()
    assert panel.measure.text() == "Measure"


def test_numbers_are_shown_for_the_model_they_were_measured_of(opened):
    program, panel = opened("maf")
    measure(program, panel)
    before, found = program.session.run, panel.costs
    take(program, run_of("maf", seed=5))
    assert panel.costs is found
    take(program, run_of("maf", width=16))
    assert panel.empty.isVisible()
    assert not panel.tables
    take(program, before)
    assert panel.costs is found
    program.until(panel.tables[WAYS].isVisible)


def test_another_run_stops_the_measurement(opened):
    program, panel = opened("linear-flow")
    program.click(panel.measure)
    take(program, run_of("maf"))
    assert panel.measure.text() == "Measure"
    assert panel.empty.isVisible()


def test_it_measures_while_it_trains(opened):
    program, panel = opened("maf")
    program.click(program.run_panel.play)
    program.until(lambda: program.session.model.stamp.step > 0)
    measure(program, panel)
    program.click(program.run_panel.play)
    program.paused()
    assert [texts[0] for _, texts in panel.tables[WAYS].rows] == ["2", "4"]


def test_what_numbers_are_is_told_at_them(opened):
    program, panel = opened("maf")
    measure(program, panel)
    at = QPoint(panel.tables[WAYS].width() - 8, 30)
    assert "one time after the other" in panel.tables[WAYS].tooltip(at.x(), at.y())
    assert "median" in panel.doing.toolTip()


def test_models_that_measure_nothing_have_no_such_panel():
    gmm = Run.start("gmm", open_data("two-moons:500"), {})
    assert not isinstance(gmm.model(), HasCosts)
    assert not CostsPanel.suits(gmm, gmm.model())
    flow = run_of("maf")
    assert CostsPanel.suits(flow, flow.model())
    assert len(finish(flow.model().costs(flow.data.train.x)).tables) == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.84e-6, "2.8 µs"), (1e-3, "1.0 ms"), (0.9999e-3, "1.0 ms"), (12, "12.0 s")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text

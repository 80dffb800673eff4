"""What is measured of flows: the counts are the passes, the gradients are compared, W has its determinant."""

import math

import numpy as np
import pytest
import torch

from backends.base import InputError, Progress, finish
from backends.costs import RUNS, CostCurve, Costs, median_seconds
from backends.data import open_data
from backends.pytorch.flows.costs import GRADIENT_ROWS, LOG_DET, PRODUCT, TIGHT, both_ways, determinants
from backends.pytorch.flows.matrices import PARAMETRISATIONS
from backends.run import Run

SMALL = {
    "linear-flow": {},
    "maf": {"layers": 3, "width": 8, "depth": 1},
    "iaf": {"layers": 3, "width": 8, "depth": 1},
    "cnf": {"width": 8, "depth": 1},
}


def model_of(kind):
    run = Run.start(kind, open_data("two-moons:500"), SMALL[kind])
    for _ in range(5):
        run.step()
    return run.model(), run.data.train.x


@pytest.mark.parametrize("way", PARAMETRISATIONS)
@pytest.mark.parametrize("m", [1, 2, 7, 40])
def test_the_determinant_is_that_of_the_matrix_it_stands_for(way, m):
    matrix = PARAMETRISATIONS[way]("linear", m)
    rng = torch.Generator().manual_seed(m)
    w = {name: torch.zeros(shape) for name, shape in matrix.shapes.items()}
    matrix.initialise(w, rng)
    w = {name: (t + 0.3 * torch.randn(t.shape, generator=rng)).double() for name, t in w.items()}
    origin, eye = torch.zeros(1, m, dtype=torch.float64), torch.eye(m, dtype=torch.float64)
    dense = (matrix.apply(eye, w) - matrix.apply(origin, w)).T.numpy()  # column i is W e_i
    assert float(matrix.log_det(w)) == pytest.approx(np.linalg.slogdet(dense)[1], abs=1e-9)
    y = torch.randn(5, m, generator=rng, dtype=torch.float64)
    z, log_det = matrix.transform(y, w)
    np.testing.assert_allclose(z, y.numpy() @ dense.T + w["linear.bias"].numpy(), atol=1e-9)
    np.testing.assert_allclose(log_det, np.full(5, np.linalg.slogdet(dense)[1]), atol=1e-9)
    again, log_det_back = matrix.inverse(z, w)
    np.testing.assert_allclose(again, y, atol=1e-8)
    np.testing.assert_allclose(log_det_back, -log_det, atol=1e-12)


@pytest.mark.parametrize(("kind", "counts"), [("maf", (3, 6)), ("iaf", (6, 3)), ("linear-flow", (1, 1))])
def test_passes_are_counted(kind, counts):
    model, x = model_of(kind)
    asked = {"transform": 0, "inverse": 0}

    class Counted:
        """The model, its calls counted."""

        passes = model.passes

        def transform(self, rows):
            asked["transform"] += 1
            return model.transform(rows)

        def inverse(self, rows):
            asked["inverse"] += 1
            return model.inverse(rows)

    table = finish(both_ways(Counted(), x, "passes"))
    assert tuple(cells[0] for _, cells in table.rows) == counts == model.passes
    assert min(asked.values()) > 3  # it is what is timed
    for _, (_, ms, at_once) in table.rows:
        assert ms > 0
        assert at_once in (125, 250, 500, 1000)


def test_a_continuous_flow_shows_what_compare_gradients_says():
    model, x = model_of("cnf")
    costs = finish(model.costs(x))
    ways, gradients = costs.tables
    assert ways.columns[0] == "evaluations"
    assert tuple(cells[0] for _, cells in ways.rows) == model.passes
    for rows, tolerance, solver in (
        (gradients.rows[:2], None, model.trained_with),
        (gradients.rows[2:], TIGHT, f"dopri5, tolerance {TIGHT:g}"),
    ):
        want = model.compare_gradients(x[:GRADIENT_ROWS], tolerance)
        for (name, cells), cost in zip(rows, (want.backpropagation, want.adjoint), strict=True):
            shown = dict(zip(gradients.columns, cells, strict=True))
            assert name.endswith(f", {solver}")
            assert shown["MB"] == cost.bytes / 1e6
            assert (shown["NFE"], shown["NFE back"]) == (cost.evaluations, cost.evaluations_back)
            assert shown["ms"] > 0
            assert shown["difference"] == (pytest.approx(want.difference) if cost is want.adjoint else None)


def test_a_linear_flow_measures_each_parametrisation_at_each_size():
    sizes, parts = (2, 4, 8, 16), []
    work = determinants(sizes)
    while True:
        try:
            parts.append(next(work))
        except StopIteration as stop:
            found = stop.value
            break
    assert {(c.way, c.what) for c in found.curves} == {
        (way, what) for way in PARAMETRISATIONS for what in (LOG_DET, PRODUCT)
    }
    for curve in found.curves:
        np.testing.assert_array_equal(curve.sizes, sizes)
        assert (curve.seconds > 0).all()
    progress = [part for part in parts if isinstance(part, Progress)]
    assert [p.done for p in progress] == list(range(6 * len(sizes)))
    so_far = [part for part in parts if isinstance(part, Costs)]
    assert [len(part.curves[0].sizes) for part in so_far] == [1, 2, 3, 4]
    model, x = model_of("linear-flow")
    tables_first = next(part for part in model.costs(x) if isinstance(part, Costs))
    assert len(tables_first.tables) == 1


def test_a_slope_is_the_power_of_the_size():
    sizes = np.array([2, 4, 8, 16])
    cubic = CostCurve("free", "x", sizes, np.array([5.0, 8, 64, 512]))
    assert cubic.slope == pytest.approx(3)
    assert math.isnan(CostCurve("free", "x", sizes[:2], np.array([1.0, 2.0])).slope)


def test_a_measurement_warms_up_and_yields_after_each_run():
    calls, ticks = [], 0
    work = median_seconds(lambda: calls.append(1))
    next(work)
    assert len(calls) == 1  # to warm up
    before = len(calls)
    for _ in work:
        ticks += 1
        assert len(calls) - before <= 1000
        before = len(calls)
    assert 2 <= ticks <= 1 + RUNS


def test_without_rows_there_is_nothing_to_measure():
    model, x = model_of("maf")
    with pytest.raises(InputError, match="no rows"):
        finish(model.costs(x[:0]))

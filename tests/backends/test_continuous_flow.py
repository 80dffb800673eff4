"""The kind cnf: against autograd, finite differences and itself solved otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from backends.base import Diverged, InputError
from backends.conformance import Case, checks_for, run_check, small_data
from backends.data import open_data
from backends.pytorch.flows.continuous import ContinuousLearner
from backends.pytorch.flows.continuous_map import ContinuousMap
from backends.pytorch.flows.continuous_model import ContinuousFlow
from backends.pytorch.flows.net import FlowNet
from backends.registry import find_kind

KIND = find_kind("cnf")[1]
BEND = small_data()[2]
SMALL = {"width": 16, "depth": 2, "batch_size": 64}


def learner(after: int = 0, **values: object) -> ContinuousLearner:
    out = ContinuousLearner(BEND.train.x, BEND.info, {**SMALL, **values})
    for _ in range(after):
        out.step()
    return out


@pytest.fixture(scope="module")
def trained() -> ContinuousLearner:
    return learner(300, learning_rate=0.01)


@pytest.fixture(scope="module")
def model(trained: ContinuousLearner) -> ContinuousFlow:
    out = trained.snapshot()
    assert isinstance(out, ContinuousFlow)
    return out


def inside(trained: ContinuousLearner) -> tuple[FlowNet, dict[str, Tensor]]:
    """The snapshot's map in float64, to be differentiated."""
    arrays = trained.state().arrays
    theta, shift, scale = (
        torch.tensor(a, dtype=torch.float64)
        for a in (trained.snapshot().theta(), arrays["shift"], arrays["scale"])
    )
    return trained.net, trained.net.weights(theta, shift, scale)


OTHERS = (
    {"depth": 0},
    {"objective": "forward-kl"},
    {"objective": "forward-kl", "solver": "dopri5", "tolerance": 0.01},
    {"objective": "forward-kl", "trace": "rademacher", "gradient": "adjoint"},
    {"objective": "forward-kl", "trace": "gaussian", "kinetic": 0.1, "jacobian": 0.1, "solver": "midpoint"},
    {"coupling": "optimal-transport", "base": "mixture"},
)


@pytest.mark.parametrize("values", OTHERS, ids=lambda v: "-".join(map(str, v.values())))
@pytest.mark.parametrize(
    "name", ["steps, counts and stamps", "same seed, same run", "resumes exactly", "snapshots are frozen"]
)
def test_every_way_of_training_keeps_the_contract(values: dict, name: str) -> None:
    case = Case(KIND, BEND, {**SMALL, "steps": 2, **values})
    (check,) = (check for check in checks_for(case) if check.name == name)
    assert run_check(check, case).sentence == ""


def test_the_log_determinant_is_that_of_the_jacobian(
    trained: ContinuousLearner, model: ContinuousFlow
) -> None:
    net, w = inside(trained)
    x = torch.tensor(BEND.train.x[:8], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: net.transform(x, w)[0].sum(0), x)
    want = torch.linalg.slogdet(jacobian.transpose(0, 1)).logabsdet
    np.testing.assert_allclose(net.transform(x, w)[1], want, atol=1e-4)
    np.testing.assert_allclose(model.transform(BEND.train.x[:8])[1], want, atol=1e-4)


@pytest.mark.parametrize("base", ["normal", "uniform"])
def test_the_metric_is_that_of_the_jacobian_by_autograd(base: str) -> None:
    flow = learner(20, base=base, learning_rate=0.01)
    model, (net, w) = flow.snapshot(), inside(flow)
    z = model.transform(BEND.train.x[:8])[0]
    jacobian = torch.autograd.functional.jacobian(
        lambda z: net.inverse(z, w)[0].sum(0), torch.tensor(z).double()
    )
    columns = jacobian.permute(1, 0, 2).numpy()
    want = columns.swapaxes(1, 2) @ columns
    np.testing.assert_allclose(model.metric(z), want, rtol=1e-3, atol=1e-4 * np.abs(want).max())
    assert model.metric(z[:0]).shape == (0, 2, 2)


def test_there_and_back(model: ContinuousFlow) -> None:
    x = BEND.test.x
    z, log_det = model.transform(x)
    back, log_det_back = model.inverse(z)
    np.testing.assert_allclose(back, x, atol=1e-3)
    np.testing.assert_allclose(log_det_back, -log_det, atol=1e-3)


@pytest.mark.parametrize("time", [0.01, 0.4, 0.99])
def test_velocity_and_divergence_are_the_derivatives_of_paths(
    trained: ContinuousLearner, model: ContinuousFlow, time: float
) -> None:
    net, w = inside(trained)
    x, h = torch.tensor(BEND.test.x, dtype=torch.float64), 1e-3
    times = np.array([0, time - h, time, time + h])
    _, before, now, after = net.path(x, w, times)
    points = now[0].numpy().astype(np.float32)
    moved, grown = ((a - b).numpy() / (2 * h) for a, b in zip(after, before, strict=True))
    np.testing.assert_allclose(model.velocity(points, time), moved, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(model.divergence(points, time), grown, rtol=1e-3, atol=1e-3)


def test_onto_a_uniform_base_points_jump_and_have_no_velocity() -> None:
    model = learner(1, base="uniform").snapshot()
    z = model.transform(BEND.test.x[:4])[0]
    for rate in (model.velocity, model.divergence):
        assert np.isfinite(rate(BEND.test.x[:4], 0.999)).all()
        with pytest.raises(InputError, match="jump onto the uniform base's cube"):
            rate(z, 1.0)


def test_a_path_stops_where_it_is_told_and_ends_at_the_latents(model: ContinuousFlow) -> None:
    x = BEND.test.x
    z, log_det = model.transform(x)
    for times in (None, np.array([0, 0.3, 0.3, 1 / 3, 1])):
        path = model.path(x, times)
        np.testing.assert_allclose(path.points[0], x, atol=1e-5)
        np.testing.assert_allclose(path.points[-1], z, atol=1e-4)
        np.testing.assert_allclose(path.log_det[-1], log_det, atol=1e-4)
    assert np.array_equal(path.points[1], path.points[2])
    back = model.path(z, np.array([1, 1 / 3, 0]))
    np.testing.assert_allclose(back.points[1], path.points[3], atol=1e-3)
    np.testing.assert_allclose(back.points[2], x, atol=1e-3)


def test_a_flow_that_cheats_its_solver_is_found_out(model: ContinuousFlow) -> None:
    x = BEND.test.x
    error = np.abs(model.solver_error(x))
    assert error.max() < 1e-3
    cheat = learner(60, objective="forward-kl", solver="euler", steps=1, learning_rate=0.05)
    shown = cheat.snapshot()
    told = cheat.step()["log_likelihood"]
    # one Euler step promises more than there is; the map that is shown does not, and the gauge is loud
    assert told > shown.log_prob(BEND.train.x).mean() + 0.1
    assert np.abs(shown.solver_error(x)).max() > 1


def test_evaluations_are_told_of_every_solver(model: ContinuousFlow) -> None:
    assert (model.evaluations, model.solver) == (4 * 24, "rk4, 24 steps")
    adaptive = learner(1, solver="dopri5", tolerance=0.01).snapshot()
    assert adaptive.evaluations > 6
    assert adaptive.solver == "dopri5, tolerance 0.0001"
    assert learner(1, objective="forward-kl", solver="midpoint", steps=5).step()["nfe"] == 10


def test_hutchinson_agrees_with_the_exact_trace_within_its_error(model: ContinuousFlow) -> None:
    x = BEND.train.x[:60]
    exact = model.transform(x)[1]
    for noise in ("rademacher", "gaussian"):
        mean, stderr = model.estimate_log_det(x, noise, draws=32, seed=1)
        assert stderr.shape == (60,)
        z = (mean - exact) / stderr
        assert abs(z.mean()) < 0.5
        assert 0.7 < z.std() < 1.4
    with pytest.raises(InputError, match="'uniform' is not one of rademacher, gaussian"):
        model.estimate_log_det(x, "uniform")


def test_both_gradients_of_a_model_agree(model: ContinuousFlow) -> None:
    both = model.compare_gradients(BEND.train.x[:50], tolerance=1e-6)
    assert both.difference < 1e-4
    assert both.adjoint.bytes < both.backpropagation.bytes
    assert model.compare_gradients(BEND.train.x[:50]).backpropagation.evaluations == 4 * 8


def test_training_by_the_adjoint_is_training_by_backpropagation() -> None:
    kept = {"objective": "forward-kl", "solver": "midpoint", "steps": 32}
    one, other = (learner(5, gradient=g, **kept).snapshot() for g in ("backpropagation", "adjoint"))
    assert not np.array_equal(one.theta(), learner(0, **kept).snapshot().theta())
    np.testing.assert_allclose(one.theta(), other.theta(), atol=2e-3)


def test_regularisation_makes_paths_short() -> None:
    free, short = (
        learner(60, objective="forward-kl", steps=2, kinetic=weight, jacobian=weight, learning_rate=0.01)
        for weight in (1e-9, 1.0)
    )
    assert short.step()["kinetic"] < 0.5 * free.step()["kinetic"]
    assert short.step()["jacobian"] < 0.5 * free.step()["jacobian"]


@pytest.mark.parametrize(
    ("values", "steps"),
    [({}, 300), ({"coupling": "optimal-transport"}, 300), ({"objective": "forward-kl", "steps": 4}, 60)],
)
def test_it_learns_a_density(values: dict, steps: int) -> None:
    out = learner(steps, learning_rate=0.01, **values).snapshot()
    start = learner(**values).snapshot()
    assert out.log_prob(BEND.test.x).mean() > start.log_prob(BEND.test.x).mean() + 0.1


def test_it_is_fitted_to_a_density_without_rows_of_it() -> None:
    data = open_data("two-moons")
    values = {**SMALL, "objective": "reverse-kl", "steps": 2, "learning_rate": 0.02}
    out = ContinuousLearner(data.train.x, data.info, values)
    first = [out.step() for _ in range(30)]
    assert first[-1]["loss"] < first[0]["loss"]
    assert {"log_likelihood", "nfe"} <= first[-1].keys()


def test_a_solve_that_would_take_too_long_stops_the_run_at_its_last_good_state() -> None:
    out = learner(3, objective="forward-kl", solver="dopri5", tolerance=1e-5)
    map_ = out.net.bijection
    assert isinstance(map_, ContinuousMap)
    map_.trained = replace(map_.trained, most=10)
    before = out.state().arrays
    with pytest.raises(Diverged, match="more than 10 times"):
        out.step()
    assert out.steps == 3
    for name in out.net.layout.shapes:
        np.testing.assert_array_equal(out.state().arrays[name], before[name])


def test_a_time_outside_is_refused(model: ContinuousFlow) -> None:
    with pytest.raises(InputError, match=r"time 1\.5 is not between 0 and 1"):
        model.velocity(BEND.test.x, 1.5)
    with pytest.raises(InputError, match="rise or fall"):
        model.path(BEND.test.x, np.array([0, 2.0]))

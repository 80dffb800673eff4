"""Continuous flows of many columns: log p(x) is an estimate, and says so with its error."""

import json

import numpy as np
import pytest
import torch

from backends.base import DataInfo, finish
from backends.capabilities import EstimatesLogDet
from backends.data import DataSet, Split
from backends.evaluation import evaluate
from backends.flow_terms import flow_terms, has_estimated_log_det
from backends.likelihood import log_likelihood
from backends.pytorch.flows.continuous import ContinuousLearner
from backends.pytorch.flows.dynamics import Velocity

SIDE = 12
VALUES = {"width": 16, "depth": 1, "batch_size": 64, "learning_rate": 0.01}


def pictures(values: str = "real", n: int = 300) -> DataSet:
    """Smooth bumps at random places of 12 × 12 pixels, 144 columns."""
    rng = np.random.default_rng(0)
    at, where = np.arange(SIDE), rng.uniform(3, 9, size=(n, 2, 1))
    x = 7 * np.exp(-0.1 * ((at - where[:, 0])[:, :, None] ** 2 + (at - where[:, 1])[:, None, :] ** 2))
    x = np.rint(x) if values == "integer" else x + rng.normal(size=x.shape)
    rows = [Split(part.reshape(-1, SIDE**2).astype(np.float32)) for part in np.split(x, (n - 20, n - 10))]
    levels = 8 if values == "integer" else 0
    info = DataInfo("bumps", "Bumps", SIDE**2, values, levels, image_shape=(SIDE, SIDE))
    return DataSet(info, *rows)


@pytest.fixture(scope="module")
def data() -> DataSet:
    return pictures()


@pytest.fixture(scope="module")
def learner(data) -> ContinuousLearner:
    out = ContinuousLearner(data.train.x, data.info, VALUES)
    for _ in range(100):
        out.step()
    return out


def exact_log_det(model, x) -> np.ndarray:
    """slogdet of autograd's Jacobian of the solve, row by row."""
    flow, w = model._map, model._w
    y = torch.tensor(x.astype(np.float32))

    def z(row):
        return flow.solver.solve(Velocity(flow.field, w), model._net.standardise(row, w), (0.0, 1.0))[-1]

    jacobians = [torch.autograd.functional.jacobian(z, row[None])[0, :, 0] for row in y]
    return np.array([torch.linalg.slogdet(j.double())[1].item() for j in jacobians])


def test_each_row_has_its_own_noise_and_an_honest_error(learner, data):
    model, x = learner.snapshot(), data.test.x[:3]
    assert isinstance(model, EstimatesLogDet)
    assert has_estimated_log_det(model)
    terms = finish(flow_terms(model, x))
    exact = exact_log_det(model, x)
    assert (terms.log_det.stderr > 0).all()
    assert np.abs((terms.log_det.value - exact) / terms.log_det.stderr).max() < 6
    np.testing.assert_array_equal(terms.log_base.stderr, 0)
    np.testing.assert_array_equal(terms.log_prob.value, terms.log_base.value + terms.log_det.value)
    assert terms.log_prob.method == terms.log_det.method == "Hutchinson, 16 Rademacher ε a row"
    assert terms.log_base.method == "exact"
    # rows that are the same have errors of their own, so that an average over rows has a smaller one
    same = finish(log_likelihood(model, np.repeat(x[:1], 30, axis=0)))
    assert len(np.unique(same.value)) == 30
    assert same.mean().stderr == pytest.approx(same.stderr.mean() / np.sqrt(30), rel=0.2)
    scatter = same.value.std(ddof=1)
    assert scatter == pytest.approx(np.sqrt(np.square(same.stderr).mean()), rel=0.5)


def test_a_report_says_so(learner, data):
    report = finish(evaluate(learner.snapshot(), data, ("test",)))
    told = json.loads(json.dumps(report.json()))["test"]["log_likelihood"]
    assert told["method"] == "Hutchinson, 16 Rademacher ε a row"
    assert told["stderr"] > 0


def test_of_whole_numbers_the_bounds_error_has_both_noises():
    data = pictures("integer", 60)
    learner = ContinuousLearner(data.train.x, data.info, VALUES)
    learner.step()
    terms = finish(flow_terms(learner.snapshot(), data.test.x))
    method = terms.log_prob.method
    assert method.startswith("bound E[log p(x + u)] ≤ log P(x), ")
    assert method.endswith("; log|det| by Hutchinson, 2 Rademacher ε a draw")
    assert "Hutchinson" not in terms.log_base.method
    assert (terms.log_prob.stderr > 0).all()


def test_up_to_128_columns_it_is_exact():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3)).astype(np.float32)
    model = ContinuousLearner(x, DataInfo("points", "Points", 3), VALUES).snapshot()
    assert not has_estimated_log_det(model)
    assert finish(log_likelihood(model, x)).method == "exact"

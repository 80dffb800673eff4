"""Learning by conjugate Bayes: rows by hand, states, evaluations, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from backends.base import DataInfo, Diverged, InputError, Observes, State, finish
from backends.data import DataSet, Split, open_data
from backends.evaluation import evaluate
from backends.exact.conjugate_regression import RegressionLearner
from backends.parameters import resolve
from backends.registry import find_kind
from backends.run import Run
from tests.backends.conjugate import LEARNERS, POINTS, learn

# -- rows, given and by hand --------------------------------------------------------------------------


def test_without_rows_there_is_the_prior_and_rows_by_hand_make_a_posterior():
    learner = learn("bayesian-linear-regression", [])
    assert isinstance(learner, Observes)
    assert (learner.steps, learner.total_steps) == (0, 0)
    with pytest.raises(InputError, match="there are no rows of 'mine'"):
        learner.step()
    model = learner.snapshot()
    assert model.seen.shape == (0, 2)
    assert model.log_evidence() == 0
    scalars = learner.observe(POINTS[:2])
    learner.observe(POINTS[2])  # one row may come as it is
    assert learner.steps == learner.total_steps == 3
    np.testing.assert_array_equal(learner.snapshot().seen, POINTS[:3])
    stepped = learn("bayesian-linear-regression", POINTS[:3]).snapshot()
    assert learner.snapshot().log_evidence() == pytest.approx(stepped.log_evidence(), rel=1e-12)
    assert [set(s) for s in scalars] == [{"log_predictive", "log_evidence"}] * 2
    assert model.seen.shape == (0, 2)  # a snapshot stays what it was


@pytest.mark.parametrize(
    ("kind", "rows", "sentence"),
    [
        ("beta-bernoulli", [[1], [0.5]], "values other than 0 and 1"),
        ("normal-gamma", [[1], [np.inf]], "row 2, column 1 is inf"),
        ("normal-gamma", [[1, 2]], r"x has shape \(1, 2\), and this model needs \(n, 1\)"),
        ("normal-gamma", [[1], [1e300]], "row 2, column 1 is inf"),
        ("bayesian-linear-regression", [[0, 0], [3e38, 1]], "log_predictive is"),
    ],
)
def test_of_rows_by_hand_all_are_taken_or_none(kind, rows, sentence):
    learner = learn(kind, [], **({"degree": 20} if kind.startswith("bayesian") else {}))
    with pytest.raises(InputError, match=sentence):
        learner.observe(rows)
    assert learner.steps == 0
    assert learner.snapshot().log_evidence() == 0


def test_a_training_row_too_far_out_diverges_and_changes_nothing():
    learner = learn("bayesian-linear-regression", [[3e38, 1]], 0, degree=20)
    with pytest.raises(Diverged, match="log_predictive is"):
        learner.step()
    assert (learner.steps, learner.total_steps) == (0, 1)


def test_after_the_last_row_a_run_is_finished_and_goes_on_by_hand(tmp_path):
    run = Run.start("beta-bernoulli", open_data("coin"), {}, seed=4)
    while not run.finished:
        run.step()
    assert run.steps == 100
    with pytest.raises(InputError, match="all 100 training rows of 'coin' have been seen"):
        run.step()
    run.observe([[1], [1], [0]])
    assert run.finished
    steps, values = run.curves.get("batch/log_predictive")
    assert steps.tolist() == list(range(1, 104))
    assert values.sum() == pytest.approx(run.model().log_evidence(), abs=1e-9)
    run.save(tmp_path / "run")
    opened = Run.open(tmp_path / "run")
    assert opened.notes == ()
    assert opened.finished
    np.testing.assert_array_equal(opened.model().seen, run.model().seen)
    assert opened.model().log_evidence() == run.model().log_evidence()


def test_a_run_begins_on_no_rows_and_is_saved_with_those_by_hand(tmp_path):
    info = DataInfo("blank", "Blank", 2, display=(-1, 1))
    none = Split(np.zeros((0, 2), np.float32))
    run = Run.start("bayesian-linear-regression", DataSet(info, none, none, none), {})
    run.observe(POINTS)
    run.save(tmp_path / "run")
    opened = Run.open(tmp_path / "run")
    np.testing.assert_array_equal(opened.model().seen, POINTS)
    np.testing.assert_array_equal(opened.model().map_theta(), run.model().map_theta())
    with pytest.raises(InputError, match="a gmm takes no rows by hand"):
        Run.start("gmm", open_data("noisy-sine"), {}).observe(POINTS)
    with pytest.raises(InputError, match="no training rows"):
        Run.start("gmm", DataSet(info, none, none, none), {})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seen": np.full((3, 1), 0.5, np.float32)}, "values other than 0 and 1"),
        ({"seen": np.full((3, 1), np.nan, np.float32)}, "not finite"),
        ({"seen": np.ones((3, 2), np.float32)}, "array seen is"),
        ({"taken": 4}, "taken: 4 training rows cannot be among the 3 seen"),
        ({"taken": -1}, "taken: -1 is not a whole number"),
        ({"seed": 1.5}, "seed: 1.5 is not a whole number"),
    ],
)
def test_a_damaged_state_is_refused(change, sentence):
    state = learn("beta-bernoulli", [1, 0, 1]).state()
    learner = learn("beta-bernoulli", [1, 0, 1], 1)
    before = learner.snapshot().log_evidence()
    arrays = {**state.arrays, **{k: v for k, v in change.items() if k == "seen"}}
    values = {**state.values, **{k: v for k, v in change.items() if k != "seen"}}
    with pytest.raises(InputError, match=sentence):
        learner.restore(State(arrays, values))
    assert learner.snapshot().log_evidence() == before


# -- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("beta-bernoulli", {"a": 0}), ("beta-bernoulli", {"b": -1}), ("beta-bernoulli", {"a": float("nan")}),
        ("normal-gamma", {"prior_count": 0}), ("normal-gamma", {"shape": 0.5}), ("normal-gamma", {"rate": 0}),
        ("bayesian-linear-regression", {"alpha": 0}), ("bayesian-linear-regression", {"beta": 0}),
        ("bayesian-linear-regression", {"shape": 1}), ("bayesian-linear-regression", {"degree": -1}),
    ],
)  # fmt: skip
def test_improper_priors_are_refused(kind, values):
    with pytest.raises(InputError, match=next(iter(values))):
        resolve(find_kind(kind)[1].parameters, values)


@pytest.mark.parametrize(
    ("kind", "data", "values", "sentence"),
    [
        ("beta-bernoulli", "normal-1d", {}, "one column of 0 and 1, and normal-1d has one column of real"),
        ("beta-bernoulli", "digits", {}, "digits has 64 columns"),
        ("normal-gamma", "noisy-line", {}, "one column, and noisy-line has 2"),
        ("bayesian-linear-regression", "coin", {}, "two columns, x and y, and coin has one"),
        ("bayesian-linear-regression", "noisy-line", {"low": 2.0}, "low is 2.0, and must be below high"),
    ],
)
def test_data_that_do_not_fit_are_refused(kind, data, values, sentence):
    with pytest.raises(InputError, match=sentence):
        Run.start(kind, open_data(data), values)


def test_bad_questions_are_refused():
    model = learn("bayesian-linear-regression", POINTS).snapshot()
    with pytest.raises(InputError, match=r"thetas has shape \(3, 3\), and this model needs \(m, 2\)"):
        model.log_prior_theta(np.zeros((3, 3)))
    with pytest.raises(InputError, match=r"x has shape \(2, 1\), and the inputs are \(n,\)"):
        model.predict(np.zeros((2, 1)))
    with pytest.raises(InputError, match="CPU"):
        RegressionLearner(POINTS, DataInfo("mine", "Mine", 2), {}, device="cuda")
    with pytest.raises(InputError, match="row 2, column 1 is nan"):
        learn("normal-gamma", [1, np.nan])


def test_an_evaluation_tells_what_predictions_are_worth():
    data = open_data("noisy-line")
    run = Run.start("bayesian-linear-regression", data, {})
    for _ in range(25):
        run.step()
    report = finish(evaluate(run.model(), data))
    log_p = run.model().log_predictive(data.test.x)
    assert report.splits["test"]["log_predictive"].json() == {
        "value": pytest.approx(log_p.mean()), "stderr": 0, "method": "exact"
    }  # fmt: skip
    best = np.log(2) - data.density.entropy  # E log p(y|x), of the truth itself
    assert log_p.mean() == pytest.approx(best, abs=0.2)


@pytest.mark.parametrize("kind", LEARNERS)
def test_the_truth_of_the_shipped_sets_lies_in_the_posterior(kind):
    data, truth = {
        "beta-bernoulli": ("coin", [0.7]),
        "normal-gamma": ("normal-1d", [3, 1.5]),
        "bayesian-linear-regression": ("noisy-line", [-0.3, 0.5]),
    }[kind]
    run = Run.start(kind, open_data(data), {})
    while not run.finished:
        run.step()
    for axis, true in zip(run.model().theta_axes, truth, strict=True):
        assert axis.low <= axis.focus[0] < true < axis.focus[1] <= axis.high
    assert dataclasses.is_dataclass(axis)

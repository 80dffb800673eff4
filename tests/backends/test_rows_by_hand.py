"""Rows that arrive one at a time: any earlier moment, and taking back what a hand gave."""

import numpy as np
import pytest

from backends.base import InputError
from backends.data import open_data
from backends.run import Run


@pytest.mark.parametrize(
    ("kind", "data"),
    [("beta-bernoulli", "coin"), ("normal-gamma", "normal-1d"), ("bayesian-linear-regression", "noisy-line")],
)
def test_an_earlier_moment_is_that_of_its_rows(kind, data):
    run = Run.start(kind, open_data(data), {})
    moments = [run.model()]
    for _ in range(9):
        run.step()
        moments.append(run.model())
    for n, moment in enumerate(moments):
        again = moments[-1].earlier(n)
        assert again.stamp == moment.stamp
        np.testing.assert_array_equal(again.seen, moment.seen)
        assert again.log_evidence() == pytest.approx(moment.log_evidence(), rel=1e-12)
        np.testing.assert_allclose(again.posterior_mean(), moment.posterior_mean(), rtol=1e-12)
    with pytest.raises(InputError, match="rows are asked for, and"):
        moments[0].earlier(1)


def test_rows_by_hand_are_taken_back_as_if_they_had_never_been(tmp_path):
    run, other = (Run.start("normal-gamma", open_data("normal-1d"), {}, seed=2) for _ in range(2))
    for each in (run, other):
        each.step()
    run.observe([[3.0], [-50.0]])
    run.save(tmp_path / "run")
    assert run.by_hand == 2
    assert [run.take_back(), run.take_back()] == [2, 1]
    run.observe([[3.0], [-50.0]])
    with pytest.raises(InputError, match="was not given by hand"):
        run.take_back(3)
    assert run.take_back(2) == 1
    for _ in range(5):
        assert run.step() == other.step()
    np.testing.assert_array_equal(run.model().seen, other.model().seen)
    for name in other.curves.names():
        for one, same in zip(run.curves.get(name), other.curves.get(name), strict=True):
            np.testing.assert_array_equal(one, same)
    assert Run.open(tmp_path / "run").by_hand == 0  # a file does not say whose rows they are


def test_the_first_row_of_all_is_taken_back_with_its_curves():
    run = Run.start("beta-bernoulli", open_data("my-coin"), {})
    run.observe([[1]])
    assert run.take_back() == 0
    assert run.curves.names() == ()
    run.observe([[0]])
    assert run.curves.get("batch/log_evidence")[0].tolist() == [1]
    assert run.model().map_theta() == pytest.approx([1 / 3])

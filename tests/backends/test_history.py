"""The moments of a run that are kept, and EM's halves on its curves."""

from __future__ import annotations

import numpy as np
import pytest

from backends.base import InputError
from backends.data import open_data
from backends.history import MOST, History
from backends.run import Run


class Moment:
    def __init__(self, step: int) -> None:
        self.stamp = type("Stamp", (), {"step": step})()


def test_moments_stay_evenly_spread_however_long_the_run() -> None:
    history, steps = History(), 5 * MOST
    for step in range(steps):
        if history.wants(step):
            history.add(Moment(step))
    kept = np.array([m.stamp.step for m in history.models])
    assert kept[0] == 0
    assert len(set(np.diff(kept))) == 1
    assert MOST // 2 <= len(kept) <= MOST


def test_a_run_of_em_keeps_each_half_and_each_moment() -> None:
    run = Run.start("gmm", open_data("two-moons"), {"components": 3})
    names = [run.half_step()[0] for _ in range(4)]
    run.step()
    assert names == ["E", "M", "E", "M"]
    halves, bound = run.curves.get("half/elbo")
    np.testing.assert_array_equal(halves, np.arange(1, 7))
    _, log_p = run.curves.get("half/log_likelihood")
    np.testing.assert_allclose(bound[::2], log_p[::2], rtol=1e-10)  # an exact E-step closes the gap
    assert (np.diff(bound) >= -1e-12).all()
    steps, after_m = run.curves.get("batch/elbo")
    np.testing.assert_array_equal(steps, [1, 2, 3])
    np.testing.assert_array_equal(after_m, bound[1::2])
    assert [m.stamp.step for m in run.history.models] == [0, 1, 2, 3]
    for model, earlier in zip(run.history.models[1:], run.history.models[:-1], strict=True):
        assert not np.array_equal(model.means, earlier.means)
    assert run.change == pytest.approx(bound[-1] - bound[-3])


def test_after_components_are_placed_an_e_step_is_next_also_where_one_was_made(tmp_path) -> None:
    run = Run.start("gmm", open_data("two-moons"), {"components": 2, "covariance": "spherical"})
    run.step()
    run.half_step()
    assert run.next_half == "M"
    run.save(tmp_path / "after-e.safetensors")
    assert Run.open(tmp_path / "after-e.safetensors").next_half == "M"
    model = run.model()
    run.place(model.weights, model.means + 0.1, model.covariances[:, :1, 0])
    assert run.next_half == "E"
    run.save(tmp_path / "placed.safetensors")
    again = Run.open(tmp_path / "placed.safetensors")
    assert again.next_half == "E"
    assert again.half_step() == run.half_step()
    assert Run.start("vae", open_data("digits"), {"width": 8, "depth": 1}).next_half is None


def test_em_has_settled_when_a_step_raises_its_bound_by_less_than_the_tolerance() -> None:
    run = Run.start("gmm", open_data("two-moons"), {"components": 2})
    assert run.change is None
    assert not run.settled(1e9)
    while not run.settled(1e-4):
        run.step()
    _, values = run.curves.get("batch/elbo")
    rises = np.diff(values)
    assert rises[-1] < 1e-4 <= rises[:-1].min()
    assert not run.settled(0)


def test_a_model_without_halves_says_so() -> None:
    run = Run.start("vae", open_data("digits"), {"width": 8})
    with pytest.raises(InputError, match="not trained in half-steps"):
        run.half_step()
    assert run.change is None

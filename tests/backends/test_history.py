"""The moments of a run that are kept, and EM's halves on its curves."""

from __future__ import annotations

import numpy as np
import pytest

from backends.base import InputError, State
from backends.branch import branch
from backends.data import open_data
from backends.history import MOST, History, nbytes
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


# -- memory ------------------------------------------------------------------------------------------


class Weights:
    """A model of one array, of which a view and a reference share the memory."""

    def __init__(self, step: int, size: int) -> None:
        self.stamp = type("Stamp", (), {"step": step})()
        self.theta = np.zeros(size, np.float32)
        self.parts = {"first": self.theta[:3], "again": [self.theta]}


def test_memory_counts_each_array_once() -> None:
    assert nbytes(Weights(0, 1000)) == 4000
    assert nbytes((Weights(0, 10), {"adam": np.zeros(20)})) == 40 + 160


@pytest.mark.parametrize("every", [1, 7])
def test_moments_stay_within_their_memory_and_evenly_spread(every: int) -> None:
    history = History(memory=40_000)
    for step in range(0, 1000 * every, every):
        if history.wants(step):
            history.add(Weights(step, 500), State({"adam": np.zeros(500, np.float32)}))
        assert history.nbytes <= 40_000
    kept = [m.stamp.step for m in history.models]
    assert 5 <= len(kept) <= 10
    assert kept[0] == 0
    assert np.diff(kept).max() < 1.2 * np.diff(kept).min()
    assert history.nbytes == 4000 * len(kept)
    history.set_memory(9000)
    assert history.nbytes == 8000
    assert history.models[0].stamp.step == 0
    assert {m.stamp.step for m in history.models} <= set(kept)


def test_a_moment_too_large_for_the_memory_is_said_and_not_taken_again() -> None:
    history = History(memory=5000)
    history.add(Weights(0, 1000))
    assert history.models == ()
    assert history.refused == 4000
    assert not history.wants(1)
    history.set_memory(8000)
    assert history.refused == 0
    assert history.wants(1)


def test_a_snapshot_of_a_network_shares_nothing_with_the_weights_that_train() -> None:
    run = Run.start("vae", open_data("digits"), {"width": 8, "depth": 1})
    z = np.random.default_rng(0).standard_normal((5, 2), dtype=np.float32)
    run.remember(run.model())
    then = run.model().decode(z).mean
    adam = {name: array.copy() for name, array in run.history.state_of(run.history.models[0]).arrays.items()}
    for _ in range(5):
        run.step()
    assert not np.allclose(run.model().decode(z).mean, then)
    np.testing.assert_array_equal(run.history.models[0].decode(z).mean, then)
    for name, array in run.history.state_of(run.history.models[0]).arrays.items():
        np.testing.assert_array_equal(array, adam[name])


# -- branches ----------------------------------------------------------------------------------------

KINDS = {
    "vae": ("digits", {"width": 8, "depth": 1, "dropout": 0.3}),
    "realnvp": ("two-moons", {}),
    "gmm": ("two-moons", {"components": 3}),
    "ppca": ("digits", {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_branch_becomes_the_same_run_bit_for_bit(kind: str) -> None:
    data, values = KINDS[kind]
    run = Run.start(kind, open_data(data), values)
    models = {}
    for step in range(15):
        run.remember(models.setdefault(step, run.model()))
        run.step()
    middle = next(m for m in run.history.models if m.stamp.step == 6)
    other = branch(run, middle)
    assert other.steps == 6
    assert other.id != run.id
    assert other.name.endswith("from step 6")
    assert [m.stamp.step for m in other.history.models] == list(range(7))
    for name in other.curves.names():
        steps, values_then = other.curves.get(name)
        np.testing.assert_array_equal(values_then, run.curves.get(name)[1][: len(steps)])
    while other.steps < run.steps:
        other.step()
    ours, theirs = other.learner.state(), run.learner.state()
    assert ours.values == theirs.values
    for name, array in theirs.arrays.items():
        np.testing.assert_array_equal(ours.arrays[name], array)
    assert other.curves.names() == run.curves.names()
    for name in run.curves.names():
        for ours_, theirs_ in zip(other.curves.get(name), run.curves.get(name), strict=True):
            np.testing.assert_array_equal(ours_, theirs_)
    assert branch(other, middle).name.count("from step") == 1


def test_a_branch_has_the_settings_of_its_moment() -> None:
    run = Run.start("vae", open_data("digits"), {"width": 8, "depth": 1})
    run.step()
    run.set("beta", 2.0)
    run.remember(run.model())
    run.step()
    run.set("beta", 4.0)
    run.step()
    other = branch(run, run.history.models[0])
    assert other.values["beta"] == 2.0
    assert [(c.step, c.after) for c in other.changes] == [(1, 2.0)]
    assert run.values["beta"] == 4.0


def test_there_is_no_branch_from_a_moment_that_is_not_kept() -> None:
    run = Run.start("vae", open_data("digits"), {"width": 8, "depth": 1})
    with pytest.raises(InputError, match="not in its history"):
        branch(run, run.model())
    run.remember(run.model())
    run.data = None
    with pytest.raises(InputError, match="without its data"):
        branch(run, run.history.models[0])

"""Curves: read while they grow, written to a file and back, and thinned where training has no end."""

import threading

import numpy as np
import pytest

from backends.curves import RECENT, Curves
from backends.data import open_data
from backends.run import Run

MOST = 4 * RECENT


def columns(n, d, path):
    """n rows of d columns, read from a file."""
    np.save(path, np.random.default_rng(0).normal(size=(n, d)))
    return open_data(path)


@pytest.fixture
def short(monkeypatch):
    """Runs whose curves are thinned soon."""
    monkeypatch.setattr("backends.run.MOST_POINTS", MOST)


def test_curves_hold_every_point_and_round_trip():
    curves = Curves()
    for i in range(100_000):
        curves.append("batch/elbo", i, -1.0 / (i + 1))
    curves.append("test/elbo", 7, float("nan"))
    steps, values = curves.get("batch/elbo")
    np.testing.assert_array_equal(steps, np.arange(100_000))
    np.testing.assert_array_equal(values, -1.0 / np.arange(1, 100_001))
    assert not values.flags.writeable
    again = Curves.from_arrays(curves.to_arrays())
    assert again.names() == curves.names() == ("batch/elbo", "test/elbo")
    again.append("batch/elbo", 100_000, 0.0)
    assert len(again.get("batch/elbo")[0]) == 100_001
    assert len(steps) == len(curves.get("batch/elbo")[0]) == 100_000
    assert [len(a) for a in curves.get("none")] == [0, 0]


def test_a_thinned_curve_covers_its_past_evenly_and_keeps_its_ends():
    curves, most = Curves(), MOST
    for step in range(1, 50_001):
        curves.append_all(step, {"batch/elbo": -1.0 / step, "batch/kl": float(step)})
        curves.thin(("batch/elbo", "batch/kl"), most)
        if step == 20_000:
            seen = curves.get("batch/kl")
            before = [array.copy() for array in seen]
            again = Curves.from_arrays(curves.to_arrays())  # a file, amid it all
    for then, now in zip(before, seen, strict=True):
        np.testing.assert_array_equal(then, now)  # who was given it keeps it
    steps, values = curves.get("batch/elbo")
    assert most / 4 < len(steps) < most
    assert steps[0] == 1
    np.testing.assert_array_equal(steps[-RECENT:], np.arange(50_001 - RECENT, 50_001))
    np.testing.assert_array_equal(values, -1.0 / steps)
    np.testing.assert_array_equal(curves.get("batch/kl")[0], steps)
    gaps = np.diff(steps[1:])
    assert (gaps[1:] <= gaps[:-1]).all()  # even, and then as dense as it was measured
    assert gaps[0] == 64  # the least power of two by which 1024 points reach over 49 000 steps
    for step in range(20_001, 50_001):
        again.append_all(step, {"batch/elbo": -1.0 / step, "batch/kl": float(step)})
        again.thin(("batch/elbo", "batch/kl"), most)
    for name, array in again.to_arrays().items():
        np.testing.assert_array_equal(array, curves.to_arrays()[name])


def test_both_halves_of_a_step_stay_or_go():
    curves = Curves()
    for half in range(1, 30_001):
        curves.append("half/elbo", half, 0.0)
        curves.thin(["half/elbo"], MOST, together=2)
    steps, _ = curves.get("half/elbo")
    assert len(steps) < MOST
    odd, even = steps[steps % 2 == 1], steps[steps % 2 == 0]
    np.testing.assert_array_equal(odd + 1, even)
    assert list(steps[:2]) == [1, 2]


def test_readers_see_whole_curves_while_one_thread_writes():
    curves, torn, done = Curves(), [], threading.Event()

    def read():
        while not done.is_set():
            for name in curves.names():
                steps, values = curves.get(name)
                if not np.array_equal(steps, np.arange(len(steps))) or not np.array_equal(
                    values, 2.0 * steps
                ):
                    torn.append(name)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for i in range(5000):
        for name in ("a", "b", "c"):
            curves.append(name, i, 2.0 * i)
        curves.append(f"once/{i % 100}", 0, 0.0) if i < 100 else None
    done.set()
    for reader in readers:
        reader.join()
    assert not torn


def test_points_that_belong_together_are_saved_together():
    """The window adds a value and its error while training saves the run."""
    curves, torn, done = Curves(), [], threading.Event()

    def save():
        while not done.is_set():
            arrays = curves.to_arrays()
            lengths = {len(array) for array in arrays.values()}
            if len(lengths) > 1:
                torn.append(lengths)

    saver = threading.Thread(target=save)
    saver.start()
    for i in range(5000):
        curves.append_all(i, {"test/elbo": 1.0, "test/elbo/stderr": 0.1})
    done.set()
    saver.join()
    assert not torn
    assert [len(curves.get(name)[0]) for name in curves.names()] == [5000, 5000]


def test_a_run_goes_on_from_its_file_with_the_curves_it_would_have_had(short, tmp_path):
    data, path = columns(40, 1, tmp_path / "rows.npy"), tmp_path / "run.safetensors"
    run = Run.start("gmm", data, {"components": 2})
    while run.steps < MOST + 7:
        if run.steps == MOST // 2 + 7:  # the halves have been thinned once, the steps not yet
            run.save(path)
        before = run.model()
        run.step()
    gained = run.model().log_prob(data.train.x).mean() - before.log_prob(data.train.x).mean()
    assert run.change == pytest.approx(gained, abs=1e-12)
    again = Run.open(path, data=data)
    while again.steps < run.steps:
        again.step()
    arrays = run.curves.to_arrays()
    assert max(len(array) for array in arrays.values()) < MOST
    assert run.curves.get("half/elbo")[0][-1] == 2 * run.steps
    for name, array in again.curves.to_arrays().items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)


def test_rows_that_are_taken_once_all_keep_their_scalars(short, tmp_path):
    data = columns(2 * MOST, 1, tmp_path / "rows.npy")
    run = Run.start("normal-gamma", data, {})
    while not run.finished:
        run.step()
    steps, log_p = run.curves.get("batch/log_predictive")
    np.testing.assert_array_equal(steps, np.arange(1, run.steps + 1))
    assert log_p.sum() == pytest.approx(run.model().log_evidence(), rel=1e-9)

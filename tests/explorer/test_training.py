"""The training thread: every step counted, the newest moment told, and nothing lost when it fails."""

import threading

import numpy as np
import pytest

from backends.base import DataInfo, InputError
from backends.data import DataSet, Split
from backends.run import Run
from explorer.training import Trainer


@pytest.fixture
def make_run():
    """Makes small runs; ``rows`` replaces training rows by number."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)).astype(np.float32)

    def make(rows=(), **values):
        for row, value in dict(rows).items():
            x[row] = value
        parts = [Split(x[:200], None), Split(x[200:250], None), Split(x[250:], None)]
        data = DataSet(DataInfo("noise", "Noise", 3), *parts, density=None)
        return Run.start("vae", data, {"width": 4, "depth": 1, "decoder": "gaussian", **values})

    return make


@pytest.fixture
def trainer(qapp):
    out = Trainer()
    yield out
    assert out.close(10)


@pytest.fixture
def told(trainer):
    moments = []
    trainer.moment.connect(moments.append)
    return moments


def adopted(trainer, qtbot, told, run, steps=0):
    trainer.adopt(lambda: run, steps)
    qtbot.waitUntil(lambda: bool(told) and told[-1].run is run and not told[-1].training)
    return run


def on_thread(trainer, qtbot, action):
    """What ``action`` gives on the training thread, between two steps."""
    out = []
    trainer.order("look", action, out.append)
    qtbot.waitUntil(lambda: bool(out))
    return out[0]


def test_an_adopted_run_is_told_and_waits(trainer, qtbot, told, make_run):
    run = adopted(trainer, qtbot, told, make_run())
    moment = told[-1]
    assert (moment.steps, moment.target, moment.steps_per_second) == (0, 0, 0.0)
    assert moment.model.stamp.step == run.steps == 0


def test_so_many_steps_are_made_as_were_asked_for(trainer, qtbot, told, make_run):
    run = adopted(trainer, qtbot, told, make_run(), steps=7)
    assert run.steps == told[-1].steps == told[-1].model.stamp.step == 7
    for n, total in ((1, 8), (1, 9), (20, 29)):
        trainer.play(n)
        qtbot.waitUntil(lambda total=total: told[-1].steps == total and not told[-1].training)
    assert run.steps == 29
    steps, _ = run.curves.get("batch/elbo")
    np.testing.assert_array_equal(steps, np.arange(1, 30))
    assert told[-1].epoch == pytest.approx(29 / run.learner.steps_per_epoch)


def test_without_an_end_it_trains_until_it_is_paused(trainer, qtbot, told, make_run):
    run = adopted(trainer, qtbot, told, make_run())
    trainer.play(None)
    qtbot.waitUntil(lambda: told[-1].training and told[-1].steps > 5 and told[-1].steps_per_second > 0)
    assert told[-1].target is None
    trainer.pause()
    qtbot.waitUntil(lambda: not told[-1].training)
    assert told[-1].steps == run.steps == on_thread(trainer, qtbot, lambda: run.steps)
    stamps = [m.model.stamp for m in told]
    assert stamps == sorted(stamps)


def test_only_the_newest_moment_is_delivered(trainer, qtbot, told, make_run):
    run = adopted(trainer, qtbot, told, make_run())
    before, over = len(told), threading.Event()
    for _ in range(20):
        trainer.play(1)
        trainer.order("nothing", lambda: None)
    trainer.order("end", over.set)
    assert over.wait(10)  # no event was handled meanwhile
    qtbot.waitUntil(lambda: len(told) > before)
    assert told[before].model.stamp.step == told[before].steps
    assert on_thread(trainer, qtbot, lambda: run.steps) == told[-1].steps


def test_each_step_that_is_asked_for_is_made(trainer, qtbot, told, make_run):
    run = adopted(trainer, qtbot, told, make_run())
    for _ in range(5):
        trainer.step()
    assert on_thread(trainer, qtbot, lambda: run.steps) == 5
    qtbot.waitUntil(lambda: told[-1].steps == 5 and not told[-1].training)


def test_a_live_parameter_changes_between_two_steps(trainer, qtbot, told, make_run):
    run = adopted(trainer, qtbot, told, make_run())
    trainer.play(None)
    trainer.set(run, "learning_rate", 3e-6)
    assert on_thread(trainer, qtbot, lambda: run.learner.values["learning_rate"]) == 3e-6
    trainer.pause()


def test_a_change_meant_for_one_run_is_not_made_to_the_next(trainer, qtbot, told, make_run):
    run, other = adopted(trainer, qtbot, told, make_run()), make_run()
    own = dict(other.values)
    trainer.adopt(lambda: other)
    trainer.set(run, "learning_rate", 3e-6)
    assert on_thread(trainer, qtbot, lambda: dict(other.values)) == own


def test_orders_are_carried_out_on_the_thread_in_turn(trainer, qtbot, told):
    names, gate = [], threading.Event()
    trainer.order("wait", lambda: gate.wait(10))
    for i in range(10):
        trainer.order("count", lambda i=i: (i, threading.current_thread().name), names.append)
    gate.set()
    qtbot.waitUntil(lambda: len(names) == 10)
    assert names == [(i, "training") for i in range(10)]


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), InputError("no such data")])
def test_where_a_run_cannot_begin_the_old_one_stays_and_goes_on(trainer, qtbot, told, make_run, error):
    run = adopted(trainer, qtbot, told, make_run())
    trainer.play(None)

    def fail():
        raise error

    with qtbot.waitSignal(trainer.failed) as failed:
        trainer.adopt(fail)
    assert str(error) in failed.args[0].sentence
    assert failed.args[0].expected == isinstance(error, InputError)
    now = run.steps
    qtbot.waitUntil(lambda: told[-1].run is run and told[-1].steps > now)
    trainer.pause()


def test_an_order_that_fails_may_have_a_handler_of_its_own(trainer, qtbot):
    mine = []
    with qtbot.assertNotEmitted(trainer.failed):
        trainer.order("divide", lambda: 1 / 0, failed=mine.append)
        qtbot.waitUntil(lambda: bool(mine))
    assert mine[0].sentence == "Could not divide: division by zero"


def test_a_run_that_diverges_stops_at_its_last_good_step(trainer, qtbot, told, make_run):
    poison = dict.fromkeys(range(20), 1e30)  # whose squares float32 cannot hold
    run = adopted(trainer, qtbot, told, make_run(poison, batch_size=1, scaling="none"))
    with qtbot.waitSignal(trainer.failed) as failed:
        trainer.play(None)
    assert "Diverged" in failed.args[0].details
    qtbot.waitUntil(lambda: not told[-1].training)
    z = np.zeros((1, run.model().latent_dim), np.float32)
    assert told[-1].model.stamp.step == run.steps > 0
    assert np.isfinite(told[-1].model.decode(z).mean).all()


def test_play_without_a_run_does_nothing(trainer, qtbot, told, make_run):
    trainer.play(None)
    assert on_thread(trainer, qtbot, lambda: trainer._remaining) == 0  # it waits, and does not spin
    assert told == []
    run = adopted(trainer, qtbot, told, make_run())
    assert run.steps == 0


def test_closing_joins_while_it_trains(qapp, make_run, qtbot):
    trainer, run = Trainer(), make_run()
    trainer.adopt(lambda: run, None)
    qtbot.waitUntil(lambda: run.steps > 3)
    saved = []
    trainer.order("keep", lambda: saved.append(run.steps))
    assert trainer.close(2.0)
    assert saved == [run.steps]  # what was ordered before is done, and no step after it


def test_what_fails_while_it_takes_a_result_is_told_and_the_rest_arrives(trainer, qtbot):
    failures, out, wait = [], [], threading.Event()
    trainer.failed.connect(failures.append)
    trainer.order("wait", wait.wait, lambda _: 1 / 0)
    trainer.order("look", lambda: 7, out.append)
    wait.set()
    qtbot.waitUntil(lambda: bool(out))
    assert out == [7]
    assert "division by zero" in failures[0].sentence


def test_what_was_ordered_before_the_end_is_done_and_told(qapp):
    trainer, out = Trainer(), []
    trainer.order("look", lambda: 7, out.append)
    assert trainer.close(10)
    assert out == [7]


def coin(rows=(1, 0, 1)):
    x = np.array(rows, np.float32).reshape(-1, 1)
    parts = [Split(x), Split(x[:0]), Split(x[:0])]
    return Run.start("beta-bernoulli", DataSet(DataInfo("flips", "Flips", 1, "binary"), *parts), {})


def test_rows_arrive_at_a_pace_that_a_pause_does_not_wait_for(trainer, qtbot, told):
    run = adopted(trainer, qtbot, told, coin())
    trainer.slow_down(1000, "row")
    trainer.play(3)
    qtbot.waitUntil(lambda: told[-1].steps == 1)
    assert told[-1].training
    trainer.pause()
    qtbot.waitUntil(lambda: not told[-1].training)
    trainer.slow_down(0, "row")
    trainer.play(3)
    qtbot.waitUntil(lambda: not told[-1].training and told[-1].steps == 3)
    assert run.finished


def test_the_pace_of_rows_is_not_that_of_half_steps_nor_of_other_runs(trainer, qtbot, told, make_run):
    trainer.slow_down(1000, "row")
    adopted(trainer, qtbot, told, make_run(), 5)
    assert told[-1].steps == 5
    trainer.slow_down(0, "row")
    trainer.slow_down(1000)
    adopted(trainer, qtbot, told, coin(), 3)
    assert told[-1].steps == 3


def test_a_run_that_has_no_rows_to_take_waits_for_those_given_by_hand(trainer, qtbot, told):
    failures = []
    trainer.failed.connect(failures.append)
    run = adopted(trainer, qtbot, told, coin(()), 25)
    trainer.order("give a row", lambda: run.observe(np.ones((1, 1))))
    qtbot.waitUntil(lambda: told[-1].steps == 1)
    assert not failures

"""The exploration thread: newest wins, urgent first, and every failure ends in one place."""

import threading

import pytest

from backends.base import InputError, Progress
from explorer.compute import Exploration, Failure, Priority


@pytest.fixture
def exploration(qapp):
    out = Exploration()
    yield out
    assert out.close(10)


class Gate:
    """Work that stops on the thread until the test lets it go on."""

    def __init__(self):
        self.reached, self.opened = threading.Semaphore(0), threading.Semaphore(0)

    def wait_here(self):
        self.reached.release()
        assert self.opened.acquire(timeout=10)

    def wait_reached(self):
        assert self.reached.acquire(timeout=10)

    def open(self):
        self.opened.release()


@pytest.fixture
def hold(exploration):
    """Occupies the thread until it is let go, so that requests can pile up behind it."""
    gate = Gate()
    exploration.request("hold", Priority.HOVER, gate.wait_here, print, doing="hold")
    gate.wait_reached()
    return gate


def test_work_is_done_on_the_thread_and_delivered_on_this_one(exploration, qtbot):
    where, got = [], []

    def deliver(value):
        where.append(threading.current_thread())
        got.append(value)

    exploration.request("a", Priority.FIELD, lambda: threading.current_thread().name, deliver, doing="x")
    assert exploration.busy("a")
    qtbot.waitUntil(lambda: bool(got))
    assert got == ["exploration"]
    assert where == [threading.main_thread()]
    assert not exploration.busy("a")


def test_the_newest_request_of_a_slot_wins(exploration, hold, qtbot):
    done, got = [], []
    for i in range(100):
        exploration.request("hover", Priority.HOVER, lambda i=i: done.append(i) or i, got.append, doing="x")
    hold.open()
    qtbot.waitUntil(lambda: bool(got))
    assert done == got == [99]


def test_slots_do_not_disturb_each_other(exploration, hold, qtbot):
    got = []
    for slot in "abc":
        exploration.request(slot, Priority.FIELD, lambda slot=slot: slot, got.append, doing="x")
    hold.open()
    qtbot.waitUntil(lambda: len(got) == 3)
    assert got == ["a", "b", "c"]


def test_what_is_more_urgent_goes_first(exploration, hold, qtbot):
    got = []
    for priority in reversed(Priority):
        exploration.request(priority.name, priority, lambda p=priority: p, got.append, doing="x")
    hold.open()
    qtbot.waitUntil(lambda: len(got) == len(Priority))
    assert got == sorted(Priority)


def test_hover_overtakes_long_work_between_two_slices(exploration, qtbot):
    gate, order = Gate(), []

    def long():
        for i in range(3):
            gate.wait_here()
            yield i
        order.append("long work ended")

    exploration.request("field", Priority.FIELD, long, order.append, doing="x")
    gate.wait_reached()
    exploration.request("hover", Priority.HOVER, lambda: "hover", order.append, doing="x")
    gate.open()
    qtbot.waitUntil(lambda: "hover" in order)
    gate.wait_reached()  # the second slice has begun only after the hover
    assert "long work ended" not in order
    gate.open()
    gate.open()
    qtbot.waitUntil(lambda: "long work ended" in order)


@pytest.mark.parametrize("priority", list(Priority))
def test_what_is_equally_urgent_takes_turns_and_files_wait_for_each_other(exploration, hold, qtbot, priority):
    done, ended = [], []

    def slices(name, n):
        for _ in range(n):
            done.append(name)
            yield None

    for name, n in (("long", 6), ("short", 2)):
        exploration.request(
            name, priority, lambda name=name, n=n: slices(name, n), print,
            doing=name, ended=lambda name=name: ended.append(name),
        )  # fmt: skip
    hold.open()
    qtbot.waitUntil(lambda: len(ended) == 2)
    one_by_one = ["long"] * 6 + ["short"] * 2
    assert done == (one_by_one if priority is Priority.FILE else ["long", "short"] * 2 + ["long"] * 4)
    assert ended == (["long", "short"] if priority is Priority.FILE else ["short", "long"])


def test_finer_results_arrive_one_after_the_other(exploration, qtbot):
    gate, got = Gate(), []

    def refine():
        for i in range(4):
            yield i
            gate.wait_here()
        return "complete"

    exploration.request("field", Priority.FIELD, refine, got.append, doing="x")
    for i in range(4):
        qtbot.waitUntil(lambda i=i: got == list(range(i + 1)))
        gate.open()
    qtbot.waitUntil(lambda: got == [0, 1, 2, 3, "complete"])
    assert not exploration.busy("field")


def test_nothing_new_does_not_hide_a_result_that_was_not_fetched_yet(exploration, qtbot):
    """A mosaic yields None after a slice without a new picture."""
    finished, got = threading.Event(), []

    def work():
        yield "coarse"
        yield None
        finished.set()
        yield None

    exploration.request("field", Priority.FIELD, work, got.append, doing="x")
    assert finished.wait(10)
    qtbot.waitUntil(lambda: bool(got))
    assert got == ["coarse"]


def test_a_last_result_arrives_though_an_older_request_had_just_ended(exploration, hold, qtbot):
    """The older one's end still lies in the letter box when the newer one's result and end come."""
    gate, got = Gate(), []
    exploration.request("a", Priority.FIELD, lambda: "old", got.append, doing="x")
    exploration.request("b", Priority.FILE, gate.wait_here, got.append, doing="x")
    hold.open()
    gate.wait_reached()  # "old" has ended; nothing has been fetched, as no event was handled

    def newer():
        yield "new"

    exploration.request("a", Priority.FIELD, newer, got.append, doing="x")
    end = threading.Event()
    exploration.request("c", Priority.EVALUATION, end.set, got.append, doing="x")
    gate.open()
    assert end.wait(10)
    qtbot.waitUntil(lambda: not exploration.busy("c"))
    assert got == ["new"]


def test_a_reply_that_was_replaced_under_way_is_dropped(exploration, qtbot):
    gate, got = Gate(), []
    ended = threading.Event()

    def stale():
        gate.wait_here()
        return "stale"

    exploration.request("a", Priority.FIELD, stale, got.append, doing="x")
    gate.wait_reached()
    exploration.request("a", Priority.FIELD, lambda: "fresh", got.append, doing="x")
    exploration.request("b", Priority.EVALUATION, ended.set, got.append, doing="x")
    gate.open()
    assert ended.wait(10)
    qtbot.waitUntil(lambda: not exploration.busy("b"))
    assert got == ["fresh"]


def test_a_replaced_generator_is_not_continued(exploration, qtbot):
    gate, slices, got = Gate(), [], []

    def old():
        for i in range(100):
            slices.append(i)
            gate.wait_here()
            yield i

    exploration.request("a", Priority.FIELD, old, got.append, doing="x")
    gate.wait_reached()
    exploration.request("a", Priority.FIELD, lambda: "new", got.append, doing="x")
    gate.open()
    qtbot.waitUntil(lambda: "new" in got)
    assert slices == [0]
    assert got == ["new"]


def test_cancelling_forgets_what_waits_and_what_is_under_way(exploration, hold, qtbot):
    ran, got = [], []
    exploration.request("waiting", Priority.FIELD, lambda: ran.append(1), got.append, doing="x")
    exploration.cancel("waiting")
    assert not exploration.busy("waiting")
    gate = Gate()

    def under_way():
        gate.wait_here()
        return "late"

    exploration.request("under way", Priority.FIELD, under_way, got.append, doing="x")
    hold.open()
    gate.wait_reached()
    exploration.cancel("under way")
    gate.open()
    exploration.request("last", Priority.EVALUATION, lambda: "last", got.append, doing="x")
    qtbot.waitUntil(lambda: bool(got))
    assert (ran, got) == ([], ["last"])
    exploration.cancel("never was")


def test_progress_goes_its_own_way(exploration, qtbot):
    gate, seen, got = Gate(), [], []

    def work():
        yield Progress(1, 2, "half")
        gate.wait_here()
        return "all"

    exploration.request("a", Priority.FILE, work, got.append, doing="x", progress=seen.append)
    qtbot.waitUntil(lambda: bool(seen))
    assert (seen, got) == ([Progress(1, 2, "half")], [])
    gate.open()
    qtbot.waitUntil(lambda: bool(got))
    assert got == ["all"]


def test_progress_that_nobody_asked_for_is_no_result(exploration, qtbot):
    got = []

    def work():
        yield Progress(1, 2)
        return "all"

    exploration.request("a", Priority.FILE, work, got.append, doing="x")
    qtbot.waitUntil(lambda: bool(got))
    assert got == ["all"]


def raises(error):
    raise error


def raises_later(error):
    yield 1
    raise error


@pytest.mark.parametrize("work", [raises, raises_later])
@pytest.mark.parametrize(
    ("error", "sentence", "expected"),
    [
        (RuntimeError("CUDA out of memory\nand much more"), "Could not decode: CUDA out of memory", False),
        (InputError("digits.csv: line 3 is short"), "digits.csv: line 3 is short", True),
        (ZeroDivisionError(), "Could not decode: ZeroDivisionError", False),
        (MemoryError(), "Could not decode: MemoryError", False),
    ],
)
def test_every_failure_reaches_one_place_and_the_thread_goes_on(
    exploration, qtbot, work, error, sentence, expected
):
    with qtbot.waitSignal(exploration.failed) as failed:
        exploration.request("a", Priority.FIELD, lambda: work(error), lambda _: None, doing="decode")
    failure = failed.args[0]
    assert (failure.sentence, failure.expected) == (sentence, expected)
    assert type(error).__name__ in failure.details
    assert "Traceback" in failure.details
    assert not exploration.busy("a")
    got = []
    exploration.request("a", Priority.FIELD, lambda: "alive", got.append, doing="x")
    qtbot.waitUntil(lambda: got == ["alive"])


def test_a_failure_may_have_a_handler_of_its_own(exploration, qtbot):
    mine = []
    with qtbot.assertNotEmitted(exploration.failed):
        exploration.request(
            "a", Priority.FIELD, lambda: 1 / 0, lambda _: None, doing="divide", failed=mine.append
        )
        qtbot.waitUntil(lambda: bool(mine))
    assert isinstance(mine[0], Failure)


def test_the_failure_of_a_replaced_request_is_not_told(exploration, qtbot):
    gate, got = Gate(), []

    def stale():
        gate.wait_here()
        raise RuntimeError("stale")

    with qtbot.assertNotEmitted(exploration.failed):
        exploration.request("a", Priority.FIELD, stale, got.append, doing="x")
        gate.wait_reached()
        exploration.request("a", Priority.FIELD, lambda: "fresh", got.append, doing="x")
        gate.open()
        qtbot.waitUntil(lambda: got == ["fresh"])


def work_well():
    return "result"


def work_without_result():
    yield None


def work_badly():
    raise RuntimeError("no")


@pytest.mark.parametrize("work", [work_well, work_without_result, work_badly])
def test_the_end_is_told_however_it_ended(exploration, qtbot, work):
    events = []
    exploration.request(
        "a", Priority.FIELD, work, lambda _: events.append("result"), doing="x",
        failed=lambda _: events.append("failure"), ended=lambda: events.append("end"),
    )  # fmt: skip
    qtbot.waitUntil(lambda: "end" in events)
    assert events[-1] == "end"
    assert events.count("end") == 1


def test_the_end_of_a_cancelled_request_is_not_told(exploration, hold, qtbot):
    events = []
    exploration.request(
        "a", Priority.FIELD, work_well, events.append, doing="x", ended=lambda: events.append("end")
    )
    exploration.cancel("a")
    exploration.request("b", Priority.EVALUATION, work_well, events.append, doing="x")
    hold.open()
    qtbot.waitUntil(lambda: bool(events))
    assert events == ["result"]


def test_an_error_of_the_window_that_takes_a_result_is_told_and_hinders_no_other(exploration, hold, qtbot):
    got, ends = [], []
    exploration.request(
        "a", Priority.FIELD, work_well, lambda _: 1 / 0, doing="show a", ended=lambda: ends.append("a")
    )
    exploration.request("b", Priority.EVALUATION, work_well, got.append, doing="show b")
    with qtbot.waitSignal(exploration.failed) as failed:
        hold.open()
    assert failed.args[0].sentence == "Could not show a: division by zero"
    qtbot.waitUntil(lambda: got == ["result"])
    assert ends == ["a"]


def test_closing_joins_within_two_seconds_and_delivers_nothing_more(qapp, qtbot):
    exploration, got, started = Exploration(), [], threading.Event()

    def endless():
        while True:
            started.set()
            yield 1

    exploration.request("a", Priority.FIELD, endless, got.append, doing="x")
    assert started.wait(10)
    got.clear()
    assert exploration.close(2.0)
    exploration.request("b", Priority.HOVER, lambda: 1, got.append, doing="x")
    qapp.processEvents()
    assert got == []
    assert not exploration.busy("b")


def test_closing_says_when_a_slice_does_not_end(qapp):
    exploration, gate = Exploration(), Gate()
    exploration.request("a", Priority.FIELD, gate.wait_here, print, doing="x")
    gate.wait_reached()
    assert not exploration.close(0.01)
    gate.open()
    assert exploration.close(10)


def test_what_follows_the_hand_is_delivered_though_the_hand_has_moved_on(exploration, qtbot):
    got, gate = [], Gate()

    def work(value):
        gate.wait_here()
        return value

    def ask(value, slot="a"):
        exploration.request(slot, Priority.HOVER, lambda: work(value), got.append, doing="x", overtaken=True)

    ask(1)
    gate.wait_reached()
    ask(2)  # while the first is under way
    gate.open()
    gate.wait_reached()
    qtbot.waitUntil(lambda: got == [1])
    assert exploration.busy("a")
    exploration.cancel("a")  # nobody wants the second any more
    ask(3)
    gate.open()
    gate.wait_reached()
    gate.open()
    qtbot.waitUntil(lambda: not exploration.busy("a"))
    assert got == [1, 3]


@pytest.mark.parametrize("how", ["cancel", "replace", "close"])
def test_work_that_is_dropped_half_way_lets_go_of_what_it_holds_at_once(exploration, qtbot, how):
    """A file that is half written, say; on its own thread, with nothing else asked of it."""
    gate, where = Gate(), []

    def work():
        try:
            yield Progress(0, 2)
            gate.wait_here()
            yield Progress(1, 2)
            gate.wait_here()
        finally:
            where.append(threading.current_thread().name)

    told = []
    exploration.request("a", Priority.FILE, work, print, doing="x", progress=told.append)
    gate.wait_reached()
    if how == "cancel":
        exploration.cancel("a")
    elif how == "replace":
        exploration.request("a", Priority.FILE, lambda: None, print, doing="y")
    else:
        assert not exploration.close(0.01)
    assert not where
    gate.open()
    qtbot.waitUntil(lambda: bool(where))
    assert where == ["exploration"]
    assert told in ([], [Progress(0, 2)])

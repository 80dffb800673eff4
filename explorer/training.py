"""The training thread: it runs ``step()`` in a loop and publishes at about 30 Hz, never once per step."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

from backends.base import Model, Observes, Value
from backends.history import MEMORY
from backends.run import Run
from explorer.compute import Failure
from explorer.threads import TRAINING, give_memory_back, step_back

PUBLISH_EVERY = 1 / 30
RATE_WINDOW = 1.0
REMEMBERING = 0.01  # of the time, at most
TIDY_EVERY = 2.0  # seconds, for some milliseconds each


@dataclass(frozen=True, eq=False)
class Moment:
    """What training publishes: the newest snapshot, and how it is going.

    steps_per_second is measured over about the last second of wall clock; 0 while paused.
    """

    run: Run
    model: Model
    steps: int
    epoch: float
    training: bool
    target: int | None
    steps_per_second: float


@dataclass(frozen=True, eq=False)
class _Order:
    doing: str
    action: Callable[[], Any]
    done: Callable[[Any], None] | None
    failed: Callable[[Failure], None]


class Trainer(QObject):
    """Owns the thread, and the learner of whichever run is open.

    Public methods are called from the interface thread and return at once; what they ask for happens
    between two steps. Only the newest moment is delivered; scalars are all in ``run.curves``.
    """

    moment = Signal(object)  # Moment
    failed = Signal(object)  # Failure
    _arrived = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._condition = threading.Condition()
        self._orders: deque[_Order] = deque()
        self._outbox: list[Any] = []
        self._run: Run | None = None
        self._model: Model | None = None  # the newest snapshot of it
        self._remaining = 0  # steps still to make; -1 is no end
        self._tolerance = 0.0  # EM ends when a step raises its bound by less; 0 is never
        self._memory = MEMORY  # bytes of the run's earlier moments
        self._rested = 0.0  # when another of them may be taken
        self._kept = 0  # bytes that they took at last
        self._tidied = time.perf_counter()  # when memory was given back last
        self._slow = {"half": 0.0, "row": 0.0}  # seconds to look at each half-step of EM, or each row
        self._rate: deque[tuple[float, int]] = deque()
        self._closing = False
        self._arrived.connect(self._drain)
        self._thread = threading.Thread(target=self._loop, name="training", daemon=True)
        self._thread.start()

    def order(
        self,
        doing: str,
        action: Callable[[], Any],
        done: Callable[[Any], None] | None = None,
        failed: Callable[[Failure], None] | None = None,
    ) -> None:
        """Have ``action`` called on the training thread, between two steps.

        On the interface thread its result goes to ``done``; an exception to ``failed``, or to the signal.
        """
        with self._condition:
            self._orders.append(_Order(doing, action, done, failed or self.failed.emit))
            self._condition.notify()

    def adopt(
        self,
        make: Callable[[], Run],
        steps: int | None = 0,
        tolerance: float = 0.0,
        doing: str = "start the run",
        done: Callable[[Any], None] | None = None,
        failed: Callable[[Failure], None] | None = None,
    ) -> None:
        """Take over the run that ``make`` gives (called on the training thread) and train ``steps`` steps.

        None trains without an end; EM also ends where a step raises its bound by less than ``tolerance``
        nats a datum. Where ``make`` fails, the run that was open stays, and goes on.
        """

        def action() -> None:
            run = make()
            run.history.set_memory(self._memory)
            self._run, self._model = run, None
            self._remaining = 0 if run.finished else -1 if steps is None else steps
            self._tolerance = tolerance
            self._rate.clear()
            self._rested = 0.0
            self._publish()  # as it is before its first step: a film begins with it

        self.order(doing, action, done, failed)

    def play(self, steps: int | None, tolerance: float = 0.0) -> None:
        """Train that many steps more, or until EM raises its bound by less than tolerance; None: no end."""

        def action() -> None:
            if self._run is not None:
                self._remaining, self._tolerance = -1 if steps is None else steps, tolerance

        self.order("go on training", action)

    def pause(self) -> None:
        """Stop after the step at hand; ``play`` goes on from there."""
        self.play(0)

    def step(self) -> None:
        """Pause, and make one step: as many as are asked for, however fast they are."""

        def action() -> None:
            if self._run is not None and not self._run.finished:
                self._remaining = 1
                self._attempt("train", self._step)

        self.order("make a step", action)

    def half_step(self) -> None:
        """Pause, and make the next half of a step of EM, or a whole step of a run that has no halves."""

        def action() -> None:
            if (run := self._run) is not None:
                self._remaining = 0 if run.by_halves or run.finished else 1
                if run.by_halves:
                    run.half_step()

        self.order("make half a step", action)

    def slow_down(self, seconds: float, what: str = "half") -> None:
        """From now on rest so long after each half-step of EM, or with "row" after each row of a learner that
        takes one a step, so that it can be watched; 0: full speed."""

        def action() -> None:
            self._slow[what] = seconds

        self.order("change the speed", action)

    def set(self, run: Run, name: str, value: Value) -> None:
        """Change a live hyper-parameter of this run, if it is still the one that is trained."""

        def action() -> None:
            if self._run is run:
                run.set(name, value)

        self.order(f"change {name}", action)

    def remember(self, memory: int) -> None:
        """From now on keep no more than so many bytes of a run's earlier moments."""

        def action() -> None:
            self._memory = memory
            if self._run is not None:
                self._run.history.set_memory(memory)

        self.order("change the memory of the history", action)

    def close(self, seconds: float = 2.0) -> bool:
        """Stop after the step at hand and what was ordered, and join the thread; False when it did not end
        in time. What came of the orders is still told."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join(seconds)
        with self._condition:
            self._outbox = [v for v in self._outbox if not isinstance(v, Moment)]
        self._drain()
        return not self._thread.is_alive()

    # -- on the thread -------------------------------------------------------------------------

    def _loop(self) -> None:
        step_back(TRAINING)
        published = 0.0
        while True:
            with self._condition:
                while not (self._orders or self._remaining or self._closing):
                    self._condition.wait()
                orders, self._orders = self._orders, deque()
                closing = self._closing
            for order in orders:
                self._carry_out(order)
            if closing:
                return
            rest = 0.0
            if self._remaining and self._run is not None:
                self._attempt("train", self._step)
                rest = self._rest(self._run)
            now = time.perf_counter()
            if orders or rest or not self._remaining or now - published >= PUBLISH_EVERY:
                published = now
                self._publish()
            if rest and self._remaining:
                with self._condition:
                    self._condition.wait_for(lambda: self._orders or self._closing, rest)

    def _carry_out(self, order: _Order) -> None:
        try:
            result = order.action()
        except Exception as error:
            self._post((order.failed, Failure.of(error, order.doing)))
        else:
            if order.done is not None:
                self._post((order.done, result))

    def _attempt(self, doing: str, action: Callable[[], None]) -> None:
        """Whatever goes wrong on this thread ends as a message, and the run keeps its last good state."""
        try:
            action()
        except Exception as error:
            self._remaining = 0
            self._post((self.failed.emit, Failure.of(error, doing)))

    def _rest(self, run: Run) -> float:
        """Seconds to look at what was just done."""
        if run.by_halves:
            return self._slow["half"]
        return self._slow["row"] if isinstance(run.learner, Observes) else 0.0

    def _step(self) -> None:
        run = self._run
        assert run is not None
        if run.by_halves and self._rest(run):
            half, _ = run.half_step()
            if half == "E":
                return
        else:
            run.step()
        if self._remaining > 0:
            self._remaining -= 1
        if run.finished or run.settled(self._tolerance):
            self._remaining = 0

    def _publish(self) -> None:
        if (run := self._run) is None:
            return
        now, steps = time.perf_counter(), run.steps
        self._rate.append((now, steps))
        while len(self._rate) > 2 and now - self._rate[0][0] > RATE_WINDOW:
            self._rate.popleft()
        (start, first), training = self._rate[0], self._remaining != 0
        rate = (steps - first) / (now - start) if training and now > start else 0.0
        if not training:
            self._rate.clear()
        target = steps + self._remaining if self._remaining >= 0 else None
        epoch = steps / max(run.learner.steps_per_epoch, 1e-9)
        try:
            self._model = run.model()
            self._remember(run, self._model, training)
        except Exception as error:
            self._remaining, training = 0, False
            self._post((self.failed.emit, Failure.of(error, "take a snapshot")))
        if self._model is not None:  # of the last step that had one: the window must hear that training ended
            self._post(Moment(run, self._model, steps, epoch, training, target, rate))

    def _remember(self, run: Run, model: Model, training: bool) -> None:
        """Where the run's history wants this moment, it has it. In a training that goes on this takes no more
        than a share REMEMBERING of the time. The memory that training and exploration let go of is given
        back meanwhile: by itself the process keeps it."""
        began = time.perf_counter()
        if not training or began >= self._rested:
            run.remember(model)
            ended = time.perf_counter()
            self._rested = ended + (ended - began) * (1 / REMEMBERING - 1)
        kept, self._kept = self._kept, run.history.nbytes
        if self._kept < kept or began >= self._tidied + TIDY_EVERY:
            give_memory_back()
            self._tidied = time.perf_counter()

    def _post(self, value: Any) -> None:
        with self._condition:
            quiet = not self._outbox
            if isinstance(value, Moment):
                self._outbox = [v for v in self._outbox if not isinstance(v, Moment)]
            self._outbox.append(value)
        if quiet:
            self._arrived.emit()

    # -- on the interface thread ---------------------------------------------------------------

    def _drain(self) -> None:
        with self._condition:
            outbox, self._outbox = self._outbox, []
        for value in outbox:
            if isinstance(value, Moment):
                self.moment.emit(value)
            else:
                deliver, what = value
                try:
                    deliver(what)
                except Exception as error:  # the window's own; the rest of the box is still delivered
                    self.failed.emit(Failure.of(error, "take a result of training"))

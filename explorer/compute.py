"""The exploration thread: everything that computes, apart from training.

Requests go into named slots, one request a slot, and the newest wins. A request is a function; when it
returns a generator, each value that the generator yields is a finer result, and between two of them
anything more urgent goes first. A slice of work is therefore meant to last at most about 8 ms. What is
equally urgent takes turns, a slice each, so that what is short does not wait for the end of what is long;
files alone are read and written one after another.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import Any

from PySide6.QtCore import QObject, Signal

from backends.base import InputError, Progress
from explorer.threads import EXPLORATION, step_back


class Priority(IntEnum):
    """What goes first."""

    HOVER = 0
    FIELD = 1
    FILE = 2
    FOLLOW = 3
    EVALUATION = 4
    FIT = 5


@dataclass(frozen=True)
class Failure:
    """An exception that ended a piece of work: a sentence, and the traceback a click away.

    ``expected`` marks an InputError, whose sentence is meant for the user as it stands.
    """

    sentence: str
    details: str
    expected: bool

    @classmethod
    def of(cls, error: BaseException, doing: str) -> Failure:
        """The failure that ``error`` makes of ``doing`` ("decode the map")."""
        details = "".join(traceback.format_exception(error))
        if isinstance(error, InputError):
            return cls(str(error), details, True)
        text = str(error).strip().split("\n")[0] or type(error).__name__
        return cls(f"Could not {doing}: {text}", details, False)


@dataclass(eq=False)
class _Request:
    slot: str
    number: int
    priority: Priority
    work: Callable[[], Any]
    deliver: Callable[[Any], None]
    progress: Callable[[Progress], None] | None
    failed: Callable[[Failure], None] | None
    ended: Callable[[], None] | None
    doing: str
    overtaken: bool
    turn: int  # of equally urgent ones the lowest goes next
    generator: Generator[Any, None, Any] | None = None


class Exploration(QObject):
    """Owns the thread. Public methods are called from the interface thread; replies arrive there."""

    failed = Signal(object)  # Failure, of a request that has no handler of its own
    _arrived = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._condition = threading.Condition()
        self._requests: dict[str, _Request] = {}
        self._dropped: list[_Request] = []  # half-way; what they hold, a file it may be, is to be let go
        self._current: dict[str, int] = {}
        self._outbox: dict[tuple[str, str], tuple[_Request, Any]] = {}
        self._cancelled: dict[str, int] = {}  # requests of the slot with lower numbers are forgotten
        self._numbers = count(1)
        self._closing = False
        self._arrived.connect(self._drain)
        self._thread = threading.Thread(target=self._loop, name="exploration", daemon=True)
        self._thread.start()

    def request(
        self,
        slot: str,
        priority: Priority,
        work: Callable[[], Any],
        deliver: Callable[[Any], None],
        *,
        doing: str,
        progress: Callable[[Progress], None] | None = None,
        failed: Callable[[Failure], None] | None = None,
        ended: Callable[[], None] | None = None,
        overtaken: bool = False,
    ) -> None:
        """Ask for ``work``; ``deliver`` is called with each result that is still wanted when it arrives.

        A request replaces whatever its slot held, even half-way. ``Progress`` values that the work
        yields go to ``progress``; a failure goes to ``failed``, or else to the signal. ``ended`` is
        called last, however it ended, unless the request was replaced or cancelled.

        overtaken: a result is delivered also when a newer request has the slot by then. A hand that moves on
        faster than that is computed which follows it would else see nothing until it rests.
        """
        number = next(self._numbers)
        request = _Request(
            slot, number, priority, work, deliver, progress, failed, ended, doing, overtaken, number
        )
        with self._condition:
            if self._closing:
                return
            self._drop(slot)
            self._current[slot] = number
            self._requests[slot] = request
            self._condition.notify()

    def cancel(self, slot: str) -> None:
        """Forget the slot's request; nothing more of it is delivered."""
        with self._condition:
            self._drop(slot)
            self._current.pop(slot, None)
            self._cancelled[slot] = next(self._numbers)

    def _drop(self, slot: str) -> None:
        """Go on with it no more; a generator is closed on the thread, which may be in it."""
        request = self._requests.pop(slot, None)
        if request is not None and request.generator is not None:
            self._dropped.append(request)
            self._condition.notify()

    def busy(self, slot: str) -> bool:
        """Is a result of this slot still to come?"""
        return slot in self._current

    def close(self, seconds: float = 2.0) -> bool:
        """Stop after the slice at hand and join the thread; False when it did not end in time."""
        with self._condition:
            self._closing = True
            for slot in list(self._requests):
                self._drop(slot)
            self._current.clear()
            self._condition.notify()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    # -- on the thread -------------------------------------------------------------------------

    def _loop(self) -> None:
        step_back(EXPLORATION)
        while self._turn():
            pass

    def _turn(self) -> bool:
        """The next slice, once there is one; False at the end. While it waits, nothing here holds what a
        request was of, which may be large."""
        with self._condition:
            while not (self._requests or self._dropped or self._closing):
                self._condition.wait()
            dropped, self._dropped, closing = self._dropped, [], self._closing
            request = min(self._requests.values(), key=lambda r: (r.priority, r.turn), default=None)
        for one in dropped:
            self._let_go(one)
        if closing:
            return False
        if request is not None:
            self._slice(request)
            if request.priority is not Priority.FILE:
                request.turn = next(self._numbers)
        return True

    def _let_go(self, request: _Request) -> None:
        assert request.generator is not None
        try:
            request.generator.close()
        except Exception as error:
            self.failed.emit(Failure.of(error, request.doing))

    def _slice(self, request: _Request) -> None:
        """One slice of one request: the function itself, or one step of its generator."""
        try:
            if request.generator is None:
                value = request.work()
                if isinstance(value, Generator):
                    request.generator = value
                    return
                ended = True
            else:
                value, ended = next(request.generator), False
        except StopIteration as stop:
            value, ended = stop.value, True
        except Exception as error:
            value, ended = Failure.of(error, request.doing), True
        if ended:
            self._retire(request)
        topic = "progress" if isinstance(value, Progress) else "result"
        self._post(request, "end" if ended else topic, value)

    def _retire(self, request: _Request) -> None:
        with self._condition:
            if self._requests.get(request.slot) is request:
                del self._requests[request.slot]

    def _post(self, request: _Request, topic: str, value: Any) -> None:
        """A newer value of the same slot and topic replaces one that the window has not fetched yet."""
        if value is None and topic == "result":
            return  # a slice without anything to show
        with self._condition:
            if not self._wanted(request):
                return
            quiet = not self._outbox
            # Last in the box, not where an older value lay: a slot's end comes after its result.
            self._outbox.pop((request.slot, topic), None)
            self._outbox[(request.slot, topic)] = (request, value)
        if quiet:
            self._arrived.emit()

    def _wanted(self, request: _Request) -> bool:
        if request.overtaken:
            return not self._closing and request.number > self._cancelled.get(request.slot, 0)
        return self._current.get(request.slot) == request.number

    # -- on the interface thread ---------------------------------------------------------------

    def _drain(self) -> None:
        with self._condition:
            outbox, self._outbox = self._outbox, {}
        for (slot, topic), (request, value) in outbox.items():
            if not self._wanted(request):
                continue  # replaced or cancelled while it was under way
            last = topic == "end" and self._current.get(slot) == request.number
            if last:
                del self._current[slot]
            try:
                self._hand_over(request, value)
            except Exception as error:  # the window's own, while it took the result
                self.failed.emit(Failure.of(error, request.doing))
            if last and request.ended is not None and slot not in self._current:
                request.ended()

    def _hand_over(self, request: _Request, value: Any) -> None:
        if isinstance(value, Failure):
            (request.failed or self.failed.emit)(value)
        elif isinstance(value, Progress):
            if request.progress is not None:
                request.progress(value)
        elif value is not None:
            request.deliver(value)

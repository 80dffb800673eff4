"""Pace: how often something that follows a running training is done again."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QWidget


class Pace(QObject):
    """Calls ``action`` when poked, but never before ``done`` was called for the last time.

    It works for at most a share ``duty`` of the time: after work of t seconds it rests t·(1/duty − 1),
    and from one beginning to the next it waits at least ``interval``. What a widget asks for waits until the
    widget is seen.
    """

    LONGEST = 4.0  # seconds of rest, however long the work took: on a busy machine others made it long

    def __init__(self, action: Callable[[], bool], interval: float, duty: float, parent: QObject) -> None:
        """action: returns whether it began work, of which ``done`` will tell the end. interval: seconds.
        parent: the widget that shows what comes of it, or who else wants it."""
        super().__init__(parent)
        self._shows = parent if isinstance(parent, QWidget) else None
        self._action, self._interval, self._duty = action, interval, duty
        self._wanted = self._busy = False
        self._began = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._try)

    def poke(self) -> None:
        """There is something new."""
        self._wanted = True
        if not self._busy and not self._timer.isActive():
            self._try()

    def done(self) -> None:
        """The work that ``action`` began has ended, well or not."""
        if self._busy:
            self._busy = False
            spent = time.perf_counter() - self._began
            rest = max(min(spent * (1 / self._duty - 1), self.LONGEST), self._interval - spent, 0.0)
            self._timer.start(int(rest * 1000))

    def reset(self) -> None:
        """Forget the work at hand and any rest: what comes next is of another run."""
        self._busy = self._wanted = False
        self._timer.stop()

    def renew(self) -> None:
        """What is under way, or rests, is of no use any more: begin at once."""
        self.reset()
        self.poke()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The widget is seen again: do what has been wanted meanwhile."""
        if event.type() == QEvent.Type.Show:
            watched.removeEventFilter(self)  # it would be asked about each event
            if not self._timer.isActive():
                self._try()
        return False

    def _try(self) -> None:
        if self._shows is not None and not self._shows.isVisible():
            self._shows.installEventFilter(self)
        elif self._wanted and not self._busy:
            self._wanted = False
            self._began = time.perf_counter()
            self._busy = self._action()
            if not self._busy:
                self._timer.start(int(self._interval * 1000))

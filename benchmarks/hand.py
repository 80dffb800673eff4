"""A hand on the mouse: moves over a widget on a fixed schedule, from a thread of its own.

The schedule does not wait for the window: a move that the window is late for counts with all its lateness.
"""

from __future__ import annotations

import math
import threading
import time

from PySide6.QtCore import QCoreApplication, QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QWidget

INTERVAL = 1 / 125  # seconds between two moves of an ordinary mouse


class Hand:
    """Posts real mouse events; ``due[i]`` is when move i was due, and i is the event's time stamp."""

    def __init__(self, widget: QWidget, seconds: float, drags: bool = False) -> None:
        """drags: with the left button down, in place of a hover."""
        self.due: dict[int, float] = {}
        self._widget, self._moves = widget, int(seconds / INTERVAL)
        size, origin = widget.size(), widget.mapToGlobal(QPointF(0, 0))
        self._centre = QPointF(size.width() * 0.5, size.height() * 0.5)
        self._reach, self._origin = QPointF(size.width() * 0.35, size.height() * 0.35), origin
        self._drags = drags
        self._thread = threading.Thread(target=self._move, name="hand")

    def start(self) -> None:
        """Begin to move."""
        self._thread.start()

    @property
    def done(self) -> bool:
        """Has the last move been made?"""
        return not self._thread.is_alive()

    def join(self) -> None:
        """Wait for the last move."""
        self._thread.join()

    def _move(self) -> None:
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        held = left if self._drags else none
        start, at = time.perf_counter(), self._centre
        if self._drags:
            self._post(QMouseEvent.Type.MouseButtonPress, at, left, left, 0)
        for i in range(1, self._moves + 1):
            due = start + i * INTERVAL
            time.sleep(max(due - time.perf_counter(), 0.0))
            angle = i * 0.02
            at = self._centre + QPointF(
                self._reach.x() * math.sin(angle), self._reach.y() * math.sin(1.618 * angle)
            )
            self.due[i] = due
            self._post(QMouseEvent.Type.MouseMove, at, none, held, i)
        if self._drags:
            self._post(QMouseEvent.Type.MouseButtonRelease, at, left, none, 0)

    def _post(
        self,
        kind: QEvent.Type,
        at: QPointF,
        button: Qt.MouseButton,
        buttons: Qt.MouseButton,
        stamp: int,
    ) -> None:
        event = QMouseEvent(kind, at, at + self._origin, button, buttons, Qt.KeyboardModifier.NoModifier)
        event.setTimestamp(stamp)
        QCoreApplication.postEvent(self._widget, event)

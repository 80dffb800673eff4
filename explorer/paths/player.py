"""Playing a film: from frame to frame at a chosen speed, forwards or backwards."""

from __future__ import annotations

import math
import time

from PySide6.QtCore import QObject, Qt, QTimer, Signal


def following(frame: int, direction: int, frames: int, play: str) -> tuple[int, int] | None:
    """The frame after this one, and the direction from there; None where a film that is played "once" ends.
    In a "loop" it begins anew, and "back" turns it round."""
    after = frame + direction
    if 0 <= after < frames:
        return after, direction
    if play == "once" or frames < 2:
        return None
    if play == "loop":
        return (0 if direction > 0 else frames - 1), direction
    return frame - direction, -direction


class Player(QObject):
    """moved carries the next frame; playing which way it was asked to go, 1 or −1, or 0 for at rest.

    A clock says which frame is due: where the program has no time for every frame it leaves some out, and
    the film never lags.
    """

    moved = Signal(object)
    playing = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.frame, self.frames, self.play = 0, 0, "back"
        self.asked = 0
        self._direction = 0  # in which it goes at the moment
        self._speed = 12
        self._begun, self._gone = 0.0, 0  # when the clock was started, and frames since then
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._tick)

    def set_speed(self, frames_a_second: int) -> None:
        """How fast it goes."""
        if frames_a_second != self._speed:
            self._speed = frames_a_second
            if self._timer.isActive():
                self._start()

    def set_frames(self, frames: int) -> None:
        """How many frames there are, at least one: of more or fewer of the same path, the place stays."""
        if self.frames > 1 and frames != self.frames:
            self.frame = round(self.frame * (frames - 1) / (self.frames - 1))
        self.frames, self.frame = frames, min(self.frame, frames - 1)

    def _start(self) -> None:
        self._begun, self._gone = time.perf_counter(), 0
        self._wait()

    def _wait(self) -> None:
        """Until the next frame is due."""
        due = self._begun + (self._gone + 1) / self._speed
        self._timer.start(max(0, math.ceil(1000 * (due - time.perf_counter()))))

    def toggle(self, direction: int) -> None:
        """Go that way; or stay, where it was asked to go that way before."""
        if self.asked == direction:
            self.stop()
        elif self.frames > 1:
            self._direction = direction
            end = self.frames - 1 if direction > 0 else 0
            if self.play == "once" and self.frame == end:
                self._go(self.frames - 1 - end)
            self._ask(direction)
            self._start()

    def stop(self) -> None:
        """Stay."""
        self._timer.stop()
        self._ask(0)

    def _ask(self, direction: int) -> None:
        if direction != self.asked:
            self.asked = direction
            self.playing.emit(direction)

    def _tick(self) -> None:
        due = int((time.perf_counter() - self._begun) * self._speed) - self._gone
        self._gone += due
        frame, ended = self.frame, False
        for _ in range(min(due, 2 * self.frames)):  # after a long sleep it need not count all of it
            after = following(frame, self._direction, self.frames, self.play)
            if ended := after is None:
                break
            frame, self._direction = after
        if frame != self.frame:
            self._go(frame)
        if ended:
            self.stop()
        elif self.asked:
            self._wait()

    def _go(self, frame: int) -> None:
        self.frame = frame
        self.moved.emit(frame)

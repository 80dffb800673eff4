"""Budgets of the living window: hover to painted pixels, gaps between frames, training beside it."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QEventLoop, QObject, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from benchmarks.hand import Hand
from explorer.app import Program
from explorer.state import PathSpec
from explorer.style.theme import apply


class Watch(QObject):
    """Notes when each move became pixels, and every frame that was painted."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.seen: dict[int, float] = {}
        self.frames: list[float] = []
        program.window.cursor_panel.picture.painted.connect(self._painted)

    def _painted(self, tag: object) -> None:
        now = time.perf_counter()
        self.frames.append(now)
        if isinstance(tag, int) and tag and tag not in self.seen:
            self.seen[tag] = now


def wait(until: Callable[[], bool], seconds: float) -> bool:
    """Run the event loop, as the program does, until a condition holds; it is asked 20 times a second."""
    loop, timer, end = QEventLoop(), QTimer(), time.perf_counter() + seconds

    def ask() -> None:
        if until() or time.perf_counter() >= end:
            loop.quit()

    timer.timeout.connect(ask)
    timer.start(50)
    loop.exec()
    timer.stop()
    return until()


def latencies(program: Program, seconds: float, drags: bool = False) -> tuple[np.ndarray, float]:
    """Seconds from each due move to its paint, (n,), and the longest gap between two frames; of a hand that
    hovers, or ``drags`` a path.

    A move that a later one overtook became pixels when that later one did.
    """
    viewport = program.window.map.canvas.viewport()
    watch, hand = Watch(program), Hand(viewport, seconds, drags)
    hand.start()
    wait(lambda: hand.done, seconds + 30)
    moving = len(watch.frames)  # with a hand at rest there is less to paint
    last = max(hand.due)
    wait(lambda: last in watch.seen, 2.0)
    hand.join()
    out, later = [], float("nan")
    for i in sorted(hand.due, reverse=True):
        later = watch.seen.get(i, later)
        out.append(later - hand.due[i])
    values = np.array(out)
    return values[np.isfinite(values)], float(np.diff(watch.frames[:moving]).max())


class _Paints(QObject):
    """How often a widget was painted."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.count = 0
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.count += event.type() == QEvent.Type.Paint
        return False


def frames(canvas: Any, move: Callable[[Any, int], None], count: int) -> list[float]:
    """Seconds a frame: ``move(box, i)`` moves the view of a canvas a little, as a hand does, and the event
    loop runs until that is painted."""
    paints, times, last = _Paints(canvas.viewport()), [], time.perf_counter()
    for i in range(count):
        move(canvas.box, i)
        seen = paints.count
        while paints.count == seen:
            QApplication.processEvents()
        now = time.perf_counter()
        times.append(now - last)
        last = now
    canvas.viewport().removeEventFilter(paints)
    return times


def measure(seconds: float) -> dict[str, float]:
    """All figures of the window, in one process."""
    app = QApplication(sys.argv[:1])
    apply(app)
    with tempfile.TemporaryDirectory() as home:
        program = Program(Path(home))
        program.window.resize(1440, 900)
        program.window.show()
        session, actions = program.session, program.actions
        assert wait(lambda: session.encodings is not None, 60), (
            "the run that comes with the program did not open"
        )
        wait(lambda: False, 1.5)  # let the first fields and evaluations end
        out: dict[str, float] = {}
        idle, _ = latencies(program, seconds)
        out["idle p50"], out["idle p99"] = (float(np.percentile(idle, p)) * 1e3 for p in (50, 99))

        dragged, _ = latencies(program, seconds, drags=True)
        out["drag idle p99"] = float(np.percentile(dragged, 99)) * 1e3

        endless = replace(session.state.run, steps=0)
        session.apply(replace(session.state, run=endless, path=PathSpec()), "no end, no path")
        actions.restart()
        wait(lambda: session.moment is not None and session.moment.training, 30)
        wait(lambda: False, 2.0)
        busy, gap = latencies(program, seconds)
        out["training p50"], out["training p99"] = (float(np.percentile(busy, p)) * 1e3 for p in (50, 99))
        out["longest gap"] = gap * 1e3

        dragged, _ = latencies(program, seconds, drags=True)
        out["drag training p99"] = float(np.percentile(dragged, 99)) * 1e3
        session.apply(replace(session.state, path=PathSpec()), "no path")

        run = session.run
        assert run is not None
        begin, first = time.perf_counter(), run.steps
        wait(lambda: False, seconds)
        out["steps a second"] = (run.steps - first) / (time.perf_counter() - begin)
        actions.pause()
        wait(lambda: session.moment is not None and not session.moment.training, 10)
        program.window.close()
        return out


if __name__ == "__main__":
    print(json.dumps(measure(float(sys.argv[1]))))

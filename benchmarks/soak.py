"""Memory over a long run: ``python -m benchmarks.soak [--minutes 30]`` trains, hovers and drags through the
history, and prints the resident memory each minute. After a warm-up it is to be flat but for what the history
keeps, which has a limit of its own: 1 where it is not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtWidgets import QApplication

from benchmarks.hand import Hand
from benchmarks.scale import memory
from benchmarks.window import wait
from explorer.app import Program
from explorer.style.theme import apply
from explorer.threads import share_cores

WARM_UP = 0.25  # of the time, in which buffers and caches fill
SLOPE = 1.0  # MB a minute after it, at most: of curves until they are thinned, and of the allocator's noise
HOVER, SCRUB = 8.0, 2.0  # seconds of each, in turn


def soak(minutes: float) -> list[tuple[float, float, float]]:
    """(minutes, MB, MB of them that are the history's), about once a minute; they are printed as well."""
    app = QApplication(sys.argv[:1])
    apply(app)
    samples: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory() as home:
        program = Program(Path(home))
        program.window.resize(1440, 900)
        program.window.show()
        session, actions = program.session, program.actions
        assert wait(lambda: session.encodings is not None, 60), "the first run did not open"
        session.apply(replace(session.state, run=replace(session.state.run, steps=0)), "no end")
        actions.restart()
        assert wait(lambda: session.moment is not None and session.moment.training, 30), "it does not train"
        begin, every = time.perf_counter(), min(60.0, minutes * 60 / 10)
        while (spent := time.perf_counter() - begin) < minutes * 60:
            if spent >= len(samples) * every:
                run = session.run
                assert run is not None
                samples.append((spent / 60, memory()[0] * 1e3, run.history.nbytes / 1e6))
                line = "{:6.1f} min  {:7.1f} MB, of which {:5.1f} MB are history".format(*samples[-1])
                print(f"{line}  {run.steps:>9,} steps", flush=True)
            hand = Hand(program.window.map.canvas.viewport(), HOVER)
            hand.start()
            wait(lambda hand=hand: hand.done, HOVER + 10)  # type: ignore[misc]
            hand.join()
            _scrub(program)
        actions.pause()
        wait(lambda: session.moment is not None and not session.moment.training, 10)
        program.window.close()
    return samples


def _scrub(program: Program) -> None:
    """Drag back through the run's history, and let go."""
    run = program.session.run
    models = () if run is None else run.history.models
    for model in models[:: -max(1, len(models) // 8)]:
        program.session.look_back(model)
        wait(lambda: False, SCRUB / 8)
    program.session.look_back(None)


def slope(samples: list[tuple[float, float, float]]) -> float:
    """MB a minute beside the history after the warm-up, by least squares."""
    minutes, whole, history = np.array([s for s in samples if s[0] >= WARM_UP * samples[-1][0]]).T
    return float(np.polyfit(minutes, whole - history, 1)[0])


def main() -> int:
    """Soak and say how it went."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long")
    options = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    share_cores()
    grown = slope(soak(options.minutes))
    print(f"{grown:+.2f} MB a minute beside the history after the warm-up ({SLOPE:g} allowed)")
    return 0 if grown <= SLOPE else 1


if __name__ == "__main__":
    sys.exit(main())

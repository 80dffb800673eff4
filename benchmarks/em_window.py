"""EM in the living window: iterations a second with everything drawn, and frames over many points."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtWidgets import QApplication

from benchmarks.window import frames, wait
from explorer.app import Program
from explorer.style.theme import apply

ROWS = 140_000  # of a file: more than 100 000 of them are for training
FRAMES = 300


def measure(seconds: float) -> dict[str, float]:
    """Iterations a second on digits, and milliseconds a frame while the plane of many points is panned."""
    app = QApplication(sys.argv[:1])
    apply(app)
    with tempfile.TemporaryDirectory() as home:
        program = Program(Path(home))
        program.window.resize(1440, 900)
        program.window.show()
        assert wait(lambda: program.session.encodings is not None, 60), "the first run did not open"
        out = {}
        _train(program, "digits-grey", components=10, reg_covar=1e-2)
        out["iterations a second"] = _iterations(program, seconds)
        many = Path(home) / "many.npy"
        np.save(many, np.random.default_rng(0).standard_normal((ROWS, 2)).astype(np.float32))
        _train(program, str(many), components=8)
        data = program.session.data
        assert data is not None
        out["points"] = len(data.train)
        times = frames(program.window.stage.data.canvas, _pan, FRAMES)
        out["frame p50"], out["frame p99"] = (float(np.percentile(times, p)) * 1e3 for p in (50, 99))
        out["iterations a second, many points"] = _iterations(program, seconds)
        program.window.close()
        return out


def _train(program: Program, data: str, **values: Any) -> None:
    """Begin a Gaussian mixture that has no end, and wait until it has gone a few steps."""
    session = program.session
    before = session.run
    spec = replace(
        session.state.run, data=data, model="gmm", backend="", values=values, steps=0, tolerance=0.0
    )
    session.apply(replace(session.state, run=spec), "choose what to measure")
    program.actions.restart()

    def begun() -> bool:
        return session.run is not None and session.run is not before and session.run.steps > 3

    assert wait(begun, 120), "the mixture did not begin"
    wait(lambda: False, 2.0)  # let the first field and evaluation end


def _iterations(program: Program, seconds: float) -> float:
    run = program.session.run
    assert run is not None
    begin, first = time.perf_counter(), run.steps
    wait(lambda: False, seconds)
    return (run.steps - first) / (time.perf_counter() - begin)


def _pan(box: Any, i: int) -> None:
    (x0, x1), _ = box.viewRange()
    box.translateBy(x=(x1 - x0) * 0.004 * (1 if i < FRAMES / 2 else -1))


if __name__ == "__main__":
    print(json.dumps(measure(float(sys.argv[1])), indent=1))

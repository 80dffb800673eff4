"""A million rows: frames of a pan and a zoom over their encodings, their nearest, hover, and memory."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtWidgets import QApplication

from backends.base import finish
from backends.nearest import Neighbours
from benchmarks.window import frames, latencies, wait
from explorer.app import Program
from explorer.state import PathSpec
from explorer.style.theme import apply

ROWS, SIDE, CLOUDS = 1_333_340, 8, 10  # images of 8 × 8; three quarters of the rows are for training
FRAMES, QUERIES = 300, 2000


def memory() -> tuple[float, float]:
    """Resident bytes now and at the most so far (Linux), in GB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return tuple(int(lines[key].split()[0]) / 1e6 for key in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def make(path: str) -> None:
    """Images in clouds with labels, as .npz; made in blocks, so that making them is not what is measured."""
    rng = np.random.default_rng(0)
    centres, labels = rng.standard_normal((CLOUDS, SIDE, SIDE)) * 2, rng.integers(0, CLOUDS, ROWS)
    x = np.empty((ROWS, SIDE, SIDE), np.float32)
    for start in range(0, ROWS, 50_000):
        of = labels[start : start + 50_000]
        x[start : start + 50_000] = centres[of] + rng.standard_normal((len(of), SIDE, SIDE)) * 0.7
    np.savez(path, x=x, y=labels)
    os.sync()  # nor is writing them to the disk, minutes later


def nearest_milliseconds() -> float:
    """p99 of finding the nearest of a million points of a plane."""
    rng = np.random.default_rng(0)
    found = Neighbours(rng.standard_normal((1_000_000, 2)).astype(np.float32))
    finish(found.build())
    times = []
    for z in rng.standard_normal((QUERIES, 2)).astype(np.float32):
        begin = time.perf_counter()
        found.nearest(z)
        times.append(time.perf_counter() - begin)
    return float(np.percentile(times, 99)) * 1e3


def measure(path: str, seconds: float) -> dict[str, float]:
    """All figures of the window with the file that :func:`make` made, in one process."""
    app = QApplication(sys.argv[:1])
    apply(app)
    with tempfile.TemporaryDirectory() as home:
        program = Program(Path(home))
        program.window.resize(1440, 900)
        program.window.show()
        session, actions = program.session, program.actions
        assert wait(lambda: session.encodings is not None, 60), "the first run did not open"
        values = {"decoder": "gaussian", "latent_dim": 2}
        spec = replace(session.state.run, data=path, model="vae", backend="", values=values, steps=300)
        session.apply(replace(session.state, run=spec), "choose what to measure")
        first = session.run
        actions.restart()

        def encoded() -> bool:
            known, moment = session.encodings, session.moment
            done = known is not None and known.rows is None and moment is not None and not moment.training
            return session.run is not first and session.run is not None and session.run.steps >= 300 and done

        assert wait(encoded, 180), "the rows were not encoded"
        out: dict[str, float] = {"points": len(session.encodings.z), "peak memory": memory()[1]}
        wait(lambda: False, 3.0)  # let the first fields and evaluations end
        for name, move in (("pan", _pan), ("zoom", _zoom)):
            times = frames(program.window.map.canvas, move, FRAMES)
            out[f"{name} p99"], out[f"{name} longest"] = (
                float(np.percentile(times, 99)) * 1e3, max(times) * 1e3,
            )  # fmt: skip
        program.window.map.reset_view()
        wait(lambda: False, 2.0)
        idle, _ = latencies(program, seconds)
        out["idle p99"] = float(np.percentile(idle, 99)) * 1e3
        dragged, _ = latencies(program, seconds, drags=True)
        out["drag idle p99"] = float(np.percentile(dragged, 99)) * 1e3
        endless = replace(session.state.run, steps=0)
        session.apply(replace(session.state, run=endless, path=PathSpec()), "no end, no path")
        actions.train()
        wait(lambda: session.moment is not None and session.moment.training, 30)
        wait(lambda: False, 2.0)
        busy, gap = latencies(program, seconds)
        out["training p99"], out["longest gap"] = float(np.percentile(busy, 99)) * 1e3, gap * 1e3
        dragged, _ = latencies(program, seconds, drags=True)
        out["drag training p99"] = float(np.percentile(dragged, 99)) * 1e3
        actions.pause()
        wait(lambda: session.moment is not None and not session.moment.training, 10)
        out["memory at the end"] = memory()[0]
        program.window.close()
        return out


def _pan(box: Any, i: int) -> None:
    (x0, x1), _ = box.viewRange()
    box.translateBy(x=(x1 - x0) * 0.004 * (1 if i < FRAMES / 2 else -1))


def _zoom(box: Any, i: int) -> None:
    box.scaleBy((0.97, 0.97) if i < FRAMES / 2 else (1 / 0.97, 1 / 0.97))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "many.npz"
        make(str(made))
        print(json.dumps(measure(str(made), float(sys.argv[1])), indent=1))

"""Panning over a long run's curves."""

from __future__ import annotations

import sys
import time

import numpy as np
from PySide6.QtWidgets import QApplication

from explorer.plots.curves import CurvePlot, Series
from explorer.plots.series import Points
from explorer.style.theme import apply


def frame_milliseconds(points: int = 100_000, curves: int = 4, frames: int = 200) -> float:
    """99th percentile of the time to pan by a little and paint, in ms."""
    app = QApplication(sys.argv[:1])
    apply(app)
    plot = CurvePlot()
    plot.resize(900, 260)
    plot.show()
    rng, steps = np.random.default_rng(0), np.arange(points)
    names = [f"curve {i}" for i in range(curves)]
    plot.set_series([Series(name, name, i) for i, name in enumerate(names)])
    walks = {
        n: Points.of(steps, np.cumsum(rng.standard_normal(points)) / 100 - i) for i, n in enumerate(names)
    }
    plot.set_points(walks)
    (_, _), y = plot.view_range()
    app.processEvents()
    times = []
    for i in range(frames):
        begin = time.perf_counter()
        plot.set_view_range((i * points * 0.002, points * (0.6 + i * 0.002)), y)
        plot.repaint()
        app.processEvents()
        times.append(time.perf_counter() - begin)
    plot.close()
    return float(np.percentile(times, 99)) * 1e3

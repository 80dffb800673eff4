"""Opening a large checkpoint."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from backends.data import open_data
from backends.run import Run


def open_seconds(megabytes: float = 100.0, rounds: int = 5) -> tuple[float, float]:
    """Median seconds to open a run whose file is at least so large, and its size in MB."""
    data = open_data("digits")
    width = 256
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.safetensors"
        while True:
            Run.start("vae", data, {"width": width}).save(path)
            size = path.stat().st_size / 1e6
            if size >= megabytes:
                break
            width = int(width * max((megabytes / size) ** 0.5, 1.05)) + 1
        times = []
        for _ in range(rounds):
            begin = time.perf_counter()
            Run.open(path)
            times.append(time.perf_counter() - begin)
    return sorted(times)[rounds // 2], size

"""A hundred thousand image files of one's own: the preview, reading them within the window, and its gaps."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from benchmarks.scale import memory
from benchmarks.window import wait
from explorer.app import Program
from explorer.style.theme import apply

FILES, SIDE, CLASSES = 100_000, 28, 10


def make(path: str) -> None:
    """PNG files in a folder for each class: a bright square somewhere, and noise."""
    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        Path(path, str(label)).mkdir(parents=True)
    for i in range(FILES):
        pixels = rng.integers(0, 40, (SIDE, SIDE), np.uint8)
        x, y = rng.integers(0, SIDE - 8, 2)
        pixels[y : y + 8, x : x + 8] += 20 * (i % CLASSES)
        Image.fromarray(pixels).save(Path(path, str(i % CLASSES), f"{i:06}.png"), compress_level=1)


def measure(path: str) -> dict[str, float]:
    """Seconds to the preview and of reading, the longest gap between two turns of the window's loop, and the
    peak of memory."""
    app = QApplication(sys.argv[:1])
    apply(app)
    with tempfile.TemporaryDirectory() as home:
        program = Program(Path(home))
        program.window.resize(1440, 900)
        program.window.show()
        session, dialogs = program.session, program.window.dialogs
        assert wait(lambda: session.encodings is not None, 60), "the first run did not open"
        wait(lambda: False, 3.0)  # let the first fields and evaluations end
        gaps, before = [0.0], time.perf_counter()

        def turn() -> None:
            nonlocal before
            now = time.perf_counter()
            gaps.append(now - before)
            before = now

        def seen() -> bool:
            return dialogs.preview is not None and dialogs.preview.ok.isEnabled()

        def read() -> bool:
            return path in session.state.run.data

        turns = QTimer()
        turns.timeout.connect(turn)
        turns.start(1)
        begin = before = time.perf_counter()
        program.actions.open(path)
        assert wait(seen, 60), "the folder was not looked at"
        looked = time.perf_counter()
        assert dialogs.preview is not None
        dialogs.preview.accept()
        assert wait(read, 300), "the images were not read"
        out = {
            "preview": looked - begin,
            "read": time.perf_counter() - looked,
            "longest gap": max(gaps) * 1e3,
            "peak memory": memory()[1],
        }
        program.window.close()
        return out


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        make(folder)
        print(json.dumps(measure(folder), indent=1))

"""From the command to the first painted window, and from there to the first decoded digit.

Run as a program it prints two times of ``time.monotonic``: of the first paint and of the first decode.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLAIN = "import PySide6.QtWidgets, pyqtgraph, time; print(time.monotonic())"


def seconds_to(command: list[str], compiled: str) -> list[float]:
    """Seconds from starting a command to each of the times that it prints. compiled: the folder of what
    Python keeps of modules that it has compiled, as it does wherever nobody forbids it."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = compiled
    begin = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return [float(x) - begin for x in done.stdout.split()]


def measure(rounds: int = 5) -> dict[str, float]:
    """Medians over rounds that take turns, after one round that compiles, and warms the disk's cache."""
    plain, painted, decoded = [], [], []
    with tempfile.TemporaryDirectory() as compiled:
        for i in range(rounds + 1):
            (imports,) = seconds_to([sys.executable, "-c", PLAIN], compiled)
            first, hover = seconds_to([sys.executable, "-m", "benchmarks.startup"], compiled)
            if i:
                plain.append(imports)
                painted.append(first)
                decoded.append(hover - first)
    middle = rounds // 2
    return {
        "imports": sorted(plain)[middle],
        "first paint": sorted(painted)[middle],
        "ratio": sorted(painted)[middle] / sorted(plain)[middle],
        "paint to decode": sorted(decoded)[middle],
    }


def main() -> None:
    """Open the window as the console script does, hover, and leave at the first decoded picture."""
    from explorer.threads import import_plainly, load_at_once, share_cores

    share_cores()
    load_at_once()
    import_plainly()
    from PySide6.QtCore import QPointF, QTimer
    from PySide6.QtGui import QMouseEvent, Qt
    from PySide6.QtWidgets import QApplication

    from explorer.app import Program
    from explorer.style.theme import apply

    app = QApplication(sys.argv[:1])
    apply(app)
    with tempfile.TemporaryDirectory() as home:
        program = Program(Path(home))
        program.window.resize(1440, 900)  # the offscreen screen is smaller
        view = program.window.map.canvas.viewport()

        def hover(_: object) -> None:
            at = QPointF(view.width() / 2, view.height() / 2)
            none, move = Qt.MouseButton.NoButton, QMouseEvent.Type.MouseMove
            event = QMouseEvent(move, at, view.mapToGlobal(at), none, none, Qt.KeyboardModifier.NoModifier)
            event.setTimestamp(1)
            QApplication.postEvent(view, event)

        def painted(tag: object) -> None:
            if tag == 1:
                print(time.monotonic(), flush=True)
                program.window.cursor_panel.picture.painted.disconnect(painted)
                QTimer.singleShot(0, program.window.close)

        program.window.first_painted.connect(lambda: print(time.monotonic(), flush=True))
        program.session.run_changed.connect(hover)
        program.window.cursor_panel.picture.painted.connect(painted)
        program.window.show()
        app.exec()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
    else:
        main()

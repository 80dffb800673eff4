"""The README's picture, made by the program: ``python -m benchmarks.picture FILE.png``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from explorer.threads import share_cores


def main(path: str) -> None:
    """Open the shipped run, hold a point, and save what the window shows."""
    share_cores()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtWidgets import QApplication

    from benchmarks.window import wait
    from explorer.app import Program
    from explorer.theme import apply, theme

    app = QApplication(sys.argv[:1])
    apply(app)
    with tempfile.TemporaryDirectory() as home:
        program = Program(Path(home))
        theme().set("dark")
        program.window.resize(1440, 900)
        program.window.show()
        wait(lambda: program.session.encodings is not None, 60)
        program.session.set_point(program.session.plane.to_space([[-0.9, 0.05]])[0])
        rows = program.window.cursor_panel.datum_rows
        wait(lambda: rows.value("gap") != "–", 20)
        wait(lambda: False, 2.0)
        program.window.grab().save(path)
        program.window.close()


if __name__ == "__main__":
    main(sys.argv[1])

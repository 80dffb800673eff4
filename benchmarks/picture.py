"""The README's pictures, made by the program: ``python -m benchmarks.picture FOLDER``."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.window import wait
from explorer.threads import share_cores

SIZE = 1280, 800
STEPS = 3000  # of the flow


@contextmanager
def program(theme_name: str, path: str | None = None) -> Iterator[Any]:
    """The program, open on a run; it ends with the block."""
    from explorer.app import Program
    from explorer.style.theme import theme

    with tempfile.TemporaryDirectory() as home:
        made = Program(Path(home), path)
        theme().set(theme_name)
        made.window.resize(*SIZE)
        made.window.show()
        wait(lambda: made.session.run is not None and made.session.model is not None, 60)
        try:
            yield made
        finally:
            made.window.close()


def rest(seconds: float) -> None:
    """Let the program work."""
    wait(lambda: False, seconds)


def explore(folder: Path) -> None:
    """The latent map of the shipped run, with a datum scored."""
    with program("dark") as made:
        wait(lambda: made.session.encodings is not None, 60)
        made.session.set_point(made.session.plane.to_space([[-0.9, 0.05]])[0])
        rows = made.window.cursor_panel.datum_rows
        wait(lambda: rows.value("gap") != "–", 20)
        rest(2.0)
        made.window.grab().save(str(folder / "window.png"))


def path(folder: Path) -> None:
    """The shortest path between two pins over the magnification, with its film."""
    from explorer.state import MapSpec, PathSpec, Pin

    with program("light") as made:
        wait(lambda: made.session.encodings is not None, 60)
        pins = (Pin("zero", (-1.6, 1.1)), Pin("seven", (1.7, -1.1)))
        state = made.session.state
        made.session.apply(
            replace(state, pins=pins, map=MapSpec(field="magnification"), path=PathSpec("shortest")),
            "show a path",
        )
        made.window.docks["path"].raise_()
        rest(12.0)
        made.window.grab().save(str(folder / "path.png"))


def datum(folder: Path) -> None:
    """One datum's exact posterior, and its two gaps."""
    with program("light") as made:
        wait(lambda: made.session.encodings is not None, 60)
        made.window.docks["datum"].raise_()
        made.session.set_point(made.session.plane.to_space([[0.6, -0.9]])[0])
        panel = made.window.suited["datum"]
        wait(lambda: panel.found is not None and panel.found.complete, 60)
        rest(3.0)
        made.window.grab().save(str(folder / "datum.png"))


def flow(folder: Path) -> None:
    """A flow on its way from data to base density."""
    from backends.data import open_data
    from backends.run import Run

    with tempfile.TemporaryDirectory() as place:
        run = Run.start("nsf", open_data("two-moons"), {})
        for _ in range(STEPS):
            run.step()
        file = str(Path(place) / "flow.safetensors")
        run.save(file)
        with program("dark", file) as made:
            state = made.session.state
            half = float(made.session.model.times[len(made.session.model.times) // 2])
            made.session.apply(replace(state, flow=replace(state.flow, time=half)), "move the slider")
            rest(10.0)
            made.window.grab().save(str(folder / "flow.png"))


def main(folder: str) -> None:
    """All of them."""
    share_cores()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtWidgets import QApplication

    from explorer.style.theme import apply

    apply(QApplication(sys.argv[:1]))
    for make in (explore, path, datum, flow):
        make(Path(folder))


if __name__ == "__main__":
    main(sys.argv[1])

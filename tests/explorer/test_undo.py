"""Everything that is set can be taken back and set again: in the state, and in what every control shows."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QWidget,
)

from explorer.state import (
    BayesSpec,
    BoundSpec,
    DataSpec,
    MapSpec,
    PathSpec,
    Pin,
    PlaneSpec,
    State,
)
from tests.runs import saved_run

PINS = tuple(
    Pin(name, z) for name, z in zip("ABC", ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)), strict=True)
)
AXES = PlaneSpec("coordinates")
#: What a run is of, what is set before, and the fields of the state that its window has controls for.
RUNS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], str]] = {
    "a map": (
        "vae", "digits", {"width": 16, "depth": 1, "latent_dim": 3},
        {"map": MapSpec(plane=AXES), "pins": PINS, "path": PathSpec("straight")},
        "run.data run.model run.values run.device run.seed run.steps map.plane.kind map.plane.i map.plane.j "
        "map.plane.offsets map.field map.opacity map.sliders map.points map.colour map.prior pins path.kind "
        "path.a path.b film.frames film.spacing film.speed film.play samples.shown curves.split curves.iwae "
        "curves.terms curves.batches history.memory history.seconds history.loop traversals colours theme "
        "autosave closed shared",
    ),
    "a map on pins": (
        "vae", "digits", {"width": 16, "depth": 1, "latent_dim": 3},
        {"map": MapSpec(plane=PlaneSpec("pins", pins=("A", "B", "C"))), "pins": PINS},
        "map.plane.pins",
    ),
    "a mixture": (
        "gmm", "digits", {"components": 3},
        {"data": DataSpec(plane=AXES), "bounds": BoundSpec(along="parameter", plane=AXES)},
        "run.tolerance run.backend data.plane.kind data.plane.i data.plane.j data.colour data.field "
        "data.points data.contours data.ellipses data.paths em.pace em.recent em.terms em.restarts "
        "bounds.shown bounds.along bounds.parameter bounds.successive bounds.plane.kind bounds.plane.i "
        "bounds.plane.j selection.low selection.high selection.step selection.restarts clusters.split",
    ),
    "two planes": ("ppca", "two-moons", {}, {}, "canvas"),
    "a flow": (
        "cnf", "two-moons", {"width": 16}, {},
        "flow.field flow.contours flow.grid flow.data flow.samples flow.arrows flow.curves flow.time",
    ),
    "Bayes": (
        "bayesian-linear-regression", "noisy-line", {"degree": 3}, {"bayes": BayesSpec(0, 1)},
        "bayes.i bayes.j bayes.focus bayes.pace",
    ),
}  # fmt: skip
#: Fields that no control sets by itself: a path's points are drawn; planes of pins and those that are moved
#: along what they leave out are of latent space.
WITHOUT = {"path.points"} | {
    f"{part}.plane.{name}" for part in ("data", "bounds") for name in ("pins", "offsets")
}
#: Values that do not follow from the field.
OTHERS: dict[str, Any] = {
    "run.data": "pinwheel",
    "run.model": "ppca",
    "run.backend": "another",
    "run.values": {"width": 24},
    "run.device": "cuda:7",
    "run.tolerance": 1e-3,
    "map.colour": "plain",
    "map.opacity": 0.5,
    "path.a": "B",
    "path.b": "A",
    "path.points": ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
    "pins": PINS[:2],
    "samples.shown": "between",
    "closed": ("samples", "pins"),
    "flow.curves": "terms",
    "flow.time": 0.5,
    "bayes.i": 2,
    "bayes.j": 3,
    "bayes.pace": 1,
}  # fmt: skip
OTHER_IN = {"offsets": (1.0,), "pins": ("A", "C", "B"), "i": 2, "j": 2}  # of any plane


def leaves(part: Any, path: str = "") -> Iterator[str]:
    """The fields of a tree of dataclasses, by their paths."""
    for field in fields(part):
        value, name = getattr(part, field.name), f"{path}{field.name}"
        if is_dataclass(value):
            yield from leaves(value, f"{name}.")
        else:
            yield name


def with_another(part: Any, path: str, whole: str) -> Any:
    """The tree with another value in the field of this path."""
    name, _, rest = path.partition(".")
    now = getattr(part, name)
    if rest:
        return replace(part, **{name: with_another(now, rest, whole)})
    choices = next(field for field in fields(part) if field.name == name).metadata.get("valid")
    if whole in OTHERS:
        value = OTHERS[whole]
    elif isinstance(part, PlaneSpec) and name in OTHER_IN:
        value = OTHER_IN[name]
    elif isinstance(now, bool):
        value = not now
    elif isinstance(now, int) and not hasattr(choices, "__self__"):
        value = now + 1
    else:
        value = next(choice for choice in choices.__self__ if choice != now)
    assert value != now
    return replace(part, **{name: value})


def shown(window: QWidget) -> dict[str, Any]:
    """What every control of the window and of its dialogs shows."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # the form of another model
    found: dict[str, Any] = {}
    for widget in (*window.findChildren(QWidget), *window.findChildren(QAction)):
        text = widget.text() if isinstance(widget, QAbstractButton | QAction) else widget.accessibleName()
        value: Any
        if isinstance(widget, QAbstractButton | QAction) and widget.isCheckable():
            value = widget.isChecked()
        elif isinstance(widget, QAbstractSlider) and not isinstance(widget, QScrollBar):
            value = widget.value()
        elif isinstance(widget, QComboBox):
            value = widget.currentText()
        elif isinstance(widget, QLineEdit):
            value = widget.text()
        elif isinstance(widget, QAbstractItemView) and widget.accessibleName() == "Pins":
            value = [str(widget.model().index(row, 0).data()) for row in range(widget.model().rowCount())]
        else:
            continue
        names = [type(widget).__name__, widget.objectName(), text, type(widget.parent()).__name__]
        found.setdefault(" ".join(names), []).append(value)
    return found


def test_every_field_of_the_state_has_a_control():
    walked = [path for *_, paths in RUNS.values() for path in paths.split()]
    assert sorted([*walked, *WITHOUT]) == sorted(leaves(State()))


@pytest.mark.parametrize("name", RUNS)
def test_what_is_set_is_taken_back_and_set_again(start, tmp_path, name):
    kind, data, values, before, paths = RUNS[name]
    program = start(saved_run(tmp_path / "run.safetensors", kind, data, values, steps=1))
    program.wait_for_run()
    session, edit = program.session, program.window.commands
    session.begin(replace(session.state, **before))
    if "offsets" in paths:
        program.until(lambda: session.plane.left_out is not None)  # which the encodings tell
    if "shared" in paths:
        program.trigger("beside")
    if "autosave" in paths:
        program.trigger("preferences")
    for path in paths.split():
        old, seen = session.state, shown(program.window)
        new = with_another(old, path, path)
        session.apply(new, f"change {path}")
        there = shown(program.window)
        assert there != seen, f"no control shows {path}"
        assert edit["undo"].text() == f"Undo change {path}"
        session.undo()
        assert session.state == old
        assert shown(program.window) == seen, path
        assert edit["redo"].text() == f"Redo change {path}"
        session.redo()
        assert session.state == new
        assert shown(program.window) == there, path
        session.undo()

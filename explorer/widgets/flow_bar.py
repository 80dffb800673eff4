"""Around a flow's two planes: what is drawn, the way from x to z, and the gauges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QWidget

from backends.base import Array
from explorer.state import FlowSpec
from explorer.studies.flow import Gauges
from explorer.style.theme import theme
from explorer.widgets.form import Choice
from explorer.widgets.slider import Motion, Slider
from explorer.widgets.values import APART, LiveLabel, format_number
from explorer.widgets.wrapping import Wrapping

FIELDS = (
    ("density", "density", "p of what the data have become here; at the left end p(x)."),
    ("divergence", "divergence", "∇·f(·, t): warm where the motion spreads out, cool where it gathers."),
    ("nothing", "nothing", "No field."),
)
LAYERS = (
    ("contours", "contours", "Of the density, r²/2 nats below the highest in view, r = 1 … 4."),
    ("grid", "grid", "Squares of z, coloured by log|det ∂x/∂z|: cool where they shrink on their way to x."),
    ("data", "data", "Training rows."),
    ("samples", "samples", "Draws of the base density, carried back."),
    ("arrows", "arrows", "The velocity f(·, t) of a continuous flow."),
)
TICKS = 1000  # positions of the slider
SECONDS = 4.0  # from one end to the other, when it plays


class FlowBar(QWidget):
    """``chosen`` carries the FlowSpec that the user asks for."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._spec = FlowSpec()
        self.field = Choice(self)
        self.field.setAccessibleName("Field")
        self.field.setToolTip("What is drawn behind all else in x")
        self.field.setFixedWidth(112)
        self.field.activated.connect(self._changed)
        label = QLabel("Field", self)
        label.setProperty("role", "muted")
        row = Wrapping((label, self.field), self, gap=10)
        self.boxes: dict[str, QCheckBox] = {}
        for name, text, tip in LAYERS:
            box = self.boxes[name] = QCheckBox(text, self)
            box.setToolTip(tip)
            box.clicked.connect(self._changed)
            row.addWidget(box)
        self.offer(False)

    def offer(self, continuous: bool) -> None:
        """Offer what this flow has to show."""
        entries = [e for e in FIELDS if continuous or e[0] != "divergence"]
        self.field.clear()
        for name, text, tip in entries:
            self.field.addItem(text, name)
            self.field.setItemData(self.field.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.boxes["arrows"].setVisible(continuous)
        self.show_spec(self._spec)

    def show_spec(self, spec: FlowSpec) -> None:
        """Show what is chosen."""
        self._spec = spec
        self.field.setCurrentIndex(max(self.field.findData(spec.field), 0))
        for name, box in self.boxes.items():
            box.setChecked(getattr(spec, name))

    def _changed(self, _: object) -> None:
        chosen: dict[str, Any] = {name: box.isChecked() for name, box in self.boxes.items()}
        if self.sender() is self.field:
            chosen["field"] = self.field.currentData()
        self.chosen.emit(replace(self._spec, **chosen))


class TimeSlider(QWidget):
    """From x at the left to z at the right, layer by layer or at any moment. ``moved`` carries the time."""

    moved = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._times: Array = np.array([0.0, 1.0])
        self._continuous = False
        self.play = QPushButton("Travel", self)
        self.play.setToolTip("Play the way from x to z, and back")
        self.slider = Slider(self)
        self.slider.setRange(0, TICKS)
        self.slider.setPageStep(TICKS // 10)
        self.slider.setAccessibleName("How far on the way from x to z")
        self.slider.setToolTip("Drag from x to z: grid, data, samples and density travel along.")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.play)
        for text in ("x", None, "z"):
            if text is None:
                row.addWidget(self.slider, 1)
            else:
                end = QLabel(text, self)
                end.setProperty("role", "muted")
                row.addWidget(end)
        self._motion = Motion(self.slider, SECONDS, self)
        self.play.clicked.connect(self._motion.toggle)
        self._motion.running.connect(self._show_running)
        self.slider.sliderPressed.connect(self._motion.stop)
        self.slider.valueChanged.connect(self._moved)

    def set_stations(self, times: Array, continuous: bool) -> None:
        """The stations (T,) of the flow, which a slider of layers goes by with the keys."""
        self._times, self._continuous = times, continuous
        self.slider.setSingleStep(1 if continuous else max(TICKS // (len(times) - 1), 1))

    def show_time(self, time: float) -> None:
        """Stand at a time."""
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(time * TICKS))

    def describe(self, time: float) -> str:
        """What lies at a time."""
        if time == 0.0:
            return "x"
        if time == 1.0:
            return "z"
        if self._continuous:
            return f"t = {time:.2f}"
        return f"layer {time * (len(self._times) - 1):.1f} of {len(self._times) - 1}".replace(".0 ", " ")

    def _show_running(self, running: bool) -> None:
        self.play.setText("Stop" if running else "Travel")

    def _moved(self, value: int) -> None:
        self.moved.emit(value / TICKS)


GAUGES = {
    "mass": (
        "mass",
        "∫ p(x) dx over the rectangle in view, by the midpoint rule; ± is the difference of two resolutions. "
        "A density has no more than 1, and as much as the share of the flow's samples that lie in view: "
        "where all do, it is close to 1.",
    ),
    "inverse": (
        "inverse error",
        "max ‖g(f(x)) − x‖ over held-out rows: there and back again, in the data's units.",
    ),
    "solver": (
        "solver error",
        "Mean change of log p(x) over held-out rows when the solver's step is halved, in nats. A flow can "
        "learn to cheat a coarse solver; where this is large its likelihood is not to be believed.",
    ),
}
MOST_MASS, MOST_OFF, MOST_INVERSE, MOST_SOLVER = 1.01, 0.02, 1e-3, 0.01


class GaugeStrip(QWidget):
    """Some gauges of the model on show, by their names; red when wrong."""

    def __init__(self, names: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        self.values: dict[str, LiveLabel] = {}
        self.wrong: dict[str, bool] = dict.fromkeys(names, False)
        for name in names:
            text, tip = GAUGES[name]
            value = self.values[name] = LiveLabel(self)
            value.setToolTip(tip)
            value.setAccessibleName(text)
            row.addWidget(value, 1)
        self._found: Gauges | None = None
        theme().changed.connect(self._retint)
        self.show_gauges(None)

    def _retint(self, *_: Any) -> None:
        self.show_gauges(self._found)

    def show_gauges(self, found: Gauges | None) -> None:
        """None where there are none yet."""
        self._found = found
        shown: dict[str, tuple[str, bool]] = dict.fromkeys(GAUGES, ("–", False))
        error = ""
        if found is not None:
            off = abs(found.mass - found.inside) - found.mass_error - 3 * found.inside_error
            bad = found.mass - found.mass_error > MOST_MASS or not off <= MOST_OFF
            error = f"± {found.mass_error:.1g}" if found.mass_error >= 5e-4 else ""
            shown["mass"] = (format_number(found.mass, 3), bad)
            shown["inverse"] = (_format_error(found.inverse), not found.inverse <= MOST_INVERSE)
            if found.solver is not None:
                shown["solver"] = (_format_error(found.solver), not found.solver <= MOST_SOLVER)
        tokens = theme().tokens
        for name in self.values:
            text, bad = shown[name]
            self.wrong[name] = bad
            colour = tokens.danger if bad else tokens.text
            sign = "⚠ " if bad else ""
            whole = f"{GAUGES[name][0]} <span style='color:{colour}'>{sign}{text}</span>"
            self.values[name].setText(f"{whole}{APART}{error}" if name == "mass" and error else whole)


def _format_error(error: float) -> str:
    """Two digits of what is small or large."""
    return f"{error:.1e}" if 1000 <= error < math.inf else format_number(error, 3 if error >= 0.1 else 1)

"""How seconds grow with a size: curves on two logarithmic axes, on which a power is a straight line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PySide6.QtWidgets import QWidget

from explorer.plots.curves import CurvePlot, Points
from explorer.plots.items import Axis
from explorer.plots.legend import position
from explorer.plots.series import write_csv
from explorer.widgets.values import format_number

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def duration(seconds: float, digits: int = 1) -> str:
    """Seconds in the largest unit of which there is one at least: "2.8 µs"."""
    size, unit = next((u for u in _UNITS if seconds >= 0.9995 * u[0]), _UNITS[-1])
    return f"{format_number(seconds / size, digits)} {unit}"


class _Sizes(Axis):
    """Powers of two, at whole numbers."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [format_number(round(2**v)) if v >= 0 else "" for v in values]


class _Durations(Axis):
    """Powers of ten, at whole numbers."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [duration(10.0**v, 0) for v in values]


class GrowthPlot(CurvePlot):
    """Seconds over sizes: what is drawn, and what the signals carry, is log₁₀ of the one over log₂ of the
    other."""

    def __init__(self, parent: QWidget | None = None, *, placeholder: str = "") -> None:
        self._measured: dict[str, Points] = {}
        super().__init__(parent, placeholder=placeholder, unit="m")
        self._item.setContentsMargins(0, 0, 16, 0)  # half of the last size

    def set_seconds(self, measured: Mapping[str, Points]) -> None:
        """Points of sizes and seconds, both positive, by the keys of the series."""
        self._measured = dict(measured)
        self.set_points({key: Points(np.log2(p.steps), np.log10(p.values)) for key, p in measured.items()})

    def save_csv(self, path: str | Path) -> None:
        """All curves as a table, in seconds."""
        write_csv(path, self._measured, self._unit)

    def _axes(self, whole: bool) -> dict[str, Axis]:
        axes: dict[str, Axis] = {
            "left": _Durations("left", whole=True),
            "bottom": _Sizes("bottom", whole=True),
        }
        axes["left"].room, axes["bottom"].room = 24, 40
        axes["bottom"].setStyle(hideOverlappingLabels=False)  # the last one is half outside
        return axes

    def _text(self, value: float | None, digits: int) -> str:
        return format_number(value) if value is None or math.isnan(value) else duration(10.0**value, digits)

    def _when(self, step: float) -> str:
        return f"{self._unit}&nbsp;=&nbsp;{position(2.0**step)}"

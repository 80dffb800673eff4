"""Densities over one axis: curves, marks on them, and rows as ticks along it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from backends.base import Array
from explorer.plots.marks import MarksItem
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.plots.series import Series
from explorer.style.theme import theme

TOP = 8  # logical pixels above the picture: half of a number at the top of the axis
_RUG = 0.1  # of the greatest density: the room below zero for the ticks


class DensityPlot(PlaneCanvas):
    """The horizontal axis pans and zooms; the vertical one follows the greatest density.

    series: the curves, the first on top.
    """

    def __init__(self, name: str, series: Sequence[Series], parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self.box.setAspectLocked(False)
        self.box.setMouseEnabled(x=True, y=False)
        self.getPlotItem().setContentsMargins(0, TOP, 0, 0)
        self._series = series
        self.curves = {s.key: pg.PlotCurveItem(antialias=True) for s in series}
        self.marks = MarksItem(drop=True)
        self.rug, self.newest = pg.PlotCurveItem(connect="pairs"), pg.PlotCurveItem(connect="pairs")
        self._rows: Array | None = None
        for z, item in enumerate((*reversed(self.curves.values()), self.rug, self.newest, self.marks)):
            item.setZValue(z)
            self.addItem(item, ignoreBounds=True)
        theme().changed.connect(self._recolour)
        self._recolour()

    def set_curves(self, x: Array, values: Mapping[str, Array]) -> None:
        """Draw each curve's values (m,) at x (m,), ascending, and bring the greatest into view."""
        top = 0.0
        for key, y in values.items():
            self.curves[key].setData(x, y)
            finite = y[np.isfinite(y)]
            top = max(top, float(finite.max(initial=0.0)))
        below = 0.0 if self._rows is None else _RUG * top
        self.box.setYRange(-below, 1.08 * top or 1.0, padding=0)
        if self._rows is not None:
            for item, rows, share in ((self.rug, self._rows[:-1], 0.6), (self.newest, self._rows[-1:], 1.0)):
                item.setData(rows.repeat(2), np.tile([-0.1 * below, -(0.1 + 0.8 * share) * below], len(rows)))

    def set_rows(self, x: Array) -> None:
        """From the next curves on show rows (n,) as ticks below zero, the last one larger."""
        self._rows = x

    def set_range(self, low: float, high: float) -> None:
        """Show this part of the axis."""
        self.box.setXRange(low, high, padding=0.02)

    def legend(self) -> str:
        """Rich text: a stroke and the label of each curve."""
        return " &nbsp; ".join(legend_entry(s) for s in self._series)

    def _recolour(self) -> None:
        tokens = theme().tokens
        for series in self._series:
            self.curves[series.key].setPen(series_pen(series))
        self.rug.setPen(pg.mkPen(QColor(tokens.muted), width=1))
        self.newest.setPen(pg.mkPen(QColor(tokens.danger), width=2))


def series_colour(series: Series) -> QColor:
    """A series' colour in the theme of the moment."""
    own = series.colour
    return QColor(own if isinstance(own, str) else theme().tokens.curve(own))


def series_pen(series: Series) -> object:
    """The pen of a series in the theme of the moment."""
    return pg.mkPen(series_colour(series), width=series.width, dash=[5, 4] if series.dashed else None)


def legend_entry(series: Series) -> str:
    """Rich text: a stroke, dashed where the curve is, and the label, in which _MAP is a subscript."""
    stroke = "╌╌" if series.dashed else "━"
    colour = series_colour(series).name()
    label = escape(series.label).replace("_MAP", "<sub>MAP</sub>")
    return f'<span style="color:{colour}">{stroke}</span>&nbsp;{label}'

"""A regression on the plane of its data: rows, what is predicted between them, and curves of single θ."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from backends.base import Array
from explorer.plots.canvas import CursorItem, PointsItem
from explorer.plots.densities import TOP, legend_entry, series_colour, series_pen
from explorer.plots.items import polygon, ring, wash
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.plots.series import Series
from explorer.studies.posterior import DRAWS, PlanePrediction
from explorer.style.theme import theme

MEAN = Series("mean", "p(y|x, X): mean ± 2 std", 0)
PLUG_IN = Series("plug-in", "p(y|x, θ_MAP): the same", 1, dashed=True, width=1.5)
CURVE = Series("curve", f"{DRAWS} draws of θ", 4, width=1)


class RegressionPlot(PlaneCanvas):
    """The band is the predictive mean ± 2 standard deviations, the dashed lines those of the plug-in."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self.box.setAspectLocked(False)
        self.getPlotItem().setContentsMargins(0, TOP, 0, 0)
        item = self.getPlotItem()
        self.band = polygon(item, -20)
        self.draws = [pg.PlotCurveItem(antialias=True) for _ in range(DRAWS)]
        self.plug_in = [pg.PlotCurveItem(antialias=True) for _ in range(3)]
        self.mean = pg.PlotCurveItem(antialias=True)
        self.rows, self.newest = PointsItem(6.0), CursorItem()
        self.newest.hide()
        for z, each in enumerate((*self.draws, *self.plug_in, self.mean, self.rows, self.newest)):
            each.setZValue(z)
            self.addItem(each, ignoreBounds=True)
        theme().changed.connect(self._recolour)
        self._recolour()

    def set_rows(self, rows: Array) -> None:
        """Rows (x, y), (n, 2), the last of which is ringed."""
        self.rows.set_points(rows, None)
        self.newest.setVisible(len(rows) > 0)
        if len(rows):
            self.newest.setPos(float(rows[-1, 0]), float(rows[-1, 1]))

    def set_prediction(self, p: PlanePrediction) -> None:
        """Draw what is predicted."""
        self.mean.setData(p.x, p.mean)
        self.band.setPolygon(ring(p.x, p.mean - 2 * p.std, p.x, p.mean + 2 * p.std))
        for curve, spread in zip(self.plug_in, (0, -2, 2), strict=True):
            curve.setData(p.x, p.plug_in_mean + spread * p.plug_in_std)
        for curve, y in zip(self.draws, p.curves, strict=True):
            curve.setData(p.x, y)

    def frame(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        """Show this rectangle."""
        self.box.setRange(xRange=x, yRange=y, padding=0)

    def legend(self) -> str:
        """Rich text: what each line is."""
        return " &nbsp; ".join(legend_entry(s) for s in (MEAN, PLUG_IN, CURVE))

    def _recolour(self) -> None:
        tokens = theme().tokens
        self.mean.setPen(series_pen(MEAN))
        self.band.setBrush(wash(series_colour(MEAN).name(), 0.16))
        for curve in self.plug_in:
            curve.setPen(series_pen(PLUG_IN))
        faint = series_colour(CURVE)
        faint.setAlphaF(0.45)
        for curve in self.draws:
            curve.setPen(pg.mkPen(faint, width=CURVE.width))
        self.rows.set_colours([QColor(tokens.text)])
        self.newest.set_colours(QColor(tokens.danger), QColor(tokens.surface))


def frame_of(rows: Array, p: PlanePrediction) -> tuple[float, float]:
    """Values of y that show the rows and most of the band, with a margin."""
    std = np.where(np.isfinite(p.std), p.std, 0.0)
    ends = [p.mean - 2.5 * std, p.mean + 2.5 * std]
    y = np.concatenate([p.mean, rows[:, 1]])
    low = min(float(np.quantile(ends[0], 0.1)), float(y.min()))
    high = max(float(np.quantile(ends[1], 0.9)), float(y.max()))
    room = 0.04 * (high - low) or 1.0
    return low - room, high + room

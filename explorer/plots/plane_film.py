"""The decoded means of a path, where they are no pictures: a line in their plane."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from backends.base import Array
from explorer.plots.canvas import PointsItem
from explorer.plots.items import Axis
from explorer.style.theme import theme


class PlaneFilm(pg.PlotWidget):
    """The decoded means of a path as a line, over the data: the first two columns of what is no picture."""

    def __init__(self, parent: QWidget) -> None:
        axes = {side: Axis(side) for side in ("left", "bottom")}
        super().__init__(parent, axisItems=axes, enableMenu=False)
        self.setAccessibleName("Decoded means of the path")
        self.hideButtons()
        self.setAspectLocked(True)
        self.setMinimumSize(120, 80)
        self._mean = np.zeros((0, 2))
        self._data, self._line = PointsItem(3.0), pg.PlotCurveItem(antialias=True)
        self._dots = pg.ScatterPlotItem(size=5, pen=None, antialias=True)
        self._here = pg.ScatterPlotItem(size=10, antialias=True)
        for item in (self._data, self._line, self._dots, self._here):
            self.addItem(item, ignoreBounds=True)
        theme().changed.connect(self._retint)
        self._retint()

    def set_data(self, x: Array | None) -> None:
        """Rows (n, d) to draw behind, and the view that shows them."""
        xy = two(x) if x is not None else np.zeros((0, 2))
        self._data.set_points(xy, None)
        if len(xy):
            (x0, y0), (x1, y1) = np.quantile(xy, (0.002, 0.998), axis=0)
            self.setRange(xRange=(float(x0), float(x1)), yRange=(float(y0), float(y1)), padding=0.1)

    def set_path(self, mean: Array, frame: int) -> None:
        """The means (m, d), in their order."""
        self._mean = two(mean)
        self._line.setData(*self._mean.T)
        self._dots.setData(*self._mean.T)
        self.set_frame(frame)

    def set_frame(self, frame: int) -> None:
        """Mark one of them."""
        here = self._mean[frame : frame + 1]
        self._here.setData(here[:, 0], here[:, 1])

    def _retint(self, *_: Any) -> None:
        tokens = theme().tokens
        self.setBackground(None)
        for side in ("left", "bottom"):
            self.getAxis(side).tint(tokens.axis, tokens.muted, None)
        colour = QColor(tokens.muted)
        colour.setAlphaF(0.5)
        self._data.set_colours([colour])
        self._line.setPen(pg.mkPen(tokens.accent, width=1.5))
        self._dots.setBrush(QColor(tokens.accent))
        self._here.setBrush(QColor(tokens.danger))
        self._here.setPen(pg.mkPen(tokens.surface, width=1.5))


def two(x: Array) -> Array:
    """The first two columns of x (n, d); a single one lies on a line."""
    x = np.asarray(x, np.float64)
    return x[:, :2] if x.shape[1] > 1 else np.column_stack([x, np.zeros_like(x)])

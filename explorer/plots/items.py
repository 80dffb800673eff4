"""The graphics items of a curve plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QColor, QPen, QPolygonF
from PySide6.QtWidgets import QGraphicsPolygonItem

from backends.base import Array
from explorer.plots.series import Points, Series, shared_steps, stairs, thin
from explorer.style.theme import font, theme
from explorer.widgets.values import format_number

_LONG = 1500  # drawn points from which a curve gets a width-1 pen: a wider one costs 13 times as much
_MOST_MARKERS = 300


class Axis(pg.AxisItem):
    """A thin line with one level of ticks at 1, 2 or 5 times a power of ten, and a real minus sign."""

    def __init__(self, side: str, whole: bool = False) -> None:
        """whole: ticks only at whole numbers, as steps are."""
        super().__init__(side)
        self._whole = whole
        self.room = 44 if side == "left" else 110  # least pixels from tick to tick
        self.setStyle(
            tickFont=font(12),
            tickLength=0 if side == "left" else -4,
            tickTextOffset=8 if side == "left" else 5,
            tickTextWidth=32,
            tickAlpha=255,
            # What has been as wide as it is stays so: the picture must not jump when a label gets shorter.
            autoReduceTextSpace=False,
        )
        self.enableAutoSIPrefix(False)

    def tint(self, line: str, text: str, grid: str | None) -> None:
        """Colours of the axis, its labels, and the lines across the plot (None: only small ticks)."""
        self.setPen(QPen(QColor(line)))
        self.setTextPen(QColor(text))
        self.setTickPen(QPen(QColor(grid or line)))
        self.setGrid(255 if grid else False)

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, float]]:
        least = (maxVal - minVal) / max(size / min(self.room, max(size / 3, 48)), 1.0)
        if not (math.isfinite(least) and least > 0):
            return []
        power = 10.0 ** math.floor(math.log10(least))
        spacing = next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))
        closer = max(m * power for m in (0.5, 1, 2, 5) if m * power < spacing)
        if spacing > (maxVal - minVal) / 2 and closer * size / (maxVal - minVal) >= 0.4 * self.room:
            spacing = closer  # from one tick alone nobody reads how far anything is
        return [(max(spacing, 1.0) if self._whole else spacing, 0)]

    def setLabel(self, *args: Any, **kwargs: Any) -> None:
        super().setLabel(*args, **kwargs)
        self.resizeEvent()  # where a label is centred, which pyqtgraph leaves to the next change of size

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        digits = max(0, -math.floor(math.log10(spacing) + 1e-9))
        if spacing >= 1e6:
            return [format_number(float(v), 0) for v in values]
        return [format_number(round(v) if digits == 0 else round(v, digits) + 0.0, digits) for v in values]


class Curve:
    """One curve of a plot: its data, its line, its markers and its band."""

    def __init__(self, plot: pg.PlotItem) -> None:
        self.series = Series("", "")
        self.points = Points()
        self.visible = True
        self._line = pg.PlotCurveItem(antialias=True, connect="finite")
        self._dots = pg.ScatterPlotItem(size=6, pen=None, antialias=True)
        self._band = polygon(plot, -20)
        plot.addItem(self._line, ignoreBounds=True)
        plot.addItem(self._dots, ignoreBounds=True)

    def colour(self) -> str:
        """As "#rrggbb", in the theme of the moment."""
        own = self.series.colour
        return own if isinstance(own, str) else theme().tokens.curve(own)

    def remove(self, plot: pg.PlotItem) -> None:
        """Take everything off the plot."""
        for item in (self._line, self._dots, self._band):
            plot.removeItem(item)

    def raise_to(self, z: float) -> None:
        """Draw over what is lower."""
        self._line.setZValue(z)
        self._dots.setZValue(z)

    def tint(self) -> None:
        """Colours of the theme of the moment."""
        self._band.setBrush(wash(self.colour(), 0.14))
        self._dots.setBrush(QColor(self.colour()))

    def draw(self, low: float, high: float, pixels: int, ratio: float) -> None:
        """Give the items what lies between two steps, thinned to the pixels there are.

        ratio: device pixels a pixel; the pens of a plot count in the former.
        """
        for item in (self._line, self._dots, self._band):
            item.setVisible(self.visible)
        x, y = thin(self.points.steps, self.points.values, low, high, pixels)
        if self.series.tread:
            x, y = stairs(x, y, self.series.tread)
        style = Qt.PenStyle.DashLine if self.series.dashed else Qt.PenStyle.SolidLine
        width = self.series.width * ratio if len(x) < _LONG else 1
        self._line.setPen(pg.mkPen(self.colour(), width=width, style=style))
        self._line.setData(x, y)
        # a single point has no line to be seen by
        marked = len(x) == 1 or (self.series.markers and len(x) <= _MOST_MARKERS)
        self._dots.setData(x if marked else [], y if marked else [])
        if self.points.low is None or self.points.high is None:
            self._band.setPolygon(QPolygonF())
        else:
            bottom = thin(self.points.steps, self.points.low, low, high, pixels)
            top = thin(self.points.steps, self.points.high, low, high, pixels)
            self._band.setPolygon(ring(*top, *bottom))


@dataclass(frozen=True)
class Mark:
    """A point that is pointed out: a dot or a ring, and its name beside it. colour: as of a Series."""

    x: float
    y: float
    colour: int | str = 0
    label: str = ""
    ring: bool = False


class Marks:
    """The marks of a plot."""

    def __init__(self, plot: pg.PlotItem) -> None:
        self._plot = plot
        self._marks: tuple[Mark, ...] = ()
        self._dots = pg.ScatterPlotItem(size=9, antialias=True)
        self._dots.setZValue(50)
        self._names: list[pg.TextItem] = []
        plot.addItem(self._dots, ignoreBounds=True)

    @property
    def named(self) -> bool:
        """Does one of them have a name above it?"""
        return any(mark.label for mark in self._marks)

    def set(self, marks: Sequence[Mark]) -> None:
        """Show these and no others."""
        self._marks = tuple(m for m in marks if math.isfinite(m.y))
        self.tint()

    def tint(self) -> None:
        """Draw them in the colours of the theme of the moment."""
        tokens = theme().tokens
        for name in self._names:
            self._plot.removeItem(name)
        self._names, spots = [], []
        for mark in self._marks:
            colour = mark.colour if isinstance(mark.colour, str) else tokens.curve(mark.colour)
            brush = QColor(tokens.surface if mark.ring else colour)
            spots.append({"pos": (mark.x, mark.y), "pen": pg.mkPen(colour, width=1.5), "brush": brush})
            if mark.label:
                name = pg.TextItem(mark.label, color=tokens.muted, anchor=(0.5, 1.25))
                name.setFont(font(12))
                name.setPos(mark.x, mark.y)
                name.setZValue(50)
                self._plot.addItem(name, ignoreBounds=True)
                self._names.append(name)
        self._dots.setData(spots)


class Gap:
    """The shaded region between two curves of a plot, and its name; there while both of them are."""

    def __init__(self, plot: pg.PlotItem, upper: str, lower: str, label: str) -> None:
        self.upper, self.lower, self.label = upper, lower, label
        self._plot, self._polygon = plot, polygon(plot, -10)

    def remove(self) -> None:
        """Take it off the plot."""
        self._plot.removeItem(self._polygon)

    def ends(self, shown: Mapping[str, Curve]) -> tuple[Array, Array, Array] | None:
        """Steps that both curves have, and their values there; None where one of them is not shown."""
        if self.upper not in shown or self.lower not in shown:
            return None
        return shared_steps(shown[self.upper].points, shown[self.lower].points)

    def draw(self, shown: Mapping[str, Curve], low: float, high: float, pixels: int) -> None:
        """Draw what lies between two steps."""
        ends = self.ends(shown)
        self._polygon.setVisible(ends is not None)
        if ends is not None:
            top, bottom = (thin(ends[0], values, low, high, pixels) for values in ends[1:])
            if tread := shown[self.lower].series.tread:
                top, bottom = (stairs(*line, tread) for line in (top, bottom))
            self._polygon.setPolygon(ring(*top, *bottom))
            self._polygon.setBrush(wash(shown[self.lower].colour(), 0.16))


def polygon(plot: pg.PlotItem, z: float) -> QGraphicsPolygonItem:
    """An empty region without an outline, behind the curves, that does not count in the plot's range."""
    item = QGraphicsPolygonItem()
    item.setPen(QPen(Qt.PenStyle.NoPen))
    item.setZValue(z)
    plot.addItem(item, ignoreBounds=True)
    return item


def ring(x_up: Array, y_up: Array, x_down: Array, y_down: Array) -> QPolygonF:
    """The region between two lines; steps without a number are left out."""
    up, down = np.isfinite(y_up), np.isfinite(y_down)
    x = np.concatenate([x_up[up], x_down[down][::-1]])
    y = np.concatenate([y_up[up], y_down[down][::-1]])
    return pg.functions.arrayToQPolygonF(x, y) if len(x) else QPolygonF()


def wash(colour: str, opacity: float) -> QBrush:
    """A translucent fill."""
    out = QColor(colour)
    out.setAlphaF(opacity)
    return QBrush(out)

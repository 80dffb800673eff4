"""Curves over training steps: no box, thin axes, a faint grid, and values that can be read off."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QMouseEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from backends.base import Array
from explorer.plots import export
from explorer.plots.curve_menu import open_menu
from explorer.plots.items import Axis, Curve, Gap, Mark, Marks
from explorer.plots.legend import entry, overlay, position, show_beside, table
from explorer.plots.series import Points, Series, value_range, write_csv
from explorer.style.theme import theme
from explorer.widgets.values import difference, format_number

NAMED = 2.5  # times the usual room above the curves, where marks have names

__all__ = ["CurvePlot", "Mark", "Points", "Series"]


class CurvePlot(QWidget):
    """Curves that follow live data until the user zooms, and again after "Fit" or a double click.

    unit: what is counted along the horizontal axis; whole: only in whole numbers.
    hovered carries (step, {key: value}) of the visible curves at the step under the cursor, None outside.
    chosen carries the step of a click or of Enter.
    legend_changed carries the new :meth:`legend`, a text for the card's title whose links are for
    :meth:`toggle`.
    """

    hovered = Signal(object)
    chosen = Signal(object)
    legend_changed = Signal(object)

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        placeholder: str = "",
        digits: int = 2,
        unit: str = "step",
        whole: bool = True,
    ) -> None:
        super().__init__(parent)
        self._digits, self._unit = digits, unit
        self._values: tuple[float, float] | None = None  # shown in place of the curves' own range
        self._press: QPoint | None = None
        self._curves: dict[str, Curve] = {}
        self._gap: Gap | None = None
        self._follow = True
        self._cursor: float | None = None
        self._legend = ""
        self.setAccessibleName("Curves")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

        axes = self._axes(whole)
        self._plot = pg.PlotWidget(self, axisItems=axes, background=None, enableMenu=False)
        self._item = self._plot.getPlotItem()
        self._view = self._item.getViewBox()
        self._item.hideButtons()
        self._view.disableAutoRange()
        self._plot.setFrameShape(pg.PlotWidget.Shape.NoFrame)
        self._plot.setFocusProxy(self)
        self._plot.viewport().installEventFilter(self)
        self._plot.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._plot.customContextMenuRequested.connect(self._menu)
        for axis in axes.values():  # PlotItem lifts them above the curves; a grid belongs behind
            axis.setZValue(-1)
        self._line, self._moment = (pg.InfiniteLine(angle=90, movable=False) for _ in range(2))
        for line in (self._line, self._moment):
            line.hide()
            self._item.addItem(line, ignoreBounds=True)
        self._at: float | None = None  # the moment that is looked back at
        self._marks = Marks(self._item)

        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._plot)
        self._readout = overlay("readout", self)
        self._empty = overlay("placeholder", self)
        self._empty.setProperty("role", "muted")
        self._empty.setText(placeholder)

        self._view.sigRangeChanged.connect(self._redraw)
        self._view.sigResized.connect(self._redraw)
        self._view.sigRangeChangedManually.connect(self._let_go)
        theme().changed.connect(self._retint)
        self._retint()

    # -- what is drawn -------------------------------------------------------------------------

    def set_series(self, series: Sequence[Series]) -> None:
        """The curves in the legend's order, the first on top; those that were there keep their data."""
        kept = {s.key: self._curves.pop(s.key) for s in series if s.key in self._curves}
        for curve in self._curves.values():
            curve.remove(self._item)
        self._curves = {}
        for index, one in enumerate(series):
            curve = kept.get(one.key) or Curve(self._item)
            curve.series = one
            curve.raise_to(len(series) - index)
            self._curves[one.key] = curve
        self._retint()

    def set_points(self, points: Mapping[str, Points]) -> None:
        """What some of the curves show, by their keys: drawn, and the range found, once for all of them."""
        for key, these in points.items():
            self._curves[key].points = these
        self._changed()

    def set_gap(self, upper: str | None, lower: str | None = None, label: str = "") -> None:
        """Shade between two curves and name what lies there; None takes the shading away."""
        if self._gap is not None:
            self._gap.remove()
        self._gap = None if upper is None or lower is None else Gap(self._item, upper, lower, label)
        self._retint()

    def set_marks(self, marks: Sequence[Mark]) -> None:
        """Point out some points, over all curves; but for room for their names they do not count in the
        range."""
        self._marks.set(marks)
        if self._follow:
            self._fit()

    def set_values_shown(self, values: tuple[float, float] | None) -> None:
        """Fit the picture to these values, least and greatest; None: to those of the curves."""
        self._values = values
        if self._follow:
            self._fit()

    def set_moment(self, step: float | None) -> None:
        """Mark the step that is looked back at, of which the legend then tells; None: it is the newest."""
        self._moment.setVisible(step is not None)
        if step is not None:
            self._moment.setPos(step)
        if step != self._at:
            self._at = step
            self._changed()

    def set_unit(self, unit: str, label: str = "") -> None:
        """What is counted along the horizontal axis, and what is written under it."""
        self._unit = unit
        self._item.setLabel("bottom", label or None)

    def toggle(self, key: str) -> None:
        """Show or hide a curve; what a link of the legend stands for."""
        self._curves[key].visible = not self._curves[key].visible
        self._changed()

    def is_visible(self, key: str) -> bool:
        """Whether a curve is on show."""
        return self._curves[key].visible

    def legend(
        self, keys: Collection[str] | None = None, digits: int | None = None, values: bool = True
    ) -> str:
        """Rich text: a mark, a label and the last value of each curve; each links to its key.

        keys: only of these curves; the gap goes with its upper one. digits: of the values; by default those
        of the read-out. values: False for curves whose last value is not the one to know.
        """
        digits = self._digits if digits is None else digits
        tokens = theme().tokens
        parts = []
        for key, curve in self._curves.items():
            if keys is not None and key not in keys:
                continue
            text = escape(curve.series.label)
            if values:
                text += f"&nbsp;{self._text(self._told(curve.points.steps, curve.points.values), digits)}"
            colour, mark = (curve.colour(), "■") if curve.visible else (tokens.disabled, "□")
            ink = tokens.muted if curve.visible else tokens.disabled
            parts.append(entry(escape(key), colour, mark, ink, text))
        gap, ends = self._gap, None if self._gap is None else self._gap.ends(self._shown())
        if gap is not None and ends is not None and (keys is None or gap.upper in keys):
            upper, lower = (self._told(ends[0], values) for values in ends[1:])
            value = None if upper is None or lower is None else difference(upper, lower)
            text = f"{escape(gap.label)}&nbsp;{format_number(value, digits)}"
            parts.append(entry("", tokens.muted, "▨", tokens.muted, text))
        return " &nbsp; ".join(parts)

    def _told(self, steps: Array, values: Array) -> float | None:
        """The value of a curve that the legend tells: the last, up to the moment that is looked back at."""
        told = len(values) if self._at is None else int(np.searchsorted(steps, self._at, side="right"))
        return float(values[told - 1]) if told else None

    # -- what is seen --------------------------------------------------------------------------

    def fit(self) -> None:
        """Show everything, and follow live data again."""
        self._follow = True
        self._fit()

    @property
    def follows(self) -> bool:
        """Whether the picture follows live data: until the user zooms or pans."""
        return self._follow

    def view_range(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """((first step, last step), (least value, greatest value)) in view."""
        (x0, x1), (y0, y1) = self._view.viewRange()
        return (x0, x1), (y0, y1)

    def set_view_range(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        """Show a rectangle of the user's choice, and stop following."""
        self._follow = False
        self._view.setRange(xRange=x, yRange=y, padding=0)

    def position(self, step: float, value: float) -> QPoint:
        """Where a point of the plot lies in this widget."""
        at = self._plot.mapFromScene(self._view.mapViewToScene(QPointF(step, value)))
        return self._plot.viewport().mapTo(self, at)

    # -- taking it away ------------------------------------------------------------------------

    def save_csv(self, path: str | Path) -> None:
        """All curves as a table; see :func:`explorer.plots.series.write_csv`."""
        write_csv(path, {key: curve.points for key, curve in self._curves.items()}, self._unit)

    def save_png(self, path: str | Path) -> None:
        """The picture with its legend, at twice the screen's resolution; InputError on failure."""
        export.save_png(self._bare(), self.legend(), path)

    def save_svg(self, path: str | Path) -> None:
        """The picture with its legend as vectors; InputError on failure."""
        export.save_svg(self._bare(), self.legend(), path)

    def copy(self) -> None:
        """The picture with its legend to the clipboard."""
        QGuiApplication.clipboard().setImage(export.picture(self._bare(), self.legend()))

    # -- Qt ------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.legend_changed.emit(self.legend())  # whoever shows it may have come after the last change

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._empty.setGeometry(self.rect())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._move_cursor(1 if event.key() == Qt.Key.Key_Right else -1)
        elif event.key() in (Qt.Key.Key_Home, Qt.Key.Key_F):
            self.fit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._cursor is not None:
            self.chosen.emit(self._cursor)
        else:
            super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.MouseMove and isinstance(event, QMouseEvent):
            scene = self._plot.mapToScene(event.position().toPoint())
            inside = self._view.sceneBoundingRect().contains(scene)
            self._set_cursor(self._view.mapSceneToView(scene).x() if inside else None)
        elif event.type() == QEvent.Type.MouseButtonPress and isinstance(event, QMouseEvent):
            self._press = event.position().toPoint()
        elif event.type() == QEvent.Type.MouseButtonRelease and isinstance(event, QMouseEvent):
            self._released(event)
        elif event.type() == QEvent.Type.Leave:
            self._set_cursor(None)
        elif event.type() == QEvent.Type.MouseButtonDblClick:
            self.fit()
        return False

    # -- inside --------------------------------------------------------------------------------

    def _changed(self) -> None:
        filled = any(len(curve.points) for curve in self._curves.values())
        self._item.setVisible(filled)
        self._empty.setVisible(not filled)
        self._drawn = False
        if self._follow:
            self._fit()
        if not self._drawn:  # for another range
            self._redraw()
        self._set_cursor(self._cursor)
        legend = self.legend()
        if legend != self._legend:
            self._legend = legend
            self.legend_changed.emit(legend)

    def _shown(self) -> dict[str, Curve]:
        return {k: c for k, c in self._curves.items() if c.visible and len(c.points)}

    def _to_fit(self) -> list[Points]:
        """What is to be seen of the curves while they are followed."""
        return [curve.points for curve in self._shown().values()]

    def _fit(self) -> None:
        points = self._to_fit()
        values = self._values or value_range(points)
        if values is None or not points:
            return
        first, last = min(p.steps[0] for p in points), max(p.steps[-1] for p in points)
        size = max(abs(values[0]), 1.0)
        # values that differ by their rounding alone are one value, and its axis needs no 15 digits
        room = 0.06 * (values[1] - values[0] if values[1] - values[0] > 1e-9 * size else size)
        side, above = 0.02 * (last - first) or 1.0, NAMED if self._marks.named else 1.0
        self._view.setRange(
            xRange=(first - side, last + side), yRange=(values[0] - room, values[1] + above * room), padding=0
        )

    def _redraw(self) -> None:
        self._drawn = True
        (low, high), _ = self._view.viewRange()
        pixels = max(int(self._view.width()), 64)
        for curve in self._curves.values():
            curve.draw(low, high, pixels, self.devicePixelRatioF())
        if self._gap is not None:
            self._gap.draw(self._shown(), low, high, pixels)
        self._view.updateMatrix()  # else the next paint does it, and thereby asks for a second one

    def _released(self, event: QMouseEvent) -> None:
        at = event.position().toPoint()
        still = self._press is not None and (at - self._press).manhattanLength() < 4
        if still and event.button() == Qt.MouseButton.LeftButton:
            self._set_cursor(self._view.mapSceneToView(self._plot.mapToScene(at)).x())
            if self._cursor is not None:
                self.chosen.emit(self._cursor)
        self._press = None

    def _let_go(self, _: object) -> None:
        self._follow = False

    def _move_cursor(self, by: int) -> None:
        if shown := self._shown().values():
            steps = np.unique(np.concatenate([c.points.steps for c in shown]))
            here = steps[-1] if self._cursor is None else self._cursor
            index = int(np.abs(steps - here).argmin()) + (by if self._cursor is not None else 0)
            self._set_cursor(float(steps[np.clip(index, 0, len(steps) - 1)]))

    def _set_cursor(self, x: float | None) -> None:
        shown = self._shown()
        if x is None or not shown:
            if self._cursor is not None:
                self._cursor = None
                self._line.hide()
                self._readout.hide()
                self.hovered.emit(None)
            return
        sparse = min((c.points for c in shown.values()), key=len)  # the others are likelier to have its steps
        self._cursor = step = float(sparse.steps[sparse.nearest(x)])
        at = {key: curve.points.nearest(step) for key, curve in shown.items()}
        read = {key: float(shown[key].points.values[i]) for key, i in at.items()}
        self._line.setPos(step)
        self._line.show()
        self._say(step, {key: (float(shown[key].points.steps[i]), read[key]) for key, i in at.items()})
        self.hovered.emit((step, read))

    def _axes(self, whole: bool) -> dict[str, Axis]:
        return {"left": Axis("left"), "bottom": Axis("bottom", whole=whole)}

    def _text(self, value: float | None, digits: int) -> str:
        """A value as legend and read-out have it."""
        return format_number(value, digits)

    def _when(self, step: float) -> str:
        """What the read-out calls a place on the horizontal axis."""
        return f"{self._unit}&nbsp;{position(step)}"

    def _say(self, step: float, read: dict[str, tuple[float, float]]) -> None:
        """read: each curve's (step, value). One that has no point at this very step tells its own."""
        tokens = theme().tokens
        cells = []
        for key, (own, value) in read.items():
            curve = self._curves[key]
            other = "" if own == step else f' <span style="color:{tokens.muted}">at {position(own)}</span>'
            cells.append(
                f'<td><span style="color:{curve.colour()}">■</span> {escape(curve.series.label)}{other} </td>'
                f'<td align="right">{self._text(value, self._digits)} </td>'
            )
        self._readout.setText(table(self._when(step), cells))
        x = self._view.mapViewToScene(QPointF(step, 0)).x()
        show_beside(self._readout, x, self._view.sceneBoundingRect().toRect())

    def _retint(self) -> None:
        tokens = theme().tokens
        for side in ("left", "bottom"):
            self._item.getAxis(side).tint(tokens.axis, tokens.muted, tokens.grid if side == "left" else None)
        self._line.setPen(pg.mkPen(tokens.border_strong, width=1))
        dashes = Qt.PenStyle.DashLine
        self._moment.setPen(pg.mkPen(tokens.accent, width=self.devicePixelRatioF(), style=dashes))
        self._marks.tint()
        for curve in self._curves.values():
            curve.tint()
        self._changed()

    def _bare(self) -> pg.PlotWidget:
        """The plot without the cursor."""
        self._set_cursor(None)
        return self._plot

    def _menu(self, at: QPoint) -> None:
        open_menu(self, self._plot.viewport().mapToGlobal(at))

"""A flow of one column as it is drawn on a board: the map from x to z, below it p(x), and beside it p(z)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QPolygonF
from PySide6.QtWidgets import QVBoxLayout, QWidget

from backends.base import Array
from backends.capabilities import Bijects
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plots.items import polygon, wash
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.session import Session
from explorer.studies.flow_line import FlowLine, flow_line
from explorer.style.theme import theme
from explorer.widgets.values import format_number

HIGH = 0.24  # of the plot, that the greatest density of either side rises
LINES = (-2.0, -1.0, 0.0, 1.0, 2.0)  # of z, followed back to x: equal steps of z are no equal steps of x


class LinePanel(QWidget):
    """Follows the model, and the place on the axis that the session holds; the mouse sets it here, too."""

    status = Signal(object)

    def __init__(
        self, session: Session, exploration: Exploration, actions: Actions, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._exploration = session, exploration
        self.found: FlowLine | None = None
        self.canvas = PlaneCanvas("Map from x to z", self)
        self.canvas.box.setAspectLocked(False)
        self.canvas.box.setMouseEnabled(x=False, y=False)
        self.canvas.setLabel("bottom", "x")
        self.canvas.setLabel("left", "z")
        self.canvas.getAxis("left").room = 26  # there is not much height
        self.p_x, self.p_z = pg.PlotCurveItem(antialias=True), pg.PlotCurveItem(antialias=True)
        self.map = pg.PlotCurveItem(antialias=True)
        self.back, self.way = pg.PlotCurveItem(connect="finite"), pg.PlotCurveItem()
        self.below_p_z = polygon(self.canvas.getPlotItem(), -1)
        for z, item in enumerate((self.p_x, self.p_z, self.back, self.map, self.way)):
            item.setZValue(z)
            self.canvas.addItem(item, ignoreBounds=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)
        self._pace = Pace(self._request, interval=0.1, duty=0.15, parent=self)
        self.canvas.moved.connect(self._hovered)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.place_changed.connect(self._draw_way)
        theme().changed.connect(self._retint)
        self._retint()
        self._run_changed(None)

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """A flow of one column."""
        return isinstance(model, Bijects) and model.info.dim == 1

    def _run_changed(self, _: object) -> None:
        self._pace.reset()
        self._exploration.cancel("line")
        self.found = None
        for item in (self.p_x, self.p_z, self.map, self.back, self.way):
            item.setData([], [])
        self.below_p_z.setPolygon(QPolygonF())
        self._say()
        self._pace.poke()

    def _model_changed(self, _: object) -> None:
        self._pace.poke()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._pace.renew()

    def _request(self) -> bool:
        run, model = self._session.run, self._session.model
        if run is None or not self.suits(run, model) or not self.isVisible():
            return False
        rows = run.data.train.x if run.data is not None else np.zeros((0, 1), np.float32)
        self._exploration.request(
            "line",
            Priority.FIELD,
            lambda: flow_line(model, rows),
            self._draw,
            doing="draw the map from x to z",
            ended=self._pace.done,
        )
        return True

    def _draw(self, found: FlowLine) -> None:
        self.found = found
        (x0, x1), (z0, z1) = (found.x[0], found.x[-1]), (found.along[0], found.along[-1])
        z1 = max(z1, z0 + 1e-6)
        self.canvas.box.setRange(xRange=(x0, x1), yRange=(z0, z1), padding=0)
        self.p_x.setData(found.x, z0 + HIGH * (z1 - z0) * _level(found.p_x))
        self.p_x.setFillLevel(z0)
        out = x0 + HIGH * (x1 - x0) * _level(found.p_z)
        self.p_z.setData(out, found.along)
        corners = np.append(out, [x0, x0]), np.append(found.along, found.along[[-1, 0]])
        self.below_p_z.setPolygon(pg.functions.arrayToQPolygonF(*corners))
        self.map.setData(found.x, found.z)
        lines = [_corner(x0, z, x, z0) for z in LINES if (x := found.to_x(z)) is not None]
        gap = np.full((1, 2), np.nan)
        self.back.setData(*np.concatenate([part for line in lines for part in (line, gap)] or [gap]).T)
        self._draw_way(self._session.place)

    def _draw_way(self, place: Array | None) -> None:
        found = self.found
        x = float(place[0]) if place is not None and len(place) == 1 else None
        z = None if x is None or found is None else found.to_z(x)
        if found is None or x is None or z is None:
            self.way.setData([], [])
        else:
            self.way.setData(*_corner(found.x[0], z, x, found.along[0]).T)
        self._say(x if z is not None else None, z)

    def _say(self, x: float | None = None, z: float | None = None) -> None:
        marks = zip(self._colours(), ("z = f(x)", "p(x)", "p(z)"), strict=True)
        told = [f'<span style="color:{colour}">■</span>&nbsp;{text}' for colour, text in marks]
        if x is not None and z is not None:
            told.insert(0, f"{format_number(x, 2)} → {format_number(z, 2)}")
        self.status.emit(" &nbsp; ".join(told))

    def _hovered(self, move: tuple[tuple[float, float], int]) -> None:
        if self.found is not None:
            self._session.set_place(np.array([move[0][0]], np.float32))

    def _colours(self) -> tuple[str, str, str]:
        tokens = theme().tokens
        return tokens.text, tokens.curve(0), tokens.curve(1)

    def _retint(self, *_: object) -> None:
        tokens = theme().tokens
        line, of_x, of_z = self._colours()
        ratio = self.canvas.devicePixelRatioF()
        self.map.setPen(pg.mkPen(line, width=2 * ratio))
        for item, colour in ((self.p_x, of_x), (self.p_z, of_z)):
            item.setPen(pg.mkPen(colour, width=1.5 * ratio))
        self.p_x.setBrush(wash(of_x, 0.2))
        self.below_p_z.setBrush(wash(of_z, 0.2))
        self.back.setPen(pg.mkPen(QColor(tokens.border_strong), width=1, style=Qt.PenStyle.DotLine))
        self.way.setPen(pg.mkPen(QColor(tokens.danger), width=1.5 * ratio))
        self._draw_way(self._session.place)


def _level(p: Array) -> Array:
    """Densities (n,) as shares of the greatest."""
    finite = np.nan_to_num(p, posinf=0.0)
    return np.asarray(finite / max(float(finite.max(initial=0.0)), np.finfo(float).tiny))


def _corner(x0: float, z: float, x: float, z0: float) -> Array:
    """From the axis of z across to the map, and down to the axis of x: (3, 2)."""
    return np.array([[x0, z], [x, z], [x, z0]])

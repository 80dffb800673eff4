"""The data plane: the data, the model's density behind them, and what the model says of the point hovered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from backends.base import Array, LogProb
from explorer.compute import Exploration, Priority
from explorer.density import density
from explorer.pace import Pace
from explorer.plane import Plane, coordinate_plane, principal_plane
from explorer.plots.canvas import FieldItem, PointsItem
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.session import Session
from explorer.theme import theme
from explorer.view import Picture
from explorer.widgets.values import format_number

MOST_POINTS = 4_000  # drawn; more are thinned evenly


def data_plane(x: Array, columns: tuple[str, ...]) -> Plane:
    """Two columns are the plane itself; of more, the principal directions; one lies along the first axis."""
    if x.shape[1] > 2:
        return principal_plane(x)
    plane = coordinate_plane(x.shape[1])
    names = (*columns, "x1", "x2")[:2] if len(columns) >= x.shape[1] else ("x1", "x2")
    return Plane(plane.origin, plane.basis, (names[0], names[1] if x.shape[1] > 1 else ""))


class DataPanel(QWidget):
    """Shown in place of the latent map for models that have none."""

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._exploration = session, exploration
        self._plane = coordinate_plane(2)
        self.canvas = PlaneCanvas("Data plane", self)
        self.field, self.points = FieldItem(), PointsItem(3.0)
        for item in (self.field, self.points):
            self.canvas.addItem(item, ignoreBounds=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)
        self._table = pg.colormap.get("viridis").getLookupTable(nPts=256)[:, :3]
        self._pace = Pace(self._request_field, interval=0.15, duty=0.2, parent=self)
        self.canvas.viewed.connect(self._view_changed)
        self.canvas.moved.connect(self._moved)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.changed.connect(self._state_changed)
        theme().changed.connect(self._retint)
        self._retint()

    def reset_view(self) -> None:
        """The standard view: all the data but a few stray points, with a margin."""
        data = self._session.data
        if data is None:
            return
        uv = self._plane.to_canvas(data.train.x)
        (x0, y0), (x1, y1) = np.quantile(uv, 0.002, axis=0), np.quantile(uv, 0.998, axis=0)
        self.canvas.box.setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0.08)

    def _run_changed(self, _: object) -> None:
        data = self._session.data
        self.field.set_picture(None)
        self._pace.reset()
        self._exploration.cancel("density")
        if data is None:
            self.points.set_points(np.zeros((0, 2)), None)
            return
        self._plane = data_plane(data.train.x, data.info.columns)
        self.canvas.setLabel("bottom", self._plane.labels[0])
        self.canvas.setLabel("left", self._plane.labels[1])
        every = -(-len(data.train) // MOST_POINTS)
        labels = data.train.labels
        uv = self._plane.to_canvas(data.train.x[::every])
        self.points.set_points(uv, None if labels is None else labels[::every])
        self.reset_view()

    def _model_changed(self, _: object) -> None:
        self._pace.poke()

    def _state_changed(self, old: Any, new: Any) -> None:
        self.points.setVisible(new.map.points)

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._pace.poke()

    def _view_changed(self) -> None:
        self._pace.reset()
        self._pace.poke()

    def _request_field(self) -> bool:
        model, plane, view = self._session.model, self._plane, self.canvas.view()
        if not isinstance(model, LogProb) or plane.dim != 2 or model.info.dim != 2 or not self.isVisible():
            self.field.set_picture(None)
            return False
        self._exploration.request(
            "density",
            Priority.FIELD,
            lambda: density(model, plane, view, self._table),
            self._draw_field,
            doing="draw the density",
            ended=self._pace.done,
        )
        return True

    def _draw_field(self, picture: Picture) -> None:
        self.field.set_picture(picture)
        if picture.complete:
            self.status.emit(f"{picture.detail} · step {format_number(picture.step)}")

    def _moved(self, move: tuple[tuple[float, float], int]) -> None:
        model = self._session.model
        if model is not None and self._plane.dim == model.info.dim:
            self._session.set_place(self._plane.to_space(np.array([move[0]]))[0])

    def _retint(self, *_: Any) -> None:
        tokens = theme().tokens
        palette = [QColor(c) for c in tokens.labels]
        for colour in palette:
            colour.setAlphaF(0.7)
        self.points.set_colours(palette)

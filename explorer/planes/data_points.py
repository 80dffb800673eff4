"""The training rows as they lie on the data plane: projected, coloured and painted in exploration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from backends.base import Array
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plane import Plane, coordinate_plane
from explorer.planes.point_layer import PointLayer
from explorer.planes.points import Scatter, label_colours
from explorer.planes.scatter import column_names, mixed_colours, nearest, scatter
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.session import Session
from explorer.studies.marginal import Marginal
from explorer.style.theme import rgb, theme

SLOTS = ("scatter", "colours", "nearest")
REACH = 12.0  # logical pixels within which a point is meant


class DataPoints(QObject):
    """Where the rows are, what colour they have, and which of them is under the mouse.

    colour: what they are coloured by, as in DataSpec. preview: components in hand, which the colours follow
    in place of the model's.
    """

    projected = Signal(object)  # Scatter
    found = Signal(object)  # ((u, v), row): what lies where :meth:`look` asked; row is None for nothing

    def __init__(
        self, session: Session, exploration: Exploration, canvas: PlaneCanvas, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._session, self._exploration, self._canvas = session, exploration, canvas
        self.layer = PointLayer(exploration, canvas, "points", self)
        self.item = self.layer.item
        self.scatter: Scatter | None = None
        self.colour = "plain"
        self.preview: Marginal | None = None
        self._pace = Pace(self._request_colours, interval=0.1, duty=0.2, parent=self)

    @property
    def plane(self) -> Plane:
        """On which they lie."""
        return coordinate_plane(2) if self.scatter is None else self.scatter.plane

    def reset(self) -> None:
        """Forget what is under way."""
        self._pace.reset()
        for slot in SLOTS:
            self._exploration.cancel(slot)

    def clear(self) -> None:
        """Show none."""
        self.scatter = None
        self.layer.clear()

    def project(self) -> None:
        """Project the rows of the open run on the plane that is chosen."""
        data, spec = self._session.data, self._session.state.data.plane
        if data is not None:
            self._exploration.request(
                "scatter",
                Priority.FIELD,
                lambda: scatter(data.train, column_names(data.info), spec),
                self._project,
                doing="project the data",
            )

    def _project(self, seen: Scatter) -> None:
        if self._session.data is not None:
            self.scatter = seen
            self.projected.emit(seen)

    # -- colours -------------------------------------------------------------------------------

    def recolour(self, at_once: bool = False) -> None:
        """The colours are to follow what they depend on; at once, or at the pace of training."""
        if at_once:
            self._pace.reset()
        self._pace.poke()

    def _request_colours(self) -> bool:
        model, data, seen = self._session.model, self._session.data, self.scatter
        if model is None or data is None or seen is None or not self._canvas.isVisible():
            return False
        self._exploration.request(
            "colours",
            Priority.FIELD,
            self._colouring(model, data.train, seen),
            self._take_colours,
            doing="colour the points",
            ended=self._pace.done,
        )
        return True

    def _colouring(self, model: Any, split: Any, seen: Scatter) -> Callable[[], Any]:
        """What makes (n, 3) uint8 of the points' colours."""
        tokens, preview = theme().tokens, self.preview
        palette, rows = np.array([rgb(c) for c in tokens.labels], np.uint8), seen.rows
        if self.colour == "label":
            return lambda: label_colours(split.labels, rows, palette)
        if self.colour == "plain":
            return lambda: label_colours(None, rows, np.array([rgb(tokens.muted)], np.uint8))
        if preview is not None and model.info.dim == 2:
            responsibilities = lambda part: preview.responsibilities(seen.uv[part])  # noqa: E731
        else:
            responsibilities = lambda part: model.encode(split.x[rows[part]]).probs  # noqa: E731
        numbers = model.info.dim * len(model.weights)
        return lambda: mixed_colours(responsibilities, len(rows), palette, numbers)

    def _take_colours(self, found: Array) -> None:
        if self.scatter is not None:
            self.layer.show_points(self.scatter, found)

    def paint(self) -> None:
        """Paint them for the view of the moment."""
        self.layer.paint()

    # -- the mouse -----------------------------------------------------------------------------

    def look(self, uv: tuple[float, float]) -> None:
        """Ask which row lies at canvas coordinates (u, v)."""
        seen, view = self.scatter, self._canvas.view()
        if seen is None or not view.width:
            return
        reach = REACH * view.scale * (view.x1 - view.x0) / view.width
        self._exploration.request(
            "nearest",
            Priority.HOVER,
            lambda: (uv, nearest(seen, np.array(uv), reach)),
            self.found.emit,
            doing="find the point",
        )

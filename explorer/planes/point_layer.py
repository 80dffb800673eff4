"""A layer of points on a canvas, painted in exploration for whatever is in view."""

from __future__ import annotations

from PySide6.QtCore import QObject

from backends.base import Array
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.planes.points import Scatter, points_picture
from explorer.plots.canvas import FieldItem
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.style.theme import rgb, theme


class PointLayer(QObject):
    """Its ``item`` moves and stretches with the canvas until the picture for another view is there. While the
    hand goes on, one picture after the other is painted to its end: none gives way to a newer one."""

    def __init__(self, exploration: Exploration, canvas: PlaneCanvas, slot: str, parent: QObject) -> None:
        super().__init__(parent)
        self._exploration, self._canvas, self._slot = exploration, canvas, slot
        self.item = FieldItem()
        self.item.setZValue(0)
        self.scatter: Scatter | None = None
        self._colours: Array | None = None
        self._step = 0
        self._pace = Pace(self._paint, interval=0.0, duty=1.0, parent=self)

    def show_points(self, scatter: Scatter, colours: Array, step: int = 0) -> None:
        """Show other points, with colours (n, 3) uint8; step: of the model that they are of."""
        self.scatter, self._colours, self._step = scatter, colours, step
        self.paint()

    def clear(self) -> None:
        """Show none."""
        self._pace.reset()
        self._exploration.cancel(self._slot)
        self.scatter = self._colours = None
        self.item.set_picture(None)

    def paint(self) -> None:
        """What is seen of them is another: the view, or they themselves."""
        self._pace.poke()

    def _paint(self) -> bool:
        seen, colours, view, step = self.scatter, self._colours, self._canvas.view(), self._step
        rim = rgb(theme().tokens.surface)
        if seen is None or colours is None or not self._canvas.isVisible() or not self.item.isVisible():
            return False
        self._exploration.request(
            self._slot,
            Priority.FIELD,
            lambda: points_picture(seen, colours, view, step, rim),
            self.item.set_picture,
            doing="draw the points",
            ended=self._pace.done,
        )
        return True

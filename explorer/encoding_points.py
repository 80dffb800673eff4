"""The encodings as they lie on the latent map, in the colours of their labels."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from PySide6.QtCore import QObject, Signal

from backends.base import Array
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plane import Plane
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.point_layer import PointLayer
from explorer.points import Scatter, label_colours, scattered
from explorer.session import Encodings, Session
from explorer.theme import rgb, theme
from explorer.widgets.values import format_number


class EncodingPoints(QObject):
    """Follows the session's encodings and its plane."""

    changed = Signal(object)  # what they are, in words: "1 350 points", "20 000 of 1 000 000 points"

    def __init__(
        self, session: Session, exploration: Exploration, canvas: PlaneCanvas, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._session, self._exploration = session, exploration
        self.layer = PointLayer(exploration, canvas, "map points", self)
        self.item = self.layer.item
        self.text = ""
        self._pace = Pace(self._request, interval=0.05, duty=0.3, parent=self)
        session.run_changed.connect(self._clear)
        session.encodings_changed.connect(self._follow)
        session.plane_changed.connect(self._follow)
        canvas.viewed.connect(self.layer.paint)
        theme().changed.connect(self._follow)

    def set_visible(self, shown: bool) -> None:
        """Show them or not."""
        self.item.setVisible(shown)
        self.layer.paint()

    def _clear(self, _: object) -> None:
        self._pace.reset()
        self._exploration.cancel("scattered")
        self.layer.clear()
        self._say("")

    def _follow(self, *_: object) -> None:
        self._pace.poke()

    def _request(self) -> bool:
        known, data, plane = self._session.encodings, self._session.data, self._session.plane
        if known is None or data is None or plane.dim != known.z.shape[1]:
            return False
        labels = data.split(known.split).labels
        palette = np.array([rgb(c) for c in theme().tokens.labels], np.uint8)
        total = len(data.split(known.split))
        self._exploration.request(
            "scattered",
            Priority.FIELD,
            lambda: _points(known, plane, labels, palette),
            lambda found: self._take(found[0], found[1], known.step, total),
            doing="place the encodings",
            ended=self._pace.done,
        )
        return True

    def _take(self, seen: Scatter, colours: Array, step: int, total: int) -> None:
        self.layer.show_points(seen, colours, step)
        n = len(seen.rows)
        of = "" if n == total else f" of {format_number(total)}"
        self._say(f"{format_number(n)}{of} points")

    def _say(self, text: str) -> None:
        if text != self.text:
            self.text = text
            self.changed.emit(text)


def _points(
    known: Encodings, plane: Plane, labels: Array | None, palette: Array
) -> Generator[None, None, tuple[Scatter, Array]]:
    seen = yield from scattered(known.z, plane)
    rows = seen.rows if known.rows is None else known.rows[seen.rows]
    colours = yield from label_colours(labels, rows, palette)
    return seen, colours

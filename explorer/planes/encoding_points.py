"""The encodings as they lie on the latent map, in the colours of their labels or of a known factor."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from backends.base import Array, DataInfo
from backends.data import Split
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plane import Plane
from explorer.planes.point_layer import PointLayer
from explorer.planes.points import Scatter, label_colours, scattered, value_colours
from explorer.planes.shading import Scale
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.session import Encodings, Session
from explorer.style.theme import rgb, theme
from explorer.widgets.values import format_number


class EncodingPoints(QObject):
    """Follows the session's encodings and its plane."""

    changed = Signal(object)  # what they are, in words: "1 350 points", "20 000 of 1 000 000 points"
    scaled = Signal(object)  # Scale of the factor that they are coloured by; None by another

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
        session.changed.connect(self._state_changed)
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

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.map.colour != new.map.colour:
            self._pace.renew()

    def _follow(self, *_: object) -> None:
        self._pace.poke()

    def _request(self) -> bool:
        known, data, plane = self._session.encodings, self._session.data, self._session.plane
        if known is None or data is None or plane.dim != known.z.shape[1]:
            return False
        split, colour = data.split(known.split), self._session.state.map.colour
        by = colouring(split, data.info, colour)
        total = len(split)
        self._exploration.request(
            "scattered",
            Priority.FIELD,
            lambda: _points(known, plane, by),
            lambda found: self._take(found[0], found[1], found[2], known.step, total),
            doing="place the encodings",
            ended=self._pace.done,
        )
        return True

    def _take(self, seen: Scatter, colours: Array, scale: Scale | None, step: int, total: int) -> None:
        self.scaled.emit(scale)
        self.layer.show_points(seen, colours, step)
        n = len(seen.rows)
        of = "" if n == total else f" of {format_number(total)}"
        self._say(f"{format_number(n)}{of} points")

    def _say(self, text: str) -> None:
        if text != self.text:
            self.text = text
            self.changed.emit(text)


#: Of the rows of points: their colours (n, 3) uint8, and what these mean where it is no label.
Colouring = Callable[[Array], Generator[None, None, tuple[Array, Scale | None]]]


def colouring(split: Split, info: DataInfo, colour: str) -> Colouring:
    """What gives points their colours: a factor of this name, "plain", or their labels."""
    tokens, table = theme().tokens, theme().table_of_points
    if colour in info.factor_names and split.factors is not None:
        values = split.factors[:, info.factor_names.index(colour)]

        def by_factor(rows: Array) -> Generator[None, None, tuple[Array, Scale | None]]:
            scale = Scale(float(values.min(initial=np.inf)), float(values.max(initial=-np.inf)))
            return (yield from value_colours(values, rows, scale, table)), scale

        return by_factor
    plain = colour == "plain"
    palette = np.array([rgb(c) for c in ((tokens.muted,) if plain else tokens.labels)], np.uint8)

    def by_label(rows: Array) -> Generator[None, None, tuple[Array, Scale | None]]:
        return (yield from label_colours(None if plain else split.labels, rows, palette)), None

    return by_label


def _points(
    known: Encodings, plane: Plane, by: Colouring
) -> Generator[None, None, tuple[Scatter, Array, Scale | None]]:
    seen = yield from scattered(known.z, plane)
    rows = seen.rows if known.rows is None else known.rows[seen.rows]
    colours, scale = yield from by(rows)
    return seen, colours, scale

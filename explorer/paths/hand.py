"""The hand that draws a path: pressing and dragging on the latent map, or by keys, Enter at each corner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QPointF

from backends.base import Array
from backends.capabilities import Decodes
from explorer.plots.path import PathItem
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.session import Session
from explorer.state import PathSpec

STILL = 4.0  # logical pixels: less is a click
APART = 3.0  # logical pixels between two points of a drawn path
MOST = 200  # points of it; with more, every second one is left out


class PathHand(QObject):
    """Draws the path of the session on a canvas, and new ones by hand."""

    def __init__(self, session: Session, canvas: PlaneCanvas) -> None:
        super().__init__(canvas)
        self._session, self._canvas = session, canvas
        self.item = PathItem()
        canvas.addItem(self.item, ignoreBounds=True)
        self._begin: Array | None = None  # canvas coordinates, while the button is down
        self._drawn: list[tuple[float, ...]] = []
        self._last = np.zeros(2)
        self._apart = APART
        self._drags = 0
        self._corners: PathSpec | None = None  # the path that Enter goes on with
        canvas.dragged.connect(self._drag)
        canvas.dropped.connect(self._drop)
        canvas.entered.connect(self._enter)
        canvas.released.connect(self._let_go)
        session.changed.connect(self._state_changed)
        session.walk_changed.connect(self._draw)
        session.plane_changed.connect(self._draw)
        session.run_opening.connect(self._abandon)

    # -- what is seen --------------------------------------------------------------------------

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.path != new.path:
            self._draw()

    def _draw(self, *_: Any) -> None:
        """What is drawn by hand is seen at once, everything else when it has been computed."""
        plane, walk, spec = self._session.plane, self._session.walk, self._session.state.path
        line = frames = np.zeros((0, 2))
        if spec.kind == "drawn":
            if spec.points and len(spec.points[0]) == plane.dim and self.can_draw:
                line = plane.to_canvas(np.array(spec.points))
        elif walk is not None and walk.line.shape[1] == plane.dim and spec.kind != "nothing":
            line = plane.to_canvas(walk.line)
        if len(line) > 1 and walk is not None and walk.kind == spec.kind and walk.z.shape[1] == plane.dim:
            frames = plane.to_canvas(walk.z)
        elif len(line) == 1:
            frames = line
        self.item.set_path(line, frames if self._begin is None else np.zeros((0, 2)))

    # -- the hand ------------------------------------------------------------------------------

    @property
    def can_draw(self) -> bool:
        """Whether there is anything to see along a path."""
        model = self._session.model
        return isinstance(model, Decodes) and 0 < model.latent_dim == self._session.plane.dim

    def take(self, position: QPointF) -> bool:
        """Begin to draw there; False where nothing decodes."""
        if not self.can_draw:
            return False
        self._begin = self._last = np.array(self._canvas.at(position))
        self._drawn, self._apart = [], APART
        self._drags += 1
        return True

    def _drag(self, move: tuple[tuple[float, float], int]) -> None:
        if self._begin is None:
            return
        uv, tag = move
        here, view = np.array(uv), self._canvas.view()
        pixel = view.scale * (view.x1 - view.x0) / max(view.width, 1)
        if np.abs(here - self._last).max() >= (self._apart if self._drawn else STILL) * pixel:
            self._go_to(here, tag)
        elif self._drawn:  # too near for another point of the path; what decodes there follows all the same
            self._session.set_point(self._session.plane.to_space(here[None])[0], tag)

    def _go_to(self, here: Array, tag: int) -> None:
        z = self._session.plane.to_space(np.stack([self._last, here]))
        if not self._drawn:
            self._drawn.append(_exact(z[0]))
        self._drawn.append(_exact(z[1]))
        self._last = here
        if len(self._drawn) > MOST:
            self._drawn[1:-1] = self._drawn[2:-1:2]
            self._apart *= 2
        self._set(tuple(self._drawn), f"path {self._drags}")
        self._session.set_point(z[1], tag)

    def _abandon(self, _: object) -> None:
        """A stroke does not go on in another run's latent space."""
        self._begin = None

    def _drop(self, move: tuple[tuple[float, float], int]) -> None:
        if self._begin is None:
            return
        uv, tag = move
        self._drag(move)
        self._begin = None
        if self._drawn:
            if not np.array_equal(self._last, uv):  # it ends where the hand let go, however near the last is
                self._go_to(np.array(uv), tag)
            self._draw()
        else:
            self._canvas.clicked.emit(move)

    def _enter(self) -> None:
        """The path goes on to the point, in a straight line, or begins there."""
        point, spec = self._session.point, self._session.state.path
        if not self.can_draw or point is None or len(point) != self._session.plane.dim:
            return
        z, before = _exact(point), spec.points if spec is self._corners else ()
        if before[-1:] != (z,) and len(before) < MOST:
            self._set((*before, z))
            self._corners = self._session.state.path

    def _let_go(self) -> None:
        self._corners = None

    def _set(self, points: tuple[tuple[float, ...], ...], merge: str = "") -> None:
        state = self._session.state
        path = PathSpec("drawn", state.path.a, state.path.b, points)
        self._session.apply(replace(state, path=path), "draw a path", merge=merge)


def _exact(z: Array) -> tuple[float, ...]:
    return tuple(z.tolist())

"""The hand on components: hovering finds one, a drag moves its mean or pulls its ellipse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject, QPointF, Qt, Signal

from backends.base import Array
from explorer.plane import Plane
from explorer.plots.ellipses import EllipsesItem, ellipses_of
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.studies.marginal import Marginal
from explorer.studies.placing import pulled

NEAR = 11.0  # logical pixels within which a mean or a handle is taken hold of
STILL = 3.0  # logical pixels: less is no drag


@dataclass(frozen=True, eq=False)
class Placed:
    """Where a hand has put component k, in canvas coordinates: its mean (2,), and its covariance (2, 2) where
    the ellipse was pulled."""

    k: int
    mean: Array
    covariance: Array | None


class ComponentHand(QObject):
    """Moves the components that an item draws on a canvas."""

    hovered = Signal(object)  # the component under the mouse, int | None
    taken = Signal()  # a drag begins
    moved = Signal(object)  # Marginal, as the hand has it; None: let go without a change
    placed = Signal(object)  # Placed

    def __init__(self, canvas: PlaneCanvas, item: EllipsesItem) -> None:
        super().__init__(canvas)
        self._canvas, self._item = canvas, item
        self._marginal: Marginal | None = None
        self._plane: Plane | None = None
        self._form = ""
        self._grip: tuple[int, int | None] | None = None  # component, and which handle; None: its mean
        self._begin = QPointF()
        self.preview: Marginal | None = None  # while something is dragged
        canvas.holds = self._take
        canvas.dragged.connect(self._drag)
        canvas.dropped.connect(self._drop)
        canvas.released.connect(self.let_go)
        canvas.moved.connect(self._hover)

    def follow(self, marginal: Marginal | None, plane: Plane, form: str) -> None:
        """These are the components now. form: "full", "tied", "diag" or "spherical"; "": they cannot be
        moved."""
        self._marginal, self._plane, self._form = marginal, plane, form
        if not form or marginal is None:
            self.let_go()
            self._item.set_active(None, False)

    def let_go(self) -> None:
        """End a drag, and change nothing."""
        if self._grip is not None:
            self._grip = self.preview = None
            self.moved.emit(None)

    def _pixels(self, uv: Array) -> Array:
        """Canvas coordinates (n, 2) → positions in the widget (n, 2)."""
        points = [self._canvas.mapFromScene(self._canvas.box.mapViewToScene(QPointF(*p))) for p in uv]
        return np.array([(p.x(), p.y()) for p in points], float).reshape(-1, 2)

    def _grip_at(self, position: QPointF) -> tuple[int, int | None] | None:
        """What lies there: a handle of the component in hand, or a mean, the nearest."""
        shown = self._item.shown
        if shown is None or not self._form or not self._item.isVisible():
            return None
        here = np.array([position.x(), position.y()])
        active = self._item.active
        if active is not None:
            off = np.linalg.norm(self._pixels(self._item.handles(active)) - here, axis=1)
            if len(off) and off.min() <= NEAR:
                return active, int(off.argmin())
        order = list(shown.order)
        off = np.linalg.norm(self._pixels(shown.means[order]) - here, axis=1)
        return (order[int(off.argmin())], None) if len(off) and off.min() <= NEAR else None

    def _hover(self, move: tuple[tuple[float, float], int]) -> None:
        scene = self._canvas.box.mapViewToScene(QPointF(*move[0]))
        found = self._grip_at(QPointF(self._canvas.mapFromScene(scene)))
        active = self._item.active
        if found is not None:
            active = found[0]
        elif active is not None and not self._around(active, np.array(move[0])):
            active = None
        shape = Qt.CursorShape.ArrowCursor if found is None else Qt.CursorShape.OpenHandCursor
        self._canvas.viewport().setCursor(shape)
        if active != self._item.active:
            self._item.set_active(active, handles=True)
            self.hovered.emit(active)

    def _around(self, k: int, uv: Array) -> bool:
        """Is a place within a component's ellipse, or so near that the hand may be on its way to a handle?"""
        shown = self._item.shown
        if shown is None or shown.axes is None:
            return False
        (x, y), reach = self._pixels(uv[None])[0], self._pixels(self._item.handles(k))
        low, high = reach.min(0) - 2 * NEAR, reach.max(0) + 2 * NEAR
        return bool(low[0] <= x <= high[0] and low[1] <= y <= high[1])

    def _take(self, position: QPointF) -> bool:
        self._grip, self._begin = self._grip_at(position), position
        if self._grip is None or self._marginal is None:
            return False
        self._item.set_active(self._grip[0], handles=True)
        self._canvas.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)
        self.taken.emit()
        return True

    def _moved_to(self, to: tuple[float, float]) -> Placed | None:
        """Where the component is when the mouse is at ``to``."""
        if self._grip is None or self._marginal is None or self._plane is None:
            return None
        (k, handle), seen, uv = self._grip, self._marginal, np.array(to)
        if self._plane.dim == 1:
            uv[1] = 0.0
        if handle is None or seen.covariances is None:
            return Placed(k, uv, None)
        arm = (uv - seen.means[k]) * (1 if handle < 2 else -1)
        return Placed(k, seen.means[k], pulled(seen.covariances[k], handle % 2, arm, self._form, self._plane))

    def _drag(self, move: tuple[tuple[float, float], int]) -> None:
        there = self._moved_to(move[0])
        if there is not None and self._marginal is not None:
            tied = self._form == "tied"
            self.preview = self._marginal.with_component(there.k, there.mean, there.covariance, tied)
            self._item.set_ellipses(ellipses_of(self.preview))
            self.moved.emit(self.preview)

    def _drop(self, move: tuple[tuple[float, float], int]) -> None:
        to, _ = move
        there = self._moved_to(to)
        self._canvas.viewport().setCursor(Qt.CursorShape.OpenHandCursor)
        end = self._pixels(np.array([to]))[0]
        still = np.abs(end - (self._begin.x(), self._begin.y())).max() < STILL
        if there is None or still or self.preview is None:
            self.let_go()
            return
        self._grip = None
        self.preview = None
        self.placed.emit(there)

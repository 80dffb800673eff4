"""An item whose place is in canvas coordinates, while lines and dots have a fixed size on screen."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF

from backends.base import Array


class PlacedItem(pg.GraphicsObject):
    """Its bounds are an extent in canvas coordinates, and a margin in logical pixels about it.

    Qt asks for the bounds several times a frame; the view is asked once for a pixel's size, until it moves.
    """

    def __init__(self) -> None:
        super().__init__()
        self._extent: QRectF | None = None
        self._margin = (0.0, 0.0)
        self._pixel: tuple[float, float] | None = None

    def place(self, extent: QRectF | None, margin: tuple[float, float]) -> None:
        """What is drawn is another, and lies there; None: nothing is drawn."""
        self.prepareGeometryChange()
        self._extent, self._margin = extent, margin
        self.update()

    def pixel(self) -> tuple[float, float]:
        """Width and height of a logical pixel in canvas coordinates; (0, 0) outside of a view."""
        if self._pixel is None:
            x, y = self.pixelLength(pg.Point(1, 0)), self.pixelLength(pg.Point(0, 1))
            if x is None or y is None:
                return 0.0, 0.0
            self._pixel = float(x), float(y)
        return self._pixel

    def boundingRect(self) -> QRectF:
        return QRectF() if self._extent is None else self.widened(self._extent, *self._margin)

    def widened(self, rect: QRectF, across: float, down: float) -> QRectF:
        """A rectangle in canvas coordinates with so many logical pixels at each side."""
        x, y = self.pixel()
        return rect.adjusted(-x * across, -y * down, x * across, y * down)

    def viewTransformChanged(self) -> None:
        self.prepareGeometryChange()  # before the bounds are others
        super().viewTransformChanged()
        self._pixel = None


def extent_of(points: Array) -> QRectF | None:
    """The rectangle about points (n, 2), none of them NaN; None of none."""
    if not len(points):
        return None
    (x0, y0), (x1, y1) = np.min(points, axis=0), np.max(points, axis=0)
    return QRectF(x0, y0, x1 - x0, y1 - y0)

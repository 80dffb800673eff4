"""What is in view: the rectangle of a canvas and the pixels that it covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backends.base import Array


@dataclass(frozen=True)
class View:
    """A rectangle of the canvas, x0 < x1 and y0 < y1 (y upwards), over width × height device pixels."""

    x0: float
    x1: float
    y0: float
    y1: float
    width: int
    height: int
    scale: float = 1.0  # device pixels a logical pixel

    def to_canvas(self, px: Array, py: Array) -> Array:
        """Device pixels (from the top left) → canvas coordinates (n, 2)."""
        u = self.x0 + np.asarray(px) / self.width * (self.x1 - self.x0)
        v = self.y1 - np.asarray(py) / self.height * (self.y1 - self.y0)
        return np.stack([u, v], axis=-1)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of a field over a view: (height, width, 4) uint8, blue-green-red-alpha, premultiplied.

    step: that of the model it was made with; detail: say, "mosaic 24 × 13"; complete: nothing finer follows.
    """

    image: Array
    view: View
    step: int
    detail: str = ""
    complete: bool = True

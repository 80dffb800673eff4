"""A density as a field on a plane, coarse to fine, with contour lines. Runs in exploration."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array
from backends.carry import Slices
from explorer.planes.contours import contour
from explorer.slices import in_slices
from explorer.view import Picture, View

CELLS = (16, 8, 4, 2, 1)  # device pixels a cell, coarse to fine
LINES_FROM = 4  # device pixels a cell, from which on there are contours
HIGHEST = 0.85  # of the room above a line, for the density on it
SHOW_EVERY = 0.04  # seconds between two pictures
RADII = (1.0, 2.0, 3.0, 4.0)  # contours at r²/2 nats below the highest: of one Gaussian, at r σ


@dataclass(frozen=True, eq=False)
class Lines:
    """Contour lines over a view: segments (m, 2, 2) in canvas coordinates."""

    segments: Array


def colours(log_p: Array, table: Array, peak: float) -> Array:
    """log p (h, w) → (h, w, 4) uint8 premultiplied: the table's colours over √(p / peak density), which is
    also the opacity, so that where there is no density there is nothing to see."""
    with np.errstate(over="ignore"):
        level = np.sqrt(np.clip(np.exp(log_p - peak), 0.0, 1.0))
    level = np.nan_to_num(level, nan=0.0)
    out: Array = table[(level * 255).astype(np.uint8)].astype(np.float32)
    opacity = np.clip(level * 3.0, 0.0, 0.9)[..., None]
    return np.concatenate([out[..., ::-1] * opacity, 255.0 * opacity], axis=-1).astype(np.uint8)


def density(
    log_prob: Callable[[Array], Any],
    step: int,
    view: View,
    table: Array,
    cells: Sequence[int] = CELLS,
    highest: float | None = None,
) -> Generator[Picture | Lines | None, None, Picture | None]:
    """A density p on the plane for the view, ever finer; yields a picture a resolution, and now and then its
    contour lines, and returns the finest.

    log_prob: canvas coordinates (n, 2) → log p (n,), or work in slices that gives it. cells: device pixels a
    cell, coarse to fine. table: (256, 3) uint8, colours by rising density. The brightest colour is the
    log-density ``highest``, or the greatest in view, see :func:`brightest`; from that contours are counted.
    """
    if not view.width or not view.height:
        return None
    shown = time.perf_counter()
    picture = None
    for cell in cells:
        height = yield from on_grid(log_prob, view, cell)
        peak = brightest(height.ravel())
        if cell == LINES_FROM:
            yield Lines(lines(height, peak, view, cell))
        rows, columns = height.shape
        image = enlarged(colours(height, table, peak if highest is None else highest), view, cell)
        picture = Picture(image, view, step, f"density {columns} × {rows}", complete=cell == cells[-1])
        if cell == cells[-1]:
            return picture
        if cell == CELLS[0] or time.perf_counter() - shown > SHOW_EVERY:
            shown = time.perf_counter()
            yield picture
    return picture


def on_grid(function: Callable[[Array], Any], view: View, cell: int) -> Slices[Array]:
    """A function of canvas coordinates (n, 2) → (n,), or work in slices that gives it, in the middle of each
    cell of so many device pixels: (rows, columns) float64."""
    rows, columns = -(-view.height // cell), -(-view.width // cell)

    def at(cells: Array) -> Any:
        py, px = np.divmod(cells, max(columns, 1))
        return function(view.to_canvas((px + 0.5) * cell, (py + 0.5) * cell))

    values = yield from in_slices(at, np.arange(rows * columns))
    return np.concatenate(values).astype(np.float64).reshape(rows, columns)


def enlarged(image: Array, view: View, cell: int) -> Array:
    """Cells (rows, columns, 4) → the device pixels of a view, each cell so many a side."""
    return np.ascontiguousarray(image.repeat(cell, 0).repeat(cell, 1)[: view.height, : view.width])


def outlines(log_prob: Callable[[Array], Array], view: View) -> Generator[None, None, Lines]:
    """The contours that :func:`density` would draw, and no picture. An edge at which the density falls to
    zero at once is a contour."""
    height = yield from on_grid(log_prob, view, LINES_FROM)
    peak = brightest(height.ravel())
    return Lines(lines(np.maximum(height, peak - 50), peak, view, LINES_FROM))


def brightest(log_p: Array) -> float:
    """The greatest of (n,) log-densities over a view. Where it is a spike, e times higher than all but n/2000
    of the view, as of a component that collapses, it is what those have: else all but the spike were dark,
    and in one view and not in another, as a pixel hits it or not."""
    finite = log_p[np.isfinite(log_p)]
    if not len(finite):
        return 0.0
    few = min(len(finite) // 2000 + 2, len(finite))
    most, high = float(finite.max()), float(np.partition(finite, -few)[-few])
    return most if most - high < 1 else high


def lines(log_p: Array, peak: float, view: View, cell: int) -> Array:
    """Contours of log p (rows, columns), a value in the middle of each cell of so many device pixels, at
    r²/2 below ``peak``: segments (m, 2, 2) in canvas coordinates."""
    found = np.concatenate([contour(log_p, peak - r * r / 2) for r in RADII])
    return view.to_canvas((found[..., 0] + 0.5) * cell, (found[..., 1] + 0.5) * cell)


def profile(
    log_prob: Callable[[Array], Any], step: int, view: View, table: Array
) -> Generator[Picture | Lines | None, None, Picture | None]:
    """A density of one column over a view: its height above the line v = 0, filled, with its outline.

    log_prob, table: as of :func:`density`. The greatest height takes :data:`HIGHEST` of the room above.
    """
    if not view.width or not view.height:
        return None
    u = view.to_canvas(np.arange(view.width) + 0.5, np.zeros(view.width))[:, 0]
    p = np.exp(np.concatenate((yield from in_slices(log_prob, np.stack([u, np.zeros_like(u)], axis=1)))))
    level = p / max(float(p.max(initial=0.0)), np.finfo(float).tiny)
    top = HIGHEST * view.y1 * level if view.y1 > 0 else np.zeros_like(level)
    v = view.to_canvas(np.zeros(view.height), np.arange(view.height) + 0.5)[:, 1]
    inside = (v[:, None] >= 0) & (v[:, None] <= top)
    shades = table[(255 * np.sqrt(level)).astype(int)]
    image = np.zeros((view.height, view.width, 4), np.uint8)
    image[..., :3] = np.where(inside[..., None], 0.5 * shades[None, :, ::-1], 0)
    image[..., 3] = np.where(inside, 127, 0)
    outline = np.stack([u, top], axis=1)
    yield Lines(np.stack([outline[:-1], outline[1:]], axis=1))
    return Picture(image, view, step, f"density of {view.width} places")

"""The prior on a plane of the latent space: the view that holds it, and its contours. Runs in exploration."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg

from backends.base import Array
from backends.prior_levels import prior_levels
from explorer.plane import Plane
from explorer.studies.flow import corners_of
from explorer.view import View

HALF_WIDTH = 3.6  # of the standard view, or more: a normal prior's three circles with a margin
PRIOR_ROWS = 2000  # draws from the prior that the standard view is found from


def standard_view(model: Any, plane: Plane) -> Array:
    """The corners of a rectangle of the plane that holds the prior, (2, 2): around z = 0, far from which the
    plane's own origin may be, HALF_WIDTH each way, or as far as its samples go; of a prior with an edge a
    square around these."""
    centre = plane.to_canvas(np.zeros((1, plane.dim)))[0]
    wide = np.array([[-HALF_WIDTH] * 2, [HALF_WIDTH] * 2])
    found = corners_of(plane.to_canvas(model.sample_prior(PRIOR_ROWS, 0)), margin=0.1)
    if np.isneginf(model.log_prior(plane.to_space(centre + wide))).any():
        return found.mean(0) + np.array([[-0.5], [0.5]]) * np.ptp(found, axis=0).max()
    return centre + wide * max(1.0, float(np.abs(found - centre).max()) / HALF_WIDTH)


def prior_heights(model: Any, plane: Plane, view: View, size: int = 96) -> Array:
    """log p(z) on a size × size grid over the view, its first axis along the canvas's x."""
    u, v = np.linspace(view.x0, view.x1, size), np.linspace(view.y0, view.y1, size)
    grid = np.stack(np.meshgrid(u, v, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.asarray(model.log_prior(plane.to_space(grid)).reshape(size, size))


@dataclass(frozen=True, eq=False)
class PriorLines:
    """Contours of a prior, polylines in canvas coordinates. view: for which; seen: the prior there, coarsely,
    by which another one is told from it."""

    view: View
    seen: Array
    lines: list[Array]


def prior_lines(
    model: Any, plane: Any, view: View, before: PriorLines | None = None
) -> Generator[None, None, PriorLines]:
    """Contours of the prior on the plane, one level a slice: of N(0, I) the circles of radius 1, 2 and 3.

    There are none of a prior with an edge, which falls to zero at once. ``before`` itself where nothing has
    changed since then: most priors do not learn.
    """
    seen = prior_heights(model, plane, view, 12)
    if before is not None and before.view == view and np.array_equal(before.seen, seen):
        return before
    yield
    levels = prior_levels(model).levels
    yield
    height = prior_heights(model, plane, view)
    if not np.isfinite(height).all():
        return PriorLines(view, seen, [])
    lines: list[Array] = []
    scale = np.array([view.x1 - view.x0, view.y1 - view.y0]) / (np.array(height.shape) - 1)
    corner = np.array([view.x0, view.y0])
    for level in levels:
        yield
        pieces = pg.functions.isocurve(height, level, connected=True, extendToEdge=False)
        # isocurve takes the grid's points for the middles of pixels
        lines += [(np.array([(p[0], p[1]) for p in piece]) - 0.5) * scale + corner for piece in pieces]
    return PriorLines(view, seen, lines)

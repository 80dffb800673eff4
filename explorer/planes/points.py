"""Points on a plane, a million of them as well as ten: sorted into the cells of a grid, and painted.

Painted by NumPy in exploration, they cost the interface thread one image, however many there are.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backends.base import Array
from explorer.plane import Plane
from explorer.planes.shading import Scale
from explorer.view import Picture, View

MOST_DOTS = 20_000  # more points in view than that are counted in pixels
RADIUS = 2.2  # of a dot, in logical pixels
OPACITY = 0.85
RIM, RIM_OPACITY = 1.1, 0.7  # of the ring below all dots: its width in logical pixels
RIMMED = 5_000  # dots in view: more are a crowd, of which none is to be told apart
FEW = 2_000  # points in view, above which dots become smaller and fainter
CELLS = 256  # of the grid along each side, at most
POINTS_A_CELL = 8
SAMPLE = 20_000  # points, at most, that the standard view is found from
_BLOCK = 2**16  # points between two yields
_PIXELS = 2**17  # likewise
_NUMBERS = 2**20  # that are worked on between two yields
_OFTEN = 2**12  # points on a pixel: more are not told apart where it is asked how many there are on most


@dataclass(frozen=True, eq=False)
class Scatter:
    """Rows of a table as points of a plane, one cell of a grid after the other, so that those in view are
    found without a look at the others.

    rows (n,): which row each point is of; uv (n, 2) float32: canvas coordinates; corners (2, 2): of the
    standard view, which the grid divides. starts (cells² + 1,): cell (i, j), the i-th from below and the j-th
    from the left, has the points starts[i·cells + j] : starts[i·cells + j + 1]; those at the rim reach on
    without end.
    """

    plane: Plane
    rows: Array
    uv: Array
    corners: Array
    starts: Array

    @property
    def cells(self) -> int:
        """How many cells the grid has along each side."""
        return int(np.sqrt(len(self.starts) - 1))

    def near(self, low: Array, high: Array) -> list[slice]:
        """The points, and a few more, that lie between two corners (2,) of a rectangle."""
        slack = (self.corners[1] - self.corners[0]) * 1e-4  # the points were put into cells in 32 bits
        ends = _cell(np.array([low - slack, high + slack]), self.corners, self.cells)
        (j0, i0), (j1, i1) = ends.astype(int)
        if j0 == 0 and j1 == self.cells - 1:
            return [slice(int(self.starts[i0 * self.cells]), int(self.starts[(i1 + 1) * self.cells]))]
        lines = np.arange(i0, i1 + 1) * self.cells
        begin, end = self.starts[lines + j0], self.starts[lines + j1 + 1]
        return [slice(int(b), int(e)) for b, e in zip(begin, end, strict=True) if e > b]


def _cell(uv: Array, corners: Array, cells: int) -> Array:
    """Which cell each of uv (n, 2) lies in, counted along both sides: (n, 2) float."""
    inside = (uv - corners[0]) / np.maximum(corners[1] - corners[0], 1e-30) * cells
    return np.floor(np.fmin(np.fmax(inside, 0), cells - 1))  # fmax: what is no number lies in the first


def scattered(x: Array, plane: Plane) -> Generator[None, None, Scatter]:
    """Project rows x (n, k) orthogonally on a plane, and sort them by counting, some at a time."""
    n = len(x)
    uv, origin = np.empty((n, 2), np.float32), plane.origin.astype(np.float32)
    basis = np.ascontiguousarray(plane.basis.T, np.float32)
    size = int(np.clip(_NUMBERS // max(x.shape[1], 1), 1024, _BLOCK))
    for start in range(0, n, size):
        part = slice(start, start + size)
        with np.errstate(invalid="ignore"):  # what is no number has no place
            uv[part] = (x[part] - origin) @ basis  # the origin first: far from 0 nothing is lost in rounding
        yield
    some = uv[:: max(1, n // SAMPLE)]
    some = some[np.isfinite(some).all(1)]
    corners = np.quantile(some, (0.002, 0.998), axis=0) if len(some) else np.array([[-1.0, -1], [1, 1]])
    cells = int(np.clip(np.sqrt(n / POINTS_A_CELL), 1, CELLS))
    yield
    of, counts = np.empty(n, np.uint16), np.zeros(cells**2, np.int64)
    rounded = corners.astype(np.float32)
    for start in range(0, n, _BLOCK):
        part = slice(start, start + _BLOCK)
        column, row = _cell(uv[part], rounded, cells).T
        of[part] = row * cells + column
        counts += np.bincount(of[part], minlength=cells**2)
        yield
    starts = np.concatenate(([0], np.cumsum(counts)))
    rows, filled = np.empty(n, np.int64), starts[:-1].copy()
    for start in range(0, n, _BLOCK):
        order = np.argsort(of[start : start + _BLOCK], kind="stable")  # of 16 bits: a radix sort
        cell = of[start : start + _BLOCK][order]
        counts = np.bincount(cell, minlength=cells**2)
        first = np.cumsum(counts) - counts
        rows[filled[cell] + np.arange(len(cell)) - first[cell]] = order + start
        filled += counts
        yield
    sorted_uv = np.empty_like(uv)
    for start in range(0, n, _BLOCK):
        sorted_uv[start : start + _BLOCK] = uv[rows[start : start + _BLOCK]]
        yield
    return Scatter(plane, rows, sorted_uv, rounded.astype(np.float64), starts)


def label_colours(labels: Array | None, rows: Array, palette: Array) -> Generator[None, None, Array]:
    """(n, 3) uint8: the colours of points that are of these rows (n,), by their labels, from a palette
    (m, 3) uint8, which repeats; of its first colour where there are no labels."""
    out = np.empty((len(rows), 3), np.uint8)
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        out[part] = palette[0] if labels is None else palette[labels[rows[part]] % len(palette)]
        yield
    return out


def value_colours(values: Array, rows: Array, scale: Scale, table: Array) -> Generator[None, None, Array]:
    """(n, 3) uint8: the colours of points that are of these rows (n,), by the rows' values (N,), from dark to
    bright in a table (256, 3) uint8."""
    out = np.empty((len(rows), 3), np.uint8)
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        out[part] = table[(scale.level(values[rows[part]]) * 255).astype(np.uint8)]
        yield
    return out


def points_picture(
    seen: Scatter, colours: Array, view: View, step: int = 0, rim: Sequence[int] | None = None
) -> Generator[None, None, Picture | None]:
    """Points with colours (n, 3) uint8 as they lie in the view. Up to MOST_DOTS of them are round dots, those
    of later rows over those of earlier ones; of more, each pixel is in the mean colour of its points and the
    more opaque the more there are. rim: the colour, of three uint8, of what sets dots off against any ground.
    """
    wide, high, size = view.width, view.height, view.width * view.height
    if not size:
        return None
    corner = np.array([view.x0, view.y1])
    scale = np.array([wide / (view.x1 - view.x0), -high / (view.y1 - view.y0)])
    (u0, v0), (a, b) = corner.astype(np.float32), scale.astype(np.float32)
    margin = ((RADIUS + RIM) * view.scale + 1) / np.abs(scale)
    least, most = np.array([view.x0, view.y0]) - margin, np.array([view.x1, view.y1]) + margin
    blocks = list(_blocks(seen.near(least, most)))
    pixels, counts, there = [], np.zeros(size + 1, np.int32), 0
    for block in blocks:
        u, v = _take(seen.uv, block).T
        x, y = (u - u0) * a, (v - v0) * b
        inside = (x >= 0) & (x < wide) & (y >= 0) & (y < high)
        with np.errstate(invalid="ignore"):  # what lies far beside the view need fit in no integer
            pixel = y.astype(np.int32) * np.int32(wide) + x.astype(np.int32)
        pixels.append(np.where(inside, pixel, size).astype(np.int64))
        np.add.at(counts, pixels[-1], np.int32(1))
        there += int(np.count_nonzero(inside))
        yield
    if there > MOST_DOTS:
        placed = [(of, _take(colours, block)) for of, block in zip(pixels, blocks, strict=True)]
        image = yield from _counted(counts[:size], placed, view)
    else:
        points = np.zeros(0, np.int64)
        for block in blocks:
            some = np.concatenate([np.arange(part.start, part.stop) for part in block])
            inside = ((seen.uv[some] > least) & (seen.uv[some] < most)).all(1)
            points = np.concatenate([points, some[inside]])
            yield
        points = points[np.argsort(seen.rows[points])]
        image = yield from _dots((seen.uv[points] - corner) * scale, colours[points], view, rim)
    return Picture(image, view, step, f"{there:,} points in view".replace(",", "\u202f"))


def _blocks(slices: list[slice]) -> Iterator[list[slice]]:
    """Slices that have about _BLOCK points together."""
    held: list[slice] = []
    size = 0
    for piece in slices:
        for start in range(piece.start, piece.stop, _BLOCK):
            held.append(slice(start, min(start + _BLOCK, piece.stop)))
            size += held[-1].stop - start
            if size >= _BLOCK:
                yield held
                held, size = [], 0
    if held:
        yield held


def _take(array: Array, block: list[slice]) -> Array:
    return array[block[0]] if len(block) == 1 else np.concatenate([array[piece] for piece in block])


def _dots(xy: Array, colours: Array, view: View, rim: Sequence[int] | None) -> Generator[None, None, Array]:
    """Discs with soft edges. A pixel has the colour of the last point that covers half of it, and lets
    through what all of them let through. Rings, of up to RIMMED points, lie below all discs and part none.
    """
    rim = rim if len(xy) <= RIMMED else None
    shrink = min(1.0, (FEW / max(len(xy), 1)) ** 0.25)
    radius, opacity, wide = RADIUS * view.scale * shrink, OPACITY * shrink, view.width
    wider = 0.0 if rim is None else RIM * view.scale * shrink
    reach = int(np.ceil(radius + wider + 0.5))
    off = np.arange(-reach, reach + 1)
    through = np.zeros(view.height * wide)  # the logarithm of what is let through
    top = np.zeros(view.height * wide, np.int32)  # 1 + the point whose colour is on top
    ring = np.zeros(view.height * wide, np.float32)
    size = max(1, _BLOCK // len(off) ** 2)
    x, y = xy.T
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        px, py = np.floor(x[part]).astype(np.int64), np.floor(y[part]).astype(np.int64)
        columns, rows = px[:, None, None] + off[None, None, :], py[:, None, None] + off[None, :, None]
        distance = np.hypot(columns + 0.5 - x[part][:, None, None], rows + 0.5 - y[part][:, None, None])
        inside = (columns >= 0) & (columns < wide) & (rows >= 0) & (rows < view.height)
        if rim is not None:
            cover = np.clip(radius + wider + 0.5 - distance, 0, 1)
            near = inside & (cover > 0)
            np.maximum.at(ring, (rows * wide + columns)[near], cover[near].astype(np.float32))
        cover = np.clip(radius + 0.5 - distance, 0, 1)
        inside &= cover > 0
        index, cover = (rows * wide + columns)[inside], cover[inside]
        which = np.broadcast_to(np.arange(start, start + len(px))[:, None, None] + 1, inside.shape)[inside]
        np.add.at(through, index, np.log1p(-opacity * cover))
        edge = (cover < 0.5) & (top[index] == 0)
        top[index[edge]] = which[edge]
        core = cover >= 0.5
        top[index[core]] = which[core]
        yield
    out = np.zeros((view.height * wide, 4), np.uint8)
    touched = np.flatnonzero(top)
    for start in range(0, len(touched), _BLOCK):
        pixels = touched[start : start + _BLOCK]
        covered = -np.expm1(through[pixels])
        out[pixels, :3] = colours[top[pixels] - 1, ::-1] * covered[:, None] + 0.5
        out[pixels, 3] = covered * 255 + 0.5
        yield
    if rim is not None:
        touched = np.flatnonzero(ring)
        for start in range(0, len(touched), _BLOCK):
            pixels = touched[start : start + _BLOCK]
            below = (255 - out[pixels, 3]) * ring[pixels] * RIM_OPACITY
            out[pixels, :3] += (below[:, None] * np.array(rim[::-1]) / 255).astype(np.uint8)
            out[pixels, 3] += below.astype(np.uint8)
            yield
    return out.reshape(view.height, wide, 4)


def _counted(counts: Array, placed: list[tuple[Array, Array]], view: View) -> Generator[None, None, Array]:
    """As much of each pixel as a dot would cover, in the mean colour of the points that fall on it.

    counts (pixels,) int32: how many these are. placed: of some points after the other their pixels (m,), of
    which one more than there are takes what lies beside the view, and their colours (m, 3).
    """
    size = len(counts)
    parts = [slice(start, min(start + _PIXELS, size)) for start in range(0, size, _PIXELS)]
    often = np.zeros(_OFTEN + 1, np.int64)  # pixels that have so many points
    for part in parts:
        often += np.bincount(np.minimum(counts[part], _OFTEN), minlength=_OFTEN + 1)
        yield
    often[0] = 0
    typical = int(np.searchsorted(often.cumsum(), often.sum() / 2))  # the median
    out, share = np.empty((size, 4), np.uint8), np.empty(size, np.float32)
    for part in parts:
        opacity = OPACITY * -np.expm1(np.float32(-1.2 / typical) * counts[part].astype(np.float32))
        out[part, 3] = opacity * 255 + 0.5
        share[part] = opacity / np.maximum(counts[part], 1)
        yield
    for channel in range(3):
        sums = np.zeros(size + 1)
        for pixels, colours in placed:
            np.add.at(sums, pixels, colours[:, channel].astype(np.float64))
            yield
        for part in parts:
            out[part, 2 - channel] = sums[part] * share[part] + 0.5
            yield
    return out.reshape(view.height, view.width, 4)

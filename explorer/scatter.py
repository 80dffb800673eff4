"""Points of the data on a plane: where they lie, what colour they have, and a picture of them.

Painted by NumPy in exploration, they cost the interface thread one image, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np

from backends.base import Array, DataInfo, InputError
from backends.data import Split
from backends.projections import lda_directions, principal_directions
from explorer.plane import Plane, coordinate_plane, subscript
from explorer.state import PlaneSpec
from explorer.view import Picture, View

MOST_DOTS = 20_000  # more points than that are counted in pixels
MOST_POINTS = 250_000  # drawn; of more, so many drawn at random
RADIUS = 2.2  # of a dot, in logical pixels
OPACITY = 0.85
FEW = 2_000  # points, above which dots become smaller and fainter
_BLOCK = 4096  # rows between two yields
_NUMBERS = 2**20  # that are worked on between two yields


@dataclass(frozen=True, eq=False)
class Scatter:
    """The training rows on a plane: which rows (n,), in the order in which they are painted, their canvas
    coordinates (n, 2) float64, and the corners of the standard view (2, 2)."""

    plane: Plane
    rows: Array
    uv: Array
    corners: Array


def column_names(info: DataInfo) -> tuple[str, ...]:
    """The data's columns, by their names where they have some."""
    if len(info.columns) == info.dim:
        return info.columns
    return tuple(f"x{subscript(i + 1)}" for i in range(info.dim))


def data_plane(data: Split, columns: tuple[str, ...], spec: PlaneSpec) -> Plane:
    """The plane that is asked for; of more than two columns it goes through the mean. Two columns are the
    plane itself; one lies along the first axis. Without two kinds of labels to tell apart the discriminants
    give way to the principal directions."""
    dim = data.x.shape[1]
    if dim <= 2 or spec.kind == "coordinates":
        i, j = (0, 1) if dim <= 2 or max(spec.i, spec.j) >= dim else (spec.i, spec.j)
        middle = data.x.mean(0, dtype=np.float64) if len(data) and dim > 2 else None
        plane = coordinate_plane(dim, i, j, middle)
        return Plane(plane.origin, plane.basis, (columns[i], columns[j] if dim > 1 else ""))
    if spec.kind == "lda" and data.labels is not None:
        try:
            origin, basis = lda_directions(data.x, data.labels)
            return Plane(origin, basis, ("discriminant 1", "discriminant 2"))
        except InputError:  # all labels are the same
            pass
    origin, basis = principal_directions(data.x)
    return Plane(origin, basis, ("principal direction 1", "principal direction 2"))


def scatter(
    data: Split, columns: tuple[str, ...], spec: PlaneSpec, seed: int = 0
) -> Generator[None, None, Scatter]:
    """Project the rows on the plane that is asked for."""
    plane = data_plane(data, columns, spec)
    yield
    rows = np.random.default_rng(seed).permutation(len(data))[:MOST_POINTS]
    uv = np.empty((len(rows), 2))
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        uv[part] = plane.to_canvas(data.x[rows[part]])
        yield
    corners = np.quantile(uv, (0.002, 0.998), axis=0) if len(uv) else np.array([[-1.0, -1], [1, 1]])
    return Scatter(plane, rows, uv, corners)


def nearest(seen: Scatter, uv: Array, reach: float) -> int | None:
    """The row whose point is nearest to uv (2,); None where there is none within ``reach``."""
    if not len(seen.uv):
        return None
    squared = np.square(seen.uv - uv).sum(1)
    first = int(squared.argmin())
    return int(seen.rows[first]) if squared[first] <= reach**2 else None


def mix(responsibilities: Array, palette: Array) -> Array:
    """Σ_k r_nk colour_k: (n, K) and a palette (m, 3) uint8, which repeats, → (n, 3) uint8."""
    colours = palette[np.arange(responsibilities.shape[1]) % len(palette)].astype(np.float64)
    return np.asarray(np.clip(responsibilities @ colours + 0.5, 0, 255), np.uint8)


def mixed_colours(
    responsibilities: Callable[[slice], Array], n: int, palette: Array, numbers: int
) -> Generator[None, None, Array]:
    """The colours of n points, mixed of those of the components that answer for them: (n, 3) uint8.

    responsibilities: of a part of the points, (m, K). numbers: how many it takes for each of them.
    """
    out = np.empty((n, 3), np.uint8)
    block = int(np.clip(_NUMBERS // max(numbers, 1), 64, _BLOCK))
    for start in range(0, n, block):
        part = slice(start, start + block)
        out[part] = mix(responsibilities(part), palette)
        yield
    return out


def points_picture(uv: Array, colours: Array, view: View) -> Generator[None, None, Picture | None]:
    """Points uv (n, 2) with colours (n, 3) uint8 as they lie in the view: round dots, later ones over earlier
    ones; of more than MOST_DOTS, each pixel in the mean colour of its points and the more opaque the more
    there are."""
    if not view.width or not view.height:
        return None
    x = (uv[:, 0] - view.x0) / (view.x1 - view.x0) * view.width
    y = (view.y1 - uv[:, 1]) / (view.y1 - view.y0) * view.height
    shrink = min(1.0, (FEW / max(len(uv), 1)) ** 0.25)
    margin = RADIUS * view.scale + 1
    seen = (x > -margin) & (x < view.width + margin) & (y > -margin) & (y < view.height + margin)
    x, y, colours = x[seen], y[seen], colours[seen]
    yield
    if len(uv) <= MOST_DOTS:
        image = yield from _dots(x, y, colours, view, shrink)
    else:
        image = yield from _counts(x, y, colours, view)
    detail = f"{len(uv):,} points".replace(",", "\u202f")
    return Picture(image, view, 0, detail)


def _dots(x: Array, y: Array, colours: Array, view: View, shrink: float) -> Generator[None, None, Array]:
    """Discs with soft rims. A pixel has the colour of the last point that covers half of it, and lets through
    what all of them let through."""
    radius, opacity, wide = RADIUS * view.scale * shrink, OPACITY * shrink, view.width
    reach = int(np.ceil(radius + 0.5))
    off = np.arange(-reach, reach + 1)
    through = np.zeros(view.height * wide)  # the logarithm of what is let through
    top = np.zeros(view.height * wide, np.int64)  # 1 + the point whose colour is on top
    for start in range(0, len(x), _BLOCK // 4):
        part = slice(start, start + _BLOCK // 4)
        px, py = np.floor(x[part]).astype(np.int64), np.floor(y[part]).astype(np.int64)
        columns, rows = px[:, None, None] + off[None, None, :], py[:, None, None] + off[None, :, None]
        distance = np.hypot(columns + 0.5 - x[part][:, None, None], rows + 0.5 - y[part][:, None, None])
        cover = np.clip(radius + 0.5 - distance, 0, 1)
        inside = (cover > 0) & (columns >= 0) & (columns < wide) & (rows >= 0) & (rows < view.height)
        index, cover = (rows * wide + columns)[inside], cover[inside]
        which = np.broadcast_to(np.arange(start, start + len(px))[:, None, None] + 1, inside.shape)[inside]
        np.add.at(through, index, np.log1p(-opacity * cover))
        rim = (cover < 0.5) & (top[index] == 0)
        top[index[rim]] = which[rim]
        core = cover >= 0.5
        top[index[core]] = which[core]
        yield
    return _image(colours[np.maximum(top - 1, 0)] if len(colours) else np.zeros((len(top), 3)),
                  -np.expm1(through), view)  # fmt: skip


def _counts(x: Array, y: Array, colours: Array, view: View) -> Generator[None, None, Array]:
    """As many pixels as a dot would have, in the mean colour of the points that fall on it."""
    wide, high, size = view.width, view.height, view.width * view.height
    px, py = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    inside = (px >= 0) & (px < wide) & (py >= 0) & (py < high)
    index, colours = (py * wide + px)[inside], colours[inside]
    yield
    counts = np.bincount(index, minlength=size).astype(np.float64)
    sums = []
    for channel in range(3):
        yield
        sums.append(np.bincount(index, weights=colours[:, channel], minlength=size))
    yield
    mean = np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None]
    typical = np.median(counts[counts > 0]) if len(index) else 1.0
    opacity = OPACITY * (1 - np.exp(-1.2 * counts / typical))
    return _image(mean, opacity, view)


def _image(colours: Array, opacity: Array, view: View) -> Array:
    """(h·w, 3) and (h·w,) → (h, w, 4) uint8, blue-green-red-alpha, premultiplied."""
    out = np.empty((view.height * view.width, 4), np.uint8)
    out[:, :3] = colours[:, ::-1] * opacity[:, None] + 0.5
    out[:, 3] = opacity * 255 + 0.5
    return out.reshape(view.height, view.width, 4)

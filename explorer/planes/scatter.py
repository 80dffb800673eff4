"""The data as points: on which plane they lie, which of them is near, and what colours they have."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np

from backends.base import Array, DataInfo, InputError
from backends.data import Split
from backends.projections import lda_directions, principal_directions
from explorer.plane import Plane, coordinate_plane, subscript
from explorer.planes.points import Scatter, scattered
from explorer.state import PlaneSpec

_BLOCK = 4096  # rows between two yields
_NUMBERS = 2**20  # that are worked on between two yields


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


def scatter(data: Split, columns: tuple[str, ...], spec: PlaneSpec) -> Generator[None, None, Scatter]:
    """Project the rows on the plane that is asked for."""
    plane = data_plane(data, columns, spec)
    yield
    return (yield from scattered(data.x, plane))


def nearest(seen: Scatter, uv: Array, reach: float) -> int | None:
    """The row whose point is nearest to uv (2,); None where there is none within ``reach``."""
    best, row = reach**2, None
    for part in seen.near(uv - reach, uv + reach):
        squared = np.square(seen.uv[part] - uv).sum(1)
        first = int(squared.argmin())
        if squared[first] <= best:
            best, row = squared[first], int(seen.rows[part][first])
    return row


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

"""Contour lines of a field on a grid, by marching squares (Lorensen & Cline 1987, in the plane)."""

from __future__ import annotations

import numpy as np

from backends.base import Array

# The edges of a cell: 0 from corner a to b, 1 b to c, 2 d to c, 3 a to d, with corners a, b, c, d around it.
# By which corners are above the level (a is 1, b 2, c 4, d 8): the edges that the line enters and leaves by.
_LINES = {
    1: ((3, 0),), 2: ((0, 1),), 3: ((3, 1),), 4: ((1, 2),), 6: ((0, 2),), 7: ((3, 2),), 8: ((2, 3),),
    9: ((0, 2),), 11: ((1, 2),), 12: ((1, 3),), 13: ((0, 1),), 14: ((3, 0),),
    5: ((3, 0), (1, 2)), 10: ((0, 1), (2, 3)),
}  # fmt: skip


def contour(field: Array, level: float) -> Array:
    """Where a field (rows, columns) crosses a level: line segments (m, 2, 2), each from one point to another,
    a point as (column, row), between the grid's points by linear interpolation. Where the field is not
    finite there is no line."""
    finite = np.isfinite(field)
    whole = finite[:-1, :-1] & finite[:-1, 1:] & finite[1:, 1:] & finite[1:, :-1]
    above = (np.where(finite, field, -np.inf) > level).astype(np.int8)
    case = above[:-1, :-1] + 2 * above[:-1, 1:] + 4 * above[1:, 1:] + 8 * above[1:, :-1]
    case[~whole] = 0
    out = []
    for number, lines in _LINES.items():
        rows, columns = np.nonzero(case == number)
        out += [
            np.stack([_on_edge(field, level, rows, columns, edge) for edge in line], axis=1) for line in lines
        ]
    return np.concatenate(out) if out else np.zeros((0, 2, 2))


def _on_edge(field: Array, level: float, rows: Array, columns: Array, edge: int) -> Array:
    (r0, c0), (r1, c1) = (((0, 0), (0, 1)), ((0, 1), (1, 1)), ((1, 0), (1, 1)), ((0, 0), (1, 0)))[edge]
    first, second = field[rows + r0, columns + c0], field[rows + r1, columns + c1]
    share = (level - first) / (second - first)
    return np.stack([columns + c0 + share * (c1 - c0), rows + r0 + share * (r1 - r0)], axis=1)

"""Pictures with known factors: one bright shape on black, whose kind, place, size and rotation were drawn.

A model that has found these factors has a latent coordinate for each, or two (Higgins et al. 2017 and the
dSprites data of Matthey et al. 2017, which this resembles; here pictures are antialiased, and no shape looks
like itself when it is turned by less than the rotation's whole range).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from backends.base import Array, Progress, Work, finish
from backends.dataset import Split

FACTORS = ("x", "y", "size", "rotation")
LOW = np.array([-0.45, -0.45, 0.25, -90.0])  # of each factor, in the order of FACTORS
HIGH = np.array([0.45, 0.45, 0.45, 90.0])
VALIDATION, TEST = 1000, 1000
_BLOCK = 2**16  # pixels drawn between two yields


def _half_disc(u: Array, v: Array) -> Array:
    return np.asarray(np.maximum(np.hypot(u, v + 0.4) - 1.0, -(v + 0.4)))


def _wedge(u: Array, v: Array) -> Array:
    """A tall triangle."""
    sides = (np.abs(u) * 1.8 + (v - 1.1) * 0.7) / np.hypot(1.8, 0.7)
    return np.asarray(np.maximum(sides, -(v + 0.7)))


def _angle(u: Array, v: Array) -> Array:
    """The letter L: two bars."""
    upright = np.maximum(np.abs(u + 0.4) - 0.3, np.abs(v) - 1.0)
    foot = np.maximum(np.abs(u - 0.05) - 0.75, np.abs(v + 0.7) - 0.3)
    return np.asarray(np.minimum(upright, foot))


#: By name, the distance of a point (u, v) from the shape's outline, negative within; lengths of the shape are
#: about 1.
SHAPES: dict[str, Callable[[Array, Array], Array]] = {
    "half disc": _half_disc,
    "wedge": _wedge,
    "angle": _angle,
}


@dataclass(frozen=True)
class Rendered:
    """A set of pictures of side × side pixels, with ``train`` for training."""

    name: str
    title: str
    side: int
    train: int
    seed: int = 13

    def rows(self, train: int) -> Split:
        """All of :meth:`drawing` at once."""
        return finish(self.drawing(train))

    def drawing(self, train: int) -> Work[Split]:
        """In slices, VALIDATION + TEST pictures, and so many for training after them; always the same ones.

        Values are in [0, 1], labels are indices into SHAPES, factors are as in FACTORS, uniform between LOW
        and HIGH.
        """
        unit = np.random.default_rng(self.seed).random((VALIDATION + TEST + train, 1 + len(FACTORS)))
        labels = (unit[:, 0] * len(SHAPES)).astype(np.int64)
        factors = LOW + unit[:, 1:] * (HIGH - LOW)
        x = yield from drawing(labels, factors, self.side)
        return Split(x, labels, factors.astype(np.float32))


def draw(labels: Array, factors: Array, side: int) -> Array:
    """All of :func:`drawing` at once."""
    return finish(drawing(labels, factors, side))


def drawing(labels: Array, factors: Array, side: int) -> Work[Array]:
    """Pictures (n, side²) float32 of shapes (n,) with factors (n, 4): x to the right and y upwards, both from
    −1 to 1 across the picture, size in the same unit, rotation in degrees anticlockwise.

    A pixel is as bright as the share of it that is covered, as if the outline crossed it straight.
    """
    middle = (np.arange(side, dtype=np.float32) + 0.5) * 2 / side - 1
    x, y = middle[None, None, :], -middle[None, :, None]
    out, size = np.empty((len(labels), side, side), np.float32), max(1, _BLOCK // side**2)
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(len(SHAPES) + 1))
    for shape, (begin, end) in zip(SHAPES.values(), pairwise(bounds), strict=True):
        for start in range(begin, end, size):
            rows = order[start : min(start + size, end)]
            at_x, at_y, scale, rotation = (
                column[:, None, None] for column in factors[rows].astype(np.float32).T
            )
            cos, sin = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
            u = (cos * (x - at_x) + sin * (y - at_y)) / scale
            v = (cos * (y - at_y) - sin * (x - at_x)) / scale
            distance = shape(u, v) * scale * (side / 2)  # in pixels
            out[rows] = np.clip(0.5 - distance, 0, 1)
            yield Progress(start, len(labels), "draw the shapes")
    return out.reshape(len(labels), side * side)


RENDERED = (
    Rendered("shapes", "Shapes 32×32", 32, 10_000),
    Rendered("shapes-64", "Shapes 64×64", 64, 4_000),
)
DOC = (
    "A half disc, a wedge or an angle, bright on black, at a random place, size and rotation, which are kept "
    "with the rows: so one can see whether a latent found them."
)

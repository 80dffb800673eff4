"""Pictures side by side: samples, and the way in z from one datum to another. Runs in exploration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array, DataInfo
from backends.capabilities import Decodes
from backends.carry import Slices
from explorer.planes.mosaic import GAP, Ink, normalise, paint, resize
from explorer.slices import decoded, encoded

TILE = 30  # logical pixels


@dataclass(frozen=True)
class Tiling:
    """How many tiles lie on a picture of ``height`` × ``width`` device pixels, and how large they are."""

    rows: int
    columns: int
    tile_height: int
    tile_width: int
    gap: int
    height: int
    width: int

    @classmethod
    def of(cls, info: DataInfo, width: int, height: int, ratio: float) -> Tiling:
        """As many as fit into width × height logical pixels, but one at least."""
        assert info.image_shape is not None
        high, wide = info.image_shape[:2]
        unit, gap = TILE * ratio / min(high, wide), max(1, round(GAP * ratio))
        tile_h, tile_w = round(high * unit), round(wide * unit)
        h, w = max(round(height * ratio), tile_h), max(round(width * ratio), tile_w)
        return cls((h + gap) // (tile_h + gap), (w + gap) // (tile_w + gap), tile_h, tile_w, gap, h, w)

    @property
    def count(self) -> int:
        """Tiles in all."""
        return self.rows * self.columns

    def lay(self, x: Array, info: DataInfo, ink: Ink) -> Array:
        """Rows x (n, d), n ≤ count, from left to right and down: (height, width, 4) uint8 premultiplied."""
        unit = resize(normalise(x, info), self.tile_height, self.tile_width)
        canvas = np.zeros((self.height, self.width, 4), np.uint8)
        for i, tile in enumerate(paint(unit, ink, np.ones(len(x), np.float32))):
            top = (i // self.columns) * (self.tile_height + self.gap)
            left = (i % self.columns) * (self.tile_width + self.gap)
            canvas[top : top + self.tile_height, left : left + self.tile_width] = tile
        return canvas


def row_of(
    x: Array, info: DataInfo, lefts: Sequence[int], size: tuple[int, int], width: int, ink: Ink
) -> Slices[Array]:
    """Rows x (n, d) side by side from their left edges, each of (height, width) = ``size`` device pixels:
    (height, ``width``, 4) uint8 premultiplied."""
    canvas = np.zeros((size[0], width, 4), np.uint8)
    images = resize(normalise(x, info), *size)
    yield
    tiles = paint(images, ink, np.ones(len(x), np.float32))
    yield
    for tile, left in zip(tiles, lefts, strict=True):
        room = canvas[:, left : left + size[1]]
        room[:] = tile[:, : room.shape[1]]
    return canvas


def between(model: Any, a: Array, b: Array, n: int) -> Slices[Array]:
    """What decodes from n points on the straight line in z from each row of a (m, d) to that of b: (m, n, d).

    A flow begins and ends with the rows themselves, a VAE with their reconstructions.
    """
    assert isinstance(model, Decodes)
    start, end = np.split((yield from encoded(model, np.concatenate([a, b]))), 2)
    t = np.linspace(0, 1, n, dtype=np.float32)[:, None]
    z = start[:, None] + t * (end - start)[:, None]
    return (yield from decoded(model, z.reshape(-1, start.shape[1]))).reshape(len(a), n, -1)


def pairs(x: Array, m: int, seed: int) -> tuple[Array, Array]:
    """m pairs of different rows of x (n, d), n ≥ 2, drawn with the seed."""
    rng = np.random.default_rng(seed)
    first = rng.integers(len(x), size=m)
    second = (first + rng.integers(1, len(x), size=m)) % len(x)
    return x[first], x[second]

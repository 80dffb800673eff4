"""The mosaic: the decoder's images as a field on a plane, for the rectangle in view, coarse to fine."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from backends.base import Array, DataInfo
from backends.capabilities import Decodes, HasPrior
from backends.prior_levels import prior_levels
from explorer.plane import Plane
from explorer.view import Picture, View

SLICE = 0.006  # seconds of work between two yields
MIN_TILE = 24  # logical pixels
GAP = 2
SHOW_EVERY = 0.05  # seconds between two pictures that are not complete


@dataclass(frozen=True)
class Ink:
    """How images are drawn: the colour of full intensity, (r, g, b), and how far it is dimmed."""

    colour: tuple[int, int, int] = (255, 255, 255)
    strength: float = 0.6


@lru_cache(maxsize=32)
def resampling(n: int, m: int) -> Array:
    """The (m, n) matrix that resamples n pixels to m with a triangle filter, wide enough not to alias."""
    scale = max(n / m, 1.0)
    centre = (np.arange(m) + 0.5) * n / m - 0.5
    weight = np.maximum(0.0, 1.0 - np.abs(np.arange(n) - centre[:, None]) / scale)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), np.float32)


def resize(images: Array, height: int, width: int) -> Array:
    """(n, h, w) or (n, h, w, c) float32 → (n, height, width[, c]), smoothly."""
    rows, columns = resampling(images.shape[1], height), resampling(images.shape[2], width)
    if images.ndim == 4:
        return np.moveaxis(rows @ np.moveaxis(images, 3, 1) @ columns.T, 1, 3)
    return np.asarray(rows @ images @ columns.T)


def normalise(x: Array, info: DataInfo) -> Array:
    """Rows (n, d) of image data → (n, h, w[, c]) in [0, 1]."""
    assert info.image_shape is not None
    low, high = info.display
    unit = (np.asarray(x, np.float32) - low) / max(high - low, 1e-12)
    return np.clip(unit, 0.0, 1.0).reshape(-1, *info.image_shape)


def paint(unit: Array, ink: Ink, alpha: Array) -> Array:
    """Images in [0, 1] → (n, h, w, 4) uint8 premultiplied; alpha (n,) in [0, 1] fades each.

    Grey images are ink on nothing, so that they suit a dark and a light window; colours stay as they are.
    """
    alpha = alpha[:, None, None]
    if unit.ndim == 4 and unit.shape[3] >= 3:
        out = np.empty((*unit.shape[:3], 4), np.uint8)
        out[..., :3] = unit[..., 2::-1] * alpha[..., None] * 255.0 + 0.5
        out[..., 3] = alpha * 255.0 + 0.5
        return out
    grey = unit[..., 0] if unit.ndim == 4 else unit
    level = (grey * (255.0 * alpha) + 0.5).astype(np.uint8)
    return _shades(ink.colour)[level].view(np.uint8).reshape(*level.shape, 4)


@lru_cache(maxsize=8)
def _shades(colour: tuple[int, int, int]) -> Array:
    """Of each coverage 0 … 255 the pixel, (256,) uint32. To look them up takes less than half as long as to
    reckon channel by channel."""
    pixels = np.arange(256)[:, None] * np.array((*colour[::-1], 255)) / 255 + 0.5
    return pixels.astype(np.uint8).view(np.uint32)[:, 0]


def fade(model: object, z: Array, top: float = 0.0) -> Array:
    """How strongly to draw what decodes from z (n, k): 1 where log p(z) reaches ``top``, less where the prior
    has no mass, and 0 outside its support, from where nothing may decode. Without a prior 1 everywhere."""
    if not isinstance(model, HasPrior):
        return np.ones(len(z), np.float32)
    height = model.log_prior(z)
    strength = np.clip(np.exp(np.minimum(height - top, 0.0) / 6.0), 0.1, 1.0)
    return np.where(np.isneginf(height), 0.0, strength).astype(np.float32)


def interlaced(rows: int, columns: int) -> Array:
    """Indices of a rows × columns grid, every fourth tile each way first, then every second, then all."""
    r, c = np.divmod(np.arange(rows * columns), columns)
    level = np.where((r % 4 == 0) & (c % 4 == 0), 0, np.where((r % 2 == 0) & (c % 2 == 0), 1, 2))
    return np.argsort(level, kind="stable")


def mosaic(
    model: Any, info: DataInfo, plane: Plane, view: View, ink: Ink
) -> Generator[Picture | None, None, Picture | None]:
    """Decode the view as tiles of at least 24 logical pixels laid on whole pixels.

    Each tile is decoded at exactly the latent that lies under its centre. Yields pictures as they fill
    (None where a slice of work ended with nothing new to show) and returns the complete one.
    """
    assert isinstance(model, Decodes)
    assert info.image_shape is not None
    gap = max(1, round(GAP * view.scale))
    high, wide = info.image_shape[:2]
    unit = max(MIN_TILE * view.scale / min(high, wide), 1.0)
    tile_h, tile_w = round(high * unit), round(wide * unit)
    rows, columns = view.height // (tile_h + gap), view.width // (tile_w + gap)
    if not rows or not columns:
        return None
    top = (view.height - rows * (tile_h + gap) + gap) // 2
    left = (view.width - columns * (tile_w + gap) + gap) // 2
    detail = f"mosaic {columns} × {rows}"

    order = interlaced(rows, columns)
    r, c = np.divmod(order, columns)
    y, x = top + r * (tile_h + gap), left + c * (tile_w + gap)
    z = plane.to_space(view.to_canvas(x + tile_w / 2, y + tile_h / 2))
    canvas = np.zeros((view.height, view.width, 4), np.uint8)
    step, done, chunk, shown = model.stamp.step, 0, 32, time.perf_counter()
    highest = prior_levels(model).top if isinstance(model, HasPrior) else 0.0
    while done < len(order):
        start = time.perf_counter()
        part = slice(done, min(done + chunk, len(order)))
        strength = fade(model, z[part], highest)
        seen = strength > 0
        tiles = resize(normalise(model.decode(z[part][seen]).mean, info), tile_h, tile_w)
        pixels = paint(tiles, ink, strength[seen] * ink.strength)
        for tile, py, px in zip(pixels, y[part][seen], x[part][seen], strict=True):
            canvas[py : py + tile_h, px : px + tile_w] = tile
        done = part.stop
        now = time.perf_counter()
        chunk = int(np.clip(chunk * SLICE / max(now - start, 1e-5), 4, 4 * chunk))
        if done == len(order):
            break
        if now - shown >= SHOW_EVERY:
            shown = now
            yield Picture(canvas.copy(), view, step, detail, complete=False)
        else:
            yield None
    return Picture(canvas, view, step, detail)

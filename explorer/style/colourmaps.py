"""Colours of fields: maps from dark to bright that the colour-blind can read, and one with a middle."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyqtgraph as pg

from backends.base import Array

MAPS = ("viridis", "cividis", "magma")
AUTOMATIC = "automatic"  # greys under points in colours, and viridis elsewhere


@cache
def colour_table(name: str) -> Array:
    """(256, 3) uint8, from dark to bright, of one of MAPS."""
    return np.asarray(pg.colormap.get(name).getLookupTable(nPts=256)[:, :3])


def diverging(level: Array) -> Array:
    """Levels from −1, cool, over 0, clear, to 1, warm: (…, 4) uint8, red, green, blue, opacity."""
    level = np.clip(np.nan_to_num(level), -1, 1)
    cool, warm = np.array([56, 126, 220.0]), np.array([232, 122, 40.0])
    rgb = np.where(level[..., None] < 0, cool, warm)
    alpha = 20 + 150 * np.abs(level)[..., None]
    return np.asarray(np.concatenate([rgb, alpha], axis=-1), np.uint8)


def premultiplied(rgba: Array) -> Array:
    """(…, 4) red, green, blue, opacity → blue, green, red, opacity, each times the last."""
    out = np.empty_like(rgba)
    out[..., :3] = rgba[..., 2::-1].astype(np.float64) * rgba[..., 3:] / 255 + 0.5
    out[..., 3] = rgba[..., 3]
    return out

"""A picture as a density on the plane: the darker (or the brighter), the denser.

The picture is centred at 0 with y upwards, and its longer side goes from −4 to 4. What its border looks like
is paper: dark is dense where the border is brighter than mid-grey, and bright is dense otherwise. Between
the centres of pixels the density is interpolated linearly, and one row in ten thousand is a draw of a wide
Gaussian, so that log p(x) has a slope and is finite everywhere: the reverse KL divergence needs both.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from backends.atomic import replacing
from backends.base import Array, InputError
from backends.images import FORMATS, on_white, read_content, upright

HALF_WIDTH = 4.0  # of the picture's longer side, in the units of the data
MOST_PIXELS = 512  # of the longer side; a larger picture is averaged down to that
HAZE, HAZE_STD = 1e-4, 2.0  # share and σ of the wide Gaussian

_NODES = 12  # of the Gauss-Legendre quadrature, in each direction between four centres of pixels


@dataclass(frozen=True, eq=False)
class Picture:
    """p(x) = (1 − ε) Σ_ij w_ij Λ((x₁ − c_j)/s) Λ((x₂ − r_i)/s)/s² + ε N(x; 0, σ²I), Λ(t) = max(1 − |t|, 0).

    weights: (h, w) float64, of the pixels from the lowest row upwards; they sum to one. s is a pixel's side,
    ε is HAZE and σ is HAZE_STD.
    """

    weights: Array

    @property
    def side(self) -> float:
        """s, in the units of the data."""
        return float(2 * HALF_WIDTH / max(self.weights.shape))

    @cached_property
    def _padded(self) -> Array:
        """Density at the centres of pixels, (h + 2, w + 2), with zeros around."""
        return np.pad(self.weights, 1) * ((1 - HAZE) / self.side**2)

    def log_prob(self, x: Array) -> Array:
        """x (n, 2) → log p(x), (n,) float64."""
        x = np.asarray(x, dtype=np.float64)
        height, width = self.weights.shape
        cells, parts = [], []
        for place, count in ((x[:, 1], height), (x[:, 0], width)):
            at = np.clip(place / self.side + (count + 1) / 2, 0, count + 1)  # in pixels of the padded picture
            cell = np.minimum(at.astype(np.int64), count)
            cells.append(cell)
            parts.append(at - cell)
        (i, j), (u, v), p = cells, parts, self._padded
        low = p[i, j] * (1 - v) + p[i, j + 1] * v
        high = p[i + 1, j] * (1 - v) + p[i + 1, j + 1] * v
        with np.errstate(divide="ignore"):
            log_picture = np.log(low * (1 - u) + high * u)
        return np.asarray(np.logaddexp(log_picture, np.log(HAZE) + _log_normal((x**2).sum(1))))

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """n rows x (n, 2) float32: a pixel by its weight, and the sum of two uniform jitters within it."""
        height, width = self.weights.shape
        upto = np.cumsum(self.weights)
        pixel = np.searchsorted(upto, rng.random(n) * upto[-1], side="right")
        centre = np.stack([pixel % width - (width - 1) / 2, pixel // width - (height - 1) / 2], 1)
        x = self.side * (centre + rng.random((n, 2)) + rng.random((n, 2)) - 1)
        haze = rng.random(n) < HAZE
        return np.where(haze[:, None], HAZE_STD * rng.standard_normal((n, 2)), x).astype(np.float32)

    @cached_property
    def entropy(self) -> float:
        """−E log p(x) in nats, by quadrature between the centres of pixels and in closed form outside."""
        p, s = self._padded, self.side
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        nodes, weights = (nodes + 1) / 2, weights / 2
        rows, columns = (s * (np.arange(n - 1) - (n - 1) / 2) for n in p.shape)  # the cells' lower corners
        inside = haze_inside = 0.0
        for u, wu in zip(nodes, weights, strict=True):
            low, high = p[:-1] * (1 - u) + p[1:] * u, (rows + u * s)[:, None] ** 2
            for v, wv in zip(nodes, weights, strict=True):
                log_haze = np.log(HAZE) + _log_normal(high + (columns + v * s) ** 2)
                haze = np.exp(log_haze)
                total = low[:, :-1] * (1 - v) + low[:, 1:] * v + haze
                inside += wu * wv * s**2 * float((total * np.log(total)).sum())
                haze_inside += wu * wv * s**2 * float((haze * log_haze).sum())
        haze_all = HAZE * (np.log(HAZE) - 1 - np.log(2 * np.pi * HAZE_STD**2))
        return float(haze_inside - haze_all - inside)


def _log_normal(squared: Array) -> Array:
    """log N(x; 0, σ²I) on the plane, from |x|²."""
    return np.asarray(-squared / (2 * HAZE_STD**2) - np.log(2 * np.pi * HAZE_STD**2))


def is_picture(path: Path) -> bool:
    """Does the file begin as one of the pictures that can be read: PNG, JPEG or GIF?"""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(8).startswith(tuple(FORMATS))
    except (OSError, ValueError):  # ValueError: what is no path at all
        return False


def read_picture(path: Path) -> tuple[Picture, str]:
    """The density that a picture is, and the file's SHA-256 in hex; raises InputError, and nothing else."""
    content = read_content(path, str(path))
    levels = _levels(content, path.name)
    total = levels.sum()
    if total == 0:
        raise InputError(f"{path.name} is all paper: there is nothing in it that could be dense")
    return Picture(levels[::-1] / total), hashlib.sha256(content).hexdigest()


@lru_cache(maxsize=4)
def known_picture(path: Path, sha256: str) -> Picture:
    """The density that a picture was; raises InputError where the file is gone or has changed since."""
    picture, found = read_picture(path)
    if found != sha256:
        raise InputError(f"{path} has changed since it was opened for this run")
    return picture


def read_levels(path: Path) -> Array:
    """How dense each pixel is, (h, w) float64 from 0, paper, to 1, the top row first; at most MOST_PIXELS a
    side. Raises InputError where the file is no picture that can be read."""
    return _levels(read_content(path, str(path)), path.name)


def write_levels(path: Path, levels: Array) -> None:
    """A PNG of levels (h, w) in [0, 1], bright on black; raises InputError where it cannot be written."""
    from PIL import Image

    grey = np.rint(255 * levels).astype(np.uint8)
    with replacing(path) as file:
        Image.fromarray(grey).save(file, "PNG")


def _levels(content: bytes, name: str) -> Array:
    """Levels (h, w) from 0, paper, to 1."""
    grey = _grey(upright(content, name)[0])
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    return 1 - grey if border.mean() > 0.5 else grey


def _grey(image: Any) -> Array:
    """Grey levels (h, w) from 0, black, to 1, white; what is transparent is white."""
    from PIL import Image

    top = 65535 if image.mode.startswith("I") else 255  # 16 bits a pixel, or 8
    grey = image if top > 255 else on_white(image, "L")
    scale = MOST_PIXELS / max(grey.size)
    if scale < 1:
        width, height = (max(1, round(n * scale)) for n in grey.size)
        grey = grey.convert("F").resize((width, height), Image.Resampling.BOX)
    return np.clip(np.asarray(grey, dtype=np.float64) / top, 0, 1)

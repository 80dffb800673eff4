"""What each latent dimension does: how much of the KL it carries, and what decodes along it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array, DataInfo, Gaussian
from backends.evaluation import some_rows
from explorer.planes.mosaic import Ink, normalise, paint, resize
from explorer.slices import decoded, in_slices

ROWS = 2000  # of the held-out rows
DRAWS = 2000  # from a prior that is not N(0, I), for its moments
PLACES = 11  # along each dimension
WIDEST = 3.0  # standard deviations either way
MOST = 64  # dimensions that are shown
DEAD = 0.01  # nats, below which a dimension says nothing of x
TILE, GAP = 28, 2  # logical pixels
BATCH = 4  # dimensions that are shown at once, as they come


@dataclass(frozen=True, eq=False)
class Traversals:
    """Of a model with k latent dimensions: kl (k,), the mean KL of q(zⱼ|x) against the prior, in nats.

    order: the dimensions by falling KL. strips: of the first of these, in that order, what decodes along
    them, (h, w, 4) uint8 premultiplied. method: how the KL was made, of a full covariance those of its
    marginals; rows: of how many held-out rows.
    """

    step: int
    kl: Array
    order: Array
    strips: tuple[Array, ...]
    method: str
    rows: int

    @property
    def used(self) -> int:
        """How many dimensions are not dead."""
        return int((self.kl >= DEAD).sum())


def kl_by_dimension(model: Any, mean: Array, std: Array) -> tuple[Array, str]:
    """KL(q(zⱼ|x) ‖ p(zⱼ)) of each row and dimension, (n, k) float64, and how it was made.

    mean, std (n, k): of the Gaussians q(zⱼ|x). Analytic where the prior is N(0, I) (Kingma & Welling 2014,
    app. B); of another prior, against the Gaussian with its mean and variance, from draws.
    """
    mean, std = mean.astype(np.float64), std.astype(np.float64)
    if is_standard_normal(model):
        m, s, method = 0.0, np.ones(()), "analytic, against N(0, 1)"
    else:
        z = model.sample_prior(DRAWS, 0).astype(np.float64)
        m, s = z.mean(0), z.std(0)
        method = f"against the Gaussian with the prior's mean and variance, of {DRAWS} draws"
    return np.log(s / std) + (std**2 + (mean - m) ** 2) / (2 * s**2) - 0.5, method


def is_standard_normal(model: Any) -> bool:
    """Is the prior's density that of N(0, I)? Asked at some places near the origin and far from it."""
    z = np.random.default_rng(0).normal(0, 2, (32, model.latent_dim)).astype(np.float32)
    wide = z.astype(np.float64)
    exact = -0.5 * (wide**2 + np.log(2 * np.pi)).sum(1)
    return bool(np.allclose(model.log_prior(z), exact, rtol=1e-5, atol=1e-4))


def traversals(
    model: Any, x: Array, point: Array | None, ink: Ink, scale: float
) -> Generator[Traversals | None, None, Traversals]:
    """How much each latent dimension carries of held-out rows x (n, d), and what decodes along it.

    Along dimension j, zⱼ goes from −3 to +3 standard deviations of the aggregate posterior, whose variance is
    Var μⱼ(x) + E σⱼ²(x), around its mean; the other coordinates are those of ``point`` (k,), or the mean's.
    scale: device pixels a logical one. Yields with more and more strips.
    """
    x = some_rows(x, ROWS)
    parts: list[Gaussian] = yield from in_slices(model.encode, x)
    mean, std = (np.concatenate([getattr(q, name) for q in parts]) for name in ("mean", "std"))
    each, method = kl_by_dimension(model, mean, std)
    if parts[0].scale_tril is not None:
        method += (
            "; q's covariance is full: what dimensions have in common is in none of these, nor in their sum"
        )
    kl = each.mean(0) if len(x) else np.zeros(model.latent_dim)
    order = np.argsort(-kl, kind="stable")
    middle = mean.mean(0, dtype=np.float64) if len(x) else np.zeros(model.latent_dim)
    wide = (
        np.sqrt(mean.var(0, dtype=np.float64) + (std.astype(np.float64) ** 2).mean(0))
        if len(x)
        else middle + 1
    )
    strips: list[Array] = []
    steps = np.linspace(-WIDEST, WIDEST, PLACES)
    for start in range(0, min(len(order), MOST), BATCH):
        dims = order[start : min(start + BATCH, MOST)]
        z = np.tile(middle if point is None else point.astype(np.float64), (len(dims), PLACES, 1))
        for i, j in enumerate(dims):
            z[i, :, j] = middle[j] + steps * wide[j]
        pictures = yield from decoded(model, z.reshape(-1, model.latent_dim).astype(np.float32))
        for row in pictures.reshape(len(dims), PLACES, -1):
            strips.append(strip(row, model.info, ink, scale))
            yield None
        yield Traversals(model.stamp.step, kl, order, tuple(strips), method, len(x))
    return Traversals(model.stamp.step, kl, order, tuple(strips), method, len(x))


def strip(x: Array, info: DataInfo, ink: Ink, scale: float) -> Array:
    """Images x (n, d) side by side, a gap between them: (h, w, 4) uint8 premultiplied."""
    assert info.image_shape is not None
    high, wide = info.image_shape[:2]
    unit, gap = TILE * scale / max(high, wide), round(GAP * scale)
    tiles = paint(
        resize(normalise(x, info), round(high * unit), round(wide * unit)), ink, np.ones(len(x), np.float32)
    )
    n, h, w, _ = tiles.shape
    out = np.zeros((h, n * (w + gap) - gap, 4), np.uint8)
    for i, tile in enumerate(tiles):
        out[:, i * (w + gap) : i * (w + gap) + w] = tile
    return out

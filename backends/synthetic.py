"""Synthetic data whose density is a function, so that its entropy is known: planes, and small sets for Bayes.

No model can have a mean log-likelihood above −entropy on such data, save for sampling noise: these sets
tell how far a model is from the truth, and catch one that reports a likelihood too good to be true.

Geometries are those of FFJORD's toy data (Grathwohl et al. 2019) but for two changes, each made so that
the density can be evaluated: the spirals lack its uniform jitter, and the pinwheel turns by the radius
instead of by the first coordinate (see :func:`_pinwheel_log_prob`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from backends.base import Array

TRAIN, VALIDATION, TEST = 20_000, 2_500, 5_000
SMALL_VALIDATION, SMALL_TEST = 50, 200


@dataclass(frozen=True)
class Synthetic:
    """One distribution p(x) on the plane.

    draw: (rng, n) → x (n, 2) float32 and the component that each row came from, (n,) int64.
    log_prob: x (n, 2) → log p(x), (n,) float64, −inf where the density is zero.
    entropy: −E log p(x) in nats, by quadrature (tests/backends/test_synthetic.py computes it again).
    """

    name: str
    title: str
    doc: str
    components: tuple[str, ...]
    entropy: float
    seed: int
    draw: Callable[[np.random.Generator, int], tuple[Array, Array]]
    log_prob: Callable[[Array], Array]

    def rows(self) -> tuple[Array, Array]:
        """The rows of the set, always the same: TRAIN + VALIDATION + TEST independent draws."""
        return self.draw(np.random.default_rng(self.seed), TRAIN + VALIDATION + TEST)

    def more(self, n: int) -> tuple[Array, Array]:
        """n further draws, always the same ones."""
        return self.draw(np.random.default_rng([self.seed, 1]), n)


# -- points and curves blurred by isotropic Gaussian noise --------------------------------------


def _blurred_log_prob(x: Array, centres: Array, weights: Array, sigma: float) -> Array:
    """log Σ_j w_j N(x; c_j, σ²I): (n, 2) data, (m, 2) centres, (m,) weights → (n,) float64.

    A blurred curve is the same sum, with the nodes and weights of a quadrature along the curve.
    """
    x = np.asarray(x, dtype=np.float64)
    constant = np.log(weights) - np.log(2 * np.pi * sigma**2) - (centres**2).sum(1) / (2 * sigma**2)
    out = np.empty(len(x))
    rows = max(1, 2**17 // len(centres))  # (rows, m) fits the cache
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        terms = part @ (centres.T / sigma**2) + constant
        top = terms.max(axis=1)
        total = np.exp(terms - top[:, None]).sum(axis=1)
        out[start : start + rows] = top + np.log(total) - (part**2).sum(1) / (2 * sigma**2)
    return out


def _blur(rng: np.random.Generator, points: Array, sigma: float) -> Array:
    return np.asarray(points + sigma * rng.standard_normal(points.shape), dtype=np.float32)


def _legendre(nodes: int, low: float, high: float) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on [low, high]."""
    t, w = np.polynomial.legendre.leggauss(nodes)
    return low + (high - low) * (t + 1) / 2, (high - low) / 2 * w


_EIGHT_SIGMA = 0.5 / 1.414
_EIGHT_CENTRES = 4 / 1.414 * np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], 1)


def _eight_draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    mode = rng.integers(8, size=n)
    return _blur(rng, _EIGHT_CENTRES[mode], _EIGHT_SIGMA), mode


def _eight_log_prob(x: Array) -> Array:
    return _blurred_log_prob(x, _EIGHT_CENTRES, np.full(8, 1 / 8), _EIGHT_SIGMA)


_MOON_SIGMA = 0.1


def _moon(angle: Array, moon: Array | int) -> Array:
    """The two half circles of scikit-learn's make_moons, angle in [0, π]."""
    upper = np.stack([np.cos(angle), np.sin(angle)], -1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], -1)
    return np.where(np.expand_dims(moon, -1) == 0, upper, lower)


def _moons_draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    moon = rng.integers(2, size=n)
    return _blur(rng, _moon(rng.uniform(0, np.pi, n), moon), _MOON_SIGMA), moon


@cache
def _moon_nodes(nodes: int = 128) -> tuple[Array, Array]:
    angle, w = _legendre(nodes, 0, np.pi)
    centres = np.concatenate([_moon(angle, 0), _moon(angle, 1)])
    return centres, np.concatenate([w, w]) / (2 * np.pi)


def _moons_log_prob(x: Array) -> Array:
    return _blurred_log_prob(x, *_moon_nodes(), _MOON_SIGMA)


_SPIRAL_SIGMA = 0.1
_SPIRAL_END = 3 * np.pi


def _spiral(angle: Array, arm: Array | int) -> Array:
    """Archimedean, radius angle/3; the second arm is the first turned by half a turn."""
    sign = 1 - 2 * np.expand_dims(arm, -1)
    return np.asarray(sign * np.stack([-np.cos(angle), np.sin(angle)], -1) * angle[..., None] / 3)


def _spirals_draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    arm = rng.integers(2, size=n)
    angle = _SPIRAL_END * np.sqrt(rng.random(n))  # density ∝ angle: nearly uniform along the arm
    return _blur(rng, _spiral(angle, arm), _SPIRAL_SIGMA), arm


@cache
def _spiral_nodes(nodes: int = 448) -> tuple[Array, Array]:
    angle, w = _legendre(nodes, 0, _SPIRAL_END)
    weight = w * 2 * angle / _SPIRAL_END**2
    centres = np.concatenate([_spiral(angle, 0), _spiral(angle, 1)])
    return centres, np.concatenate([weight, weight]) / 2


def _spirals_log_prob(x: Array) -> Array:
    return _blurred_log_prob(x, *_spiral_nodes(), _SPIRAL_SIGMA)


_RING_RADII = np.array([3.0, 2.25, 1.5, 0.75])
_RING_SIGMA = 0.08


def _rings_draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    ring = rng.integers(4, size=n)
    angle = rng.uniform(0, 2 * np.pi, n)
    circle = _RING_RADII[ring, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return _blur(rng, circle, _RING_SIGMA), ring


def _rings_log_prob(x: Array) -> Array:
    """A circle of radius R at uniform angle plus 2-D noise, its angle integrated in closed form:

    p(x) = exp(−(r² + R²)/2σ²) I₀(rR/σ²) / 2πσ² with r = |x| (the Rice distribution, in the plane).
    """
    from scipy.special import i0e

    r = np.linalg.norm(np.asarray(x, dtype=np.float64), axis=1, keepdims=True)
    radial = -((r - _RING_RADII) ** 2) / (2 * _RING_SIGMA**2)
    terms = radial + np.log(i0e(r * _RING_RADII / _RING_SIGMA**2))
    return np.asarray(np.logaddexp.reduce(terms, axis=1) - np.log(4 * 2 * np.pi * _RING_SIGMA**2))


# -- the other two --------------------------------------------------------------------------------


def _checkerboard_draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    square = rng.integers(8, size=n)
    row = square // 2 - 2
    column = 2 * (square % 2) - 2 + row % 2
    # Midpoints of 2²⁰ steps a side: exact in float32, so that rounding puts no row on an edge or over it.
    inside = (rng.integers(2**20, size=(n, 2)) + 0.5) / 2**20
    return np.asarray(2 * (np.stack([column, row], 1) + inside), dtype=np.float32), square


def _checkerboard_log_prob(x: Array) -> Array:
    x = np.asarray(x, dtype=np.float64)
    filled = (np.abs(x) < 4).all(axis=1) & (np.floor(x / 2).sum(axis=1) % 2 == 0)
    return np.where(filled, -np.log(32), -np.inf)


_VANES = np.arange(5) * 2 * np.pi / 5
_VANE_MEAN = np.array([1.0, 0.0])
_VANE_STD = np.array([0.3, 0.1])


def _rotate(x: Array, angle: Array) -> Array:
    """(…, 2) anticlockwise by angle (…)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * x[..., 0] - sin * x[..., 1], sin * x[..., 0] + cos * x[..., 1]], -1)


def _twist(x: Array) -> Array:
    """The pinwheel's turn at x (…, 2): ¼ exp|x|, held constant where no data ever is."""
    return np.asarray(0.25 * np.exp(np.minimum(np.linalg.norm(x, axis=-1), 6)))


def _pinwheel_draw(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    vane = rng.integers(5, size=n)
    blob = _VANE_MEAN + _VANE_STD * rng.standard_normal((n, 2))
    return np.asarray(2 * _rotate(blob, -_VANES[vane] - _twist(blob)), dtype=np.float32), vane


def _pinwheel_log_prob(x: Array) -> Array:
    """Five Gaussians around a circle, then each point turned by an angle that depends on its radius.

    Turning by the radius keeps the radius, hence is undone exactly, and its Jacobian is one; the turn by
    the first coordinate (Johnson et al. 2016) folds the plane over itself in the tails.
    """
    y = np.asarray(x, dtype=np.float64) / 2
    y = _rotate(y, _twist(y))
    blob = _rotate(y[:, None, :], _VANES)  # (n, 5, 2): y in the frame of each vane
    terms = -0.5 * (((blob - _VANE_MEAN) / _VANE_STD) ** 2).sum(-1)
    constant = np.log(5 * 2 * np.pi * _VANE_STD.prod()) + np.log(4)  # the last: x = 2y
    return np.asarray(np.logaddexp.reduce(terms, axis=1) - constant)


# -- a few rows of a distribution with known parameters ---------------------------------------------


@dataclass(frozen=True)
class Small:
    """As many rows as a person can follow one by one, of a distribution whose parameters the doc tells.

    train: training rows, beside SMALL_VALIDATION and SMALL_TEST others. draw: (rng, n) → x (n, d) float32.
    log_prob and entropy are as in :class:`Synthetic`; for values "binary" log_prob is of probabilities.
    """

    name: str
    title: str
    doc: str
    columns: tuple[str, ...]
    values: str
    entropy: float
    seed: int
    train: int
    draw: Callable[[np.random.Generator, int], Array]
    log_prob: Callable[[Array], Array]

    def rows(self) -> Array:
        """The rows of the set, always the same."""
        return self.draw(np.random.default_rng(self.seed), self.train + SMALL_VALIDATION + SMALL_TEST)


_HEADS = 0.7
_NORMAL_MEAN, _NORMAL_STD = 3.0, 1.5
_NOISE = 0.2


def _coin_draw(rng: np.random.Generator, n: int) -> Array:
    return np.asarray(rng.random((n, 1)) < _HEADS, dtype=np.float32)


def _coin_log_prob(x: Array) -> Array:
    x = np.asarray(x, dtype=np.float64)[:, 0]
    return np.select([x == 1, x == 0], [np.log(_HEADS), np.log1p(-_HEADS)], -np.inf)


def _normal_log_prob(x: Array, mean: Array | float, std: float) -> Array:
    return np.asarray(-0.5 * ((x - mean) / std) ** 2 - 0.5 * np.log(2 * np.pi * std**2))


def _normal_1d_draw(rng: np.random.Generator, n: int) -> Array:
    return np.asarray(_NORMAL_MEAN + _NORMAL_STD * rng.standard_normal((n, 1)), dtype=np.float32)


def _normal_1d_log_prob(x: Array) -> Array:
    return _normal_log_prob(np.asarray(x, dtype=np.float64)[:, 0], _NORMAL_MEAN, _NORMAL_STD)


def _line(x: Array) -> Array:
    return -0.3 + 0.5 * x


def _sine(x: Array) -> Array:
    return np.sin(np.pi * x)


def _noisy_draw(curve: Callable[[Array], Array], rng: np.random.Generator, n: int) -> Array:
    x = rng.uniform(-1, 1, n)
    return np.stack([x, curve(x) + _NOISE * rng.standard_normal(n)], 1).astype(np.float32)


def _noisy_log_prob(curve: Callable[[Array], Array], x: Array) -> Array:
    """log p(x) + log p(y|x), x being uniform on [−1, 1]."""
    rows = np.asarray(x, dtype=np.float64)
    log_p = _normal_log_prob(rows[:, 1], curve(rows[:, 0]), _NOISE) - np.log(2)
    return np.where(np.abs(rows[:, 0]) <= 1, log_p, -np.inf)


def _normal_entropy(std: float) -> float:
    return float(0.5 * np.log(2 * np.pi * np.e * std**2))


def _numbered(word: str, n: int) -> tuple[str, ...]:
    return tuple(f"{word} {i + 1}" for i in range(n))


SYNTHETIC = (
    Synthetic(
        "eight-gaussians", "Eight Gaussians",
        "Eight Gaussians of σ 0.5/1.414 on a circle of radius 4/1.414.",
        _numbered("mode", 8), 2.8318804061, 1, _eight_draw, _eight_log_prob,
    ),
    Synthetic(
        "checkerboard", "Checkerboard",
        "Uniform on the eight dark squares of a 4×4 board over [−4, 4]².",
        _numbered("square", 8), float(np.log(32)), 2, _checkerboard_draw, _checkerboard_log_prob,
    ),
    Synthetic(
        "two-moons", "Two moons",
        "The half circles of scikit-learn's make_moons at uniform angle, with Gaussian noise of σ 0.1.",
        ("upper moon", "lower moon"), 1.0075848348, 3, _moons_draw, _moons_log_prob,
    ),
    Synthetic(
        "rings", "Rings",
        "Circles of radii 3, 2.25, 1.5, 0.75 at uniform angle, with Gaussian noise of σ 0.08 in the plane.",
        _numbered("ring", 4), 2.6231827703, 4, _rings_draw, _rings_log_prob,
    ),
    Synthetic(
        "spirals", "Spirals",
        "Two spiral arms of one turn and a half out to radius π, with Gaussian noise of σ 0.1.",
        _numbered("arm", 2), 2.5406178943, 5, _spirals_draw, _spirals_log_prob,
    ),
    Synthetic(
        "pinwheel", "Pinwheel",
        "Five elongated Gaussians around a circle, sheared into the arms of a pinwheel.",
        _numbered("vane", 5), 2.3205884851, 6, _pinwheel_draw, _pinwheel_log_prob,
    ),
)  # fmt: skip

SMALL = (
    Small(
        "coin", "Coin", "Flips of a coin that shows heads (1) with probability 0.7.",
        ("heads",), "binary", float(-_HEADS * np.log(_HEADS) - (1 - _HEADS) * np.log1p(-_HEADS)), 7, 100,
        _coin_draw, _coin_log_prob,
    ),
    Small(
        "normal-1d", "Normal, one column", "Draws of the normal distribution of mean 3 and σ 1.5.",
        ("x",), "real", _normal_entropy(_NORMAL_STD), 8, 100, _normal_1d_draw, _normal_1d_log_prob,
    ),
    Small(
        "noisy-line", "Noisy line",
        "x uniform on [−1, 1], y = −0.3 + 0.5 x with Gaussian noise of σ 0.2 (Bishop 2006, fig. 3.7).",
        ("x", "y"), "real", float(np.log(2)) + _normal_entropy(_NOISE), 9, 25,
        partial(_noisy_draw, _line), partial(_noisy_log_prob, _line),
    ),
    Small(
        "noisy-sine", "Noisy sine",
        "x uniform on [−1, 1], y = sin πx with Gaussian noise of σ 0.2.",
        ("x", "y"), "real", float(np.log(2)) + _normal_entropy(_NOISE), 10, 25,
        partial(_noisy_draw, _sine), partial(_noisy_log_prob, _sine),
    ),
)  # fmt: skip

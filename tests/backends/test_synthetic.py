"""The synthetic planes: what the samplers draw, what the densities say, and the entropies agree."""

import numpy as np
import pytest
from scipy.stats import chi2
from sklearn.datasets import make_moons

from backends.synthetic import SMALL, SYNTHETIC, TRAIN, _blurred_log_prob, _moon_nodes, _spiral_nodes

BY_NAME = {s.name: s for s in SYNTHETIC}
EXTENT = 7.0  # nothing of any of them lies outside
named = pytest.mark.parametrize("synthetic", SYNTHETIC, ids=list(BY_NAME))


def grid(steps):
    """Midpoints of steps² cells over the square of half-width EXTENT, and the area of a cell."""
    side = 2 * EXTENT / steps
    axis = -EXTENT + side * (np.arange(steps) + 0.5)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2), side**2


@named
def test_density_integrates_to_one_and_has_the_typed_entropy(synthetic):
    points, area = grid(560)  # cells of 0.025: a third of the narrowest noise
    log_p = synthetic.log_prob(points)
    p = np.exp(log_p)
    assert log_p.shape == (len(points),)
    assert log_p.dtype == np.float64
    assert p.sum() * area == pytest.approx(1, abs=1e-6)
    assert -(p[p > 0] @ log_p[p > 0]) * area == pytest.approx(synthetic.entropy, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "entropy"),
    [("checkerboard", 3.46574), ("eight-gaussians", 2.83188), ("rings", 2.62318), ("two-moons", 1.00758)],
)
def test_entropies_are_those_published_for_these_geometries(name, entropy):
    assert BY_NAME[name].entropy == pytest.approx(entropy, abs=5.1e-6)


def test_pinwheel_has_the_entropy_of_its_gaussians_before_the_turn():
    """Turning by the radius keeps areas and the scale by 2 adds ln 4, so the entropy is that of the blobs."""
    points, area = grid(1400)
    turn = np.arange(5) * 2 * np.pi / 5
    along = points @ np.stack([np.cos(turn), np.sin(turn)])
    across = points @ np.stack([-np.sin(turn), np.cos(turn)])
    p = np.exp(-0.5 * (((along - 1) / 0.3) ** 2 + (across / 0.1) ** 2)).mean(1) / (2 * np.pi * 0.03)
    entropy = -(p[p > 0] @ np.log(p[p > 0])) * area + np.log(4)
    assert BY_NAME["pinwheel"].entropy == pytest.approx(entropy, abs=1e-6)


@named
def test_mean_log_density_of_the_rows_is_minus_the_entropy(synthetic):
    x, _ = synthetic.rows()
    log_p = synthetic.log_prob(x)
    assert np.isfinite(log_p).all()
    assert abs(log_p.mean() + synthetic.entropy) <= 4 * log_p.std() / np.sqrt(len(x)) + 1e-12


@named
def test_rows_fill_the_plane_as_the_density_says(synthetic):
    """χ² over squares of 0.25, their expectations from the density on 10 × 10 midpoints each."""
    bins, fine = 56, 10
    points, area = grid(bins * fine)
    mass = np.exp(synthetic.log_prob(points)).reshape(bins, fine, bins, fine).sum((1, 3)) * area
    x = synthetic.rows()[0][:TRAIN].astype(np.float64)
    edges = np.linspace(-EXTENT, EXTENT, bins + 1)
    counts, _, _ = np.histogram2d(x[:, 0], x[:, 1], bins=[edges, edges])
    expected = TRAIN * mass
    well = expected >= 5
    observed = np.append(counts[well], counts[~well].sum())
    expected = np.append(expected[well], max(expected[~well].sum(), 1e-9))
    statistic = ((observed - expected) ** 2 / np.maximum(expected, 1)).sum()
    assert statistic < chi2.ppf(0.999, well.sum())


@named
def test_rows_are_always_the_same_and_every_component_is_drawn(synthetic):
    x, labels = synthetic.rows()
    again, _ = synthetic.rows()
    assert np.array_equal(x, again)
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    share = np.bincount(labels) / len(x)
    k = len(synthetic.components)
    assert share == pytest.approx(np.full(k, 1 / k), abs=0.01)


def test_moons_are_those_of_scikit_learn():
    x, labels = make_moons(20_000, noise=0.1, random_state=0)
    log_p = BY_NAME["two-moons"].log_prob(x)
    assert log_p.mean() == pytest.approx(-BY_NAME["two-moons"].entropy, abs=4 * log_p.std() / np.sqrt(len(x)))
    ours, moon = BY_NAME["two-moons"].rows()
    for k in range(2):
        assert ours[moon == k].mean(0) == pytest.approx(x[labels == k].mean(0), abs=0.03)


def test_ring_density_is_the_integral_over_the_angle():
    angle = np.arange(4000) * 2 * np.pi / 4000
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    centres = np.concatenate([radius * circle for radius in (3, 2.25, 1.5, 0.75)])
    x = np.random.default_rng(0).uniform(-4, 4, (200, 2))
    expected = _blurred_log_prob(x, centres, np.full(len(centres), 1 / len(centres)), 0.08)
    assert BY_NAME["rings"].log_prob(x) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("nodes", [_moon_nodes, _spiral_nodes])
def test_curves_have_enough_quadrature_nodes(nodes):
    x = np.random.default_rng(0).uniform(-4, 4, (500, 2))
    coarse, fine = _blurred_log_prob(x, *nodes(), 0.1), _blurred_log_prob(x, *nodes(1200), 0.1)
    assert coarse == pytest.approx(fine, abs=1e-6)


def test_checkerboard_is_flat_on_its_squares_and_zero_elsewhere():
    centres = np.arange(-3, 4, 2)
    x = np.array([(a, b) for a in centres for b in centres])
    log_p = BY_NAME["checkerboard"].log_prob(x)
    assert np.isfinite(log_p).sum() == 8
    assert log_p[np.isfinite(log_p)] == pytest.approx(-np.log(32))
    corners = BY_NAME["checkerboard"].log_prob(np.array([(1.0, 1.0), (-3.0, 1.0), (1.0, -1.0), (5.0, 5.0)]))
    assert np.isfinite(corners).tolist() == [True, True, False, False]


@named
def test_density_far_away_is_a_number_or_minus_infinity(synthetic):
    log_p = synthetic.log_prob(np.array([[1e3, -1e3], [3e38, 3e38]], dtype=np.float32))
    assert not np.isnan(log_p).any()
    assert (log_p < -1e4).all()


# -- the small sets -----------------------------------------------------------------------------------

small_sets = pytest.mark.parametrize("small", SMALL, ids=[s.name for s in SMALL])


def small_grid(small):
    """Every x of a coin, or midpoints of cells that hold nearly all of the density, and their size."""
    if small.values == "binary":
        return np.array([[0.0], [1.0]]), 1.0
    ends = {1: [(-12, 18, 6000)], 2: [(-1, 1, 400), (-3, 3, 1200)]}[len(small.columns)]
    axes = [low + (high - low) * (np.arange(n) + 0.5) / n for low, high, n in ends]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(ends))
    return points, np.prod([(high - low) / n for low, high, n in ends])


@small_sets
def test_small_sets_integrate_to_one_and_have_the_typed_entropy(small):
    points, cell = small_grid(small)
    log_p = small.log_prob(points)
    p = np.exp(log_p) * cell
    assert p.sum() == pytest.approx(1, abs=1e-9)
    assert -(p @ log_p) == pytest.approx(small.entropy, abs=1e-9)


@small_sets
def test_small_sets_are_drawn_from_their_density(small):
    x = small.draw(np.random.default_rng(1), 40_000)
    assert x.shape == (40_000, len(small.columns))
    assert x.dtype == np.float32
    log_p = small.log_prob(x)
    assert log_p.mean() == pytest.approx(-small.entropy, abs=4 * log_p.std() / np.sqrt(len(x)))
    points, cell = small_grid(small)
    p = np.exp(small.log_prob(points)) * cell
    for power in (1, 2):
        draws = x.astype(float) ** power
        stderr = draws.std(0) / np.sqrt(len(x))
        assert (abs(draws.mean(0) - p @ points**power) < 4 * stderr).all()
    assert np.array_equal(small.rows(), small.rows())


def test_small_sets_have_no_density_where_nothing_is_drawn():
    outside = {"coin": [[0.5]], "noisy-line": [[1.1, 0.0]], "noisy-sine": [[-1.1, 0.0]]}
    by_name = {s.name: s for s in SMALL}
    for name, x in outside.items():
        assert by_name[name].log_prob(np.array(x)).tolist() == [-np.inf]

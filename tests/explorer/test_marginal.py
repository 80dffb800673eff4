"""A model seen on a plane: its density there against SciPy, sampling and the model itself."""

import numpy as np
import pytest
from scipy import stats

from backends.data import open_data
from backends.run import Run
from explorer.plane import coordinate_plane, principal_plane
from explorer.planes.contours import contour
from explorer.plots.ellipses import ellipses_of
from explorer.studies.marginal import Marginal, components_of, gaussians, marginal, paths


@pytest.fixture(scope="module")
def moons():
    return two_steps("gmm", "two-moons", {"components": 4})


def two_steps(model, data, values):
    run = Run.start(model, open_data(data), values)
    run.step()
    run.step()
    return run


def test_in_two_dimensions_it_is_the_model(moons):
    model, plane = moons.model(), coordinate_plane(2)
    x = moons.data.train.x[:500]
    seen = gaussians(model, plane)
    np.testing.assert_allclose(seen.log_prob(x), model.log_prob(x), rtol=1e-9)
    np.testing.assert_allclose(seen.responsibilities(x), model.encode(x).probs, atol=1e-9)


@pytest.mark.parametrize(
    ("model", "values"), [("gmm", {"components": 3}), ("ppca", {}), ("factor-analysis", {})]
)
def test_on_a_plane_of_many_dimensions_it_is_the_density_of_projected_samples(model, values):
    run = two_steps(model, "digits-grey", values)
    model, x = run.model(), run.data.train.x
    plane = principal_plane(x)
    seen = gaussians(model, plane)
    uv = plane.to_canvas(model.sample(40_000, seed=1))
    mixture = sum(
        w * stats.multivariate_normal(m, c).pdf(uv[:200])
        for w, m, c in zip(seen.weights, seen.means, seen.covariances, strict=True)
    )
    np.testing.assert_allclose(np.exp(seen.log_prob(uv[:200])), mixture, rtol=1e-9)
    mean = seen.weights @ seen.means
    second = np.einsum("k,kij->ij", seen.weights, seen.covariances)
    second += np.einsum("k,ki,kj->ij", seen.weights, seen.means - mean, seen.means - mean)
    scale = np.sqrt(np.diagonal(second))
    np.testing.assert_allclose((uv.mean(0) - mean) / scale, 0, atol=0.03)
    np.testing.assert_allclose(
        np.cov(uv.T) / np.outer(scale, scale), second / np.outer(scale, scale), atol=0.03
    )


def test_ppca_shows_its_axes_and_its_noise():
    run = two_steps("ppca", "digits-grey", {"latent_dim": 3})
    model = run.model()
    plane = principal_plane(run.data.train.x)
    seen = marginal(model, plane)
    np.testing.assert_allclose(seen.noise, model.noise[0] * np.eye(2), atol=1e-12)
    own = model.loadings @ model.loadings.T + np.diag(model.noise)
    values, vectors = np.linalg.eigh(own)
    for axis, value, vector in zip(seen.axes, values[::-1], vectors.T[::-1], strict=False):
        want = np.sqrt(value) * plane.basis @ vector
        assert min(np.abs(axis - want).max(), np.abs(axis + want).max()) < 1e-6
    drawn = ellipses_of(seen)
    np.testing.assert_allclose(np.linalg.norm(drawn.noise, axis=1), np.sqrt(model.noise[0]))
    assert drawn.noise_label == f"noise σ = {np.sqrt(model.noise[0]):.2f}"


def test_the_noise_of_factor_analysis_is_a_range():
    noise = np.diag([0.04, 1.0])
    drawn = ellipses_of(Marginal(np.ones(1), np.zeros((1, 2)), np.eye(2)[None], np.eye(2), noise))
    assert drawn.noise_label == "noise σ = 0.20 … 1.00"


def test_components_without_covariances_have_means_alone():
    run = two_steps("bernoulli-mixture", "digits", {"components": 3})
    plane = principal_plane(run.data.train.x)
    seen = marginal(run.model(), plane)
    assert seen.covariances is None
    np.testing.assert_allclose(seen.means, plane.to_canvas(run.model().means))
    assert ellipses_of(seen).axes is None


def test_a_model_without_components_has_none():
    assert marginal(Run.start("vae", open_data("digits"), {"width": 8, "depth": 1}).model(),
                    coordinate_plane(64)) is None  # fmt: skip


def test_paths_are_the_means_of_the_past(moons):
    plane = coordinate_plane(2)
    run = Run.start("gmm", open_data("two-moons"), {"components": 4})
    for _ in range(3):
        run.step()
    past = run.history.models
    found = components_of(past[2], plane, past).paths
    np.testing.assert_array_equal(found, np.stack([m.means for m in past[:3]]))  # nothing of later steps
    assert paths([], plane, 9).shape == (0, 0, 2)


# -- contour lines -----------------------------------------------------------------------------


def test_a_contour_is_closed_and_lies_on_its_level():
    y, x = np.mgrid[0:60, 0:80]
    field = (x - 40.3) ** 2 + 2 * (y - 30.1) ** 2
    found = contour(field.astype(float), 200.0)
    ends = found.reshape(-1, 2)
    value = (ends[:, 0] - 40.3) ** 2 + 2 * (ends[:, 1] - 30.1) ** 2
    np.testing.assert_allclose(value, 200, atol=1)  # between the points of the grid it is a parabola
    _, shared = np.unique(ends.round(9), axis=0, return_counts=True)
    assert (shared == 2).all()
    length = np.linalg.norm(found[:, 1] - found[:, 0], axis=1).sum()
    t = np.linspace(0, 2 * np.pi, 2001)
    around = np.sqrt(200) * np.stack([np.cos(t), np.sin(t) / np.sqrt(2)], axis=1)
    assert length == pytest.approx(np.linalg.norm(np.diff(around, axis=0), axis=1).sum(), rel=2e-3)


@pytest.mark.parametrize("case", range(16))
def test_a_contour_parts_the_corners_above_from_those_below(case):
    corners = np.array([[case & 1, case >> 1 & 1], [case >> 3 & 1, case >> 2 & 1]], float)
    found = contour(corners, 0.5)
    around = corners[[0, 0, 1, 1], [0, 1, 1, 0]]
    crossed = np.count_nonzero(around != np.roll(around, 1))
    assert 2 * len(found) == crossed


def test_where_the_field_is_not_finite_there_is_no_line():
    field = np.arange(25.0).reshape(5, 5)
    field[1, 1] = np.nan
    field[3, 3] = -np.inf
    found = contour(field, 7.5)
    assert len(found)
    assert np.isfinite(found).all()
    assert not ((found[..., 0] < 2) & (found[..., 1] < 2)).all(1).any()

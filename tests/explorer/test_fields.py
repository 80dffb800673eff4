"""Fields behind the map, against closed forms: of a model by hand, and of a linear one."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from backends.base import Gaussian, Stamp, finish
from explorer.plane import Plane, coordinate_plane, plane_through
from explorer.planes.fields import CHOICES, KINDS, ROWS, offered, shaded
from explorer.planes.shading import Scale, coloured, spread, symmetric
from explorer.state import MapSpec, State, from_json, to_json
from explorer.style.colourmaps import MAPS, colour_table
from explorer.view import View
from explorer.widgets.values import format_number

TABLE = colour_table("viridis")
VIEW = View(-6, 6, -5, 5, 120, 100)
RNG = np.random.default_rng(0)
W = RNG.normal(size=(7, 4))


class Linear:
    """z in four dimensions; x = Wz + ε. q(z|x) is made by hand: the first entries of x are its mean."""

    latent_dim, kind, stamp = 4, "hand", Stamp("run", 3)
    info = SimpleNamespace(dim=7, image_shape=None)
    tril = np.tril(RNG.normal(0, 0.2, (4, 4)), -1) + np.diag([0.5, 0.6, 0.7, 0.8])

    def __init__(self, full=True, k=4):
        self.latent_dim, self.full, self.w = k, full, W[:, :k]

    def encode(self, x):
        k = self.latent_dim
        std, n = np.full((len(x), k), 0.6, np.float32), len(x)
        tril = np.repeat(self.tril[None, :k, :k], n, 0).astype("f4") if self.full else None
        return Gaussian(np.ascontiguousarray(x[:, :k]), std, tril)

    def covariance(self):
        k = self.latent_dim
        return self.tril[:k, :k] @ self.tril[:k, :k].T if self.full else 0.36 * np.eye(k)

    def log_prior(self, z):
        return stats.norm.logpdf(z.astype(float)).sum(-1)

    def sample_prior(self, n, seed):
        return np.zeros((n, self.latent_dim), "f4")

    def metric(self, z, directions):
        w = self.w @ directions.T
        return np.repeat((w.T @ w)[None], len(z), 0)

    def entropy_given(self, z):
        return np.full(len(z), 2.5)

    def log_joint(self, x, z):
        return self.log_prior(z) + stats.norm.logpdf(x[:, None], z @ self.w.T, 0.5).sum(-1)


def test_every_field_that_can_be_chosen_is_remembered():
    for name in CHOICES:
        state = replace(State(), map=MapSpec(field=name))
        assert from_json(to_json(state)) == state


def field(name, model, x=None, plane=None, view=VIEW):
    found = finish(shaded(name, model, x, plane or coordinate_plane(model.latent_dim), view, TABLE))
    assert found.picture.complete
    assert found.values.shape == (view.height, view.width)
    return found


def places(plane, view=VIEW):
    """z in the middle of each pixel, (h, w, k)."""
    rows, columns = np.mgrid[0 : view.height, 0 : view.width]
    uv = view.to_canvas(columns.ravel() + 0.5, rows.ravel() + 0.5)
    return plane.to_space(uv).reshape(view.height, view.width, -1)


@pytest.mark.parametrize("full", [False, True])
def test_the_aggregate_posterior_integrates_to_one(full):
    found = field("aggregate", Linear(full, k=2), RNG.normal(0, 1.2, (30, 7)).astype("f4"))
    pixel = (VIEW.x1 - VIEW.x0) / VIEW.width * (VIEW.y1 - VIEW.y0) / VIEW.height
    assert np.exp(found.values).sum() * pixel == pytest.approx(1, abs=2e-3)
    assert found.note == "30 training rows"


@pytest.mark.parametrize("full", [False, True])
def test_on_a_plane_of_many_dimensions_it_is_the_density_there(full):
    model, x = Linear(full), RNG.normal(size=(12, 7)).astype("f4")
    plane = plane_through(*RNG.normal(size=(3, 4)))
    each = [stats.multivariate_normal(row[:4], model.covariance()).pdf(places(plane)) for row in x]
    found = field("aggregate", model, x, plane)
    np.testing.assert_allclose(found.values, np.log(np.mean(each, axis=0)), atol=2e-3)
    holes = field("holes", model, x, plane)
    p = np.exp(model.log_prior(places(plane)))
    np.testing.assert_allclose(holes.values, p - np.mean(each, axis=0), atol=1e-5)


def test_of_more_rows_some_are_drawn_and_it_says_how_many():
    x = RNG.normal(size=(ROWS + 500, 7)).astype("f4")
    found = field("aggregate", Linear(k=2), x, view=View(-3, 3, -3, 3, 24, 24))
    assert found.note == f"{format_number(ROWS)} of {format_number(ROWS + 500)} training rows"
    assert found.note in found.picture.detail


def test_a_linear_decoder_magnifies_alike_everywhere():
    square = field("magnification", Linear(k=2))
    expected = np.sqrt(np.linalg.det(W[:, :2].T @ W[:, :2]))
    np.testing.assert_allclose(square.values, expected, rtol=1e-9)
    assert square.scale.low == square.scale.high
    plane = plane_through(*RNG.normal(size=(3, 4)))
    area = W @ plane.basis.T
    skew = field("magnification", Linear(), plane=plane)
    np.testing.assert_allclose(skew.values, np.sqrt(np.linalg.det(area.T @ area)), rtol=1e-9)
    line = field("magnification", Linear(k=1), plane=coordinate_plane(1))
    np.testing.assert_allclose(line.values, np.linalg.norm(W[:, 0]), rtol=1e-9)


def test_the_prior_and_the_entropy_are_the_models_own():
    model, plane = Linear(), plane_through(*RNG.normal(size=(3, 4)))
    np.testing.assert_allclose(
        field("prior", model, plane=plane).values, model.log_prior(places(plane)), atol=1e-9
    )
    assert (field("entropy", model).values == 2.5).all()


def test_the_reconstruction_error_is_that_of_the_rows_near():
    model = Linear(k=2)
    x = np.zeros((3, 7), "f4")
    x[:, :2] = [[-4, -3], [4, 3], [4, 3]]
    x[:, 2:] = RNG.normal(size=(3, 5))
    error = -stats.norm.logpdf(x, x[:, :2] @ model.w.T, 0.5).sum(1)
    found = field("error", model, x)
    assert found.at(-4, -3) == pytest.approx(error[0], rel=1e-4)
    assert found.at(4, 3) == pytest.approx(error[1:].mean(), rel=1e-4)
    assert found.at(0, 0) is None  # nothing is near
    assert (found.picture.image[50, 60] == 0).all()


def test_a_coarse_field_comes_first_and_is_replaced_by_the_whole():
    steps = [s for s in shaded("prior", Linear(k=2), None, coordinate_plane(2), VIEW, TABLE) if s is not None]
    assert not steps[0].picture.complete
    assert steps[0].cell == 16
    assert steps[0].at(0.1, 0.1) == pytest.approx(-np.log(2 * np.pi), abs=0.6)


def test_values_are_looked_up_where_they_are_painted():
    found = field("prior", Linear(k=2))
    for u, v in ((-5.97, 4.97), (0.02, -1.51), (5.99, -4.99)):
        exact = Linear(k=2).log_prior(np.array([[u, v]]))[0]
        assert found.at(u, v) == pytest.approx(exact, abs=0.5)
    assert found.at(6.01, 0) is None
    assert found.at(0, -5.01) is None
    assert found.at(0, 5.01) is None


# -- scales and colours ------------------------------------------------------------------------------


def test_a_scale_takes_values_to_levels_and_back():
    for scale in (Scale(-3.0, 5.0), Scale(0.01, 100.0, log=True)):
        levels = np.linspace(0, 1, 9)
        np.testing.assert_allclose(
            scale.level(np.array([scale.value(t) for t in levels])), levels, atol=1e-12
        )
    assert Scale(0.01, 100.0, log=True).level(1.0) == pytest.approx(0.5)
    assert Scale(0.0, 1.0).level(7.0) == 1.0
    assert np.isnan(Scale(0.0, 1.0).level(np.array([np.nan])))
    assert Scale(2.0, 2.0).level(2.0) == 0.5


def test_zero_is_in_the_middle_of_a_diverging_scale_and_clear():
    scale = symmetric(np.array([-9.0, 0.0, 0.2]))
    assert (scale.low, scale.high, scale.below) == (-0.2, 0.2, True)
    image = coloured(np.array([-0.2, -1e-9, 1e-9, 0.2]), scale, TABLE)
    assert image[0, 0] > image[0, 2]  # cool: more blue than red
    assert image[3, 2] > image[3, 0]
    assert image[1:3, 3].max() <= 1


@pytest.mark.parametrize(
    ("values", "low", "high", "below"),
    [
        ([1.0, 2.0, 4.0], 1.0, 4.0, False),
        ([-50.0, -20.0, -1.0, -np.inf, np.nan], -16.0, -1.0, True),
        ([3.0, 3.0], 3.0, 3.0, False),
        ([np.nan], 1.0, 1.0, False),
    ],
)
def test_a_scale_spans_what_is_seen(values, low, high, below):
    found = spread(np.array(values), span=15.0)
    assert (found.low, found.high, found.below, found.above) == (low, high, below, False)


def test_the_colours_are_ordered_by_lightness():
    for name in MAPS:
        light = colour_table(name) @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(light) > -1.5).all()
        assert light[-1] - light[0] > 150


def test_what_a_model_has_not_is_not_offered():
    model = Linear()
    # it decodes no images, and its latents have too many dimensions for quadrature
    assert offered(model, True) == [*(name for name in KINDS if name != "posterior"), "nothing"]
    assert offered(model, False) == ["prior", "magnification", "entropy", "nothing"]
    assert offered(None, False) == offered(SimpleNamespace(latent_dim=0), True) == ["nothing"]
    assert isinstance(coordinate_plane(4), Plane)

"""What the data plane looks like: colours, contours, paths, planes, axes, and very many points, in pixels."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtTest import QTest
from scipy.linalg import subspace_angles

from backends.projections import lda_directions
from backends.run import Run
from explorer.panels.place import BAR, GAP
from explorer.planes.data_points import rgb
from explorer.planes.mosaic import normalise
from explorer.planes.points import MOST_DOTS, OPACITY
from explorer.style.theme import theme
from explorer.widgets.image import to_image
from tests.explorer.conftest import grab, send_mouse
from tests.runs import saved_run

LAYERS = {
    "field": "mosaic",
    "points": "points",
    "contours": "prior",
    "ellipses": "ellipses",
    "paths": "paths",
}
MEANS = [[-2.0, 0.0], [2.0, 0.0]]


class Plane:
    """The data plane of a program with eyes on it."""

    def __init__(self, program):
        self.program, self.panel = program, program.window.stage.data
        self.canvas = self.panel.canvas
        program.until(lambda: self.panel.points.item.picture is not None)
        self.settle()

    def settle(self):
        slots = ("scatter", "colours", "points", "components", "density", "nearest", "place")
        busy = self.program.program.exploration.busy
        self.program.paused()
        self.program.until(lambda: self.panel.components.model is self.program.session.model)
        self.program.until(lambda: not any(busy(slot) for slot in slots))

    def only(self, *shown):
        """Show these layers and no others, by their commands."""
        for layer, command in LAYERS.items():
            if getattr(self.program.session.state.data, layer) != (layer in shown):
                self.program.trigger(command)
        self.settle()

    def pixel(self, uv):
        return self.canvas.mapFromScene(self.canvas.box.mapViewToScene(QPointF(*map(float, uv))))

    def colour(self, uv):
        """What is painted there."""
        return self.colours([uv])[0]

    def colours(self, uv):
        image = grab(self.canvas)
        return np.array([image[p.y(), p.x()] for p in map(self.pixel, uv)])

    def hover(self, uv):
        send_mouse(self.canvas.viewport(), QEvent.Type.MouseMove, self.pixel(uv))
        self.settle()


@pytest.fixture
def opened(start, tmp_path):
    """Opens a run on rows, or on a data set, and gives its data plane."""

    def begin(model, data, values, steps=0):
        if not isinstance(data, str):
            np.save(tmp_path / "rows.npy", np.asarray(data, np.float32))
            data = str(tmp_path / "rows.npy")
        program = start(saved_run(tmp_path / "run.safetensors", model, data, values, steps=steps))
        program.wait_for_run()
        return program

    return begin


def two(means=MEANS, **values):
    """Hyper-parameters of two components that begin at these means with Σ = I."""
    init = {"means": means, "covariances": [[1.0, 1.0]] * 2}
    return {"components": 2, "covariance": "diag", "init": json.dumps(init), **values}


def few():
    """Sixteen rows on a grid, so far apart that no dot is on another."""
    x, y = np.meshgrid(np.linspace(-3, 3, 4), np.linspace(-2, 2, 4))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def test_points_have_the_mixed_colours_of_their_components(opened):
    plane = Plane(opened("gmm", few(), two([[-0.6, 0.0], [0.6, 0.0]])))
    plane.only("points")
    rows = plane.program.session.data.train.x
    model = plane.program.session.model
    share = model.encode(rows).probs
    assert ((share > 0.1) & (share < 0.9)).any()  # some are between
    palette = np.array([rgb(theme().tokens.label(k)) for k in range(2)])
    surface = np.array(rgb(theme().tokens.surface))
    want = surface + OPACITY * (share @ palette - surface)
    np.testing.assert_allclose(plane.colours(rows), want, atol=6)
    assert np.abs(want[share[:, 0] > 0.9][0] - want[share[:, 1] > 0.9][0]).max() > 60


def test_colours_follow_em(opened):
    program = opened("gmm", few(), two([[-0.3, 0.0], [0.3, 0.0]]))
    plane = Plane(program)
    plane.only("points")
    rows = program.session.data.train.x
    before = plane.colours(rows)
    for _ in range(5):
        steps = program.steps
        program.trigger("step")
        program.until(lambda steps=steps: program.session.model.stamp.step == steps + 1)
    share = program.session.model.encode(rows).probs
    palette = np.array([rgb(theme().tokens.label(k)) for k in range(2)])
    surface = np.array(rgb(theme().tokens.surface))
    want = surface + OPACITY * (share @ palette - surface)
    program.until(lambda: np.abs(plane.colours(rows) - want).max() <= 6)
    assert np.abs(before - want).max() > 25


def test_contours_are_drawn_where_they_are_and_go(opened):
    plane = Plane(opened("gmm", few(), two([[-1.0, 0.0], [1.0, 0.0]])))
    plane.only("contours")
    model = plane.program.session.model
    t = np.linspace(0, 2 * np.pi, 400)
    far = 20 * np.stack([np.cos(t), np.sin(t)], axis=1)
    peak = model.log_prob(np.zeros((1, 2), np.float32))[0]  # the highest of two so near
    inside, outside = np.zeros_like(far), far
    for _ in range(60):  # by bisection, where p(x) is e^(−1/2) of its peak along each ray
        middle = (inside + outside) / 2
        above = (model.log_prob(middle.astype(np.float32)) > peak - 0.5)[:, None]
        inside, outside = np.where(above, middle, inside), np.where(above, outside, middle)
    surface = np.array(rgb(theme().tokens.surface))

    def marked():
        image = np.abs(grab(plane.canvas) - surface).max(2)
        near = [image[p.y() - 1 : p.y() + 2, p.x() - 1 : p.x() + 2].max() for p in map(plane.pixel, inside)]
        return np.array(near) > 20

    assert marked().mean() > 0.98
    plane.only()
    assert not marked().any()


def test_the_path_of_each_mean_is_drawn(opened):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal((-2, 3), 0.3, (60, 2)), rng.normal((2, 3), 0.3, (60, 2))])
    program = opened("gmm", x, two([[-0.2, 3.6], [0.2, 2.4]]))
    plane = Plane(program)
    for step in (1, 2):
        program.trigger("step")
        program.until(lambda step=step: program.session.model.stamp.step == step)
    plane.only("paths")
    past = program.session.run.history.models
    for k in range(2):
        middle = (past[0].means[k] + past[1].means[k]) / 2
        ink = np.array(rgb(theme().tokens.label(k)))
        surface = np.array(rgb(theme().tokens.surface))
        at, image = plane.pixel(middle), grab(plane.canvas)
        near = image[at.y() - 1 : at.y() + 2, at.x() - 1 : at.x() + 2].reshape(-1, 3)  # the line is thin
        seen = near[np.abs(near - surface).max(1).argmax()].astype(float)
        assert np.abs(seen - surface).max() > 40
        assert (seen - surface) @ (ink - surface) > 0
    plane.only()
    np.testing.assert_allclose(plane.colour(middle), surface, atol=2)


def test_ellipses_are_at_one_and_two_standard_deviations_with_their_weights(opened):
    plane = Plane(opened("gmm", few(), two([[-1.5, 0.0], [1.5, 0.0]])))
    plane.only("ellipses")
    model = plane.program.session.model
    surface = np.array(rgb(theme().tokens.surface))
    image = np.abs(grab(plane.canvas) - surface).max(2) > 60
    for k in range(2):
        std = np.sqrt(np.diagonal(model.covariances[k]))
        for r, seen in ((1, True), (2, True), (1.5, False), (2.5, False)):
            at = plane.pixel(model.means[k] + (0, -r * std[1]))  # below, where no label is
            assert image[at.y() - 2 : at.y() + 3, at.x()].any() == seen
    labels = plane.panel.ellipses.shown.labels
    assert labels == tuple(f"π = {w:.2f}" for w in model.weights)


def test_labels_show_best_apart_in_the_plane_of_their_discriminants(opened):
    program = opened("gmm", "digits", {"components": 4, "covariance": "diag"}, 1)
    plane = Plane(program)
    box = plane.panel.bar.plane
    box.setFocus()
    box.setCurrentIndex(box.findData("lda"))
    box.activated.emit(box.currentIndex())
    program.until(lambda: plane.panel.points.plane.labels[0] == "discriminant 1")
    plane.settle()
    data = program.session.data.train
    _, want = lda_directions(data.x, data.labels)
    assert subspace_angles(plane.panel.points.plane.basis.T, want.T).max() < 1e-9
    assert plane.canvas.getAxis("bottom").labelText == "discriminant 1"
    shown = plane.panel.ellipses.shown.means
    np.testing.assert_allclose(shown, plane.panel.points.plane.to_canvas(program.session.model.means))
    program.trigger("undo")
    program.until(lambda: plane.panel.points.plane.labels[0] == "principal direction 1")


def test_in_many_dimensions_the_datum_under_the_mouse_is_asked_about(opened):
    program = opened("gmm", "digits", {"components": 14, "covariance": "diag"}, 2)
    plane, place = Plane(program), program.window.stage.place
    seen = plane.panel.scatter
    row = int(seen.rows[seen.uv[:, 0].argmax()])  # with nothing around
    at = plane.panel.points.plane.to_canvas(program.session.data.train.x[row][None])[0]
    plane.hover(at + 1e-3)
    x, model = program.session.data.train.x[row], program.session.model
    np.testing.assert_array_equal(program.session.place, x)
    label = program.session.data.train.labels[row]
    program.until(lambda: place.rows.value("what") == f"row {row}, label {label}")
    assert plane.panel.marker.isVisible()
    np.testing.assert_allclose(place.bars.shares, model.encode(x[None]).probs[0])
    number = float(place.rows.value("log_p").replace("−", "-").replace("\u202f", ""))
    assert number == pytest.approx(model.log_prob(x[None])[0], abs=0.006)
    assert place.rows.value("gap") == "0.00"
    view = plane.canvas.view()
    corner = np.array([view.x0 + 0.02 * (view.x1 - view.x0), view.y1 - 0.02 * (view.y1 - view.y0)])
    plane.hover(corner)
    program.until(lambda: place.rows.value("what") == "on the plane")
    assert not plane.panel.marker.isVisible()


def test_arrow_keys_move_the_place(opened):
    program = opened("gmm", few(), two())
    plane = Plane(program)
    plane.canvas.setFocus()
    QTest.keyClick(plane.canvas, Qt.Key.Key_Right)
    first = program.session.place
    QTest.keyClick(plane.canvas, Qt.Key.Key_Up)
    second = program.session.place
    assert second[1] > first[1]
    assert second[0] == pytest.approx(first[0], abs=1e-6)
    assert plane.panel.marker.isVisible()


def test_bars_are_as_long_as_their_shares(opened):
    program = opened("gmm", few(), two())
    plane, bars = Plane(program), program.window.stage.place.bars
    plane.hover((0.2, 0.4))
    share = program.session.model.encode(program.session.place[None]).probs[0]
    program.until(lambda: bars.shares is not None and np.allclose(bars.shares, share))
    image = grab(bars)
    for k in range(2):
        ink = np.array(rgb(theme().tokens.label(k)))
        line = np.abs(image[k * (BAR + GAP) + BAR // 2] - ink).max(1) < 8
        track = np.abs(image[k * (BAR + GAP) + BAR // 2] - rgb(theme().tokens.track)).max(1) < 8
        assert line.sum() / (line.sum() + track.sum()) == pytest.approx(share[k], abs=0.02)


def test_of_many_components_the_largest_have_bars(opened):
    rng = np.random.default_rng(0)
    program = opened("gmm", rng.normal(size=(200, 2)), {"components": 60, "covariance": "spherical"})
    plane, bars = Plane(program), program.window.stage.place.bars
    plane.hover((0.0, 0.0))
    program.until(lambda: bars.shares is not None)
    which, others = bars.shown()
    assert len(which) + others == 60
    assert 4 <= len(which) + 1 <= bars.height() // (BAR + GAP)
    assert bars.shares[which].min() >= np.delete(bars.shares, which).max()
    assert program.window.height() == 900  # which is what it was


def test_factors_have_two_canvases(opened):
    program = opened("ppca", "digits", {"latent_dim": 2}, 3)
    stage, model = program.window.stage, program.session.model
    assert stage.panel is stage.map
    program.click(stage.switch.buttons["data"])
    assert stage.panel is stage.data
    assert program.window.docks["map"].windowTitle() == "Data plane"
    plane = Plane(program)
    plane.only("ellipses")
    shown, sigma = plane.panel.ellipses.shown, np.sqrt(model.noise[0])
    np.testing.assert_allclose(np.linalg.norm(shown.noise, axis=1), sigma, rtol=1e-9)
    ink = np.array(rgb(theme().tokens.text))
    image = np.abs(grab(plane.canvas) - ink).max(2)

    def marked(uv):
        at = plane.pixel(uv)
        return image[at.y() - 1 : at.y() + 2, at.x() - 1 : at.x() + 2].min() < 60

    for axis in shown.lines:  # principal axes out to two standard deviations
        assert all(marked(shown.means[0] + r * axis) for r in (-1.7, -1.2, 1.2, 1.7))
        assert not marked(shown.means[0] + 2.4 * axis)
    t = np.linspace(0, 2 * np.pi, 200)
    ring = shown.means[0] + sigma * np.stack([np.cos(t), np.sin(t)], axis=1)
    assert 0.3 < np.mean([marked(p) for p in ring]) < 1  # dashed
    program.click(stage.switch.buttons["latent"])
    assert stage.panel is stage.map
    program.trigger("undo")
    assert stage.panel is stage.data


def test_the_latent_map_draws_the_exact_posterior_of_the_nearest_datum(opened):
    program = opened("ppca", "digits", {"latent_dim": 2}, 3)
    panel, model = program.window.map, program.session.model
    program.until(lambda: program.session.encodings is not None)
    z = program.hover(0.5, 0.5)
    rows = program.session.data.train.x
    program.until(lambda: panel.posterior.item.shown is not None)
    near = int(np.square(model.encode(rows).mean - z).sum(1).argmin())
    # Tipping & Bishop 1999, eq. 6 and 7, with M = WᵀW + σ²I
    w, noise = model.loadings, model.noise[0]
    m = w.T @ w + noise * np.eye(2)
    mean = np.linalg.solve(m, w.T @ (rows[near] - model.mean))
    program.until(lambda: np.allclose(panel.posterior.item.shown.means[0], mean, atol=1e-5))
    program.settle()
    half = panel.posterior.item.shown.axes[0]
    np.testing.assert_allclose(half.T @ half, noise * np.linalg.inv(m), rtol=1e-5, atol=1e-9)
    picture = program.window.stage.cursor.picture
    decoded = normalise((w @ z + model.mean)[None].astype(np.float32), program.session.run.info)[0]
    shown = picture.picture()
    scaled = to_image(decoded).scaled(
        shown.size(), Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
    some = [(x, y) for x in range(0, shown.width(), 7) for y in range(0, shown.height(), 7)]
    greys = [[image.pixelColor(*at).red() for at in some] for image in (shown, scaled)]
    np.testing.assert_allclose(*greys, atol=2)


def test_very_many_points_are_counted(opened):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40_000, 2)) @ np.array([[1.0, 0.4], [0.0, 0.8]])
    program = opened("gmm", x, two([[-1.0, 0.0], [1.0, 0.0]]))
    plane = Plane(program)
    rows = program.session.data.train.x
    assert len(rows) > MOST_DOTS
    picture = plane.panel.points.item.picture
    view = picture.view
    column = np.floor((rows[:, 0] - view.x0) / (view.x1 - view.x0) * view.width).astype(int)
    row = np.floor((view.y1 - rows[:, 1].astype(float)) / (view.y1 - view.y0) * view.height).astype(int)
    inside = (column >= 0) & (column < view.width) & (row >= 0) & (row < view.height)
    there = np.zeros((view.height, view.width), bool)
    there[row[inside], column[inside]] = True
    assert (there == (picture.image[..., 3] > 0)).mean() > 0.9999  # float32 on the edge of a pixel
    assert plane.panel.points.item.isVisible()
    plane.hover((0.3, 0.2))
    np.testing.assert_allclose(program.session.place, (0.3, 0.2), atol=0.02)


@pytest.mark.parametrize("prior", ["none", "conjugate"])
def test_a_component_collapses_without_a_prior_and_says_so(opened, prior):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, (60, 2)), np.repeat([[4.0, 2.0]], 8, axis=0)])
    init = {
        "means": [[0.0, 0.0], [4.0, 2.0]],
        "covariances": [np.eye(2).tolist(), (0.05 * np.eye(2)).tolist()],
    }
    program = opened("gmm", x, {"components": 2, "init": json.dumps(init), "prior": prior})
    plane, em = Plane(program), program.window.suited["em"]
    session = program.session
    session.apply(
        replace(session.state, run=replace(session.state.run, steps=10, tolerance=0.0)), "ten steps"
    )
    program.trigger("toggle")
    program.until(lambda: session.moment.steps == 10 and not session.moment.training)
    plane.settle()
    std = np.linalg.norm(plane.panel.ellipses.shown.axes[1], axis=1)
    if prior == "none":
        np.testing.assert_allclose(std, np.sqrt(1e-6), rtol=1e-3)  # all that is left is reg_covar
        program.until(lambda: "omponent 2" in em.notes.text())
        assert em.notes.isVisible()
    else:
        assert std.min() > 0.05
        assert em.notes.text() == ""


def test_another_model_of_the_same_data_takes_the_place_of_a_mixture(opened):
    program = opened("gmm", few(), two())
    plane = Plane(program)
    assert plane.panel.points.colour == "responsibility"
    session = program.session
    session.apply(replace(session.state, canvas="data"), "choose the canvas")
    program.actions.take(Run.start("ppca", session.data, {"latent_dim": 1}))
    program.until(lambda: session.run.kind.name == "ppca")
    plane.settle()
    assert plane.panel.points.colour == "plain"

"""A flow on pictures: its latent map, what decodes there, its curves, and the way between two data."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from backends.base import finish
from backends.capabilities import latent_points
from backends.flow_terms import flow_terms
from explorer.planes.mosaic import Ink
from explorer.slices import samples
from explorer.studies.tiles import Tiling, between, pairs
from tests.runs import saved_run


@pytest.fixture(scope="module")
def flow_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "digits-flow.safetensors"
    values = {"layers": 4, "width": 32, "learning_rate": 0.003}
    return saved_run(path, "realnvp", "digits-16", values, steps=60)


@pytest.fixture
def flow(start, flow_file):
    program = start(flow_file)
    program.wait_for_run()
    program.settle()
    return program


def test_the_map_is_of_decoded_pictures_and_what_is_hovered_decodes(flow):
    stage, session = flow.window.stage, flow.session
    assert stage.panel is stage.map
    flow.until(lambda: session.encodings is not None)
    np.testing.assert_allclose(
        session.encodings.z, session.model.transform(session.data.train.x)[0], atol=1e-4
    )
    picture = stage.map.field.picture
    assert picture.complete
    alpha = picture.image[..., 3]
    height, width = alpha.shape  # the square about the mode of the prior, however wide the map is
    middle = alpha[height // 4 : -height // 4, width // 2 - height // 4 : width // 2 + height // 4]
    assert (middle > 80).mean() > 0.1  # ink, not faded away
    uv = flow.hover(0.7, -0.4)
    flow.settle()
    x = session.model.inverse(session.plane.to_space(uv[None]))[0][0]
    shown = flow.window.cursor_panel.picture
    np.testing.assert_allclose(shown._array, np.clip(x / 16, 0, 1).reshape(8, 8), atol=1e-4)
    rows = flow.window.cursor_panel.datum_rows
    flow.until(lambda: rows._labels["log_p"].text().endswith("bound"))
    assert float(rows.value("log_p").replace("−", "-")) < -50
    assert rows._labels["label"].isVisible()
    assert not any(rows._labels[key].isVisible() for key in ("elbo", "gap"))


def test_curves_have_the_bound_and_bits_per_dimension(flow):
    panel = flow.window.suited["likelihood"]
    flow.until(lambda: len(flow.session.curves.get("test/bits_per_dim")[0]) > 0)
    flow.until(panel.switch.buttons["bits"].isVisible)
    assert panel.switch.buttons["likelihood"].text() == "Bound on −log P(x) · nats"
    flow.click(panel.switch.buttons["bits"])
    assert flow.session.state.flow.curves == "bits"
    bits = flow.session.curves.get("test/bits_per_dim")[1][-1]
    bound = finish(flow_terms(flow.session.model, flow.session.data.test.x)).log_prob.value.mean()
    assert bits == pytest.approx(-bound / (64 * np.log(2)), abs=0.02)


def test_the_way_from_datum_to_datum_is_straight_in_z(flow):
    model, x = flow.session.model, flow.session.data.train.x
    a, b = pairs(x, 5, seed=0)
    assert (a != b).any(1).all()
    way = finish(between(model, a, b, 7))
    assert way.shape == (5, 7, 64)
    np.testing.assert_allclose(way[:, 0], a, atol=1e-2)
    np.testing.assert_allclose(way[:, -1], b, atol=1e-2)
    middle = (latent_points(model, a) + latent_points(model, b)) / 2
    np.testing.assert_allclose(way[:, 3], model.decode(middle).mean, atol=1e-2)


def test_the_samples_card_shows_the_way_between_data(flow):
    panel, dock = flow.window.samples, flow.window.stage.docks["samples"]
    model, info, x = flow.session.model, flow.session.run.info, flow.session.data.train.x
    tiles, ink = panel.tiles, Ink((255, 255, 255), 1.0)

    def drawn(rows):
        """Whether these rows, of so many tiles as there are, are what is seen."""
        tiling = Tiling.of(info, tiles.width(), tiles.height(), panel.devicePixelRatioF())
        return flow.tiled(tiling.lay(rows(tiling), info, ink))

    flow.until(lambda: drawn(lambda tiling: finish(samples(model, tiling.count, 0))))
    flow.click(panel.switch.buttons["between"])
    assert flow.session.state.samples.shown == "between"
    flow.until(
        lambda: drawn(lambda t: finish(between(model, *pairs(x, t.rows, 0), t.columns)).reshape(-1, info.dim))
    )
    assert dock.status.text() == ""
    assert panel.caption.text() == "From datum to datum, straight in z"
    flow.trigger("undo")
    assert panel.switch.buttons["samples"].isChecked()
    flow.until(lambda: drawn(lambda tiling: finish(samples(model, tiling.count, 0))))


def test_after_a_flow_whose_entropy_is_known_and_a_model_without_a_card_the_curves_are_its_own(
    start, flow_file, small_run, tmp_path
):
    known = saved_run(tmp_path / "known.safetensors", "realnvp", "two-moons", {"layers": 2, "width": 8}, 5)
    program = start(known)
    program.wait_for_run()
    panel = program.window.suited["likelihood"]
    program.until(lambda: program.session.report is not None)
    program.until(lambda: "entropy" in panel.plot._curves)
    for path in (small_run, flow_file):
        before = program.session.run
        program.actions.open(path)
        program.until(lambda before=before: program.session.run is not before)
        program.settle()
    assert "entropy" not in panel.plot._curves
    program.until(lambda: "held out" in program.window.docks["likelihood"].status.text())


def choose_coordinates(program):
    """From principal directions on by one entry."""
    program.map.planes.kind.setFocus()
    QTest.keyClick(program.map.planes.kind, Qt.Key.Key_Down)


def test_a_plane_of_many_dimensions_is_the_principal_one_until_another_is_chosen(flow):
    session = flow.session
    flow.until(lambda: session.encodings is not None and session.plane.labels[0] == "principal u")
    z = session.encodings.z.astype(float)
    along = np.linalg.eigvalsh(np.cov(z.T))
    seen = np.linalg.eigvalsh(np.cov(session.plane.to_canvas(z).T))
    np.testing.assert_allclose(seen, along[-2:], rtol=1e-6)
    assert flow.map.planes.kind.currentData() == "principal"
    choose_coordinates(flow)
    assert session.state.map.plane.kind == "coordinates"
    flow.until(lambda: session.plane.labels == ("z₁", "z₂"))
    np.testing.assert_array_equal(session.plane.origin, np.zeros(64))
    flow.settle()
    view = flow.map.view()
    flow.trigger("step")
    flow.until(lambda: session.encodings.step == session.run.steps)
    flow.settle()
    assert session.plane.labels == ("z₁", "z₂")
    assert flow.map.view() == view


def test_the_map_of_a_bounded_base_shows_its_support(start, tmp_path):
    values = {"layers": 2, "width": 8, "base": "uniform"}
    program = start(saved_run(tmp_path / "uniform.safetensors", "realnvp", "digits-16", values, steps=1))
    program.wait_for_run()
    session, shown = program.session, program.window.cursor_panel

    def whole() -> None:
        """The view holds most of the support that the plane cuts, and is not much larger."""
        program.settle()
        program.until(lambda: program.map.field.picture is not None and program.map.field.picture.complete)
        assert program.map.field.picture.image.any()
        view = program.map.view()
        u, v = np.meshgrid(np.linspace(-8, 8, 161), np.linspace(-8, 8, 161))
        uv = np.stack([u.ravel(), v.ravel()], axis=1)
        inside = uv[np.isfinite(session.model.log_prior(session.plane.to_space(uv)))]
        size = np.ptp(inside, axis=0).max()
        assert min(view.x1 - view.x0, view.y1 - view.y0) < 2 * size
        assert ((inside > (view.x0, view.y0)) & (inside < (view.x1, view.y1))).mean() > 0.8

    program.until(lambda: session.plane.labels[0] == "principal u")
    whole()
    choose_coordinates(program)
    program.until(lambda: session.plane.labels == ("z₁", "z₂"))
    np.testing.assert_allclose(session.plane.origin[2:], 0.5, atol=0.03)
    whole()
    program.hover(0.5, 0.5)
    program.settle()
    program.until(lambda: shown.picture._array is not None)
    program.hover(1.02, 0.5)  # outside there is nothing
    program.settle()
    program.until(lambda: shown.picture._array is None)
    program.trigger("field-magnification")  # of which there is nothing outside, either
    program.settle()
    program.until(lambda: program.map.field.picture.complete)
    assert not program.said
    assert shown.point_rows.value("prior") == "0.00"
    assert not program.said


@pytest.mark.parametrize("ratio", [1.0, 1.5])
def test_tiles_lie_in_rows_on_whole_pixels(flow, ratio):
    info = flow.session.run.info
    tiling = Tiling.of(info, 100, 70, ratio)
    assert (tiling.rows, tiling.columns) == (2, 3)
    x = np.zeros((tiling.count, 64), np.float32)
    x[4] = 16
    image = tiling.lay(x, info, Ink((255, 255, 255), 1.0))
    assert image.shape == (round(70 * ratio), round(100 * ratio), 4)
    lit = np.argwhere(image[..., 3] > 0)
    step = tiling.tile_width + tiling.gap
    assert lit.min(0).tolist() == [step, step]
    assert lit.max(0).tolist() == [step + tiling.tile_height - 1, step + tiling.tile_width - 1]

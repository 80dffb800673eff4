"""A model without a latent space: its density behind the data, and what it says of the point hovered."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint

from backends.base import finish
from backends.likelihood import log_likelihood
from tests.runs import saved_run


@pytest.fixture
def mixture(tmp_path):
    return saved_run(tmp_path / "mixture.safetensors", "gmm", "eight-gaussians", {"components": 8}, steps=5)


def test_a_mixture_is_seen_on_the_data_plane(start, mixture, tmp_path):
    program = start(mixture, tmp_path / "home")
    program.wait_for_run()
    window = program.window
    assert window.stage.panel is window.stage.data
    assert window.docks["map"].windowTitle() == "Data plane"
    field = window.stage.data.field
    program.until(lambda: field.picture is not None and field.picture.complete)
    picture = field.picture
    rows, columns = np.mgrid[0 : picture.view.height, 0 : picture.view.width]
    x = picture.view.to_canvas(columns.ravel() + 0.5, rows.ravel() + 0.5)
    p = np.exp(program.session.model.log_prob(x.astype(np.float32))).reshape(rows.shape)
    seen = picture.image[..., 3] > 120
    assert seen.any()
    assert not seen.all()
    assert p[seen].min() > p[~seen].max() * 0.98  # where it is bright the density is high


def test_hovering_asks_the_mixture(start, mixture, tmp_path):
    program = start(mixture, tmp_path / "home")
    program.wait_for_run()
    data, place = program.window.stage.data, program.window.stage.place
    program.until(lambda: data.scatter is not None)
    viewport = data.canvas.viewport()
    program.qtbot.mouseMove(viewport, QPoint(viewport.width() // 2, viewport.height() // 2))
    program.qtbot.mouseMove(viewport, QPoint(viewport.width() // 3, viewport.height() // 3))
    program.until(lambda: place.bars.shares is not None and not program.program.exploration.busy("place"))
    x = program.session.place
    model = program.session.model
    np.testing.assert_allclose(place.bars.shares, model.encode(x[None]).probs[0])
    shown = float(place.rows.value("log_p").replace("−", "-"))
    assert shown == pytest.approx(float(model.log_prob(x[None])[0]), abs=0.006)


def test_a_point_between_the_grey_levels_of_a_picture_is_not_asked_of_a_model_of_binary_ones(start, tmp_path):
    grey = saved_run(tmp_path / "grey.safetensors", "gmm", "digits-grey", {"components": 3}, steps=2)
    binary = saved_run(tmp_path / "binary.safetensors", "bernoulli-mixture", "digits", {"components": 3}, 2)
    program = start(grey)
    program.wait_for_run()
    data = program.window.stage.data
    program.until(lambda: data.scatter is not None)
    program.settle()
    viewport = data.canvas.viewport()
    for share in (0.2, 0.25):
        program.qtbot.mouseMove(
            viewport, QPoint(int(share * viewport.width()), int(share * viewport.height()))
        )
    program.until(lambda: program.session.place is not None)
    program.actions.open(binary)
    program.until(lambda: program.session.run.info.values == "binary")
    program.settle()
    assert not program.said
    assert program.session.place is None
    place, view = program.window.stage.place, data.canvas.view()
    program.until(lambda: data.scatter is not None)
    program.settle()
    for at in (
        QPoint(viewport.width() // 2, viewport.height() // 2),
        QPoint(viewport.width() - 12, 12),
    ):  # near rows, and far off
        before = program.session.place
        program.qtbot.mouseMove(viewport, at)
        program.until(lambda before=before: program.session.place is not before)
        program.settle()
        program.until(lambda: not program.program.exploration.busy("place"))
        grey = not np.isin(program.session.place, (0, 1)).all()
        assert (place.rows.value("log_p") == "–") is grey
    assert grey, view
    assert not program.said


def test_another_run_brings_the_latent_map_back(start, mixture, small_run, tmp_path):
    program = start(mixture, tmp_path / "home")
    program.wait_for_run()
    program.actions.open(small_run)
    window = program.window
    program.until(lambda: window.stage.panel is window.map)
    assert window.stage.stacks[1].currentWidget() is window.cursor_panel
    assert window.docks["map"].windowTitle() == "Latent map"


@pytest.mark.parametrize("kind", ["nsf", "cnf"])
def test_a_flow_of_one_column_is_seen_as_its_density(start, tmp_path, kind):
    program = start(saved_run(tmp_path / "line.safetensors", kind, "normal-1d", {"width": 16}, steps=40))
    program.wait_for_run()
    stage, model = program.window.stage, program.session.model
    assert stage.panel is stage.data
    field = stage.data.field
    program.until(lambda: field.picture is not None and field.picture.complete)
    picture = field.picture
    height = (picture.image[..., 3] > 0).sum(0)
    u = picture.view.to_canvas(np.arange(picture.view.width) + 0.5, np.zeros(picture.view.width))[:, :1]
    p = np.exp(model.log_prob(u.astype(np.float32)))
    np.testing.assert_allclose(height / height.max(), p / p.max(), atol=0.03)
    assert not program.said


def test_hovering_the_plane_of_a_vae_estimates_log_p_and_says_how(start, tmp_path):
    values = {"width": 16, "depth": 1, "decoder": "gaussian"}
    path = saved_run(tmp_path / "moons.safetensors", "vae", "two-moons:500", values, steps=40)
    program = start(path, tmp_path / "home")
    program.wait_for_run()
    program.window.stage.choose("data")
    data, place = program.window.stage.data, program.window.stage.place
    program.until(lambda: data.scatter is not None)
    viewport = data.canvas.viewport()
    program.qtbot.mouseMove(viewport, QPoint(viewport.width() // 2, viewport.height() // 2))
    program.qtbot.mouseMove(viewport, QPoint(viewport.width() // 3, viewport.height() // 3))
    program.until(lambda: place.rows.value("gap") != "–")
    x, model = program.session.place, program.session.model
    wanted = finish(log_likelihood(model, x[None])).value[0]
    log_p, elbo, gap = (float(place.rows.value(k).replace("−", "-")) for k in ("log_p", "elbo", "gap"))
    assert log_p == pytest.approx(wanted, abs=0.02)
    assert log_p - elbo == pytest.approx(gap, abs=0.02)
    assert gap > 0
    assert "quadrature" in place.rows._labels["log_p"].text()
    assert "±" in place.rows._labels["log_p"].toolTip()
    assert "Computed directly" in place.rows._labels["gap"].toolTip()


def test_a_flow_of_one_column_has_no_rows_of_a_bound(start, tmp_path):
    path = saved_run(tmp_path / "line.safetensors", "nsf", "normal-1d", {"layers": 1, "width": 8})
    program = start(path, tmp_path / "home")
    program.wait_for_run()
    rows = program.window.stage.place.rows
    assert not rows._labels["log_p"].isHidden()
    assert rows._labels["elbo"].isHidden()
    assert rows._labels["gap"].isHidden()

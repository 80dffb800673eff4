"""A model of another kind than the VAE: log p(x) and samples, no latent space, no ELBO (a plug-in's)."""

from dataclasses import replace

import numpy as np
import pytest

from tests.runs import saved_run

pytestmark = pytest.mark.usefixtures("toy_plugin")


@pytest.fixture
def program(start, tmp_path):
    program = start(saved_run(tmp_path / "toy.safetensors", "toy-gaussian", "two-moons", {}, steps=50))
    program.wait_for_run()
    return program


def test_a_model_without_a_bound_is_evaluated_once_a_snapshot(program):
    program.until(lambda: program.session.report is not None)
    follower = program.program.follower
    assert follower._request_evaluation() is False
    state = program.session.state
    program.session.apply(replace(state, curves=replace(state.curves, iwae=True)), "")  # which it has not
    program.until(lambda: follower._done is not None and follower._done.with_iwae)
    assert follower._request_evaluation() is False
    assert not [m for m in program.said if m.kind == "error"]


def test_nothing_of_the_run_before_stays_beside_another(start, small_run, tmp_path):
    rows = tmp_path / "rows.npy"
    np.save(rows, np.random.default_rng(0).normal(50, 1, (40, 2)))
    saved_run(tmp_path / "orphan.safetensors", "toy-gaussian", rows, {})
    rows.unlink()  # so that it opens without its data
    program = start(small_run)
    program.wait_for_run()
    program.settle()
    samples, window = program.window.samples, program.window
    assert samples.tiles._image is not None
    assert window.map.field.picture is not None
    window.map._request_field()  # still under way when the other run comes
    program.actions.open(tmp_path / "orphan.safetensors")
    program.until(lambda: program.session.run.kind.name == "toy-gaussian")
    program.settle()
    assert window.map.field.picture is None
    assert samples.tiles._image is None
    assert not samples.data_points._batches
    assert samples.sample_points._batches
    (x0, x1), _ = samples.plot.getPlotItem().getViewBox().viewRange()
    assert x0 < 0 < x1  # in the middle of its own samples, which begin at N(0, I)


def test_decoded_images_switched_off_do_not_come_back(program, start, small_run):
    program.actions.open(small_run)
    program.until(lambda: program.session.run.kind.name == "vae")
    program.settle()
    assert program.map.field.picture is not None
    program.map._request_field()
    program.trigger("mosaic")
    program.settle()
    assert program.map.field.picture is None


def test_the_curves_are_those_that_the_model_has(program, start, small_run):
    curves = program.window.curves
    program.until(lambda: program.session.report is not None)
    assert [s.key for s in curves._series] == ["log_likelihood"]
    assert "ELBO" not in curves.plot.legend()
    assert [name for name, box in curves.toggles.items() if not box.isHidden()] == ["batches"]
    program.click(curves.toggles["batches"])
    assert len(curves.plot._curves["batch"].points) == 50  # of log p(x): it has no bound
    program.actions.open(small_run)
    program.until(lambda: program.session.run.kind.name == "vae")
    assert [s.key for s in curves._series] == ["log_likelihood", "elbo", "batch"]
    assert not any(box.isHidden() for box in curves.toggles.values())

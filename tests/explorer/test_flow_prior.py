"""A flow on a VAE's encodings in the window: chosen in the samples card, fitted in the background."""

from dataclasses import replace

import numpy as np
from PySide6.QtWidgets import QFileDialog
from scipy.stats import sem

from backends.data import open_data
from backends.encodings import encodings
from backends.run import Run
from explorer.planes.mosaic import Ink
from explorer.runs.flow_prior import Fitted, fit
from explorer.state import SamplesSpec
from explorer.studies.tiles import Tiling
from tests.runs import saved_run


def last(work):
    found = []
    while True:
        try:
            found.append(next(work))
        except StopIteration as end:
            return found, end.value


def test_the_fit_is_better_than_the_prior_on_encodings_it_has_not_seen(program):
    model, data = program.session.model, program.session.data
    on_the_way, fitted = last(fit(model, data, steps=120))
    assert any(isinstance(part, Fitted) for part in on_the_way)
    assert fitted.step == 120
    z = encodings(model, data, "vae", {}).test.x
    gains = fitted.flow.log_prob(z) - model.log_prior(z)
    better = gains.mean()
    np.testing.assert_allclose(fitted.better, better, atol=1e-6)
    np.testing.assert_allclose(fitted.error, sem(gains, ddof=0), atol=1e-6)
    assert better > 0.1


def test_choosing_the_flow_fits_it_and_samples_by_it(program, monkeypatch):
    monkeypatch.setattr("explorer.runs.flow_prior.STEPS", 60)
    panel, session = program.window.samples, program.session
    assert panel.switch.isVisible()
    before = program.pixels(panel.tiles)
    program.click(panel.switch.buttons["flow"])
    assert session.state.samples.shown == "flow"
    assert panel.shown == "flow"
    assert panel.caption.text().startswith("Fitting the flow")
    program.until(lambda: not panel.prior.busy)
    program.settle()
    program.until(lambda: "nats" in panel.caption.text())
    model, fitted = session.model, panel.prior.fitted
    assert panel.caption.text() == f"z ~ flow of step 120: {fitted.better:+.2f} nats"
    assert f"± {fitted.error:.2g}" in panel.caption.toolTip()
    program.settle()
    ratio, tiles = panel.devicePixelRatioF(), panel.tiles
    tiling = Tiling.of(model.info, tiles.width(), tiles.height(), ratio)
    x = model.sample_given(fitted.flow.sample(tiling.count, 0), 0)
    want = tiling.lay(x, model.info, Ink((255, 255, 255), 1.0))
    program.until(lambda: program.tiled(want))
    after = program.pixels(tiles)  # of less height: there is a button below
    assert (after != before[: len(after)]).any()


def test_the_flow_follows_the_model_when_training_rests(program, monkeypatch):
    monkeypatch.setattr("explorer.runs.flow_prior.STEPS", 3)
    panel = program.window.samples
    program.click(panel.switch.buttons["flow"])
    program.until(lambda: not panel.prior.busy)
    program.trigger("step")
    program.until(lambda: program.steps == 121)
    program.paused()
    program.until(lambda: panel.prior.fitted is not None and panel.prior.fitted.step == 121)


def test_a_chosen_flow_is_not_fitted_before_it_is_asked_for(program):
    """As when the choice comes from an earlier session."""
    session, panel = program.session, program.window.samples
    session.apply(replace(session.state, samples=SamplesSpec("flow")), "as it was")
    assert panel.shown == "samples"
    assert not panel.prior.busy
    assert panel.switch.buttons["samples"].isChecked()


def test_a_run_from_a_file_takes_the_place_of_the_fitted_one(program, small_run, tmp_path, monkeypatch):
    monkeypatch.setattr("explorer.runs.flow_prior.STEPS", 3)
    prior = Run.start("gmm", open_data(str(small_run)), {"components": 3})
    prior.step()
    prior.save(tmp_path / "three.safetensors")
    saved_run(tmp_path / "narrow.safetensors", "gmm", "normal-1d", {})
    panel, session = program.window.samples, program.session
    assert not panel.choose.isVisible()
    program.click(panel.switch.buttons["flow"])
    program.until(lambda: not panel.prior.busy)
    fitted = panel.prior.fitted

    def take(name):
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(tmp_path / name), ""))
        program.click(panel.choose)
        program.until(lambda: not panel.prior.busy)

    take("narrow.safetensors")  # what does not fit is refused in a sentence, and changes nothing
    assert program.said[-1].text.endswith("is of 1 columns, the latent space of 'vae' has 2")
    assert panel.prior.fitted is fitted
    take("three.safetensors")
    z = encodings(session.model, session.data, "vae", {}).test.x
    better = (prior.model().log_prob(z) - session.model.log_prior(z)).mean()
    program.until(lambda: panel.caption.text() == f"z ~ three: {better:+.2f} nats".replace("-", "−"))
    tiles = panel.tiles

    def drawn():
        tiling = Tiling.of(session.run.info, tiles.width(), tiles.height(), panel.devicePixelRatioF())
        x = session.model.sample_given(prior.model().sample(tiling.count, 0), 0)
        return program.tiled(tiling.lay(x, session.run.info, Ink((255, 255, 255), 1.0)))

    program.until(drawn)
    program.trigger("step")
    program.until(lambda: program.steps == 121)
    program.paused()
    program.settle()
    assert panel.prior.fitted.file.endswith("three.safetensors")
    program.click(panel.switch.buttons["flow"])
    program.until(lambda: not panel.prior.fitted.file)

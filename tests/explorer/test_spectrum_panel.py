"""The spectrum: the data's eigenvalues, the model's beside them, and σ² as the mean of those left out."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA

from explorer.panels.spectrum import model_spectrum


@pytest.fixture
def ppca(program):
    """Closed-form PPCA of three factors on the digits, after its one step."""
    session = program.session
    values = {"latent_dim": 3, "method": "closed-form"}
    spec = replace(session.state.run, data="digits-grey", model="ppca", values=values, steps=1)
    session.apply(replace(session.state, run=spec), "choose PPCA")
    program.click(program.run_panel.play)
    program.until(
        lambda: session.run is not None and session.run.kind.name == "ppca" and session.run.steps == 1
    )
    panel = program.window.suited["spectrum"]
    program.until(lambda: panel.rows.value("left") != "–" and session.model.stamp.step == 1)
    program.until(lambda: panel.rows.value("noise") == panel.rows.value("left"))
    return panel


def test_the_model_takes_the_largest_eigenvalues_and_the_mean_of_the_others(program, ppca):
    x = program.session.data.train.x.astype(np.float64)
    known = PCA().fit(x).explained_variance_ * (len(x) - 1) / len(x)
    own = model_spectrum(program.session.model, x.shape[1])
    np.testing.assert_allclose(own[:3], known[:3], rtol=1e-6)
    np.testing.assert_allclose(own[3:], known[3:].mean(), rtol=1e-6)
    legend = program.window.docks["spectrum"].status.text()
    assert "λ of the data" in legend
    assert not any(letter.isdigit() for letter in re.sub("<.*?>", "", legend))  # the last λ tells nothing
    assert ppca.rows.value("left") == f"{known[3:].mean():.5f}"
    assert ppca.rows.value("share") == f"{100 * known[:3].sum() / known.sum():.1f} %"


def test_it_is_there_for_one_noise_variance_alone(program, ppca):
    docks, session = program.window.docks, program.session
    assert not docks["spectrum"].isHidden()
    spec = replace(session.state.run, model="factor-analysis", values={}, steps=2)
    session.apply(replace(session.state, run=spec), "choose factor analysis")
    program.click(program.run_panel.play)
    program.until(lambda: session.run.kind.name == "factor-analysis")
    assert docks["spectrum"].isHidden()

"""A model of another kind than the VAE: log p(x) and samples, no latent space, no ELBO (a plug-in's)."""

from pathlib import Path

import pytest

from backends import registry
from backends.data import open_data
from backends.run import Run

PLUGIN = Path(__file__).parents[1] / "plugin"


@pytest.fixture(autouse=True)
def _plugin(monkeypatch):
    monkeypatch.syspath_prepend(PLUGIN)
    registry.installed.cache_clear()
    yield
    registry.installed.cache_clear()


@pytest.fixture
def program(start, tmp_path):
    run = Run.start("toy-gaussian", open_data("two-moons"), {})
    for _ in range(50):
        run.step()
    run.save(tmp_path / "toy.safetensors")
    program = start(tmp_path / "toy.safetensors")
    program.wait_for_run()
    return program


def test_a_model_without_a_bound_is_evaluated_once_a_snapshot(program):
    program.until(lambda: program.session.report is not None)
    follower = program.program.follower
    assert follower._request_evaluation() is False
    program.click(program.window.curves.toggles["iwae"])  # which it has not
    program.until(lambda: follower._done is not None and follower._done.with_iwae)
    assert follower._request_evaluation() is False
    assert not [m for m in program.said if m.kind == "error"]

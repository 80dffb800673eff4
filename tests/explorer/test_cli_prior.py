"""A flow fitted to a VAE's encodings, from the command line, and the VAE sampled with it as prior."""

import json

import numpy as np
import pytest

from backends.encodings import DRAWS
from backends.run import Run
from explorer.__main__ import main
from tests.runs import saved_run


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    saved_run(folder / "vae.safetensors", "vae", "digits", {"width": 32, "depth": 1}, steps=200)
    flow = ["train", "nsf", "--data", str(folder / "vae.safetensors"), "--steps", "60", "--json"]
    flow += ["--set", "layers=2", "width=16", "learning_rate=0.01", "--out", str(folder / "flow.safetensors")]
    assert main(flow) == 0
    return folder


def sample(folder, *options):
    out = folder / "x.npy"
    arguments = ["sample", str(folder / "vae.safetensors"), "--n", "40", "--seed", "3", "--out", str(out)]
    status = main([*arguments, *map(str, options)])
    return np.load(out) if status == 0 else status


def test_samples_are_drawn_by_the_flow(files, capsys):
    vae, flow = (Run.open(files / f"{name}.safetensors").model() for name in ("vae", "flow"))
    x = sample(files, "--prior", files / "flow.safetensors")
    np.testing.assert_array_equal(x, vae.sample_given(flow.sample(40, 3), 3))
    assert not np.array_equal(x, sample(files))
    assert capsys.readouterr().err == ""


def test_the_flow_can_be_scored_on_the_encodings(files, capsys):
    out = files / "log_p.npy"
    vae = str(files / "vae.safetensors")
    assert main(["score", str(files / "flow.safetensors"), "--data", vae, "--out", str(out)]) == 0
    assert np.load(out).shape == (DRAWS * 1797,)
    capsys.readouterr()
    assert main(["evaluate", str(files / "flow.safetensors"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["data"] == "vae.safetensors"
    assert report["test"]["log_likelihood"]["method"] == "exact"


def test_a_prior_that_does_not_fit_is_refused(files, tmp_path, capsys):
    saved_run(tmp_path / "wide.safetensors", "gmm", "digits-grey", {})
    saved_run(tmp_path / "gmm.safetensors", "gmm", "two-moons", {})
    assert sample(files, "--prior", tmp_path / "wide.safetensors") == 2
    assert "is of 64 columns, the latent space of" in capsys.readouterr().err
    assert sample(files, "--prior", tmp_path / "none.safetensors") == 2
    capsys.readouterr()
    assert sample(files, "--prior", tmp_path / "gmm.safetensors").shape == (40, 64)
    assert "was not fitted to the encodings of" in capsys.readouterr().err
    moons = ["sample", str(tmp_path / "gmm.safetensors"), "--n", "2", "--out", str(tmp_path / "o.npy")]
    assert main([*moons, "--prior", str(files / "flow.safetensors")]) == 2
    assert "has no p(x|z) to draw from" in capsys.readouterr().err

"""Encodings of a run as data, and a flow fitted to them as prior of its decoder."""

import numpy as np
import pytest

from backends.base import InputError
from backends.capabilities import SamplesGiven
from backends.data import open_data
from backends.encodings import DRAWS, encodings
from backends.run import Run
from tests.runs import saved_run

FLOW = {"layers": 2, "width": 32, "learning_rate": 0.005}


@pytest.fixture(scope="module")
def vae_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "vae.safetensors"
    values = {"width": 64, "depth": 1, "latent_dim": 3}
    return saved_run(path, "vae", "digits", values, steps=400, seed=1)


@pytest.fixture(scope="module")
def flow_run(vae_file):
    run = Run.start("nsf", open_data(vae_file), FLOW)
    for _ in range(250):
        run.step()
    return run


def test_a_run_as_data_is_draws_of_its_posterior(vae_file):
    data, run = open_data(vae_file), Run.open(vae_file)
    assert data.info.dim == 3
    assert data.info.title == "Encodings of vae.safetensors"
    for name in ("train", "validation", "test"):
        rows, found = run.data.split(name), data.split(name)
        assert found.x.shape == (DRAWS * len(rows), 3)
        np.testing.assert_array_equal(found.labels, np.repeat(rows.labels, DRAWS))
        q = run.model().encode(rows.x)
        off = (found.x.reshape(-1, DRAWS, 3) - q.mean[:, None]) / q.std[:, None]
        assert abs(off.mean()) < 0.06
        assert off.std() == pytest.approx(1, abs=0.05)
        assert abs(np.corrcoef(off[:, 0].T)[0, 1]) < 0.3
    again = open_data(data.info.source)
    np.testing.assert_array_equal(again.train.x, data.train.x)


def test_full_covariances_are_drawn_from():
    run = Run.start("ppca", open_data("digits-grey"), {"latent_dim": 2})
    run.step()
    model = run.model()
    z = encodings(model, run.data, "x", {}).train.x.reshape(-1, DRAWS, 2)
    q = model.encode(run.data.train.x)
    covariance = np.cov((z - q.mean[:, None]).reshape(-1, 2).T)
    if q.scale_tril is None:
        want = np.diag((q.std**2).mean(0))
    else:
        want = (q.scale_tril @ q.scale_tril.swapaxes(1, 2)).mean(0)
    np.testing.assert_allclose(covariance, want, atol=0.06 * np.abs(want).max())


def test_a_flow_fits_the_encodings_better_than_the_prior(vae_file, flow_run):
    z = flow_run.data.test.x
    prior = Run.open(vae_file).model().log_prior(z)
    assert flow_run.model().log_prob(z).mean() > prior.mean() + 0.1


def test_what_is_drawn_given_z_has_the_moments_of_the_decoder(vae_file, flow_run):
    for model, z in (
        (Run.open(vae_file).model(), flow_run.model().sample(3, 0)),
        (Run.start("ppca", open_data("digits-grey"), {"latent_dim": 2}).model(), np.eye(2, dtype=np.float32)),
    ):
        assert isinstance(model, SamplesGiven)
        many = model.sample_given(np.repeat(z, 4000, axis=0), 5)
        assert many.dtype == np.float32
        seen = many.reshape(len(z), 4000, -1)
        decoded = model.decode(z)
        spread = np.sqrt(decoded.mean * (1 - decoded.mean)) if decoded.std is None else decoded.std
        np.testing.assert_allclose(seen.mean(1), decoded.mean, atol=float(6 * spread.max() / 4000**0.5))
        np.testing.assert_array_equal(many, model.sample_given(np.repeat(z, 4000, axis=0), 5))


def test_samples_by_the_flow_are_nearer_to_the_encodings(vae_file, flow_run):
    """In mean and covariance: those of the aggregated posterior are not those of N(0, I)."""
    z = flow_run.data.train.x
    drawn = flow_run.model().sample(5000, 0)
    off = np.abs(np.cov(drawn.T) - np.cov(z.T)).max()
    assert off < np.abs(np.eye(3) - np.cov(z.T)).max() or off < 0.1


def test_a_flow_on_encodings_is_saved_and_goes_on(vae_file, flow_run, tmp_path):
    flow_run.save(tmp_path / "flow.safetensors")
    again = Run.open(tmp_path / "flow.safetensors")
    assert again.notes == ()
    assert again.data is not None
    again.step()


def test_what_has_no_encodings_is_refused(vae_file, tmp_path):
    saved_run(tmp_path / "gmm.safetensors", "gmm", "two-moons", {})
    with pytest.raises(InputError, match="holds a gmm, which has no Gaussian q"):
        open_data(tmp_path / "gmm.safetensors")
    with pytest.raises(InputError, match="is a run, whose labels are those of its data, not 'y'"):
        open_data(f"{vae_file}:label=y")
    source = dict(open_data(vae_file).info.source)
    with pytest.raises(InputError, match="has changed since"):
        open_data(source | {"sha256": "0"})
    (tmp_path / "broken.safetensors").write_bytes(vae_file.read_bytes()[:-10])
    with pytest.raises(InputError):
        open_data(tmp_path / "broken.safetensors")

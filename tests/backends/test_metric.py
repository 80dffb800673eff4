"""The decoder's metric: against reverse-mode Jacobians, row by row."""

import numpy as np
import pytest
import torch

from backends.base import DataInfo, InputError
from backends.capabilities import HasMetric
from backends.data import open_data
from backends.pytorch.metric import pull_back
from backends.pytorch.vae import VAELearner
from backends.run import Run


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "softplus", "silu"])
@pytest.mark.parametrize("decoder", ["bernoulli", "discrete"])
def test_it_is_that_of_the_jacobian_in_the_datas_units(activation, decoder):
    info = DataInfo("levels", "Levels", 6, "integer" if decoder == "discrete" else "binary", 5)
    x = np.random.default_rng(0).integers(2, size=(50, 6)).astype(np.float32)
    values = {"latent_dim": 3, "width": 16, "decoder": decoder, "activation": activation}
    learner = VAELearner(x, info, values)
    for _ in range(5):
        learner.step()
    model, z = learner.snapshot(), np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    assert isinstance(model, HasMetric)
    rows = [
        torch.autograd.functional.jacobian(lambda r: model._mean(r[None])[0], torch.tensor(one)) for one in z
    ]
    want = np.stack([(j.mT @ j).double().numpy() for j in rows])
    np.testing.assert_allclose(model.metric(z), want, rtol=1e-4, atol=1e-7 * np.abs(want).max())
    with pytest.raises(InputError, match="z has shape"):
        model.metric(z[:, :2])


def test_many_rows_are_taken_in_parts():
    z = torch.randn(7, 2)
    whole = pull_back(torch.sin, z, 1)
    torch.testing.assert_close(whole, torch.diag_embed(z.cos().double() ** 2))
    torch.testing.assert_close(pull_back(torch.sin, z, 1 << 20), whole)
    assert pull_back(torch.sin, z[:0], 1).shape == (0, 2, 2)


@pytest.mark.parametrize("kind", ["ppca", "factor-analysis"])
def test_of_a_linear_decoder_it_is_the_same_everywhere(kind):
    run = Run.start(kind, open_data("digits"), {})
    run.step()
    model = run.model()
    np.testing.assert_allclose(
        model.metric(model.sample_prior(3, 0)), [model.loadings.T @ model.loadings] * 3
    )

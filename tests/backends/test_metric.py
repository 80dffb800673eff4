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


@pytest.mark.parametrize(
    ("kind", "data", "values"),
    [
        ("vae", "digits", {"latent_dim": 6, "width": 16}),
        ("vae", "digits-grey", {"latent_dim": 6, "width": 16, "decoder": "gaussian", "depth": 0}),
        ("ppca", "digits", {"latent_dim": 6}),
        ("nsf", "two-moons", {"layers": 2}),
        ("cnf", "two-moons", {}),
    ],
)
def test_of_some_directions_it_is_what_those_have_of_the_whole(kind, data, values):
    run = Run.start(kind, open_data(data), values)
    run.step()
    model = run.model()
    z = model.sample_prior(5, 0)
    directions = np.random.default_rng(0).normal(size=(2, z.shape[1]))
    want = directions @ model.metric(z) @ directions.T
    np.testing.assert_allclose(model.metric(z, directions), want, rtol=1e-4, atol=1e-6 * np.abs(want).max())
    assert model.metric(z[:0], directions).shape == (0, 2, 2)


def test_probabilities_near_0_and_1_keep_their_slope():
    info = DataInfo("pixels", "Pixels", 6, "binary")
    values = {"latent_dim": 2, "depth": 0, "decoder": "bernoulli"}
    model = VAELearner(np.zeros((1, 6), np.float32), info, values).snapshot()
    theta = torch.randn(len(model.theta()), generator=torch.Generator().manual_seed(0))
    bias = model._net.layout.views(theta)["decoder.0.bias"]
    bias += torch.tensor([12.0, -13, 14, -15, 16, 17])
    model = model.at(theta.numpy())
    w, b = (model._w[f"decoder.0.{name}"].double() for name in ("weight", "bias"))
    z = torch.tensor([[0.5, 0.25], [-1.0, 0.0]], dtype=torch.float64)
    logits = z @ w.mT + b
    jacobian = (torch.sigmoid(logits) * torch.sigmoid(-logits)).unsqueeze(-1) * w
    want = torch.linalg.det(jacobian.mT @ jacobian)
    np.testing.assert_allclose(np.linalg.det(model.metric(z.numpy())), want, rtol=1e-4)


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

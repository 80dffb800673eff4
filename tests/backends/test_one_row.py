"""A single row goes through a VAE's perceptrons in NumPy: as it does among many, through torch."""

import itertools

import numpy as np
import pytest
import torch

from backends.base import InputError
from backends.pytorch import one_row
from backends.pytorch.networks import ACTIVATIONS
from tests.backends.vaes import rows, trained

CLOSE = {"rtol": 2e-6, "atol": 2e-6}
CHOICES = [{"activation": name, "depth": depth} for name, depth in itertools.product(ACTIVATIONS, (1, 3))]
GAUSSIAN = [
    {"variance": variance, "scaling": scaling}
    for variance, scaling in itertools.product(("shared", "per-pixel"), ("none", "shared", "per-column"))
]


def same(model, decoder):
    x = rows(decoder, 20)
    z = 3 * np.random.default_rng(1).standard_normal((20, model.latent_dim)).astype(np.float32)
    q, p = model.encode(x), model.decode(z)
    for i in range(20):
        alone_q, alone_p = model.encode(x[i : i + 1]), model.decode(z[i : i + 1])
        for alone, among in (
            (alone_q.mean, q.mean),
            (alone_q.std, q.std),
            (alone_p.mean, p.mean),
            (alone_p.std, p.std),
        ):
            assert (alone is None) == (among is None)
            if among is not None:
                assert alone.shape == among[i : i + 1].shape
                assert alone.dtype == among.dtype
                assert alone.flags.c_contiguous
                np.testing.assert_allclose(alone, among[i : i + 1], **CLOSE)


def test_every_activation_is_there():
    assert set(one_row.ACTIVATIONS) == set(ACTIVATIONS)
    x = np.array([-200.0, -20, -3, -0.1, 0, 0.1, 3, 20, 200], np.float32)
    for name, function in ACTIVATIONS.items():
        ours = one_row.ACTIVATIONS[name](x)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(
            ours, function(torch.from_numpy(x)).numpy(), rtol=1e-5, atol=1e-6, err_msg=name
        )


@pytest.mark.parametrize("values", CHOICES, ids=str)
def test_a_row_alone_is_what_it_is_among_others(values):
    model = trained("bernoulli", **values)
    assert model._one_row is not None
    same(model, "bernoulli")


@pytest.mark.parametrize("values", GAUSSIAN, ids=str)
def test_with_a_gaussian_decoder(values):
    model = trained("gaussian", **values)
    assert model._one_row is not None
    same(model, "gaussian")


@pytest.mark.parametrize(
    ("decoder", "values"), [("discrete", {}), ("bernoulli", {"posterior": "full"})], ids=str
)
def test_what_is_not_there_is_left_to_torch(decoder, values):
    model = trained(decoder, **values)
    assert model._one_row is None
    x = rows(decoder, 2)
    np.testing.assert_allclose(model.encode(x[:1]).mean, model.encode(x).mean[:1], **CLOSE)


def test_a_row_of_the_wrong_shape_is_refused():
    model = trained()
    for call, bad in (
        (model.decode, np.zeros((1, 5))),
        (model.encode, np.zeros((1, 2))),
        (model.decode, np.zeros(1)),
    ):
        with pytest.raises(InputError, match="has shape"):
            call(bad)

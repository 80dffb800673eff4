"""Convolutional encoder and decoder: against plain modules, on images of any size and in colours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from backends.base import DataInfo, InputError
from backends.conformance import conform
from backends.data import DataSet, Split
from backends.parameters import resolve
from backends.pytorch import VAE_PARAMETERS, check_vae_data
from backends.pytorch.vae import VAELearner
from backends.registry import find_kind

CONVOLUTIONAL = {"network": "convolutional", "channels": 4, "width": 16}


def images(shape, values="real", levels=0):
    return DataInfo("images", "Images", int(np.prod(shape)), values, levels, image_shape=shape)


def discs(shape, n):
    """Discs of random place and colour on black, rows (n, d) in [0, 1]."""
    rng = np.random.default_rng(0)
    height, width, colours = (*shape, 1)[:3]
    y, x = np.mgrid[:height, :width]
    out = np.zeros((n, height, width, colours), np.float32)
    for i in range(n):
        inside = np.hypot(y - rng.uniform(2, height - 3), x - rng.uniform(2, width - 3)) < 2.5
        out[i][inside] = rng.uniform(0.2, 1, colours)
    return out.reshape(n, -1)


def test_it_is_what_plain_modules_compute():
    info = images((8, 10, 3))
    model = VAELearner(
        discs((8, 10, 3), 5), info, {**CONVOLUTIONAL, "decoder": "gaussian", "depth": 1}
    ).snapshot()
    net, w = model._net, model._w

    def filled(module, name):
        module.load_state_dict({key: w[f"{name}.{key}"] for key in ("weight", "bias")})
        return module

    # 8 × 10 → 4 × 5 → 2 × 3
    encoder = nn.Sequential(
        filled(nn.Conv2d(3, 4, 3, stride=2, padding=1), "encoder.convolution.0"), nn.ReLU(),
        filled(nn.Conv2d(4, 8, 3, stride=2, padding=1), "encoder.convolution.1"), nn.ReLU(), nn.Flatten(),
        filled(nn.Linear(48, 16), "encoder.0"), nn.ReLU(), filled(nn.Linear(16, 4), "encoder.1"),
    )  # fmt: skip
    x = torch.rand(7, 240)
    pixels = x.view(7, 8, 10, 3).permute(0, 3, 1, 2)
    out = encoder(pixels)
    q = net.encode(x, w)
    torch.testing.assert_close(q.mean, out[:, :2])
    torch.testing.assert_close(q.log_variance, out[:, 2:])

    z = torch.randn(7, 2)
    dense = nn.Sequential(
        filled(nn.Linear(2, 16), "decoder.0"), nn.ReLU(), filled(nn.Linear(16, 48), "decoder.1")
    )
    small = torch.relu(dense(z)).view(7, 2, 3, 8).permute(0, 3, 1, 2)
    middle = torch.relu(filled(nn.Conv2d(8, 4, 3, padding=1), "decoder.convolution.0")(small))
    middle = nn.Upsample(scale_factor=2)(middle)[:, :, :4, :5]
    large = torch.relu(filled(nn.Conv2d(4, 4, 3, padding=1), "decoder.convolution.1")(middle))
    last = filled(nn.Conv2d(4, 12, 3, padding=1), "decoder.convolution.2")(large)
    want = nn.PixelShuffle(2)(last)
    for i in range(2):  # untrained, it repeats pixels as the stages before it do: no checkerboard
        for j in range(2):
            torch.testing.assert_close(want[..., i::2, j::2], want[..., ::2, ::2])
    want = want.permute(0, 2, 3, 1).flatten(1)
    torch.testing.assert_close(net.decoder(z, w), want)
    deep = net.decoder(z[:6].view(2, 3, 2), w)
    torch.testing.assert_close(deep.view(6, -1), want[:6])


@pytest.mark.parametrize("shape", [(8, 8), (9, 13), (16, 16, 3), (28, 28), (128, 33)])
@pytest.mark.parametrize("decoder", ["gaussian", "discrete"])
def test_images_of_any_size_go_through(shape, decoder):
    info = images(shape, "integer", 4) if decoder == "discrete" else images(shape)
    x = np.round(3 * discs(shape, 6))
    learner = VAELearner(x, info, {**CONVOLUTIONAL, "decoder": decoder, "latent_dim": 3})
    learner.step()
    model = learner.snapshot()
    z = model.sample_prior(2, 0)
    for n in (0, 2):
        assert model.decode(z[:n]).mean.shape == (n, info.dim)
        assert model.encode(x[:n]).mean.shape == (n, 3)
    assert model.log_joint(x, z).shape == (6, 2)
    assert model.metric(z).shape == (2, 3, 3)
    assert len(list(model.fit_posterior(x[0], 2))) == 3
    assert find_kind("vae")[1].size(info, learner.values) == len(model.theta())


@pytest.mark.parametrize("shape", [(8, 8), (16, 16, 3)])
def test_it_learns_a_few_images_by_heart(shape):
    info, x = images(shape), discs(shape, 8)
    values = {
        "channels": 8,
        "width": 64,
        "dropout": 0.0,
        "latent_dim": 8,
        "learning_rate": 0.005,
        "beta": 0.01,
    }
    learner = VAELearner(x, info, {**CONVOLUTIONAL, **values, "decoder": "gaussian"})
    for _ in range(300):
        learner.step()
    model = learner.snapshot()
    off = model.decode(model.encode(x).mean).mean - x
    assert np.square(off).mean() < 0.1 * x.var(0).mean()


def test_a_convolutional_vae_passes_the_kit():
    info, rng = images((8, 8), "binary"), np.random.default_rng(1)
    x = (rng.random((300, 64)) < discs((8, 8), 300)).astype(np.float32)
    parts = [Split(np.ascontiguousarray(p), None) for p in np.split(x, [260, 280])]
    results = conform(find_kind("vae")[1], DataSet(info, *parts), {**CONVOLUTIONAL, "prior": "vampprior"})
    assert {r.check.name: r.sentence for r in results if not r.ok} == {}
    assert len(results) > 20


def test_the_work_of_a_row_is_counted():
    """A slice of work follows from multiplications, and a convolution has many more than weights."""
    model = VAELearner(
        discs((32, 32), 2), images((32, 32)), {**CONVOLUTIONAL, "decoder": "gaussian"}
    ).snapshot()
    weights = {n: a for n, a in model._w.items() if n.endswith("weight")}
    with torch.profiler.profile(with_flops=True) as profile:
        model.decode(model.encode(discs((32, 32), 1)).mean)
    flops = sum(e.flops for e in profile.events())
    assert 2 * model.multiplications == pytest.approx(flops, rel=0.05)
    assert model.multiplications > 2 * sum(w.numel() for w in weights.values())


@pytest.mark.parametrize(
    ("info", "sentence"),
    [
        (DataInfo("rows", "Rows", 6), "needs images, and rows has none"),
        (images((4, 4)), "8 to 128 pixels a side, and those of images have 4 × 4"),
        (images((200, 64)), "200 × 64: choose network mlp"),
    ],
)
def test_what_cannot_be_convolved_is_refused(info, sentence):
    with pytest.raises(InputError, match=sentence):
        check_vae_data(info, resolve(VAE_PARAMETERS, {**CONVOLUTIONAL, "decoder": "gaussian"}))

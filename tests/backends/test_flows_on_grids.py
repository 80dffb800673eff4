"""Flows on whole numbers: a density bounds the probability of each, and is fitted to the blurred rows."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import norm

from backends.base import DataInfo, InputError, Stamp, finish
from backends.data import DataSet, Split, open_data
from backends.evaluation import evaluate
from backends.flow_terms import flow_terms
from backends.likelihood import log_likelihood
from backends.run import Run

MEAN, SCALE = np.array([3.0, 1.5]), np.array([1.5, 1.0])
STAMP = Stamp("r", 3)
GRID = DataInfo("grid", "Grid", 2, "integer", 8, image_shape=(1, 2))


@dataclass(frozen=True)
class Affine:
    """z = (x − m)/s ~ N(0, I): a flow whose every probability is a difference of normal distributions."""

    info: DataInfo = GRID
    stamp: Stamp = STAMP
    kind: str = "affine"
    latent_dim: int = 2

    def transform(self, x):
        z = (x.astype(np.float64) - MEAN) / SCALE
        return z.astype(np.float32), np.full(len(x), -np.log(SCALE).sum())

    def inverse(self, z):
        return (z * SCALE + MEAN).astype(np.float32), np.full(len(z), np.log(SCALE).sum())

    def log_base(self, z):
        return norm.logpdf(z.astype(np.float64)).sum(1)

    def log_prob(self, x):
        return norm.logpdf(x, MEAN, SCALE).sum(1)


def whole_numbers(n=400):
    return np.random.default_rng(0).integers(0, 8, size=(n, 2)).astype(np.float32)


def exact_bound(x):
    """E[log N(x + u; m, s)] = log N(x; m, s) − 1/(24 s²), summed over the columns: E[u²] is 1/12."""
    return (norm.logpdf(x, MEAN, SCALE) - 1 / (24 * SCALE**2)).sum(1)


def test_the_bound_is_that_of_the_closed_form_and_below_the_probability():
    x = whole_numbers()
    found = finish(log_likelihood(Affine(), x))
    assert found.method.startswith("bound E[log p(x + u)] ≤ log P(x)")
    mean = found.mean()
    assert mean.value == pytest.approx(exact_bound(x).mean(), abs=4 * mean.stderr)
    assert 0 < mean.stderr < 0.1
    cells = norm.cdf(x + 0.5, MEAN, SCALE) - norm.cdf(x - 0.5, MEAN, SCALE)
    assert mean.value + 4 * mean.stderr < np.log(cells).sum(1).mean()


def test_the_stated_error_is_the_spread_over_seeds():
    x = whole_numbers(100)
    found = [finish(log_likelihood(Affine(), x, seed=seed)).mean() for seed in range(60)]
    spread = np.std([e.value for e in found], ddof=1)
    assert spread == pytest.approx(np.mean([e.stderr for e in found]), rel=0.3)


def test_terms_are_of_the_same_noise_and_real_data_have_none():
    x = whole_numbers(50)
    terms = finish(flow_terms(Affine(), x))
    np.testing.assert_allclose(terms.log_base.value + terms.log_det.value, terms.log_prob.value)
    exact = finish(flow_terms(Affine(DataInfo("real", "Real", 2)), x))
    assert exact.log_prob.method == "exact"
    assert not exact.log_prob.stderr.any()
    np.testing.assert_allclose(exact.log_prob.value, Affine().log_prob(x), rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 2), None])
def test_bits_per_dimension_are_reported_of_pictures(shape):
    info = DataInfo("grid", "Grid", 2, "integer", 8, image_shape=shape)
    split = Split(whole_numbers())
    report = finish(evaluate(Affine(info), DataSet(info, split, split, split)))
    found = report.splits["test"]
    assert ("bits_per_dim" in found) == (shape is not None)
    if shape is not None:
        bits = -exact_bound(split.x).mean() / (2 * math.log(2))
        assert found["bits_per_dim"].value == pytest.approx(bits, abs=4 * found["bits_per_dim"].stderr)
        assert "bound" in found["bits_per_dim"].method


@pytest.mark.parametrize(
    ("kind", "data", "values"),
    [
        ("realnvp", "digits-16", {"layers": 4, "width": 32}),
        ("nsf", "digits-16", {"transform": "coupling", "layers": 2, "width": 16}),
        ("realnvp", "digits", {"layers": 4, "width": 32}),
    ],
)
def test_a_flow_learns_whole_numbers_as_they_are(kind, data, values):
    run = Run.start(kind, open_data(data), {**values, "learning_rate": 0.003})
    before = run.model()
    for _ in range(80):
        run.step()
    model, x = run.model(), run.data.test.x
    bound, untrained = (finish(log_likelihood(m, x)).mean() for m in (model, before))
    uniform = -64 * math.log(17 if data == "digits-16" else 2)
    assert bound.value > max(untrained.value + 2, uniform)
    drawn = model.sample(200, 0)
    assert np.isfinite(drawn).all()
    assert np.abs(drawn.mean(0) - run.data.train.x.mean(0)).mean() < 0.1 * run.data.info.display[1]


def test_noise_of_another_width_is_used_as_asked():
    run = Run.start("realnvp", open_data("digits-grey"), {"dequantise": 0.0625, "layers": 2, "width": 8})
    constant = run.data.train.x.std(0) == 0
    assert constant.any()
    assert run.model().sample(500, 0)[:, constant].std() == pytest.approx(0.0625 / math.sqrt(12), rel=0.1)
    plain = Run.start("realnvp", open_data("digits-grey"), {"layers": 2, "width": 8})
    assert plain.model().sample(500, 0)[:, constant].std() == pytest.approx(1, rel=0.1)  # no scale of its own


def test_probabilities_are_no_density_for_the_reverse_kl():
    sentence = "needs the density of the data, and that of coin is none: its values are binary"
    with pytest.raises(InputError, match=sentence):
        Run.start("maf", open_data("coin"), {"objective": "reverse-kl"})

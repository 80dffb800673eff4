"""What is said of a point and of a datum, and computed from each snapshot, on a model known in full."""

import numpy as np
import pytest

from backends import nearest
from backends.base import DataInfo, Decoded, Elbo, Estimate, Gaussian, Stamp, finish
from backends.data import DataSet, Split
from explorer.follow import IWAE, live_evaluation
from explorer.planes.encoder import encodings
from explorer.session import Encodings
from explorer.studies.look import RADIUS, estimator, label_of, look, looks, portrait, score, short

INFO = DataInfo("line", "Line", 2)


class Line:
    """x = (z, z) + noise of variance one, z normal, in one dimension: everything is known in closed form.

    p(x) = N(0, I + 11ᵀ) and p(z|x) = N((x₁ + x₂)/3, 1/3), and q is that posterior: the ELBO, IWAE of any
    K and log p(x) are all the same number.
    """

    stamp, info, kind, latent_dim = Stamp("run", 4), INFO, "line", 1

    def decode(self, z):
        return Decoded(np.repeat(z, 2, axis=1), np.ones((len(z), 2), np.float32))

    def encode(self, x):
        mean = x.sum(axis=1, keepdims=True) / 3
        return Gaussian(mean.astype(np.float32), np.full_like(mean, 3**-0.5, dtype=np.float32))

    def log_prior(self, z):
        return -0.5 * (np.asarray(z, np.float64) ** 2).sum(-1) - 0.5 * np.log(2 * np.pi)

    def sample_prior(self, n, seed):
        return np.random.default_rng(seed).normal(size=(n, 1)).astype(np.float32)

    def log_joint(self, x, z):
        z = z[None] if z.ndim == 2 else z
        residual = x[:, None].astype(np.float64) - z
        return self.log_prior(z) - 0.5 * (residual**2).sum(-1) - np.log(2 * np.pi)

    def log_p(self, x):
        x = x.astype(np.float64)
        square = (x**2).sum(1) - x.sum(1) ** 2 / 3
        return -0.5 * square - np.log(2 * np.pi) - 0.5 * np.log(3)

    def elbo(self, x, samples=1, seed=0):
        mean, variance = x.astype(np.float64).sum(1) / 3, 1 / 3
        kl = 0.5 * (variance + mean**2 - 1 - np.log(variance))
        return Elbo(self.log_p(x) + kl, kl)


@pytest.fixture
def data():
    """Rows that differ by hundreds of nats, the improbable ones first."""
    rng = np.random.default_rng(0)
    scale = np.linspace(30, 0.1, 1500)[:, None]
    x = (rng.normal(size=(1500, 2)) * scale).astype(np.float32)
    labels = np.arange(1500) % 3
    parts = [Split(x[i::3], labels[i::3]) for i in range(3)]
    return DataSet(INFO, *parts, density=None)


def test_a_look_decodes_and_counts_the_neighbours():
    known = Encodings(4, "train", np.array([[0.0], [0.2], [0.3], [0.38], [-0.14], [2.0]], np.float32))
    seen = look(Line(), np.array([0.12], np.float32), known, tag=9)
    np.testing.assert_allclose(seen.mean, [0.12, 0.12], atol=1e-7)
    np.testing.assert_array_equal(seen.std, [1, 1])
    assert seen.log_prior == pytest.approx(-0.5 * 0.12**2 - 0.5 * np.log(2 * np.pi))
    assert (seen.nearest, seen.within, seen.step, seen.tag) == (1, 3, 4, 9)
    assert RADIUS == 0.25


def test_of_very_many_encodings_the_picture_comes_before_the_count(monkeypatch):
    monkeypatch.setattr(nearest, "MANY", 3)
    known = Encodings(4, "train", np.array([[0.0], [0.2], [0.3], [2.0]], np.float32))
    work, seen = looks(Line(), np.array([0.12], np.float32), known), []
    while True:
        try:
            seen.append(next(work))
        except StopIteration as stop:
            seen.append(stop.value)
            break
    first, last = (one for one in seen if one is not None)
    assert (first.nearest, first.within, first.counting) == (1, None, True)
    assert (last.nearest, last.within, last.counting) == (1, 3, False)
    np.testing.assert_array_equal(first.mean, last.mean)


@pytest.mark.parametrize(("n", "k"), [(0, 1), (5, 3)])
def test_without_fitting_encodings_there_are_no_neighbours(n, k):
    known = Encodings(4, "train", np.zeros((n, k), np.float32))
    seen = look(Line(), np.zeros(1, np.float32), known)
    assert (seen.nearest, seen.within) == (None, None)


def test_a_datum_is_shown_beside_its_reconstruction(data):
    x = data.train.x[400:401]
    shown = portrait(Line(), x[0])
    np.testing.assert_array_equal(shown.x, x[0])
    np.testing.assert_allclose(shown.reconstruction, np.repeat(x.sum() / 3, 2), atol=1e-5)
    assert label_of(data.train, 400, ("a", "b", "c")) == "abc"[data.train.labels[400]]


def test_a_datum_is_scored_by_bound_and_likelihood(data):
    scored = finish(score(Line(), data.train.x[400]))
    x = data.train.x[400:401]
    assert scored.log_p.value[0] == pytest.approx(Line().log_p(x)[0], abs=0.02)
    assert scored.elbo.value == pytest.approx(Line().log_p(x)[0], abs=1e-6)
    assert scored.kl.value[0] == pytest.approx(scored.log_p.value[0] - scored.elbo.value, abs=0.02)


def test_a_label_without_a_name_is_its_number(data):
    assert label_of(data.test, 0, ()) == str(data.test.labels[0])


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_encodings_are_the_means_of_every_row_in_order(data, split):
    result = finish(encodings(Line(), data, split))
    np.testing.assert_array_equal(result.z, Line().encode(data.split(split).x).mean)
    assert (result.split, result.step) == (split, 4)


def test_bound_iwae_and_likelihood_are_over_the_same_rows(data):
    """With q the true posterior they are one number, on rows that differ by hundreds of nats."""
    live = finish(live_evaluation(Line(), data, True))
    assert "of 500 rows" in live.report.splits["train"]["elbo"].method  # a sample of them
    assert live.report.step == 4
    for split in ("train", "test"):
        report = {name: estimate.value for name, estimate in live.report.splits[split].items()}
        assert set(live.iwae[split]) == set(IWAE)
        for bound in live.iwae[split].values():
            assert bound.value == pytest.approx(report["elbo"], abs=1e-3)
            assert bound.stderr < 1e-3
        assert report["log_likelihood"] == pytest.approx(report["elbo"], abs=0.02)
        assert report["reconstruction"] - report["kl_prior"] == pytest.approx(report["elbo"])


def test_iwae_is_not_computed_unless_asked_for(data):
    assert finish(live_evaluation(Line(), data, False)).iwae == {}


@pytest.mark.parametrize(
    ("estimate", "word", "more"),
    [
        (Estimate(-1, 0, "exact"), "exact", "exact"),
        (Estimate(-1, 0.12, "Hutchinson, 16 Rademacher ε a row"), "Hutchinson", "Hutchinson ±0.12"),
        (Estimate(-1, 0.01, "quadrature 141² (agrees with 71² to 0.001); 9 of 20 rows"), "quadrature", None),
        (Estimate(-1, 0.2, "importance sampling K=1000, ½q", 55.4), "IS-1000", "IS-1000 ±0.2, ESS 55"),
        (Estimate(-1, 0.2, "IWAE-50 (q); effective sample …", 3), "IS-50 ⚠", "IS-50 ±0.2, ESS 3 ⚠"),
    ],
)
def test_a_label_names_the_estimator_and_warns(estimate, word, more):
    assert estimator(estimate) == word
    assert short(estimate) == (more or word)

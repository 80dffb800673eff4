"""The report of a linear Gaussian model, whose ELBO and likelihood are known in closed form."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from backends.base import DataInfo, Elbo, Gaussian, InputError, Progress, Stamp, finish
from backends.curves import Curves
from backends.data import DataSet, Density, Split
from backends.evaluation import drawn_rows, evaluate, some_rows
from backends.mass import mass

D = 3
W = np.array([[1.0, 0.2], [-0.5, 1.0], [0.3, 0.8]])
SIGMA = 0.7
INFO = DataInfo("line", "Line", D)
STAMP = Stamp("r", 12)


@dataclass(frozen=True)
class LinearGaussian:
    """z ~ N(0, I), x|z ~ N(Wz, σ²I), with an encoder that is off by ``shift``: KL(q‖posterior) is known."""

    shift: float = 0.0
    stamp: Stamp = STAMP
    info: DataInfo = INFO
    kind: str = "linear"
    latent_dim: int = 2

    def _posterior(self, x):
        precision = np.eye(2) + W.T @ W / SIGMA**2
        covariance = np.linalg.inv(precision)
        return x @ W @ covariance.T / SIGMA**2 + self.shift, covariance

    def encode(self, x):
        mean, covariance = self._posterior(x)
        tril = np.broadcast_to(np.linalg.cholesky(covariance), (len(x), 2, 2))
        std = np.broadcast_to(np.sqrt(np.diag(covariance)), (len(x), 2))
        return Gaussian(mean.astype(np.float32), std.astype(np.float32), tril.astype(np.float32))

    def log_prior(self, z):
        return multivariate_normal(np.zeros(2), np.eye(2)).logpdf(z).reshape(len(z))

    def sample_prior(self, n, seed):
        return np.random.default_rng(seed).standard_normal((n, 2)).astype(np.float32)

    def log_joint(self, x, z):
        z = np.asarray(z, np.float64)
        z = np.broadcast_to(z, (len(x), *z.shape[-2:]))
        u = (x[:, None] - z @ W.T) / SIGMA
        log_likelihood = -0.5 * (u**2).sum(2) - D * np.log(SIGMA) - D / 2 * np.log(2 * np.pi)
        return log_likelihood - 0.5 * (z**2).sum(2) - np.log(2 * np.pi)

    def elbo(self, x, samples=1, seed=0):
        mean, covariance = self._posterior(x)
        noise = np.random.default_rng(seed).standard_normal((len(x), samples, 2))
        z = mean[:, None] + noise @ np.linalg.cholesky(covariance).T
        terms = self.log_joint(x, z) + 0.5 * (z**2).sum(2) + np.log(2 * np.pi)  # log p(x|z)
        kl = 0.5 * (np.trace(covariance) + (mean**2).sum(1) - 2 - np.linalg.slogdet(covariance)[1])
        return Elbo(terms.mean(1), kl, terms.std(1, ddof=1) / np.sqrt(samples))


class Exact:
    """Only an exact density."""

    stamp, info, kind, latent_dim = Stamp("r", 1), INFO, "exact", 0

    def log_prob(self, x):
        return multivariate_normal(np.zeros(D), W @ W.T + SIGMA**2 * np.eye(D)).logpdf(x)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    z, noise = rng.standard_normal((150, 2)), rng.standard_normal((150, D))
    x = (z @ W.T + SIGMA * noise).astype(np.float32)
    return DataSet(INFO, Split(x[:100]), Split(x[100:100]), Split(x[100:]), None)


def test_the_report_agrees_with_the_closed_form(data):
    shift = 0.3
    model = LinearGaussian(shift)
    report = finish(evaluate(model, data, samples=64))
    precision = np.eye(2) + W.T @ W / SIGMA**2
    kl = 0.5 * shift**2 * precision.sum()  # KL of two Gaussians that differ in their mean alone
    assert (report.step, report.data, report.model) == (12, "line", "linear")
    for split in ("train", "test"):
        truth = Exact().log_prob(data.split(split).x).mean()
        found = report.splits[split]
        assert found["log_likelihood"].value == pytest.approx(truth, abs=0.01)
        assert 0 < found["elbo"].stderr < 0.05
        assert found["elbo"].value == pytest.approx(truth - kl, abs=4 * found["elbo"].stderr)
        assert found["elbo"].value == pytest.approx(found["reconstruction"].value - found["kl_prior"].value)
        assert found["kl_prior"].stderr == 0
        assert "64 samples" in found["elbo"].method
        assert "quadrature" in found["log_likelihood"].method


def test_the_stated_error_is_the_spread_over_seeds(data):
    found = [finish(evaluate(LinearGaussian(), data, ("test",), seed=s, samples=8)) for s in range(30)]
    elbos = [report.splits["test"]["elbo"] for report in found]
    spread = np.std([e.value for e in elbos], ddof=1)
    assert spread == pytest.approx(np.mean([e.stderr for e in elbos]), rel=0.4)


def test_the_same_seed_gives_the_same_report(data):
    first, again = (finish(evaluate(LinearGaussian(), data, seed=3)).json() for _ in range(2))
    assert first == again


def test_a_model_is_asked_only_for_what_it_has(data):
    report = finish(evaluate(Exact(), data))
    assert {name for quantities in report.splits.values() for name in quantities} == {"log_likelihood"}
    assert report.splits["test"]["log_likelihood"].stderr == 0


def test_an_empty_split_is_left_out_and_few_rows_are_said(data):
    report = finish(evaluate(LinearGaussian(), data, ("train", "validation"), rows=20))
    assert list(report.splits) == ["train"]
    assert all(e.method.endswith("; 20 of 100 rows") for e in report.splits["train"].values())


def test_it_is_made_in_slices(data):
    slices = list(evaluate(LinearGaussian(), data, ("train",)))
    assert len(slices) > 7
    assert all(isinstance(p, Progress) and p.done <= p.total for p in slices)


def test_its_json_has_the_layout_of_the_command_line(data):
    json_ = json.loads(json.dumps(finish(evaluate(LinearGaussian(), data)).json()))
    assert json_.keys() == {"step", "data", "model", "train", "test"}
    assert json_["test"].keys() == {"elbo", "reconstruction", "kl_prior", "log_likelihood"}
    for estimate in json_["test"].values():
        assert estimate.keys() >= {"value", "stderr", "method"}


def test_it_can_be_added_to_curves(data):
    curves = Curves()
    report = finish(evaluate(Exact(), data))
    report.add_to(curves)
    assert {"train/log_likelihood", "test/log_likelihood", "test/log_likelihood/stderr"} <= {*curves.names()}
    report.add_to(curves)  # a second time, and nothing is said twice
    assert curves.get("test/log_likelihood")[0].tolist() == [1]


def test_data_of_another_width_is_refused(data):
    rows = Split(np.zeros((3, 2), np.float32))
    with pytest.raises(InputError, match="2 columns, the model takes 3"):
        finish(evaluate(Exact(), DataSet(DataInfo("flat", "Flat", 2), rows, rows, rows, None)))


def test_a_single_draw_which_has_no_error_is_refused(data):
    with pytest.raises(InputError, match="at least 2 samples"):
        finish(evaluate(LinearGaussian(), data, samples=1))


# -- flows --------------------------------------------------------------------------------------------


PLANE = DataInfo("plane", "Plane", 2)


@dataclass(frozen=True)
class Shifted:
    """The flow z = x − shift of the plane with a normal base: x ~ N(shift, I), times ``too_much``."""

    shift: float = 0.0
    too_much: float = 1.0
    stamp: Stamp = STAMP
    info: DataInfo = PLANE
    kind: str = "shifted"
    latent_dim: int = 2

    @property
    def log_det(self):
        return np.log(self.too_much) if self.too_much else -np.inf

    def transform(self, x):
        return x - np.float32(self.shift), np.full(len(x), self.log_det)

    def inverse(self, z):
        return z + np.float32(self.shift), np.full(len(z), -self.log_det)

    def log_base(self, z):
        return -0.5 * (z.astype(np.float64) ** 2).sum(1) - np.log(2 * np.pi)

    def log_prob(self, x):
        z, log_det = self.transform(x)
        return self.log_base(z) + log_det


def plane(n=4000):
    """Draws of N(0, I), whose entropy is log 2πe."""
    x = np.random.default_rng(0).standard_normal((n, 2)).astype(np.float32)
    density = Density(Shifted().log_prob, float(np.log(2 * np.pi * np.e)))
    return DataSet(Shifted().info, Split(x[: n // 2]), Split(x[:0]), Split(x[n // 2 :]), density)


def test_the_gap_of_a_flow_is_the_divergence_from_the_data():
    report = finish(evaluate(Shifted(0.5), plane()))
    gap = report.splits["test"]["gap"]
    assert gap.value == pytest.approx(0.25, abs=4 * gap.stderr)  # KL = shift²/2 a column
    assert gap.stderr == pytest.approx(np.sqrt(0.5 / 2000), rel=0.1)
    assert finish(evaluate(Shifted(), plane())).splits["test"]["gap"].value == 0
    report_json = json.loads(json.dumps(report.json()))
    assert report_json["entropy"]["value"] == pytest.approx(2.8378770664)
    assert report_json["test"]["gap"]["value"] == gap.value


@pytest.mark.parametrize("too_much", [1.0, 1.65])
def test_the_mass_of_a_density_on_the_plane_tells_one_that_is_too_good(too_much):
    mass = finish(evaluate(Shifted(too_much=too_much), plane())).whole["mass"]
    assert mass.value == pytest.approx(too_much, abs=0.002)
    assert mass.stderr < 0.002


def test_a_mass_is_that_inside_its_rectangle_to_the_tolerance():
    found = finish(mass(Shifted(), np.array([0.0, -9.0]), np.array([9.0, 9.0])))
    assert found.value == pytest.approx(0.5, abs=1e-4)
    narrow = finish(mass(Shifted(), np.array([-1.0, -1.0]), np.array([1.0, 1.0])))
    assert narrow.value == pytest.approx(0.6826894921**2, abs=1e-4)


def test_the_gap_of_a_flow_without_density_where_the_data_are_is_infinite():
    report = finish(evaluate(Shifted(too_much=0.0), plane()))
    gap = report.splits["test"]["gap"]
    assert gap.value == gap.stderr == np.inf
    assert report.whole["mass"].value == 0.0


def test_without_a_known_density_there_is_no_gap_and_with_few_rows_no_mass():
    data = plane()
    unknown = DataSet(data.info, data.train, data.validation, data.test)
    report = finish(evaluate(Shifted(), unknown))
    assert report.whole.keys() == {"mass"}
    assert "gap" not in report.splits["test"]
    assert finish(evaluate(Shifted(), data, rows=100)).whole == {}


@pytest.mark.parametrize("n", [1000, 1_000_000])  # drawn from an order of all, and one by one
def test_some_rows_are_drawn_evenly_without_repetition_and_the_same_again(n):
    rows = drawn_rows(n, 300)
    assert len(rows) == 300
    assert (np.diff(rows) > 0).all()
    assert 0 <= rows[0] <= rows[-1] < n
    assert abs(rows.mean() / n - 0.5) < 5 * np.sqrt(1 / 12 / 300)
    np.testing.assert_array_equal(rows, drawn_rows(n, 300))
    assert (drawn_rows(n, 300, seed=1) != rows).any()
    x = np.arange(n, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(some_rows(x, 300)[:, 0], rows)
    assert some_rows(x, n) is x

"""Every kind of flow: its log-determinants against autograd, its inverse, its path, its density."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backends.base import DataInfo, Diverged, InputError
from backends.data import open_data
from backends.parameters import resolve
from backends.registry import find_kind
from backends.run import Run

SMALL = {"layers": 3, "width": 16}
KINDS = {
    "lu": ("linear-flow", {"parametrisation": "lu"}),
    "qr": ("linear-flow", {"parametrisation": "qr"}),
    "free": ("linear-flow", {"parametrisation": "free"}),
    "maf": ("maf", SMALL),
    "iaf": ("iaf", SMALL),
    "realnvp": ("realnvp", SMALL),
    "nice": ("realnvp", {**SMALL, "additive": True}),
    "random": ("realnvp", {**SMALL, "mixing": "random"}),
    "linear": ("maf", {**SMALL, "mixing": "linear"}),
    "nsf": ("nsf", SMALL),
    "nsf coupling": ("nsf", {**SMALL, "transform": "coupling", "mixing": "linear"}),
    "uniform": ("nsf", {**SMALL, "base": "uniform"}),
    "mixture": ("realnvp", {**SMALL, "base": "mixture"}),
}
TRAINED = 200  # steps, after which most of a density has moved; python -m benchmarks.mass trains for longer
EACH = pytest.mark.parametrize("name", KINDS)


def rows(d: int, n: int = 200) -> np.ndarray:
    """Correlated, skewed, away from the origin, columns of different scale: (n, d) float32."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    x[:, 0] = np.abs(x[:, 0])
    return (5 + x * 2.0 ** np.arange(d)).astype(np.float32)


def learner(name: str, x: np.ndarray, **values):
    kind, own = KINDS[name]
    found = find_kind(kind)[1]
    resolved = resolve(found.parameters, {**own, **values})
    return found.load()(x, DataInfo("rows", "Rows", x.shape[1]), resolved, 0, "cpu", "run")


def flow(name: str, d: int):
    """A flow far from the identity: a few steps made, then all weights shaken."""
    made = learner(name, rows(d), learning_rate=0.01)
    for _ in range(5):
        made.step()
    model = made.snapshot()
    theta = model.theta()
    return model.at(theta + 0.1 * np.random.default_rng(1).standard_normal(theta.shape))


def jacobian_log_det(net, w, x):
    """log|det ∂z/∂x| row by row, by autograd and elimination."""

    def one(row):
        return net.transform(row.unsqueeze(0), w)[0].squeeze(0)

    return torch.stack([torch.linalg.slogdet(torch.autograd.functional.jacobian(one, r))[1] for r in x])


@EACH
@pytest.mark.parametrize("d", [2, 5])
def test_the_log_determinant_is_that_of_the_jacobian(name, d):
    model, x = flow(name, d), rows(d)[:20]
    for one, dtype, tolerance in ((model, torch.float32, 1e-4), (model.double(), torch.float64, 1e-8)):
        net, w, at = one._net, one._w, torch.tensor(x, dtype=dtype)
        wide = {key: t.double() for key, t in w.items()}  # the oracle itself without rounding
        want = jacobian_log_det(net, wide, at.double())
        got = net.transform(at, w)[1].detach().double()
        assert (got - want).abs().max() < tolerance * max(1, want.abs().max())


@EACH
@pytest.mark.parametrize("d", [2, 5])
def test_the_inverse_is_exact(name, d):
    model, x = flow(name, d), rows(d)
    z, log_det = model.transform(x)
    again, log_det_back = model.inverse(z)
    scale = x.std(0)
    assert np.abs((again - x) / scale).max() < 1e-4
    assert np.abs(log_det + log_det_back).max() < 1e-3
    wide = model.double()
    at = torch.tensor(x, dtype=torch.float64)
    with torch.no_grad():
        latents, log_det = wide._net.transform(at, wide._w)
        back, log_det_back = wide._net.inverse(latents, wide._w)
    assert (back - at).abs().max() < 1e-8
    assert (log_det + log_det_back).abs().max() < 1e-8


@EACH
def test_log_determinants_of_layers_sum_to_the_whole(name):
    model, x = flow(name, 2), rows(2)
    path = model.path(x)
    each = np.diff(path.log_det, axis=0)
    assert len(each) == len(model.times) - 1
    np.testing.assert_allclose(each.sum(0), model.transform(x)[1], atol=1e-4)
    for i in range(len(each)):  # a layer alone gives its own
        alone = model.path(path.points[i], model.times[i : i + 2])
        np.testing.assert_allclose(alone.log_det[-1], each[i], atol=1e-3)


@EACH
def test_the_density_integrates_to_one(name):
    made = learner(name, open_data("two-moons").train.x[:2000], learning_rate=0.005, batch_size=200)
    for _ in range(TRAINED):
        made.step()
    model = made.snapshot()
    reach = np.abs(model.sample(20_000, 0)).max() + 1
    axis = np.linspace(-reach, reach, 500)
    plane = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2).astype(np.float32)
    mass = np.exp(model.log_prob(plane)).sum() * (axis[1] - axis[0]) ** 2
    assert mass == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("name", "layers"), [("lu", 1), ("realnvp", 3), ("nsf coupling", 3)])
def test_one_pass_each_way(name, layers):
    assert flow(name, 5).passes == (layers if name != "nsf coupling" else 6,) * 2


def test_maf_is_quick_there_and_iaf_back():
    assert flow("maf", 5).passes == (3, 15)
    assert flow("iaf", 5).passes == (15, 3)


def test_nice_keeps_volumes():
    model, x = flow("nice", 5), rows(5)
    _, log_det = model.transform(x)
    np.testing.assert_allclose(log_det, -np.log(x.std(0, dtype=np.float64)).sum(), atol=1e-4)


@pytest.mark.parametrize("name", ["lu", "qr", "free"])
def test_a_linear_flow_finds_the_gaussian_of_maximum_likelihood(name):
    x = (np.random.default_rng(0).normal(size=(500, 3)) @ [[2, 1, 0], [0, 1, -0.5], [0, 0, 1]]).astype("f4")
    made = learner(name, x, batch_size=500, decay_steps=800, learning_rate=0.05)
    for _ in range(800):
        made.step()
    model = made.snapshot()
    covariance = np.cov(x.T.astype(np.float64), bias=True)
    best = -0.5 * (3 * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + 3)
    assert model.log_prob(x).mean() == pytest.approx(best, abs=1e-3)
    z, _ = model.transform(x)
    np.testing.assert_allclose(np.cov(z.T, bias=True), np.eye(3), atol=0.05)


# -- fitting by the reverse KL ------------------------------------------------------------------------


def reverse_run(kind, data, **values):
    return Run.start(kind, open_data(data), {"objective": "reverse-kl", "learning_rate": 0.01, **values})


def test_reverse_kl_falls_to_zero_on_a_density_that_the_flow_has():
    run = reverse_run("linear-flow", "normal-1d", batch_size=256, decay_steps=300)
    losses = [run.step()["loss"] for _ in range(300)]
    assert np.mean(losses[-20:]) == pytest.approx(0, abs=1e-3)
    model = run.model()
    x = np.linspace(-2, 8, 50, dtype=np.float32)[:, None]
    np.testing.assert_allclose(model.log_prob(x), run.data.density.log_prob(x), atol=0.05)


def test_reverse_kl_is_the_mean_over_the_flow_s_own_draws():
    run = reverse_run("maf", "eight-gaussians", batch_size=4096)
    model, density = run.model(), run.data.density
    loss = run.step()["loss"]
    x = model.sample(100_000, 1)
    terms = model.log_prob(x) - density.log_prob(x)
    spread = terms.std() * np.hypot(1 / np.sqrt(len(x)), 1 / np.sqrt(4096))
    assert loss == pytest.approx(terms.mean(), abs=5 * spread)


@pytest.mark.parametrize("base", ["normal", "uniform", "mixture"])
def test_reverse_kl_goes_down_for_every_base(base):
    run = reverse_run("realnvp", "eight-gaussians", base=base, layers=4, width=16, batch_size=256)
    losses = [run.step()["loss"] for _ in range(120)]
    assert np.mean(losses[-20:]) < np.mean(losses[:5]) - 0.3


def test_where_the_density_is_zero_a_run_by_reverse_kl_stops_with_its_last_good_weights():
    run = reverse_run("maf", "checkerboard")
    before = run.model().theta()
    with pytest.raises(
        Diverged, match="the density of checkerboard is zero or not finite where the flow samples"
    ):
        run.step()
    assert run.steps == 0
    np.testing.assert_array_equal(run.model().theta(), before)


# -- what cannot be ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data", "values", "sentence"),
    [
        (
            "realnvp",
            "normal-1d",
            {},
            "a coupling layer maps some columns by the others, and normal-1d has one",
        ),
        ("nsf", "normal-1d", {"transform": "coupling"}, "a coupling layer maps some columns"),
        ("maf", "digits-grey", {"objective": "reverse-kl"}, "that of digits-grey is not known"),
    ],
)
def test_bad_input_is_one_sentence(kind, data, values, sentence):
    with pytest.raises(InputError, match=sentence):
        Run.start(kind, open_data(data), values)


def test_latents_outside_the_uniform_base_are_refused():
    model = flow("uniform", 2)
    outside = np.array([[0.5, 1.5]], np.float32)
    for call in (model.inverse, model.decode):
        with pytest.raises(InputError, match="z is outside the support of the uniform base density"):
            call(outside)
    assert model.log_base(outside) == -np.inf
    z = model.sample_prior(1000, 0)
    assert ((z > 0) & (z < 1)).all()


def test_a_time_between_two_layers_is_refused():
    model = flow("maf", 2)
    with pytest.raises(InputError, match=r"time 0\.5 is between two layers: stations are 0, 1/3, …, 1"):
        model.path(rows(2), np.array([0, 0.5]))


def test_a_loss_that_is_not_finite_stops_the_run_at_its_last_good_weights():
    made = learner("maf", rows(2), learning_rate=1.0)
    made.step()
    before = made.snapshot().theta()
    with torch.no_grad():
        made._optimiser.theta.fill_(torch.inf)
    with pytest.raises(Diverged, match="at step 2"):
        made.step()
    assert made.steps == 1
    np.testing.assert_array_equal(made.snapshot().theta(), before)


def test_a_column_that_is_not_finite_is_refused():
    x = rows(2)
    x[3, 1] = np.inf
    with pytest.raises(InputError, match="holds values that are not finite"):
        learner("nsf", x)


def test_values_on_a_grid_are_blurred_to_the_width_that_is_asked_for():
    x = np.random.default_rng(0).integers(5, size=(4000, 2)).astype(np.float32)
    x[:, 1] = 3  # never varies: only the noise does
    made = learner("nsf", x, dequantise=1.0, batch_size=1000, learning_rate=0.01, width=32)
    for _ in range(80):
        made.step()
    model = made.snapshot()
    drawn = model.sample(4000, 0)[:, 1]
    assert drawn.std() == pytest.approx(np.sqrt(1 / 12), rel=0.1)
    assert drawn.mean() == pytest.approx(3, abs=0.05)
    # the blurred rows have the density 1/5 on [−0.5, 4.5] × [2.5, 3.5]
    assert model.log_prob(x).mean() == pytest.approx(-np.log(5), abs=0.25)


# -- the shared training -------------------------------------------------------------------------------


def test_the_learning_rate_falls_along_half_a_cosine():
    made = learner("lu", rows(2), learning_rate=0.1, decay_steps=4)
    rates = []
    for _ in range(7):
        rates.append(made.learning_rate())
        made.step()
    np.testing.assert_allclose(rates[:5], 0.1 * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * np.arange(5) / 4))))
    assert rates[4:] == [pytest.approx(0.001)] * 3


def test_a_snapshot_has_the_average_of_the_last_weights():
    made = learner("lu", rows(2), learning_rate=0.1)
    weights, want = [], made.snapshot().theta()
    for step in range(1, 30):
        made.step()
        weights.append(made._optimiser.theta.detach().double().numpy().copy())
        want = want + min(1.0, 9 / (step + 8)) * (weights[-1] - want)
    np.testing.assert_allclose(made.snapshot().theta(), want, atol=1e-5)


@pytest.mark.parametrize(("decay_steps", "widened"), [(0, 1 + 0.5**2), (200, 1.0)])
def test_jitter_widens_the_density_until_it_has_faded(decay_steps: int, widened: float) -> None:
    x = rows(2, 1000)
    made = learner("lu", x, jitter=0.5, decay_steps=decay_steps, learning_rate=0.05)
    for _ in range(400):
        made.step()
    variance = made.snapshot().sample(20_000, 0).var(0)
    np.testing.assert_allclose(variance, widened * x.var(0), rtol=0.08)


def test_jitter_keeps_a_flow_from_learning_few_rows_by_heart() -> None:
    moons = open_data("two-moons")
    held_out = []
    for jitter in (0.0, 0.1):
        made = learner("nsf", moons.train.x[:200], jitter=jitter, width=32, learning_rate=0.01)
        for _ in range(200):
            made.step()
        held_out.append(made.snapshot().log_prob(moons.test.x).mean())
    assert held_out[1] > held_out[0] + 0.1

"""KL divergences between a flow and a known density: closed forms, quadrature, and infinite ones."""

import math

import numpy as np
import pytest

from backends.base import InputError, Stamp, finish
from backends.data import Density, open_data
from backends.divergences import BLOCK, Duality, Estimate, divergences, dual_kl, forward_kl, reverse_kl
from backends.run import Run

LOG_2PI = math.log(2 * math.pi)


class Affine:
    """x = A z + b with z ~ N(0, I): a flow whose density is N(b, AAᵀ)."""

    kind, stamp, latent_dim = "affine", Stamp("", 0), 2

    def __init__(self, a, b):
        self.a, self.b = np.asarray(a, float), np.asarray(b, float)
        self.info = open_data("two-moons:100").info
        self.log_det = math.log(abs(np.linalg.det(self.a)))

    def transform(self, x):
        z = np.linalg.solve(self.a, (x - self.b).T).T
        return z.astype(np.float32), np.full(len(x), -self.log_det)

    def inverse(self, z):
        return (z @ self.a.T + self.b).astype(np.float32), np.full(len(z), self.log_det)

    def log_base(self, z):
        return -0.5 * (z.astype(float) ** 2).sum(1) - LOG_2PI

    log_prior = log_base

    def sample_prior(self, n, seed):
        return np.random.default_rng(seed).standard_normal((n, 2)).astype(np.float32)

    def log_prob(self, x):
        z, log_det = self.transform(x)
        return self.log_base(z) + log_det


class Target(Affine):
    """A Gaussian as the density of data, with rows drawn from it."""

    def density(self):
        return Density(self.log_prob, 1 + LOG_2PI + self.log_det)

    def rows(self, n, seed):
        return self.inverse(self.sample_prior(n, seed))[0]


FLOW = Affine([[0.8, 0.0], [0.5, 1.4]], [0.3, -0.2])
TARGET = Target([[1.0, 0.3], [0.0, 0.7]], [0.0, 0.4])


def gaussian_kl(p, q):
    """KL(N(b, S)‖N(b', S')) in closed form."""
    s, t = p.a @ p.a.T, q.a @ q.a.T
    away = q.b - p.b
    inverse = np.linalg.inv(t)
    trace = np.trace(inverse @ s) + away @ inverse @ away - 2
    return 0.5 * (trace + math.log(np.linalg.det(t) / np.linalg.det(s)))


def test_both_directions_of_gaussians_are_their_closed_forms():
    density, n = TARGET.density(), 40_000
    forward = finish(forward_kl(FLOW, density, TARGET.rows(n, 1)))
    reverse = finish(reverse_kl(FLOW, density, n, 2))
    assert gaussian_kl(TARGET, FLOW) != pytest.approx(gaussian_kl(FLOW, TARGET), rel=0.2)
    for found, exact in ((forward, gaussian_kl(TARGET, FLOW)), (reverse, gaussian_kl(FLOW, TARGET))):
        assert found.value == pytest.approx(exact, rel=0.03)
        assert abs(found.value - exact) < 4 * found.stderr
        assert "40000" in found.method


def test_of_the_density_itself_nothing_is_left():
    density = TARGET.density()
    found = finish(divergences(TARGET, density, TARGET.rows(500, 0), 500))
    for estimate in (found.forward, found.reverse, found.dual.x_space, found.dual.z_space):
        assert estimate.value == pytest.approx(0, abs=1e-6)


def test_two_errors_hold_the_truth_as_often_as_they_promise():
    density, exact = TARGET.density(), (gaussian_kl(TARGET, FLOW), gaussian_kl(FLOW, TARGET))
    inside, apart = np.zeros(2), []
    for seed in range(300):
        found = finish(divergences(FLOW, density, TARGET.rows(400, 1000 + seed), 400, seed))
        both = (found.forward, found.reverse)
        inside += [abs(e.value - t) < 2 * e.stderr for e, t in zip(both, exact, strict=True)]
        apart.append(found.dual.errors_apart)
    assert (inside / 300 > 0.91).all()
    assert (inside / 300 < 0.99).all()
    assert 0.9 < np.mean(np.square(apart)) < 1.2  # as the square of a standard normal


def test_the_two_spaces_use_different_rows_and_agree():
    density, x = TARGET.density(), TARGET.rows(1001, 5)
    found = finish(dual_kl(FLOW, density, x))
    gaps = density.log_prob(x) - FLOW.log_prob(x)
    assert found.x_space.value == pytest.approx(gaps[:500].mean(), abs=1e-9)
    assert found.z_space.value == pytest.approx(gaps[500:].mean(), abs=1e-6)
    assert found.x_space.stderr == pytest.approx(gaps[:500].std(ddof=1) / math.sqrt(500))
    assert found.x_space.value != found.z_space.value
    assert found.errors_apart < 3
    one = Duality(Estimate(1.0, 0.3, ""), Estimate(2.0, 0.4, ""))
    assert one.errors_apart == pytest.approx(2)


def test_one_draw_where_the_target_is_zero_makes_it_infinite():
    board = open_data("checkerboard")
    found = finish(reverse_kl(FLOW, board.density, 2000, 0))
    x, _ = FLOW.inverse(FLOW.sample_prior(2000, 0))
    share = np.isneginf(board.density.log_prob(x)).mean()
    assert found.value == math.inf
    assert found.stderr == 0
    assert f"{100 * share:.2g} %" in found.method
    assert math.isfinite(finish(forward_kl(FLOW, board.density, board.test.x[:500])).value)


def test_a_trained_flow_against_quadrature():
    data = open_data("eight-gaussians")
    run = Run.start("realnvp", data, {"layers": 4, "width": 16, "depth": 1}, seed=0)
    for _ in range(40):
        run.step()
    model, side = run.model(), np.linspace(-9, 9, 361)
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2).astype(np.float32)
    log_pi, log_p = data.density.log_prob(grid), model.log_prob(grid)
    area = (side[1] - side[0]) ** 2
    assert (np.exp(log_p).sum() * area, np.exp(log_pi).sum() * area) == pytest.approx((1, 1), abs=2e-3)
    found = finish(divergences(model, data.density, data.test.x, 5000, seed=3))
    for estimate, here, there in ((found.forward, log_pi, log_p), (found.reverse, log_p, log_pi)):
        exact = (np.exp(here) * (here - there)).sum() * area
        assert exact > 0.1
        assert abs(estimate.value - exact) < 4 * estimate.stderr
    assert found.dual.errors_apart < 4


def test_work_comes_in_slices_and_the_seed_decides():
    density, x = TARGET.density(), TARGET.rows(3 * BLOCK + 7, 0)
    steps = list(forward_kl(FLOW, density, x))
    assert [step.done for step in steps] == [BLOCK, 2 * BLOCK, 3 * BLOCK, len(x)]
    one, same, other = (finish(reverse_kl(FLOW, density, 100, seed)) for seed in (0, 0, 1))
    assert one == same
    assert one.value != other.value


def test_what_cannot_be_estimated_is_refused():
    density, x = TARGET.density(), TARGET.rows(3, 0)
    with pytest.raises(InputError, match="at least two rows, not 1"):
        finish(dual_kl(FLOW, density, x))
    with pytest.raises(InputError, match="at least two rows, not 0"):
        finish(reverse_kl(FLOW, density, 0, 0))
    mixture = Run.start("gmm", open_data("two-moons:100"), {}).model()
    with pytest.raises(InputError, match="'gmm' has no inverse"):
        finish(reverse_kl(mixture, density, 10, 0))

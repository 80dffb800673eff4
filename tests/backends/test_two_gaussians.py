"""Two Gaussians at a chosen distance; and where the reverse KL divergence leaves covering for one mode."""

from functools import cache

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.optimize import brentq, minimize

from backends.base import InputError
from backends.data import known_density, open_data
from backends.pytorch.flows.linear import LinearFlowLearner
from backends.two_gaussians import at_separation, separation, two_gaussians

COVERING, ONE_MODE = 0, 1


@pytest.mark.parametrize("a", [0.0, 0.7, 2.0, 5.0])
def test_density_and_entropy(a):
    known = two_gaussians(a)

    def minus_p_log_p(y, x):
        log_p = float(known.log_prob(np.array([[x, y]]))[0])
        return -np.exp(log_p) * log_p

    entropy, _ = dblquad(minus_p_log_p, -a - 9, a + 9, -9, 9, epsabs=1e-7)
    assert known.entropy == pytest.approx(entropy, abs=1e-5)
    x, modes = known.rows()
    centre = np.array([a, 0])
    direct = np.logaddexp(*(-0.5 * ((x - s * centre) ** 2).sum(1) for s in (1, -1))) - np.log(4 * np.pi)
    np.testing.assert_allclose(known.log_prob(x), direct, atol=1e-5)
    for mode, sign in enumerate((-1, 1)):
        assert x[modes == mode].mean(0) == pytest.approx(sign * centre, abs=0.05)


def test_the_entropy_of_one_and_of_two_far_apart():
    one = 1 + np.log(2 * np.pi)
    assert two_gaussians(0.0).entropy == pytest.approx(one, abs=1e-10)
    assert two_gaussians(12.0).entropy == pytest.approx(one + np.log(2), abs=1e-10)


def test_names():
    data = open_data("two-gaussians@2.8:300")
    assert (len(data.train), data.info.name) == (300, "two-gaussians@2.8:300")
    again = open_data(data.info.source)
    assert again.info == data.info
    np.testing.assert_array_equal(again.train.x, data.train.x)
    assert known_density(data.info).entropy == two_gaussians(2.8).entropy
    assert open_data("two-gaussians@2").info == open_data("two-gaussians").info
    assert at_separation("two-gaussians:50", 3.1) == "two-gaussians@3.1:50"
    assert at_separation("two-gaussians@3.1", 2.0) == "two-gaussians"
    assert separation("two-gaussians@3.1:50") == 3.1
    assert separation("rings") is None
    for wrong in ("x", "-1", "21", "nan", "1_0", ""):
        assert separation(f"two-gaussians@{wrong}") is None
        with pytest.raises(InputError, match="is not of the form two-gaussians@A with A from 0 to 20"):
            open_data(f"two-gaussians@{wrong}")


# -- the reverse KL divergence KL(N(m, s²) ‖ ½N(−a, 1) + ½N(a, 1)) -----------------------------------------

_T, _W = np.polynomial.hermite_e.hermegauss(120)
_W = _W / _W.sum()


def kl(a, m, s):
    """By Gauss-Hermite quadrature."""
    x = m + s * _T
    log_pi = np.logaddexp(-0.5 * (x - a) ** 2, -0.5 * (x + a) ** 2) - np.log(2) - 0.5 * np.log(2 * np.pi)
    return float(-0.5 * np.log(2 * np.pi * np.e * s**2) - _W @ log_pi)


@cache
def optimum(a, start):
    """(KL, m, s) of the local optimum that is reached from covering both, or from sitting on one mode."""
    if start == COVERING:  # by symmetry it stays at 0
        found = minimize(lambda t: kl(a, 0.0, np.exp(t[0])), [np.log(1 + a / 2)], method="Nelder-Mead")
        return found.fun, 0.0, float(np.exp(found.x[0]))
    found = minimize(lambda t: kl(a, t[0], np.exp(t[1])), [a, 0.0], method="Nelder-Mead")
    return found.fun, float(found.x[0]), float(np.exp(found.x[1]))


def test_the_quadrature_is_that_of_scipy():
    a, m, s = 2.4, 1.1, 1.7

    def integrand(x):
        log_q = -0.5 * ((x - m) / s) ** 2 - 0.5 * np.log(2 * np.pi * s**2)
        log_pi = np.logaddexp(-0.5 * (x - a) ** 2, -0.5 * (x + a) ** 2) - np.log(2) - 0.5 * np.log(2 * np.pi)
        return np.exp(log_q) * (log_q - log_pi)

    assert kl(a, m, s) == pytest.approx(quad(integrand, -20, 20)[0], abs=1e-4)


def test_the_optimum_jumps_from_covering_to_one_mode_at_2_80():
    jump = brentq(lambda a: optimum(a, COVERING)[0] - optimum(a, ONE_MODE)[0], 2.6, 3.2)
    assert jump == pytest.approx(2.80, abs=0.01)
    assert optimum(jump + 0.05, ONE_MODE)[1] == pytest.approx(jump, abs=0.2)  # it does not move there slowly


@pytest.mark.parametrize("start", [COVERING, ONE_MODE])
@pytest.mark.parametrize("a", [2.4, 3.4])
def test_training_reaches_the_optimum_of_theory(a, start):
    """A linear flow is one Gaussian; x₂ is independent of x₁ in both, so the divergence is that along x₁."""
    data = open_data(f"two-gaussians@{a}")
    values = {"objective": "reverse-kl", "batch_size": 1024, "decay_steps": 1000, "parametrisation": "free"}
    learner = LinearFlowLearner(data.train.x, data.info, {**values, "learning_rate": 0.05})
    if start == ONE_MODE:  # z = x − (a, 0); else it begins with mean and spread of the rows
        state = learner.state()
        state.arrays["linear.weight"][:] = np.diag(state.arrays["scale"])
        state.arrays["linear.bias"][:] = state.arrays["shift"] - [a, 0]
        learner.restore(state)
    for _ in range(1000):
        learner.step()
    corners = learner.snapshot().inverse(np.array([[0, 0], [1, 0], [0, 1]], np.float32))[0].astype(float)
    mean, root = corners[0], (corners[1:] - corners[0]).T  # x = mean + root z
    z = np.stack(np.meshgrid(_T, _T, indexing="ij"), -1).reshape(-1, 2)
    minus_entropy = -np.log(2 * np.pi * np.e) - np.linalg.slogdet(root)[1]
    reached = minus_entropy - np.outer(_W, _W).ravel() @ data.density.log_prob(mean + z @ root.T)
    best, m, _ = optimum(a, start)
    assert reached == pytest.approx(best, abs=0.01)
    assert abs(mean) == pytest.approx([abs(m), 0], abs=0.25)

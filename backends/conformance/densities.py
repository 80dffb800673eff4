"""Checks of the mathematics: densities integrate to one, samples follow them, bounds are bounds.

Sums run over every x of small discrete data, or over a grid in the plane (:class:`case.Grid`).
"""

from __future__ import annotations

import math

import numpy as np

from backends.base import Array, Elbo, Gaussian, finish
from backends.capabilities import Encodes, SamplesGiven
from backends.conformance.case import Case, Grid
from backends.conformance.require import require, require_input_error, require_mean, require_same
from backends.likelihood import importance, log_likelihood
from backends.quadrature import quadrature

_MASS = 0.02  # what a grid may miss or add
_DRAWS = 4000  # samples that are compared with a density


def log_prob_integrates(case: Case) -> None:
    """∫ p(x) dx = 1: forgotten log-determinants show here."""
    log_p = case.log_prob_on_grid
    if case.grid is None or log_p is None:
        return
    mass = float(case.grid.moments(log_p[:, None])[0][0])
    require(abs(mass - 1) < _MASS, f"exp(log_prob) integrates to {mass:.4g}, not to 1")


def samples_are_possible(case: Case) -> None:
    """Samples of discrete data have a probability: they are not means, say."""
    if case.states is not None:
        x, levels = case.model.sample(200, 0), np.unique(case.states.points)
        require(np.isin(x, levels).all(), f"samples are not all of the levels 0 to {levels[-1]:g}")


def samples_follow_log_prob(case: Case) -> None:
    """Means and second moments of the samples are those of the density."""
    log_p = case.log_prob_on_grid
    if case.grid is None or log_p is None:
        return
    mass, mean, second = case.grid.moments(log_p[:, None])
    scale = case.data.train.x.std(0).astype(np.float64)
    _require_moments(case.model.sample(_DRAWS, 1), mean / mass, second / mass, scale, "sample", "log_prob")


def samples_follow_decoder(case: Case) -> None:
    """E[x] = E_p(z)[E[x|z]], and where p(x|z) has a spread, E[x²] = E_p(z)[mean² + std²]."""
    x = case.model.sample(_DRAWS, 1).astype(np.float64)
    decoded = case.model.decode(case.model.sample_prior(_DRAWS, 2))
    mean = decoded.mean.astype(np.float64)
    # rows of both are independent, so the mean of their difference is zero within its standard error
    require_mean(x - mean, np.zeros(x.shape[1]), "the mean of sample differs from that of decode")
    if decoded.std is not None:
        second = (x - x.mean(0)) ** 2 - (mean - mean.mean(0)) ** 2 - decoded.std.astype(np.float64) ** 2
        require_mean(second, np.zeros(x.shape[1]), "the variance of sample differs from that of decode")


def prior_integrates(case: Case) -> None:
    """∫ p(z) dz = 1, and sample_prior follows it; for latents of one or two dimensions."""
    model = case.model
    if model.latent_dim not in (1, 2):
        return
    z = model.sample_prior(_DRAWS, 1)
    grid = Grid.around(z)
    mass, mean, second = grid.moments(model.log_prior(grid.points)[:, None])
    require(abs(mass[0] - 1) < _MASS, f"exp(log_prior) integrates to {mass[0]:.4g}, not to 1")
    scale = z.std(0).astype(np.float64)
    _require_moments(z, mean / mass, second / mass, scale, "sample_prior", "log_prior")


def _require_moments(
    draws: Array, mean: Array, second: Array, scale: Array, sampler: str, density: str
) -> None:
    """Compare draws (n, d) with mean and second moment (1, d) of a density known to about _MASS."""
    draws, mean = draws.astype(np.float64), mean[0]
    variance = second[0] - mean**2
    require_mean(draws, mean, f"the mean of {sampler} differs from that of {density}", also=_MASS * scale)
    what = f"the variance of {sampler} differs from that of {density}"
    require_mean((draws - mean) ** 2, variance, what, also=_MASS * scale**2)


def likelihood_integrates(case: Case) -> None:
    """p(x|z) = p(x, z)/p(z) integrates to one over x for every z, and decode gives its mean and std."""
    model, grid = case.model, case.grid
    if grid is None:
        return
    z = case.inputs(5)[1]
    mass, mean, second = grid.moments(model.log_joint(grid.points, z) - model.log_prior(z))
    worst = float(mass[np.abs(mass - 1).argmax()])
    require(abs(worst - 1) < _MASS, f"p(x, z)/p(z) integrates over x to {worst:.4g}, not to 1")
    if "decodes" not in case.kind.capabilities:
        return
    decoded = model.decode(z)
    scale = case.data.train.x.std(0)
    off = np.abs(decoded.mean - mean) / scale
    require((off < _MASS).all(), f"decode's mean is not that of p(x|z): off by {off.max():.3g} scales")
    if decoded.std is not None:
        off = np.abs(decoded.std - np.sqrt(np.maximum(second - mean**2, 0))) / scale
        require((off < 2 * _MASS).all(), f"decode's std is not that of p(x|z): off by {off.max():.3g} scales")


def entropy_from_its_definition(case: Case) -> None:
    """The entropy of p(x|z) is the mean of −log p(x|z) over x drawn from it."""
    model, z = case.model, case.inputs(5)[1]
    if not isinstance(case.model, SamplesGiven):
        return
    many = np.repeat(z, _DRAWS // 4, 0)
    log_p = model.log_joint(model.sample_given(many, 3), many[:, None])[:, 0] - model.log_prior(many)
    draws = -log_p.reshape(len(z), -1).T
    require_mean(draws, model.entropy_given(z), "entropy_given differs from E[−log p(x|z)]")


def joint_forms_agree(case: Case) -> None:
    """log_joint with latents shared by all rows gives what it gives with each row's own."""
    x, z = case.inputs(6)
    shared = case.model.log_joint(x, z[:4])
    own = case.model.log_joint(x, np.ascontiguousarray(np.broadcast_to(z[:4], (6, *z[:4].shape))))
    what = "log_joint with z (m, k) and with z (n, m, k) disagree"
    require_same({"log_joint": own}, {"log_joint": shared}, what, exact=False)


def joint_marginalises(case: Case) -> None:
    """∫ p(x, z) dz is the exact p(x)."""
    model, x = case.model, case.inputs(8)[0]
    if model.latent_dim in (1, 2):
        estimate = finish(quadrature(model, x))
    else:
        proposal = "defensive" if isinstance(model, Encodes) else "prior"
        estimate = finish(importance(model, x, 5000, proposal=proposal))
    off = np.abs(estimate.value - model.log_prob(x))
    require((off < 0.02 + 6 * estimate.stderr).all(), f"log_prob is {off.max():.3g} off {estimate.method}")


def elbo_is_a_bound(case: Case) -> None:
    """ELBO ≤ log p(x), within what both are uncertain by."""
    x = case.inputs(8)[0]
    bound = case.model.elbo(x, samples=100, seed=1)
    log_p = finish(log_likelihood(case.model, x))
    noise = log_p.stderr if bound.stderr is None else np.hypot(bound.stderr, log_p.stderr)
    over = bound.value - log_p.value
    worst = int((over - 6 * noise).argmax())
    require(
        over[worst] <= 6 * noise[worst] + 1e-3,
        f"the ELBO is {over[worst]:.3g} ± {noise[worst]:.2g} above log p(x) ({log_p.method})",
    )


def elbo_terms(case: Case) -> None:
    """kl_prior ≥ 0, a seed that is kept, a standard error ≥ 0; ``value`` the difference of the terms."""
    x = case.inputs(8)[0]
    bound, again = (case.model.elbo(x, samples=10, seed=4) for _ in range(2))
    require(isinstance(bound, Elbo), f"elbo gives a {type(bound).__name__}, not an Elbo")
    require_same({"elbo": again.value}, {"elbo": bound.value}, "elbo ignores its seed", exact=case.exact)
    noise = 0.0 if bound.kl_stderr is None else 6 * bound.kl_stderr
    require((bound.kl_prior >= -1e-6 - noise).all(), f"kl_prior is {bound.kl_prior.min():.3g}, below zero")
    same = np.array_equal(bound.value, bound.reconstruction - bound.kl_prior)
    require(same, "elbo's value is not reconstruction − kl_prior")
    for error in (bound.stderr, bound.reconstruction_stderr, bound.kl_stderr):
        require(error is None or (error >= 0).all(), "a standard error of elbo is negative")


def elbo_from_its_definition(case: Case) -> None:
    """Both terms are E_q[log p(x|z)] and E_q[log q(z|x) − log p(z)], by sampling z from encode's q."""
    model, x, draws = case.model, case.inputs(4)[0], 1000
    q = model.encode(x)
    if not isinstance(q, Gaussian):
        return
    n, k = q.mean.shape
    std = q.std.astype(np.float64)
    tril = np.einsum("nk,kj->nkj", std, np.eye(k)) if q.scale_tril is None else q.scale_tril
    noise = np.random.default_rng(0).standard_normal((draws, n, k))
    z = (q.mean + np.einsum("nkj,snj->snk", tril, noise)).astype(np.float32)
    log_q = -0.5 * (noise**2).sum(-1) - np.log(np.diagonal(tril, axis1=1, axis2=2)).sum(-1)
    log_q -= 0.5 * k * math.log(2 * math.pi)
    log_p = model.log_prior(z.reshape(-1, k)).reshape(draws, n)
    log_joint = model.log_joint(x, np.ascontiguousarray(z.swapaxes(0, 1))).T
    bound = model.elbo(x, samples=400, seed=2)
    errors = (bound.reconstruction_stderr, bound.kl_stderr)
    own, own_kl = (0.0 if error is None else 6 * error for error in errors)
    what = "elbo's reconstruction differs from E_q[log p(x, z) − log p(z)]"
    require_mean(log_joint - log_p, bound.reconstruction, what, also=own)
    require_mean(
        log_q - log_p, bound.kl_prior, "kl_prior differs from E_q[log q(z|x) − log p(z)]", also=own_kl
    )


def posterior_fits(case: Case) -> None:
    """fit_posterior begins at encode's q, and its ELBO never falls, nor passes log p(x)."""
    model, x = case.model, case.inputs(2)[0]
    q, bound = model.encode(x), model.elbo(x, samples=400, seed=1)
    log_p = finish(log_likelihood(model, x))
    for i, row in enumerate(x):
        fits, again = (list(model.fit_posterior(row, steps=20, seed=3)) for _ in range(2))
        elbos = np.array([fit.elbo for fit in fits])
        require(len(fits) == 21, f"fit_posterior yields {len(fits)} times in 20 steps, and not 21 times")
        require(np.array_equal(elbos, [fit.elbo for fit in again]), "fit_posterior ignores its seed")
        off = max(np.abs(fits[0].q.mean[0] - q.mean[i]).max(), np.abs(fits[0].q.std[0] - q.std[i]).max())
        require(off < 1e-4, f"fit_posterior does not begin at encode's q: off by {off:.2g}")
        noise = 0.0 if bound.stderr is None else bound.stderr[i]
        off, allowed = abs(elbos[0] - bound.value[i]), 0.01 + 6 * float(np.hypot(noise, fits[0].stderr))
        require(off < allowed, f"fit_posterior begins {off:.2g} off the ELBO, where {allowed:.2g} is allowed")
        require((np.diff(elbos) >= 0).all(), "the ELBO of fit_posterior falls")
        over = elbos[-1] - log_p.value[i]
        allowed = 0.01 + 6 * float(np.hypot(log_p.stderr[i], fits[-1].stderr))
        require(over < allowed, f"the ELBO of fit_posterior is {over:.2g} above log p(x)")
        tril = fits[-1].q.scale_tril
        require(tril is not None and tril.shape == (1, *2 * q.mean.shape[1:]), "its q has no scale_tril")


def bound_along_lines(case: Case) -> None:
    """L(q, θ) ≤ log p(X|θ) along lines through the model's own θ, where they are its mean elbo and log_prob:
    so where q is the exact posterior they touch there."""
    model, x, theta = case.model, case.inputs(20)[0], case.model.theta()
    steps = np.array([0, -1, -0.1, -0.01, 0.01, 0.1, 1])[:, None]
    directions = np.random.default_rng(0).standard_normal((3, len(theta)))
    thetas = np.concatenate([theta + steps * direction for direction in directions])
    curve, bound = model.log_likelihood_at(thetas, x), model.bound_at(thetas, x)
    for name, a in (("log_likelihood_at", curve), ("bound_at", bound)):
        right = a.shape == (len(thetas),) and a.dtype == np.float64 and np.isfinite(a).all()
        require(right, f"{name} of {len(thetas)} θ gives {a.dtype} {a.shape}, or what is not finite")
    over = (bound - curve) / np.maximum(1, np.abs(curve))
    require(over.max() < 1e-8, f"bound_at is above log_likelihood_at by {over.max():.3g} of it")
    if "log_prob" in case.kind.capabilities:
        off = abs(curve[0] - model.log_prob(x).mean()) / max(1, abs(curve[0]))
        require(off < 1e-8, f"log_likelihood_at its own θ is {off:.3g} off the mean of log_prob")
    if "elbo" in case.kind.capabilities:
        own = model.elbo(x, samples=100, seed=1)
        noise = 0.0 if own.stderr is None else float(np.sqrt(np.square(own.stderr).sum())) / len(x)
        off = abs(bound[0] - own.value.mean())
        allowed = 6 * noise + 1e-6 * max(1, abs(bound[0]))
        require(off < allowed, f"bound_at its own θ is {off:.3g} off the mean of elbo")
    for call in (model.log_likelihood_at, model.bound_at):
        require(not call(thetas, x[:0]).any(), "without rows a bound along θ is not zero")
        require_input_error(lambda call=call: call(theta[1:], x), "a θ of another size")  # type: ignore[misc]

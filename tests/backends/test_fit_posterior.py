"""The best q for one x: against exact posteriors, and the two gaps against quadrature."""

import numpy as np
import pytest

from backends.base import DataInfo, InputError, finish
from backends.capabilities import FitsPosterior
from backends.pytorch.vae import VAELearner
from backends.quadrature import quadrature_with_kl

REALS = DataInfo("reals", "Reals", 5, "real")


def trained(steps=50, **values):
    common = np.random.default_rng(0).normal(size=(100, 2))
    x = common @ np.random.default_rng(1).normal(size=(2, 5)) + 0.5 * np.random.default_rng(2).normal(
        size=(100, 5)
    )
    learner = VAELearner(x.astype(np.float32), REALS, {"decoder": "gaussian", "width": 16, **values})
    for _ in range(steps):
        learner.step()
    return learner.snapshot(), x.astype(np.float32)


@pytest.mark.parametrize(("latent_dim", "steps"), [(1, 80), (2, 80), (3, 200)])
def test_of_a_linear_decoder_it_finds_the_exact_posterior(latent_dim, steps):
    model, x = trained(depth=0, latent_dim=latent_dim, learning_rate=0.02)
    assert isinstance(model, FitsPosterior)
    *_, fit = model.fit_posterior(x[0], steps)
    zero, eye = np.zeros((1, latent_dim), np.float32), np.eye(latent_dim, dtype=np.float32)
    decoded = model.decode(np.concatenate([zero, eye]))
    w, mu, noise = (
        (decoded.mean[1:] - decoded.mean[0]).T.astype(float),
        decoded.mean[0],
        decoded.std[0] ** 2.0,
    )
    covariance = np.linalg.inv(np.eye(latent_dim) + w.T @ (w / noise[:, None]))
    mean = covariance @ w.T @ ((x[0] - mu) / noise)
    c = w @ w.T + np.diag(noise)
    log_p = -0.5 * ((x[0] - mu) @ np.linalg.solve(c, x[0] - mu) + np.linalg.slogdet(2 * np.pi * c)[1])
    np.testing.assert_allclose(fit.q.mean[0], mean, atol=0.01)
    tril, atol = fit.q.scale_tril[0], 0.005 if latent_dim < 3 else 0.02
    np.testing.assert_allclose(tril @ tril.T, covariance, atol=atol)
    assert fit.elbo == pytest.approx(log_p, abs=0.001 + 3 * fit.stderr)


@pytest.mark.parametrize("values", [{}, {"posterior": "full", "prior": "mixture"}], ids=str)
def test_both_gaps_add_up_to_the_divergence(values):
    model, x = trained(200, **values, activation="tanh", dropout=0.0, learning_rate=0.01)
    log_p, kl = finish(quadrature_with_kl(model, x[:5], tol=1e-4))
    for i in range(5):
        first, *_, last = model.fit_posterior(x[i])
        amortisation, approximation = last.elbo - first.elbo, log_p.value[i] - last.elbo
        assert amortisation + approximation == pytest.approx(kl.value[i], abs=0.01)
        assert amortisation >= 0
        assert approximation > -0.005


@pytest.mark.parametrize("objective", ["elbo", "iwae"])
def test_a_wide_q_over_a_decoder_of_flat_pieces_has_the_elbo_of_a_fine_grid(objective):
    """Sharp bends in log p(x, z) where q has its mass: IWAE trains such q's."""
    model, x = trained(
        300, objective=objective, importance_samples=20, prior="mixture", posterior="full", dropout=0.0,
        learning_rate=0.02, width=64,
    )  # fmt: skip
    ticks = np.linspace(-6, 6, 201)
    noise = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
    weights = np.exp(-0.5 * np.square(noise).sum(1))
    for row in x[:2]:
        *_, last = fits = list(model.fit_posterior(row, 40))
        for fit in (fits[0], last):
            tril = fit.q.scale_tril[0].astype(float)
            log_q = -0.5 * np.square(noise).sum(1) - np.log(2 * np.pi * np.diag(tril).prod())
            terms = model.log_joint(row[None], fit.q.mean[0] + noise @ tril.T)[0] - log_q
            assert fit.elbo == pytest.approx(np.average(terms, weights=weights), abs=0.01)
            assert fit.stderr < 0.03


def test_the_same_seed_gives_the_same_fits_and_the_elbo_never_falls():
    model, x = trained(latent_dim=4)
    one, same, other = ([f.elbo for f in model.fit_posterior(x[3], 40, seed)] for seed in (0, 0, 1))
    assert one == same != other
    assert (np.diff(one) >= 0).all()
    assert one[-1] > one[0]


def test_what_cannot_be_fitted_is_named():
    model, x = trained(0)
    with pytest.raises(InputError, match="x has shape"):
        model.fit_posterior(x[0, :3])
    bits = VAELearner(
        np.zeros((3, 5), np.float32), DataInfo("bits", "Bits", 5, "binary"), {"width": 4}
    ).snapshot()
    with pytest.raises(InputError, match="0 and 1"):
        bits.fit_posterior(np.full(5, 0.5))

"""What q(z|x) of one datum leaves to be gained, live, in exploration:

    log p(x) − ELBO = [max_q ELBO − ELBO] + [log p(x) − max_q ELBO]   amortisation gap + approximation gap

with the maximum over Gaussians fitted to this x alone (Cremer et al. 2018, eq. 3).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array, Estimate, Gaussian, PosteriorFit
from backends.capabilities import LogProb
from backends.carry import quiet
from backends.likelihood import log_likelihood
from backends.quadrature import DIMENSIONS, quadrature_with_kl

STEPS = 200  # of the optimisation
SHOW_EVERY = 4  # steps
SAMPLES, PARTS = 512, 16  # of the bound's KL, where it has noise, and in how many slices they are drawn


@dataclass(frozen=True, eq=False)
class Gaps:
    """Of one datum x (d,) and one model. Nats.

    fits: the encoder's own q first, then the best Gaussian so far after each step of the optimisation.
    kl_prior: KL(q‖p(z)) of the encoder's q, the second term of its ELBO; a closed form has no noise.
    log_p: None until it is known. direct: KL(q‖p(z|x)) of the encoder's q by quadrature, not as a difference;
    None for latents of more than two dimensions.
    """

    x: Array
    step: int
    fits: tuple[PosteriorFit, ...]
    kl_prior: Estimate
    log_p: Estimate | None = None
    direct: Estimate | None = None
    complete: bool = False

    @property
    def elbo(self) -> float:
        """That of the encoder's q."""
        return self.fits[0].elbo

    @property
    def reconstruction(self) -> float:
        """The first term of that ELBO, as the ELBO plus the second."""
        return self.elbo + self.kl_prior.value

    @property
    def best(self) -> PosteriorFit:
        """The best Gaussian so far."""
        return self.fits[-1]

    @property
    def amortisation(self) -> float:
        """What a better Gaussian for this x would gain."""
        return self.best.elbo - self.elbo

    @property
    def approximation(self) -> float | None:
        """What no Gaussian can gain."""
        return None if self.log_p is None else self.log_p.value - self.best.elbo


def gaps(model: Any, x: Array, steps: int = STEPS) -> Generator[Gaps | None, None, Gaps]:
    """Both gaps of a datum x (d,), ever better as the optimisation goes on."""
    rows = x[None]
    parts = []
    for seed in range(PARTS):
        parts.append(float(model.elbo(rows, SAMPLES // PARTS, seed=seed).kl_prior[0]))
        yield None
    kl_prior = Estimate(
        float(np.mean(parts)),
        float(np.std(parts, ddof=1) / np.sqrt(PARTS)),
        f"mean over {SAMPLES} draws of z",
    )
    fits: list[PosteriorFit] = []
    log_p = direct = None

    def found(complete: bool = False) -> Gaps:
        return Gaps(x, model.stamp.step, tuple(fits), kl_prior, log_p, direct, complete)

    work = model.fit_posterior(x, steps, seed=0)
    fits.append(next(work))
    yield found()
    if model.latent_dim in DIMENSIONS and not isinstance(model, LogProb):
        both = yield from quiet(quadrature_with_kl(model, rows))
        log_p, direct = (one.mean() for one in both)
    else:
        log_p = (yield from quiet(log_likelihood(model, rows))).mean()
    yield found()
    for i, fit in enumerate(work, 1):
        fits.append(fit)
        yield found() if i % SHOW_EVERY == 0 else None
    return found(complete=True)


def moments(q: Gaussian) -> tuple[Array, Array]:
    """Mean (k,) and covariance (k, k) of a q of one row, float64."""
    scale = np.diag(q.std[0]) if q.scale_tril is None else q.scale_tril[0]
    scale = scale.astype(np.float64)
    return q.mean[0].astype(np.float64), scale @ scale.T

"""Estimators of log p(x) for any model that can give log p(x, z), each saying how it was made.

Quadrature over the latent space (:mod:`backends.quadrature`) is the ground truth in one and two dimensions.
Everywhere else log p(x) is the log of an average of importance weights w = p(x, z)/r(z), z ~ r: with
r = q(z|x) it is the IWAE bound (Burda et al. 2016, eq. 8), with r = p(z) naive Monte Carlo, and with
r = ½q(z|x) + ½p(z) no weight exceeds 2·p(x|z) however over-confident the encoder is ("defensive", Hesterberg
1995; mixture weights of Owen & Zhou 2000).

All estimators are generators that yield :class:`Progress` between slices of a few milliseconds, whose size
follows from the model's, never from a clock: the same call gives the same numbers. ``finish`` runs one to
its end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from backends.base import Array, Gaussian, InputError, Progress, Work
from backends.capabilities import Bijects, Encodes, HasPrior, LogProb
from backends.estimates import (
    SLICE,
    Cost,
    LogLikelihood,
    encode_gaussian,
    log_normal,
    log_sum_exp,
    require_joint,
    slices,
)
from backends.flow_terms import flow_terms
from backends.quadrature import DIMENSIONS, quadrature

PROPOSALS = ("q", "defensive", "prior")


# -- importance sampling ---------------------------------------------------------------------------


class _Proposal:
    """Draws z for rows of x and knows their density."""

    def __init__(self, model: Any, name: str, k: int, seed: int) -> None:
        if name not in PROPOSALS:
            raise InputError(f"proposal: '{name}' is not one of {', '.join(PROPOSALS)}")
        if name != "q" and not isinstance(model, HasPrior):
            raise InputError(f"model '{model.kind}' has no prior p(z) to draw from")
        self._model = model
        self._name = name
        self._rng = np.random.default_rng(seed)
        # Stratified: exactly this share of each row's k draws comes from q, every other one.
        self._share = {"q": 1.0, "prior": 0.0, "defensive": (k + 1) // 2 / k}[name]

    def encode(self, x: Array) -> Gaussian | None:
        return None if self._name == "prior" else encode_gaussian(self._model, x)

    def draw(self, q: Gaussian | None, n: int, samples: slice) -> tuple[Array, Array]:
        """z (n, s, k) float32 and its log-density under the proposal, (n, s) float64."""
        s, k = samples.stop - samples.start, self._model.latent_dim
        from_prior = np.zeros(s, dtype=bool)
        z = np.empty((n, s, k), dtype=np.float32)
        if q is not None:
            noise = self._rng.standard_normal((n, s, k))
            if q.scale_tril is None:
                z[:] = q.mean[:, None] + q.std[:, None] * noise
            else:
                z[:] = q.mean[:, None] + noise @ q.scale_tril.swapaxes(1, 2)
        if self._name != "q":
            from_prior[:] = self._name == "prior" or np.arange(samples.start, samples.stop) % 2 == 1
            count = n * int(from_prior.sum())
            seed = int(self._rng.integers(2**63))
            z[:, from_prior] = self._model.sample_prior(count, seed).reshape(n, -1, k)
        terms = []
        if q is not None:
            terms.append(log_normal(q, z) + math.log(self._share))
        if self._share < 1:
            log_prior = self._model.log_prior(z.reshape(-1, k)).reshape(n, s)
            terms.append(log_prior + math.log1p(-self._share))
        return z, terms[0] if len(terms) == 1 else np.logaddexp(*terms)


def _log_weights(model: Any, x: Array, k: int, seed: int, proposal: str) -> Work[Array]:
    """log p(x, z) − log r(z) of k draws a row, (n, k)."""
    require_joint(model)
    if k < 1:
        raise InputError(f"the number of samples must be at least 1, and is {k}")
    source = _Proposal(model, proposal, k, seed)
    cost = Cost.of(model)
    draws = SLICE / (cost.decode + cost.pair)
    out = np.empty((len(x), k))
    for rows in slices(len(x), draws / k):
        q = source.encode(x[rows])
        for part in slices(k, draws):
            z, log_r = source.draw(q, len(out[rows]), part)
            out[rows, part] = model.log_joint(x[rows], z) - log_r
            yield Progress(rows.start * k + (rows.stop - rows.start) * part.stop, len(x) * k, "sampling")
    return out


def _summarise(log_w: Array, k: int, method: str) -> LogLikelihood:
    """log-weights (n, draws) → the mean over draws//k groups of log (1/k) Σ w."""
    n, draws = log_w.shape
    groups = draws // k
    log_w = log_w[:, : groups * k].reshape(n, groups, k)
    total = log_sum_exp(log_w)
    estimates = total - math.log(k)
    ess = np.exp(2 * total - log_sum_exp(2 * log_w))
    if groups > 1:
        stderr = estimates.std(1, ddof=1) / math.sqrt(groups)
    elif k > 1:
        # Delta method: sd(log w̄) ≈ sd(w̄)/w̄, and Σ(w − w̄)² = k·w̄²·(k/ess − 1).
        stderr = np.sqrt(np.maximum(k / ess[:, 0] - 1, 0) / (k - 1))
    else:
        stderr = np.full(n, np.nan)
    ess = ess.mean(1)
    if k >= 10 and n and ess.min() < 10:
        method += "; effective sample size below 10"
    return LogLikelihood(estimates.mean(1), stderr, method, ess, independent=True)


def importance(model: Any, x: Array, k: int, seed: int = 0, proposal: str = "q") -> Work[LogLikelihood]:
    """log (1/k) Σ p(x, z)/r(z), z ~ r, with k draws a row of x (n, d); on average a lower bound of log p(x).

    proposal: r is "q", the encoder's q(z|x) (IWAE-k); "prior", p(z) (naive Monte Carlo); or "defensive",
    ½q + ½p(z): half the draws come from each, and each is weighted by the density of the mixture.
    stderr by the delta method from the spread of the weights (NaN for k = 1); it cannot be trusted where
    the effective sample size is below 10, which ``method`` then says.
    """
    log_w = yield from _log_weights(model, x, k, seed, proposal)
    label = {
        "q": f"IWAE-{k} (q)",
        "defensive": f"importance sampling K={k}, ½q + ½p(z)",
        "prior": f"naive Monte Carlo K={k}",
    }[proposal]
    return _summarise(log_w, k, label)


def iwae(
    model: Any, x: Array, ks: Sequence[int] = (1, 5, 50), seed: int = 0
) -> Work[dict[int, LogLikelihood]]:
    """The bounds IWAE-k for several k from the same max(ks) draws a row: E[log (1/k) Σ w] rises with k to
    log p(x) (Burda et al. 2016, theorem 1). Smaller k average over groups of draws, whose spread is stderr.
    """
    log_w = yield from _log_weights(model, x, max(ks), seed, "q")
    return {k: _summarise(log_w, k, f"IWAE-{k} (q)") for k in ks}


# -- the best there is ------------------------------------------------------------------------------


def log_likelihood(
    model: Any, x: Array, k: int = 1000, seed: int = 0, tol: float = 0.01
) -> Work[LogLikelihood]:
    """log p(x) by the best way the model allows: its own exact log_prob, of a flow of whole numbers the bound
    that a density gives (:mod:`backends.flow_terms`); quadrature to within tol for latents of 1 or 2
    dimensions; else importance sampling with k draws, from whatever there is of q(z|x) and p(z)."""
    if isinstance(model, Bijects):
        return (yield from flow_terms(model, x, seed)).log_prob
    if isinstance(model, LogProb):
        return (yield from _exact(model, x))
    require_joint(model)
    if model.latent_dim in DIMENSIONS:
        return (yield from quadrature(model, x, tol))
    both = isinstance(model, Encodes) and isinstance(model, HasPrior)
    proposal = "defensive" if both else "q" if isinstance(model, Encodes) else "prior"
    return (yield from importance(model, x, k, seed, proposal))


def _exact(model: Any, x: Array) -> Work[LogLikelihood]:
    value = np.empty(len(x))
    for rows in slices(len(x), SLICE / Cost.of(model).encode):
        value[rows] = model.log_prob(x[rows])
        yield Progress(rows.stop, len(x), "log p(x)")
    return LogLikelihood(value, np.zeros(len(x)), "exact")

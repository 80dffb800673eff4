"""Estimators of log p(x) for any model that can give log p(x, z), each saying how it was made.

Quadrature over the latent space is the ground truth in one and two dimensions. Everywhere else log p(x) is
the log of an average of importance weights w = p(x, z)/r(z), z ~ r: with r = q(z|x) it is the IWAE bound
(Burda et al. 2016, eq. 8), with r = p(z) naive Monte Carlo, and with r = ½q(z|x) + ½p(z) no weight exceeds
2·p(x|z) however over-confident the encoder is ("defensive", Hesterberg 1995; mixture weights of Owen & Zhou
2000).

All estimators are generators that yield :class:`Progress` between slices of a few milliseconds, whose size
follows from the model's, never from a clock: the same call gives the same numbers. ``finish`` runs one to
its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from backends.base import (
    Array,
    Encodes,
    Estimate,
    Gaussian,
    HasParameters,
    HasPrior,
    InputError,
    LogJoint,
    LogProb,
    Progress,
    Work,
)

PROPOSALS = ("q", "defensive", "prior")
_SLICE = 4e7  # floating-point operations in a slice: at most about 8 ms of one core that is shared
_MIN_BOX = 6.5  # half-width of the quadrature box; N(0, 1) has mass 8e-11 outside
_GRIDS = {1: (1001, 64001), 2: (71, 1121)}  # points an axis: first, last; by latent dimension
_EDGE = 1e-5  # largest integrand allowed on the box's edge, relative to its peak
_LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True, eq=False)
class RowEstimates:
    """An estimate for each row of x: value, stderr (n,) float64, nats, made by ``method``.

    stderr is the estimator's own uncertainty; for quadrature it is the |difference| between two
    resolutions. ess: effective sample size (Σw)²/Σw² of each row, (n,), of Monte Carlo estimates only.
    """

    value: Array
    stderr: Array
    method: str
    ess: Array | None = None

    def part(self, rows: slice) -> Self:
        """The estimates of some of the rows."""
        ess = None if self.ess is None else self.ess[rows]
        return type(self)(self.value[rows], self.stderr[rows], self.method, ess)

    def mean(self) -> Estimate:
        """The mean over the rows. Monte Carlo errors of rows are independent; those of quadrature may all
        have one sign, so that their mean is given."""
        n = max(1, len(self.value))
        if self.ess is None:
            return Estimate(float(self.value.mean()), float(self.stderr.mean()), self.method)
        stderr = float(np.sqrt(np.square(self.stderr).sum())) / n
        return Estimate(float(self.value.mean()), stderr, self.method, float(self.ess.min()))


class LogLikelihood(RowEstimates):
    """log p(x), row by row."""


class PosteriorKL(RowEstimates):
    """KL(q(z|x) ‖ p(z|x)), row by row."""


# -- how much work fits between two yields -------------------------------------------------------


@dataclass(frozen=True)
class _Cost:
    """Floating-point operations, roughly: to encode an x, to decode a z, to pair one with the other."""

    encode: float
    decode: float
    pair: float

    @classmethod
    def of(cls, model: Any) -> _Cost:
        network = 2.0 * model.theta().size if isinstance(model, HasParameters) else 0.0
        dim = model.info.dim
        return cls(network + 40 * dim, network + 400 * dim * max(2, model.info.levels), 2 * dim + 200)


def _slices(n: int, size: float) -> Iterator[slice]:
    step = max(1, int(size))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def _log_sum_exp(a: Array, axis: int = -1) -> Array:
    top: Array = a.max(axis, keepdims=True)
    top[~np.isfinite(top)] = 0.0
    with np.errstate(divide="ignore"):  # an empty sum is −inf
        return np.asarray(np.log(np.exp(a - top).sum(axis)) + top.squeeze(axis))


def _require_joint(model: Any) -> None:
    if not isinstance(model, LogJoint):
        raise InputError(f"model '{model.kind}' has no log p(x, z) to estimate log p(x) from")


def _encode(model: Any, x: Array) -> Gaussian:
    q = model.encode(x) if isinstance(model, Encodes) else None
    if not isinstance(q, Gaussian):
        raise InputError(f"model '{model.kind}' has no Gaussian q(z|x)")
    return q


def _log_normal(q: Gaussian, z: Array) -> Array:
    """log q(z|x) of latents (n, m, k) or (m, k) under each row's q → (n, m) float64."""
    white: Array = z.astype(np.float64) - q.mean.astype(np.float64)[:, None]
    if q.scale_tril is None:
        std = q.std.astype(np.float64)
        white /= std[:, None]
        log_det = np.log(std).sum(-1)
    else:
        tril = q.scale_tril.astype(np.float64)
        white = np.linalg.solve(tril, white.swapaxes(1, 2)).swapaxes(1, 2)
        log_det = np.log(np.diagonal(tril, axis1=1, axis2=2)).sum(-1)
    return np.asarray(-0.5 * (white**2).sum(-1) - log_det[:, None] - 0.5 * z.shape[-1] * _LOG_2PI)


# -- quadrature ----------------------------------------------------------------------------------


class _Sums:
    """Running sums over grid nodes, for each row: Σ w·p(x, z) in logarithms, and with a q also
    Σ w·q and Σ w·q·(log q − log p(x, z))."""

    def __init__(self, n: int) -> None:
        self._top = np.full(n, -np.inf)
        self._sum = np.zeros(n)
        self._edge = np.full(n, -np.inf)
        self.q_mass = np.zeros(n)
        self.q_excess = np.zeros(n)

    def add(self, rows: slice, joint: Array, log_w: Array, log_q: Array | None) -> None:
        """joint, log_q (r, m) of nodes with log-weights (m,): 0 inside, below it on the box's edge."""
        if log_q is not None:
            q = np.exp(log_q + log_w)
            with np.errstate(invalid="ignore"):
                excess = np.where(q > 0, q * (log_q - joint), 0.0)
            self.q_mass[rows] += q.sum(1)
            self.q_excess[rows] += excess.sum(1)
        joint = joint + log_w
        peak = joint.max(1)
        top = np.maximum(self._top[rows], peak)
        safe = np.where(np.isfinite(top), top, 0.0)
        fresh = np.exp(joint - safe[:, None]).sum(1)
        self._sum[rows] = self._sum[rows] * np.exp(self._top[rows] - safe) + fresh
        self._top[rows] = top
        on_edge = log_w < 0
        if on_edge.any():
            self._edge[rows] = np.maximum(self._edge[rows], joint[:, on_edge].max(1))

    def log(self) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self._sum) + np.where(np.isfinite(self._top), self._top, 0.0))

    def reaches_edge(self) -> bool:
        """Whether some row's integrand is not negligible on the box's edge."""
        return bool((self._edge > self._top + math.log(_EDGE)).any())


def _nodes(part: slice, box: Array, points: int, *, refining: bool) -> tuple[Array, Array]:
    """A part of the product grid's nodes in their flat order: z (m, k) float32 and log-weights (m,)."""
    flat = np.arange(part.start, part.stop)
    index = np.stack(np.unravel_index(flat, (points,) * len(box)), 1)
    if refining:  # nodes of even index belong to the coarser grid, too
        index = index[(index % 2 == 1).any(1)]
    log_w = -math.log(2) * ((index == 0) | (index == points - 1)).sum(1)
    return (box * (2.0 * index / (points - 1) - 1)).astype(np.float32), log_w


def _add_grid(
    model: Any, x: Array, box: Array, points: int, sums: _Sums, q: Gaussian | None, *, refining: bool
) -> Work[None]:
    """Add all nodes of the product grid with so many points an axis, or only those that lie between the
    nodes of the grid with half as many steps, which the sums then hold already."""
    cost = _Cost.of(model)
    pair = cost.pair * (1 if q is None else 4)
    # As many rows as leave room for 64 nodes in a slice, so that decoding a node serves many rows.
    rows_at_once = min(len(x), _SLICE / (64 * pair))
    row_slices = list(_slices(len(x), rows_at_once))
    node_slices = list(_slices(points ** len(box), _SLICE / (cost.decode + pair * rows_at_once)))
    total, name = len(row_slices) * len(node_slices), _name(points, len(box))
    for i, rows in enumerate(row_slices):
        q_rows = None if q is None else _take(q, rows)
        for j, part in enumerate(node_slices):
            z, log_w = _nodes(part, box, points, refining=refining)
            if len(z):
                log_q = None if q_rows is None else _log_normal(q_rows, z)
                sums.add(rows, model.log_joint(x[rows], z), log_w, log_q)
            yield Progress(i * len(node_slices) + j + 1, total, f"quadrature {name}")


def _take(q: Gaussian, rows: slice) -> Gaussian:
    return Gaussian(q.mean[rows], q.std[rows], None if q.scale_tril is None else q.scale_tril[rows])


def _name(points: int, k: int) -> str:
    return f"{points}²" if k == 2 else str(points)


def _encode_all(model: Any, x: Array) -> Work[Gaussian]:
    parts = []
    for rows in _slices(len(x), _SLICE / _Cost.of(model).encode):
        parts.append(_encode(model, x[rows]))
        yield Progress(rows.stop, len(x), "encoding")
    trils = [part.scale_tril for part in parts if part.scale_tril is not None]
    return Gaussian(
        np.concatenate([part.mean for part in parts]),
        np.concatenate([part.std for part in parts]),
        np.concatenate(trils) if trils else None,
    )


def _refine(model: Any, x: Array, tol: float, *, against_q: bool) -> Work[RowEstimates]:
    """The loop of both integrals: refine the grid until two resolutions agree on average within tol."""
    _require_joint(model)
    k = model.latent_dim
    if k not in _GRIDS:
        raise InputError(f"quadrature needs a latent of 1 or 2 dimensions, and this one has {k}")
    if len(x) == 0:
        raise InputError("there are no rows to estimate log p(x) of")
    box = np.full(k, _MIN_BOX)
    q = None
    if against_q or isinstance(model, Encodes):
        q = yield from _encode_all(model, x)
        reach = np.abs(q.mean).astype(np.float64) + 6 * q.std
        box = np.maximum(box, reach.max(0))
    points, last = _GRIDS[k]
    for _ in range(6):
        sums = _Sums(len(x))
        yield from _add_grid(model, x, box, points, sums, q if against_q else None, refining=False)
        if not sums.reaches_edge():
            break
        box = box * 1.5
    estimate, _ = _integral(sums, box, points, against_q=against_q)
    while True:
        coarse, points = estimate, 2 * points - 1
        yield from _add_grid(model, x, box, points, sums, q if against_q else None, refining=True)
        estimate, missing = _integral(sums, box, points, against_q=against_q)
        with np.errstate(invalid="ignore"):
            difference = np.where(estimate == coarse, 0.0, np.abs(estimate - coarse)) + missing
        mean = float(difference.mean())
        if mean < tol or points >= last:
            break
    here, before = _name(points, k), _name((points + 1) // 2, k)
    if mean < tol:
        method = f"quadrature {here} (agrees with {before} to {mean:.1g})"
    else:
        method = f"quadrature {here} (not converged: differs from {before} by {mean:.2g})"
    if sums.reaches_edge():
        method += f"; the box of ±{box.max():.3g} cuts some mass off"
    return (PosteriorKL if against_q else LogLikelihood)(estimate, difference, method)


def _integral(sums: _Sums, box: Array, points: int, *, against_q: bool) -> tuple[Array, Array]:
    """The estimate, and by how much the grid fails to see q's whole mass: two grids that both miss a very
    narrow q would otherwise seem to agree."""
    log_cell = float(np.log(2 * box / (points - 1)).sum())
    log_p = sums.log() + log_cell
    if not against_q:
        return log_p, np.zeros(len(log_p))
    # E_q[log q − log p(x, z) + log p(x)], all of it on the grid.
    cell = math.exp(log_cell)
    return cell * (sums.q_excess + sums.q_mass * log_p), np.abs(cell * sums.q_mass - 1)


def quadrature(model: Any, x: Array, tol: float = 0.01) -> Work[LogLikelihood]:
    """log p(x) = log ∫ p(x, z) dz by the trapezoid rule on a product grid, for latents of 1 or 2 dimensions.

    The box is [−R, R] an axis, R = max(6.5, largest |mean| + 6·std of the encodings), wider where the
    integrand still reaches its edge. For smooth integrands that vanish at the edge the rule converges
    exponentially once the grid is finer than the posteriors; the grid is refined (71², 141², … 1121²) until
    two resolutions agree within ``tol`` nats on average over x (n, d). stderr is each row's |difference|;
    if the last grid does not agree, ``method`` says so.

    Raises InputError for models without log_joint and for other latent dimensions.
    """
    return (yield from _refine(model, x, tol, against_q=False))  # type: ignore[return-value]


def posterior_kl(model: Any, x: Array, tol: float = 0.01) -> Work[PosteriorKL]:
    """KL(q(z|x) ‖ p(z|x)) = E_q[log q(z|x) − log p(x, z) + log p(x)], each part integrated on the grid of
    :func:`quadrature`: the other side of log p(x) = ELBO + KL, computed without the ELBO."""
    return (yield from _refine(model, x, tol, against_q=True))  # type: ignore[return-value]


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
        return None if self._name == "prior" else _encode(self._model, x)

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
            terms.append(_log_normal(q, z) + math.log(self._share))
        if self._share < 1:
            log_prior = self._model.log_prior(z.reshape(-1, k)).reshape(n, s)
            terms.append(log_prior + math.log1p(-self._share))
        return z, terms[0] if len(terms) == 1 else np.logaddexp(*terms)


def _log_weights(model: Any, x: Array, k: int, seed: int, proposal: str) -> Work[Array]:
    """log p(x, z) − log r(z) of k draws a row, (n, k)."""
    _require_joint(model)
    if k < 1:
        raise InputError(f"the number of samples must be at least 1, and is {k}")
    source = _Proposal(model, proposal, k, seed)
    cost = _Cost.of(model)
    draws = _SLICE / (cost.decode + cost.pair)
    out = np.empty((len(x), k))
    for rows in _slices(len(x), draws / k):
        q = source.encode(x[rows])
        for part in _slices(k, draws):
            z, log_r = source.draw(q, len(out[rows]), part)
            out[rows, part] = model.log_joint(x[rows], z) - log_r
            yield Progress(rows.start * k + (rows.stop - rows.start) * part.stop, len(x) * k, "sampling")
    return out


def _summarise(log_w: Array, k: int, method: str) -> LogLikelihood:
    """log-weights (n, draws) → the mean over draws//k groups of log (1/k) Σ w."""
    n, draws = log_w.shape
    groups = draws // k
    log_w = log_w[:, : groups * k].reshape(n, groups, k)
    total = _log_sum_exp(log_w)
    estimates = total - math.log(k)
    ess = np.exp(2 * total - _log_sum_exp(2 * log_w))
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
    return LogLikelihood(estimates.mean(1), stderr, method, ess)


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
    """log p(x) by the best way the model allows: its own exact log_prob; quadrature to within tol for latents
    of 1 or 2 dimensions; else importance sampling with k draws, from whatever there is of q(z|x) and p(z)."""
    if isinstance(model, LogProb):
        return (yield from _exact(model, x))
    _require_joint(model)
    if model.latent_dim in _GRIDS:
        return (yield from quadrature(model, x, tol))
    both = isinstance(model, Encodes) and isinstance(model, HasPrior)
    proposal = "defensive" if both else "q" if isinstance(model, Encodes) else "prior"
    return (yield from importance(model, x, k, seed, proposal))


def _exact(model: Any, x: Array) -> Work[LogLikelihood]:
    value = np.empty(len(x))
    for rows in _slices(len(x), _SLICE / _Cost.of(model).encode):
        value[rows] = model.log_prob(x[rows])
        yield Progress(rows.stop, len(x), "log p(x)")
    return LogLikelihood(value, np.zeros(len(x)), "exact")

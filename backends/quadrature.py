"""log p(x) = log ∫ p(x, z) dz and KL(q(z|x) ‖ p(z|x)) by quadrature, for latents of one or two dimensions.

The trapezoid rule on a product grid over a box: for smooth integrands that vanish at the box's edge it
converges exponentially once the grid is finer than the posteriors. The grid is refined until two
resolutions agree, and only where some row's integrand is not negligible: of a fine grid that is a few
per cent of the nodes, and a node costs a decoding.
"""

from __future__ import annotations

import math

import numpy as np

from backends.base import Array, Gaussian, InputError, Progress, Work
from backends.capabilities import Encodes, HasPrior, LogJoint
from backends.estimates import (
    SLICE,
    Cost,
    LogLikelihood,
    PosteriorKL,
    encode_gaussian,
    log_normal,
    require_joint,
    slices,
)

_MIN_BOX = 6.5  # half-width of the box; N(0, 1) has mass 8e-11 outside
# By latent dimension, points an axis of the grid that finds the mass, the first that counts, and the last.
_GRIDS = {1: (501, 1001, 64001), 2: (36, 71, 1121)}
DIMENSIONS = tuple(_GRIDS)
_EDGE = 1e-5  # largest integrand allowed on the box's edge, relative to its peak
_GROUP = 150  # rows that share a grid: enough that decoding a node is cheap beside pairing it with them
_NEGLIGIBLE = -20.0  # log of an integrand relative to its row's peak: 1000 such nodes are 2e-6 nats


def quadrature(model: LogJoint, x: Array, tol: float = 0.01) -> Work[LogLikelihood]:
    """log p(x) = log ∫ p(x, z) dz, row by row of x (n, d).

    The box is [−R, R] an axis, R = max(6.5, largest |mean| + 6·std of the encodings, 1.5 times the farthest
    of 2000 draws from the prior), wider where the integrand still reaches its edge. The grid is refined (71²,
    141², … 1121²) until two resolutions agree within ``tol`` nats on average over the rows. stderr is each
    row's |difference|; if the last grid does not agree, ``method`` says so, and where an encoding or a draw
    from the prior is not finite, that nothing is estimated: the values are NaN.

    Raises InputError for models without log_joint and for other latent dimensions.
    """
    log_p, _ = yield from _refined(model, x, tol, against_q=False)
    return log_p


def quadrature_with_kl(
    model: LogJoint, x: Array, tol: float = 0.01
) -> Work[tuple[LogLikelihood, PosteriorKL]]:
    """log p(x), and KL(q(z|x) ‖ p(z|x)) = E_q[log q(z|x) − log p(x, z) + log p(x)], each part integrated on
    the same grid: the other side of log p(x) = ELBO + KL, computed without the ELBO."""
    log_p, kl = yield from _refined(model, x, tol, against_q=True)
    assert kl is not None
    return log_p, kl


def posterior_kl(model: LogJoint, x: Array, tol: float = 0.01) -> Work[PosteriorKL]:
    """KL(q(z|x) ‖ p(z|x)) alone; see :func:`quadrature_with_kl`."""
    _, kl = yield from quadrature_with_kl(model, x, tol)
    return kl


def _refined(
    model: LogJoint, x: Array, tol: float, *, against_q: bool
) -> Work[tuple[LogLikelihood, PosteriorKL | None]]:
    """Refine the grid until the estimates of two resolutions agree on average within tol."""
    require_joint(model)
    k = model.latent_dim
    if k not in _GRIDS:
        raise InputError(f"quadrature needs a latent of 1 or 2 dimensions, and this one has {k}")
    if len(x) == 0:
        raise InputError("there are no rows to estimate log p(x) of")
    half_width, q = np.full(k, _MIN_BOX), None
    if isinstance(model, HasPrior):  # which may have mass far out, where no row of x is encoded
        half_width = np.maximum(half_width, 1.5 * np.abs(model.sample_prior(2000, 0)).max(0))
    if against_q or isinstance(model, Encodes):
        q = yield from _encode_all(model, x)
        half_width = np.maximum(half_width, (np.abs(q.mean).astype(np.float64) + 6 * q.std).max(0))
    if not np.isfinite(half_width).all():  # weights that training is about to diverge from
        unknown = np.full(len(x), np.nan), np.full(len(x), np.nan), "not estimated: z has no finite range"
        return LogLikelihood(*unknown), PosteriorKL(*unknown) if against_q else None
    groups = [np.arange(len(x))] if q is None else _neighbours(q.mean, np.arange(len(x)))
    points, counts, last = _GRIDS[k]
    for _ in range(6):
        grids = [
            _Grid(model, x[rows], None if q is None else _take(q, rows), half_width, points, against_q)
            for rows in groups
        ]
        for grid in grids:
            yield from grid.add(np.arange(points**k))
        if not _any_cut(grids):
            break
        half_width = half_width * 1.5
    order = np.argsort(np.concatenate(groups))
    fine = np.concatenate([grid.estimates() for grid in grids], 1)[:, order]
    while True:
        coarse, points = fine, 2 * points - 1
        for grid in grids:
            yield from grid.refine()
        fine = np.concatenate([grid.estimates() for grid in grids], 1)[:, order]
        with np.errstate(invalid="ignore"):  # two infinities of one sign do not differ
            differences = np.where(fine == coarse, 0.0, np.abs(fine - coarse))
        if against_q:
            differences[1] += np.concatenate([grid.missing_q() for grid in grids])[order]
        means = differences.mean(1)
        if points > counts and (means.max() < tol or points >= last):
            break
    cut = f"; the box of ±{half_width.max():.3g} cuts some mass off" if _any_cut(grids) else ""
    methods = [_method(points, k, float(mean), tol) + cut for mean in means]
    log_p = LogLikelihood(fine[0], differences[0], methods[0])
    return log_p, PosteriorKL(fine[1], differences[1], methods[1]) if against_q else None


def _any_cut(grids: list[_Grid]) -> bool:
    return any(grid.reaches_edge() for grid in grids)


def _neighbours(z: Array, rows: Array) -> list[Array]:
    """Rows, by index, in groups of at most 150 that lie near each other in z (n, k): halved along the longer
    side again and again. Each group has a grid of its own, fine only where its own rows' mass is."""
    if len(rows) <= _GROUP:
        return [rows]
    axis = int(np.ptp(z[rows], axis=0).argmax())
    rows = rows[np.argsort(z[rows, axis], kind="stable")]
    half = len(rows) // 2
    return _neighbours(z, rows[:half]) + _neighbours(z, rows[half:])


def _method(points: int, k: int, mean: float, tol: float) -> str:
    """How an estimate was made that differs from the one of the coarser grid by ``mean`` nats."""
    here, before = _name(points, k), _name((points + 1) // 2, k)
    if mean < tol:
        return f"quadrature {here} (agrees with {before} to {mean:.1g})"
    return f"quadrature {here} (not converged: differs from {before} by {mean:.2g})"


def _name(points: int, k: int) -> str:
    return f"{points}²" if k == 2 else str(points)


class _Grid:
    """A product grid over the box ±half_width, with running sums over its nodes for each row of x:
    Σ w·p(x, z), and against a q also Σ w·q and Σ w·q·(log q − log p(x, z))."""

    def __init__(
        self, model: LogJoint, x: Array, q: Gaussian | None, half_width: Array, points: int, against_q: bool
    ) -> None:
        self.points = points
        self._model, self._x, self._q, self._half_width = model, x, q, half_width
        self._against_q = against_q
        n = len(x)
        # Sums of p(x, z) are relative to the largest value met. The one at q's mean, with which a row
        # begins, is near it; it only says what is negligible, and is in no sum.
        self._top = np.full(n, -np.inf)
        if q is not None:
            for rows in slices(n, SLICE / Cost.of(model).decode):
                at_mean = model.log_joint(x[rows], q.mean[rows][:, None])
                self._top[rows] = at_mean[:, 0]
        self._sum, self._edge = np.zeros(n), np.full(n, -np.inf)
        self._q_mass, self._q_excess = np.zeros(n), np.zeros(n)
        self._near = np.zeros(points ** len(half_width), bool)  # where some row's integrand is not negligible

    def refine(self) -> Work[None]:
        """Halve the grid's step: add the new nodes near those whose integrand is not negligible."""
        k, old = len(self._half_width), self.points
        known = self._near.reshape((old,) * k)
        near = known.copy()
        if self._q is not None:  # where q is narrower than the step, no node may have seen it
            position = (self._q.mean / self._half_width + 1) * (old - 1) / 2
            corner = np.clip(position.astype(np.int64), 0, old - 2)
            for offset in np.ndindex((2,) * k):
                near[tuple((corner + offset).T)] = True
        wanted = _finer(_widened(near))
        self.points = points = 2 * old - 1
        shared = (slice(0, points, 2),) * k
        wanted[shared] = False
        finer = np.zeros((points,) * k, bool)
        finer[shared] = known
        self._near = finer.ravel()
        yield from self.add(np.flatnonzero(wanted))

    def add(self, nodes: Array) -> Work[None]:
        """Add nodes, by their flat indices (m,), to the sums of every row."""
        cost = Cost.of(self._model)
        pair = cost.pair * (4 if self._against_q else 1)
        # As many rows as leave room for 64 nodes in a slice, so that decoding a node serves many rows.
        rows_at_once = min(len(self._x), SLICE / (64 * pair))
        row_slices = list(slices(len(self._x), rows_at_once))
        node_slices = list(slices(len(nodes), SLICE / (cost.decode + pair * rows_at_once)))
        total, name = len(row_slices) * len(node_slices), _name(self.points, len(self._half_width))
        for i, rows in enumerate(row_slices):
            for j, part in enumerate(node_slices):
                self._add(rows, nodes[part])
                yield Progress(i * len(node_slices) + j + 1, total, f"quadrature {name}")

    def _add(self, rows: slice, nodes: Array) -> None:
        index = np.stack(np.unravel_index(nodes, (self.points,) * len(self._half_width)), 1)
        z = (self._half_width * (2.0 * index / (self.points - 1) - 1)).astype(np.float32)
        log_w = -math.log(2) * ((index == 0) | (index == self.points - 1)).sum(1)
        joint = self._model.log_joint(self._x[rows], z) + log_w
        top = np.maximum(self._top[rows], joint.max(1))
        safe = np.where(np.isfinite(top), top, 0.0)
        relative = joint - safe[:, None]
        height = relative.max(0)  # of each node: the largest integrand of any row, relative to its row's peak
        self._sum[rows] = self._sum[rows] * np.exp(self._top[rows] - safe) + np.exp(relative).sum(1)
        self._top[rows] = top
        if self._against_q:
            assert self._q is not None
            q = _take(self._q, rows)
            log_q = log_normal(q, z)
            weight = np.exp(log_q + log_w)
            with np.errstate(invalid="ignore"):
                excess = np.where(weight > 0, weight * (log_q - (joint - log_w)), 0.0)
            self._q_mass[rows] += weight.sum(1)
            self._q_excess[rows] += excess.sum(1)
            peak = log_normal(q, q.mean[:, None])[:, 0]
            height = np.maximum(height, (log_q - peak[:, None]).max(0))
        self._near[nodes] |= height > _NEGLIGIBLE
        on_edge = log_w < 0
        if on_edge.any():
            self._edge[rows] = np.maximum(self._edge[rows], joint[:, on_edge].max(1))

    def estimates(self) -> Array:
        """log p(x) and, against a q, KL(q‖p(z|x)): (1, n) or (2, n)."""
        log_cell = float(np.log(2 * self._half_width / (self.points - 1)).sum())
        with np.errstate(divide="ignore"):
            log_p = np.log(self._sum) + np.where(np.isfinite(self._top), self._top, 0.0) + log_cell
        if not self._against_q:
            return log_p[None]
        with np.errstate(invalid="ignore"):
            kl = math.exp(log_cell) * (self._q_excess + self._q_mass * log_p)
        return np.stack([log_p, kl])

    def missing_q(self) -> Array:
        """By how much the grid fails to see q's whole mass, (n,): two grids that both miss a very narrow q
        would otherwise seem to agree."""
        cell = float(np.prod(2 * self._half_width / (self.points - 1)))
        return np.asarray(np.abs(cell * self._q_mass - 1))

    def reaches_edge(self) -> bool:
        """Whether some row's integrand is not negligible on the box's edge."""
        return bool((self._edge > self._top + math.log(_EDGE)).any())


def _finer(mask: Array) -> Array:
    """Of a grid of twice the resolution: which nodes lie in a cell that has a corner in the mask."""
    for axis in range(mask.ndim):
        along = np.moveaxis(mask, axis, 0)
        between = np.zeros((2 * len(along) - 1, *along.shape[1:]), bool)
        between[::2] = along
        between[1::2] = along[1:] | along[:-1]
        mask = np.moveaxis(between, 0, axis)
    return mask


def _widened(mask: Array) -> Array:
    """The mask and all neighbours of what is in it, diagonal ones too."""
    for axis in range(mask.ndim):
        along, out = np.moveaxis(mask, axis, 0), np.moveaxis(mask.copy(), axis, 0)
        out[1:] |= along[:-1]
        out[:-1] |= along[1:]
        mask = np.moveaxis(out, 0, axis)
    return mask


def _take(q: Gaussian, rows: slice | Array) -> Gaussian:
    return Gaussian(q.mean[rows], q.std[rows], None if q.scale_tril is None else q.scale_tril[rows])


def _encode_all(model: LogJoint, x: Array) -> Work[Gaussian]:
    parts = []
    for rows in slices(len(x), SLICE / Cost.of(model).encode):
        parts.append(encode_gaussian(model, x[rows]))
        yield Progress(rows.stop, len(x), "encoding")
    trils = [part.scale_tril for part in parts if part.scale_tril is not None]
    return Gaussian(
        np.concatenate([part.mean for part in parts]),
        np.concatenate([part.std for part in parts]),
        np.concatenate(trils) if trils else None,
    )

"""Variational EM by gradient steps: φ ← φ + η∇φ L for q, θ ← θ + η∇θ L for the model.

With S = ⟨(x − μ)(x − μ)ᵀ⟩, A = ⟨(x − μ)E_q[z]ᵀ⟩ = SP, B = ⟨E_q[zzᵀ]⟩ = PᵀSP + G, G = diag s² and e_j the
error of column j (:mod:`backends.exact.factor_inference`),

    ∂L/∂P = S(Ψ⁻¹W − PΛ)        ∂L/∂log s_j = 1 − s_j² Λ_jj
    ∂L/∂W = Ψ⁻¹(A − WB)         ∂L/∂log ψ_j = ½(e_j/ψ_j − 1)

in units in which the data have about variance one, so that one η suits all data. μ stays: ∂L/∂μ is zero at
the mean of the rows. The bound never falls, see :func:`backends.exact.ascent.ascend`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backends.base import Array
from backends.exact.ascent import Point
from backends.exact.factor_inference import Factors, Posterior, Statistics

#: A function to climb; what it makes of a flat position is P or W (d, k), and log s or log ψ.
Objective = Callable[[Array], Point[tuple[Array, Array]]]


def flat(matrix: Array, rest: Array) -> Array:
    """A position: P·unit and log s, or W/unit and log ψ."""
    return np.concatenate([matrix.ravel(), rest])


def _split(position: Array, d: int, k: int) -> tuple[Array, Array]:
    matrix, rest = np.split(position, [d * k])
    return matrix.reshape(d, k), rest


def posterior_objective(
    factors: Factors, variance: Array, times: Callable[[Array], Array], unit: float
) -> Objective:
    """L as a function of φ = (P·unit, log s); variance and times as in :meth:`Statistics.of`."""
    d, k = factors.weights.shape
    target = times(factors.weights / factors.noise[:, None])

    def at(position: Array) -> Point[tuple[Array, Array]]:
        scaled, log_std = _split(position, d, k)
        q = Posterior.independent(scaled / unit, log_std)
        statistics = Statistics.of(q, variance, times)
        value = statistics.reconstruction(factors.weights, factors.log_noise) - statistics.kl_prior(q)
        slope = (target - statistics.cross @ factors.precision) / unit
        on_std = 1 - np.exp(2 * log_std) * np.diagonal(factors.precision)
        return Point(position, value, flat(slope, on_std), (q.projection, log_std))

    return at


def theta_objective(statistics: Statistics, unit: float, log_floor: float = -np.inf) -> Objective:
    """E_q[log p(x|z)], the part of L with θ in it, as a function of θ = (W/unit, log ψ), where log ψ may be
    one number, of all columns. Positions with a log ψ below the floor are moved onto it."""
    d, k = statistics.cross.shape

    def at(position: Array) -> Point[tuple[Array, Array]]:
        scaled, own = _split(position, d, k)
        weights, own = scaled * unit, np.maximum(own, log_floor)
        log_noise = np.array(np.broadcast_to(own, d))
        noise = np.exp(log_noise)
        slope = unit * (statistics.cross - weights @ statistics.second) / noise[:, None]
        on_noise = 0.5 * (statistics.error(weights) / noise - 1)
        if len(own) == 1:
            on_noise = on_noise.sum(keepdims=True)
        value = statistics.reconstruction(weights, log_noise)
        return Point(flat(scaled, own), value, flat(slope, on_noise), (weights, own))

    return at

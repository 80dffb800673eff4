"""What of a model is seen on a plane of its data space: the distribution of x projected on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backends.base import Array
from explorer.plane import Plane

_LOG_2PI = math.log(2 * math.pi)
MOST_AXES = 4  # principal axes that are drawn: further ones are short
MOST_STOPS = 500  # of a path


@dataclass(frozen=True, eq=False)
class Marginal:
    """A mixture of Gaussians in canvas coordinates.

    The projection of N(μ, Σ) on a plane with orthonormal basis P and origin o is N(P(μ − o), PΣPᵀ), exactly
    (Bishop 2006, eq. 2.115 without noise).

    weights (K,), means (K, 2). covariances (K, 2, 2); None where the components are no Gaussians.
    axes (m, 2): a standard deviation of p(x) along each principal axis of a model that has such; noise
    (2, 2): the covariance of its noise.
    """

    weights: Array
    means: Array
    covariances: Array | None
    axes: Array | None = None
    noise: Array | None = None

    def log_joint(self, uv: Array) -> Array:
        """log π_k N(uv; m_k, S_k), (n, 2) → (n, K) float64."""
        assert self.covariances is not None
        s = self.covariances
        det = np.maximum(s[:, 0, 0] * s[:, 1, 1] - s[:, 0, 1] ** 2, np.finfo(float).tiny)
        dx, dy = (uv[:, None, i] - self.means[:, i] for i in (0, 1))
        square = (s[:, 1, 1] * dx * dx - 2 * s[:, 0, 1] * dx * dy + s[:, 0, 0] * dy * dy) / det
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.weights) - _LOG_2PI - 0.5 * np.log(det) - 0.5 * square)

    def log_prob(self, uv: Array) -> Array:
        """log p(uv), (n, 2) → (n,) float64."""
        joint = self.log_joint(uv)
        peak = joint.max(1)
        return np.asarray(peak + np.log(np.exp(joint - peak[:, None]).sum(1)))

    def responsibilities(self, uv: Array) -> Array:
        """p(k|uv), (n, 2) → (n, K) float64."""
        joint = self.log_joint(uv)
        share = np.exp(joint - joint.max(1, keepdims=True))
        return np.asarray(share / share.sum(1, keepdims=True))

    def with_component(self, k: int, mean: Array, covariance: Array | None, tied: bool = False) -> Marginal:
        """The same with one component elsewhere; tied: its covariance (2, 2) is that of all."""
        means = self.means.copy()
        means[k] = mean
        covariances = self.covariances
        if covariances is not None and covariance is not None:
            covariances = covariances.copy()
            covariances[slice(None) if tied else k] = covariance
        return replace(self, means=means, covariances=covariances)


def marginal(model: Any, plane: Plane) -> Marginal | None:
    """The projection of a model that has Gaussian components, other components with means, or linear Gaussian
    latents; None of any other."""
    basis = plane.basis
    if not has_components(model):
        return None
    if hasattr(model, "weights"):
        covariances = getattr(model, "covariances", None)
        return Marginal(
            np.asarray(model.weights, np.float64),
            plane.to_canvas(model.means),
            None if covariances is None else basis @ covariances @ basis.T,
        )
    loadings, noise = basis @ model.loadings, (basis * model.noise) @ basis.T
    directions, std = model.principal_axes()
    return Marginal(
        np.ones(1),
        plane.to_canvas(model.mean[None]),
        (loadings @ loadings.T + noise)[None],
        axes=(std[:, None] * (directions @ basis.T))[:MOST_AXES],
        noise=noise,
    )


def has_components(model: Any) -> bool:
    """Whether :func:`marginal` has anything to say of a model."""
    return (hasattr(model, "means") and hasattr(model, "weights")) or hasattr(model, "principal_axes")


def is_gaussian(model: Any) -> bool:
    """Whether the density of a model's :func:`marginal` is known: its components are Gaussian."""
    return hasattr(model, "covariances") or hasattr(model, "principal_axes")


def gaussians(model: Any, plane: Plane) -> Marginal:
    """The :func:`marginal` of a model that has one and :func:`is_gaussian`."""
    found = marginal(model, plane)
    assert found is not None
    return found


@dataclass(frozen=True, eq=False)
class Components:
    """A model's components on a plane, and where their means have been, as :func:`paths` has it."""

    model: Any
    plane: Plane
    marginal: Marginal | None
    paths: Array


def components_of(model: Any, plane: Plane, past: Sequence[Any]) -> Components:
    """All that is drawn of a model's components. past: models of the same run, oldest first."""
    return Components(model, plane, marginal(model, plane), paths(past, plane, model.stamp.step))


def paths(models: Sequence[Any], plane: Plane, until: int) -> Array:
    """Where the means were after each of these models, up to step ``until``: (T, K, 2), T ≤ MOST_STOPS and
    the last of them among them; (0, 0, 2) where models have no means."""
    past = [m for m in models if m.stamp.step <= until and hasattr(m, "means")]
    if not past:
        return np.zeros((0, 0, 2))
    every = -(-len(past) // MOST_STOPS)
    kept = past[::-1][::every][::-1]
    return np.stack([plane.to_canvas(m.means) for m in kept])

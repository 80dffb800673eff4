"""The Gaussian mixture, and how it is learned; its components are in :mod:`backends.exact.gaussians`."""

from __future__ import annotations

import numpy as np

from backends.base import Array, InputError
from backends.exact.components import Components, blocks
from backends.exact.em import MixtureLearner
from backends.exact.gaussians import Gaussians, add_to_diagonal, cholesky
from backends.exact.mixture_model import Mixture
from backends.exact.mixtures import GAUSSIAN_PARAMETERS
from backends.exact.priors import ConjugatePrior
from backends.exact.seeding import nearest
from backends.placement import Placement


class GaussianMixture(Mixture):
    """A Gaussian mixture; ``covariances`` (K, d, d), whatever their type."""

    _components: Gaussians

    @property
    def covariances(self) -> Array:
        """Σ_k as matrices, (K, d, d) float64."""
        return self._components.covariances


class GaussianMixtureLearner(MixtureLearner):
    """Fits a Gaussian mixture by EM; see :mod:`backends.exact.em`."""

    kind = "gmm"
    parameters = GAUSSIAN_PARAMETERS
    model = GaussianMixture

    def place(self, weights: Array, means: Array, covariances: Array) -> None:
        """Go on from weights (K,), means (K, d) and covariances as in :meth:`Gaussians.placed`.

        Raises InputError where these are no mixture of this learner's form.
        """
        form = self._components
        assert isinstance(form, Gaussians)
        shapes = form.means.shape, form.scale.shape
        if (np.shape(means), np.shape(covariances)) != shapes:
            raise InputError(
                f"means and covariances have shapes {np.shape(means)} and {np.shape(covariances)}, "
                f"not {shapes[0]} and {shapes[1]}"
            )
        means, covariances = np.array(means, np.float64), np.array(covariances, np.float64)
        self.begin(weights, form.placed(means, covariances))

    def _start(self, x: Array, centres: Array) -> Gaussians:
        """All components alike: with the covariance of the rows about the centres nearest to them."""
        covariance, reg_covar = str(self._values["covariance"]), float(self._values["reg_covar"])
        k, d = centres.shape
        one = cholesky(add_to_diagonal(_spread(x, centres, covariance)[None], reg_covar), centres, "tied")
        prior = None
        if self._values["prior"] == "conjugate":
            mean = x.mean(0, dtype=np.float64) if len(x) else np.zeros(d)
            # with reg_covar a constant column, too, has a density
            own = add_to_diagonal(_spread(x, mean[None], covariance)[None] / k ** (2 / d), reg_covar)[0]
            prior = ConjugatePrior(covariance, mean, own)
        repeats = 1 if covariance == "tied" else k
        return Gaussians(centres, np.repeat(one, repeats, axis=0), covariance, reg_covar, prior)

    def _placed(self, start: Components, placed: Placement) -> Components:
        """With covariances, where they are given, as in :meth:`Gaussians.placed`; also (d, d) for tied and
        (K,) for spherical."""
        assert isinstance(start, Gaussians)
        own = placed.covariances
        if own is None:
            return start
        shape = start.scale.shape
        short = {"tied": shape[1:], "spherical": shape[:1]}.get(start.covariance, shape)
        if own.shape not in (shape, short):
            raise InputError(
                f"init: covariances have shape {own.shape}, and covariance {start.covariance} takes {short}"
            )
        own = own.reshape(shape)
        if own.ndim == 3 and not np.allclose(own, own.swapaxes(1, 2), rtol=0, atol=1e-9 * np.abs(own).max()):
            raise InputError("init: a covariance matrix is not symmetric")
        try:
            return start.placed(start.means, own)
        except InputError as error:
            raise InputError(f"init: {str(error).partition(':')[0]}") from error


def _spread(x: Array, centres: Array, covariance: str) -> Array:
    """The covariance of rows x (n, d) about the nearest of the centres, (d, d), (d,) or (1,); without rows,
    the identity."""
    d, matrices = x.shape[1], covariance in ("full", "tied")
    if not len(x):
        return np.eye(d) if matrices else np.ones(1 if covariance == "spherical" else d)
    total = np.zeros((d, d) if matrices else d)
    for _, part in blocks(x, d):
        difference = part - centres[nearest(part, centres)]
        total += difference.T @ difference if matrices else np.square(difference).sum(0)
    total /= len(x)
    return total.mean(keepdims=True) if covariance == "spherical" else total

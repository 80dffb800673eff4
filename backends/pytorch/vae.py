"""The variational autoencoder of Kingma & Welling (2014), Auto-Encoding Variational Bayes.

    p(z) = N(0, I),   p(x|z) by a decoder network,   q(z|x) = N(mean(x), LLᵀ) by an encoder network,
    ELBO(x) = E_q[log p(x|z)] − KL(q(z|x)‖p(z)) ≤ log p(x)                                     (their eq. 3)

The expectation is estimated with z = mean + L·ε, ε ~ N(0, I) (eq. 4), the KL term is analytic (app. B). L is
diagonal, or a full lower triangle. With another prior (:mod:`backends.pytorch.latent_priors`) the KL term is
estimated from the same z as the mean of log q(z|x) − log p(z).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from backends.base import (
    Array,
    DataInfo,
    Decoded,
    Elbo,
    Gaussian,
    InputError,
    PosteriorFit,
    Stamp,
    Value,
)
from backends.estimates import SLICE, log_normal, log_sum_exp, slices
from backends.pytorch import VAE_PARAMETERS, check_vae_data
from backends.pytorch.architecture import Architecture
from backends.pytorch.fit_posterior import fit_posterior
from backends.pytorch.gaussians import LOG_2PI
from backends.pytorch.learner import GradientLearner
from backends.pytorch.metric import pull_back
from backends.pytorch.networks import Dropout
from backends.pytorch.one_row import OneRow
from backends.pytorch.training import FlatAdam, require_finite

_CHUNK = 1 << 21  # numbers that a pass over the components of a prior may hold


class VAE:
    """A frozen VAE (see :class:`backends.base.Model`); every method may be called from any thread.

    theta: (architecture.layout.size,) float32, owned by this model and never written to again.
    shift, scale: (d,) float32; the networks see (x − shift)/scale.
    """

    kind = "vae"

    def __init__(
        self, architecture: Architecture, theta: Tensor, shift: Tensor, scale: Tensor, stamp: Stamp
    ) -> None:
        self.stamp = stamp
        self.info = architecture.info
        self.latent_dim = architecture.latent_dim
        self._net = architecture
        self._theta = theta
        self._w = architecture.layout.views(theta)
        self._shift, self._scale = shift, scale

    @property
    def multiplications(self) -> int:
        """Of one row through both networks."""
        return self._net.multiplications

    # -- what crosses the line ------------------------------------------------------------------

    @staticmethod
    def _checked(rows: Array, what: str, width: int, ndim: tuple[int, ...] = (2,)) -> Array:
        """(…, width) float32"""
        array = np.asarray(rows, dtype=np.float32)
        if array.ndim not in ndim or array.shape[-1] != width:
            raise InputError(f"{what} has shape {array.shape}, and this model needs (n, {width})")
        return array

    def _rows(self, rows: Array, what: str, width: int, ndim: tuple[int, ...] = (2,)) -> Tensor:
        """(…, width) → float32 tensor on the device. A copy: NumPy's may be read-only, or change."""
        return torch.tensor(self._checked(rows, what, width, ndim), device=self._theta.device)

    def _data(self, x: Array) -> tuple[Tensor, Tensor]:
        """x in its own units, and standardised."""
        own = self._rows(x, "x", self.info.dim)
        return own, (own - self._shift) / self._scale

    def decode(self, z: Array) -> Decoded:
        """(n, k) latents → mean (n, d) of p(x|z) and, unless it is Bernoulli, std (n, d); data units."""
        if len(z) == 1 and self._one_row is not None:
            return self._one_row.decode(self._checked(z, "z", self.latent_dim))
        with torch.inference_mode():
            out = self._net.decoder(self._rows(z, "z", self.latent_dim), self._w)
            mean, std = self._net.likelihood.moments(out, self._w)
            mean = mean * self._scale + self._shift
            return Decoded(mean.cpu().numpy(), None if std is None else (std * self._scale).cpu().numpy())

    @cached_property
    def _one_row(self) -> OneRow | None:
        if not OneRow.suits(self._net, self._theta.device):
            return None
        return OneRow(self._net, self._w, self._shift, self._scale)

    def metric(self, z: Array, directions: Array | None = None) -> Array:
        """G(z) = JᵀJ of the decoder's mean in data units, (n, k) → (n, k, k) float64; see
        :class:`backends.capabilities.HasMetric`."""
        with torch.no_grad():
            latents = self._rows(z, "z", self.latent_dim)
            width = self.info.dim * max(2, self.info.levels)
            return np.asarray(pull_back(self._mean, latents, width, directions).cpu().numpy())

    def _mean(self, z: Tensor) -> Tensor:
        """E[x|z] in data units but for its shift, (n, k) → (n, d) float64: a probability near 1 has its slope
        p(1 − p) lost in float32."""
        out = self._net.decoder(z, self._w).double()
        return self._net.likelihood.moments(out, self._w)[0] * self._scale

    def encode(self, x: Array) -> Gaussian:
        """(n, d) data → q(z|x), diagonal or with a scale_tril."""
        if len(x) == 1 and self._one_row is not None:
            return self._one_row.encode(self._checked(x, "x", self.info.dim))
        with torch.inference_mode():
            return self._net.encode(self._data(x)[1], self._w).numpy()

    def log_prior(self, z: Array) -> Array:
        """log p(z), (n, k) → (n,) float64."""
        wide = np.asarray(z, dtype=np.float64)
        if self._components is None:
            return np.asarray(-0.5 * (wide**2).sum(-1) - 0.5 * self.latent_dim * LOG_2PI)
        log_weights, components = self._components
        rows = wide.reshape(-1, self.latent_dim)
        out = np.empty(len(rows))
        for part in slices(len(rows), _CHUNK / (len(log_weights) * self.latent_dim)):
            out[part] = log_sum_exp(log_weights[:, None] + log_normal(components, rows[part]), 0)
        return out.reshape(wide.shape[:-1])

    @cached_property
    def _components(self) -> tuple[Array, Gaussian] | None:
        """Logarithms of the weights (K,), float64, and components of the prior; None where it is N(0, I)."""
        if self._net.prior is None:
            return None
        with torch.inference_mode():
            log_weights, components = self._net.prior.components(self._w)
            return log_weights.cpu().double().numpy(), components.numpy()

    def sample_prior(self, n: int, seed: int) -> Array:
        """z ~ p(z), (n, k) float32."""
        rng = np.random.default_rng(seed)
        if self._components is None:
            return rng.standard_normal((n, self.latent_dim), dtype=np.float32)
        log_weights, of = self._components
        weights = np.exp(log_weights)
        j = rng.choice(len(weights), n, p=weights / weights.sum())
        noise = rng.standard_normal((n, self.latent_dim), dtype=np.float32)
        if of.scale_tril is None:
            return np.asarray(of.mean[j] + of.std[j] * noise)
        return np.asarray(of.mean[j] + (of.scale_tril[j] @ noise[:, :, None])[:, :, 0])

    def sample(self, n: int, seed: int) -> Array:
        """x ~ p(x), (n, d) float32: z from the prior, then x from p(x|z), its noise included."""
        generator = torch.Generator().manual_seed(seed)
        with torch.inference_mode():
            if self._net.prior is None:
                z = torch.randn((n, self.latent_dim), generator=generator)
            else:
                z = torch.tensor(self.sample_prior(n, seed))
            return self._draw(z.to(self._theta.device), generator)

    def sample_given(self, z: Array, seed: int) -> Array:
        """x ~ p(x|z), (n, k) latents → (n, d) float32."""
        with torch.inference_mode():
            return self._draw(self._rows(z, "z", self.latent_dim), torch.Generator().manual_seed(seed))

    def _draw(self, z: Tensor, generator: torch.Generator) -> Array:
        x = self._net.likelihood.sample(self._net.decoder(z, self._w), self._w, generator)
        return np.asarray((x * self._scale + self._shift).cpu().numpy())

    def entropy_given(self, z: Array) -> Array:
        """−E[log p(x|z)] in the data's units, (n, k) latents → (n,) float64."""
        with torch.inference_mode():
            out = self._net.decoder(self._rows(z, "z", self.latent_dim), self._w)
            entropy = self._net.likelihood.entropy(out, self._w).double()
            return np.asarray((entropy - self._net.likelihood.log_volume(self._scale)).cpu().numpy())

    def log_joint(self, x: Array, z: Array) -> Array:
        """log p(x, z), (n, m) float64, of x (n, d) and z (m, k), shared by all rows, or (n, m, k).

        Raises InputError for shapes that do not fit and for x outside the decoder's support.
        """
        with torch.inference_mode():
            own, x_s = self._data(x)
            likelihood = self._net.likelihood
            likelihood.check(own)
            latents = self._rows(z, "z", self.latent_dim, ndim=(2, 3))
            if latents.ndim == 3 and len(latents) != len(own):
                raise InputError(f"there are {len(own)} rows of x and {len(latents)} of z")
            out = self._net.decoder(latents, self._w)
            if latents.ndim == 2:
                log_lik = likelihood.log_prob_table(out, self._w, x_s)
            else:
                log_lik = likelihood.log_prob(out, self._w, x_s.unsqueeze(1)).double()
            log_lik += likelihood.log_volume(self._scale)
            return np.asarray(log_lik.cpu().numpy() + self.log_prior(z))

    def elbo(self, x: Array, samples: int = 1, seed: int = 0) -> Elbo:
        """Both terms for each row of x (n, d); the reconstruction is a mean over ``samples`` draws of z, and
        so is the KL where the prior is not N(0, I).

        Standard errors are those of the means; with a single draw there is no telling, and they are None.
        """
        generator = torch.Generator().manual_seed(seed)
        with torch.inference_mode():
            own, x_s = self._data(x)
            likelihood = self._net.likelihood
            likelihood.check(own)
            q = self._net.encode(x_s, self._w)
            draws, kl = np.empty((2, samples, len(own)))
            for s in range(samples):
                noise = torch.randn(q.mean.shape, generator=generator)
                z = q.draw(noise.to(q.mean.device))
                draws[s] = likelihood.log_prob(self._net.decoder(z, self._w), self._w, x_s).cpu().numpy()
                if self._components is not None:
                    kl[s] = q.double().log_prob_of(noise.double()).numpy() - self.log_prior(z.cpu().numpy())
            draws += float(likelihood.log_volume(self._scale))
            if self._components is None:
                return Elbo(draws.mean(0), q.double().kl_to_normal().numpy(), _stderr(draws))
        return Elbo(draws.mean(0), kl.mean(0), _stderr(draws - kl), _stderr(draws), _stderr(kl))

    def fit_posterior(self, x: Array, steps: int = 100, seed: int = 0) -> Generator[PosteriorFit, None, None]:
        """Optimise a Gaussian for x (d,) alone; see :class:`backends.capabilities.FitsPosterior`.

        Raises InputError for another shape, and for x outside the decoder's support.
        """
        net, w = self._net, self._w
        own, row = self._data(np.asarray(x, np.float32)[None])
        net.likelihood.check(own)
        log_volume = net.likelihood.log_volume(self._scale)

        def log_joint(z: Tensor) -> Tensor:
            return net.likelihood.log_prob(net.decoder(z, w), w, row) + log_volume + net.log_prior(z, w)

        with torch.no_grad():
            q = net.encode(row, w)
        rows = int(5 * SLICE / (6 * net.multiplications))  # there and back; products of matrices are quick
        return fit_posterior(log_joint, q.mean[0], q.tril[0], steps, seed, rows)

    def theta(self) -> Array:
        """All weights (and the decoder's log σ) as one vector, float64."""
        return np.asarray(self._theta.cpu().double().numpy())

    def at(self, theta: Array) -> VAE:
        """The same VAE with other weights, in the order of :meth:`theta`."""
        if np.shape(theta) != (self._net.layout.size,):
            raise InputError(f"theta has shape {np.shape(theta)}, not ({self._net.layout.size},)")
        flat = torch.tensor(theta, dtype=torch.float32, device=self._theta.device)
        return VAE(self._net, flat, self._shift, self._scale, self.stamp)


def _stderr(draws: Array) -> Array | None:
    """Standard error of the mean over draws (s, n), (n,); None for a single one."""
    return draws.std(0, ddof=1) / math.sqrt(len(draws)) if len(draws) > 1 else None


class VAELearner(GradientLearner):
    """Trains a VAE by Adam on −E_q[log p(x|z)] + β·KL(q(z|x)‖p(z)), averaged over the batch, or on −IWAE-K,
    −log (1/K) Σ p(x|z)·(p(z)/q(z|x))^β with K draws of z a row (Burda et al. 2016, eq. 8).

    Parameters are :data:`backends.pytorch.VAE_PARAMETERS`.
    """

    parameters = VAE_PARAMETERS

    def _check_data(self, info: DataInfo) -> None:
        check_vae_data(info, self._values)

    def _build(self, info: DataInfo, initial: torch.Generator) -> None:
        self._net = Architecture(info, self._values)
        self._net.likelihood.check(self._rows)
        self._use_standardisation(*self._net.likelihood.standardisation(self._rows))
        theta = torch.empty(self._net.layout.size)
        self._net.initialise(self._net.layout.views(theta), self._batches.x.cpu(), initial)
        rate = float(self._values["learning_rate"])
        self._optimiser = FlatAdam(self._net.layout, theta.to(self._device), rate)

    def _use_standardisation(self, shift: Tensor, scale: Tensor) -> None:
        self._shift, self._scale = shift.to(self._device), scale.to(self._device)
        self._log_volume = float(self._net.likelihood.log_volume(scale))
        self._batches.x = (self._rows - shift).div_(scale).to(self._device)

    def set(self, name: str, value: Value) -> None:
        super().set(name, value)
        if name == "learning_rate":
            self._optimiser.set_learning_rate(float(self._values[name]))

    def _dropout(self) -> Dropout | None:
        p = float(self._values["dropout"])
        if p == 0:
            return None
        seed = int(torch.randint(2**62, (), generator=self._noise))
        return Dropout(p, seed, self._optimiser.theta.device)

    def step(self) -> Mapping[str, float]:
        """One minibatch; its "elbo", "reconstruction", "kl_prior" and "loss" in nats a datum, data units, and
        while it is annealed the "beta" of this step.

        With dropout they are those of the thinned encoder: a valid bound, below the whole encoder's.
        """
        x = self._batches.next()
        anneal, beta = int(self._values["anneal"]), float(self._values["beta"])
        if self._steps < anneal:
            beta *= self._steps / anneal
        terms = self._iwae if self._values["objective"] == "iwae" else self._elbo
        reconstruction, kl, loss = terms(x, beta)
        norm = self._optimiser.backward(loss)
        # All scalars in one transfer: on a GPU each would wait for the device.
        rec, kl_prior, value, gradient = torch.stack((reconstruction, kl, loss, norm)).tolist()
        rec += self._log_volume
        value -= self._log_volume
        scalars = {"elbo": rec - kl_prior, "reconstruction": rec, "kl_prior": kl_prior, "loss": value}
        require_finite(scalars, gradient, self._steps + 1)
        if self._steps < anneal:
            scalars["beta"] = beta
        self._optimiser.update()
        self._steps += 1
        return scalars

    def _elbo(self, x: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction, KL and loss of a batch, scalars."""
        net, w = self._net, self._optimiser.w
        q = net.encode(x, w, self._dropout())
        noise = torch.randn(q.mean.shape, generator=self._noise).to(x.device)
        z = q.draw(noise)
        reconstruction = net.likelihood.log_prob(net.decoder(z, w), w, x).mean()
        kl = net.kl_prior(q, z, noise, w).mean()
        return reconstruction, kl, beta * kl - reconstruction

    def _iwae(self, x: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor]:
        """The same with K draws of z a row, and the bound's negative as loss."""
        net, w, samples = self._net, self._optimiser.w, int(self._values["importance_samples"])
        q = net.encode(x, w, self._dropout())
        noise = torch.randn((samples, *q.mean.shape), generator=self._noise).to(x.device)
        reconstruction, minus_kl = net.log_weights(q, x, noise, w)
        bound = torch.logsumexp(reconstruction + beta * minus_kl, 0).mean() - math.log(samples)
        kl = -minus_kl if net.prior is not None else q.kl_to_normal()
        return reconstruction.mean(), kl.mean(), -bound

    def snapshot(self) -> VAE:
        theta, shift, scale = self._frozen(self._optimiser.theta)
        return VAE(self._net, theta, shift, scale, Stamp(self._run, self._steps))

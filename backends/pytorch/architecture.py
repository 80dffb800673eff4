"""What a VAE is made of, as functions of its weights: encoder, decoder, likelihood, posterior and prior."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Generator, Tensor

from backends.base import DataInfo, Value
from backends.pytorch.convolutions import ConvolutionalDecoder, ConvolutionalEncoder
from backends.pytorch.decoders import make_likelihood
from backends.pytorch.gaussians import LOG_2PI, Diagonal, Full, Gaussians
from backends.pytorch.latent_priors import LearnedMixture, Mixture, VampPrior, log_mixture
from backends.pytorch.networks import MLP, Dropout, Layout, Weights


class Architecture:
    """Networks, likelihood, posterior and prior, without their weights: immutable, shared by all snapshots.

    Below, x is standardised, (n, d), and w the weights by name.
    """

    def __init__(self, info: DataInfo, values: Mapping[str, Value]) -> None:
        self.info = info
        self.latent_dim = k = int(values["latent_dim"])
        hidden = [int(values["width"])] * int(values["depth"])
        activation = str(values["activation"])
        self.likelihood = make_likelihood(info, values)
        self.posterior: type[Diagonal] | type[Full] = Full if values["posterior"] == "full" else Diagonal
        outputs = self.posterior.outputs(k)
        self.encoder: MLP | ConvolutionalEncoder
        self.decoder: MLP | ConvolutionalDecoder
        if values["network"] == "convolutional":
            assert info.image_shape is not None
            image, channels, out = info.image_shape, int(values["channels"]), self.likelihood.outputs
            self.encoder = ConvolutionalEncoder(image, channels, hidden, outputs, activation)
            self.decoder = ConvolutionalDecoder(image, channels, hidden, k, out, activation)
        else:
            self.encoder = MLP("encoder", [info.dim, *hidden, outputs], activation)
            self.decoder = MLP("decoder", [k, *hidden, self.likelihood.outputs], activation)
        self.prior = self._make_prior(str(values["prior"]), int(values["prior_components"]))
        shapes = self.encoder.shapes | self.decoder.shapes | self.likelihood.shapes
        self.layout = Layout(shapes if self.prior is None else shapes | self.prior.shapes)

    def _make_prior(self, name: str, components: int) -> Mixture | None:
        """None: N(0, I)."""
        if name == "normal":
            return None
        if name == "mixture":
            return LearnedMixture(components, self.latent_dim)
        return VampPrior(components, self.info.dim, self.encode)

    @property
    def multiplications(self) -> int:
        """Of one row through encoder and decoder."""
        return self.encoder.multiplications + self.decoder.multiplications

    def initialise(self, w: Weights, x: Tensor, generator: Generator) -> None:
        """Fill the weights, on the CPU, from ``generator``; x may have no rows."""
        self.encoder.initialise(w, generator)
        self.decoder.initialise(w, generator)
        self.likelihood.initialise(w)
        if self.prior is not None:
            self.prior.initialise(w, x, generator)

    def encode(self, x: Tensor, w: Weights, drop: Dropout | None = None) -> Gaussians:
        """q(z|x) of each row."""
        return self.posterior.of(self.encoder(x, w, drop), self.latent_dim)

    def kl_prior(self, q: Gaussians, z: Tensor, noise: Tensor, w: Weights) -> Tensor:
        """KL(q‖p(z)), (n,), where it is analytic; else log q(z) − log p(z), (…, n), whose mean it is, at what
        q draws from noise (…, n, k), z."""
        if self.prior is None:
            return q.kl_to_normal()
        return q.log_prob_of(noise) - self.log_prior(z, w)

    def log_prior(self, z: Tensor, w: Weights) -> Tensor:
        """log p(z), (…, k) → (…,)."""
        if self.prior is None:
            return -0.5 * (z.square() + LOG_2PI).sum(-1)
        return log_mixture(*self.prior.components(w), z)

    def log_weights(self, q: Gaussians, x: Tensor, noise: Tensor, w: Weights) -> tuple[Tensor, Tensor]:
        """log p(x|z) and log p(z) − log q(z|x) of the z that q draws from noise (…, n, k): (…, n) each. Their
        sum is the logarithm of an importance weight (Burda et al. 2016, eq. 8)."""
        z = q.draw(noise)
        log_likelihood = self.likelihood.log_prob(self.decoder(z, w), w, x)
        return log_likelihood, self.log_prior(z, w) - q.log_prob_of(noise)

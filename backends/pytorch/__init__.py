"""Models in PyTorch. Importing this module does not import torch; ``load`` does."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace

from backends.base import DataInfo, InputError, Value
from backends.exact import factors, mixtures
from backends.parameters import Parameter
from backends.pytorch.flows import kinds as flows
from backends.registry import Backend, ModelKind, lazy

CONVOLVED = (8, 128)  # pixels a side of images that a convolutional network takes
MOST_FULL = 128  # latents of a full covariance, which the encoder writes k²/2 numbers for
MOST_LEVELS = 256  # of a pixel; its decoder's tables grow with them

VAE_PARAMETERS = (
    Parameter("latent_dim", "int", 2, "Dimension k of the latent vector z.", minimum=1, maximum=512),
    Parameter(
        "network", "choice", "mlp",
        "Of encoder and decoder: a multi-layer perceptron; or for images of 8 to 128 pixels a side, grey or "
        "in colours, convolutions that halve the image until 4 pixels a side are left, and their mirror "
        "image, with the hidden layers between them.",
        choices=("mlp", "convolutional"),
    ),
    Parameter(
        "channels", "int", 16,
        "Channels of a convolutional network after the first halving of the image; up to 4 times as many "
        "after the later ones.",
        minimum=1, maximum=512, when=("network", ("convolutional",)),
    ),
    Parameter(
        "depth", "int", 2,
        "Hidden layers in the encoder and in the decoder; 0 makes both linear, which with the Gaussian "
        "decoder of shared σ is probabilistic PCA.",
        minimum=0, maximum=8,
    ),
    Parameter("width", "int", 256, "Units in each hidden layer.", minimum=1, maximum=8192),
    Parameter(
        "activation", "choice", "relu", "Non-linearity after each hidden layer.",
        choices=("relu", "tanh", "gelu", "softplus", "silu"),
    ),
    Parameter(
        "decoder", "choice", "bernoulli",
        "The likelihood p(x|z): Bernoulli for data of 0 and 1; Gaussian N(mean(z), σ²) with learned σ; or "
        "discrete, a discretised logistic over the integer levels of a pixel.",
        choices=("bernoulli", "gaussian", "discrete"),
    ),
    Parameter(
        "variance", "choice", "shared",
        "The Gaussian decoder's learned σ: one for all columns, or one a column. In either case it is kept "
        "between 0.01 and 10 times the scale of the data.",
        choices=("shared", "per-pixel"), when=("decoder", ("gaussian",)),
    ),
    Parameter(
        "learning_rate", "float", 1e-3, "Step size of Adam.",
        minimum=0, maximum=1, open_minimum=True, live=True,
    ),
    Parameter(
        "beta", "float", 1.0,
        "Weight β of the KL term: the loss is −E_q[log p(x|z)] + β·KL(q(z|x)‖p(z)). At 1 it is −ELBO; the "
        "ELBO shown is always the one of β = 1.",
        title="β", minimum=0, maximum=1000, live=True,
    ),
    Parameter(
        "dropout", "float", 0.4,
        "Share of the encoder's hidden units left out at random in each training step; a snapshot uses them "
        "all. Without it the encoder learns a small data set by heart: the held-out ELBO then falls while "
        "log p(x) still rises.",
        minimum=0, maximum=0.9, live=True,
    ),
    Parameter(
        "batch_size", "int", 128,
        "Rows a step. Each epoch goes through the rows in a new random order; its last batch may be smaller.",
        minimum=1, maximum=1_000_000,
    ),
    Parameter(
        "objective", "choice", "elbo",
        "What training raises: the ELBO, or the importance-weighted bound IWAE-K, which lies between it and "
        "log p(x) (Burda et al. 2016). The ELBO shown stays the ELBO.",
        choices=("elbo", "iwae"),
    ),
    Parameter(
        "importance_samples", "int", 5, "Draws K of z a row and step, with objective iwae.",
        title="IWAE draws K", minimum=1, maximum=1000, when=("objective", ("iwae",)),
    ),
    Parameter(
        "anneal", "int", 0,
        "β-annealing: over so many steps the weight of the KL term rises linearly from 0 to β. It lets a "
        "decoder begin to use its latents before the prior pulls at them (Bowman et al. 2016).",
        title="β annealing", minimum=0, maximum=1_000_000_000,
    ),
    Parameter(
        "posterior", "choice", "diagonal",
        "The covariance of the Gaussian q(z|x): diagonal, or full, by its Cholesky factor.",
        choices=("diagonal", "full"),
    ),
    Parameter(
        "prior", "choice", "normal",
        "p(z): N(0, I); a mixture of K Gaussians whose weights, means and scales are learned; or the "
        "VampPrior, the mean of q(z|u) over K learned pseudo-inputs u (Tomczak & Welling 2018). Of the last "
        "two the KL term is estimated by Monte Carlo.",
        choices=("normal", "mixture", "vampprior"),
    ),
    Parameter(
        "prior_components", "int", 16, "Components K of the prior, where it is a mixture or the VampPrior.",
        title="Components K", minimum=1, maximum=1000, when=("prior", ("mixture", "vampprior")),
    ),
    Parameter(
        "scaling", "choice", "shared",
        "How the model standardises real-valued data inside: it subtracts each column's training mean and "
        "divides by one common scale, by a scale a column, or leaves the data as they are. Densities are in "
        "the data's own units all the same. Bernoulli and discrete decoders need none.",
        choices=("shared", "per-column", "none"), when=("decoder", ("gaussian",)),
    ),
)  # fmt: skip


def check_vae_data(info: DataInfo, values: Mapping[str, Value]) -> None:
    """Raise InputError when the chosen decoder is not a likelihood of such data."""
    decoder = values["decoder"]
    if decoder == "bernoulli" and info.values != "binary":
        other = "discrete or gaussian" if info.values == "integer" else "gaussian"
        raise InputError(
            f"the Bernoulli decoder needs data of 0 and 1, and {info.name} has {info.values} values: "
            f"choose decoder {other}"
        )
    if decoder == "discrete" and info.values not in ("binary", "integer"):
        raise InputError(
            f"the discrete decoder needs integer levels, and {info.name} has {info.values} values: "
            "choose decoder gaussian"
        )
    if decoder == "discrete" and info.values == "integer" and not 2 <= info.levels <= MOST_LEVELS:
        raise InputError(
            f"the discrete decoder takes 2 to {MOST_LEVELS} levels, and {info.name} has {info.levels}"
        )
    if values["network"] == "convolutional":
        shape = info.image_shape
        if shape is None:
            raise InputError(
                f"a convolutional network needs images, and {info.name} has none: choose network mlp"
            )
        low, high = CONVOLVED
        if min(shape[:2]) < low or max(shape[:2]) > high:
            raise InputError(
                f"a convolutional network takes images of {low} to {high} pixels a side, and those of "
                f"{info.name} have {shape[0]} × {shape[1]}: choose network mlp"
            )
    if values["posterior"] == "full" and int(values["latent_dim"]) > MOST_FULL:
        raise InputError(
            f"a full covariance of {values['latent_dim']} latents has too many numbers: choose posterior "
            f"diagonal, or latent_dim up to {MOST_FULL}"
        )


#: What the drivers of NVIDIA, AMD, and Windows below Linux put there.
_DRIVERS = ("/dev/nvidiactl", "/dev/nvidia0", "/proc/driver/nvidia", "/dev/kfd", "/dev/dxg")


def devices() -> tuple[str, ...]:
    """What can be computed on here, as torch names it. Imports torch, which takes seconds, unless it can be
    seen without it that there is no GPU."""
    if sys.platform.startswith("linux") and not any(map(os.path.exists, _DRIVERS)):
        return ("cpu",)
    import torch

    found = ["cpu"]
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        found += ["cuda"] if count == 1 else [f"cuda:{i}" for i in range(count)]
    if torch.backends.mps.is_available():
        found.append("mps")
    return tuple(found)


def vae_size(info: DataInfo, values: Mapping[str, Value]) -> int:
    """Parameters of a VAE, without building it."""
    size: int = lazy("backends.pytorch.vae:Architecture")()(info, values).layout.size
    return size


_VAE_CAPABILITIES = frozenset(
    (
        "decodes",
        "metric",
        "encodes",
        "prior",
        "samples",
        "log_joint",
        "elbo",
        "parameters",
        "entropy",
        "posterior_fit",
    )
)
_MIXTURES = ("TorchGaussianMixtureLearner", "TorchBernoulliMixtureLearner")

BACKEND = Backend(
    name="pytorch",
    title="PyTorch",
    kinds=(
        ModelKind(
            name="vae",
            title="Variational autoencoder",
            doc="Learns an encoder q(z|x) and a decoder p(x|z) together by maximising the ELBO "
            "(Kingma & Welling 2014).",
            parameters=VAE_PARAMETERS,
            capabilities=_VAE_CAPABILITIES,
            load=lazy("backends.pytorch.vae:VAELearner"),
            default_steps=10_000,
            check_data=check_vae_data,
            size=vae_size,
        ),
        *flows.KINDS,
        *(
            replace(kind, load=lazy(f"backends.pytorch.factors:{kind.name.replace('-', '_')}"))
            for kind in factors.KINDS
        ),
        *(
            replace(kind, load=lazy(f"backends.pytorch.mixtures:{learner}"))
            for kind, learner in zip(mixtures.KINDS, _MIXTURES, strict=True)
        ),
    ),
    devices=devices,
    libraries=("torch",),
)

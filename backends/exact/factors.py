"""PPCA and factor analysis: how they are declared. Importing this module imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

from backends.base import DataInfo, InputError, Value
from backends.parameters import Parameter
from backends.registry import ModelKind, lazy

_LATENT_DIM = Parameter("latent_dim", "int", 2, "Dimension k of the latent vector z.", minimum=1, maximum=512)
_METHOD = Parameter(
    "method", "choice", "em",
    "EM climbs to the maximum of the likelihood step by step; closed-form is there at the first step, by "
    "the eigenvectors of the covariance.",
    choices=("em", "closed-form"),
)  # fmt: skip
_EM = (
    Parameter(
        "minimum_variance", "float", 1e-6,
        "No noise variance falls below this share of the columns' mean variance. Without such a floor a "
        "constant column, or as many factors as the data have dimensions, would make the density infinite.",
        minimum=1e-12, maximum=1,
    ),
    Parameter(
        "posterior", "choice", "exact",
        "The q(z|x) of the E-step. exact: p(z|x), which closes the gap between the ELBO and log p(x). "
        "Restricted ones leave KL(q‖p(z|x)) open. diagonal: the best q of independent latents (mean field); "
        "EM then turns the latents until they are independent, and the gap closes slowly. spherical: the "
        "best q with one variance for all latents; its gap stays. gradient: a linear encoder with parameters "
        "φ of its own, improved by gradient steps in E, and θ by gradient steps in M.",
        choices=("exact", "diagonal", "spherical", "gradient"),
    ),
    Parameter(
        "gradient_steps", "int", 10,
        "With posterior gradient: gradient steps on φ in each E-step and on θ in each M-step.",
        minimum=1, maximum=10_000, live=True,
    ),
    Parameter(
        "learning_rate", "float", 0.5,
        "With posterior gradient: the length η of a step, φ ← φ + η∇φ L and θ ← θ + η∇θ L, in units in which "
        "the data have variance one. A step that would lower the ELBO is halved until it does not.",
        minimum=0, maximum=1e6, open_minimum=True, live=True,
    ),
    Parameter(
        "batch_size", "int", 0,
        "Rows a step, in a new random order each epoch; 0 takes all. In batches M takes running averages "
        "over the batches so far (Cappé & Moulines 2009), and the ELBO is that of the batch.",
        minimum=0, maximum=2**31 - 1,
    ),
)  # fmt: skip
PPCA_PARAMETERS = (_LATENT_DIM, _METHOD, *_EM)
FACTOR_ANALYSIS_PARAMETERS = (_LATENT_DIM, *_EM)


def check_data(info: DataInfo, values: Mapping[str, Value]) -> None:
    """Raise InputError where settings contradict each other."""
    if values.get("method") != "closed-form":
        return
    if values["posterior"] != "exact":
        raise InputError(
            f"the closed form has no E-step for posterior {values['posterior']}: choose method em"
        )
    if values["batch_size"]:
        raise InputError("the closed form takes all rows at once: choose method em, or batch_size 0")


def _ppca_size(info: DataInfo, values: Mapping[str, Value]) -> int:
    return info.dim * (int(values["latent_dim"]) + 1) + 1


def _factor_analysis_size(info: DataInfo, values: Mapping[str, Value]) -> int:
    return info.dim * (int(values["latent_dim"]) + 2)


_CAPABILITIES = frozenset(
    (
        "decodes", "encodes", "prior", "samples", "log_prob", "log_joint", "elbo", "parameters", "bound",
        "entropy", "metric",
    )
)  # fmt: skip
KINDS = (
    ModelKind(
        name="ppca",
        title="Probabilistic PCA",
        doc="A plane through the data with the same Gaussian noise in every direction around it; all exact "
        "(Tipping & Bishop 1999).",
        parameters=PPCA_PARAMETERS,
        capabilities=_CAPABILITIES,
        load=lazy("backends.exact.factor_learners:ppca"),
        default_steps=100,
        half_steps=True,
        check_data=check_data,
        size=_ppca_size,
    ),
    ModelKind(
        name="factor-analysis",
        title="Factor analysis",
        doc="A plane through the data with a Gaussian noise of its own in every column; all exact "
        "(Rubin & Thayer 1982).",
        parameters=FACTOR_ANALYSIS_PARAMETERS,
        capabilities=_CAPABILITIES,
        load=lazy("backends.exact.factor_learners:factor_analysis"),
        default_steps=100,
        half_steps=True,
        check_data=check_data,
        size=_factor_analysis_size,
    ),
)

"""Mixtures fitted by EM: how they are declared. Importing this module imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

from backends.base import DataInfo, InputError, Value
from backends.parameters import Parameter
from backends.placement import COMPONENTS, Placement, parse_placement
from backends.registry import ModelKind, lazy

_MOST_NUMBERS = 2**27  # in one array of covariances: 1 GiB

_COMPONENTS = Parameter(
    "components", "int", 5, "Number K of components: p(x) = Σ_k π_k p(x|k).",
    minimum=1, maximum=4096,
)  # fmt: skip
_INIT = Parameter(
    "init", "choice", "k-means++",
    "Where the components begin: on K rows drawn one after the other, far ones more likely (k-means++, by "
    "squared distance), or on K rows drawn at random. Or where they are put: K means, and if wanted "
    "covariances and weights, as JSON or in a file.",
    choices=("k-means++", "random-points"), custom=COMPONENTS,
)  # fmt: skip

_FITTING = (
    Parameter(
        "posterior", "choice", "exact",
        "The q(k|x) of the bound L(q, θ). exact: p(k|x), and EM is exact. hard: all mass on the most "
        "probable component; k-means is its limit. gradient: a softmax of a linear function of the "
        "standardised x, whose parameters φ, and then θ, climb the bound by gradient steps. With the last "
        "two a gap KL(q‖p(k|x)) to log p(x) stays.",
        choices=("exact", "hard", "gradient"),
    ),
    Parameter(
        "gradient_steps", "int", 10,
        "With posterior gradient: steps φ ← φ + η∇L in each E half-step, and steps θ ← θ + η∇L in each M "
        "half-step, by all rows of the data or batch, L in nats a datum.",
        minimum=1, maximum=10_000, live=True, when=("posterior", ("gradient",)),
    ),
    Parameter(
        "learning_rate", "float", 1.0,
        "With posterior gradient: the η of those steps. One that would lower L is halved until it does not, "
        "so that the bound never falls, whatever η.",
        minimum=0, open_minimum=True, maximum=1e6, live=True, when=("posterior", ("gradient",)),
    ),
    Parameter(
        "batch_size", "int", 0,
        "Rows in a step; 0, or as many as there are, for all. By batches it is stochastic EM: the M-step "
        "takes a running average of the batches' statistics, in which batch t has weight (t + 2)^−0.6 "
        "(Cappé & Moulines 2009), and what a step reports is of its batch.",
        minimum=0, maximum=2**31 - 1,
    ),
)  # fmt: skip

GAUSSIAN_PARAMETERS = (
    _COMPONENTS,
    Parameter(
        "covariance", "choice", "full",
        "The shape of the components: each with a covariance matrix of its own (full), all with the same one "
        "(tied), each with a variance for every column (diag), or each with a single variance (spherical).",
        choices=("full", "tied", "diag", "spherical"),
    ),
    _INIT,
    Parameter(
        "reg_covar", "float", 1e-6,
        "Added to the variances in every M-step, in squared units of the data, so that no component can "
        "shrink to a point of infinite density. At 0 it is plain maximum likelihood, whose log p(x) never "
        "falls; above 0 the last digits may.",
        title="Covariance floor", minimum=0, maximum=1e12,
    ),
    Parameter(
        "prior", "choice", "none",
        "Maximum likelihood (none), under which a component may collapse onto a point; or the mode of the "
        "posterior under a conjugate prior, Dirichlet on the weights and normal–inverse-Wishart on means and "
        "covariances, with the defaults of Fraley & Raftery (2007), under which none does. The covariance "
        "floor is then part of the prior.",
        choices=("none", "conjugate"),
    ),
    *_FITTING,
)  # fmt: skip

BERNOULLI_PARAMETERS = (
    _COMPONENTS,
    _INIT,
    Parameter(
        "floor", "float", 1e-3,
        "Each pixel's probability of being on stays between this and one minus this: a pixel that is never "
        "on in the training rows would otherwise make every image that has it impossible.",
        title="Probability floor", minimum=1e-12, maximum=0.25,
    ),
    *_FITTING,
)  # fmt: skip


def gaussian_size(info: DataInfo, values: Mapping[str, Value]) -> int:
    """Numbers in a Gaussian mixture's weights, means and covariances."""
    k, d = int(values["components"]), info.dim
    return (
        k
        + k * d
        + {"full": k * d * d, "tied": d * d, "diag": k * d, "spherical": k}[str(values["covariance"])]
    )


def check_posterior(values: Mapping[str, Value]) -> None:
    """Raise InputError for gradient steps with a prior, which they leave out."""
    if values["posterior"] == "gradient" and values.get("prior", "none") != "none":
        raise InputError(
            f"posterior gradient climbs the bound without a prior: choose prior none, not {values['prior']}"
        )


def placement(info: DataInfo, values: Mapping[str, Value]) -> Placement | None:
    """Where a hand has put the components; None where init is one of the choices. Raises InputError where
    they are of another number than ``components``, or not in the space of the data."""
    init = str(values["init"])
    if init in _INIT.choices:
        return None
    placed = parse_placement(init)
    k, d = placed.means.shape
    if k != values["components"]:
        there = "is 1 mean" if k == 1 else f"are {k} means"
        raise InputError(f"init: there {there}, and components is {values['components']}")
    if d != info.dim:
        raise InputError(f"init: the means have {d} columns, and {info.name} has {info.dim}")
    return placed


def check_gaussian_data(info: DataInfo, values: Mapping[str, Value]) -> None:
    """Raise InputError when the covariances would not fit into memory, or the settings exclude each other."""
    check_posterior(values)
    placement(info, values)
    size = gaussian_size(info, values)
    if size > _MOST_NUMBERS:
        raise InputError(
            f"{values['components']} components of covariance {values['covariance']} in {info.dim} columns "
            f"take {size:,} numbers, and {_MOST_NUMBERS:,} is the most: choose covariance diag"
        )


def bernoulli_size(info: DataInfo, values: Mapping[str, Value]) -> int:
    """Numbers in the weights and probabilities of a mixture of Bernoullis."""
    return int(values["components"]) * (1 + info.dim)


def check_bernoulli_data(info: DataInfo, values: Mapping[str, Value]) -> None:
    """Raise InputError for data other than 0 and 1, and for means that are not in their space."""
    if info.values != "binary":
        raise InputError(
            f"a mixture of Bernoullis needs data of 0 and 1, and {info.name} has {info.values} values: "
            "choose model gmm"
        )
    placement(info, values)


_CAPABILITIES = frozenset(("encodes", "samples", "log_prob", "elbo", "parameters", "bound"))

KINDS: tuple[ModelKind, ...] = (
    ModelKind(
        name="gmm",
        title="Gaussian mixture",
        doc="Data from K Gaussian components, fitted by EM (Dempster et al. 1977): the E-step says which "
        "component each point may come from, the M-step moves the components.",
        parameters=GAUSSIAN_PARAMETERS,
        capabilities=_CAPABILITIES,
        load=lazy("backends.exact.gaussian_mixture:GaussianMixtureLearner"),
        default_steps=100,
        half_steps=True,
        check_data=check_gaussian_data,
        size=gaussian_size,
    ),
    ModelKind(
        name="bernoulli-mixture",
        title="Mixture of Bernoullis",
        doc="Binary images from K prototypes, each with a probability of being on for every pixel, fitted "
        "by EM (Bishop 2006, §9.3.3).",
        parameters=BERNOULLI_PARAMETERS,
        capabilities=_CAPABILITIES,
        load=lazy("backends.exact.bernoulli_mixture:BernoulliMixtureLearner"),
        default_steps=100,
        half_steps=True,
        check_data=check_bernoulli_data,
        size=bernoulli_size,
    ),
)

"""Conjugate Bayesian models: how they are declared. Importing this module imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

from backends.base import DataInfo, InputError, Value
from backends.parameters import Parameter
from backends.registry import ModelKind, lazy

BETA_PARAMETERS = (
    Parameter(
        "a", "float", 2.0,
        "The prior of θ is Beta(a, b), as if a − 1 ones and b − 1 zeros had been seen before the first row: "
        "1 and 1 are uniform, 0.5 and 0.5 Jeffreys' prior.",
        title="Prior a (ones)", minimum=1e-3, maximum=1e6,
    ),
    Parameter(
        "b", "float", 2.0, "See a.", title="Prior b (zeros)", minimum=1e-3, maximum=1e6,
    ),
)  # fmt: skip

NORMAL_PARAMETERS = (
    Parameter(
        "prior_mean", "float", 0.0, "μ₀: what the mean μ is expected to be, in units of the data.",
        minimum=-1e9, maximum=1e9,
    ),
    Parameter(
        "prior_count", "float", 0.1,
        "κ₀: how many rows the prior mean is worth; the prior of μ has standard deviation σ/√κ₀.",
        minimum=1e-9, maximum=1e9,
    ),
    Parameter(
        "shape", "float", 2.0,
        "a₀ of the precision's prior, 1/σ² ~ Gamma(a₀, rate b₀). Above 1/2, so that the mean of σ exists.",
        title="Precision shape a₀", minimum=0.5, open_minimum=True, maximum=1e9,
    ),
    Parameter(
        "rate", "float", 2.0,
        "b₀ of the precision's prior, in squared units of the data: σ² is expected to be about b₀/a₀.",
        title="Precision rate b₀", minimum=1e-9, maximum=1e9,
    ),
)  # fmt: skip

REGRESSION_PARAMETERS = (
    Parameter(
        "basis", "choice", "polynomial",
        "The curve is Σ_j w_j φ_j(u), where u runs from −1 to 1 over the inputs from low to high: φ_j = u^j "
        "up to a degree, or a constant and Gaussian bumps at equal distances, as wide as these.",
        choices=("polynomial", "gaussian"),
    ),
    Parameter(
        "degree", "int", 1, "Highest power of the polynomial.",
        minimum=0, maximum=20, when=("basis", ("polynomial",)),
    ),
    Parameter(
        "bumps", "int", 9, "Number of Gaussian bumps.",
        minimum=1, maximum=100, when=("basis", ("gaussian",)),
    ),
    Parameter("low", "float", -1.0, "The input that is u = −1.", minimum=-1e9, maximum=1e9),
    Parameter("high", "float", 1.0, "The input that is u = 1.", minimum=-1e9, maximum=1e9),
    Parameter(
        "alpha", "float", 2.0,
        "Precision of the weights' prior: N(0, I/α) where the noise is known, and N(0, σ²I/α) where "
        "it is not.",
        title="Weight precision α", minimum=1e-9, maximum=1e9,
    ),
    Parameter(
        "noise", "choice", "known",
        "Whether the noise about the curve has the known precision β, or an unknown variance with a prior of "
        "its own, 1/σ² ~ Gamma(a₀, rate b₀).",
        choices=("known", "unknown"),
    ),
    Parameter(
        "beta", "float", 25.0, "Precision 1/σ² of the noise where it is known.",
        title="Noise precision β", minimum=1e-9, maximum=1e9, when=("noise", ("known",)),
    ),
    Parameter(
        "shape", "float", 2.0,
        "a₀ of the prior of an unknown noise. Above 1, so that predictions have a variance.",
        title="Noise shape a₀", minimum=1, open_minimum=True, maximum=1e9, when=("noise", ("unknown",)),
    ),
    Parameter(
        "rate", "float", 0.1,
        "b₀ of the prior of an unknown noise, in squared units of y: σ² is expected to be about b₀/a₀.",
        title="Noise rate b₀", minimum=1e-9, maximum=1e9, when=("noise", ("unknown",)),
    ),
)  # fmt: skip


def check_coin_data(info: DataInfo, values: Mapping[str, Value]) -> None:
    """Raise InputError for data other than one column of 0 and 1."""
    if info.dim != 1 or info.values != "binary":
        raise InputError(
            f"beta-bernoulli needs one column of 0 and 1, and {info.name} has {_columns(info.dim)} of "
            f"{info.values} values"
        )


def check_normal_data(info: DataInfo, values: Mapping[str, Value]) -> None:
    """Raise InputError for data of more than one column."""
    if info.dim != 1:
        raise InputError(f"normal-gamma needs one column, and {info.name} has {info.dim}")


def check_regression_data(info: DataInfo, values: Mapping[str, Value]) -> None:
    """Raise InputError for data of other than two columns, and for low ≥ high."""
    if info.dim != 2:
        raise InputError(
            f"bayesian-linear-regression needs two columns, x and y, and {info.name} has {_columns(info.dim)}"
        )
    if not float(values["low"]) < float(values["high"]):
        raise InputError(f"low is {values['low']}, and must be below high, which is {values['high']}")


def _columns(n: int) -> str:
    return "one column" if n == 1 else f"{n} columns"


KINDS = (
    ModelKind(
        name="beta-bernoulli",
        title="A coin: beta and Bernoulli",
        doc="The unknown probability of a one, θ, with a beta prior, as flips arrive; all exact "
        "(Bishop 2006, §2.1).",
        parameters=BETA_PARAMETERS,
        capabilities=frozenset(("samples", "log_prob", "bayes")),
        load=lazy("backends.exact.conjugate_beta:BetaBernoulliLearner"),
        default_steps=100,
        check_data=check_coin_data,
    ),
    ModelKind(
        name="normal-gamma",
        title="A normal of unknown mean and width",
        doc="A normal distribution whose mean and precision are both unknown, with a normal–gamma prior, as "
        "rows arrive; predictions are Student's t; all exact (Murphy 2007, §3).",
        parameters=NORMAL_PARAMETERS,
        capabilities=frozenset(("samples", "log_prob", "bayes")),
        load=lazy("backends.exact.conjugate_normal:NormalGammaLearner"),
        default_steps=100,
        check_data=check_normal_data,
    ),
    ModelKind(
        name="bayesian-linear-regression",
        title="Bayesian linear regression",
        doc="A curve through points (x, y), linear in its weights, with a normal prior on them, as points "
        "arrive; all exact (Bishop 2006, §3.3).",
        parameters=REGRESSION_PARAMETERS,
        capabilities=frozenset(("bayes", "regression")),
        load=lazy("backends.exact.conjugate_regression:RegressionLearner"),
        default_steps=25,
        check_data=check_regression_data,
    ),
)

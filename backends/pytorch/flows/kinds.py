"""The kinds of flow, as they are declared. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from backends.base import DataInfo, InputError, Value
from backends.data import known_density
from backends.parameters import Parameter
from backends.registry import ModelKind, lazy

CAPABILITIES = frozenset(
    ("decodes", "metric", "prior", "samples", "log_prob", "parameters", "flow", "layers", "costs")
)  # fmt: skip
CONTINUOUS = CAPABILITIES | {"continuous", "log_det_estimate"}
NEED_TWO_COLUMNS = ("realnvp",)


def common(
    *,
    layers: int,
    width: int,
    depth: int = 2,
    learning_rate: float = 1e-3,
    decay_steps: int = 0,
    batch_size: int = 512,
    jitter: float = 0.0,
    objectives: tuple[str, ...] = (),
) -> tuple[Parameter, ...]:
    """The parameters of every flow, with a kind's own defaults and its objectives beside the two KLs."""
    return (
        Parameter(
            "objective", "choice", "forward-kl",
            "What it is fitted by: forward-kl, maximum likelihood of the rows, which covers all modes; or "
            "reverse-kl, from the data's density itself and the flow's own samples, which prefers to stay "
            "inside a mode.",
            choices=("forward-kl", "reverse-kl", *objectives),
        ),
        Parameter(
            "base", "choice", "normal",
            "The density p(z) that the flow maps the data onto: normal N(0, I); uniform on the cube (0, 1)ᵈ; "
            "or a mixture of Gaussians of equal weight with learned means and scales.",
            choices=("normal", "uniform", "mixture"),
        ),
        Parameter(
            "components", "int", 8, "Gaussians of the base density, where that is a mixture.",
            minimum=1, maximum=1024, when=("base", ("mixture",)),
        ),
        Parameter("layers", "int", layers, "Maps that the flow is made of.", minimum=1, maximum=64),
        Parameter("width", "int", width, "Units in each hidden layer of its networks.",
                  minimum=1, maximum=4096),
        Parameter("depth", "int", depth, "Hidden layers of each of its networks.", minimum=0, maximum=8),
        Parameter(
            "learning_rate", "float", learning_rate, "Step size of Adam, before its decay.",
            minimum=0, maximum=1, open_minimum=True, live=True,
        ),
        Parameter(
            "decay_steps", "int", decay_steps,
            "Steps in which the learning rate falls along half a cosine to a hundredth, where it stays; 0 is "
            "no decay.",
            minimum=0, maximum=100_000_000,
        ),
        Parameter(
            "batch_size", "int", batch_size,
            "Rows a step. Each epoch goes through the rows in a new random order; its last batch may be "
            "smaller.",
            minimum=1, maximum=1_000_000,
        ),
        Parameter(
            "dequantise", "float", 0.0,
            "Width of the uniform noise that is added to the rows of a batch, each time anew, so that values "
            "on a grid have a density: 0.0625 for digits-grey, say. The density is then that of the blurred "
            "rows. 0 is what the data need: 1 for 0/1 and whole numbers, none for real ones.",
            minimum=0, maximum=1e6,
        ),
        Parameter(
            "jitter", "float", jitter,
            "Standard deviation of normal noise that is added to the rows of a batch, each time anew, in "
            "standard deviations of the data; it falls as the learning rate does. Without it a flow that can "
            "learn few rows by heart does so.",
            minimum=0, maximum=1,
        ),
    )  # fmt: skip


MIXING = Parameter(
    "mixing", "choice", "alternate",
    "How the columns take turns from layer to layer: alternate goes through them forwards, then backwards; "
    "random in a new random order each time; linear lets each layer begin with a learned matrix W = P·L·U.",
    choices=("alternate", "random", "linear"),
)  # fmt: skip

ACTIVATION = Parameter(
    "activation", "choice", "relu", "Non-linearity after each hidden layer of its networks.",
    choices=("relu", "silu", "tanh", "gelu", "softplus"),
)  # fmt: skip

REALNVP_PARAMETERS = (
    *common(layers=8, width=64, depth=2),
    MIXING,
    ACTIVATION,
    Parameter(
        "additive", "bool", False,
        "Leave out the scale, as NICE does: each layer then keeps all volumes (Dinh et al. 2014).",
    ),
)  # fmt: skip

LINEAR_PARAMETERS = (
    Parameter(
        "parametrisation", "choice", "lu",
        "How the matrix W is made, and what its determinant costs: lu, P·L·U with triangular L and U, O(m); "
        "qr, Householder reflections times a triangular R, O(m); free, W itself, O(m³).",
        choices=("lu", "qr", "free"),
    ),
    *(
        p for p in common(layers=1, width=1, learning_rate=0.01, decay_steps=1000)
        if p.name not in ("layers", "width", "depth")
    ),
)  # fmt: skip

MAF_PARAMETERS = (*common(layers=8, width=64, depth=2), MIXING, ACTIVATION)
IAF_PARAMETERS = (*common(layers=8, width=64, depth=2), MIXING, ACTIVATION)

NSF_PARAMETERS = (
    *common(layers=3, width=64, depth=2, learning_rate=3e-3, decay_steps=6000, jitter=0.01),
    MIXING,
    ACTIVATION,
    Parameter(
        "transform", "choice", "autoregressive",
        "Which columns a column's spline depends on: coupling, half of the columns move the other half, and "
        "both directions take one pass; autoregressive, each column is moved by all before it, and the way "
        "from z to x takes as many passes as there are columns.",
        choices=("coupling", "autoregressive"),
    ),
    Parameter("bins", "int", 8, "Pieces K of each spline.", minimum=2, maximum=128),
    Parameter(
        "bound", "float", 4.0,
        "B: splines reach from −B to B, in standard deviations of the data, and are the identity outside.",
        minimum=0, maximum=100, open_minimum=True,
    ),
)  # fmt: skip

CNF_PARAMETERS = (
    *(
        replace(p, default="flow-matching") if p.name == "objective" else p
        for p in common(
            layers=1, width=96, depth=3, learning_rate=5e-3, decay_steps=30_000, batch_size=512,
            objectives=("flow-matching",),
        )
        if p.name != "layers"
    ),
    Parameter(
        "activation", "choice", "silu", "Non-linearity after each hidden layer; a smooth one.",
        choices=("silu", "tanh", "softplus"),
    ),
    Parameter(
        "coupling", "choice", "independent",
        "With flow matching, which row and which draw of the base a straight line joins: independent, any "
        "two, and with a normal base the field then follows the mean of all lines of the batch; or "
        "optimal-transport, those pairs of a batch that make its lines as short as can be.",
        choices=("independent", "optimal-transport"), when=("objective", ("flow-matching",)),
    ),
    Parameter(
        "solver", "choice", "rk4",
        "What solves the differential equation in training: euler, midpoint and rk4 take equal steps; "
        "dopri5 chooses its steps by its error. What is shown is always solved more finely.",
        choices=("euler", "midpoint", "rk4", "dopri5"),
    ),
    Parameter(
        "steps", "int", 8,
        "Equal steps of the solver in training. With too few the flow learns to cheat the solver.",
        title="Solver steps", minimum=1, maximum=1000,
    ),
    Parameter(
        "tolerance", "float", 1e-4, "Absolute and relative error that dopri5 allows a step, in training.",
        minimum=1e-5, maximum=0.1, when=("solver", ("dopri5",)),
    ),
    Parameter(
        "trace", "choice", "exact",
        "The divergence tr ∂f/∂y in training: exact, at the cost of as many products as columns; or "
        "Hutchinson's estimate εᵀ(∂f/∂y)ε with ε of entries ±1 (rademacher) or normal ones (gaussian).",
        choices=("exact", "rademacher", "gaussian"), when=("objective", ("forward-kl", "reverse-kl")),
    ),
    Parameter(
        "gradient", "choice", "backpropagation",
        "How gradients pass through the solver: by backpropagation, which keeps all its steps in memory; or "
        "by the adjoint equation, which is solved backwards and keeps none.",
        choices=("backpropagation", "adjoint"), when=("objective", ("forward-kl", "reverse-kl")),
    ),
    Parameter(
        "kinetic", "float", 0.0,
        "Weight of the kinetic energy E∫‖f‖² dt, which makes paths short and straight (Finlay et al. 2020).",
        minimum=0, maximum=100, live=True, when=("objective", ("forward-kl", "reverse-kl")),
    ),
    Parameter(
        "jacobian", "float", 0.0,
        "Weight of E∫‖∂f/∂y‖² dt, Frobenius norm, which makes the field smooth (Finlay et al. 2020).",
        minimum=0, maximum=100, live=True, when=("objective", ("forward-kl", "reverse-kl")),
    ),
)  # fmt: skip


def check_flow_data(kind: str, info: DataInfo, values: Mapping[str, Value]) -> None:
    """Raise InputError when a flow cannot have such data, or cannot be fitted to it as asked."""
    coupling = kind in NEED_TWO_COLUMNS or values.get("transform") == "coupling"
    if coupling and info.dim < 2:
        raise InputError(
            f"a coupling layer maps some columns by the others, and {info.name} has one column: choose maf"
        )
    if values["objective"] == "reverse-kl" and (info.values != "real" or known_density(info) is None):
        why = "is not known" if info.values == "real" else f"is none: its values are {info.values}"
        raise InputError(
            f"the reverse KL divergence needs the density of the data, and that of {info.name} {why}; choose "
            "objective forward-kl"
        )


def blur(info: DataInfo, values: Mapping[str, Value]) -> float:
    """Width of the uniform noise that training adds to the data, 0 where it adds none."""
    return float(values["dequantise"]) or (0.0 if info.values == "real" else 1.0)


def _size(path: str, info: DataInfo, values: Mapping[str, Value]) -> int:
    size: int = lazy(path)().size(info, values)
    return size


def _kind(
    name: str,
    title: str,
    doc: str,
    parameters: tuple[Parameter, ...],
    path: str,
    default_steps: int,
    check: Callable[[str, DataInfo, Mapping[str, Value]], None] = check_flow_data,
    capabilities: frozenset[str] = CAPABILITIES,
) -> ModelKind:
    """path: "module:class" of its learner, within this package."""
    where = f"backends.pytorch.flows.{path}"
    return ModelKind(
        name=name, title=title, doc=doc, parameters=parameters, capabilities=capabilities,
        load=lazy(where), default_steps=default_steps,
        check_data=partial(check, name), size=partial(_size, where),
    )  # fmt: skip


KINDS = (
    _kind(
        "linear-flow", "Linear flow",
        "One matrix, z = W y + b, by LU, by Householder reflections, or free (Kingma & Dhariwal 2018).",
        LINEAR_PARAMETERS, "linear:LinearFlowLearner", 1000,
    ),
    _kind(
        "realnvp", "RealNVP",
        "Coupling layers that scale and shift half of the columns by the other half; with additive, NICE "
        "(Dinh et al. 2017).",
        REALNVP_PARAMETERS, "coupling:RealNVPLearner", 5000,
    ),
    _kind(
        "maf", "Masked autoregressive flow",
        "Scales and shifts each column by those before it: density in one pass, samples in as many as there "
        "are columns (Papamakarios et al. 2017).",
        MAF_PARAMETERS, "autoregressive:MAFLearner", 5000,
    ),
    _kind(
        "iaf", "Inverse autoregressive flow",
        "The reverse of MAF: samples in one pass, density in as many as there are columns (Kingma et al. "
        "2016).",
        IAF_PARAMETERS, "autoregressive:IAFLearner", 5000,
    ),
    _kind(
        "nsf", "Neural spline flow",
        "Maps each column by a monotone rational-quadratic spline that other columns shape (Durkan et al. "
        "2019).",
        NSF_PARAMETERS, "spline:NSFLearner", 6000,
    ),
    _kind(
        "cnf", "Continuous flow",
        "The data follow a velocity field dy/dt = f(y, t), a network, for a unit of time (Chen et al. 2018); "
        "fitted through a solver, or by flow matching without one (Lipman et al. 2023).",
        CNF_PARAMETERS, "continuous:ContinuousLearner", 30_000, capabilities=CONTINUOUS,
    ),
)  # fmt: skip

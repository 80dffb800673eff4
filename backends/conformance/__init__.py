"""The definition of "a backend works": checks that every kind of every backend must pass, a plug-in's too.

From a shell, over all that is installed, over some kinds, or over a backend that is not installed yet::

    python -m backends.conformance [KIND | MODULE:BACKEND …] [--device DEVICE]

and from a notebook ``conform(kind)``. A kind is checked on small data of each type that it takes; which
checks it meets follows from the capabilities that it declares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from backends.base import Value
from backends.conformance import bayes, densities, flows, learners, models
from backends.conformance.case import Case, cases, one_column, small_data, takes
from backends.data import DataSet
from backends.registry import ModelKind

__all__ = ["CHECKS", "Case", "Check", "Result", "cases", "checks_for", "conform", "run_check", "small_data"]


@dataclass(frozen=True)
class Check:
    """One check: what must hold, the capabilities that it needs, and the function that returns, or raises
    AssertionError with a sentence. on_grid: only where sums over all x can be exact."""

    name: str
    run: Callable[[Case], None]
    needs: frozenset[str] = frozenset()
    on_grid: bool = False


@dataclass(frozen=True)
class Result:
    """What came of a check on a case; sentence says what is wrong, and is empty where nothing is."""

    case: Case
    check: Check
    sentence: str = ""

    @property
    def ok(self) -> bool:
        return not self.sentence


def _check(name: str, run: Callable[[Case], None], *needs: str, on_grid: bool = False) -> Check:
    return Check(name, run, frozenset(needs), on_grid)


CHECKS: tuple[Check, ...] = (
    _check("declares what it is", learners.declaration),
    _check("has the declared capabilities", learners.capabilities_declared),
    _check("steps, counts and stamps", learners.stepping),
    _check("same seed, same run", learners.same_seed),
    _check("resumes exactly", learners.resume),
    _check("refuses a foreign state", learners.foreign_state),
    _check("opens without rows", learners.no_rows),
    _check("live parameters only", learners.live_parameters),
    _check("stops at what is not finite", learners.not_finite),
    _check("shapes and dtypes", models.shapes),
    _check("rows apart", models.rows_apart),
    _check("snapshots are frozen", models.frozen),
    _check("safe in threads", models.threads),
    _check("encodes a distribution", models.encoding, "encodes"),
    _check("the metric of the decoder", models.metric, "metric"),
    _check("theta and at", models.parameters, "parameters"),
    _check("samples are seeded", models.samples_seeded, "samples"),
    _check("prior draws are seeded", models.prior_seeded, "prior"),
    _check("measures what it costs", models.costs, "costs"),
    _check("samples are possible", densities.samples_are_possible, "samples"),
    _check("prior integrates to one", densities.prior_integrates, "prior"),
    _check("log_prob integrates to one", densities.log_prob_integrates, "log_prob", on_grid=True),
    _check("samples follow log_prob", densities.samples_follow_log_prob, "samples", "log_prob", on_grid=True),
    _check("samples follow the decoder", densities.samples_follow_decoder, "samples", "decodes", "prior"),
    _check("p(x|z) integrates to one", densities.likelihood_integrates, "log_joint", "prior", on_grid=True),
    _check(
        "entropy is the mean of −log p(x|z)", densities.entropy_from_its_definition,
        "entropy", "log_joint", "prior",
    ),
    _check("both forms of log_joint", densities.joint_forms_agree, "log_joint"),
    _check("log_joint gives log_prob", densities.joint_marginalises, "log_joint", "log_prob", "prior"),
    _check("the ELBO's terms", densities.elbo_terms, "elbo"),
    _check(
        "the ELBO from its definition", densities.elbo_from_its_definition,
        "elbo", "encodes", "log_joint", "prior",
    ),
    _check("ELBO ≤ log p(x)", densities.elbo_is_a_bound, "elbo", "log_joint"),
    _check("ELBO ≤ exact log p(x)", densities.elbo_is_a_bound, "elbo", "log_prob"),
    _check("a q fitted to one x", densities.posterior_fits, "posterior_fit", "encodes", "elbo"),
    _check("L(q, θ) ≤ log p(X|θ)", densities.bound_along_lines, "bound", "parameters"),
    _check("the change of variables", flows.change_of_variables, "flow", "log_prob"),
    _check("an inverse that inverts", flows.inverses, "flow"),
    _check("log-determinants", flows.log_determinants, "flow"),
    _check("both ends of a path", flows.path_ends, "flow", "layers"),
    _check("log-determinants on the way", flows.path_jacobians, "layers"),
    _check("velocity and divergence", flows.motion, "continuous"),
    _check("an estimated log-determinant", flows.estimated_log_det, "flow", "log_det_estimate"),
    _check("Bayes' theorem", bayes.theorem, "bayes"),
    _check("densities of θ integrate to one", bayes.thetas_integrate, "bayes"),
    _check("evidence by the chain rule", bayes.chain_rule, "bayes"),
    _check("rows in any order", bayes.any_order, "bayes"),
    _check("rows given by hand", bayes.by_hand, "bayes"),
    _check("the modes of θ", bayes.modes, "bayes"),
    _check("predictions follow their densities", bayes.predictions, "bayes", "regression"),
)  # fmt: skip


def checks_for(case: Case) -> Iterator[Check]:
    """Those that apply to a case, by the capabilities its kind declares."""
    for check in CHECKS:
        if check.needs <= case.kind.capabilities and (case.has_grid or not check.on_grid):
            yield check


def run_check(check: Check, case: Case) -> Result:
    """The result of one check; an exception of any type is a failure."""
    try:
        check.run(case)
    except AssertionError as error:
        return Result(case, check, str(error) or "an assertion fails")
    except Exception as error:  # a backend may raise anything; the other checks must still run
        return Result(case, check, f"{type(error).__name__}: {error}")
    return Result(case, check)


def conform(
    kind: ModelKind,
    data: DataSet | None = None,
    values: Mapping[str, Value] | None = None,
    device: str = "cpu",
) -> list[Result]:
    """All checks that apply to a kind, on all the small data it takes; or on ``data``, with ``values``
    (hyper-parameters other than their defaults), where one is given.

    Raises ValueError for a kind that takes none of the small data: it needs ``data`` or ``values``.
    """
    if data is None and values is None:
        over = cases(kind, device)
    else:
        sets = [(data,)] if data is not None else [small_data(), one_column()]
        over = ()
        for some in sets:
            over = over or tuple(
                Case(kind, one, values or {}, device) for one in some if takes(kind, one.info, values or {})
            )
    if not over:
        raise ValueError(f"the kind '{kind.name}' takes none of this data; give it some that it takes")
    return [run_check(check, case) for case in over for check in checks_for(case)]

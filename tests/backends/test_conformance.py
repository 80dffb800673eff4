"""Every kind of every installed backend passes every check, and every check catches what it is there for."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from backends import base
from backends.base import Decoded, Elbo, Gaussian, InputError, Responsibilities, Stamp, State, finish
from backends.conformance import CHECKS, cases, checks_for, conform, run_check
from backends.conformance.__main__ import main
from backends.costs import Costs, CostTable
from backends.exact.conjugate_beta import BetaBernoulli, BetaBernoulliLearner
from backends.exact.conjugate_regression import Regression, RegressionLearner
from backends.quadrature import quadrature
from backends.registry import find_kind, installed
from backends.run import Run
from tests.backends.linear_gaussian import K, Linear, LinearLearner, Scaled, kind

ROOT = Path(__file__).parents[2]

#: Log-densities of a continuous flow take a hundred evaluations of its network: a small one is checked alike.
SMALL = {"cnf": {"width": 16, "depth": 1}}
ALL = [
    dataclasses.replace(case, values={**SMALL.get(k.name, {}), **case.values})
    for b in installed().backends
    for k in b.kinds
    for case in cases(k)
    if not ("flow" in k.capabilities and case.data.info.name == "bits")  # to a flow, they are levels
]


# -- what is installed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "check"), [pytest.param(c, k, id=f"{c}: {k.name}") for c in ALL for k in checks_for(c)]
)
def test_every_installed_kind(case, check):
    assert run_check(check, case).sentence == ""


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_run_of_every_kind_is_saved_and_opened(case, tmp_path):
    whole, first = (Run.start(case.kind.name, case.data, case.values, seed=2) for _ in range(2))
    for _ in range(10):
        whole.step()
    for _ in range(5):
        first.step()
    first.save(tmp_path / "run")
    opened = Run.open(tmp_path / "run", data=case.data)
    assert opened.notes == ()
    for _ in range(5):
        opened.step()
    want = whole.learner.state()
    got = opened.learner.state()
    assert got.values == want.values
    for name, array in want.arrays.items():
        np.testing.assert_array_equal(got.arrays[name], array, err_msg=name)


def test_every_decoder_of_the_vae_is_among_the_cases():
    values = [dict(c.values) for c in ALL if c.kind.name == "vae"]
    assert values == [{}, {"decoder": "gaussian"}, {"decoder": "discrete"}, {"decoder": "gaussian"}]


# -- each check catches what it is there for ----------------------------------------------------------


def wrong(base, name, function):
    return type(f"Wrong{base.__name__}", (base,), {name: function})


def model(name, function):
    return kind(wrong(Linear, name, function))


def learner(name, function):
    return kind(learner=wrong(LinearLearner, name, function))


def with_bound(change):
    return model("elbo", lambda self, x, samples=1, seed=0: change(Linear.elbo(self, x, samples, seed)))


def shared_scratch(self, x):
    """Keeps its argument in a place that all threads share."""
    with turn:
        scratch["x"] = x
        turn.notify_all()
        turn.wait_for(lambda: scratch["x"] is not x, 0.02)  # until another has written
        return Linear.log_prob(self, scratch["x"])


scratch, turn = {}, threading.Condition()


def half_restored(self, state):
    self.steps = state.values["steps"]
    LinearLearner.restore(self, state)


def shares_memory(self):
    return Linear(Stamp(self.run, self.steps), self.info, self.mean)


def misnamed(self):
    return Linear(Stamp(self.run, self.steps), self.info, self.mean.copy(), kind="other")


def silent(self):
    if not len(self.x):
        raise InputError("no rows")
    self.mean = self.mean + 0.1 * (self.x.mean(0) - self.mean)
    self.steps += 1
    return {"rows": 1.0}


def unseeded(self, x, info, values, seed, device, run):
    LinearLearner.__init__(self, x, info, values, seed, device, run)
    self.rng = np.random.default_rng()


def unbatched(self, x):
    q = Linear.encode(self, x)
    return Gaussian(q.mean - q.mean.mean(0), q.std, q.scale_tril)


class Coins:
    """p(x) of independent bits; the mean is given out as a sample."""

    kind, latent_dim = "linear", 0

    def __init__(self, stamp, info, mean):
        self.stamp, self.info, self.p = stamp, info, np.full(info.dim, 0.3)

    def log_prob(self, x):
        return np.where(x > 0, np.log(self.p), np.log1p(-self.p)).sum(1)

    def sample(self, n, seed):
        return np.tile(self.p, (n, 1)).astype(np.float32)


coins = kind(
    learner=wrong(LinearLearner, "model", Coins), capabilities=frozenset({"log_prob", "samples"}),
    check_data=lambda info, values: None,
)  # fmt: skip


FLOW = frozenset({"samples", "log_prob", "flow", "layers", "continuous", "log_det_estimate", "costs"})


def flow(name=None, function=None):
    """A flow's kind, with a wrong method where one is given."""
    made = Scaled if name is None else wrong(Scaled, name, function)
    return kind(made, capabilities=FLOW)


def too_few_numbers(self, x):
    yield from Scaled.costs(self, x)
    return Costs((CostTable("Ways", ("ms", "passes"), (("x to z", (1.0,)),)),))


def of_no_rows(self, x):
    yield None
    return Costs()


def on_the_way(change):
    return flow("path", lambda self, x, times=None: change(Scaled.path(self, x, times)))


def fitting(change):
    return model(
        "fit_posterior", lambda self, x, steps, seed: change([*Linear.fit_posterior(self, x, steps)])
    )


def bayes(learner, name, function):
    """A conjugate model's kind with a wrong method: of its learner, or else of its model."""
    methods = {name: function} if hasattr(learner, name) else {"model": wrong(learner.model, name, function)}
    made = type("Made", (learner,), methods)
    return dataclasses.replace(find_kind(learner.model.kind)[1], load=lambda: made)


def coin(name, function):
    return bayes(BetaBernoulliLearner, name, function)


def forgets(self, row):
    return dataclasses.replace(BetaBernoulli.updated(self, row), ones=0.9 * self.ones + row[0, 0])


WRONG = {
    "declares what it is": [kind(doc=""), kind(size=lambda info, values: 99)],
    "has the declared capabilities": [
        kind(capabilities=frozenset({"decodes"})),
        learner("snapshot", misnamed),
    ],
    "steps, counts and stamps": [learner("step", lambda self: {"loss": float("inf")})],
    "same seed, same run": [learner("__init__", unseeded)],
    "resumes exactly": [
        learner("restore", lambda self, s: LinearLearner.restore(
            self, State({"mean": s.arrays["mean"].astype(np.float32).astype(float)}, s.values)
        )),
    ],
    "refuses a foreign state": [learner("restore", half_restored)],
    "opens without rows": [learner("step", lambda self: {"loss": 0.0})],
    "live parameters only": [learner("set", lambda self, name, value: self.values.update({name: value}))],
    "stops at what is not finite": [learner("step", silent)],
    "shapes and dtypes": [
        model("log_prior", lambda self, z: Linear.log_prior(self, z)[:, None]),
        model("log_prob", lambda self, x: Linear.log_prob(self, x).astype(np.float32)),
        model("decode", lambda self, z: Decoded(np.asfortranarray(Linear.decode(self, z).mean))),
        model("log_prob", lambda self, x: np.full(len(x), np.nan)),
        model("log_prob", lambda self, x: np.stack(list(Linear.log_prob(self, x)))),  # not of no rows
    ],
    "rows apart": [model("encode", unbatched)],
    "snapshots are frozen": [
        learner("snapshot", shares_memory),
        model("theta", lambda self: self.mean),
        learner("state", lambda self: State({"mean": self.mean}, {"steps": self.steps})),
    ],
    "safe in threads": [model("log_prob", shared_scratch)],
    "encodes a distribution": [
        model("encode", lambda self, x: Gaussian(Linear.encode(self, x).mean, np.zeros((len(x), 2)))),
        model("encode", lambda self, x: Gaussian(Linear.encode(self, x).mean, np.ones((len(x), 2)),
                                                 Linear.encode(self, x).scale_tril)),
        model("encode", lambda self, x: Responsibilities(np.full((len(x), 3), 0.3))),
    ],
    "the metric of the decoder": [
        model("metric", lambda self, z, b=None: 1.1 * Linear.metric(self, z, b)),
        model("metric", lambda self, z, b=None: Linear.metric(self, z)),
        model("metric", lambda self, z, b=None: Linear.metric(self, z, b) + np.tri(K).T / 1e9),
    ],
    "theta and at": [model("at", lambda self, theta: self)],
    "samples are seeded": [
        model("sample", lambda self, n, seed: Linear.sample(self, n, np.random.SeedSequence().entropy)),
        model("sample", lambda self, n, seed: Linear.sample(self, n, 0)),
    ],
    "prior draws are seeded": [model("sample_prior", lambda self, n, seed: Linear.sample_prior(self, n, 0))],
    "samples are possible": [coins],
    "prior integrates to one": [
        model("log_prior", lambda self, z: -0.5 * (z.astype(float) ** 2).sum(1)),
        model("sample_prior", lambda self, n, seed: 1.2 * Linear.sample_prior(self, n, seed)),
    ],
    "log_prob integrates to one": [model("log_prob", lambda self, x: Linear.log_prob(self, x) + 0.1)],
    "samples follow log_prob": [model("sample", lambda self, n, seed: Linear.sample(self, n, seed) + 0.5)],
    "samples follow the decoder": [
        # the mean of p(x|z) in place of a sample: its noise is missing
        model("sample", lambda self, n, seed: self.decode(self.sample_prior(n, seed + 9)).mean),
    ],
    "p(x|z) integrates to one": [
        model("log_joint", lambda self, x, z: Linear.log_joint(self, x, z) + 0.1),
        model("decode", lambda self, z: Decoded(Linear.decode(self, z).mean + np.float32(0.5))),
        model("decode", lambda self, z: Decoded(*(Linear.decode(self, z).mean for _ in range(2)))),
    ],
    "entropy is the mean of −log p(x|z)": [
        model("entropy_given", lambda self, z: Linear.entropy_given(self, z) + 0.3),
    ],
    "both forms of log_joint": [
        model("log_joint", lambda self, x, z: Linear.log_joint(self, x, z) + 0.1 * (z.ndim == 3)),
    ],
    "log_joint gives log_prob": [model("log_prob", lambda self, x: Linear.log_prob(self, x) - 0.1)],
    "the ELBO's terms": [
        with_bound(lambda e: Elbo(e.reconstruction, e.kl_prior - 20, e.stderr)),
        model("elbo", lambda self, x, samples=1, seed=0: Linear.elbo(self, x, samples, None)),
    ],
    "the ELBO from its definition": [
        with_bound(lambda e: Elbo(e.reconstruction, 2 * e.kl_prior, e.stderr)),
        with_bound(lambda e: Elbo(e.reconstruction - 3, e.kl_prior, e.stderr)),
    ],
    "ELBO ≤ log p(x)": [],
    "ELBO ≤ exact log p(x)": [with_bound(lambda e: Elbo(e.reconstruction + 2, e.kl_prior, e.stderr))],
    "a q fitted to one x": [
        fitting(lambda fits: fits[1:]),
        fitting(lambda fits: [fit._replace(elbo=fit.elbo - 0.001 * i) for i, fit in enumerate(fits)]),
        fitting(lambda fits: [fit._replace(elbo=fit.elbo + 0.1 * i) for i, fit in enumerate(fits)]),
        model("fit_posterior", lambda self, x, steps, seed: Linear.fit_posterior(self, x + 1, steps)),
    ],
    "L(q, θ) ≤ log p(X|θ)": [
        model("bound_at", lambda self, t, x: self.log_likelihood_at(t, x) + 0.1),
        model("bound_at", lambda self, t, x: Linear.bound_at(self, t, x) - 0.5),
        model("log_likelihood_at", lambda self, t, x: Linear.log_likelihood_at(self, t, x) + 0.1),
    ],
    "the change of variables": [flow("log_prob", lambda self, x: self.log_base(self.transform(x)[0]) + 0.1)],
    "an inverse that inverts": [
        flow("inverse", lambda self, z: (z, Scaled.inverse(self, z)[1])),
        flow("inverse", lambda self, z: (Scaled.inverse(self, z)[0], Scaled.transform(self, z)[1])),
    ],
    "log-determinants": [flow("transform", lambda self, x: (Scaled.transform(self, x)[0], np.zeros(len(x))))],
    "both ends of a path": [
        on_the_way(lambda p: base.Path(p.points[1:], p.log_det[1:], p.times[1:])),
        on_the_way(lambda p: base.Path(p.points, p.log_det.astype(np.float32), p.times)),
        flow("path", lambda self, x, times=None: Scaled.path(self, x)),
        flow("times", np.array([0.0, 0.4, 0.9])),
    ],
    "log-determinants on the way": [
        on_the_way(lambda p: base.Path(p.points, p.log_det * p.times[:, None], p.times)),
    ],
    "velocity and divergence": [
        flow("velocity", lambda self, points, time: 1.1 * Scaled.velocity(self, points, time)),
        flow("divergence", lambda self, points, time: 0.9 * Scaled.divergence(self, points, time)),
        flow("move", lambda self, points, start, stop: Scaled.move(self, points, start, 0.9 * stop)),
        flow("finer", lambda self: dataclasses.replace(self, mean=self.mean + 5)),
    ],
    "an estimated log-determinant": [
        flow("estimate_log_det", lambda self, x, **how: (np.zeros(len(x)), np.full(len(x), 0.1))),
        flow("estimate_log_det", lambda self, x, draws, seed=0: Scaled.estimate_log_det(self, x)),
    ],
    "measures what it costs": [flow("costs", too_few_numbers), flow("costs", of_no_rows)],
    "Bayes' theorem": [
        coin("log_evidence", lambda self: BetaBernoulli.log_evidence(self) + 0.1 * len(self.seen)),
        coin("log_posterior_theta", lambda self, t: self.log_prior_theta(t) + self.log_likelihood_theta(t)),
    ],
    "densities of θ integrate to one": [
        coin("log_prior_theta", lambda self, t: BetaBernoulli.log_prior_theta(self, t) + 0.1),
        coin("posterior_mean", lambda self: self.map_theta()),
        coin("sample_theta", lambda self, n, seed, prior=False: BetaBernoulli.sample_theta(self, n, seed)),
    ],
    "evidence by the chain rule": [
        coin("log_plug_in", lambda self, x: self.log_predictive(x)),
        coin("log_evidence", lambda self: BetaBernoulli.log_evidence(self) - 0.1),
    ],
    "rows in any order": [coin("updated", forgets)],
    "rows given by hand": [
        coin("total_steps", property(lambda self: len(self._x))),
        coin("_append", lambda self, rows: BetaBernoulliLearner._append(self, rows[::-1] * 0)),
    ],
    "the modes of θ": [
        coin("map_theta", lambda self: self.posterior_mean()),
        coin("ml_theta", lambda self: self.map_theta()),
    ],
    "predictions follow their densities": [
        bayes(RegressionLearner, "predict", lambda self, x: self.predict_plug_in(x)),
        bayes(RegressionLearner, "curves", lambda self, t, x: Regression.curves(self, t, x) + 0.1),
    ],
}  # fmt: skip
# log p(x) by quadrature is needed only where there is no exact one
WRONG["ELBO ≤ log p(x)"] = WRONG["ELBO ≤ exact log p(x)"]


def test_right_models_with_every_capability_pass_every_check():
    results = [*conform(kind()), *conform(flow()), *conform(find_kind("bayesian-linear-regression")[1])]
    assert [f"{r.check.name}: {r.sentence}" for r in results if not r.ok] == []
    assert {r.check.name for r in results} == {check.name for check in CHECKS}


def test_every_check_has_something_wrong_to_catch():
    assert WRONG.keys() == {check.name for check in CHECKS}


@pytest.mark.parametrize(
    ("check", "made"),
    [pytest.param(name, k, id=f"{name} {i}") for name in WRONG for i, k in enumerate(WRONG[name])],
)
def test_a_wrong_model_is_caught(check, made):
    caught = {r.check.name: r.sentence for r in conform(made) if not r.ok}
    assert check in caught, caught
    assert caught[check].strip()


# -- as a plug-in's author uses it --------------------------------------------------------------------


def test_any_exception_is_a_failure_of_its_check_only():
    def broken(self, z):
        raise ZeroDivisionError("by nothing")

    results = conform(model("decode", broken))
    failed = {r.check.name: r.sentence for r in results if not r.ok}
    assert failed["shapes and dtypes"] == "ZeroDivisionError: by nothing"
    assert "log_prob integrates to one" not in failed


def test_data_and_values_of_one_s_own():
    case = cases(kind())[0]
    info = dataclasses.replace(case.data.info, name="mine")
    results = conform(kind(), dataclasses.replace(case.data, info=info), {"rate": 0.3})
    assert all(r.ok for r in results)
    assert str(results[0].case) == "linear on mine, rate=0.3"


def test_a_kind_that_takes_none_of_the_data_is_an_error_not_a_pass():
    def refuse(info, values):
        raise InputError("never")

    with pytest.raises(ValueError, match="'linear' takes none"):
        conform(kind(check_data=refuse))


def test_the_right_model_is_right():
    """The oracle itself: its exact log p(x) is what quadrature of its log_joint finds."""
    case = cases(kind())[0]
    x = case.data.test.x
    np.testing.assert_allclose(finish(quadrature(case.model, x)).value, case.model.log_prob(x), atol=1e-3)


MODULE = """
from backends.registry import Backend
from tests.backends.linear_gaussian import kind
GOOD = Backend("good", "Good", (kind(),))
BAD = Backend("bad", "Bad", (kind(doc=""),))
"""


def test_the_command_prints_a_table_and_says_by_its_status_whether_all_holds(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)

    def command(*arguments):
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[0] = 'x'\n"
        code += f"from backends.conformance.__main__ import main; sys.exit(main({list(arguments)!r}))"
        return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    good = command("mine:GOOD")
    assert (good.returncode, good.stderr) == (0, "")
    assert "linear on bend" in good.stdout
    assert good.stdout.count("ok  ") == len(list(checks_for(cases(kind())[0])))
    bad = command("mine:GOOD", "mine:BAD")
    assert bad.returncode == 1
    assert "FAIL  declares what it is\n        the kind has no name, title or doc" in bad.stdout
    assert "1 failed" in bad.stdout


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("nonsense", "there is no model 'nonsense'"),
        ("no_such_module:BACKEND", "'no_such_module:BACKEND' cannot be loaded"),
        ("math:pi", "'math:pi' is a float, not a Backend"),
    ],
)
def test_the_command_refuses_what_is_not_there(what, sentence, capsys):
    assert main([what]) == 2
    assert sentence in capsys.readouterr().err

"""Checks of what a kind declares and of its Learner: it says what it can do, and resumes exactly."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backends import checkpoint
from backends.base import Array, Diverged, InputError, Learner, Model, Stamp, State
from backends.capabilities import capabilities
from backends.conformance.case import RUN, STEPS, Case
from backends.conformance.require import (
    answers,
    copy_of,
    require,
    require_input_error,
    require_same,
    require_same_state,
)
from backends.parameters import Parameter, resolve

# -- what a kind declares ----------------------------------------------------------------------------


def declaration(case: Case) -> None:
    kind = case.kind
    require(kind.name and kind.title and kind.doc, "the kind has no name, title or doc")
    require(kind.default_steps >= 1, f"default_steps is {kind.default_steps}")
    names = [p.name for p in kind.parameters]
    require(len(set(names)) == len(names), f"two parameters have the same name: {', '.join(names)}")
    for p in kind.parameters:
        require(p.doc.strip(), f"parameter {p.name} has no doc")
        for value in _values(p):
            require(p.parse(p.format(value)) == value, f"parameter {p.name}: {value!r} cannot be typed")
    if kind.size is not None:
        learner = case.learner()
        held = sum(a.size for a in learner.state().arrays.values())
        size = kind.size(case.data.info, learner.values)
        require(size <= held, f"size promises {size} numbers, and a learner's state holds {held}")


def _values(p: Parameter) -> Iterator[Any]:
    yield p.default
    yield from p.choices
    if p.minimum is not None and not p.open_minimum:
        yield p.check(p.minimum)
    if p.maximum is not None:
        yield p.check(p.maximum)


def capabilities_declared(case: Case) -> None:
    model = case.model
    require(isinstance(model, Model), "the model lacks stamp, info, kind or latent_dim")
    require(isinstance(case.learner(), Learner), "the learner lacks an attribute of backends.base.Learner")
    found, declared = capabilities(model), case.kind.capabilities
    require(not found - declared, f"the model has undeclared capabilities: {', '.join(found - declared)}")
    require(not declared - found, f"the model lacks declared ones: {', '.join(declared - found)}")
    require(model.kind == case.kind.name, f"the model says its kind is '{model.kind}'")
    require(model.info == case.data.info, "the model's info is not that of its data")
    require(model.latent_dim >= 0, f"latent_dim is {model.latent_dim}")


# -- learners ------------------------------------------------------------------------------------------


def stepping(case: Case) -> None:
    learner = case.learner()
    want = resolve(case.kind.parameters, case.values)
    require(dict(learner.values) == want, f"values are {dict(learner.values)} instead of {want}")
    require(learner.steps_per_epoch > 0, f"steps_per_epoch is {learner.steps_per_epoch}")
    for n in range(3):
        require(learner.steps == n, f"steps is {learner.steps} after {n}")
        stamp = learner.snapshot().stamp
        require(stamp == Stamp(RUN, n), f"the stamp is {stamp} instead of {Stamp(RUN, n)}")
        scalars = learner.step()
        require(scalars, "a step returns no scalars")
        for name, value in scalars.items():
            require(isinstance(value, float), f"scalar {name} is a {type(value).__name__}, not a float")
            require(math.isfinite(value), f"scalar {name} is {value}")


def same_seed(case: Case) -> None:
    first, second = (case.learner(STEPS, seed=7) for _ in range(2))
    require_same_state(second.state(), first.state(), "the same seed gives another run", exact=case.exact)


def _through_a_file(state: State) -> State:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        checkpoint.write(path, {"state": dict(state.values)}, state.arrays)
        manifest, arrays = checkpoint.read(path)
    return State(arrays, manifest["state"])


def resume(case: Case) -> None:
    straight, first = case.learner(2 * STEPS, seed=5), case.learner(STEPS, seed=5)
    saved = _through_a_file(first.state())
    second = case.learner(seed=6, values=first.values)
    second.restore(saved)
    require_same_state(second.state(), first.state(), "a state is not what was restored", exact=case.exact)
    for _ in range(STEPS):
        second.step()
    what = f"{2 * STEPS} steps are not {STEPS}, saved, opened and {STEPS} more"
    require_same_state(second.state(), straight.state(), what, exact=case.exact)


def foreign_state(case: Case) -> None:
    learner, other = case.learner(2), case.learner(3, seed=1).state()
    before = copy_of(learner.state())
    for what, arrays, values in _misfits(other):
        require_input_error(lambda a=arrays, v=values: learner.restore(State(a, v)), f"a state {what}")  # type: ignore[misc]
        require_same_state(
            learner.state(), before, f"refusing a state {what} changes the learner", exact=case.exact
        )


def _misfits(state: State) -> Iterator[tuple[str, Mapping[str, Array], Mapping[str, Any]]]:
    arrays, values = state.arrays, state.values
    yield "with nothing in it", {}, {}
    for name, array in arrays.items():
        yield f"without array {name}", {k: a for k, a in arrays.items() if k != name}, values
        yield f"with an axis more in array {name}", {**arrays, name: array[None]}, values
    for name in values:
        yield f"without value {name}", arrays, {k: v for k, v in values.items() if k != name}


def no_rows(case: Case) -> None:
    trained = case.learner(STEPS)
    learner = case.learner(x=np.zeros((0, case.data.info.dim), np.float32), values=trained.values)
    require_input_error(learner.step, "a step without rows")
    learner.restore(_through_a_file(trained.state()))
    require_input_error(learner.step, "a step without rows, after restoring a state,")
    got, want = (answers(one.snapshot(), *case.inputs(5)) for one in (learner, trained))
    require_same(got, want, "opened without rows it answers otherwise", exact=case.exact)


def live_parameters(case: Case) -> None:
    learner = case.learner(1)
    require_input_error(lambda: learner.set("no such parameter", 1), "setting an unknown parameter")
    for p in case.kind.parameters:
        value = learner.values[p.name]
        if not p.live:
            require_input_error(lambda n=p.name, v=value: learner.set(n, v), f"setting {p.name}, not live,")  # type: ignore[misc]
            continue
        require_input_error(lambda n=p.name: learner.set(n, math.nan), f"setting {p.name} to NaN")  # type: ignore[misc]
        require(learner.values[p.name] == value, f"refusing a value of {p.name} changes it")
        new = next((v for v in _values(p) if v != value), value)
        learner.set(p.name, new)
        require(learner.values[p.name] == new, f"{p.name} was set to {new} and is {learner.values[p.name]}")
        learner.set(p.name, value)
    learner.step()
    require(learner.steps == 2, "setting parameters between two steps loses a step")


def not_finite(case: Case) -> None:
    x = np.array(case.data.train.x)
    x[:, 0] = np.nan
    try:
        learner = case.learner(x=x)
    except InputError:
        return
    inputs = case.inputs(5)
    before = answers(learner.snapshot(), *inputs)
    for n in range(3):
        try:
            scalars = learner.step()
        except (Diverged, InputError):
            require(learner.steps == n, "a step that diverged is counted")
            now = answers(learner.snapshot(), *inputs)
            require_same(now, before, "a step that diverged changes the model", exact=case.exact)
            return
        for name, value in scalars.items():
            require(math.isfinite(value), f"on data that are not finite, {name} is {value} without an error")
        before = answers(learner.snapshot(), *inputs)
    for name, array in before.items():
        require(np.isfinite(array).all(), f"data that are not finite give such a {name}, without an error")

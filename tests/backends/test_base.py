"""The values that cross the line, and how a model's capabilities are found."""

import dataclasses
import json
from typing import Protocol

import numpy as np
import pytest

from backends import base
from backends.base import Elbo, Estimate, Progress, Stamp, finish
from backends.capabilities import CAPABILITIES, capabilities, methods


def test_the_bound_is_reconstruction_minus_kl():
    bound = Elbo(np.array([-3.0, -1.0]), np.array([0.5, 2.0]))
    np.testing.assert_array_equal(bound.value, [-3.5, -3.0])


def test_an_estimate_as_json_names_its_method():
    estimate = Estimate(-17.5, 0.01, "IWAE-50 (q)", ess=12.0)
    assert json.loads(json.dumps(estimate.json())) == {
        "value": -17.5, "stderr": 0.01, "method": "IWAE-50 (q)", "ess": 12.0
    }  # fmt: skip
    assert "ess" not in Estimate(-17.5, 0.0, "exact").json()


def test_stamps_of_one_run_are_in_order_of_their_steps():
    assert Stamp("a", 9) < Stamp("a", 10)
    assert Stamp("a", 9) != Stamp("b", 9)


def test_finish_runs_all_slices_and_gives_the_result():
    done = []

    def work():
        for i in range(3):
            done.append(i)
            yield Progress(i + 1, 3)
        return sum(done)

    assert finish(work()) == 3
    assert done == [0, 1, 2]


def test_finish_lets_errors_through():
    def work():
        yield Progress(1, 2)
        raise base.InputError("no")

    with pytest.raises(base.InputError, match="no"):
        finish(work())


def issubclass_of(one: type, other: type) -> bool:
    """issubclass would ask for methods."""
    return other in one.__mro__


@pytest.mark.parametrize("name", CAPABILITIES)
def test_a_capability_is_having_its_methods(name):
    own = [m for m in vars(CAPABILITIES[name]) if not m.startswith("_")]
    there = methods(CAPABILITIES[name])
    assert there[: len(own)] == own
    implied = {n for n, protocol in CAPABILITIES.items() if issubclass_of(CAPABILITIES[name], protocol)}
    model = {"stamp": Stamp("run", 1), "info": None, "kind": "some", "latent_dim": 0}
    made = type("Some", (), {**model, **{m: lambda self: None for m in there}})
    assert capabilities(made) == capabilities(made()) == implied
    assert isinstance(made(), CAPABILITIES[name])
    partly = type("Part", (), {**model, **{m: lambda self: None for m in there[1:]}})
    assert name not in capabilities(partly)
    plain = type(Protocol).__instancecheck__  # as Python has it, slowly
    for other in CAPABILITIES.values():
        assert isinstance(made(), other) == plain(other, made())
        assert isinstance(partly(), other) == plain(other, partly())


def test_capabilities_add_up():
    made = type("Some", (), {m: lambda self: None for m in ("decode", "sample", "log_prob", "theta")})
    assert capabilities(made()) == {"decodes", "samples", "log_prob"}  # theta without at is no capability
    assert capabilities(object()) == frozenset()


def test_values_that_cross_are_frozen():
    values = [c for c in vars(base).values() if dataclasses.is_dataclass(c) and c.__module__ == base.__name__]
    assert len(values) >= 9
    assert all(c.__dataclass_params__.frozen for c in values)

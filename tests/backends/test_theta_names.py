"""The names of the parameters, against the parts of the models that they name."""

import re

import numpy as np
import pytest

from backends.data import open_data
from backends.run import Run

PLAIN = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
LOG = {"log": np.log, "logit": lambda p: np.log(p) - np.log1p(-p), "": lambda value: value}


def model_of(model, data="two-moons", **values):
    run = Run.start(model, open_data(data), values, seed=1)
    for _ in range(3):
        run.step()
    return run.model()


def named(model, name):
    """The number that a name such as "log L₂[x2]" stands for; that of log π but for a constant."""
    link, symbol, number, inside = re.fullmatch(
        r"(?:(log|logit) )?([πμLσWψ]|σ²)([0-9]*)(?:\[(.*)\])?", name.translate(PLAIN)
    ).groups()
    k = int(number) - 1 if number else 0
    at = [int(one.strip("xz")) - 1 for one in inside.split(", ")] if inside else []
    value = {
        "π": lambda: model.weights[k],
        "μ": lambda: model.means[k, *at] if hasattr(model, "means") else model.mean[at[0]],
        "L": lambda: np.linalg.cholesky(model.covariances[k])[at[0], at[-1]],
        "σ": lambda: np.sqrt(model.covariances[k][at[0] if at else 0, at[0] if at else 0]),
        "W": lambda: model.loadings[at[0], at[1]],
        "ψ": lambda: model.noise[at[0]],
        "σ²": lambda: model.noise[0],
    }[symbol]()
    return LOG[link or ""](value)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("gmm", {"components": 11, "covariance": "full"}),
        ("gmm", {"components": 3, "covariance": "tied"}),
        ("gmm", {"components": 3, "covariance": "diag"}),
        ("gmm", {"components": 3, "covariance": "spherical"}),
        ("ppca", {"latent_dim": 1}),
        ("factor-analysis", {"latent_dim": 1}),
    ],
)
def test_each_name_is_that_of_its_number(kind, values):
    model = model_of(kind, **values)
    names, theta = model.theta_names(), model.theta()
    assert len(set(names)) == len(names) == len(theta)
    found = np.array([named(model, name) for name in names])
    if kind == "gmm":  # log π up to a constant
        k = values["components"]
        theta[:k] -= np.logaddexp.reduce(theta[:k])
    np.testing.assert_allclose(theta, found, rtol=1e-9, atol=1e-12)


def test_logits_of_pixels_have_the_numbers_of_component_and_pixel():
    model = model_of("bernoulli-mixture", "digits", components=2)
    names, theta = model.theta_names(), model.theta()
    assert names[:3] == ["log π₁", "log π₂", "logit μ₁[x₁]"]
    assert names[-1] == "logit μ₂[x₆₄]"
    np.testing.assert_allclose(theta[2 + 64 + 9], LOG["logit"](model.means[1, 9]), rtol=1e-9)
    assert names[2 + 64 + 9] == "logit μ₂[x₁₀]"

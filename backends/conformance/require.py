"""How a check says what is wrong, and all the questions that a model can be asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backends.base import Array, Gaussian, InputError, State
from backends.capabilities import capabilities

_SIGMAS = 6.0  # a right model fails a comparison of averages once in 10⁹


def require(holds: object, sentence: str) -> None:
    """Raise AssertionError with the sentence, unless it holds."""
    if not holds:
        raise AssertionError(sentence)


def require_input_error(call: Callable[[], object], what: str) -> None:
    """Raise AssertionError unless the call raises InputError."""
    try:
        call()
    except InputError:
        return
    except Exception as error:
        raise AssertionError(f"{what} raises {type(error).__name__}, not InputError: {error}") from error
    raise AssertionError(f"{what} is accepted; it must raise InputError")


def require_same(got: Mapping[str, Array], want: Mapping[str, Array], what: str, *, exact: bool) -> None:
    """Raise AssertionError naming the first array that differs: in one bit, or by 1e-4 of its size."""
    require(got.keys() == want.keys(), f"{what}: {sorted(got)} instead of {sorted(want)}")
    for name, a in got.items():
        b = want[name]
        require(a.shape == b.shape, f"{what}: {name} has shape {a.shape} instead of {b.shape}")
        if exact or a.dtype.kind != "f":
            same = a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        else:
            scale = max(1.0, float(np.abs(b).max(initial=0)))
            same = np.allclose(a, b, rtol=0, atol=1e-4 * scale, equal_nan=True)
        require(same, f"{what}: {name} differs")


def require_same_state(got: State, want: State, what: str, *, exact: bool) -> None:
    """Raise AssertionError naming the first array, or the values, in which two states differ."""
    require_same(got.arrays, want.arrays, what, exact=exact)
    require(dict(got.values) == dict(want.values), f"{what}: {got.values} instead of {want.values}")


def copy_of(state: State) -> State:
    """A state that shares nothing with the one given."""
    return State({name: np.array(a) for name, a in state.arrays.items()}, dict(state.values))


def require_mean(draws: Array, want: Array, what: str, *, also: Array | float = 0.0) -> None:
    """Raise AssertionError when the mean of draws (n, …) is not ``want`` within its standard error and
    ``also``, an error of what it is compared with."""
    stderr = draws.std(0, ddof=1) / math.sqrt(len(draws))
    off = np.abs(draws.mean(0) - want)
    allowed = _SIGMAS * stderr + also + 1e-4 * np.maximum(1, np.abs(want))
    require((off <= allowed).all(), f"{what} by {np.max(off):.3g}, where {np.max(allowed):.2g} is allowed")


def answers(model: Any, x: Array, z: Array) -> dict[str, Array]:
    """All that a model answers about rows x (n, d) and latents z (n, k), by the name of the answer."""
    can, n, out = capabilities(model), len(x), {}
    if "decodes" in can:
        decoded = model.decode(z)
        out["decode.mean"] = decoded.mean
        if decoded.std is not None:
            out["decode.std"] = decoded.std
    if "metric" in can:
        out["metric"] = model.metric(z)
    if "encodes" in can:
        q = model.encode(x)
        if isinstance(q, Gaussian):
            out |= {"encode.mean": q.mean, "encode.std": q.std}
            if q.scale_tril is not None:
                out["encode.scale_tril"] = q.scale_tril
        else:
            out["encode.probs"] = q.probs
    if "prior" in can:
        out |= {"log_prior": model.log_prior(z), "sample_prior": model.sample_prior(n, 3)}
    if "samples" in can:
        out["sample"] = model.sample(n, 3)
    if "entropy" in can:
        out["entropy_given"] = model.entropy_given(z)
    if "log_prob" in can:
        out["log_prob"] = model.log_prob(x)
    if "log_joint" in can:
        out["log_joint"] = model.log_joint(x, z)
        out["log_joint.rows"] = model.log_joint(x, np.stack([z, z[::-1]], 1))
    if "elbo" in can:
        bound = model.elbo(x, samples=3, seed=3)
        out |= {"elbo.reconstruction": bound.reconstruction, "elbo.kl_prior": bound.kl_prior}
        if bound.stderr is not None:
            out["elbo.stderr"] = bound.stderr
        if bound.kl_stderr is not None:
            out["elbo.kl_stderr"] = bound.kl_stderr
    if "parameters" in can:
        out["theta"] = model.theta()
    if "flow" in can:
        out["transform.z"], out["transform.log_det"] = model.transform(x)
        out["inverse.x"], out["inverse.log_det"] = model.inverse(z)
        out["log_base"] = model.log_base(z)
    if "bayes" in can:
        thetas = model.sample_theta(n, 3)
        out |= {
            "sample_theta": thetas,
            "log_prior_theta": model.log_prior_theta(thetas),
            "log_likelihood_theta": model.log_likelihood_theta(thetas),
            "log_posterior_theta": model.log_posterior_theta(thetas),
            "log_predictive": model.log_predictive(x),
            "map_theta": model.map_theta(),
        }
    if "regression" in can:
        out["predict.mean"], out["predict.std"] = model.predict(x[:, 0])
    return out

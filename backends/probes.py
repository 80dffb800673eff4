"""A few inputs kept with a run, and the outputs they gave.

A library can change a model's numbers between two versions without an error (zuko 1.0 to 1.4 files load under
1.6 with another density). Replaying the probes when a run is opened finds that out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backends.base import Array, Gaussian, InputError
from backends.capabilities import Bayesian, Decodes, Encodes, HasPrior, LogJoint, LogProb

ROWS = 4
# Another device or thread count adds in another order: float32 sums of some thousand terms then differ by
# about 1e-6 of their size. What a changed library does to a density is larger by orders.
TOLERANCE = 1e-4


def probe_inputs(model: Any, x: Array | None) -> dict[str, Array]:
    """{"x": (m, d) some rows, "z": (m, k) draws from the prior}, those there are; always the same ones."""
    inputs = {} if x is None else {"x": np.array(x[:ROWS], np.float32)}
    if isinstance(model, HasPrior):
        inputs["z"] = np.array(model.sample_prior(ROWS, 0), np.float32)
    return inputs


def probe_outputs(model: Any, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """What a model answers to probe inputs: "decode", "encode", "log_prob", "log_joint", "log_predictive",
    those it can."""
    x, z = inputs.get("x"), inputs.get("z")
    out: dict[str, Array] = {}
    if z is not None and isinstance(model, Decodes):
        out["decode"] = model.decode(z).mean
    if x is not None and isinstance(model, Encodes):
        q = model.encode(x)
        out["encode"] = q.mean if isinstance(q, Gaussian) else q.probs
    if x is not None and isinstance(model, LogProb):
        out["log_prob"] = model.log_prob(x)
    if x is not None and z is not None and isinstance(model, LogJoint):
        out["log_joint"] = model.log_joint(x, z)
    if x is not None and isinstance(model, Bayesian):
        out["log_predictive"] = model.log_predictive(x)
    return out


def compare(model: Any, saved: Mapping[str, Array]) -> tuple[str, ...]:
    """The outputs that differ from the saved ones, in words: "decode by 0.3"; nothing where all agree.

    saved: inputs and outputs together. Raises InputError where they do not fit the model's shapes.
    """
    inputs = {name: saved[name] for name in ("x", "z") if name in saved}
    widths = {"x": model.info.dim, "z": model.latent_dim}
    for name, rows in inputs.items():
        if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] != widths[name]:
            raise InputError(f"its probe '{name}' is of shape {rows.shape}, not (n, {widths[name]})")
    differing = []
    for name, now in probe_outputs(model, inputs).items():
        then = saved.get(name)
        if then is None or then.shape != now.shape:
            differing.append(f"{name} in shape")
            continue
        scale = max(1.0, float(np.abs(then).max(initial=0.0)))
        difference = float(np.abs(now.astype(np.float64) - then).max(initial=0.0))
        if not difference <= TOLERANCE * scale:  # NaN differs, too
            differing.append(f"{name} by {difference:.2g}")
    return tuple(differing)

"""A run that goes on from an earlier moment of another."""

from __future__ import annotations

from typing import Any

from backends.base import InputError
from backends.curves import Curves
from backends.run import Run


def branch(run: Run, model: Any) -> Run:
    """A new run, at one of the moments that ``run.history`` keeps, and as it was then: weights, optimiser,
    random generators, the order of the data. Trained as far as ``run`` was it becomes the same, bit for bit
    on a CPU. Its curves are those up to that moment; ``run`` stays as it is.

    Raises InputError for a moment that the history does not keep, or no longer, and for a run without data.
    """
    state, step = run.history.state_of(model), int(model.stamp.step)
    if state is None:
        raise InputError(f"the run at step {step} is not in its history any more")
    if run.data is None:
        raise InputError("a run without its data cannot be trained, so it has no branches")
    name = f"{run.name.partition(' · from step ')[0]} · from step {step}"
    other = Run.start(run.kind.name, run.data, run.values, run.seed, run.device, run.backend.name, name)
    other.learner.restore(state)
    other.curves = Curves.from_arrays(run.curves.to_arrays())
    names = other.curves.names()
    other.curves.cut(step, [name for name in names if not name.startswith("half/")])
    other.curves.cut(2 * step, [name for name in names if name.startswith("half/")])
    other.history = run.history.until(step)
    other.placed_at = run.placed_at if run.placed_at <= step else 0
    changes = run.changes  # read once: the run may be training meanwhile
    if changes is None:
        other.changes = None
    else:
        made = (one for one in changes if one.step < step)
        now = (one for one in changes if one.step == step and other.values[one.name] == one.after)
        other.changes = (*made, *now)
    return other

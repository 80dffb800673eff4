"""Continuous flows by maximum likelihood and by flow matching: ``python -m benchmarks.continuous``.

The gap is the mean over held-out rows of the data's log p(x) − the model's, in nats, after so many seconds of
training with the defaults of each way. Beside it: what the two gradients through a solver cost.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from backends.base import Diverged, Value
from backends.data import DataSet, open_data
from backends.pytorch.flows.continuous import ContinuousLearner
from backends.pytorch.flows.continuous_model import ContinuousFlow
from benchmarks.flows import gap
from benchmarks.table import machine

WAYS: dict[str, dict[str, Value]] = {
    "flow matching": {},
    "flow matching, optimal transport": {"coupling": "optimal-transport"},
    "maximum likelihood": {"objective": "forward-kl"},
}


def train(
    data: DataSet, values: dict[str, Value], seconds: float, clock: Callable[[], float]
) -> ContinuousLearner:
    """A learner after so many seconds of steps; a training that diverges ends earlier."""
    learner = ContinuousLearner(data.train.x, data.info, values)
    end = clock() + seconds
    try:
        while clock() < end:
            learner.step()
    except Diverged as error:
        print(f"  {error}", file=sys.stderr)
    return learner


def gradients(model: ContinuousFlow, data: DataSet) -> None:
    """Both gradients, with the solver of training and at a tight tolerance."""
    for name, tolerance in ((f"{model.trained_with}", None), ("dopri5, 1e-6", 1e-6)):
        both = model.compare_gradients(data.train.x[:256], tolerance)
        print(f"  gradients, {name}: relative difference {both.difference:.1e}")
        for way, cost in (("backpropagation", both.backpropagation), ("adjoint", both.adjoint)):
            print(
                f"    {way:16s} {cost.bytes / 1e6:8.2f} MB {1e3 * cost.seconds:7.0f} ms "
                f"{cost.evaluations} + {cost.evaluations_back} evaluations"
            )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.continuous", description=__doc__)
    parser.add_argument("--data", nargs="+", default=["two-moons", "eight-gaussians"])
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="other values than defaults"
    )
    parser.add_argument(
        "--one-core",
        action="store_true",
        help="seconds are a single core's own, on a machine that is not quiet",
    )
    options = parser.parse_args()
    clock = time.perf_counter
    if options.one_core:
        clock = time.process_time
        torch.set_num_threads(1)
    known = {p.name: p for p in ContinuousLearner.parameters}
    others = {name: known[name].parse(text) for name, _, text in (s.partition("=") for s in options.set)}
    for name in options.data:
        data = open_data(name)
        print(name)
        for way in options.ways:
            learner = train(data, {**WAYS[way], **others}, options.seconds, clock)
            model = learner.snapshot()
            assert isinstance(model, ContinuousFlow)
            off, stderr = gap(model.log_prob, data)
            error = np.abs(model.solver_error(data.test.x))
            print(
                f"  {way}: gap {off:.4f} ± {stderr:.4f} after {learner.steps} steps; halving the step "
                f"changes log p by {error.mean():.0e}, at most {error.max():.0e}",
                flush=True,
            )
        gradients(model, data)
    print("; ".join(f"{name} {value}" for name, value in machine().items()))
    print(f"{torch.get_num_threads()} threads")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Spline and continuous flows against zuko's: the gap to the entropy, the cost of a step, a density field.

    python -m benchmarks.flows [SET …] [--seconds S] [--rows N] [--json FILE]
    python -m benchmarks.flows --determinants

On each set four flows are trained the same time on the same rows, in one process and so with the same
threads, one after the other: our spline flow and our continuous flow with their defaults, and zuko's of the
same sizes. zuko's recipe is a plain one: maximum likelihood on standardised rows by Adam, whose learning rate
falls from 1e-3 to zero along half a cosine. Then the gaps are measured on the same held-out rows. Last comes
what the determinant of a linear flow's matrix costs; with --determinants, that alone.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zuko

from backends.base import Array, finish
from backends.data import DataSet, open_data
from backends.pytorch.flows.costs import determinants
from backends.registry import find_kind
from backends.run import Run
from backends.synthetic import TRAIN
from benchmarks.table import Row, machine, markdown, write

BUDGETS = {"two-moons": 0.006, "eight-gaussians": 0.014, "checkerboard": 0.060, "rings": 0.13}
EASY = ("two-moons", "eight-gaussians")  # where a continuous flow may have twice the gap of the spline flow
ZUKO_RATE = 1e-3
FIELD = 512  # points an axis
COARSE = 64
BLOCK = 2048  # rows a slice: about 8 ms


def defaults(kind: str) -> dict[str, Any]:
    """A kind's own values."""
    return {p.name: p.default for p in find_kind(kind)[1].parameters}


def zuko_flow(kind: str, dim: int) -> zuko.flows.Flow:
    """zuko's flow with the default architecture of our kind, "nsf" or "cnf"."""
    values = defaults(kind)
    hidden = [values["width"]] * values["depth"]
    if kind == "nsf":
        return zuko.flows.NSF(dim, transforms=values["layers"], bins=values["bins"], hidden_features=hidden)
    return zuko.flows.CNF(dim, hidden_features=hidden, activation=torch.nn.SiLU)


class Zuko:
    """zuko's flow as a tutorial trains it: on standardised rows x (n, d), by maximum likelihood."""

    def __init__(self, kind: str, x: Array) -> None:
        rows = torch.tensor(x)
        self.shift, self.scale = rows.mean(0), rows.std(0)
        self.rows = (rows - self.shift) / self.scale
        self.flow, self.batch_size = zuko_flow(kind, x.shape[1]), int(defaults(kind)["batch_size"])
        self.adam = torch.optim.Adam(self.flow.parameters(), lr=ZUKO_RATE)

    def step(self, done: float = 0.0) -> float:
        """One step, where that share of the training is done; returns the loss."""
        self.adam.param_groups[0]["lr"] = ZUKO_RATE * 0.5 * (1 + math.cos(math.pi * done))
        batch = self.rows[torch.randint(len(self.rows), (self.batch_size,))]
        self.adam.zero_grad()
        loss = -self.flow().log_prob(batch).mean()
        loss.backward()
        self.adam.step()
        return float(loss.item())

    def log_prob(self, x: Array) -> Array:
        """log p(x) in the data's own units, (n, d) → (n,)."""
        with torch.no_grad():
            y = (torch.tensor(x) - self.shift) / self.scale
            log_p = self.flow().log_prob(y) - self.scale.log().sum()
        return np.asarray(log_p.double().numpy())


def train(step: Callable[[float], Any], seconds: float) -> int:
    """Call ``step`` for so long, each time with the share that is over; returns how often."""
    begin, steps = time.perf_counter(), 0
    while (done := (time.perf_counter() - begin) / seconds) < 1:
        step(done)
        steps += 1
    return steps


def gap(log_prob: Callable[[Array], Array], data: DataSet) -> tuple[float, float]:
    """Mean over held-out rows of the data's log p(x) − the model's, and its standard error."""
    assert data.density is not None
    off = data.density.log_prob(data.test.x) - log_prob(data.test.x)
    return float(off.mean()), float(off.std(ddof=1) / np.sqrt(len(off)))


def gaps(name: str, rows: int, seconds: float) -> Iterator[Row]:
    """On one set, the gaps of our spline flow and of our continuous flow, with their goals, beside zuko's."""
    data = open_data(f"{name}:{rows}")
    budget: float | None = BUDGETS[name]
    for kind, title in (("nsf", "spline flow"), ("cnf", "continuous flow")):
        run, theirs = Run.start(kind, data, {}), Zuko(kind, data.train.x)
        torch.manual_seed(0)
        steps = train(lambda _, run=run: run.step(), seconds), train(theirs.step, seconds)
        ours, stderr = gap(run.model().log_prob, data)
        other, their_stderr = gap(theirs.log_prob, data)
        note = f"± {stderr:.4f}, {steps[0]} steps; zuko's {other:.4f} ± {their_stderr:.4f}, {steps[1]} steps"
        yield Row(f"gap of our {title} after {seconds:g} s, {name}", ours, "nats", budget, note=note)
        budget = 2 * ours if name in EASY else None


def step_ratio(rounds: int = 8, steps: int = 40) -> float:
    """Time of a step of ours over one of zuko's: the median over rounds that take turns."""
    data = open_data("two-moons")
    run, theirs = Run.start("nsf", data, {}), Zuko("nsf", data.train.x)

    def time_of(step: Callable[[], Any]) -> float:
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        return time.perf_counter() - begin

    time_of(run.learner.step), time_of(theirs.step)
    ratios = sorted(time_of(run.learner.step) / time_of(theirs.step) for _ in range(rounds))
    return (ratios[(rounds - 1) // 2] + ratios[rounds // 2]) / 2


def field_seconds(points: int) -> float:
    """How long the density of a default spline flow takes at so many points an axis, slice by slice."""
    model = Run.start("nsf", open_data("two-moons"), {}).model()
    axis = np.linspace(-2, 3, points, dtype=np.float32)
    plane = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    model.log_prob(plane[:BLOCK])
    begin = time.perf_counter()
    for start in range(0, len(plane), BLOCK):
        model.log_prob(plane[start : start + BLOCK])
    return time.perf_counter() - begin


def determinant_table() -> str:
    """Microseconds of log|det W| and of applying W, m × m, by each parametrisation, and how they grow."""
    curves = finish(determinants()).curves
    lines = [
        "| m | " + " | ".join(f"{c.way}, {c.what}" for c in curves) + " |",
        "|" + " ---: |" * (len(curves) + 1),
    ]
    for m, *times in zip(curves[0].sizes, *(c.seconds for c in curves), strict=True):
        lines.append(f"| {m} | " + " | ".join(f"{1e6 * t:.1f} µs" for t in times) + " |")
    lines.append("| grows at last as | " + " | ".join(f"m^{c.slope:.1f}" for c in curves) + " |")
    return "\n".join(line.replace("log|det W|", "log\\|det W\\|") for line in lines)


def main() -> int:
    """Measure, print the table, write the JSON; 0 when every budget is kept."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.flows",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sets", nargs="*", choices=[*BUDGETS, []], help="which sets; default: all four")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each is trained")
    parser.add_argument("--rows", type=int, default=TRAIN, help="training rows of each set")
    parser.add_argument("--json", type=Path, help="write the numbers to this file as well")
    parser.add_argument("--determinants", action="store_true", help="only what the determinant of W costs")
    options = parser.parse_args()
    if options.determinants:
        print(determinant_table())
        return 0
    print(
        f"{options.rows} training rows; zuko {zuko.__version__}: maximum likelihood by Adam, learning rate "
        f"{ZUKO_RATE:g} falling to 0 along half a cosine; {torch.get_num_threads()} threads\n",
    )
    rows = [
        Row("spline flow step, against zuko's of the same architecture", step_ratio(), "×", 1.05),
        Row(f"density field {FIELD}², spline flow, complete", field_seconds(FIELD), "s", 1.5),
        Row(f"its first picture, {COARSE}²", 1e3 * field_seconds(COARSE), "ms", 50),
    ]
    for name in options.sets or BUDGETS:
        for row in gaps(name, options.rows, options.seconds):
            print(f"{row.name}: {row.value:.4f} {row.note}", file=sys.stderr, flush=True)
            rows.append(row)
    print(markdown(rows))
    print()
    print(determinant_table())
    print()
    print("; ".join(f"{name} {value}" for name, value in machine().items()))
    if options.json:
        write(options.json, rows)
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

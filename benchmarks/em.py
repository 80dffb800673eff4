"""Seconds of an EM iteration of a Gaussian mixture against scikit-learn's: ``python -m benchmarks.em``.

Both go on from the same parameters on the same rows, in one process and so with the same threads, taking
turns; initialisation is left out. Of each the fastest iteration counts, which other work on the machine
disturbs least.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture

from backends.base import Array, DataInfo, Value
from backends.exact.gaussian_mixture import GaussianMixtureLearner
from benchmarks.table import Row, machine, markdown, write

TYPES = ("full", "tied", "diag", "spherical")
LONGEST = 60.0  # seconds of one iteration of scikit-learn's; a shape that would take longer is left out
SLOW = 10.0  # seconds of one, from which on there are two rounds and no more


def rows_of(n: int, d: int, k: int) -> Array:
    """n rows (n, d) float32 of k overlapping clusters, each with a covariance of its own."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 2, (k, d))
    shapes = rng.normal(0, 0.5, (k, d, d)) / np.sqrt(d) + np.eye(d)
    which = rng.integers(k, size=n)
    x = np.empty((n, d), np.float32)
    for i in range(k):
        mine = which == i
        x[mine] = centres[i] + rng.normal(size=(int(mine.sum()), d)) @ shapes[i].T
    return x


class ScikitLearn:
    """scikit-learn's mixture at the parameters of ours; an iteration is the body of the loop in ``fit``."""

    def __init__(self, x: Array, covariance: str, start: Any) -> None:
        self.x = x.astype(np.float64)
        precisions = np.linalg.inv(start.covariances)
        own = {
            "full": precisions,
            "tied": precisions[0],
            "diag": np.diagonal(precisions, axis1=1, axis2=2),
            "spherical": precisions[:, 0, 0],
        }[covariance]
        k = len(start.weights)
        self.mixture = GaussianMixture(
            k, covariance_type=covariance, weights_init=start.weights, means_init=start.means,
            precisions_init=own,
        )  # fmt: skip
        few = self.x[: 100 * k]
        self.mixture._initialize(few, np.full((len(few), k), 1 / k))  # the parameters above, not those of few

    def step(self) -> float:
        """One iteration; the mean log p(x) that it began with."""
        log_likelihood, log_r = self.mixture._e_step(self.x)
        self.mixture._m_step(self.x, log_r)
        return float(log_likelihood)


def seconds(step: Callable[[], Any]) -> tuple[float, Any]:
    """How long a call takes, and what it returns."""
    begin = time.perf_counter()
    out = step()
    return time.perf_counter() - begin, out


def measure(n: int, d: int, k: int, covariance: str, rounds: int) -> dict[str, float]:
    """Seconds of an iteration of each, and by how much their log p(x) differ, relatively, at most."""
    x = rows_of(n, d, k)
    values: dict[str, Value] = {"components": k, "covariance": covariance, "init": "random-points"}
    ours = GaussianMixtureLearner(x, DataInfo("clusters", "Clusters", d), values)
    theirs = ScikitLearn(x, covariance, ours.snapshot())
    theirs.step()
    log_likelihood = ours.step()["log_likelihood"]
    fastest, difference = [np.inf, np.inf], 0.0
    for _ in range(rounds):
        took, reference = seconds(theirs.step)
        difference = max(difference, abs(reference / log_likelihood - 1))
        fastest[1] = min(fastest[1], took)
        took, scalars = seconds(ours.step)
        log_likelihood = scalars["log_likelihood"]
        fastest[0] = min(fastest[0], took)
    return {"ours": fastest[0], "theirs": fastest[1], "difference": difference}


def shapes(quick: bool) -> Iterator[tuple[int, int, int]]:
    """(n, d, K) to measure; the shape that the design has a budget for first."""
    yield 100_000, 16, 16
    for n in (100_000,) if quick else (10_000, 100_000, 1_000_000):
        for d in (2, 8, 16, 64):
            for k in (8, 32):
                yield n, d, k


def too_much(n: int, d: int, k: int, covariance: str) -> str:
    """Why scikit-learn's iteration on such rows is left out; "" where it is not."""
    memory = 8.0 * n * (4 * d + 5 * k)  # rows, differences and log-densities in float64
    there = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4e9
    if memory > 0.7 * there:
        return f"scikit-learn would need {memory / 1e9:.1f} GB"
    longest = expected(n, d, k, covariance)
    return f"an iteration of scikit-learn's would take about {longest:.0f} s" if longest > LONGEST else ""


def expected(n: int, d: int, k: int, covariance: str) -> float:
    """Seconds of an iteration of scikit-learn's, roughly, as measured on one core of an AMD EPYC."""
    return n * k * (8e-8 + (3e-10 * d * d if covariance in ("full", "tied") else 1e-9 * d))


def main() -> int:
    """Measure, print the table, write the JSON; 0 when every budget is kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.em", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only n = 100 000")
    parser.add_argument("--covariance", choices=(*TYPES, "all"), default="full")
    parser.add_argument("--json", type=Path, help="write the numbers to this file as well")
    parser.add_argument("--rounds", type=int, default=5, help="iterations of each")
    options = parser.parse_args()
    rows = []
    for covariance in TYPES if options.covariance == "all" else (options.covariance,):
        for n, d, k in shapes(options.quick):
            name = f"EM iteration, {covariance}, n = {n:,}, d = {d}, K = {k}".replace(",000", " 000")
            why = too_much(n, d, k, covariance)
            if why:
                print(f"{name}: left out, {why}", file=sys.stderr)
                continue
            slow = expected(n, d, k, covariance) > SLOW
            found = measure(n, d, k, covariance, 2 if slow else options.rounds)
            note = f"{1e3 * found['ours']:.3g} ms; log p(x) differs by {found['difference']:.0e}, relatively"
            budget = 0.5 if d <= 16 and (d, k) != (16, 16) else 1.0
            rows.append(Row(name, found["ours"] / found["theirs"], "×", budget, note=note))
            print(f"{name}: {rows[-1].value:.2f}", file=sys.stderr, flush=True)
    print(markdown(rows))
    print()
    print("; ".join(f"{name} {value}" for name, value in machine().items()))
    print(f"OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}")
    if options.json:
        write(options.json, rows)
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

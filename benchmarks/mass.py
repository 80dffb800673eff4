"""Whether trained flows keep what a flow promises: mass 1, an inverse that inverts, true log-determinants.

    python -m benchmarks.mass [KIND …] [--data SET] [--seconds S] [--json FILE]

Each kind of flow is trained for so long with its defaults; then come the mass of its density around the
data, max‖f⁻¹(f(x)) − x‖ over held-out rows, how far log|det ∂z/∂x| is from slogdet of the Jacobian that
autograd gives, and of a continuous flow the mean change of log p(x) when the solver's step is halved.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backends.base import Array, finish
from backends.data import open_data
from backends.mass import mass_around
from backends.pytorch.flows.kinds import KINDS
from backends.run import Run
from benchmarks.table import Row, machine, markdown, write

CHECKED = 200  # held-out rows
NAMES = tuple(kind.name for kind in KINDS)


def log_det_error(model: Any, x: Array) -> float:
    """The largest |log|det ∂z/∂x| − slogdet of autograd's Jacobian| over rows x (n, d), in float64."""
    wide = model.double()
    rows = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    z, log_det = wide._net.transform(rows, wide._w)
    columns = [torch.autograd.grad(z[:, i].sum(), rows, retain_graph=True)[0] for i in range(z.shape[1])]
    want = torch.linalg.slogdet(torch.stack(columns, 1))[1]
    return float((log_det - want).detach().abs().max())


def kept(kind: str, data: str, seconds: float) -> list[Row]:
    """The promises of one kind after so many seconds of training."""
    run = Run.start(kind, open_data(data), {})
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        run.step()
    assert run.data is not None
    model, x = run.model(), run.data.test.x
    found = finish(mass_around(model, x))
    x = x[:CHECKED]
    inverse = np.abs(model.inverse(model.transform(x)[0])[0].astype(np.float64) - x).max()
    note = f"{run.steps} steps, mass {found.value:.4f} ± {found.stderr:.4f}"
    rows = [
        Row(f"{kind}: mass off 1", abs(found.value - 1), "", 0.01, note=note),
        Row(f"{kind}: inverse error", float(inverse), "", 1e-4),
        Row(f"{kind}: log-determinant off autograd's", log_det_error(model, x), "nats", 1e-4),
    ]
    if hasattr(model, "solver_error"):
        change = float(np.abs(model.solver_error(x)).mean())
        rows.append(Row(f"{kind}: log p(x) at half the step, change", change, "nats", 0.01))
    return rows


def main() -> int:
    """Measure, print the table; 0 when every promise is kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mass", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*NAMES, []], help="which kinds; default: all")
    parser.add_argument("--data", default="two-moons", help="a set of two columns")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each is trained")
    parser.add_argument("--json", type=Path, help="write the numbers to this file as well")
    options = parser.parse_args()
    rows = []
    for kind in options.kinds or NAMES:
        rows += kept(kind, options.data, options.seconds)
        print(f"{kind}: {rows[-1].name} {rows[-1].value:.2g}", file=sys.stderr, flush=True)
    print(markdown(rows))
    print()
    print("; ".join(f"{name} {value}" for name, value in machine().items()))
    if options.json:
        write(options.json, rows)
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""All budgets in one table: ``python -m benchmarks [--json FILE] [--seconds S]``.

Each part runs in a process of its own. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.table import Row, machine, markdown, write
from explorer.threads import share_cores

CALL = "import json; from benchmarks.{module} import {name}; print(json.dumps({name}({arguments})))"


def call(module: str, name: str, arguments: str = "") -> Any:
    """The result of a function of this package, called in a fresh process."""
    code = CALL.format(module=module, name=name, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def throughput(seconds: float, rounds: int = 3) -> tuple[float, list[dict[str, float]]]:
    """Steps a second inside the program over those of a bare loop, median over rounds that take turns."""
    threads, ratios, inside = int(os.environ["OMP_NUM_THREADS"]), [], []
    for _ in range(rounds):
        bare = call("plain", "our_rate", f"{seconds}, {threads}")
        inside.append(call("window", "measure", f"{seconds}"))
        ratios.append(inside[-1]["steps a second"] / bare)
    return sorted(ratios)[rounds // 2], inside


def _million(seconds: float) -> dict[str, float]:
    """The figures of :mod:`benchmarks.scale`, on a file made for them."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "many.npz")
        call("scale", "make", repr(path))
        found: dict[str, float] = call("scale", "measure", f"{path!r}, {seconds}")
        return found


def _images() -> dict[str, float]:
    """The figures of :mod:`benchmarks.images`, on files made for them."""
    with tempfile.TemporaryDirectory() as folder:
        call("images", "make", repr(folder))
        found: dict[str, float] = call("images", "measure", repr(folder))
        return found


def main() -> int:
    """Measure, print the table, write the JSON; 0 when every budget is kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the numbers to this file as well")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each moving part is watched")
    options = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    share_cores()

    def median(runs: list[dict[str, float]], key: str) -> float:
        return sorted(run[key] for run in runs)[len(runs) // 2]

    ratio, window = throughput(options.seconds)
    start = call("startup", "measure")
    frames = call("curves", "frame_milliseconds")
    opened, size = call("checkpoint", "open_seconds")
    iteration = call("em", "measure", "100_000, 16, 16, 'full', 5")
    em, mixture = iteration["ours"] / iteration["theirs"], call("em_window", "measure", "5.0")
    shortest = call("geodesic", "seconds")
    million, images = _million(options.seconds), _images()
    rows = [
        Row("hover → painted pixels, idle, p99", median(window, "idle p99"), "ms", 16),
        Row("hover → painted pixels while training, p99", median(window, "training p99"), "ms", 33),
        Row("drag of a path → painted pixels, idle, p99", median(window, "drag idle p99"), "ms", 16),
        Row("the same while training, p99", median(window, "drag training p99"), "ms", 33),
        Row("longest gap between frames while training", median(window, "longest gap"), "ms", 100),
        Row("training with the window, against without", ratio, "×", 0.95, least=True),
        Row("first paint, against the imports of Qt and pyqtgraph", start["ratio"], "×", 2),
        Row("first paint → first hover decode", start["paint to decode"], "s", 4),
        Row("shortest path of 32 points, first picture", shortest["first"], "s", 1),
        Row(f"open a checkpoint of {size:.0f} MB", opened, "s", 1),
        Row("pan over 4 curves of 100 000 points, p99 of a frame", frames, "ms", 33),
        Row("EM iteration, n = 100 000, d = 16, K = 16, against scikit-learn", em, "×", 1.0),
        Row("EM on digits, d = 64, K = 10, all drawn", mixture["iterations a second"], "/s", 10, least=True),
        Row("pan over 105 000 points while EM runs, p99 of a frame", mixture["frame p99"], "ms", 33),
        Row("VAE step, against plain PyTorch", call("plain", "step_ratio"), "×", 1.05),
        Row("pan over 1 000 000 encodings, p99 of a frame", million["pan p99"], "ms", 33),
        Row("zoom into 1 000 000 encodings, p99 of a frame", million["zoom p99"], "ms", 33),
        Row("nearest of 1 000 000 points, p99", call("scale", "nearest_milliseconds"), "ms", 5),
        Row("hover → pixels over 1 000 000 encodings, idle, p99", million["idle p99"], "ms", 16),
        Row("the same while training, p99", million["training p99"], "ms", 33),
        Row("drag of a path → pixels over 1 000 000, idle, p99", million["drag idle p99"], "ms", 16),
        Row("the same while training, p99", million["drag training p99"], "ms", 33),
        Row("1 000 000 rows trained on and encoded, peak of memory", million["peak memory"], "GB", 2),
        Row("preview of a folder of 100 000 images", images["preview"], "s", 2),
        Row("read them, in the window", images["read"], "s", 60),
        Row("the same, longest gap of the window", images["longest gap"], "ms", 100),
        Row("the same, peak of memory", images["peak memory"], "GB", 2),
    ]
    print(markdown(rows))
    for device in call("plain", "devices"):
        rate = call("plain", "our_rate", f"{options.seconds}, {os.environ['OMP_NUM_THREADS']}, {device!r}")
        print(f"\ndefault VAE on digits, {device}: {rate:.0f} steps a second")
    print()
    print("; ".join(f"{name} {value}" for name, value in machine().items()))
    if options.json:
        write(options.json, rows)
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""A run as a Python script that makes it again, from its seed, with ``backends`` alone."""

from __future__ import annotations

from collections.abc import Mapping
from pprint import pformat
from typing import Any

from backends.base import InputError, Value
from backends.run import Run

_SCRIPT = '''\
"""{title}, as Latent Explorer made it.

It needs Latent Explorer installed, and no window. On a CPU it gives the same numbers to the last bit where
torch uses as many threads: OMP_NUM_THREADS=1 sees to that.
"""

import latent_explorer  # noqa: F401, makes its packages importable
from backends.data import open_data
from backends.evaluation import evaluate
from backends.run import Run

STEPS = {steps}
VALUES = {values}

{define}data = open_data({data})
run = Run.start({model!r}, data, VALUES, seed={seed}, device={device!r}, backend={backend!r})
while run.steps < STEPS:
{before}    run.step()
{last}model = run.model()  # what it can do: backends/capabilities.py

report = evaluate(model, data)
try:
    while True:
        next(report)
except StopIteration as end:
    for split, quantities in [*end.value.splits.items(), ("whole", end.value.whole)]:
        for name, estimate in quantities.items():
            print(f"{{split:10s}} {{name:16s}} {{estimate.value:12.6f}} ± {{estimate.stderr:.6f}}")
# run.save({file!r})  # a file that the program opens
'''
_CHANGES = """\
CHANGES = {changes}  # made before the step after so many


def change():
    for name, value in CHANGES.get(run.steps, {{}}).items():
        run.set(name, value)


"""
_HALF = "run.half_step()  # E: the next step is made to its half\n"


def as_python(run: Run) -> str:
    """The script. It ends with the run's numbers.

    Raises InputError where no script can make it again: its data were never in a set or file, a hand has
    placed components or given rows, or its file does not tell what was changed on the way.
    """
    if not run.info.source:
        raise InputError(f"a script cannot open the data of '{run.name}': they were not kept in a file")
    if run.changes is None:
        raise InputError(
            f"'{run.name}' cannot be made again from its seed: something was done to it by hand, or its file "
            "does not tell what was changed on the way"
        )
    values = dict(run.values)
    for change in reversed(run.changes):
        values[change.name] = change.before
    changes: dict[int, dict[str, Value]] = {}
    for change in run.changes:
        changes.setdefault(change.step, {})[change.name] = change.after
    return _SCRIPT.format(
        title=run.name.replace("\\", "\\\\").replace('"', "'"),
        steps=run.steps,
        values=_literal(values),
        define=_CHANGES.format(changes=_literal(changes)) if changes else "",
        before="    change()\n" if changes else "",
        last="change()\n" * bool(changes) + _HALF * (run.next_half == "M"),
        data=_literal(dict(run.info.source)),
        model=run.kind.name,
        seed=run.seed,
        device=run.device,
        backend=run.backend.name,
        file=f"{run.kind.name}.safetensors",
    )


def _literal(value: Mapping[Any, Any]) -> str:
    return pformat(value, width=100, sort_dicts=False)

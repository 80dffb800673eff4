"""Runs in files, for tests that open some."""

from pathlib import Path
from typing import Any

from backends.data import open_data
from backends.run import Run


def saved_run(
    path: Path, model: str, data: str | Path, values: dict[str, Any], steps: int = 0, **start: Any
) -> Path:
    """A file with a run of a model on data, after so many steps; start: what else ``Run.start`` is given."""
    run = Run.start(model, open_data(data), values, **start)
    for _ in range(steps):
        run.step()
    run.save(path)
    return path

"""The head of a run's file: what a list of runs tells of it, read without its weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from backends import checkpoint
from backends.base import InputError
from backends.curves import Curves
from backends.manifest import Manifest
from backends.registry import find_kind
from backends.run import Run

_CURVES = "curves/"


@dataclass(frozen=True, eq=False)
class Head:
    """id: of the run, the same in all its files. data, model: by their titles. curves: all that there are; of
    a run that is open those that grow."""

    id: str
    name: str
    data: str
    model: str
    step: int
    curves: Curves

    def last(self, name: str) -> tuple[int, float] | None:
        """Step and value of the last point of a curve; None where there is none."""
        steps, values = self.curves.get(name)
        return (int(steps[-1]), float(values[-1])) if len(values) else None


def head_of(run: Run) -> Head:
    """The head of a run that is open."""
    return Head(run.id.partition(".")[0], run.name, run.info.title, run.kind.title, run.steps, run.curves)


def read_head(path: str | Path) -> Head:
    """The head of a run's file: its manifest and its curves, a small part of it. Raises InputError for a file
    that is no run, or damaged."""
    raw, arrays = checkpoint.read(path, only=_CURVES)
    try:
        manifest = Manifest.parse(raw)
        curves = Curves.from_arrays({name.removeprefix(_CURVES): array for name, array in arrays.items()})
    except InputError as error:
        raise InputError(f"cannot open '{path}': {error}") from error
    try:
        model = find_kind(manifest.kind, manifest.backend)[1].title
    except InputError:  # of a plug-in that is not here
        model = manifest.kind
    data = manifest.data.title or manifest.data.name
    return Head(manifest.id, manifest.name, data, model, manifest.step, curves)


def rename(path: str | Path, name: str) -> None:
    """Give the run in a file another name; all else in it stays, bit for bit, and its date, which tells when
    it was trained. Raises InputError where it cannot be read or written."""
    manifest, arrays = checkpoint.read(path)
    Manifest.parse(manifest)
    then = Path(path).stat()
    checkpoint.write(path, {**manifest, "name": name}, arrays)
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))

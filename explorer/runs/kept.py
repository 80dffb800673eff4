"""Runs kept without being asked: a file each in the program's own folder, until the run is saved."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from backends.atomic import sweep
from backends.base import InputError
from backends.checkpoint import read_manifest
from backends.run import Run
from explorer.widgets.values import format_number

ANSWERED = "unsaved/answered"  # a file as old as the newest run that was offered when that was answered


def kept_path(home: Path, run: Run) -> Path:
    """Where a run is kept; two openings of one file have two places, so that neither is lost to the other."""
    return home / "unsaved" / f"{run.id}.safetensors"


def keep(path: Path, run: Run) -> None:
    """Write the run to its place; InputError or OSError where that cannot be done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    run.save(path)


def forget(path: Path) -> None:
    """The run is saved where its user wants it, and need not be kept."""
    with suppress(OSError):
        path.unlink()


def throw_away(home: Path, path: Path) -> Path:
    """Move a kept run where :func:`empty_trash` finds it; returns where it lies now. OSError where it cannot
    be moved."""
    trash = home / "trash"
    trash.mkdir(parents=True, exist_ok=True)
    return path.replace(trash / path.name)


def empty_trash(home: Path) -> None:
    """What was thrown away can be brought back until the program ends."""
    for path in (home / "trash").glob("*.safetensors"):
        forget(path)


def describe(path: Path) -> str:
    """A kept run in a few words: its name, step and date."""
    when = datetime.fromtimestamp(path.stat().st_mtime).strftime("%d %B, %H:%M")
    try:
        manifest = read_manifest(path)
        return f"{manifest['name']}, step {format_number(manifest['step'])}, of {when}"
    except (InputError, KeyError, TypeError):
        return f"of {when}"


def kept_files(home: Path) -> list[Path]:
    """What is kept, newest first."""
    try:
        return sorted((home / "unsaved").glob("*.safetensors"), key=lambda p: p.stat().st_mtime, reverse=True)
    except OSError:
        return []


def unanswered(home: Path, kept: list[Path]) -> bool:
    """Whether the newest of what is kept was never offered, or nobody has answered."""
    try:
        return bool(kept) and kept[0].stat().st_mtime_ns > (home / ANSWERED).stat().st_mtime_ns
    except OSError:
        return bool(kept)


def answer(home: Path, newest: Path) -> None:
    """What is kept up to this file is offered no more at a start; it stays in the list of runs."""
    with suppress(OSError):
        then, mark = newest.stat().st_mtime_ns, home / ANSWERED
        mark.touch()
        os.utime(mark, ns=(then, then))


def kept_runs(home: Path) -> list[Path]:
    """What is kept, newest first; halves that a crash left of some are removed."""
    sweep(home / "unsaved")
    return kept_files(home)

"""Runs kept without being asked: a file each in the program's own folder, until the run is saved."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from backends.atomic import sweep
from backends.base import InputError
from backends.checkpoint import read_manifest
from backends.run import Run

MOST = 5  # files; older ones make room when the program starts


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


def describe(path: Path) -> str:
    """A kept run in a few words: its name, step and date."""
    when = datetime.fromtimestamp(path.stat().st_mtime).strftime("%d %B, %H:%M")
    try:
        manifest = read_manifest(path)
        return f"{manifest['name']}, step {manifest['step']}, of {when}"
    except (InputError, KeyError):
        return f"of {when}"


def kept_runs(home: Path) -> list[Path]:
    """What is kept, newest first. Files beyond MOST are removed, and halves that a crash left of some."""
    sweep(home / "unsaved")
    try:
        found = sorted(
            (home / "unsaved").glob("*.safetensors"), key=lambda p: p.stat().st_mtime, reverse=True
        )
    except OSError:
        return []
    for path in found[MOST:]:
        with suppress(OSError):
            path.unlink()
    return found[:MOST]

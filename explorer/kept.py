"""Runs kept without being asked: a file each in the program's own folder, until the run is saved."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

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


def kept_runs(home: Path) -> list[Path]:
    """What is kept, newest first. Files beyond MOST are removed."""
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

"""Densities that the user painted: pictures in the program's own folder, where runs find them again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backends.base import Array, InputError
from backends.picture import read_levels, write_levels

NOTHING = np.zeros((1, 1))  # an empty painting
_NAME = "painted-"


def _paintings(home: Path) -> list[tuple[int, Path]]:
    """(number, file) of what is kept, oldest first."""
    found = ((path.stem.removeprefix(_NAME), path) for path in (home / "paintings").glob(f"{_NAME}*.png"))
    return sorted((int(number), path) for number, path in found if number.isdecimal())


def last_painting(home: Path) -> Array:
    """The levels (h, w) in [0, 1] of the newest painting, the top row first; empty where there is none."""
    kept = _paintings(home)
    try:
        return read_levels(kept[-1][1]) if kept else NOTHING
    except InputError:  # gone or damaged: a new one is begun
        return NOTHING


def keep_painting(home: Path, levels: Array) -> Path:
    """Where levels (h, w) in [0, 1] are kept: in a file of their own, for runs of earlier paintings need
    theirs, unless they are those of the newest. Raises InputError or OSError where that cannot be done."""
    kept, last = _paintings(home), last_painting(home)
    if np.array_equal(np.rint(255 * last), np.rint(255 * levels)):
        return kept[-1][1]
    number = kept[-1][0] + 1 if kept else 1
    path = home / "paintings" / f"{_NAME}{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_levels(path, levels)
    return path

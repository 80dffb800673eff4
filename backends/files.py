"""The user's own tables: .npy, .npz, CSV and IDX files.

Nothing is unpickled, and what a header promises is checked against what the file holds before anything
of that size is allocated. What cannot be used raises InputError, a sentence with the file and the place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backends.arrays import LABEL_ARRAYS, array_names, read_array, read_npz, table_of
from backends.base import InputError, Progress, Work, finish
from backends.csv_table import Glance, Missing, count_missing, glance, read_csv
from backends.table import Table

CSV_SUFFIXES = (".csv", ".tsv", ".txt")
_BLOCK = 2**22  # bytes hashed between two yields
_OFFERED = 1000  # columns that could be chosen as labels


def read_table(path: Path, label_column: str | None = None) -> tuple[Table, str]:
    """The table in a file, and the file's SHA-256 in hex. Raises InputError, and nothing else.

    .npy: rows (n, d), or images (n, height, width[, channels]). .npz: the array named x, data or images,
    or else the first of such a shape, with labels from y, labels or label. CSV: tab, semicolon or comma,
    with or without a header row; a first or last column that is named like a label holds the labels.
    label_column names the labels instead (columns of a CSV without header are called 1, 2, …); with "" there
    are none.
    """
    return finish(reading_table(path, label_column))


def reading_table(path: Path, label_column: str | None = None) -> Work[tuple[Table, str]]:
    """:func:`read_table`, in slices."""
    name = path.name
    with _opened(path) as handle:
        digest, size = hashlib.sha256(), path.stat().st_size
        while block := handle.read(_BLOCK):
            digest.update(block)
            yield Progress(handle.tell(), size, f"look through {name}")
        kind = _kind(handle, path)
        if kind == "npy":
            if label_column:
                raise InputError(f"{name} holds a single array, so no labels '{label_column}'")
            table = yield from table_of((yield from read_array(handle, size, name)), name)
        elif kind == "npz":
            table = yield from read_npz(handle, name, label_column)
        else:
            table = yield from read_csv(handle, name, label_column)
    return table, digest.hexdigest()


@dataclass(frozen=True)
class Contents:
    """What can be seen of a table without reading all of it.

    glance: its first rows, of a CSV. labels: the columns or arrays that could be chosen as labels.
    """

    glance: Glance | None
    labels: tuple[str, ...]


def contents(path: Path, rows: int = 12) -> Contents:
    """What a file of rows looks like; raises InputError where it is none."""
    with _opened(path) as handle:
        kind = _kind(handle, path)
        if kind == "csv":
            seen = glance(handle, path.name, rows)
            columns = seen.columns if len(seen.columns) > 1 else ()
            if len(columns) > _OFFERED:  # labels come first or last
                columns = columns[: _OFFERED // 2] + columns[-_OFFERED // 2 :]
            return Contents(seen, columns)
        names = array_names(handle, path.name) if kind == "npz" else ()
    likely = [name for name in names if name in LABEL_ARRAYS]
    return Contents(
        None, (*likely, *(name for name in names if name not in likely)) if len(names) > 1 else ()
    )


def missing_values(path: Path) -> Work[Missing]:
    """How many values of a CSV file are missing, in slices; raises InputError where it cannot be read."""
    with _opened(path) as handle:
        return (yield from count_missing(handle, path.name))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A file that is there and not empty; what goes wrong in reading it is an InputError."""
    try:
        if not path.exists():
            raise InputError(f"{path}: there is no such file")
        if not path.is_file():
            raise InputError(f"{path} is not a file")
        with path.open("rb") as handle:
            yield handle
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise InputError(f"{path.name} needs more memory than there is") from None


def _kind(handle: IO[bytes], path: Path) -> str:
    """ "npy" or "npz" by its content, or "csv" by its name; the file is then at its start."""
    handle.seek(0)
    magic, suffix = handle.read(6), path.suffix.lower()
    handle.seek(0)
    if not magic:
        raise InputError(f"{path.name} is empty")
    if magic == b"\x93NUMPY":
        return "npy"
    if magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "npz"
    if suffix in (".npy", ".npz"):
        raise InputError(f"{path.name} is not a NumPy file, whatever its name says")
    if suffix not in CSV_SUFFIXES:
        raise InputError(
            f"{path.name}: only .npy, .npz, CSV (.csv, .tsv, .txt), IDX and pictures can be read"
        )
    return "csv"

"""The user's CSV files, and others like them."""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np

from backends.base import Array, InputError, Progress, Work
from backends.table import Apart, Table, brief, classes, is_class, number_in, values_of

LABEL_COLUMNS = ("label", "labels", "class", "target")
_NOTHING = {"", "na", "n/a", "nan", "null", "none", "?"}  # what an empty cell may say
_CELLS = 16_384  # read between two yields
_LONGEST = 2**22  # bytes of a line


@dataclass(frozen=True)
class _Layout:
    """How a CSV is written. columns: the header's names, or 1, 2, … without one."""

    delimiter: str
    header: bool
    columns: tuple[str, ...]


def read_csv(handle: IO[bytes], name: str, label_column: str | None) -> Work[Table]:
    """The table in a CSV file, in slices; see :func:`backends.files.read_table`."""
    layout = _layout(handle, name)
    label = _find_label(layout, name, label_column)
    while True:
        codes: dict[str, int] = {}
        x, coded = yield from _parse(handle, name, layout, label, codes)
        if label is None or label_column is not None or is_class(codes):
            break
        label = None  # named like a label, but it holds measurements: a column as any other
    table = Table(x, columns=layout.columns if layout.header else ())
    if label is not None:
        where = f"{name}: column '{layout.columns[label]}'"
        names, rank = classes(list(codes), where)
        table = replace(
            table,
            columns=tuple(c for i, c in enumerate(table.columns) if i != label),
            labels=rank[coded],
            label_names=names,
            label_column=layout.columns[label],
        )
    elif label_column is not None:
        table = replace(table, label_column=label_column)
    values, levels = yield from values_of(x)
    return replace(table, values=values, levels=levels)


@dataclass(frozen=True)
class Glance:
    """The first rows of a table, as they are written, under the names of its columns.

    text_columns: those with something else than numbers in these rows: they can only be labels.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: tuple[str, ...]


def glance(handle: IO[bytes], name: str, rows: int) -> Glance:
    """So many rows of a CSV file, without reading on; raises InputError where it is no text at all."""
    layout = _layout(handle, name)
    lines = itertools.islice(
        _rows(handle, name, layout.delimiter), int(layout.header), int(layout.header) + rows
    )
    seen = tuple(tuple(cell.strip() for cell in cells) for _, cells in lines)
    whole = [row for row in seen if len(row) == len(layout.columns)]
    text = (
        column
        for i, column in enumerate(layout.columns)
        if any(row[i] and number_in(row[i]) is None for row in whole)
    )
    return Glance(layout.columns, seen, tuple(text))


@dataclass(frozen=True)
class Missing:
    """How many cells of a table are empty or "not a number", in how many of its rows."""

    cells: int = 0
    rows: int = 0
    of: int = 0


def count_missing(handle: IO[bytes], name: str) -> Work[Missing]:
    """Cells that are empty, or say in one of the usual ways that there is nothing; rows too short count as
    one. Raises InputError where it is no text at all."""
    layout, cells, rows, n = _layout(handle, name), 0, 0, 0
    size = os.fstat(handle.fileno()).st_size
    every = max(1, _CELLS // len(layout.columns))
    for n, (_, row) in enumerate(
        itertools.islice(_rows(handle, name, layout.delimiter), int(layout.header), None), 1
    ):
        here = sum(cell.strip().lower() in _NOTHING for cell in row) + (len(row) < len(layout.columns))
        cells, rows = cells + here, rows + (here > 0)
        if n % every == 0:
            yield Progress(handle.tell(), size, f"count what is missing in {name}")
    return Missing(cells, rows, n)


def _lines(handle: IO[bytes], name: str) -> Iterator[str]:
    handle.seek(0)
    for i in itertools.count():
        line = handle.readline(_LONGEST + 1)
        if not line:
            return
        if len(line) > _LONGEST:
            raise InputError(f"{name}, line {i + 1} has more than {_LONGEST >> 20} MiB: it is no table")
        yield line.decode("utf-8" if i else "utf-8-sig").rstrip("\r\n")


def _rows(handle: IO[bytes], name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of each line that is not empty; raises InputError where it is not text."""
    reader = csv.reader(_lines(handle, name), delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{name}, line {reader.line_num + 1}: not readable as text ({error})") from None
        if cells:
            yield reader.line_num, cells


def _layout(handle: IO[bytes], name: str) -> _Layout:
    try:
        first = next((line for line in _lines(handle, name) if line), "")
    except UnicodeDecodeError:
        first = ""  # _rows says where
    delimiter = "\t" if "\t" in first else ";" if ";" in first else ","
    _, cells = next(_rows(handle, name, delimiter), (0, []))
    if not cells:
        raise InputError(f"{name} is empty")
    numbers = tuple(str(i + 1) for i in range(len(cells)))
    names = tuple(cell.strip("# ") or number for cell, number in zip(cells, numbers, strict=True))
    # A header has no number in it at all, so that one typing error in the first row does not make it one;
    # but columns may be called label, 0, 1, 2, …
    header = all(number_in(cell) is None for cell in cells) or any(n.lower() in LABEL_COLUMNS for n in names)
    return _Layout(delimiter, header, names if header else numbers)


def _find_label(layout: _Layout, name: str, wanted: str | None) -> int | None:
    columns = layout.columns
    if wanted == "":
        return None
    if wanted is not None:
        if wanted not in columns:
            shown = ", ".join(columns[:12]) + (", …" if len(columns) > 12 else "")
            raise InputError(f"{name} has no column '{wanted}'; it has {shown}")
        label = columns.index(wanted)
    elif layout.header and columns[-1].lower() in LABEL_COLUMNS:
        label = len(columns) - 1
    elif layout.header and columns[0].lower() in LABEL_COLUMNS:
        label = 0
    elif layout.header and columns[-1].lower() == "y" and "x" not in [c.lower() for c in columns]:
        label = len(columns) - 1
    else:
        return None
    if len(columns) == 1:
        raise InputError(f"{name} has a column of labels and no other")
    return label


def _parse(
    handle: IO[bytes], name: str, layout: _Layout, label: int | None, codes: dict[str, int]
) -> Work[tuple[Array, Array]]:
    """All cells but those of the label column, (n, d) float32, and these as codes (n,), entered by distinct
    text."""
    converters: dict[int | str, Callable[[str], Any]] = {}
    if label is not None:
        converters[label] = lambda cell: codes.setdefault(cell.strip(), len(codes))
    numbers = [i for i in range(len(layout.columns)) if i != label]
    blocks, coded, apart = list[Array](), list[Array](), Apart()
    size = os.fstat(handle.fileno()).st_size
    try:
        for block in _blocks(handle, name, layout):
            read = np.loadtxt(
                block, dtype=np.float64, delimiter=layout.delimiter, quotechar='"', comments=None,
                converters=converters, ndmin=2,
            )  # fmt: skip
            if read.shape[1] != len(layout.columns):
                raise ValueError("columns do not match")
            rows = read[:, numbers]
            with np.errstate(over="ignore"):
                blocks.append(rows.astype(np.float32))
            if "" in codes or not np.isfinite(blocks[-1]).all():
                raise ValueError("columns do not match")
            apart.see(rows, blocks[-1])
            if label is not None:
                coded.append(read[:, label].astype(np.int64))
            yield Progress(handle.tell(), size, f"read {name}")
    except ValueError as error:
        yield from _blame(handle, name, layout, label, brief(error))
    if not blocks:
        raise InputError(f"{name} has a header and no rows")
    apart.check([f"'{layout.columns[i]}'" if layout.header else layout.columns[i] for i in numbers], name)
    x, start = np.empty((sum(map(len, blocks)), len(numbers)), np.float32), 0
    for part in blocks:
        x[start : start + len(part)] = part
        start += len(part)
        yield Progress(start, len(x), f"put {name} together")
    return x, np.concatenate(coded) if coded else np.zeros(0, np.int64)


def _blocks(handle: IO[bytes], name: str, layout: _Layout) -> Iterator[list[str]]:
    """The lines of the rows, as many at a time as are read in a slice of work; no quoted cell is cut."""
    lines = itertools.islice((line for line in _lines(handle, name) if line), int(layout.header), None)
    while block := list(itertools.islice(lines, max(1, _CELLS // len(layout.columns)))):
        within, most = sum(line.count('"') for line in block) % 2, len(block) + _CELLS
        while within and len(block) < most and (line := next(lines, None)) is not None:
            block.append(line)
            within = (within + line.count('"')) % 2
        yield block


def _blame(handle: IO[bytes], name: str, layout: _Layout, label: int | None, reason: str) -> Work[None]:
    """Raise InputError for the first cell or line that is in the way, in slices."""
    size, every = os.fstat(handle.fileno()).st_size, max(1, _CELLS // len(layout.columns))
    for line, cells in itertools.islice(_rows(handle, name, layout.delimiter), int(layout.header), None):
        if line % every == 0:
            yield Progress(handle.tell(), size, f"find what is wrong in {name}")
        if len(cells) != len(layout.columns):
            found = f"{len(cells)} column{'s' * (len(cells) > 1)}"
            raise InputError(f"{name}, line {line}: {found}, where the first has {len(layout.columns)}")
        for i, cell in enumerate(cells):
            column = f"'{layout.columns[i]}'" if layout.header else layout.columns[i]
            place = f"{name}, line {line}, column {column}"
            if not cell.strip():
                raise InputError(f"{place}: the cell is empty")
            if i == label:
                continue
            number = number_in(cell)
            if number is None:
                hint = (
                    "" if label is not None else f"; where it holds labels, choose label={layout.columns[i]}"
                )
                raise InputError(f"{place}: '{cell.strip()[:40]}' is not a number{hint}")
            if not abs(number) <= float(np.finfo(np.float32).max):
                raise InputError(f"{place}: {cell.strip()[:40]} is not finite, or does not fit in float32")
    raise InputError(f"{name} cannot be read as a table ({reason})")

"""The user's own data: .npy, .npz and CSV files.

Nothing is unpickled, and what a header promises is checked against what the file holds before anything
of that size is allocated. What cannot be used raises InputError, a sentence with the file and the place.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import math
import struct
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from backends.base import Array, InputError

MAX_VALUES = 2**30  # 4 GiB as float32
MAX_CLASSES = 256
DATA_ARRAYS = ("x", "data", "images")
LABEL_ARRAYS = ("y", "labels", "label")
LABEL_COLUMNS = ("label", "labels", "class", "target")

_MAX_HEADER = 10_000  # NumPy's own limit for an array header
_NUMBERS = "buif"
_OTHER_KINDS = {"c": "complex numbers", "S": "text", "U": "text", "M": "dates", "m": "durations"}


@dataclass(frozen=True, eq=False)
class Table:
    """What a file holds: x (n, d) float32, all finite, and labels (n,) int64 where there are any.

    values, levels, image_shape, columns, label_names: as in :class:`backends.base.DataInfo`.
    label_column: the column or array that the labels came from.
    """

    x: Array
    values: str = "real"
    levels: int = 0
    image_shape: tuple[int, ...] | None = None
    columns: tuple[str, ...] = ()
    labels: Array | None = None
    label_names: tuple[str, ...] = ()
    label_column: str | None = None


def read_table(path: Path, label_column: str | None = None) -> tuple[Table, str]:
    """The table in a file, and the file's SHA-256 in hex. Raises InputError, and nothing else.

    .npy: rows (n, d), or images (n, height, width[, channels]). .npz: the array named x, data or images,
    or else the first of such a shape, with labels from y, labels or label. CSV: tab, semicolon or comma,
    with or without a header row; a first or last column that is named like a label holds the labels.
    label_column names the labels instead (columns of a CSV without header are called 1, 2, …).
    """
    name = path.name
    try:
        if not path.exists():
            raise InputError(f"{path}: there is no such file")
        if not path.is_file():
            raise InputError(f"{path} is not a file")
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
            size = handle.tell()
            handle.seek(0)
            magic = handle.read(6)
            handle.seek(0)
            suffix = path.suffix.lower()
            if size == 0:
                raise InputError(f"{name} is empty")
            if magic == b"\x93NUMPY":
                if label_column is not None:
                    raise InputError(f"{name} holds a single array, so no labels '{label_column}'")
                table = _table(_read_array(handle, size, name), name)
            elif magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
                table = _read_npz(handle, name, label_column)
            elif suffix in (".npy", ".npz"):
                raise InputError(f"{name} is not a NumPy file, whatever its name says")
            elif suffix in (".csv", ".tsv", ".txt"):
                table = _read_csv(handle, name, label_column)
            else:
                raise InputError(f"{name}: only .npy, .npz, CSV (.csv, .tsv, .txt) and pictures can be read")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise InputError(f"{name} needs more memory than there is") from None
    return table, digest


# -- arrays -----------------------------------------------------------------------------------------


def _read_header(handle: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """(shape, Fortran order, dtype, bytes read so far) at the start of a .npy stream."""
    try:
        version = np.lib.format.read_magic(handle)
        if version not in ((1, 0), (2, 0)):  # 3.0 is for structured arrays only
            raise InputError(f"{name} is in version {version[0]}.{version[1]} of the .npy format, not 1 or 2")
        field = 2 if version == (1, 0) else 4
        length = int.from_bytes(handle.read(field), "little")
        if length > _MAX_HEADER:
            raise InputError(f"{name} is damaged: it claims an array header of {length} bytes")
        header = io.BytesIO(struct.pack("<H", length) + handle.read(length))
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(header)
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # the parser lets SyntaxError, TokenError, TypeError and others through
        raise InputError(f"{name} is damaged: its array header is unreadable ({_brief(error)})") from None
    return shape, fortran, dtype, 8 + field + length


def _read_array(handle: IO[bytes], size: int, name: str, kinds: str = _NUMBERS) -> Array:
    """The array in a .npy stream of ``size`` bytes, of a dtype of one of these kinds."""
    shape, fortran, dtype, start = _read_header(handle, name)
    if dtype.hasobject:
        raise InputError(f"{name} holds Python objects, and the pickle they are in is not read for safety")
    if dtype.kind not in kinds or dtype.itemsize == 0:
        raise InputError(f"{name} holds {_OTHER_KINDS.get(dtype.kind, 'records')}, not real numbers")
    if min(shape, default=0) < 0:
        raise InputError(f"{name} is damaged: its header gives the shape {shape}")
    count = math.prod(shape)
    wanted = count * dtype.itemsize
    if wanted > size - start:
        held = max(0, size - start)
        raise InputError(
            f"{name} is cut short: {wanted} bytes should follow for its shape {shape}, but {held} do"
        )
    if count > MAX_VALUES:
        raise InputError(f"{name} holds {count} values; at most {MAX_VALUES} can be read")
    data = handle.read(wanted)
    if len(data) < wanted:
        raise InputError(f"{name} is cut short: it holds {len(data)} of {wanted} bytes")
    flat = np.frombuffer(data, dtype=dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _table(array: Array, name: str) -> Table:
    """The rows of an array (n, d), (n, height, width) or (n, height, width, channels)."""
    shape = array.shape
    if array.ndim not in (2, 3, 4):
        raise InputError(
            f"{name} has shape {shape}, not rows (n, d) or images (n, height, width[, channels])"
        )
    if 0 in shape:
        raise InputError(f"{name} has shape {shape}: there is nothing in it")
    if array.ndim == 4 and shape[3] not in (1, 3, 4):
        raise InputError(f"{name} has shape {shape}; its last axis should be 1, 3 or 4 channels")
    image_shape = None if array.ndim == 2 else shape[1:3] if shape[3:] == (1,) else shape[1:]
    rows = array.reshape(len(array), -1)
    with np.errstate(over="ignore"):
        x = np.ascontiguousarray(rows, dtype=np.float32)
    finite = np.isfinite(x)
    if not finite.all():
        place = np.unravel_index(int(np.argmin(finite)), shape)
        index = ", ".join(str(int(i)) for i in place)
        raise InputError(f"{name} has {array[place]} at [{index}]; values must be finite, and fit in float32")
    if array.dtype.itemsize > 4:
        _check_told_apart(rows, x, [str(i + 1) for i in range(rows.shape[1])], name)
    values, levels = _values(x, array.dtype.kind in "ui", 256 if array.dtype == np.uint8 else 0)
    return Table(x, values, levels, image_shape)


def _check_told_apart(rows: Array, x: Array, columns: Sequence[str], name: str) -> None:
    """Raise InputError for a column of rows (n, d) whose values are apart, and much less so in float32, as x.
    One that varies by no more than float64's own rounding is a constant, and may."""
    low, high = rows.min(0).astype(np.float64), rows.max(0).astype(np.float64)
    spread, size = high - low, np.maximum(np.abs(low), np.abs(high))
    error = np.array(
        [np.abs(wide.astype(np.float64) - narrow).max() for wide, narrow in zip(rows.T, x.T, strict=True)]
    )
    lost = (spread > 1e-12 * size) & (error > spread / 32)
    if lost.any():
        j = int(lost.argmax())
        raise InputError(
            f"{name}, column {columns[j]}: its values differ by {spread[j]:.3g} around {high[j]:.6g}, which "
            "numbers of 32 bits cannot tell apart: subtract its mean"
        )


def _values(x: Array, whole: bool, levels: int = 0) -> tuple[str, int]:
    """("binary", 0) where all is 0 or 1, ("integer", levels) for whole numbers up to 255, or ("real", 0)."""
    if ((x == 0) | (x == 1)).all():
        return "binary", 0
    if whole and x.min() >= 0 and x.max() <= 255:
        return "integer", levels or int(x.max()) + 1
    return "real", 0


def _read_npz(handle: IO[bytes], name: str, label_array: str | None) -> Table:
    try:
        with zipfile.ZipFile(handle) as archive:
            return _read_archive(archive, name, label_array)
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # zipfile lets struct.error, zlib.error, RuntimeError and others through
        raise InputError(f"{name} is not a readable .npz archive ({_brief(error)})") from None


def _read_archive(archive: zipfile.ZipFile, name: str, label_array: str | None) -> Table:
    members = {m.filename.removesuffix(".npy"): m for m in archive.infolist() if m.filename.endswith(".npy")}
    for member in members.values():
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{name}: '{member.filename}' is compressed in a way that NumPy does not use")

    def read(key: str, kinds: str = _NUMBERS) -> Array:
        with archive.open(members[key]) as stream:
            return _read_array(stream, members[key].file_size, f"{name}: array '{key}'", kinds)

    def dimensions(key: str) -> int:
        with archive.open(members[key]) as stream:
            return len(_read_header(stream, f"{name}: array '{key}'")[0])

    if label_array is not None and label_array not in members:
        raise InputError(f"{name} has no array '{label_array}'; it has {', '.join(members) or 'none'}")
    candidates = [k for k in members if k != label_array]
    named = (k for k in DATA_ARRAYS if k in candidates)
    key = next(named, None) or next((k for k in candidates if dimensions(k) >= 2), None)
    if key is None:
        raise InputError(f"{name} has no array of rows or images; it has {', '.join(members) or 'none'}")
    table = _table(read(key), f"{name}: array '{key}'")

    label_key = label_array or next((k for k in LABEL_ARRAYS if k in members and k != key), None)
    if label_key is None:
        return table
    where = f"{name}: array '{label_key}'"
    entries = read(label_key, _NUMBERS + "US")
    if entries.shape not in ((len(table.x),), (len(table.x), 1)):
        raise InputError(f"{where} has shape {entries.shape}, not one label a row ({len(table.x)})")
    distinct, codes = np.unique(entries.ravel(), return_inverse=True)
    if distinct.dtype.kind == "S":
        distinct = np.char.decode(distinct, "utf-8", "replace")
    texts = [str(entry) for entry in distinct.tolist()]
    if label_array is None and not _is_class(texts):
        return table
    names, rank = _classes(texts, where)
    return replace(table, labels=rank[codes], label_names=names, label_column=label_key)


# -- text -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layout:
    """How a CSV is written. columns: the header's names, or 1, 2, … without one."""

    delimiter: str
    header: bool
    columns: tuple[str, ...]


def _read_csv(handle: IO[bytes], name: str, label_column: str | None) -> Table:
    layout = _layout(handle, name)
    label = _find_label(layout, name, label_column)
    while True:
        codes: dict[str, int] = {}
        x = _parse(handle, name, layout, label, codes)
        if label is None or label_column is not None or _is_class(codes):
            break
        label = None  # named like a label, but it holds measurements: a column as any other
    whole = bool((x == np.floor(x)).all())
    table = Table(x, columns=layout.columns if layout.header else ())
    if label is not None:
        where = f"{name}: column '{layout.columns[label]}'"
        names, rank = _classes(list(codes), where)
        table = replace(
            table,
            x=np.ascontiguousarray(np.delete(x, label, axis=1)),
            columns=tuple(c for i, c in enumerate(table.columns) if i != label),
            labels=rank[x[:, label].astype(np.int64)],
            label_names=names,
            label_column=layout.columns[label],
        )
    values, levels = _values(table.x, whole)
    return replace(table, values=values, levels=levels)


def _lines(handle: IO[bytes]) -> Iterator[str]:
    handle.seek(0)
    for i, line in enumerate(handle):
        yield line.decode("utf-8" if i else "utf-8-sig").rstrip("\r\n")


def _rows(handle: IO[bytes], name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of each line that is not empty; raises InputError where it is not text."""
    reader = csv.reader(_lines(handle), delimiter=delimiter)
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
        first = next((line for line in _lines(handle) if line), "")
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
    header = all(_number(cell) is None for cell in cells) or any(n.lower() in LABEL_COLUMNS for n in names)
    return _Layout(delimiter, header, names if header else numbers)


def _find_label(layout: _Layout, name: str, wanted: str | None) -> int | None:
    columns = layout.columns
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


def _parse(handle: IO[bytes], name: str, layout: _Layout, label: int | None, codes: dict[str, int]) -> Array:
    """All cells, (n, columns) float32; those of the label column as codes, entered by distinct text."""
    lines = (line for line in _lines(handle) if line)
    converters: dict[int | str, Callable[[str], Any]] = {}
    if label is not None:
        converters[label] = lambda cell: codes.setdefault(cell.strip(), len(codes))
    try:
        first = next(itertools.islice(lines, int(layout.header), None), None)
        if first is None:
            raise InputError(f"{name} has a header and no rows")
        x: Array = np.loadtxt(
            itertools.chain([first], lines),
            dtype=np.float64,
            delimiter=layout.delimiter,
            quotechar='"',
            comments=None,
            converters=converters,
            ndmin=2,
        )
    except InputError:
        raise
    except ValueError as error:
        _blame(handle, name, layout, label, _brief(error))
    with np.errstate(over="ignore"):
        narrow = x.astype(np.float32)
    if x.shape[1] != len(layout.columns) or "" in codes or not np.isfinite(narrow).all():
        _blame(handle, name, layout, label, "columns do not match")
    _check_told_apart(x, narrow, [f"'{c}'" if layout.header else c for c in layout.columns], name)
    return narrow


def _blame(handle: IO[bytes], name: str, layout: _Layout, label: int | None, reason: str) -> NoReturn:
    """Raise InputError for the first cell or line that is in the way."""
    for line, cells in itertools.islice(_rows(handle, name, layout.delimiter), int(layout.header), None):
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
            number = _number(cell)
            if number is None:
                raise InputError(f"{place}: '{cell.strip()[:40]}' is not a number")
            if not abs(number) <= float(np.finfo(np.float32).max):
                raise InputError(f"{place}: {cell.strip()[:40]} is not finite, or does not fit in float32")
    raise InputError(f"{name} cannot be read as a table ({reason})")


def _number(text: str) -> float | None:
    """The number that a cell holds, as np.loadtxt reads it: no underscores, no digits of other scripts."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


# -- both -------------------------------------------------------------------------------------------


def _is_class(entries: Collection[str]) -> bool:
    """Whether these look like labels: text, or not too many whole numbers."""
    numbers = [_number(entry) for entry in entries]
    whole = all(n is not None and n.is_integer() for n in numbers)
    return None in numbers or (whole and len(entries) <= MAX_CLASSES)


def _classes(entries: Sequence[str], where: str) -> tuple[tuple[str, ...], Array]:
    """(names of the classes, class of each entry (int64)); whole numbers in their order, text sorted."""
    numbers = [_number(entry) for entry in entries]
    if all(n is not None and n.is_integer() for n in numbers):
        entries = [str(int(n)) for n in numbers if n is not None]
        names = sorted(set(entries), key=int)
    else:
        names = sorted(set(entries))
    if len(names) > MAX_CLASSES:
        raise InputError(f"{where} has {len(names)} different entries; labels may have {MAX_CLASSES}")
    index = {name: i for i, name in enumerate(names)}
    return tuple(names), np.array([index[entry] for entry in entries], dtype=np.int64)


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]

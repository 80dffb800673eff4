"""The user's .npy and .npz files.

Nothing is unpickled, and what a header promises is checked against what the file holds before anything
of that size is allocated.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from dataclasses import replace
from typing import IO, Any

import numpy as np

from backends.base import Array, InputError, Progress, Work
from backends.estimates import slices
from backends.table import (
    MAX_VALUES,
    NUMBERS,
    Apart,
    Table,
    brief,
    check_room,
    classes,
    is_class,
    values_of,
)

DATA_ARRAYS = ("x", "data", "images")
LABEL_ARRAYS = ("y", "labels", "label")

_MAX_HEADER = 10_000  # NumPy's own limit for an array header
_MAX_ITEM = 4096  # bytes of one label: in an archive a long text may take next to no room
_BYTES = 8  # that a value takes besides: as float32 in the order of the file, and as it is split
_BLOCK = 2**20  # bytes read between two yields
_NUMBERS = "buif"
_OTHER_KINDS = {"c": "complex numbers", "S": "text", "U": "text", "M": "dates", "m": "durations"}


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
        raise InputError(f"{name} is damaged: its array header is unreadable ({brief(error)})") from None
    return shape, fortran, dtype, 8 + field + length


def read_array(handle: IO[bytes], size: int, name: str, kinds: str = _NUMBERS) -> Work[Array]:
    """The array in a .npy stream of ``size`` bytes, of a dtype of one of these kinds, in slices."""
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
    if dtype.itemsize > _MAX_ITEM:
        raise InputError(f"{name} holds texts of {dtype.itemsize} bytes; at most {_MAX_ITEM} can be read")
    check_room(wanted + _BYTES * count, name)
    flat, done = np.empty(count, dtype), 0
    into: Any = memoryview(flat.view(np.uint8))  # type: ignore[arg-type]
    while done < wanted:
        got = handle.readinto(into[done : done + _BLOCK])  # type: ignore[attr-defined]
        if not got:
            raise InputError(f"{name} is cut short: it holds {done} of {wanted} bytes")
        done += got
        yield Progress(done, wanted, f"read {name}")
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def table_of(array: Array, name: str) -> Work[Table]:
    """The rows of an array (n, d), (n, height, width) or (n, height, width, channels), in slices."""
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
    x, apart = np.empty((len(array), math.prod(shape[1:])), np.float32), Apart()
    for part in slices(len(x), NUMBERS / x.shape[1]):
        rows = array[part].reshape(part.stop - part.start, -1)
        with np.errstate(over="ignore"):
            x[part] = rows
        finite = np.isfinite(x[part])
        if not finite.all():
            place = np.unravel_index(part.start * x.shape[1] + int(np.argmin(finite)), shape)
            index = ", ".join(str(int(i)) for i in place)
            raise InputError(
                f"{name} has {array[place]} at [{index}]; values must be finite, and fit in float32"
            )
        if array.dtype.itemsize > 4:
            apart.see(rows, x[part])
        yield Progress(part.stop, len(x), f"check {name}")
    if array.dtype.itemsize > 4:
        apart.check([str(i + 1) for i in range(x.shape[1])], name)
    whole = array.dtype.kind in "ui"
    values, levels = yield from values_of(x, whole, 256 if array.dtype == np.uint8 else 0)
    return Table(x, values, levels, image_shape)


def read_npz(handle: IO[bytes], name: str, label_array: str | None) -> Work[Table]:
    """The table in a .npz archive, in slices; see :func:`backends.files.read_table`."""
    try:
        with zipfile.ZipFile(handle) as archive:
            return (yield from _read_archive(archive, name, label_array))
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # zipfile lets struct.error, zlib.error, RuntimeError and others through
        raise InputError(f"{name} is not a readable .npz archive ({brief(error)})") from None


def array_names(handle: IO[bytes], name: str) -> tuple[str, ...]:
    """The arrays in a .npz archive; raises InputError where it is none."""
    try:
        with zipfile.ZipFile(handle) as archive:
            found = [m.filename for m in archive.infolist()]
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise InputError(f"{name} is not a readable .npz archive ({brief(error)})") from None
    return tuple(f.removesuffix(".npy") for f in found if f.endswith(".npy"))


def _read_archive(archive: zipfile.ZipFile, name: str, label_array: str | None) -> Work[Table]:
    members = {m.filename.removesuffix(".npy"): m for m in archive.infolist() if m.filename.endswith(".npy")}
    for member in members.values():
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{name}: '{member.filename}' is compressed in a way that NumPy does not use")

    def read(key: str, kinds: str = _NUMBERS) -> Work[Array]:
        with archive.open(members[key]) as stream:
            return (yield from read_array(stream, members[key].file_size, f"{name}: array '{key}'", kinds))

    def dimensions(key: str) -> int:
        with archive.open(members[key]) as stream:
            return len(_read_header(stream, f"{name}: array '{key}'")[0])

    if label_array and label_array not in members:
        raise InputError(f"{name} has no array '{label_array}'; it has {', '.join(members) or 'none'}")
    candidates = [k for k in members if k != label_array]
    named = (k for k in DATA_ARRAYS if k in candidates)
    key = next(named, None) or next((k for k in candidates if dimensions(k) >= 2), None)
    if key is None:
        raise InputError(f"{name} has no array of rows or images; it has {', '.join(members) or 'none'}")
    table = yield from table_of((yield from read(key)), f"{name}: array '{key}'")

    label_key = label_array
    if label_array is None:
        label_key = next((k for k in LABEL_ARRAYS if k in members and k != key), None)
    if not label_key:
        return replace(table, label_column=label_array)
    where = f"{name}: array '{label_key}'"
    entries = yield from read(label_key, _NUMBERS + "US")
    if entries.shape not in ((len(table.x),), (len(table.x), 1)):
        raise InputError(f"{where} has shape {entries.shape}, not one label a row ({len(table.x)})")
    distinct, codes = np.unique(entries.ravel(), return_inverse=True)
    if distinct.dtype.kind == "S":
        distinct = np.char.decode(distinct, "utf-8", "replace")
    texts = [str(entry) for entry in distinct.tolist()]
    if label_array is None and not is_class(texts):
        return table
    names, rank = classes(texts, where)
    return replace(table, labels=rank[codes], label_names=names, label_column=label_key)

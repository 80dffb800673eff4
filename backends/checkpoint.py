"""The file format of a run: one ``.safetensors`` file with a JSON manifest in its header.

Layout (https://github.com/huggingface/safetensors#format): 8 bytes with the length of the header, the
header (a JSON object: for each array its dtype, shape and place; under ``__metadata__`` strings), then the
arrays. Our manifest is one of those strings. Nothing in such a file can run.

A file that comes from elsewhere is not trusted: all that the header says is checked against the size of the
file before anything is allocated, and what the file is follows from its content, never from its name.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from safetensors.numpy import save as serialize

from backends.atomic import replacing
from backends.base import Array, InputError
from backends.sniff import describe

SCHEMA = 1
_KEY = "latent_explorer"
_MAX_HEADER = 16 * 2**20
_DTYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16,
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


def write(path: str | Path, manifest: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write a run's file, whole or not at all; the same content gives the same bytes.

    manifest: JSON-ready; its "schema" is set here. arrays: bool, integer or float up to 64 bits, any shape.
    Raises InputError when the system refuses (full disk, missing folder, …); an old file stays as it was.
    """
    text = json.dumps({**manifest, "schema": SCHEMA}, ensure_ascii=False)
    # order="C" rather than ascontiguousarray, which makes a vector of a scalar
    data = serialize({k: np.asarray(v, order="C") for k, v in arrays.items()}, metadata={_KEY: text})
    if int.from_bytes(data[:8], "little") > _MAX_HEADER:
        raise InputError(f"cannot write '{path}': its description exceeds {_MAX_HEADER >> 20} MB")
    with replacing(path) as file:
        file.write(data)


def read(path: str | Path, only: str = "") -> tuple[dict[str, Any], dict[str, Array]]:
    """The manifest and the arrays of a run's file; raises InputError, in one sentence, if it is not one.

    only: of the arrays those whose names begin so; the others are not read.
    """
    with _open(path) as file:
        manifest, places = _read_header(file, path)
        start, wanted = file.tell(), {}
        for place in places:
            if place.name.startswith(only):
                file.seek(start + place.begin)
                wanted[place.name] = _read_array(file, place, path)
        return manifest, wanted


def read_manifest(path: str | Path) -> dict[str, Any]:
    """The manifest alone, without reading the arrays (for lists of recent files)."""
    with _open(path) as file:
        return _read_header(file, path)[0]


# -- reading -------------------------------------------------------------------------------------


class _Place(NamedTuple):
    """Where an array lies: begin and end count from the end of the header."""

    begin: int
    end: int
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def _open(path: str | Path) -> BinaryIO:
    try:
        # asked before opening: opening a pipe would wait for somebody to write into it
        if not stat.S_ISREG(os.stat(path).st_mode):
            what = "a folder" if os.path.isdir(path) else "not a file"
            raise InputError(f"cannot open '{path}': it is {what}")
        return open(path, "rb")
    except FileNotFoundError:
        raise InputError(f"there is no file '{path}'") from None
    except PermissionError:
        raise InputError(f"cannot open '{path}': permission denied") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise InputError(f"cannot open '{path}': {getattr(error, 'strerror', None) or error}") from None


def _read_header(file: BinaryIO, path: str | Path) -> tuple[dict[str, Any], list[_Place]]:
    size = os.fstat(file.fileno()).st_size
    start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    if len(start) < 9 or start[8:9] != b"{" or not 2 <= length <= _MAX_HEADER:
        file.seek(0)
        raise InputError(f"'{path}' is {describe(file)}, not a run of Latent Explorer")
    if 8 + length > size:
        raise InputError(f"'{path}' is cut short: it ends within its header")
    file.seek(8)
    header = _parse_json(file.read(length), f"'{path}' is damaged: its header")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_KEY), str):
        raise InputError(f"'{path}' holds safetensors of another program, not a run of Latent Explorer")
    manifest = _parse_json(metadata[_KEY].encode(), f"'{path}' is damaged: its manifest")
    schema = manifest.get("schema")
    if not isinstance(schema, int) or not _is_count(schema):
        raise InputError(f"'{path}' is damaged: its manifest has no schema version")
    if schema > SCHEMA:
        raise InputError(
            f"'{path}' was written by a newer version of Latent Explorer "
            f"(its schema is {schema}, this version reads up to {SCHEMA})"
        )
    return manifest, _check_places(header, size - 8 - length, path)


def _parse_json(text: bytes, what: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name occurs twice")
        return found

    try:
        value = json.loads(text.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} is not readable ({str(error)[:80]})") from None
    if not isinstance(value, dict):
        raise InputError(f"{what} is not a JSON object")
    return value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check_places(header: Mapping[str, Any], available: int, path: str | Path) -> list[_Place]:
    """Every array's place, in the order of the file, once they are known to fill it exactly."""
    places = sorted(_check_place(name, entry, path) for name, entry in header.items())
    position = 0
    for place in places:
        if place.begin != position:
            raise InputError(f"'{path}' is damaged: array '{place.name}' does not follow the one before it")
        position = place.end
    if position > available:
        raise InputError(
            f"'{path}' is cut short: {position} bytes of arrays are promised, {available} are there"
        )
    if position < available:
        raise InputError(f"'{path}' is damaged: {available - position} bytes belong to no array")
    return places


def _check_place(name: str, entry: object, path: str | Path) -> _Place:
    def wrong(what: str) -> InputError:
        return InputError(f"'{path}' is damaged: array '{name[:80]}' {what}")

    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise wrong("is not described as it must be")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in _DTYPES:
        raise wrong(f"is of unknown type {str(kind)[:20]!r}")
    dtype: np.dtype[Any] = np.dtype(_DTYPES[kind]).newbyteorder("<")
    if not isinstance(shape, list) or len(shape) > 32 or not all(_is_count(n) for n in shape):
        raise wrong("has no valid shape")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_is_count(n) for n in offsets):
        raise wrong("has no valid place")
    # NumPy's own limit counts the zeros of a shape as ones
    if math.prod(max(n, 1) for n in shape) * dtype.itemsize >= 2**62:
        raise wrong("is absurdly large")
    if offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
        raise wrong("does not have the size of its shape")
    return _Place(offsets[0], offsets[1], name, dtype, tuple(shape))


def _read_array(file: BinaryIO, place: _Place, path: str | Path) -> Array:
    """The next array; a copy of its own, so that nothing depends on the file once it is read."""
    flat = np.fromfile(file, place.dtype, math.prod(place.shape))
    if flat.nbytes != place.end - place.begin:
        raise InputError(f"'{path}' was cut short while it was read")
    if place.dtype == np.bool_ and flat.size and flat.view(np.uint8).max() > 1:
        raise InputError(f"'{path}' is damaged: array '{place.name}' holds neither true nor false")
    return flat.astype(place.dtype.newbyteorder("="), copy=False).reshape(place.shape)

"""IDX files, as MNIST and its relatives come in, perhaps compressed by gzip.

Two zero bytes, a type, the number of dimensions n, n sizes of 4 bytes (big-endian), then the values, the last
dimension fastest (LeCun, Cortes & Burges, "The MNIST database of handwritten digits"). What the sizes promise
is checked against what the file can hold before it is read, and a compressed file is unpacked no further.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import re
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np

from backends.base import Array, DataInfo, InputError, Progress, Work
from backends.dataset import DataSet, Split, in_splits, shuffled, split_sizes, value_range
from backends.estimates import slices
from backends.table import MAX_CLASSES, MAX_VALUES, NUMBERS, check_room, values_of

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_DENSEST = 1040  # bytes that one byte of a gzip file can stand for, at most
_BLOCK = 2**20  # bytes read between two yields
_MAX_DIMENSIONS = 4
_LISTED = 4096  # files of a folder between two yields
_IMAGES = re.compile(r"images([-._])idx[34]")


def is_idx(path: Path) -> bool:
    """Does the file begin as an IDX file, unpacked where it is compressed?"""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(1024)
    except (OSError, ValueError):  # ValueError: what is no path at all
        return False
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, 4)
        except zlib.error:
            return False
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in _TYPES and 1 <= head[3] <= _MAX_DIMENSIONS


def read_idx(path: Path) -> Work[tuple[Array, str]]:
    """The array in an IDX file, as it is stored, and the SHA-256 of the file in hex. In slices.

    Raises InputError, and nothing else.
    """
    name = path.name
    try:
        size = path.stat().st_size
        digest = hashlib.sha256()
        with path.open("rb") as raw:
            while block := raw.read(_BLOCK):
                digest.update(block)
                yield Progress(raw.tell(), size, f"look through {name}")
            raw.seek(0)
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw) if packed else raw)
            shape, dtype = _header(stream, name)
            count = math.prod(shape)
            wanted, held = count * dtype.itemsize, size * _DENSEST if packed else size - 4 * (1 + len(shape))
            if wanted > held:
                raise InputError(
                    f"{name} is cut short: its sizes {shape} are {wanted} bytes, which a file of {size} "
                    "bytes cannot hold"
                )
            if count > MAX_VALUES:
                raise InputError(f"{name} holds {count} values; at most {MAX_VALUES} can be read")
            check_room(wanted + 4 * count, name)
            data = bytearray()
            while len(data) < wanted:
                block = stream.read(min(_BLOCK, wanted - len(data)))
                if not block:
                    raise InputError(f"{name} is cut short: it holds {len(data)} of {wanted} bytes")
                data += block
                yield Progress(len(data), wanted, f"read {name}")
            if stream.read(1):
                raise InputError(f"{name} holds more than its sizes {shape} say")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{name} is damaged: it cannot be unpacked ({error})") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise InputError(f"{name} needs more memory than there is") from None
    return np.frombuffer(data, dtype).reshape(shape), digest.hexdigest()


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES:
        raise InputError(
            f"{name} is no IDX file: it begins with the bytes {head.hex(' ') or 'of an empty file'}"
        )
    if not 1 <= head[3] <= _MAX_DIMENSIONS:
        raise InputError(f"{name} has {head[3]} dimensions; 1 to {_MAX_DIMENSIONS} can be read")
    sizes = stream.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise InputError(f"{name} is cut short: it ends within its header")
    return tuple(np.frombuffer(sizes, ">u4").tolist()), np.dtype(_TYPES[head[2]])


# -- as data ----------------------------------------------------------------------------------------


def open_idx(path: Path) -> Work[DataSet]:
    """The rows or images of an IDX file, with the labels of the file beside it that is named like it.

    Beside "train-images-idx3-ubyte" these are "train-labels-idx1-ubyte", and "t10k-images-idx3-ubyte" or
    "test-images-idx3-ubyte" are held out; a file without such a one beside it is split itself. Each may end
    in .gz. Values of bytes stay whole numbers 0 … 255.
    """
    digests = []
    images, sha256 = yield from read_idx(path)
    digests.append(sha256)
    if images.ndim == 1:
        raise InputError(f"{path.name} holds labels or one column: open the images that they are of")
    labels = yield from _labels(path, len(images), digests)
    held_out = _beside(path, "train", "t10k") or _beside(path, "train", "test")
    test, test_labels = images[:0], None
    if held_out is not None:
        test, sha256 = yield from read_idx(held_out)
        digests.append(sha256)
        if test.shape[1:] != images.shape[1:]:
            raise InputError(
                f"{held_out.name} has rows of shape {test.shape[1:]}, where those of {path.name} are "
                f"{images.shape[1:]}"
            )
        test_labels = yield from _labels(held_out, len(test), digests)
    n, order = len(images), shuffled(len(images))
    x = np.empty((n + len(test), math.prod(images.shape[1:])), np.float32)
    yield from _rows(images, order, path.name, x[:n])
    if held_out is not None:
        yield from _rows(test, np.arange(len(test)), held_out.name, x[n:])
    names: tuple[str, ...] = ()
    codes = None
    if labels is not None and (held_out is None or test_labels is not None):
        every = labels[order] if test_labels is None else np.concatenate((labels[order], test_labels))
        distinct, codes = np.unique(every.astype(np.int64), return_inverse=True)
        names = tuple(str(label) for label in distinct)
    train, validation = split_sizes(n, path.name) if held_out is None else (n - n // 10, n // 10)
    whole = images.dtype.kind in "ui"
    values, levels = yield from values_of(x, whole, 256 if images.dtype.itemsize == 1 else 0)
    shape = images.shape[1:]
    info = DataInfo(
        path.name,
        path.name,
        dim=x.shape[1],
        values=values,
        levels=levels,
        image_shape=None if images.ndim == 2 else shape[:2] if shape[2:] == (1,) else shape,
        display={"binary": (0.0, 1.0), "integer": (0.0, levels - 1.0)}.get(values) or value_range(x),
        label_names=names,
        source={
            "file": os.path.abspath(path),
            "sha256": hashlib.sha256("".join(digests).encode()).hexdigest(),
        },
    )
    return DataSet(info, *in_splits(Split(x, codes), train, validation))


def _rows(images: Array, order: Array, name: str, x: Array) -> Work[None]:
    """Rows x (n, d) float32 of images in this order; raises InputError for what is no row or no number."""
    shape = images.shape
    if 0 in shape or (images.ndim == 4 and shape[3] not in (1, 3, 4)):
        raise InputError(
            f"{name} has shape {shape}, not rows (n, d) or images (n, height, width[, channels])"
        )
    rows = images.reshape(len(images), -1)
    for part in slices(len(x), NUMBERS / x.shape[1]):
        with np.errstate(over="ignore"):
            x[part] = rows[order[part]]
        if images.dtype.kind == "f" and not np.isfinite(x[part]).all():
            raise InputError(f"{name} has values that are not finite, or do not fit in float32")
        yield Progress(part.stop, len(x), f"check {name}")


def _labels(images: Path, n: int, digests: list[str]) -> Work[Array | None]:
    """The labels (n,) of the file beside; None where there is none."""
    path = _beside(images, "images", "labels")
    if path is None:
        return None
    labels, sha256 = yield from read_idx(path)
    digests.append(sha256)
    if labels.shape != (n,):
        raise InputError(
            f"{path.name} has shape {labels.shape}, not one label for each of the {n} in {images.name}"
        )
    if labels.dtype.kind == "f" or len(np.unique(labels)) > MAX_CLASSES:
        raise InputError(f"{path.name} holds no labels: whole numbers, at most {MAX_CLASSES} different ones")
    return labels


def _beside(path: Path, part: str, other: str) -> Path | None:
    """The file that is called like this one but for a part of its name, packed or not; None where there is
    none."""
    if part not in path.name:
        return None
    name = path.name.replace(part, other).removesuffix(".gz")
    if part == "images":
        name = re.sub(r"idx[34]", "idx1", name)
    packed, plain = path.with_name(f"{name}.gz"), path.with_name(name)
    either = (packed, plain) if path.suffix == ".gz" else (plain, packed)
    return next((candidate for candidate in either if candidate.is_file()), None)


def images_in(folder: Path) -> Work[Path | None]:
    """The file of training images in a folder as MNIST is unpacked to; None without one. In slices."""
    found: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for i, entry in enumerate(entries):
                if _IMAGES.search(entry.name) and entry.is_file():
                    found.append(entry.name)
                if i % _LISTED == _LISTED - 1:
                    yield Progress(0, 0, f"look into {folder.name}")
    except OSError:
        return None
    name = min(found, key=lambda name: ("train" not in name, name), default=None)
    return None if name is None else folder / name

"""Images as data: a folder of PNG and JPEG files, each cut to its central square and resized.

The class of an image is the first folder on the way to it, where all images lie in folders of their own. What
cannot be read as an image is left out, counted and named; a folder without one that can is refused.
"""

from __future__ import annotations

import hashlib
import heapq
import io
import math
import os
import stat
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backends.base import Array, DataInfo, InputError, Progress, Work
from backends.dataset import DataSet, Split, in_splits, shuffled, split_sizes
from backends.estimates import slices
from backends.sources import Choices
from backends.table import MAX_CLASSES, MAX_VALUES, check_room

SIZE, COLOUR = 32, "grey"  # where nothing was chosen
SUFFIXES = (".png", ".jpg", ".jpeg")
FORMATS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF"}
MOST_BYTES = 2**28  # of a file
_SLICE = 0.005  # seconds of work between two yields
_SORTED = 2**12  # names sorted in one go, and looked through between two yields
_PIXELS = 2**18  # laid on white in one go
_NAMED = 3  # files that a note names


@dataclass(frozen=True)
class Folder:
    """The image files below a folder, as names relative to it, sorted, and the classes that they are of:
    labels are indices into label_names, one a file; there may be none."""

    path: Path
    files: tuple[str, ...]
    labels: tuple[int, ...] = ()
    label_names: tuple[str, ...] = ()


def list_images(path: Path) -> Work[Folder]:
    """All images in a folder and in those within it, hidden ones apart; raises InputError where there are
    none, or the folder cannot be read. In slices."""
    files: list[str] = []
    waiting, began = [""], time.perf_counter()
    while waiting:
        inside = waiting.pop()
        try:
            with os.scandir(path / inside) as entries:
                for entry in entries:
                    if entry.name.startswith((".", "__MACOSX")):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{inside}{entry.name}/")
                    elif entry.name.lower().endswith(SUFFIXES):
                        files.append(inside + entry.name)
                    if time.perf_counter() - began > _SLICE:
                        yield Progress(0, 0, f"found {len(files):,} images".replace(",", "\u202f"))
                        began = time.perf_counter()
        except OSError as error:
            raise InputError(f"{path / inside} cannot be read: {error.strerror or error}") from None
    if not files:
        raise InputError(
            f"the folder {path.name or path} holds no images: no file that ends in .png, .jpg or .jpeg"
        )
    return (yield from _in_order(path, files))


def _in_order(path: Path, files: list[str]) -> Work[Folder]:
    """The folder of files that were found in any order. Sorted in blocks: sorting keeps the interpreter."""
    blocks = [sorted(files[part]) for part in slices(len(files), _SORTED)]
    ordered, labels, index = list[str](), list[int](), dict[str, int]()
    for name in heapq.merge(*blocks):
        ordered.append(name)
        if "/" in name:
            labels.append(index.setdefault(name.partition("/")[0], len(index)))
        if len(ordered) % _SORTED == 0:
            yield Progress(len(ordered), len(files), "sort the images")
    if len(labels) < len(files) or not 2 <= len(index) <= MAX_CLASSES:
        return Folder(path, tuple(ordered))
    names = sorted(index)
    rank = np.argsort(np.argsort(list(index)))  # of each class as it was met, among the sorted ones
    return Folder(path, tuple(ordered), tuple(rank[labels].tolist()), tuple(names))


def read_folder(path: Path, choices: Choices) -> Work[DataSet]:
    """The images of a folder as rows of whole numbers 0 … 255, in slices.

    In memory they take 4 bytes a number: at 32×32 in grey, 100 000 images take 410 MB. Raises InputError
    where they would be more than MAX_VALUES numbers, and where not even three can be read.
    """
    if choices.label is not None:
        raise InputError(f"{path.name} is a folder: its labels are its folders' names, not '{choices.label}'")
    folder = yield from list_images(path)
    size, colour = choices.size or SIZE, choices.colour or COLOUR
    channels = 3 if colour == "rgb" else 1
    total, dim = len(folder.files), size * size * channels
    if total * dim > MAX_VALUES:
        fits = int((MAX_VALUES / (total * channels)) ** 0.5)
        raise InputError(
            f"{total} images of {size}×{size} in {colour} are {total * dim / 1e9:.1f} thousand million "
            f"numbers; at most {MAX_VALUES / 1e9:.1f} can be read: choose size {fits} or less"
        )
    check_room(4 * total * dim, path.name)
    order = shuffled(total)
    place = np.empty(total, np.int64)
    place[order] = np.arange(total)  # read in the order of their names, which is a disk's own, not in that
    x, digests = np.empty((total, dim), np.float32), np.empty((total, 32), np.uint8)
    good, missed = np.zeros(total, bool), list[str]()
    began = time.perf_counter()
    for done, (name, row) in enumerate(zip(folder.files, place.tolist(), strict=True), 1):
        try:
            content = read_content(f"{path}/{name}", name)
            x[row] = square(content, name, size, colour).ravel()
        except InputError as error:
            missed.append(str(error))
        else:
            good[row] = True
            digests[row] = np.frombuffer(hashlib.sha256(content).digest(), np.uint8)
        if time.perf_counter() - began > _SLICE:
            yield Progress(done, total, "read images")
            began = time.perf_counter()
    kept = np.flatnonzero(good)
    if not len(kept):
        raise InputError(f"none of the {total} images in {path.name} can be read: {min(missed)}")
    sha256 = hashlib.sha256()
    for part in slices(len(kept), _SORTED):
        for row in kept[part].tolist():
            sha256.update(
                folder.files[order[row]].encode("utf-8", "surrogateescape") + digests[row].tobytes()
            )
        if missed:
            x[part] = x[kept[part]]  # rows move up to where one was left out
        yield Progress(part.stop, len(kept), "look through the images")
    labels = np.array(folder.labels, np.int64)[order[kept]] if folder.labels else None
    info = image_info(folder, size, colour, sha256.hexdigest())
    splits = in_splits(Split(x[: len(kept)], labels), *split_sizes(len(kept), path.name))
    return DataSet(info, *splits, notes=(_note(missed, total, path.name),) if missed else ())


def image_info(folder: Folder, size: int, colour: str, sha256: str = "") -> DataInfo:
    """What is known of a folder's images, made squares of this size in "grey" or "rgb"."""
    shape = (size, size, 3) if colour == "rgb" else (size, size)
    return DataInfo(
        folder.path.name,
        folder.path.name,
        dim=math.prod(shape),
        values="integer",
        levels=256,
        image_shape=shape,
        display=(0.0, 255.0),
        label_names=folder.label_names,
        source={"folder": os.path.abspath(folder.path), "sha256": sha256, "size": size, "colour": colour},
    )


def _note(missed: list[str], total: int, folder: str) -> str:
    more = f"; and {len(missed) - _NAMED} more" if len(missed) > _NAMED else ""
    is_ = "is" if len(missed) == 1 else "are"
    named = "; ".join(missed[:_NAMED])
    return f"{len(missed)} of the {total} images in {folder} {is_} left out: {named}{more}"


# -- one image --------------------------------------------------------------------------------------


def read_content(path: Path | str, name: str) -> bytes:
    """The bytes of a file; raises InputError where there is none, it cannot be read, or it is too large."""
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):  # such as a pipe, which nobody may ever write to
            raise InputError(f"{name} is not a file")
        if about.st_size > MOST_BYTES:
            raise InputError(f"{name} has more than {MOST_BYTES >> 20} MiB, which is too much for a picture")
        with open(path, "rb", buffering=0) as file:
            return file.read(about.st_size)
    except FileNotFoundError:
        raise InputError(f"{name}: there is no such file") from None
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}") from None


def upright(content: bytes, name: str, least: int | None = None) -> tuple[Any, tuple[int, int]]:
    """The Pillow image in a file's bytes, turned as its camera was held, and the (width, height) in the file.

    least: a JPEG may be read at a half, a quarter or an eighth of its size, if no side falls below this.
    Raises InputError, and nothing else, for what is damaged, of another format, or of too many pixels.
    """
    from PIL import Image, ImageOps

    form = next((f for signature, f in FORMATS.items() if content.startswith(signature)), None)
    if form is None:
        raise InputError(f"{name} is no picture that can be read: PNG, JPEG or GIF")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a size that is refused here, and of odd metadata
            with Image.open(io.BytesIO(content), formats=(form,)) as image:
                most, size = Image.MAX_IMAGE_PIXELS, image.size
                if most is not None and image.width * image.height > most:
                    raise InputError(
                        f"{name} has {image.width} × {image.height} pixels; at most {most} can be read"
                    )
                if least is not None:
                    image.draft(None, (least, least))
                image.load()
                wide = image.width > image.height
                ImageOps.exif_transpose(image, in_place=True)
                turned = wide != (image.width > image.height)
                return image, size[::-1] if turned else size
    except InputError:
        raise
    except Image.DecompressionBombError:
        raise InputError(f"{name} has more pixels than can be read") from None
    except MemoryError:
        raise InputError(f"{name} needs more memory than there is") from None
    except Exception as error:  # Pillow's readers let nearly anything through
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise InputError(f"{name} is damaged: it cannot be read as a {form} picture ({reason})") from None


def on_white(image: Any, mode: str) -> Any:
    """In 8 bits, "L" or "RGB"; what is transparent is white."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits a pixel
        image = image.convert("I").point(lambda level: level / 257).convert("L")
    if image.has_transparency_data:
        clear, image = image.convert("RGBA"), Image.new("RGBA", image.size, "white")
        for rows in slices(image.height, _PIXELS / image.width):  # it keeps the interpreter meanwhile
            image.alpha_composite(clear.crop((0, rows.start, image.width, rows.stop)), (0, rows.start))
    return image if image.mode == mode else image.convert(mode)


def square(content: bytes, name: str, size: int, colour: str) -> Array:
    """The central square of an image, (size, size) or (size, size, 3) uint8; see :func:`upright`."""
    from PIL import Image

    image, _ = upright(content, name, least=2 * size)
    image = on_white(image, "RGB" if colour == "rgb" else "L")
    side = min(image.size)
    if image.size != (side, side):
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if side != size:
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image)

"""Images as data: a folder of PNG and JPEG files, each cut to its central square and resized.

The class of an image is the first folder on the way to it, where all images lie in folders of their own. What
cannot be read as an image is left out, counted and named; a folder without one that can is refused.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backends.base import Array, DataInfo, InputError, Progress, Work
from backends.dataset import DataSet, Split, in_splits, shuffled, split_sizes
from backends.sources import Choices
from backends.table import MAX_CLASSES, MAX_VALUES

SIZE, COLOUR = 32, "grey"  # where nothing was chosen
SUFFIXES = (".png", ".jpg", ".jpeg")
FORMATS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF"}
MOST_BYTES = 2**28  # of a file
_SLICE = 0.005  # seconds of work between two yields
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
    none, or the folder cannot be read."""
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
    files.sort()
    classes = [name.partition("/")[0] for name in files if "/" in name]
    names = sorted(set(classes))
    if len(classes) < len(files) or not 2 <= len(names) <= MAX_CLASSES:
        return Folder(path, tuple(files))
    index = {name: i for i, name in enumerate(names)}
    return Folder(path, tuple(files), tuple(index[name] for name in classes), tuple(names))


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
    x, kept, missed = np.empty((total, dim), np.float32), list[int](), list[str]()
    digest, began = hashlib.sha256(), time.perf_counter()
    for done, i in enumerate(shuffled(total)):
        name = folder.files[i]
        try:
            content = read_content(path / name, name)
            x[len(kept)] = square(content, name, size, colour).ravel()
        except InputError as error:
            missed.append(str(error))
        else:
            kept.append(int(i))
            digest.update(name.encode("utf-8", "surrogateescape") + hashlib.sha256(content).digest())
        if time.perf_counter() - began > _SLICE:
            yield Progress(done + 1, total, "read images")
            began = time.perf_counter()
    if not kept:
        raise InputError(f"none of the {total} images in {path.name} can be read: {min(missed)}")
    labels = np.array(folder.labels, np.int64)[kept] if folder.labels else None
    info = image_info(folder, size, colour, digest.hexdigest())
    splits = in_splits(Split(x[: len(kept)], labels), *split_sizes(len(kept), path.name))
    return DataSet(info, *splits, notes=(_note(sorted(missed), total, path.name),) if missed else ())


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
    return f"{len(missed)} of the {total} images in {folder} are left out: {'; '.join(missed[:_NAMED])}{more}"


# -- one image --------------------------------------------------------------------------------------


def read_content(path: Path, name: str) -> bytes:
    """The bytes of a file; raises InputError where there is none, it cannot be read, or it is too large."""
    try:
        if not path.is_file():
            raise InputError(f"{name}: there is no such file")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        raise InputError(f"{name} has more than {MOST_BYTES >> 20} MiB, which is too much for a picture")
    return content


def upright(content: bytes, name: str, least: int | None = None) -> Any:
    """The Pillow image in a file's bytes, turned as its camera was held.

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
                most = Image.MAX_IMAGE_PIXELS
                if most is not None and image.width * image.height > most:
                    raise InputError(
                        f"{name} has {image.width} × {image.height} pixels; at most {most} can be read"
                    )
                if least is not None:
                    image.draft(None, (least, least))
                image.load()
                return ImageOps.exif_transpose(image)
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
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def square(content: bytes, name: str, size: int, colour: str) -> Array:
    """The central square of an image, (size, size) or (size, size, 3) uint8; see :func:`upright`."""
    from PIL import Image

    image = on_white(upright(content, name, least=2 * size), "RGB" if colour == "rgb" else "L")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    middle = image.crop((left, top, left + side, top + side))
    return np.asarray(middle.resize((size, size), Image.Resampling.BILINEAR))

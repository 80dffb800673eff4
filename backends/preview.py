"""A look at the user's own data before they are used: first rows or images, and what can be said of all."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from backends.base import Array, DataInfo, InputError, Progress
from backends.csv_table import Glance, Missing
from backends.dataset import SPLITS, DataSet
from backends.files import contents, missing_values
from backends.idx import images_in, is_idx
from backends.images import COLOUR, Folder, image_info, list_images, on_white, read_content, square, upright
from backends.opened import read_path
from backends.picture import is_picture, read_levels
from backends.sources import Choices
from backends.table import MAX_VALUES

SHOWN = 24  # images
ROWS = 10  # of a table
SIZES = (16, 28, 32, 48, 64, 96, 128)  # that are offered for a folder's images
_BLOCK = 2048  # rows looked at between two yields
_LARGEST = 64  # that is proposed: a photograph's own size would be none to train on


@dataclass(frozen=True, eq=False)
class Look:
    """What is seen so far of a file or a folder.

    choices: in force, also where they were not made but proposed.
    info: of the data as they would be; None where they cannot be read like this.
    first: the first rows (m, d) float32, with labels (m,) where there are any.
    rows: how many there are. range: the smallest and the largest value. counts: rows of each class.
    glance: of a CSV, its first rows as they are written. missing: its values that are, where it was counted.
    labels: the columns or arrays that could be chosen as labels.
    picture: (h, w) in [0, 1], how dense each pixel is of a picture that is a density, the top row first.
    folder: the images that were found. sizes: (width, height) of the first of them, of which so many were
    unreadable.
    problem: why it cannot be used like this. data: all of it, where that has been read.
    """

    choices: Choices
    info: DataInfo | None = None
    first: Array | None = None
    first_labels: Array | None = None
    rows: int = 0
    range: tuple[float, float] | None = None
    counts: tuple[int, ...] = ()
    glance: Glance | None = None
    labels: tuple[str, ...] = ()
    missing: Missing | None = None
    picture: Array | None = None
    folder: Folder | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    unreadable: int = 0
    problem: str = ""
    data: DataSet | None = None

    @property
    def memory(self) -> int:
        """Bytes that the rows take as float32."""
        return 0 if self.info is None else 4 * self.rows * self.info.dim


Looking = Generator[Progress | Look, None, Look]


def look(path: Path, choices: Choices, before: Look | None = None) -> Looking:
    """A look at a file or a folder, in slices; finer ones are yielded as they come.

    before: an earlier look at the same, whose list of images is used again. Where nothing can be seen at all
    InputError says why; what only cannot be used like this is told in ``problem``.
    """
    from backends.encodings import is_run_file  # which opens data for its run

    if path.is_dir() and (yield from images_in(path)) is None:
        return (yield from _look_at_folder(path, choices, before))
    seen = Look(choices)
    if is_picture(path):
        seen = Look(choices, picture=read_levels(path))
        yield seen
    elif not (path.is_dir() or is_idx(path) or is_run_file(path)):
        inside = contents(path, ROWS)
        if choices.label is None and inside.glance is not None and len(inside.glance.text_columns) == 1:
            choices = Choices(label=inside.glance.text_columns[0])  # it can be nothing else
        seen = Look(choices, glance=inside.glance, labels=inside.labels)
        yield seen
    try:
        data = yield from read_path(path, choices)
    except InputError as error:
        if seen.glance is None:
            raise
        missing = yield from missing_values(path)
        return replace(seen, problem=str(error), missing=missing)
    label = data.info.source.get("label_column")
    low, high = yield from _range([data.split(name).x for name in SPLITS])
    return replace(
        seen,
        choices=choices if not isinstance(label, str) else Choices(label=label),
        info=data.info,
        first=data.train.x[:SHOWN],
        first_labels=None if data.train.labels is None else data.train.labels[:SHOWN],
        range=(low, high),
        rows=sum(len(data.split(name)) for name in SPLITS),
        counts=_counts([data.split(name).labels for name in SPLITS], len(data.info.label_names)),
        missing=None if seen.glance is None else Missing(),
        data=data,
    )


def _range(parts: list[Array]) -> Generator[Progress, None, tuple[float, float]]:
    low, high, total = np.inf, -np.inf, sum(map(len, parts))
    for x in parts:
        for start in range(0, len(x), _BLOCK):
            block = x[start : start + _BLOCK]
            low, high = min(low, float(block.min())), max(high, float(block.max()))
            yield Progress(start, total, "look at the values")
    return low, high


def _counts(labels: list[Array | None], classes: int) -> tuple[int, ...]:
    there = [part for part in labels if part is not None]
    return tuple(np.bincount(np.concatenate(there), minlength=classes).tolist()) if there else ()


def _look_at_folder(path: Path, choices: Choices, before: Look | None) -> Looking:
    if choices.label:
        raise InputError(f"{path.name} is a folder: its labels are its folders' names, not '{choices.label}'")
    folder = before.folder if before is not None else None
    if folder is None:
        folder = yield from list_images(path)
    n = len(folder.files)
    which = np.unique(np.linspace(0, n - 1, min(n, SHOWN)).astype(int))  # of all classes
    proposed, sizes = choices, list[tuple[int, int]]()
    if choices.size is None or choices.colour is None:
        proposed, sizes = yield from _propose(folder, which, choices)
    size, colour = proposed.size or SIZES[0], proposed.colour or COLOUR
    info = image_info(folder, size, colour)
    seen = Look(
        proposed,
        info,
        rows=n,
        counts=_counts([np.array(folder.labels, np.int64)] if folder.labels else [], len(folder.label_names)),
        folder=folder,
        sizes=tuple(sizes) or (() if before is None else before.sizes),
    )
    pixels, labels, reason = list[Array](), list[int](), ""
    for done, i in enumerate(which, 1):
        name = folder.files[i]
        try:
            pixels.append(square(read_content(path / name, name), name, size, colour).ravel())
        except InputError as error:
            reason = reason or str(error)
        else:
            labels += folder.labels[i : i + 1]
        yield Progress(done, len(which), "look at images")
    seen = replace(
        seen,
        first=np.array(pixels, np.float32).reshape(-1, info.dim),
        first_labels=np.array(labels, np.int64) if labels else None,
        unreadable=len(which) - len(pixels),
    )
    if not pixels:
        return replace(seen, problem=f"none of the first images can be read: {reason}")
    if n < len(SPLITS):
        return replace(seen, problem=f"{path.name} has {n} image{'s' * (n > 1)}; at least 3 are needed")
    if n * info.dim > MAX_VALUES:
        return replace(
            seen, problem=f"{n:,} images of this size are more than can be held: choose a smaller one"
        )
    return seen


def _propose(
    folder: Folder, which: Array, choices: Choices
) -> Generator[Progress, None, tuple[Choices, list[tuple[int, int]]]]:
    """A size near the images' own, and colour where one of them has some; with the sizes that were seen."""
    sizes, colourful = [], False
    for done, i in enumerate(which, 1):
        name = folder.files[i]
        try:
            image, size = upright(read_content(folder.path / name, name), name, least=2 * _LARGEST)
        except InputError:
            continue
        sizes.append(size)
        small = np.asarray(on_white(image, "RGB").resize((16, 16)), np.int64)
        colourful |= bool((np.ptp(small, axis=2) > 8).any())
        yield Progress(done, len(which), "look at images")
    side = float(np.median([min(size) for size in sizes])) if sizes else SIZES[0]
    colour = choices.colour or ("rgb" if colourful else "grey")
    channels = 3 if colour == "rgb" else 1
    fit = [
        s
        for s in SIZES
        if s <= min(side, _LARGEST) and s * s * channels * len(folder.files) <= MAX_VALUES // 4
    ]
    return Choices(size=choices.size or max(fit, default=SIZES[0]), colour=colour), sizes

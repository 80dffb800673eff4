"""A file or a folder of the user's as a data set, whatever it is: that follows from its content."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from backends.base import DataInfo, InputError, Progress, Work
from backends.dataset import DataSet, Density, Split, in_splits, shuffled, split_sizes, value_range
from backends.estimates import slices
from backends.files import reading_table
from backends.idx import images_in, is_idx, open_idx
from backends.images import read_folder
from backends.picture import Picture, is_picture, read_picture
from backends.sources import Choices
from backends.synthetic import TEST, TRAIN, VALIDATION
from backends.table import NUMBERS


def read_path(path: Path, choices: Choices, expected: str | None = None) -> Work[DataSet]:
    """The data in a file or a folder, in slices.

    expected: the SHA-256 that its source noted. Raises InputError where it cannot be used, what was chosen
    does not apply to it, or it has changed.
    """
    data = yield from _read(path, choices)
    if expected is not None and data.info.source["sha256"] != expected:
        raise InputError(f"{path} has changed since it was opened for this run")
    return data


def _read(path: Path, choices: Choices) -> Work[DataSet]:
    from backends.encodings import is_run_file, open_encodings  # which opens data for its run

    if path.is_dir():
        idx = yield from images_in(path)
        if idx is None:
            return (yield from read_folder(path, choices))
        path = idx
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    if choices.size is not None or choices.colour is not None:
        raise InputError(f"{path.name} is no folder of images, whose size and colour can be chosen")
    if is_picture(path):
        _refuse_label(choices, f"{path.name} is a picture, so it has no labels")
        return _of_picture(path, *read_picture(path))
    if is_run_file(path):
        _refuse_label(choices, f"{path.name} is a run, whose labels are those of its data, not")
        return open_encodings(path)
    if is_idx(path):
        _refuse_label(choices, f"{path.name} is an IDX file, whose labels are in the file beside it, not")
        return (yield from open_idx(path))
    return (yield from _table(path, choices))


def _refuse_label(choices: Choices, why: str) -> None:
    if choices.label:
        raise InputError(f"{why} '{choices.label}'")


def _table(path: Path, choices: Choices) -> Work[DataSet]:
    table, sha256 = yield from reading_table(path, choices.label)
    sizes, order = split_sizes(len(table.x), path.name), shuffled(len(table.x))
    display = {"binary": (0.0, 1.0), "integer": (0.0, table.levels - 1.0)}
    info = DataInfo(
        path.name,
        path.name,
        dim=table.x.shape[1],
        values=table.values,
        levels=table.levels,
        image_shape=table.image_shape,
        display=display.get(table.values) or value_range(table.x),
        columns=table.columns,
        label_names=table.label_names,
        source={"file": os.path.abspath(path), "sha256": sha256, "label_column": table.label_column},
    )
    labels = None if table.labels is None else table.labels[order]
    x = np.empty_like(table.x)
    for part in slices(len(x), NUMBERS / x.shape[1]):
        x[part] = table.x[order[part]]
        yield Progress(part.stop, len(x), f"split {path.name}")
    return DataSet(info, *in_splits(Split(x, labels), *sizes))


def _of_picture(path: Path, picture: Picture, sha256: str) -> DataSet:
    x = picture.draw(np.random.default_rng(12), TRAIN + VALIDATION + TEST)
    info = DataInfo(
        path.name,
        path.name,
        dim=2,
        display=value_range(x),
        columns=("x1", "x2"),
        source={"file": os.path.abspath(path), "sha256": sha256, "entropy": picture.entropy},
    )
    return DataSet(
        info,
        *in_splits(Split(x), TRAIN, VALIDATION),
        density=Density(picture.log_prob, picture.entropy),
    )

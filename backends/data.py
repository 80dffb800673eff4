"""Data sets: real digits, pictures with known factors, synthetic planes with a known density, and the user's
own files.

Rows are in the data's own units, float32; a model that wants them standardised does so inside. Every set
comes split into training, validation and held-out ("test") rows, always the same ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from backends.base import Array, DataInfo, InputError, Work, finish
from backends.dataset import SPLITS, DataSet, Density, Split, in_splits, value_range
from backends.rendered import DOC, FACTORS, RENDERED, SHAPES, Rendered
from backends.rendered import TEST as SHAPES_TEST
from backends.rendered import VALIDATION as SHAPES_VALIDATION
from backends.sources import Choices, choices_of, parse, text_of
from backends.synthetic import SMALL, SMALL_VALIDATION, SYNTHETIC, TRAIN, VALIDATION, Small, Synthetic
from backends.table import MAX_VALUES
from backends.two_gaussians import LARGEST, SEPARATION, separation, two_gaussians
from backends.two_gaussians import NAME as TWO_GAUSSIANS

__all__ = [
    "SPLITS", "DataEntry", "DataSet", "Density", "Split",
    "data_sets", "known_density", "open_data", "read_data", "without_rows",
]  # fmt: skip

MOST_ROWS = 10_000_000  # of a synthetic set


@dataclass(frozen=True)
class DataEntry:
    """A line of the list of named data sets. known_entropy: in nats, where the density is known."""

    name: str
    title: str
    doc: str
    dim: int
    values: str
    image_shape: tuple[int, ...] | None = None
    known_entropy: float | None = None

    def json(self) -> dict[str, Any]:
        """For ``latent-explorer data --json``."""
        return asdict(self)


@dataclass(frozen=True)
class _Digits:
    """One preparation of scikit-learn's 1797 handwritten digits, 8×8 pixels of 0 … 16."""

    title: str
    doc: str
    values: str
    levels: int
    display: tuple[float, float]
    prepare: Callable[[Array], Array]


_DIGITS = {
    "digits": _Digits(
        "Digits 8×8 · binary",
        "1797 handwritten digits of scikit-learn, ink where a pixel is at least 8 of 16.",
        "binary", 0, (0, 1), lambda x: x >= 8,
    ),
    "digits-grey": _Digits(
        "Digits 8×8 · grey",
        "1797 handwritten digits of scikit-learn, pixels divided by 16.",
        "real", 0, (0, 1), lambda x: x / 16,
    ),
    "digits-16": _Digits(
        "Digits 8×8 · 17 levels",
        "1797 handwritten digits of scikit-learn, pixels counted from 0 to 16.",
        "integer", 17, (0, 16), lambda x: x,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class _Blank:
    """A set without rows, for a model that takes rows by hand."""

    title: str
    doc: str
    columns: tuple[str, ...]
    values: str
    display: tuple[float, float]


_BLANK = {
    "my-coin": _Blank(
        "A coin of your own", "No rows: you say how each flip falls.", ("heads",), "binary", (0, 1)
    ),
    "my-points-1d": _Blank(
        "Points of your own, one column", "No rows: you click them on an axis.", ("x",), "real", (-5, 5)
    ),
    "my-points": _Blank(
        "Points of your own", "No rows: you click them on a plane.", ("x", "y"), "real", (-1, 1)
    ),
}
_SYNTHETIC = {s.name: s for s in (*SYNTHETIC, two_gaussians(SEPARATION))}
_SMALL = {s.name: s for s in SMALL}
_RENDERED = {r.name: r for r in RENDERED}
_NAMED = {*_DIGITS, *_SYNTHETIC, *_SMALL, *_RENDERED, *_BLANK}


def data_sets() -> tuple[DataEntry, ...]:
    """The named data sets. Cheap: loads and draws nothing."""
    digits = [DataEntry(name, d.title, d.doc, 64, d.values, (8, 8)) for name, d in _DIGITS.items()]
    planes = [DataEntry(s.name, s.title, s.doc, 2, "real", None, s.entropy) for s in _SYNTHETIC.values()]
    small = [DataEntry(s.name, s.title, s.doc, len(s.columns), s.values, None, s.entropy) for s in SMALL]
    blank = [DataEntry(name, b.title, b.doc, len(b.columns), b.values) for name, b in _BLANK.items()]
    shapes = [DataEntry(r.name, r.title, DOC, r.side**2, "real", (r.side, r.side)) for r in RENDERED]
    return (*digits, *shapes, *planes, *small, *blank)


def without_rows(info: DataInfo) -> str | None:
    """The name of the set that has rows like these, but none yet; None where there is no such set."""
    like = (name for name, b in _BLANK.items() if (len(b.columns), b.values) == (info.dim, info.values))
    return next(like, None)


def known_density(info: DataInfo) -> Density | None:
    """The distribution that a data set was drawn from, where its source tells; draws no rows."""
    source = info.source
    if "file" in source and isinstance(source.get("entropy"), float):  # a picture, which is read when asked
        path, sha256 = Path(str(source["file"])), str(source.get("sha256"))
        from backends.picture import known_picture

        return Density(lambda x: known_picture(path, sha256).log_prob(x), source["entropy"])
    name = str(source.get("name"))
    known = _synthetic_named(name) or _SMALL.get(name)
    return None if known is None else Density(known.log_prob, known.entropy)


def _synthetic_named(name: str) -> Synthetic | None:
    """The synthetic plane of this name, perhaps with an "@A"."""
    a = separation(name)
    return two_gaussians(a) if a is not None else _SYNTHETIC.get(name)


def open_data(source: str | Path | Mapping[str, Any]) -> DataSet:
    """A data set by name, by file or folder, or by source.

    A file is .npy, .npz, CSV (see :func:`backends.files.read_table`), IDX (:mod:`backends.idx`), a
    picture (:mod:`backends.picture`) or a run, whose encodings are then the data
    (:mod:`backends.encodings`). A folder is of images (:mod:`backends.images`). A str can also say what was
    chosen of it, as in "iris.csv:label=kind" and "faces:size=64,colour=rgb" (:mod:`backends.sources`).

    "NAME:N" is a synthetic set with N training rows in place of its usual number, and the same held-out ones;
    "two-gaussians@A" are two Gaussians at a distance of 2A.
    A source is the ``DataInfo.source`` of an earlier opening and gives the same rows again. Raises
    InputError where there is no such set or file, the file cannot be used, or it has changed since its
    source was noted.
    """
    return finish(read_data(source))


def read_data(source: str | Path | Mapping[str, Any]) -> Work[DataSet]:
    """:func:`open_data`, in slices."""
    if isinstance(source, Mapping):
        return (yield from _reopen(source))
    if isinstance(source, str):
        named = yield from _named(source)
        if named is not None:
            return named
    path, choices = parse(source) if isinstance(source, str) else (source, Choices())
    path = Path(path)
    if path.name == source and not path.suffix and not os.path.exists(path):
        names = ", ".join(entry.name for entry in data_sets())
        raise InputError(f"there is neither a data set nor a file '{source}'; there are {names}")
    from backends.opened import read_path  # what reads files is loaded when there is one

    return (yield from read_path(path, choices))


def _named(source: str) -> Work[DataSet | None]:
    """The named data set; None where it is to be a file."""
    if source in _NAMED:
        if source in _BLANK:
            return _blank(source)
        if source in _SMALL:
            return _small(_SMALL[source])
        if source in _RENDERED:
            return (yield from _rendered(_RENDERED[source], _RENDERED[source].train))
        return _digits(source) if source in _DIGITS else _synthetic(_SYNTHETIC[source], TRAIN)
    name, _, rows = source.partition(":")
    if name.partition("@")[0] == TWO_GAUSSIANS or (rows and name in _NAMED):
        if name in _RENDERED:
            train = _row_count(source, MAX_VALUES // _RENDERED[name].side ** 2)
            return (yield from _rendered(_RENDERED[name], train))
        return _synthetic(_resizable(name), _row_count(source) if rows else TRAIN)
    return None


def _reopen(source: Mapping[str, Any]) -> Work[DataSet]:
    name, path, label_column = (
        source.get("name"),
        source.get("folder") or source.get("file"),
        source.get("label_column"),
    )
    if isinstance(name, str) and path is None:
        if name not in _NAMED and _synthetic_named(name) is None:
            raise InputError(f"there is no data set '{name}'")
        return (yield from read_data(text_of(source)))
    if not isinstance(path, str) or not isinstance(label_column, str | None):
        raise InputError("the description of the data names neither a data set nor a file")
    from backends.opened import read_path

    return (yield from read_path(Path(path), choices_of(source), expected=str(source.get("sha256"))))


def _digits_table() -> Array:
    """The digits of scikit-learn, (1797, 65): pixels 0 … 16, and the label. From its file, where that lies at
    the place it always did: to import scikit-learn takes nearly as long as to import torch."""
    found = find_spec("sklearn")
    for folder in (found and found.submodule_search_locations) or ():
        file = Path(folder, "datasets", "data", "digits.csv.gz")
        if file.is_file():
            return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return np.column_stack([pixels, labels])


def _digits(name: str) -> DataSet:
    table, prepared = _digits_table(), _DIGITS[name]
    x = np.asarray(prepared.prepare(table[:, :-1]), dtype=np.float32)
    order = np.random.RandomState(0).permutation(len(x))  # the split that others report on
    info = DataInfo(
        name,
        prepared.title,
        dim=64,
        values=prepared.values,
        levels=prepared.levels,
        image_shape=(8, 8),
        display=prepared.display,
        label_names=tuple("0123456789"),
        source={"name": name},
    )
    labels = table[:, -1].astype(np.int64)
    return DataSet(info, *in_splits(Split(x[order], labels[order]), 1350, 150))


def _synthetic(synthetic: Synthetic, train: int) -> DataSet:
    x, labels = synthetic.rows()
    info = DataInfo(
        synthetic.name,
        synthetic.title,
        dim=2,
        display=value_range(x),
        columns=("x1", "x2"),
        label_names=synthetic.components,
        source={"name": synthetic.name},
    )
    rows, validation, test = in_splits(Split(x, labels), TRAIN, VALIDATION)
    if train != TRAIN:
        more, their_labels = synthetic.more(max(0, train - TRAIN))
        assert rows.labels is not None
        rows = Split(
            np.concatenate((rows.x[:train], more)), np.concatenate((rows.labels[:train], their_labels))
        )
        name, title = f"{synthetic.name}:{train}", f"{synthetic.title}, {train} rows"
        info = replace(info, name=name, title=title, source={"name": synthetic.name, "rows": train})
    return DataSet(info, rows, validation, test, density=Density(synthetic.log_prob, synthetic.entropy))


def _rendered(rendered: Rendered, train: int) -> Work[DataSet]:
    rows, side = (yield from rendered.drawing(train)), rendered.side
    usual = train == rendered.train
    info = DataInfo(
        rendered.name if usual else f"{rendered.name}:{train}",
        rendered.title if usual else f"{rendered.title}, {train} rows",
        dim=side * side,
        image_shape=(side, side),
        label_names=tuple(SHAPES),
        factor_names=FACTORS,
        source={"name": rendered.name} | ({} if usual else {"rows": train}),
    )
    validation, test, all_train = in_splits(rows, SHAPES_VALIDATION, SHAPES_TEST)
    return DataSet(info, all_train, validation, test)


def _resizable(name: str) -> Synthetic:
    synthetic = _synthetic_named(name)
    if synthetic is None and name.startswith(TWO_GAUSSIANS):
        raise InputError(f"'{name}' is not of the form {TWO_GAUSSIANS}@A with A from 0 to {LARGEST:g}")
    if synthetic is None:
        raise InputError(f"the rows of '{name}' are always the same; their number cannot be chosen")
    return synthetic


def _row_count(source: str, most: int = MOST_ROWS) -> int:
    name, _, text = source.rpartition(":")
    if not (text.isdecimal() and 1 <= int(text) <= most):
        raise InputError(f"'{source}' is not of the form {name}:N with 1 to {most} training rows")
    return int(text)


def _small(small: Small) -> DataSet:
    x = small.rows()
    info = DataInfo(
        small.name,
        small.title,
        dim=len(small.columns),
        values=small.values,
        display=(0.0, 1.0) if small.values == "binary" else value_range(x),
        columns=small.columns,
        source={"name": small.name},
    )
    splits = in_splits(Split(x), small.train, SMALL_VALIDATION)
    return DataSet(info, *splits, density=Density(small.log_prob, small.entropy))


def _blank(name: str) -> DataSet:
    blank = _BLANK[name]
    info = DataInfo(
        name,
        blank.title,
        dim=len(blank.columns),
        values=blank.values,
        display=blank.display,
        columns=blank.columns,
        source={"name": name},
    )
    nothing = Split(np.zeros((0, info.dim), np.float32))
    return DataSet(info, nothing, nothing, nothing)

"""Data sets: real digits, synthetic planes with a known density, and the user's own files.

Rows are in the data's own units, float32; a model that wants them standardised does so inside. Every set
comes split into training, validation and held-out ("test") rows, always the same ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from backends.base import Array, DataInfo, InputError
from backends.files import read_table
from backends.picture import Picture, is_picture, known_picture, read_picture
from backends.synthetic import SMALL, SMALL_VALIDATION, SYNTHETIC, TEST, TRAIN, VALIDATION, Small, Synthetic
from backends.two_gaussians import LARGEST, SEPARATION, separation, two_gaussians
from backends.two_gaussians import NAME as TWO_GAUSSIANS

SPLITS = ("train", "validation", "test")
MOST_ROWS = 10_000_000  # of a synthetic set


@dataclass(frozen=True, eq=False)
class Split:
    """Rows x (n, d) float32, C-contiguous, and labels (n,) int64, indices into the set's label_names."""

    x: Array
    labels: Array | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class Density:
    """The distribution that the rows were drawn from.

    log_prob: x (n, d) → log p(x), (n,) float64, −inf where the density is zero.
    entropy: −E log p(x) in nats: no model's mean log-likelihood on unseen rows can be above −entropy,
    save for sampling noise.
    """

    log_prob: Callable[[Array], Array]
    entropy: float


@dataclass(frozen=True, eq=False)
class DataSet:
    """Rows in three splits, what is known of them, and their true density where it is known."""

    info: DataInfo
    train: Split
    validation: Split
    test: Split
    density: Density | None = None

    def split(self, name: str) -> Split:
        """The split of one of the names in SPLITS; raises InputError for another."""
        if name not in SPLITS:
            raise InputError(f"there is no split '{name}'; there are {', '.join(SPLITS)}")
        split: Split = getattr(self, name)
        return split


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
_NAMED = {*_DIGITS, *_SYNTHETIC, *_SMALL, *_BLANK}


def data_sets() -> tuple[DataEntry, ...]:
    """The named data sets. Cheap: loads and draws nothing."""
    digits = [DataEntry(name, d.title, d.doc, 64, d.values, (8, 8)) for name, d in _DIGITS.items()]
    planes = [DataEntry(s.name, s.title, s.doc, 2, "real", None, s.entropy) for s in _SYNTHETIC.values()]
    small = [DataEntry(s.name, s.title, s.doc, len(s.columns), s.values, None, s.entropy) for s in SMALL]
    blank = [DataEntry(name, b.title, b.doc, len(b.columns), b.values) for name, b in _BLANK.items()]
    return (*digits, *planes, *small, *blank)


def without_rows(info: DataInfo) -> str | None:
    """The name of the set that has rows like these, but none yet; None where there is no such set."""
    like = (name for name, b in _BLANK.items() if (len(b.columns), b.values) == (info.dim, info.values))
    return next(like, None)


def known_density(info: DataInfo) -> Density | None:
    """The distribution that a data set was drawn from, where its source tells; draws no rows."""
    source = info.source
    if "file" in source and isinstance(source.get("entropy"), float):  # a picture, which is read when asked
        path, sha256 = Path(str(source["file"])), str(source.get("sha256"))
        return Density(lambda x: known_picture(path, sha256).log_prob(x), source["entropy"])
    name = str(source.get("name"))
    known = _synthetic_named(name) or _SMALL.get(name)
    return None if known is None else Density(known.log_prob, known.entropy)


def _synthetic_named(name: str) -> Synthetic | None:
    """The synthetic plane of this name, perhaps with an "@A"."""
    a = separation(name)
    return two_gaussians(a) if a is not None else _SYNTHETIC.get(name)


def open_data(source: str | Path | Mapping[str, Any], *, label_column: str | None = None) -> DataSet:
    """A data set by name, by file or by source.

    A file is .npy, .npz, CSV (see :func:`backends.files.read_table`), a picture (:mod:`backends.picture`) or
    a run, whose encodings are then the data (:mod:`backends.encodings`).

    "NAME:N" is a synthetic set with N training rows in place of its usual number, and the same held-out ones;
    "two-gaussians@A" are two Gaussians at a distance of 2A.
    A source is the ``DataInfo.source`` of an earlier opening and gives the same rows again. label_column
    names a file's column or array of labels. Raises InputError where there is no such set or file, the
    file cannot be used, or it has changed since its source was noted.
    """
    if isinstance(source, Mapping):
        return _reopen(source)
    if isinstance(source, str) and source in _NAMED:
        if label_column is not None:
            own = "no labels" if source in {*_SMALL, *_BLANK} else "labels of its own"
            raise InputError(f"{source} has {own}, not '{label_column}'")
        if source in _BLANK:
            return _blank(source)
        if source in _SMALL:
            return _small(_SMALL[source])
        return _digits(source) if source in _DIGITS else _synthetic(_SYNTHETIC[source], TRAIN)
    if isinstance(source, str) and label_column is None:
        name, _, rows = source.partition(":")
        if name.partition("@")[0] == TWO_GAUSSIANS or (rows and name in _NAMED):
            return _synthetic(_resizable(name), _row_count(source) if rows else TRAIN)
    path = Path(source)
    if isinstance(source, str) and path.name == source and not path.suffix and not os.path.exists(path):
        names = ", ".join(entry.name for entry in data_sets())
        raise InputError(f"there is neither a data set nor a file '{source}'; there are {names}")
    return _file(path, label_column)


def _reopen(source: Mapping[str, Any]) -> DataSet:
    name, file, label_column = (source.get(key) for key in ("name", "file", "label_column"))
    if isinstance(name, str) and file is None:
        if name not in _NAMED and _synthetic_named(name) is None:
            raise InputError(f"there is no data set '{name}'")
        return open_data(f"{name}:{source['rows']}" if "rows" in source else name)
    if not isinstance(file, str) or not isinstance(label_column, str | None):
        raise InputError("the description of the data names neither a data set nor a file")
    return _file(Path(file), label_column, expected=str(source.get("sha256")))


def _split(
    x: Array, labels: Array | None, order: Array, train: int, validation: int
) -> tuple[Split, Split, Split]:
    """The rows in this order: the first for training, the next for validation, the rest held out."""

    def take(rows: Array) -> Split:
        return Split(x[rows], None if labels is None else labels[rows])

    end = train + validation
    return take(order[:train]), take(order[train:end]), take(order[end:])


def _digits(name: str) -> DataSet:
    from sklearn.datasets import load_digits

    digits, prepared = load_digits(), _DIGITS[name]
    x = np.asarray(prepared.prepare(digits.data), dtype=np.float32)
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
    return DataSet(info, *_split(x, digits.target.astype(np.int64), order, 1350, 150))


def _synthetic(synthetic: Synthetic, train: int) -> DataSet:
    x, labels = synthetic.rows()
    info = DataInfo(
        synthetic.name,
        synthetic.title,
        dim=2,
        display=_range(x),
        columns=("x1", "x2"),
        label_names=synthetic.components,
        source={"name": synthetic.name},
    )
    rows, validation, test = _split(x, labels, np.arange(len(x)), TRAIN, VALIDATION)
    if train != TRAIN:
        more, their_labels = synthetic.more(max(0, train - TRAIN))
        assert rows.labels is not None
        rows = Split(
            np.concatenate((rows.x[:train], more)), np.concatenate((rows.labels[:train], their_labels))
        )
        name, title = f"{synthetic.name}:{train}", f"{synthetic.title}, {train} rows"
        info = replace(info, name=name, title=title, source={"name": synthetic.name, "rows": train})
    return DataSet(info, rows, validation, test, density=Density(synthetic.log_prob, synthetic.entropy))


def _resizable(name: str) -> Synthetic:
    synthetic = _synthetic_named(name)
    if synthetic is None and name.startswith(TWO_GAUSSIANS):
        raise InputError(f"'{name}' is not of the form {TWO_GAUSSIANS}@A with A from 0 to {LARGEST:g}")
    if synthetic is None:
        raise InputError(f"the rows of '{name}' are always the same; their number cannot be chosen")
    return synthetic


def _row_count(source: str) -> int:
    name, _, text = source.rpartition(":")
    if not (text.isdecimal() and 1 <= int(text) <= MOST_ROWS):
        raise InputError(f"'{source}' is not of the form {name}:N with 1 to {MOST_ROWS} training rows")
    return int(text)


def _small(small: Small) -> DataSet:
    x = small.rows()
    info = DataInfo(
        small.name,
        small.title,
        dim=len(small.columns),
        values=small.values,
        display=(0.0, 1.0) if small.values == "binary" else _range(x),
        columns=small.columns,
        source={"name": small.name},
    )
    splits = _split(x, None, np.arange(len(x)), small.train, SMALL_VALIDATION)
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


def _file(path: Path, label_column: str | None, expected: str | None = None) -> DataSet:
    from backends.encodings import file_hash, is_run_file, open_encodings  # which opens data for its run

    if is_picture(path):
        if label_column is not None:
            raise InputError(f"{path.name} is a picture, so it has no labels '{label_column}'")
        picture, sha256 = read_picture(path)
        _check_unchanged(path, sha256, expected)
        return _picture(path, picture, sha256)
    if is_run_file(path):
        if label_column is not None:
            raise InputError(
                f"{path.name} is a run, whose labels are those of its data, not '{label_column}'"
            )
        _check_unchanged(path, file_hash(path), expected)
        return open_encodings(path)
    table, sha256 = read_table(path, label_column)
    _check_unchanged(path, sha256, expected)
    n = len(table.x)
    if n < len(SPLITS):
        raise InputError(f"{path.name} has {n} row{'s' * (n > 1)}; at least 3 are needed to split them")
    validation = max(1, n // 10)
    train = n - validation - max(1, round(0.15 * n))
    order = np.random.RandomState(0).permutation(n)  # a stream that NumPy never changes
    display = {"binary": (0.0, 1.0), "integer": (0.0, table.levels - 1.0)}
    info = DataInfo(
        path.name,
        path.name,
        dim=table.x.shape[1],
        values=table.values,
        levels=table.levels,
        image_shape=table.image_shape,
        display=display.get(table.values, _range(table.x)),
        columns=table.columns,
        label_names=table.label_names,
        source={"file": os.path.abspath(path), "sha256": sha256, "label_column": table.label_column},
    )
    return DataSet(info, *_split(table.x, table.labels, order, train, validation))


def _range(x: Array) -> tuple[float, float]:
    """(smallest, largest) value, kept apart where all are the same."""
    low, high = float(x.min()), float(x.max())
    return (low, high) if low < high else (low, low + 1)


def _check_unchanged(path: Path, sha256: str, expected: str | None) -> None:
    if expected is not None and sha256 != expected:
        raise InputError(f"{path} has changed since it was opened for this run")


def _picture(path: Path, picture: Picture, sha256: str) -> DataSet:
    x = picture.draw(np.random.default_rng(12), TRAIN + VALIDATION + TEST)
    info = DataInfo(
        path.name,
        path.name,
        dim=2,
        display=_range(x),
        columns=("x1", "x2"),
        source={"file": os.path.abspath(path), "sha256": sha256, "entropy": picture.entropy},
    )
    splits = _split(x, None, np.arange(len(x)), TRAIN, VALIDATION)
    return DataSet(info, *splits, density=Density(picture.log_prob, picture.entropy))

"""Components of a mixture placed by hand: JSON text, or a file that is read into such text.

    {"means": [[…], …], "covariances": …, "weights": […]}     or the list of means alone

covariances and weights may be left out. The text is a hyper-parameter's value, so that a run holds all that
it began with, whatever becomes of the file.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backends.base import Array, InputError
from backends.files import read_table
from backends.parameters import Custom

_MOST_NUMBERS = 2**17  # in means, covariances and weights together
_MOST_BYTES = 2**24  # of a file, and of what is packed into it
_DEPTH = {"means": 2, "covariances": 3, "weights": 1}


@dataclass(frozen=True, eq=False)
class Placement:
    """means (K, d) float64; covariances, of any shape up to three axes, and weights (K,), which sum to one,
    where they are given."""

    means: Array
    covariances: Array | None = None
    weights: Array | None = None


def parse_placement(text: str) -> Placement:
    """The components that a text describes; raises InputError with the fault."""
    found = {name: np.array(value, np.float64) for name, value in _parse(text).items()}
    return Placement(found["means"], found.get("covariances"), found.get("weights"))


def read_placement(path: Path) -> str:
    """The text that a .json file holds, or what stands for the means in a CSV or .npy file, or for the arrays
    means, covariances and weights of an .npz file. Raises InputError, and nothing else."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path.name} has more than {_MOST_BYTES >> 20} MB")
        suffix = path.suffix.lower()
        if suffix == ".json":
            return path.read_text(encoding="utf-8-sig")
        if suffix in (".npy", ".npz"):
            return json.dumps(_arrays(path))
        if suffix in (".csv", ".tsv", ".txt"):
            rows = read_table(path)[0].x
            return json.dumps([[float(str(number)) for number in row] for row in rows])  # as it was typed
    except InputError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except Exception as error:  # zipfile and NumPy let several others through
        raise InputError(f"{path.name} is not a readable NumPy file ({error})") from None
    raise InputError(f"{path.name}: only .json, .csv, .npy and .npz can be read")


def _arrays(path: Path) -> Any:
    data = path.read_bytes()
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MOST_BYTES:
                raise InputError(f"{path.name} unpacks to more than {_MOST_BYTES >> 20} MB")
    loaded = np.load(io.BytesIO(data), allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return loaded.tolist()
    return {name: loaded[name].tolist() for name in loaded.files}


def _canonical(text: str) -> str:
    return json.dumps(_parse(text), separators=(",", ":"))


def _parse(text: str) -> dict[str, Any]:
    """Nested lists of floats by name, checked."""
    if len(text) > _MOST_BYTES:
        raise InputError(f"the text has more than {_MOST_BYTES >> 20} million letters")
    try:
        given = json.loads(text)
    except RecursionError:
        raise InputError("the lists are nested too deeply") from None
    except ValueError as error:
        raise InputError(f"this is not JSON: {error}") from None
    if isinstance(given, list):
        given = {"means": given}
    if not isinstance(given, Mapping) or "means" not in given:
        raise InputError("means are missing")
    for name in given:
        if name not in _DEPTH:
            raise InputError(f"there is no '{str(name)[:40]}'; there are {', '.join(_DEPTH)}")
    out = {name: _numbers(given[name], name, depth) for name, depth in _DEPTH.items() if name in given}
    if sum(math.prod(_shape(value)) for value in out.values()) > _MOST_NUMBERS:
        raise InputError(f"there are more than {_MOST_NUMBERS:,} numbers")
    if len(_shape(out["means"])) != 2:
        raise InputError("means are not a list of rows of numbers")
    if "weights" in out:
        weights = out["weights"]
        if not isinstance(weights, list):
            raise InputError("weights are not a list of numbers")
        if len(weights) != len(out["means"]):
            raise InputError(f"there are {len(weights)} weights and {len(out['means'])} means")
        total = sum(weights)
        if min(weights) < 0 or not 0 < total < math.inf:
            raise InputError("weights are not all positive or zero, with a sum above zero")
        if abs(total - 1) > 1e-12:
            out["weights"] = [weight / total for weight in weights]
    return out


def _numbers(value: Any, name: str, depth: int) -> Any:
    """Nested lists of finite floats, at most ``depth`` deep and all of one length."""
    if not isinstance(value, list):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"{name}: {str(value)[:40]!r} is not a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise InputError(f"{name}: {number} is not finite")
        return number
    if not value:
        raise InputError(f"{name}: there is an empty list")
    if depth == 0:
        raise InputError(f"{name}: the lists are nested too deeply")
    rows = [_numbers(one, name, depth - 1) for one in value]
    where = "" if name == "means" else f"{name}: "
    for i, row in enumerate(rows[1:], 2):
        if _shape(row) != _shape(rows[0]):
            one, other = (" × ".join(map(str, _shape(r))) or "no list of" for r in (row, rows[0]))
            raise InputError(f"{where}row {i} has {one} numbers, row 1 has {other}")
    return rows


def _shape(value: Any) -> tuple[int, ...]:
    """Of nested lists that are all of one length."""
    return (len(value), *_shape(value[0])) if isinstance(value, list) else ()


COMPONENTS = Custom(
    "components", "means as JSON, or a .json, .csv, .npy or .npz file of them", _canonical, read_placement
)

"""What a run's file says about the run: the JSON beside its arrays, and back."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, TypeVar

from backends.base import DataInfo, InputError, Value

T = TypeVar("T")
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Change(NamedTuple):
    """A hyper-parameter that was changed during a run, after so many steps."""

    step: int
    name: str
    before: Value
    after: Value


@dataclass(frozen=True)
class Manifest:
    """values: every hyper-parameter in force. state: the JSON part of the learner's state.

    fingerprint: SHA-256 of the training rows, None for a run that never had its data. metrics: the last
    value of each curve, so that a list of files can show them. libraries: versions by distribution name.
    """

    backend: str
    kind: str
    values: Mapping[str, Any]
    seed: int
    device: str
    id: str
    name: str
    step: int
    data: DataInfo
    fingerprint: str | None
    state: Mapping[str, Any]
    metrics: Mapping[str, float]
    libraries: Mapping[str, str]
    changes: tuple[Change, ...] | None = None

    def json(self) -> dict[str, Any]:
        """Ready for :func:`backends.checkpoint.write`."""
        return asdict(self)

    @classmethod
    def parse(cls, manifest: Mapping[str, Any]) -> Manifest:
        """From what :func:`backends.checkpoint.read` gave; raises InputError at what it lacks."""
        fingerprint = manifest.get("fingerprint")
        libraries = _get(manifest, "libraries", dict)
        id = _get(manifest, "id", str)
        if not _ID.fullmatch(id):  # files are named after it: it must not lead elsewhere
            raise InputError("its manifest has no valid 'id'")
        metrics = _get(manifest, "metrics", dict)
        return cls(
            backend=_get(manifest, "backend", str),
            kind=_get(manifest, "kind", str),
            values=_get(manifest, "values", dict),
            seed=_get(manifest, "seed", int),
            device=_get(manifest, "device", str),
            id=id,
            name=_get(manifest, "name", str),
            step=_get(manifest, "step", int),
            data=parse_info(_get(manifest, "data", dict)),
            fingerprint=fingerprint if isinstance(fingerprint, str) else None,
            state=_get(manifest, "state", dict),
            metrics={name: value for name, value in metrics.items() if isinstance(value, float)},
            libraries={name: str(found) for name, found in libraries.items()},
            changes=_changes(manifest.get("changes")),
        )


def _changes(json: object) -> tuple[Change, ...] | None:
    if not isinstance(json, list):
        return None
    value = (bool, int, float, str)
    types: tuple[Any, ...] = (int, str, value, value)
    for item in json:
        fits = isinstance(item, list) and len(item) == len(types)
        if not fits or not all(isinstance(v, t) for v, t in zip(item, types, strict=True)):
            raise InputError("its manifest has no valid 'changes'")
    return tuple(Change(*item) for item in json)


def parse_info(json: Mapping[str, Any]) -> DataInfo:
    """A data set's description from its JSON; raises InputError at what does not hang together."""
    shape = json.get("image_shape")
    display = _list(json, "display", (int, float))
    info = DataInfo(
        name=_get(json, "name", str),
        title=_get(json, "title", str),
        dim=_get(json, "dim", int),
        values=_get(json, "values", str),
        levels=_get(json, "levels", int),
        image_shape=None if shape is None else tuple(_list(json, "image_shape", int)),
        display=(float(display[0]), float(display[1])) if len(display) == 2 else (0.0, 1.0),
        columns=tuple(_list(json, "columns", str)),
        label_names=tuple(_list(json, "label_names", str)),
        factor_names=tuple(_list(json, "factor_names", str)) if "factor_names" in json else (),
        source=_get(json, "source", dict),
    )
    size = 1
    for n in info.image_shape or (info.dim,):
        size *= n
    if info.dim < 1 or size != info.dim or min(info.image_shape or (1,)) < 1:
        raise InputError(f"its data has {info.dim} columns and pictures of shape {info.image_shape}")
    if info.image_shape is not None and len(info.image_shape) not in (2, 3):
        raise InputError(f"its data has pictures of {len(info.image_shape)} dimensions")
    if info.values not in ("binary", "integer", "real"):
        raise InputError(f"its data has values of an unknown type, '{info.values[:40]}'")
    return info


def library_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Python's version, and of those libraries that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    out = {"python": platform.python_version()}
    for name in names:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            continue
    return out


def _get(json: Mapping[str, Any], key: str, type_: type[T]) -> T:
    value = json.get(key)
    if not isinstance(value, type_) or (type_ is int and isinstance(value, bool)):
        raise InputError(f"its manifest has no valid '{key}'")
    return value


def _list(json: Mapping[str, Any], key: str, type_: type | tuple[type, ...]) -> list[Any]:
    value = _get(json, key, list)
    if not all(isinstance(item, type_) and not isinstance(item, bool) for item in value):
        raise InputError(f"its manifest has no valid '{key}'")
    return value

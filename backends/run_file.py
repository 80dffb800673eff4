"""Between a run and its file: what the file holds is untrusted, and may fit neither the models nor the data
that are here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from backends import probes
from backends.base import Array, DataInfo, InputError, Progress, Value, Work, finish
from backends.data import DataSet, read_data
from backends.manifest import Manifest, library_versions
from backends.registry import Backend, ModelKind

HASHED = 1 << 20  # numbers in a slice


@contextmanager
def fitting(kind: ModelKind) -> Iterator[None]:
    """A damaged manifest can be anything; what a model raises on it is a sentence and ends nothing."""
    try:
        yield
    except InputError:
        raise
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, MemoryError) as error:
        raise InputError(f"it does not fit the model '{kind.name}' ({error})") from error


def fingerprint(data: DataSet) -> str:
    """SHA-256 of the training rows: the data on which a run can go on exactly."""
    return finish(fingerprinting(data))


def fingerprinting(data: DataSet) -> Work[str]:
    """:func:`fingerprint`, in slices: a million rows take their time."""
    x = np.ascontiguousarray(data.train.x, "<f4")
    digest = hashlib.sha256(f"{x.shape} ".encode())
    numbers = x.reshape(-1)
    for start in range(0, len(numbers), HASHED):
        digest.update(numbers[start : start + HASHED].data)
        yield Progress(start, len(numbers), "compare the data")
    return digest.hexdigest()


def flat(groups: Mapping[str, Mapping[str, Array]]) -> dict[str, Array]:
    """Groups of arrays as the one table that a file holds: "group/name"."""
    return {f"{group}/{name}": array for group, named in groups.items() for name, array in named.items()}


def group(arrays: Mapping[str, Array], name: str) -> dict[str, Array]:
    """One group of :func:`flat`, by the names in it."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}


def check_device(backend: Backend, device: str) -> None:
    """Raises InputError for a device that is not here."""
    there = backend.devices()
    if device not in there:
        raise InputError(f"there is no device '{device}' here; there are {', '.join(there)}")


def check_size(
    kind: ModelKind, info: DataInfo, values: Mapping[str, Value], state: Mapping[str, Array]
) -> None:
    """Refuse a manifest that asks for a larger model than its arrays fill, before that model is built."""
    if kind.size is None:
        return
    held = sum(array.size for array in state.values())
    if kind.size(info, values) > held:
        raise InputError(
            f"its settings ask for {kind.size(info, values):,} parameters, its arrays hold {held:,} numbers"
        )


def find_data(manifest: Manifest, notes: list[str]) -> Work[DataSet | None]:
    """The data of a saved run, in slices, where they are as they were; otherwise None, and a note why."""
    title = manifest.data.title or manifest.data.name
    if not manifest.data.source:
        notes.append(f"its data '{title}' was not kept in a file; it is open without data")
        return None
    try:
        data = yield from read_data(manifest.data.source)
    except InputError as error:
        notes.append(f"it is open without its data: {error}")
        return None
    if (yield from fingerprinting(data)) != manifest.fingerprint:
        notes.append(f"its data '{title}' has changed since; it is open without data")
        return None
    return data


def probe_note(differing: tuple[str, ...], manifest: Manifest, backend: Backend) -> str:
    """What to say of outputs that are not as they were: which, and what libraries changed."""
    now = library_versions(("numpy", *backend.libraries))
    changed = [
        f"{name} {then} then and {now.get(name, 'none')} now"
        for name, then in manifest.libraries.items()
        if now.get(name) != then
    ]
    return (
        f"the model no longer gives the numbers it gave when it was saved: {', '.join(differing)} "
        f"(tolerance {probes.TOLERANCE:g} of their size); "
        + (", ".join(changed) if changed else "the libraries are the same")
    )

"""What is installed: our backends and those of plug-ins, each loaded only when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from backends.base import Array, DataInfo, InputError, Learner, Value
from backends.parameters import Parameter

GROUP = "latent_explorer.backends"
_OURS = ("backends.exact", "backends.pytorch")


class MakeLearner(Protocol):
    """Builds a learner on the training rows x (n, d) float32.

    With no rows (n = 0) it must still build, so that a run can be opened without its data; its
    ``step()`` then raises InputError.
    """

    def __call__(
        self, x: Array, info: DataInfo, values: Mapping[str, Value], seed: int, device: str, run: str
    ) -> Learner: ...


@dataclass(frozen=True)
class ModelKind:
    """A kind of model that can be trained. ``load`` imports what is heavy and returns the maker.

    half_steps: its learner, with the defaults, is a :class:`backends.base.HalfSteps`: it climbs by EM, and
    can end when it climbs no more.
    size: how many numbers a learner's state holds at least (its parameters, say), without building it; with
    it, a damaged or hostile file that asks for a huge model is refused before anything is allocated.
    """

    name: str
    title: str
    doc: str
    parameters: tuple[Parameter, ...]
    capabilities: frozenset[str]
    load: Callable[[], MakeLearner]
    default_steps: int = 5000
    half_steps: bool = False
    check_data: Callable[[DataInfo, Mapping[str, Value]], None] = lambda info, values: None
    size: Callable[[DataInfo, Mapping[str, Value]], int] | None = None


@dataclass(frozen=True)
class Backend:
    """A named family of model kinds that share devices. ``devices`` may import what is heavy."""

    name: str
    title: str
    kinds: tuple[ModelKind, ...]
    devices: Callable[[], tuple[str, ...]] = lambda: ("cpu",)
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Broken:
    """A plug-in that could not be loaded, and why."""

    name: str
    error: str


@dataclass(frozen=True)
class Installed:
    backends: tuple[Backend, ...]
    broken: tuple[Broken, ...] = field(default=())


def lazy(path: str) -> Callable[[], Any]:
    """``lazy("package.module:name")`` imports the module and returns the name, when called."""
    module, _, name = path.partition(":")
    return lambda: getattr(importlib.import_module(module), name)


@cache
def ours() -> tuple[Backend, ...]:
    """The backends that come with the program; no plug-in is looked for, which takes a while."""
    return tuple(lazy(f"{path}:BACKEND")() for path in _OURS)


@cache
def installed() -> Installed:
    """All backends. One that fails to load is listed with its error and hinders no other."""
    from importlib.metadata import entry_points

    backends = list(ours())
    broken: list[Broken] = []
    loaders: list[tuple[str, Callable[[], Any]]] = [(p.name, p.load) for p in entry_points(group=GROUP)]
    for name, load in loaders:
        try:
            backend = load()
            if not isinstance(backend, Backend):
                raise TypeError(f"the entry point gives a {type(backend).__name__}, not a Backend")
            if backend.name in {b.name for b in backends}:
                raise ValueError(f"a backend named '{backend.name}' is already installed")
            backends.append(backend)
        except Exception as error:  # a plug-in may raise anything; the program must still start
            broken.append(Broken(name, f"{type(error).__name__}: {error}"))
    return Installed(tuple(backends), tuple(broken))


def _find(backends: tuple[Backend, ...], name: str, backend: str | None) -> tuple[Backend, ModelKind] | None:
    kinds = ((b, kind) for b in backends if backend in (None, b.name) for kind in b.kinds)
    return next((both for both in kinds if both[1].name == name), None)


def find_kind(name: str, backend: str | None = None) -> tuple[Backend, ModelKind]:
    """The kind of that name, in the named backend or else in the first that has it."""
    found = _find(ours(), name, backend) or _find(installed().backends, name, backend)
    if found is not None:
        return found
    there = [b.name for b in installed().backends]
    if backend is not None and backend not in there:
        raise InputError(f"there is no backend '{backend}'; there are {', '.join(there)}")
    names = sorted({k.name for b in installed().backends for k in b.kinds if backend in (None, b.name)})
    where = f" in backend '{backend}'" if backend else ""
    raise InputError(f"there is no model '{name}'{where}; there are {', '.join(names)}")

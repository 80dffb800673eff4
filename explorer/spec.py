"""What the next run is made of, in words that the registry understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backends.base import DataInfo, InputError, Value
from backends.data import DataSet, open_data
from backends.registry import ModelKind, find_kind
from backends.run import Run
from backends.sources import text_of
from explorer.state import RunSpec


def begin(spec: RunSpec, data: DataSet | None = None) -> Run:
    """A run as specified, on its data where they are at hand; raises InputError where it cannot be."""
    data = open_data(spec.data) if data is None else data
    backend = spec.backend or None
    return Run.start(spec.model, data, spec.values, seed=spec.seed, device=spec.device, backend=backend)


def kind_of(spec: RunSpec) -> ModelKind:
    """The kind of model that is chosen; raises InputError where it is not installed."""
    return find_kind(spec.model, spec.backend or None)[1]


def suit(spec: RunSpec, info: DataInfo) -> RunSpec:
    """The specification with the first single choice changed that lets its model take such data.

    Unchanged where it can already, or where no one choice would do: then the run will say why.
    """
    kind = kind_of(spec)
    chosen = dict(full_values(spec))
    options = [{}, *({p.name: c} for p in kind.parameters for c in p.choices)]
    for option in options:
        try:
            kind.check_data(info, chosen | option)
        except InputError:
            continue
        return replace(spec, values={**spec.values, **option})
    return spec


def spec_of(run: Run) -> RunSpec:
    """What would have to be chosen to begin this run again."""
    return RunSpec(
        source_of(run.info), run.kind.name, run.backend.name, dict(run.values), run.device, run.seed
    )


def source_of(info: DataInfo) -> str:
    """What to choose to get these data: a name, or a whole path with what was chosen of it."""
    return text_of(info.source) or info.name


def sound(spec: RunSpec) -> RunSpec:
    """The specification without the hyper-parameters that its model does not know or take (any more)."""
    try:
        kind = kind_of(spec)
    except InputError:
        return replace(spec, values={})
    values = {}
    for parameter in kind.parameters:
        if parameter.name in spec.values:
            try:
                values[parameter.name] = parameter.check(spec.values[parameter.name])
            except InputError:
                continue
    return replace(spec, values=values)


def full_values(spec: RunSpec) -> Mapping[str, Value]:
    """All hyper-parameters of a specification, those not given at their default."""
    try:
        kind = kind_of(spec)
    except InputError:
        return spec.values
    return {p.name: spec.values.get(p.name, p.default) for p in kind.parameters}


def same_run(a: RunSpec, b: RunSpec) -> bool:
    """Would both begin the same run, apart from what may change while it trains?"""
    try:
        backends = [find_kind(s.model, s.backend or None)[0].name for s in (a, b)]
        kind = kind_of(a)
    except InputError:
        return False
    live = {p.name for p in kind.parameters if p.live}
    values = [{k: v for k, v in full_values(s).items() if k not in live} for s in (a, b)]
    heads = [(s.data, s.model, s.device, s.seed) for s in (a, b)]
    return heads[0] == heads[1] and values[0] == values[1] and backends[0] == backends[1]


def differ_in_start(a: RunSpec, b: RunSpec) -> bool:
    """Would both begin the same run, but from another start?"""
    one, other = (full_values(s).get("init") for s in (a, b))
    if one is None or one == other:
        return False
    return same_run(a, replace(b, values={**b.values, "init": one}))


def steps_to_go(done: int, every: int) -> int | None:
    """Steps to the next multiple of ``every``; None, no end, for 0."""
    return every - done % every if every else None

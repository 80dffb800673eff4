"""``python -m backends.conformance``: the checks as a table; exit status 1 when one fails."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from backends.base import InputError
from backends.conformance import conform
from backends.registry import Backend, ModelKind, find_kind, installed, lazy


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and print; the exit status is 0 where all hold, 1 where some fail, 2 for a wrong request."""
    parser = argparse.ArgumentParser(prog="python -m backends.conformance", description="Check backends.")
    parser.add_argument(
        "what", nargs="*", metavar="KIND", help="a kind, or MODULE:NAME of a Backend; all that is installed"
    )
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    try:
        kinds = [kind for name in options.what for kind in _find(name)] if options.what else _all()
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    failed = 0
    if not options.what:
        for broken in installed().broken:
            print(f"FAIL  {broken.name}: {broken.error}")
            failed += 1
    for kind in kinds:
        failed += _table(kind, options.device)
    print(f"\n{failed or 'none'} failed")
    return 1 if failed else 0


def _all() -> list[ModelKind]:
    return [kind for backend in installed().backends for kind in backend.kinds]


def _find(name: str) -> Sequence[ModelKind]:
    if ":" not in name:
        return [find_kind(name)[1]]
    try:
        backend = lazy(name)()
    except (ImportError, AttributeError) as error:
        raise InputError(f"'{name}' cannot be loaded: {error}") from error
    if not isinstance(backend, Backend):
        raise InputError(f"'{name}' is a {type(backend).__name__}, not a Backend")
    return backend.kinds


def _table(kind: ModelKind, device: str) -> int:
    """Print the results of a kind; returns how many fail."""
    try:
        results = conform(kind, device=device)
    except ValueError as error:
        print(f"FAIL  {error}")
        return 1
    title = None
    for result in results:
        if title != (title := str(result.case)):
            print(f"\n{title}")
        print(f"  {'ok  ' if result.ok else 'FAIL'}  {result.check.name}")
        if not result.ok:
            print(f"        {result.sentence}")
    return sum(not result.ok for result in results)


if __name__ == "__main__":
    sys.exit(main())

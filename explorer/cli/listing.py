"""``latent-explorer models`` and ``data``: what there is. Imports neither torch nor scikit-learn."""

from __future__ import annotations

import textwrap
from argparse import Namespace

from backends.data import data_sets
from backends.registry import installed
from explorer.cli.as_json import json_line

_WRAP = 96


def models(options: Namespace) -> int:
    """List every model of every backend, with its parameters."""
    kinds = [(backend, kind) for backend in installed().backends for kind in backend.kinds]
    if options.json:
        listing = [
            {
                "name": kind.name,
                "title": kind.title,
                "doc": kind.doc,
                "backend": backend.name,
                "capabilities": sorted(kind.capabilities),
                "default_steps": kind.default_steps,
                "parameters": [p.json() for p in kind.parameters],
            }
            for backend, kind in kinds
        ]
        print(json_line(listing))
        return 0
    for backend, kind in kinds:
        print(f"{kind.name}   {kind.title} ({backend.title})")
        print(textwrap.fill(kind.doc, _WRAP, initial_indent="    ", subsequent_indent="    "))
        for p in kind.parameters:
            live = ", may change during a run" if p.live else ""
            print(f"    {p.name} = {p.format(p.default)}   {p.range_text()}{live}")
            print(textwrap.fill(p.doc, _WRAP, initial_indent=" " * 8, subsequent_indent=" " * 8))
        print()
    return 0


def data(options: Namespace) -> int:
    """List every named data set."""
    if options.json:
        print(json_line([entry.json() for entry in data_sets()]))
        return 0
    for entry in data_sets():
        print(f"{entry.name}   {entry.title}")
        print(textwrap.fill(entry.doc, _WRAP, initial_indent="    ", subsequent_indent="    "))
    return 0

"""The map of the house names every room, and none that is gone."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAP = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```")[1]


DRAWN = {"panels", "plots", "widgets"}  # which have one line each


def test_the_map_names_every_module():
    named = set(re.findall(r"\w+\.py", MAP))
    there = {*(ROOT / "backends").glob("*.py"), *(ROOT / "explorer").rglob("*.py")}
    there = {path.name for path in there if path.parent.name not in DRAWN | {"launcher"}}
    assert not {name for name in there - named if "__" not in name}


def test_what_the_map_names_is_there():
    there = {path.name for package in ("backends", "explorer") for path in (ROOT / package).rglob("*.py")}
    assert not set(re.findall(r"\w+\.py", MAP)) - there

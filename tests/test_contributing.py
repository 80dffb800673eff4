"""The map of the house names every room, and none that is gone."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAP = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```")[1]


@pytest.mark.parametrize("package", ["backends", "explorer"])
def test_the_map_names_every_module(package):
    named = set(re.findall(r"\w+\.py", MAP))
    there = {path.name for path in (ROOT / package).glob("*.py") if "__" not in path.name}
    assert not {name for name in there - named if not name.startswith("cli")}  # the map has cli*.py


def test_what_the_map_names_is_there():
    there = {path.name for package in ("backends", "explorer") for path in (ROOT / package).rglob("*.py")}
    assert not set(re.findall(r"\w+\.py", MAP)) - there

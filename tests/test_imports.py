"""The three rules of the house, kept by reading every import; and what listing must not load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "sklearn", "scipy", "zuko", "torchdiffeq", "onnxruntime"}
LIGHT_MODULES = (
    "backends.registry", "backends.data", "backends.parameters", "backends.checkpoint", "backends.run",
    "backends.evaluation", "backends.exact", "backends.likelihood", "backends.pytorch", "explorer.cli.main",
    "explorer.cli.listing", "explorer.cli.training", "explorer.cli.using", "explorer.cli.doctor",
)  # fmt: skip


def sources(package):
    return sorted((ROOT / package).rglob("*.py"))


def imports(path, root=ROOT):
    """Every module that a file imports, at the top or inside a function, by its full name."""
    package = path.relative_to(root).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def roots(path):
    return {name.partition(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", sources("backends"), ids=lambda p: str(p.relative_to(ROOT)))
def test_backends_know_nothing_of_the_window(path):
    assert not roots(path) & {"PySide6", "shiboken6", "PyQt6", "qtpy", "pyqtgraph", "explorer"}


@pytest.mark.parametrize("path", sources("explorer"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_explorer_knows_only_the_public_names_of_backends(path):
    assert not roots(path) & HEAVY
    inside = [name for name in imports(path) if name.startswith(("backends.pytorch", "backends.onnx"))]
    private = [name for name in imports(path) if name.startswith("backends.") and "._" in name]
    assert not inside + private


@pytest.mark.parametrize("path", sources("explorer/panels"), ids=lambda p: p.name)
def test_panels_do_not_import_panels(path):
    assert not [name for name in imports(path) if name.startswith("explorer.panels")]


def test_the_imports_are_really_read(tmp_path):
    path = tmp_path / "explorer" / "panels" / "one.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "def f():\n    import torch.nn as nn\n    from . import curves\n    from ..plots import map\n"
    )
    assert {"torch.nn", "explorer.panels.curves", "explorer.plots.map"} <= set(imports(path, tmp_path))


def test_listing_and_opening_the_window_load_nothing_heavy():
    code = (
        f"import importlib, sys\nfor name in {LIGHT_MODULES!r}: importlib.import_module(name)\n"
        "from explorer.__main__ import main\n"
        "assert main(['models']) == main(['data', '--json']) == 0\n"
        f"loaded = {HEAVY | {'PySide6', 'pyqtgraph', 'PIL'}!r} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

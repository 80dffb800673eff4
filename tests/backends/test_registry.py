"""Plug-ins as pip leaves them: a module and its dist-info on the path. Broken ones hinder nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backends import registry
from backends.base import InputError
from backends.data import open_data
from backends.registry import Broken, find_kind, installed, lazy
from backends.run import Run

ROOT = Path(__file__).parents[2]
LINEAR = Path(__file__).with_name("linear_gaussian.py")
PLUGIN = """
from linear_gaussian import kind
from backends.registry import Backend
BACKEND = Backend("mine", "My models", (kind(),), libraries=("numpy",))
"""


class Site:
    """A folder on the path into which plug-ins are installed."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        folder.mkdir()
        monkeypatch.syspath_prepend(folder)
        monkeypatch.syspath_prepend(LINEAR.parent)
        self._modules = []

    def install(self, module, code, entry=None):
        (self.folder / f"{module}.py").write_text(code)
        info = self.folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        entry = entry or f"{module} = {module}:BACKEND"
        (info / "entry_points.txt").write_text(f"[latent_explorer.backends]\n{entry}\n")
        self._modules.append(module)
        registry.installed.cache_clear()

    def forget(self):
        for module in (*self._modules, "linear_gaussian"):
            sys.modules.pop(module, None)
        registry.installed.cache_clear()


@pytest.fixture
def site(tmp_path, monkeypatch):
    made = Site(tmp_path / "site", monkeypatch)
    yield made
    made.forget()


def names(found):
    return [backend.name for backend in found.backends]


def test_ours_are_there_and_whole():
    found = installed()
    assert names(found) == ["exact", "pytorch"]
    assert found.broken == ()
    assert find_kind("vae")[0].name == "pytorch"
    assert find_kind("ppca")[0].name == "exact"


def test_a_plugin_is_found_and_its_kind_trained_saved_and_opened(site, tmp_path):
    site.install("mine", PLUGIN)
    assert names(installed()) == ["exact", "pytorch", "mine"]
    backend, kind = find_kind("linear")
    assert (backend.name, backend.devices()) == ("mine", ("cpu",))
    data = open_data("two-moons")
    run = Run.start("linear", data, {"rate": 0.2})
    for _ in range(30):
        run.step()
    np.testing.assert_allclose(run.model().mean, data.train.x.mean(0), atol=0.3)
    run.save(tmp_path / "run")
    opened = Run.open(tmp_path / "run")
    assert opened.notes == ()
    assert opened.kind is kind
    run.step()
    opened.step()
    np.testing.assert_array_equal(opened.model().mean, run.model().mean)


def test_the_command_line_lists_a_plugin_in_a_process_of_its_own(site):
    site.install("mine", PLUGIN)
    site.install("cracked", "import there_is_no_such_module")
    path = os.pathsep.join(map(str, (ROOT, site.folder, LINEAR.parent)))
    done = subprocess.run(
        [sys.executable, "-m", "explorer", "models", "--json"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "linear" in json.dumps(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("code", "entry", "error"),
    [
        ("import there_is_no_such_module", None, "ModuleNotFoundError: No module named 'there_is"),
        ("def f(:", None, "SyntaxError"),
        ("1 / 0", None, "ZeroDivisionError"),
        ("X = 1", None, "AttributeError"),
        ("BACKEND = 3", None, "TypeError: the entry point gives a int, not a Backend"),
        (PLUGIN.replace('"mine"', '"pytorch"'), None, "a backend named 'pytorch' is already installed"),
        ("", "broken = nowhere_at_all:BACKEND", "ModuleNotFoundError"),
    ],
)
def test_a_broken_plugin_is_listed_and_hinders_nothing(site, code, entry, error):
    site.install("broken", code, entry)
    site.install("mine", PLUGIN)
    found = installed()
    assert set(names(found)) == {"pytorch", "exact", "mine"}
    [broken] = found.broken
    assert isinstance(broken, Broken)
    assert broken.name == "broken"
    assert error in broken.error
    assert find_kind("vae")


def test_a_kind_that_is_not_there_is_named_with_those_that_are(site):
    site.install("mine", PLUGIN)
    with pytest.raises(InputError, match=r"^there is no model 'wae'; there are .*linear, .*ppca, .*vae$"):
        find_kind("wae")
    with pytest.raises(InputError, match="there is no model 'vae' in backend 'mine'"):
        find_kind("vae", "mine")
    with pytest.raises(InputError, match=r"^there is no backend 'yours'; there are exact, .*mine"):
        find_kind("vae", "yours")


def test_a_lazy_name_is_imported_when_called():
    load = lazy("fractions:Fraction")
    assert load()(1, 2) == 0.5
    with pytest.raises(ModuleNotFoundError):
        lazy("there_is_no_such_module:X")()

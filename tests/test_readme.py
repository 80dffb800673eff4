"""What the README shows must work: its backend passes the conformance checks, and learns."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from backends.conformance import conform, small_data
from backends.conformance.__main__ import main

README = Path(__file__).parents[1] / "README.md"
MODULE = "gaussian_backend"


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The module under "Write a backend", written to a file and imported."""
    section = README.read_text(encoding="utf-8").partition("\n## Write a backend\n")[2].partition("\n## ")[0]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code, "the README has no Python code under 'Write a backend'"
    (tmp_path / f"{MODULE}.py").write_text(code[1], encoding="utf-8")
    assert f'gaussian = "{MODULE}:BACKEND"' in section
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(importlib.sys.modules, MODULE, raising=False)
    yield importlib.import_module(MODULE)
    importlib.sys.modules.pop(MODULE)


def test_the_backend_passes_every_check(example):
    results = conform(example.KIND)
    assert {str(r.case.data.info.values) for r in results} == {"binary", "integer", "real"}
    assert [f"{r.case}, {r.check.name}: {r.sentence}" for r in results if not r.ok] == []


def test_the_command_that_the_readme_names_says_so(example, capsys):
    assert main([f"{MODULE}:BACKEND"]) == 0
    assert "none failed" in capsys.readouterr().out


def test_the_backend_learns(example):
    bend = small_data()[2]
    learner = example.Learner(bend.train.x, bend.info, {"rate": 0.02}, 0, "cpu", "run")
    for _ in range(600):
        learner.step()
    x = bend.train.x.astype(float)
    model = learner.snapshot()
    # a rate of 0.02 averages over about 50 batches of 64 rows
    np.testing.assert_allclose(model.mean, x.mean(0), atol=4 * x.std(0).max() / np.sqrt(50 * 64) * 2)
    np.testing.assert_allclose(model.tril @ model.tril.T, np.cov(x.T), rtol=0.15, atol=0.3)

"""What a list of runs reads of a file."""

from __future__ import annotations

import os

import numpy as np
import pytest

from backends import checkpoint
from backends.base import InputError
from backends.data import open_data
from backends.heads import head_of, read_head, rename
from backends.run import Run


@pytest.fixture
def saved(tmp_path):
    run = Run.start("vae", open_data("digits"), {"width": 8, "depth": 1}, name="a first try")
    for _ in range(3):
        run.step()
    path = tmp_path / "run.safetensors"
    run.save(path)
    return run, path


def test_the_head_of_a_file_is_that_of_its_run(saved) -> None:
    run, path = saved
    there, here = read_head(path), head_of(run)
    for part in ("id", "name", "data", "model", "step"):
        assert getattr(there, part) == getattr(here, part)
    assert there.name == "a first try"
    assert set(there.curves.names()) == set(run.curves.names())
    for name in run.curves.names():
        for ours, theirs in zip(run.curves.get(name), there.curves.get(name), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert there.last("batch/elbo") == (3, run.curves.get("batch/elbo")[1][-1])
    assert there.last("test/elbo") is None


def test_only_the_curves_are_read(saved) -> None:
    _, path = saved
    whole, part = checkpoint.read(path)[1], checkpoint.read(path, only="curves/")[1]
    assert set(part) == {name for name in whole if name.startswith("curves/")}
    assert 0 < len(part) < len(whole)
    for name, array in part.items():
        np.testing.assert_array_equal(array, whole[name])


def test_a_renamed_file_differs_in_the_name_alone(saved) -> None:
    run, path = saved
    manifest, before = checkpoint.read(path)
    os.utime(path, (1e9, 1e9))
    rename(path, "a better name")
    renamed, after = checkpoint.read(path)
    assert renamed == {**manifest, "name": "a better name"}
    assert path.stat().st_mtime == 1e9  # a list of runs is in the order in which they were trained
    assert before.keys() == after.keys()
    for name, array in before.items():
        assert array.dtype == after[name].dtype
        np.testing.assert_array_equal(array, after[name])
    again = Run.open(path)
    assert again.name == "a better name"
    assert again.step() == run.step()


def test_what_is_no_run_has_no_head(tmp_path) -> None:
    path = tmp_path / "text.safetensors"
    path.write_text("not a run")
    with pytest.raises(InputError, match="not a run"):
        read_head(path)
    with pytest.raises(InputError, match="not a run"):
        rename(path, "x")
    assert path.read_text() == "not a run"
    checkpoint.write(path, {"name": "a run without the rest"}, {})
    with pytest.raises(InputError, match="cannot open"):
        read_head(path)

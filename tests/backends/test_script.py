"""A run as a script: executed, it makes the same run again."""

import numpy as np
import pytest

from backends.base import InputError
from backends.data import open_data
from backends.evaluation import evaluate
from backends.run import Run
from backends.script import as_python


def made(script: str) -> tuple[Run, str]:
    """What the script leaves: its run."""
    names: dict = {"__name__": "__main__"}
    exec(compile(script, "script.py", "exec"), names)
    return names["run"]


def states_equal(a: Run, b: Run) -> None:
    one, other = a.learner.state(), b.learner.state()
    assert one.values == other.values
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name], err_msg=name)


@pytest.fixture
def vae():
    return Run.start("vae", open_data("digits"), {"width": 16, "depth": 1, "beta": 2.0}, seed=4)


def test_the_script_makes_the_same_run_bit_for_bit(vae, capsys):
    for _ in range(5):
        vae.step()
    vae.set("beta", 0.5)
    vae.set("beta", 0.25)
    vae.set("learning_rate", 3e-6)
    for _ in range(5):
        vae.step()
    vae.set("beta", 1.5)  # no step has felt it yet
    assert [c[:2] for c in vae.changes] == [(5, "beta"), (5, "learning_rate"), (10, "beta")]
    again = made(as_python(vae))
    states_equal(again, vae)
    assert again.changes == vae.changes
    printed = capsys.readouterr().out
    work = evaluate(vae.model(), vae.data)
    while True:
        try:
            next(work)
        except StopIteration as end:
            report = end.value
            break
    assert f"{report.splits['test']['elbo'].value:.6f}" in printed


def test_a_run_amid_a_step_of_em_is_made_to_its_half():
    run = Run.start("gmm", open_data("two-moons"), {"components": 3, "posterior": "gradient"}, seed=1)
    run.step()
    run.set("gradient_steps", 3)
    run.half_step()
    again = made(as_python(run))
    assert again.next_half == "M"
    states_equal(again, run)


def test_saved_and_opened_it_still_knows_what_was_changed(vae, tmp_path):
    vae.step()
    vae.set("beta", 0.5)
    vae.step()
    vae.save(tmp_path / "run")
    opened = Run.open(tmp_path / "run")
    opened.step()
    vae.step()
    states_equal(made(as_python(opened)), vae)


def test_what_sets_nothing_is_no_change(vae):
    vae.set("beta", 2.0)
    assert vae.changes == ()
    with pytest.raises(InputError):
        vae.set("width", 8)
    assert vae.changes == ()


def test_a_file_of_data_is_opened_again(tmp_path):
    path = tmp_path / 'rows "1".npy'
    np.save(path, np.random.default_rng(0).normal(size=(50, 3)))
    run = Run.start("gmm", open_data(path), {"components": 2})
    run.step()
    states_equal(made(as_python(run)), run)


def test_what_a_hand_did_is_in_no_script(tmp_path):
    run = Run.start("gmm", open_data("two-moons"), {"components": 2})
    run.step()
    model = run.model()
    run.place(model.weights, model.means + 1, model.covariances)
    with pytest.raises(InputError, match="by hand"):
        as_python(run)
    run.save(tmp_path / "run")
    with pytest.raises(InputError, match="by hand"):
        as_python(Run.open(tmp_path / "run"))


def test_data_that_were_in_no_file_are_in_no_script():
    from dataclasses import replace

    data = open_data("two-moons")
    nowhere = replace(data, info=replace(data.info, source={}))
    with pytest.raises(InputError, match="not kept in a file"):
        as_python(Run.start("gmm", nowhere, {}))

"""The command line, in this process where possible, with a NumPy model from a plug-in beside the real VAE."""

import json
import math
import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backends.base import finish
from backends.data import data_sets, open_data
from backends.run import Run
from explorer.__main__ import main
from explorer.cli.as_json import json_line
from explorer.follow import live_evaluation
from tests.runs import saved_run

ROOT = Path(__file__).parents[2]
PATH = f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'plugin'}"
ENVIRONMENT = {**os.environ, "PYTHONPATH": PATH, "OMP_NUM_THREADS": "1"}

pytestmark = pytest.mark.usefixtures("toy_plugin")


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.random.default_rng(0).normal(3, 2, (200, 3)))
    return path


@pytest.fixture(scope="module")
def vae_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("vae") / "vae.safetensors"
    return saved_run(path, "vae", "digits", {"width": 16, "depth": 1}, steps=30)


def lines(text):
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]  # no Infinity, no NaN


def train(*arguments):
    return main(["train", "toy-gaussian", *map(str, arguments)])


# -- train ---------------------------------------------------------------------------------------


def test_what_is_not_finite_is_null_in_json_and_told():
    inside = {"value": -math.inf, "stderr": np.float64("nan"), "method": "exact"}
    (line,) = lines(json_line({"step": 3, "test": inside, "train": {"value": 0.5}, "more": [math.inf]}))
    assert line == {
        "step": 3,
        "test": {"value": None, "stderr": None, "method": "exact"},
        "train": {"value": 0.5},
        "more": [None],
        "not_finite": {"test/value": "-inf", "test/stderr": "nan", "more/0": "inf"},
    }


def test_train_reports_in_json_and_saves(rows, tmp_path, capsys):
    out = tmp_path / "run.safetensors"
    assert train("--data", rows, "--steps", 400, "--seed", 3, "--out", out, "--json") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    *reports, last = lines(captured.out)
    assert len(reports) == 99
    assert [r["step"] for r in reports] == list(range(4, 400, 4))
    assert all("log_likelihood" in r["batch"] for r in reports)
    assert sum("test" in r for r in reports) == 9
    assert last.keys() == {"step", "data", "model", "train", "test"}
    assert (last["step"], last["model"]) == (400, "toy-gaussian")
    assert last["test"]["log_likelihood"].keys() == {"value", "stderr", "method"}
    run = Run.open(out)
    assert (run.steps, run.seed) == (400, 3)
    exact = run.model().log_prob(run.data.test.x).mean()
    assert last["test"]["log_likelihood"]["value"] == pytest.approx(exact)
    assert run.curves.get("test/log_likelihood")[0].tolist() == list(range(40, 401, 40))


def test_a_curve_goes_on_in_the_window_as_it_was_made_here(tmp_path, capsys):
    """An estimator with a bias, such as importance sampling, must have as many samples in both."""
    out = tmp_path / "run.safetensors"
    small = ["--set", "latent_dim=3", "width=8", "depth=1"]
    assert main(["train", "vae", "--data", "digits", *small, "--steps", "3", "--out", str(out)]) == 0
    capsys.readouterr()
    run = Run.open(out)
    live = finish(live_evaluation(run.model(), run.data, False)).report
    for split, quantities in live.splits.items():
        for name, estimate in quantities.items():
            assert run.curves.get(f"{split}/{name}")[1][-1] == estimate.value
            assert run.curves.get(f"{split}/{name}/stderr")[1][-1] == estimate.stderr


def test_evaluate_gives_the_last_line_of_train(rows, tmp_path, capsys):
    out = tmp_path / "run"
    assert train("--data", rows, "--steps", 20, "--out", out, "--json") == 0
    last = lines(capsys.readouterr().out)[-1]
    assert main(["evaluate", str(out), "--json"]) == 0
    assert lines(capsys.readouterr().out) == [last]


def test_200_steps_are_100_and_100_resumed(rows, tmp_path):
    assert train("--data", rows, "--steps", 200, "--out", tmp_path / "whole") == 0
    assert train("--data", rows, "--steps", 100, "--out", tmp_path / "half") == 0
    assert main(["train", "--resume", str(tmp_path / "half"), "--steps", "100"]) == 0
    whole, half = Run.open(tmp_path / "whole"), Run.open(tmp_path / "half")
    np.testing.assert_array_equal(whole.learner.theta, half.learner.theta)
    assert half.steps == 200


def test_settings_are_used_exactly_and_live_ones_change_on_resuming(rows, tmp_path, capsys):
    out = tmp_path / "run"
    settings = ("--set", "learning_rate=3e-6", "batch_size=7", "--steps", "2")
    assert train("--data", rows, "--out", out, *settings) == 0
    assert Run.open(out).values == {"learning_rate": 3e-6, "batch_size": 7}
    resume = ["train", "--resume", str(out), "--steps", "1", "--set"]
    assert main([*resume, "learning_rate=0.5", "--set", "batch_size=7"]) == 0
    assert Run.open(out).values["learning_rate"] == 0.5
    assert main([*resume, "batch_size=8"]) == 2
    assert "batch_size cannot change during a run" in capsys.readouterr().err


def test_divergence_saves_the_last_good_step_and_says_so(rows, tmp_path, capsys):
    out = tmp_path / "run"
    assert train("--data", rows, "--set", "learning_rate=5", "--out", out, "--steps", 1000) == 1
    assert "no longer finite" in capsys.readouterr().err
    assert np.isfinite(Run.open(out).learner.theta).all()


def test_a_save_that_fails_is_tried_again_and_in_the_end_made_elsewhere(rows, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("explorer.cli.training.AUTOSAVE_S", -1.0)  # after every step
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    out = tmp_path / ("x" * 250)  # with what the temporary file's name adds, longer than a name may be
    assert train("--data", rows, "--out", out, "--steps", 5) == 2
    (rescued,) = (tmp_path / "elsewhere").iterdir()
    errors = capsys.readouterr().err
    assert errors.count("the training goes on") == 5
    assert f"was saved to '{rescued}' instead" in errors
    assert Run.open(rescued).steps == 5


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops_and_the_run_goes_on_as_if_nothing_had_been(rows, tmp_path, signal_):
    out = tmp_path / "run.safetensors"
    command = ["train", "toy-gaussian", "--data", rows, "--steps", 10**9, "--out", out, "--json"]
    child = subprocess.Popen(
        [sys.executable, "-m", "explorer", *map(str, command), "--seed", "4"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True, cwd=ROOT,
    )  # fmt: skip
    with child:
        reached = json.loads(child.stdout.readline())["step"]
        child.send_signal(signal_)
        *_, last = lines(child.stdout.read())
        errors = child.stderr.read()
    assert child.returncode == 128 + signal_
    assert f"saved to '{out}'" in errors
    assert "Traceback" not in errors
    stopped = Run.open(out)
    assert last == {"step": stopped.steps, "stopped": signal_.name, "out": str(out)}
    assert stopped.steps >= reached
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    whole = Run.start("toy-gaussian", open_data(rows), {}, seed=4)
    for _ in range(stopped.steps):
        whole.step()
    np.testing.assert_array_equal(whole.learner.theta, stopped.learner.theta)


def everything(terminal):
    """All that was written to the other end of a pseudo-terminal, which is closed by now."""
    out = b""
    with suppress(OSError):  # Linux's way to say that the other end is closed
        while part := terminal.read(10_000):
            out += part
    return out.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_progress_bar(rows, monkeypatch):
    import pty

    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as seen:
        with os.fdopen(theirs, "w") as terminal:
            monkeypatch.setattr(sys, "stderr", terminal)
            assert train("--data", rows, "--steps", 200) == 0
        drawn = everything(seen)
    assert "2/200" in drawn
    assert "log_likelihood" in drawn
    assert drawn.endswith("\r\x1b[K")  # and leaves a clean line


# -- decode, sample, encode, score ---------------------------------------------------------------


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_decode_draws_the_decoded_mean(vae_file, tmp_path):
    out = tmp_path / "z.png"
    assert main(["decode", str(vae_file), "--at", "-1.5,0.25", "--out", str(out)]) == 0
    mean = Run.open(vae_file).model().decode(np.array([[-1.5, 0.25]], np.float32)).mean
    np.testing.assert_array_equal(pixels(out), np.rint(255 * mean.reshape(8, 8)))


def test_decode_lays_out_a_grid_with_the_second_coordinate_upwards(vae_file, tmp_path):
    out = tmp_path / "grid.png"
    assert main(["decode", str(vae_file), "--grid", "3", "--out", str(out)]) == 0
    mosaic = pixels(out)
    assert mosaic.shape == (24, 24)
    model = Run.open(vae_file).model()
    for place, z in {(0, 0): (-2.5, 2.5), (0, 2): (2.5, 2.5), (1, 1): (0, 0), (2, 1): (0, -2.5)}.items():
        mean = model.decode(np.array([z], np.float32)).mean.reshape(8, 8)
        row, column = 8 * place[0], 8 * place[1]
        tile = mosaic[row : row + 8, column : column + 8].astype(float)
        assert np.abs(tile - 255 * mean).max() <= 0.51


def test_a_flow_encodes_and_decodes_rows_there_and_back(tmp_path, capsys):
    run, x, z, back = (tmp_path / name for name in ("flow", "x.npy", "z.npy", "back.npy"))
    small = ["--set", "width=16", "depth=1", "--steps", "5"]
    assert main(["train", "realnvp", "--data", "two-moons:200", *small, "--out", str(run)]) == 0
    np.save(x, open_data("two-moons").test.x[:50])
    assert main(["encode", str(run), "--data", str(x), "--out", str(z)]) == 0
    assert np.abs(np.load(z) - np.load(x)).max() > 0.1
    assert main(["decode", str(run), "--data", str(z), "--out", str(back)]) == 0
    np.testing.assert_allclose(np.load(back), np.load(x), atol=1e-4)
    assert main(["encode", str(run), "--out", str(z)]) == 0  # its own data, of a set of another size
    assert len(np.load(z)) == sum(len(Run.open(run).data.split(s)) for s in ("train", "validation", "test"))
    capsys.readouterr()
    assert main(["decode", str(run), "--at", "0,0", "--out", str(tmp_path / "a.png")]) == 2
    assert "not pictures" in capsys.readouterr().err


def test_a_model_of_real_numbers_scores_its_own_samples_of_binary_data(tmp_path, capsys):
    run, x, log_p = (tmp_path / name for name in ("run", "x.npy", "log_p.npy"))
    assert main(["train", "ppca", "--data", "digits", "--steps", "2", "--out", str(run)]) == 0
    assert main(["sample", str(run), "--n", "5", "--out", str(x)]) == 0
    assert main(["score", str(run), "--data", str(x), "--out", str(log_p)]) == 0
    np.testing.assert_allclose(np.load(log_p), Run.open(run).model().log_prob(np.load(x)))


def test_sample_is_seeded(vae_file, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert (
            main(["sample", str(vae_file), "--n", "7", "--seed", str(seed), "--out", str(tmp_path / name)])
            == 0
        )
    a, b, c = (np.load(tmp_path / name) for name in "abc")
    assert a.shape == (7, 64)
    assert a.dtype == np.float32
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_encode_and_score_keep_the_order_of_the_file(vae_file, tmp_path, capsys):
    x = open_data("digits").test.x[:20]
    np.save(tmp_path / "x.npy", x)
    for command in ("encode", "score"):
        arguments = [
            command,
            str(vae_file),
            "--data",
            str(tmp_path / "x.npy"),
            "--out",
            str(tmp_path / command),
        ]
        assert main(arguments) == 0
    model = Run.open(vae_file).model()
    np.testing.assert_allclose(np.load(tmp_path / "encode"), model.encode(x).mean, rtol=1e-5, atol=1e-6)
    scores = np.load(tmp_path / "score")
    assert scores.dtype == np.float64
    assert scores.shape == (20,)
    assert (model.elbo(x, 200).value < scores).mean() > 0.9
    assert f"mean log p(x) {scores.mean():.4f}" in capsys.readouterr().out


def test_score_of_an_exact_density(rows, tmp_path):
    out = tmp_path / "run"
    assert train("--data", rows, "--steps", 5, "--out", out) == 0
    assert main(["score", str(out), "--out", str(tmp_path / "logp.npy")]) == 0
    x = np.load(rows).astype(np.float32)
    np.testing.assert_allclose(np.load(tmp_path / "logp.npy"), Run.open(out).model().log_prob(x))


def test_a_component_that_is_held_open_is_told(tmp_path, capsys):
    np.save(tmp_path / "twice.npy", np.repeat(np.random.default_rng(0).normal(size=(3, 2)), 20, axis=0))
    data = str(tmp_path / "twice.npy")
    assert main(["train", "gmm", "--data", data, "--set", "components=3", "--steps", "5", "--json"]) == 0
    said = capsys.readouterr()
    assert "note: components 1, 2 and 3 would be singular and are held open by reg_covar = 1e-06" in said.err
    assert lines(said.out)[-1]["step"] <= 5


# -- lists ---------------------------------------------------------------------------------------


def test_models_and_data_are_listed(capsys):
    assert main(["models", "--json"]) == 0
    models = {m["name"]: m for m in json.loads(capsys.readouterr().out)}
    assert {"vae", "toy-gaussian"} <= models.keys()
    rate = next(p for p in models["toy-gaussian"]["parameters"] if p["name"] == "learning_rate")
    assert (rate["default"], rate["minimum"], rate["live"]) == (0.05, 0, True)
    assert main(["data", "--json"]) == 0
    assert [d["name"] for d in json.loads(capsys.readouterr().out)] == [d.name for d in data_sets()]
    assert main(["models"]) == main(["data"]) == 0
    text = capsys.readouterr().out
    assert "latent_dim = 2" in text
    assert "two-moons" in text


# -- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "no file or command 'nonsense'"),
        (["nonsense", "--x"], "no file or command 'nonsense'"),
        (["--bogus"], "--bogus"),
        (["train"], "needs a MODEL"),
        (["train", "vae"], "needs a MODEL and --data"),
        (["train", "vea", "--data", "digits"], "there is no model 'vea'"),
        (["train", "vae", "--data", "digts"], "digts"),
        (["train", "vae", "--data", "digits", "--set", "depth=x"], "'x' is not a whole number"),
        (["train", "vae", "--data", "digits", "--set", "depht=2"], "no parameter 'depht'"),
        (["train", "vae", "--data", "digits", "--steps", "0"], "not a whole number ≥ 1"),
        (["train", "vae", "--data", "digits", "--steps", "1e3"], "'1e3' is not a whole number"),
        (["train", "vae", "--data", "digits", "--device", "quantum"], "no device 'quantum'"),
        (["train", "vae", "--data", "digits", "--out", "/nowhere/x"], "no folder '/nowhere'"),
        (["train", "vae", "--data", "two-moons"], "Bernoulli"),
        (["train", "--resume", "none"], "there is no file 'none'"),
        (["train", "toy-gaussian", "--resume", "VAE"], "holds a vae"),
        (["train", "--resume", "VAE", "--seed", "1"], "started with seed 0"),
        (["evaluate", "none"], "there is no file 'none'"),
        (["evaluate", "PICKLE"], "pickle"),
        (["evaluate", "VAE", "--data", "two-moons"], "Bernoulli"),
        (["decode", "VAE", "--out", "x.png"], "--at --grid"),
        (["decode", "VAE", "--at", "1,2,3", "--out", "OUT"], "the latent space has 2"),
        (["decode", "VAE", "--at", "1,a", "--out", "OUT"], "'1,a' is not a list of numbers"),
        (["decode", "VAE", "--at", "1,inf", "--out", "OUT"], "not finite"),
        (["decode", "VAE", "--at", "1,2", "--out", "/nowhere/x.png"], "no folder"),
        (["score", "VAE", "--data", "two-moons", "--out", "OUT"], "2 columns, the model takes 64"),
        (["score", "VAE", "--data", "digits-16", "--out", "OUT"], "other than 0 and 1"),
        (["sample", "VAE", "--n", "-3", "--out", "OUT"], "-3"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_status_2(arguments, says, vae_file, tmp_path, capsys):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(pickle.dumps({"a": 1}))
    names = {"VAE": str(vae_file), "PICKLE": str(bad), "OUT": str(tmp_path / "out")}
    assert main([names.get(a, a) for a in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("latent-explorer: ")
    assert captured.err.count("\n") == 1
    assert says in captured.err
    assert not (tmp_path / "out").exists()


def test_help_and_version(capsys):
    assert main(["--help"]) == main(["train", "--help"]) == main(["--version"]) == 0
    assert "--resume" in capsys.readouterr().out


def test_training_imports_no_qt_and_needs_no_display(rows, tmp_path):
    code = (
        "import sys; from explorer.__main__ import main; status = main(sys.argv[1:]);"
        "assert not [m for m in sys.modules if m.startswith(('PySide6', 'pyqtgraph'))]; sys.exit(status)"
    )
    command = ["train", "vae", "--data", "digits", "--steps", "2", "--out", str(tmp_path / "run"), "--json"]
    environment = {
        k: v for k, v in ENVIRONMENT.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *command], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout)[-1]["test"].keys() == {"elbo", "reconstruction", "kl_prior", "log_likelihood"}


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["sample", "--n", "100000000000"], "--n 100000000000: at most"),
        (["decode", "--grid", "100000"], "at most"),
    ],
)
def test_what_would_not_fit_into_memory_is_refused(vae_file, tmp_path, capsys, command, says):
    name, *options = command
    out = tmp_path / "out"
    assert main([name, str(vae_file), *options, "--out", str(out)]) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()

"""The command line on folders of images, IDX files and tables with a chosen label."""

import json
import struct

import numpy as np
import pytest
from PIL import Image

from backends.run import Run
from explorer.cli.main import main

QUICK = ("--set", "width=8", "depth=1", "decoder=gaussian", "--steps", "2", "--json")


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / "faces"
    for i in range(20):
        path = folder / "ab"[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 12, 3), (i, 2 * i, 3 * i), np.uint8)).save(path)
    return folder


def test_a_folder_is_trained_on_gone_on_with_and_encoded(faces, tmp_path, capsys):
    (faces / "a" / "bad.png").write_text("no picture")
    out = str(tmp_path / "run.safetensors")
    assert main(["train", "vae", "--data", f"{faces}:size=6,colour=rgb", *QUICK, "--out", out]) == 0
    assert "note: 1 of the 21 images in faces is left out: a/bad.png" in capsys.readouterr().err
    run = Run.open(out)
    assert run.info.image_shape == (6, 6, 3)
    assert run.info.label_names == ("a", "b")
    assert main(["train", "--resume", out, "--steps", "1", "--json"]) == 0
    assert Run.open(out).steps == 3
    z = tmp_path / "z.npy"
    for data in ([], ["--data", str(faces)]):  # its size and colour are those of the run
        assert main(["encode", out, *data, "--out", str(z)]) == 0
        assert np.load(z).shape == (20, 2)


def test_a_folder_can_be_spelled_wrong(faces, capsys):
    assert main(["train", "vae", "--data", f"{faces}:size=3", *QUICK]) == 2
    assert "squares of 4 to 512 pixels" in capsys.readouterr().err
    assert main(["train", "vae", "--data", f"{faces}/nowhere.d", *QUICK]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_mnist_is_trained_on(tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4), np.uint8)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(b"\0\0\x08\x03" + struct.pack(">3I", *images.shape) + images.tobytes())
    out = str(tmp_path / "run.safetensors")
    assert main(["train", "vae", "--data", str(path), *QUICK, "--out", out]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["data"] == "train-images-idx3-ubyte"
    assert main(["score", out, "--data", str(path), "--out", str(tmp_path / "p.npy")]) == 0
    assert np.load(tmp_path / "p.npy").shape == (30,)


def test_a_label_column_is_chosen_and_known_to_what_comes_after(tmp_path):
    path = tmp_path / "iris.csv"
    path.write_text("a,species\n" + "\n".join(f"{i / 7:.3f},{'xy'[i % 2]}" for i in range(30)))
    out = str(tmp_path / "run.safetensors")
    data = f"{path}:label=species"
    assert main(["train", "gmm", "--data", data, "--set", "components=2", "--steps", "3", "--out", out]) == 0
    assert main(["train", "--resume", out, "--steps", "1"]) == 0
    for given in (data, str(path)):
        assert main(["score", out, "--data", given, "--out", str(tmp_path / "p.npy")]) == 0
        assert np.load(tmp_path / "p.npy").shape == (30,)

"""The file format: what is written comes back, and nothing that is not a run's file does any harm."""

import json
import os
import pickle
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.numpy import save_file

from backends import checkpoint
from backends.base import InputError

ARRAYS = {
    "weights": np.arange(12, dtype=np.float32).reshape(3, 4),
    "steps": np.array([1, 2, 3], np.int64),
    "mask": np.array([True, False]),
    "scalar": np.array(2.5),
    "empty": np.zeros((0, 5), np.float32),
}


@pytest.fixture
def run_file(tmp_path):
    path = tmp_path / "run.safetensors"
    checkpoint.write(path, {"name": "ein Lauf, β=1"}, ARRAYS)
    return path


def craft(path: Path, header: object, data: bytes = b"", length: int | None = None) -> Path:
    """A file with the given header, whatever it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(dtype: object, shape: object, begin: object, end: object) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


META = {"__metadata__": {"latent_explorer": json.dumps({"schema": 1})}}


def test_what_is_written_comes_back(run_file):
    manifest, arrays = checkpoint.read(run_file)
    assert manifest == {"name": "ein Lauf, β=1", "schema": checkpoint.SCHEMA}
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].shape == array.shape
        assert arrays[name].flags.writeable
    assert checkpoint.read_manifest(run_file) == manifest


def test_the_reference_library_reads_it(run_file):
    with safe_open(run_file, framework="np") as file:
        assert set(file.keys()) == ARRAYS.keys()
        np.testing.assert_array_equal(file.get_tensor("weights"), ARRAYS["weights"])


def test_the_same_content_gives_the_same_bytes(run_file, tmp_path):
    checkpoint.write(tmp_path / "again", {"name": "ein Lauf, β=1"}, ARRAYS)
    assert (tmp_path / "again").read_bytes() == run_file.read_bytes()


@settings(max_examples=50)
@given(
    arrays=st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda s: s != "__metadata__" and s.isprintable()),
        hnp.arrays(
            st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_]),
            hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        ),
        max_size=4,
    )
)
def test_any_arrays_come_back(arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "x"
    checkpoint.write(path, {}, arrays)
    found = checkpoint.read(path)[1]
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].tobytes() == array.tobytes()
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)


# -- what is not a run's file ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "data", "length", "says"),
    [
        (META | {"a": entry("F32", [2], 0, 8)}, b"1234", None, "cut short"),
        (META | {"a": entry("F32", [2], 0, 8)}, b"123456789", None, "1 bytes belong to no array"),
        (META, b"", 10**6, "cut short"),
        (META, b"", 2**40, "not a run"),
        (META | {"a": entry("F32", [10**12], 0, 4 * 10**12)}, b"", None, "cut short"),
        (META | {"a": entry("F32", [10**30], 0, 4 * 10**30)}, b"", None, "absurdly large"),
        (META | {"a": entry("F32", [0, 2**62, 2**62], 0, 0)}, b"", None, "absurdly large"),
        (META | {"a": entry("F32", [3], 0, 8)}, b"12345678", None, "size of its shape"),
        (META | {"a": entry("F32", [-1], 0, -4)}, b"", None, "no valid shape"),
        (META | {"a": entry("F32", [True], 0, 4)}, b"1234", None, "no valid shape"),
        (META | {"a": entry("F32", 2, 0, 8)}, b"12345678", None, "no valid shape"),
        (META | {"a": entry("F32", [1] * 40, 0, 4)}, b"1234", None, "no valid shape"),
        (META | {"a": entry("F32", [1], 0.0, 4.0)}, b"1234", None, "no valid place"),
        (META | {"a": entry("BF16", [1], 0, 2)}, b"12", None, "unknown type 'BF16'"),
        (META | {"a": entry(["F32"], [1], 0, 4)}, b"1234", None, "unknown type"),
        (META | {"a": entry("O", [1], 0, 8)}, b"12345678", None, "unknown type"),
        (META | {"a": entry("BOOL", [2], 0, 2)}, b"\x01\x07", None, "neither true nor false"),
        (META | {"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 2, 6)}, b"123456", None, "'b' does not"),
        (META | {"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 4, 6)}, b"123456", None, "'b' does not"),
        (META | {"a": 3}, b"", None, "not described"),
        (META | {"a": {"dtype": "F32"}}, b"", None, "not described"),
        (b'{"a":1,"a":2}', b"", None, "occurs twice"),
        (b'{"a":' * 100_000, b"", None, "not readable"),
        (b"{" + b"9" * 9000, b"", None, "not readable"),
        (b'{"\xff":1}', b"", None, "not readable"),
        ({"a": entry("U8", [0], 0, 0)}, b"", None, "another program"),
        ({"__metadata__": 7}, b"", None, "another program"),
        ({"__metadata__": {"latent_explorer": "7"}}, b"", None, "not a JSON object"),
        ({"__metadata__": {"latent_explorer": "{}"}}, b"", None, "no schema"),
        ({"__metadata__": {"latent_explorer": '{"schema": 99}'}}, b"", None, "newer version"),
    ],
)  # fmt: skip
def test_a_crafted_header_is_refused_with_its_reason(tmp_path, header, data, length, says):
    path = craft(tmp_path / "crafted.safetensors", header, data, length)
    with pytest.raises(InputError, match=says) as error:
        checkpoint.read(path)
    assert "crafted.safetensors" in str(error.value)
    assert "\n" not in str(error.value)


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_named_and_never_executed(tmp_path, protocol):
    marker, path = tmp_path / "executed", tmp_path / "run.safetensors"
    path.write_bytes(pickle.dumps(Bomb(marker), protocol))
    with pytest.raises(InputError, match="pickle" if protocol != 1 else "not a run"):
        checkpoint.read(path)
    assert not marker.exists()
    pickle.loads(path.read_bytes())
    assert marker.exists()  # it was live


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["m/data.pkl", "m/data/0"], "PyTorch checkpoint with a Python pickle"),
        (["m/data.pkl", "m/constants.pkl", "m/code/x.py"], "TorchScript"),
        (["m/archive_format", "m/models/model.json", "m/data.pkl"], "pt2"),
        (["x.npy", "y.npy"], "npz"),
        (["readme.txt"], "zip archive"),
    ],
)
def test_a_zip_is_named_by_what_it_holds(tmp_path, names, says):
    with zipfile.ZipFile(tmp_path / "f", "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    with pytest.raises(InputError, match=says):
        checkpoint.read(tmp_path / "f")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"abc", "too short"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "PNG"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
        (b"\x08\x07\x12\x07pytorch" + bytes(20), "ONNX"),
        ("x,y\n1,2\nß,3\n".encode(), "a text file"),
        (b"PK\x03\x04" + bytes(40), "damaged zip"),
        (bytes(range(200, 256)), "something unknown"),
    ],
)
def test_other_files_are_named(tmp_path, content, says):
    (tmp_path / "f.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=says):
        checkpoint.read(tmp_path / "f.safetensors")


def test_safetensors_of_another_program_are_told_apart(tmp_path):
    save_file({"w": np.zeros(3)}, tmp_path / "other.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="another program"):
        checkpoint.read(tmp_path / "other.safetensors")


def test_missing_files_folders_and_pipes(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        checkpoint.read(tmp_path / "none")
    with pytest.raises(InputError, match="a folder"):
        checkpoint.read(tmp_path)
    with pytest.raises(InputError, match="null"):
        checkpoint.read("a\0b")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InputError, match="not a file"):
            checkpoint.read(tmp_path / "pipe")


def _refused_or_whole(path):
    try:
        manifest, arrays = checkpoint.read(path)
    except InputError:
        return
    assert isinstance(manifest, dict)
    assert sum(a.nbytes for a in arrays.values()) <= path.stat().st_size


@settings(max_examples=200)
@given(content=st.binary(max_size=400))
def test_random_bytes_are_refused(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "f"
    path.write_bytes(content)
    with pytest.raises(InputError):
        checkpoint.read(path)


@settings(max_examples=300)
@given(data=st.data())
def test_a_cut_or_altered_file_is_refused_or_read_whole(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "f"
    checkpoint.write(path, {"name": "a"}, ARRAYS)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(0, len(content) - 1))
        path.write_bytes(content[:cut])
        with pytest.raises(InputError):
            checkpoint.read(path)
        return
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    _refused_or_whole(path)


# -- writing -------------------------------------------------------------------------------------


def _only(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_failing_save_leaves_the_old_file_and_nothing_else(run_file):
    from backends.atomic import replacing

    old = run_file.read_bytes()
    with pytest.raises(KeyboardInterrupt), replacing(run_file) as file:  # noqa: PT012
        file.write(b"half of it")
        raise KeyboardInterrupt
    assert run_file.read_bytes() == old
    assert _only(run_file.parent) == [run_file.name]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_a_sentence(run_file):
    from backends.atomic import replacing

    old = run_file.read_bytes()
    with (
        pytest.raises(InputError, match=r"run\.safetensors': the disk is full"),
        replacing(run_file),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")  # what the file itself would raise on a full disk
    assert run_file.read_bytes() == old
    assert _only(run_file.parent) == [run_file.name]


def test_a_missing_folder_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        checkpoint.write(tmp_path / "none" / "run", {}, {})
    with pytest.raises(InputError, match="it is a folder"):
        checkpoint.write(tmp_path, {}, {})


def test_a_link_stays_a_link_and_permissions_stay(run_file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(run_file)
    run_file.chmod(0o640)
    checkpoint.write(link, {"name": "new"}, {})
    assert link.is_symlink()
    assert run_file.stat().st_mode & 0o777 == 0o640
    assert checkpoint.read(run_file)[0]["name"] == "new"


WRITER = """
import signal, sys
from backends.atomic import replacing
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what it starts with & ignore it
with replacing(sys.argv[1]) as file:
    file.write(b"half of it")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_save_leaves_the_old_file_whole(run_file, signal_):
    old = run_file.read_bytes()
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(run_file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with child:
        assert child.stdout.readline() == b"writing\n"
        child.send_signal(signal_)
    assert child.returncode != 0
    assert run_file.read_bytes() == old
    left = [p for p in run_file.parent.iterdir() if p != run_file]
    assert len(left) == (1 if signal_ == signal.SIGKILL else 0)
    for path in left:  # nobody can tidy up after SIGKILL; the next save does, once it is surely abandoned
        os.utime(path, (0, 0))
    checkpoint.write(run_file, {}, {})
    assert _only(run_file.parent) == [run_file.name]

"""What is missing for a window is found before Qt would abort on it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.__main__ import main
from explorer.cli import doctor

linux = pytest.mark.skipif(sys.platform != "linux", reason="these libraries are Linux's")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def no_display(monkeypatch):
    for name in (
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "QT_QPA_PLATFORM",
        "QT_PLUGIN_PATH",
        "QT_QPA_PLATFORM_PLUGIN_PATH",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, []),
        ({"DISPLAY": ":0"}, ["xcb"]),
        ({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}, ["wayland", "xcb"]),
        ({"QT_QPA_PLATFORM": "offscreen", "DISPLAY": ":0"}, ["offscreen"]),
        ({"QT_QPA_PLATFORM": "vnc:size=800x600"}, ["vnc"]),
        ({"QT_QPA_PLATFORM": "wayland;xcb"}, ["wayland", "xcb"]),
    ],
)
def test_platforms_are_those_that_qt_would_try(environment, expected):
    assert doctor.platforms(environment) == expected


def test_a_library_that_is_not_there_is_missing():
    assert doctor.missing_libraries(["libnothing-of-the-kind.so.7"]) == ["libnothing-of-the-kind.so.7"]


@linux
def test_no_display_is_a_sentence_with_a_command(no_display, capsys):
    assert "xvfb-run -a latent-explorer" in doctor.gui_problem()
    assert main([]) == 2
    error = capsys.readouterr().err
    assert error.startswith("latent-explorer: there is no display")
    assert error.count("\n") == 1


@linux
def test_a_display_that_nobody_answers_is_noticed(no_display, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":7654")
    assert "':7654' does not answer" in doctor.gui_problem()


@linux
def test_without_a_screen_offscreen_is_enough(no_display, monkeypatch):
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert doctor.gui_problem() is None


@linux
def test_a_platform_that_qt_lacks_is_named_with_those_it_has(no_display, monkeypatch):
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscren")
    problem = doctor.gui_problem()
    assert "'offscren'" in problem
    assert "offscreen" in problem


@linux
def test_missing_libraries_come_with_the_exact_line_to_type(no_display, tmp_path):
    """A loader that cannot find libxcb-cursor: an empty file of that name comes first on its path."""
    (tmp_path / "libxcb-cursor.so.0").write_bytes(b"")
    (tmp_path / "libxcb-icccm.so.4").write_bytes(b"")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "DISPLAY": ":7654"}
    code = (
        "import sys; from explorer.__main__ import main; status = main([]);"
        "assert 'PySide6' not in sys.modules; sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == (
        "latent-explorer: the system libraries are missing: libxcb-cursor.so.0, libxcb-icccm.so.4; "
        "type: sudo apt-get install -y libxcb-cursor0 libxcb-icccm4\n"
    )


@linux
@pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf")
def test_the_table_names_every_library_that_qt_needs():
    """Against the ELF headers of the PySide6 that is installed."""
    import PySide6

    qt = Path(PySide6.__file__).parent / "Qt"
    names = ("Core", "Gui", "Widgets", "Svg", "OpenGL", "DBus", "XcbQpa", "WaylandClient")
    files = [qt / "lib" / f"libQt6{name}.so.6" for name in names]
    files += [qt / "plugins" / "platforms" / f"libq{name}.so" for name in ("xcb", "wayland", "offscreen")]
    out = subprocess.run(
        ["readelf", "-d", *map(str, files)], capture_output=True, text=True, check=True
    ).stdout
    needed = {line.partition("[")[2].rstrip("]") for line in out.splitlines() if "(NEEDED)" in line}
    own = {p.name for p in (qt / "lib").iterdir()}
    runtime = ("libc.", "libm.", "libdl.", "libpthread.", "librt.", "ld-linux", "libgcc_s", "libstdc++")
    needed = {name for name in needed - own if not name.startswith(runtime)}
    assert needed == {*doctor.BASE, *doctor.XCB, *doctor.WAYLAND}


@linux
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb")
def test_a_display_that_answers_is_enough(no_display, monkeypatch):
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "64x64x24", "-nolisten", "tcp"],
        pass_fds=[write], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    with server, os.fdopen(read) as number:
        try:
            monkeypatch.setenv("DISPLAY", f":{int(number.readline())}")
            assert doctor.gui_problem() is None
        finally:
            server.terminate()


def test_doctor_reports_versions_devices_backends_and_broken_plug_ins(tmp_path, monkeypatch, capsys):
    import torch

    from backends import registry

    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[latent_explorer.backends]\nbroken = no_such_module:BACKEND\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.installed.cache_clear()
    try:
        assert main(["doctor"]) == 0
    finally:
        registry.installed.cache_clear()
    out = capsys.readouterr().out
    assert f"torch {torch.__version__}" in out
    assert "backend pytorch: models vae" in out
    assert "backend broken is broken: ModuleNotFoundError" in out
    assert "window: " in out

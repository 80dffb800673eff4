"""What is installed, what is missing, and what to type.

Qt aborts the process, with a misleading message, when one of its system libraries or the display is missing;
so both are tried here, before Qt is imported and without it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

# What the libraries of PySide6 6.11 need from the system (the NEEDED entries of their ELF headers, without
# those of the C and C++ run time), with the package of Debian and Ubuntu that has it.
BASE = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11.so.6": "libx11-6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libz.so.1": "zlib1g",
    "libzstd.so.1": "libzstd1",
}
XCB = {
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
WAYLAND = {
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
}
_NEEDS = {"xcb": XCB, "wayland": WAYLAND}

_PACKAGES = (
    "numpy", "scipy", "scikit-learn", "torch", "zuko", "torchdiffeq", "safetensors", "Pillow",
    "PySide6-Essentials", "pyqtgraph", "imageio-ffmpeg",
)  # fmt: skip


def own_version() -> str:
    """The program's version; where it runs from a checkout without being installed, that is said."""
    try:
        return version("latent-explorer")
    except PackageNotFoundError:
        return "(not installed)"


# -- can the window open? ------------------------------------------------------------------------


def gui_problem() -> str | None:
    """Why Qt could not open a window here, in one sentence with what to type; None when it can.

    Imports nothing of Qt, so that it works where that import itself would fail.
    """
    package = find_spec("PySide6")
    if package is None:
        return f"PySide6 is not installed: {sys.executable} -m pip install PySide6-Essentials"
    if sys.platform != "linux":
        return None
    missing = missing_libraries(BASE)
    if missing:
        return _missing(missing)
    usable, problem = _usable_platform(Path(package.origin or "").parent)
    return None if usable else problem


def platforms(environment: Mapping[str, str]) -> list[str]:
    """The platform plug-ins that Qt would try on Linux, in its order; it takes the first that works."""
    chosen = environment.get("QT_QPA_PLATFORM", "")
    if chosen:
        return [name.partition(":")[0] for name in chosen.split(";") if name]
    order = ["wayland"] if environment.get("WAYLAND_DISPLAY") else []
    return order + (["xcb"] if environment.get("DISPLAY") else [])


def missing_libraries(wanted: Iterable[str]) -> list[str]:
    """Those of the shared libraries that the system's loader cannot load."""
    missing = []
    for name in wanted:
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return missing


def _usable_platform(package: Path) -> tuple[str | None, str]:
    """The plug-in that Qt would end up with, or else what is wrong with the last one it would try."""
    problem: str | None = _no_display("neither DISPLAY nor WAYLAND_DISPLAY is set")
    for name in platforms(os.environ):
        problem = _platform_problem(name, package)
        if problem is None:
            return name, ""
    return None, problem or ""


def _platform_problem(name: str, package: Path) -> str | None:
    plugins = package / "Qt" / "plugins" / "platforms"
    there = sorted(p.name.removeprefix("libq").removesuffix(".so") for p in plugins.glob("libq*.so"))
    own_plugins = os.environ.get("QT_QPA_PLATFORM_PLUGIN_PATH") or os.environ.get("QT_PLUGIN_PATH")
    if there and name not in there and not own_plugins:
        return (
            f"QT_QPA_PLATFORM asks for '{name}', which Qt does not have (it has {', '.join(there)}): unset it"
        )
    missing = missing_libraries(_NEEDS.get(name, {}))
    if missing:
        return _missing(missing)
    if name == "xcb" and not _x_answers():
        display = os.environ.get("DISPLAY")
        return _no_display(f"the X display '{display}' does not answer" if display else "DISPLAY is not set")
    if name == "wayland" and not _wayland_answers():
        return _no_display("the Wayland display does not answer")
    return None


def _missing(libraries: Iterable[str]) -> str:
    names = list(libraries)
    packages = {library: package for needs in (BASE, XCB, WAYLAND) for library, package in needs.items()}
    wanted = sorted({packages[name] for name in names})
    many = "libraries are" if len(names) > 1 else "library is"
    return f"the system {many} missing: {', '.join(names)}; type: sudo apt-get install -y {' '.join(wanted)}"


def _no_display(what: str) -> str:
    return (
        f"there is no display to open a window on ({what}); for a virtual one type: "
        "sudo apt-get install -y xvfb && xvfb-run -a latent-explorer"
    )


def _x_answers() -> bool:
    """Connect as Qt will, through libxcb: address, network and permission are all tried by that."""
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)  # never null; a failed one has an error
    answers = xcb.xcb_connection_has_error(connection) == 0
    xcb.xcb_disconnect(connection)
    return answers


def _wayland_answers() -> bool:
    wayland = ctypes.CDLL("libwayland-client.so.0")
    wayland.wl_display_connect.restype = ctypes.c_void_p
    wayland.wl_display_connect.argtypes = [ctypes.c_char_p]
    wayland.wl_display_disconnect.argtypes = [ctypes.c_void_p]
    display = wayland.wl_display_connect(None)
    if not display:
        return False
    wayland.wl_display_disconnect(display)
    return True


# -- the report ----------------------------------------------------------------------------------


def report(options: Namespace) -> int:
    """``latent-explorer doctor``: print everything that somebody who helps would ask for."""
    print(f"latent-explorer {own_version()}, Python {platform.python_version()}, {platform.platform()}")
    for name in _PACKAGES:
        try:
            print(f"    {name} {version(name)}")
        except PackageNotFoundError:
            print(f"    {name} not installed")
    print(f"window: {_window()}")
    _print_backends()
    return 0


def _window() -> str:
    problem = gui_problem()
    if problem is not None:
        return problem
    package = find_spec("PySide6")
    if sys.platform != "linux" or package is None:
        return "can be opened"
    return (
        f"can be opened, by the platform plug-in '{_usable_platform(Path(package.origin or '').parent)[0]}'"
    )


def _print_backends() -> None:
    from backends.registry import installed

    found = installed()
    for backend in found.backends:
        models = ", ".join(kind.name for kind in backend.kinds)
        try:
            devices = ", ".join(backend.devices())
        except Exception as error:  # a broken library must not end the doctor's round
            devices = f"not usable: {type(error).__name__}: {error}"
        print(f"backend {backend.name}: models {models}; devices {devices}")
    for broken in found.broken:
        print(f"backend {broken.name} is broken: {broken.error}")

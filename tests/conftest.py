"""Every test runs without a screen, and leaves no thread, timer or window behind."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gc
import sys
import threading
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Fail the test that leaves a thread, a running timer or a window."""
    threads = set(threading.enumerate())
    gc.freeze()  # so that only what the test makes is searched below: with torch loaded, that is a thousandth
    yield
    left = [t.name for t in threading.enumerate() if t not in threads and not t.name.startswith("pydev")]
    assert not left, f"threads left behind: {left}"
    if "PySide6.QtWidgets" not in sys.modules:
        return
    from PySide6.QtCore import QCoreApplication, QEvent, QThread, QTimer
    from PySide6.QtWidgets import QApplication, QMenu
    from shiboken6 import isValid

    app = QApplication.instance()
    if app is None:
        return
    for menu in QApplication.topLevelWidgets():
        if isinstance(menu, QMenu) and menu.parent() is None:  # each plot of pyqtgraph's leaves seven behind,
            menu.deleteLater()  # and to dress an application of thousands of widgets takes seconds
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    windows = [w for w in QApplication.topLevelWidgets() if w.isVisible()]
    assert not windows, f"windows left behind: {windows}"
    gc.collect()
    living = [o for o in gc.get_objects() if issubclass(type(o), (QTimer, QThread)) and isValid(o)]
    timers = [t for t in living if isinstance(t, QTimer) and t.isActive()]
    assert not timers, f"timers left behind: {[(t, t.parent()) for t in timers]}"
    running = [t for t in living if isinstance(t, QThread) and t.isRunning() and t is not app.thread()]
    assert not running, f"threads left behind: {running}"


@pytest.fixture
def toy_plugin(monkeypatch):
    """The toy plug-in is installed: found through its entry point, like any other."""
    from backends.registry import installed

    monkeypatch.syspath_prepend(Path(__file__).parent / "plugin")
    installed.cache_clear()
    yield
    installed.cache_clear()


@pytest.fixture
def one_thread():
    """torch computes on one thread, on which the same numbers give the same sums to the last bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_collection_modifyitems(items):
    """What opens a window comes last: each leaves menus of pyqtgraph's behind, and to dress an application
    of thousands of widgets takes seconds."""
    items.sort(key=lambda item: "start" in getattr(item, "fixturenames", ()))

"""How the program's threads share a machine: the hand first, then exploration, then training."""

from __future__ import annotations

import builtins
import ctypes
import gc
import os
import sys
import threading
from contextlib import suppress
from functools import cache

EXPLORATION, TRAINING = 5, 10  # niceness: what computes steps back from the thread that draws

# A thread that wants the interpreter waits this long before it asks the one that has it. With Python's
# 5 ms a training thread that is heavy in NumPy drops the window to 5 frames a second.
SWITCH_INTERVAL = 1e-4


def share_cores() -> None:
    """Give each of the two computing threads half of the cores. Before torch and NumPy are imported;
    what the user has set in OMP_NUM_THREADS stays."""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) // 2)))


def load_at_once() -> None:
    """Do not look for garbage while modules are loaded, up to the first run: there is none, and the search
    takes a tenth of the way. :func:`keep_tidy` ends that."""
    gc.disable()


def keep_tidy() -> None:
    """Look for garbage again."""
    gc.enable()


def import_plainly() -> None:
    """Have Python import modules as it does by itself. PySide6 has it read the source of each one as well, to
    find out which want Qt's methods by other names (``from __feature__ import snake_case``); none does."""
    from PySide6 import QtCore  # noqa: F401  as this is what changes it

    builtins.__import__ = getattr(builtins, "__orig_import__", builtins.__import__)


def keep_responsive() -> None:
    """Hand the interpreter over quickly."""
    sys.setswitchinterval(SWITCH_INTERVAL)


def step_back(niceness: int) -> None:
    """Lower the calling thread's priority by so much, where the system has one for each thread (Linux)."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + niceness)


@cache
def forget_modules() -> None:
    """Take all that is loaded by now out of the garbage collector's sight: only once, as what is frozen is
    never collected. (To ask whether something is counts it all, for 20 ms.) Then look for garbage again.

    A full collection over torch's objects stops every thread for more than 100 ms.
    """
    gc.freeze()
    keep_tidy()


def give_memory_back() -> None:
    """Have the C library hand free memory back to the system, where it can (glibc). Takes 10 ms a 100 MB.

    By itself it keeps whatever lies below a block that is still in use: when a history of 256 MB had dropped
    every second moment, 200 MB stayed taken. The other way, blocks from 128 KB on with pages of their own
    (M_MMAP_THRESHOLD), gives each back at once, but made every step of training a quarter slower.
    """
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)

"""What the threads' manners do to a process, in one of its own."""

import subprocess
import sys

import pytest

SCATTERED = """
import threading, time
import numpy as np
from PySide6.QtCore import QCoreApplication
from backends.data import open_data
from backends.run import Run
from explorer import training
from explorer.threads import give_memory_back

run = Run.start("gmm", open_data("two-moons"), {})
run.step()

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

del (large := [np.ones(4_000_000)])[0]  # from now on blocks of up to as many bytes share pages with others
kept, dropped = [], []

def work():
    for _ in range(300):
        dropped.append(np.ones(50_000))
        kept.append(bytearray(200))

thread = threading.Thread(target=work)
thread.start()
thread.join()
full = resident()
dropped.clear()
before = resident()
"""

ASKED = """
give_memory_back()
print(full - before, before - resident(), 300 * 50_000 * 8)
"""

IN_TRAINING = """
app = QCoreApplication([])
training.TIDY_EVERY = 0.1
trainer = training.Trainer()
trainer.slow_down(0.05)  # a history that is full drops moments, and has memory given back for itself
trainer.adopt(lambda: run, steps=None)
end = time.monotonic() + 20
while before - resident() <= 0.7 * 300 * 50_000 * 8 and time.monotonic() < end:
    app.processEvents()
print(full - before, before - resident(), 300 * 50_000 * 8)
trainer.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the C library of Linux")
@pytest.mark.parametrize("how", [ASKED, IN_TRAINING], ids=["asked", "in training"])
def test_memory_that_lies_between_what_is_kept_is_given_back(how):
    done = subprocess.run([sys.executable, "-c", SCATTERED + how], capture_output=True, text=True, check=True)
    by_itself, given_back, freed = map(int, done.stdout.split())
    assert by_itself < 0.1 * freed
    assert given_back > 0.7 * freed


OPENED = """
import gc, linecache, sys
from pathlib import Path
from explorer.threads import import_plainly, load_at_once
load_at_once()
import_plainly()
from PySide6.QtWidgets import QApplication
from explorer.app import Program
app = QApplication([])
program = Program(Path(sys.argv[1]), sys.argv[2] or None)
def look(_):
    program.session.run.step()
    print("garbage", gc.isenabled(), gc.get_freeze_count() > 0)
    print("loaded", [name for name in ("torch", "torch._dynamo", "sklearn") if name in sys.modules])
    import colorsys
    print("source read", colorsys.__file__ in linecache.cache)
    program.window.close()
program.session.run_changed.connect(look)
program.window.show()
app.exec()
"""


@pytest.mark.parametrize("path", ["", "no such file"])
def test_on_the_way_to_the_first_run_nothing_is_loaded_that_it_does_not_need(path, tmp_path):
    command = [sys.executable, "-c", OPENED, str(tmp_path), path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "garbage True True\nloaded ['torch']\nsource read False\n", done.stderr

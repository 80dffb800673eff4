"""What the threads' manners do to a process, in one of its own."""

import subprocess
import sys

import pytest

RELEASED = """
import sys, threading
import numpy as np
from explorer.threads import give_memory_back

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
give_memory_back()
print(full - before, before - resident(), 300 * 50_000 * 8)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the C library of Linux")
def test_memory_that_lies_between_what_is_kept_is_given_back():
    done = subprocess.run([sys.executable, "-c", RELEASED], capture_output=True, text=True, check=True)
    by_itself, asked_for, freed = map(int, done.stdout.split())
    assert by_itself < 0.1 * freed
    assert asked_for > 0.7 * freed

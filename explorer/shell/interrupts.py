"""Ctrl-C in the terminal."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

from PySide6.QtCore import QObject, QSocketNotifier


class Interrupts(QObject):
    """Ctrl-C and SIGTERM close the window as its own button does.

    Python's signal handlers wait for the interpreter, which an idle event loop does not enter; a socket
    that the signal writes to wakes it.
    """

    def __init__(self, close: Callable[[], object], parent: QObject) -> None:
        super().__init__(parent)
        self._close = close
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._notifier = QSocketNotifier(self._reader.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._woken)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _woken(self, *_: object) -> None:
        self._reader.recv(64)

    def _handle(self, *_: object) -> None:
        self._close()

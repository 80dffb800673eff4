"""PySide6 6.12.0 on Python 3.11 lost a reference to None at each void call, and aborted within seconds."""

import sys

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QLabel


class Sender(QObject):
    told = Signal(object)


def test_calls_into_qt_lose_no_reference(qtbot):
    label, sender = QLabel(), Sender()
    qtbot.addWidget(label)
    sender.told.connect(label.setText)
    before = sys.getrefcount(None), sys.getrefcount(True)
    for _ in range(1000):
        label.update()
        label.setText("x")
        sender.told.emit("y")
    after = sys.getrefcount(None), sys.getrefcount(True)
    # Python ≥ 3.12 never counts them; before it, a few come and go.
    assert all(abs(a - b) < 100 for a, b in zip(after, before, strict=True))

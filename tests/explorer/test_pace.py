"""Pace: never twice at once, nothing lost, and a rest in between."""

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget
from shiboken6 import delete

from explorer.pace import Pace


class Work(QObject):
    """Work that begins when it is told to and ends when the test says so."""

    def __init__(self):
        super().__init__()
        self.begun, self.able = 0, True

    def __call__(self):
        self.begun += self.able
        return self.able


@pytest.fixture
def work(qapp):
    out = Work()
    yield out
    delete(out)  # and with it the pace and its timer


def test_the_first_poke_begins_at_once(work):
    Pace(work, interval=60, duty=0.5, parent=work).poke()
    assert work.begun == 1


def test_pokes_during_the_work_become_one_more(work, qtbot):
    pace = Pace(work, interval=0, duty=1.0, parent=work)
    for _ in range(10):
        pace.poke()
    assert work.begun == 1
    pace.done()
    qtbot.waitUntil(lambda: work.begun == 2)
    pace.done()
    assert work.begun == 2


def test_it_rests_before_it_begins_again(work):
    pace = Pace(work, interval=60, duty=0.5, parent=work)
    pace.poke()
    pace.done()
    pace.poke()
    assert work.begun == 1


def test_without_a_poke_there_is_no_more_work(work, qtbot):
    pace = Pace(work, interval=0, duty=1.0, parent=work)
    pace.poke()
    pace.done()
    other = Work()
    second = Pace(other, interval=0, duty=1.0, parent=other)  # its rest ends after that of the first
    second.poke()
    second.poke()
    second.done()
    qtbot.waitUntil(lambda: other.begun == 2)
    assert work.begun == 1
    delete(other)


def test_what_could_not_begin_is_tried_at_the_next_poke_after_the_interval(work, qtbot):
    work.able = False
    pace = Pace(work, interval=0, duty=1.0, parent=work)
    pace.poke()
    work.able = True
    pace.poke()
    qtbot.waitUntil(lambda: work.begun == 1)


def test_reset_ends_the_rest_and_the_work(work):
    pace = Pace(work, interval=60, duty=0.5, parent=work)
    pace.poke()
    pace.poke()
    pace.reset()
    pace.done()  # of the work that was forgotten
    pace.poke()
    assert work.begun == 2


def test_what_is_renewed_begins_at_once_whatever_is_under_way(work):
    pace = Pace(work, interval=60, duty=0.5, parent=work)
    pace.poke()
    pace.renew()
    assert work.begun == 2
    pace.done()
    pace.renew()
    assert work.begun == 3


def test_what_a_widget_wants_waits_until_it_is_seen(work, qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    pace = Pace(work, interval=0, duty=1.0, parent=widget)
    pace.poke()
    assert work.begun == 0
    widget.show()
    assert work.begun == 1
    widget.hide()
    pace.poke()
    pace.done()
    widget.show()
    qtbot.waitUntil(lambda: work.begun == 2)
    widget.hide()
    widget.show()  # nothing is new
    assert work.begun == 2

"""The controls of restarts from other seeds."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QWidget

from backends.restarts import Restart, Restarts, best
from explorer.widgets.form import Choice
from explorer.widgets.progress_bar import ProgressBar
from explorer.widgets.room import keep_room
from explorer.widgets.values import format_number

COUNTS = (5, 10, 20, 50)
NOTHING = "Runs of other seeds, once there are some"


class RestartsBox(QWidget):
    """wanted: the restarts are to begin, or where they are under way, to end. count_changed: another number
    of them is wanted; chosen carries the seed of one that is to be marked; taken: it is to be opened."""

    wanted = Signal()
    count_changed = Signal(int)
    chosen = Signal(object)
    taken = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.go = QPushButton("Restarts", self)
        self.count = Choice(self)
        for count in COUNTS:
            self.count.addItem(f"{count} other seeds", count)
        self.count.setAccessibleName("Number of restarts")
        self.count.setToolTip("How many other seeds to start from: those after the run's own")
        self.progress = ProgressBar("the restarts", self)
        self.results = Choice(self)
        self.results.setAccessibleName("Restarts, the likeliest first, which has a star")
        self.results.setToolTip(NOTHING)
        self.take = QPushButton("Open", self)
        self.take.setToolTip("Open the run of this seed in place of the present one, which is kept")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(6)
        grid.addWidget(self.go, 0, 0)
        grid.addWidget(self.count, 0, 1)
        grid.addWidget(self.progress, 1, 0, 1, 2)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.results, 1)
        row.addWidget(self.take)
        grid.addLayout(row, 2, 0, 1, 2)
        grid.setColumnStretch(1, 1)
        keep_room(self.progress, self.take, self.results)
        self.go.clicked.connect(self.wanted)
        self.count.activated.connect(self.count_changed)
        self.results.activated.connect(lambda index: self.chosen.emit(self.results.itemData(index)))
        self.take.clicked.connect(self.taken)

    def show_count(self, count: int) -> None:
        """How many seeds are to be tried."""
        self.count.setCurrentIndex(self.count.findData(count))

    def show_restarts(self, found: Restarts, chosen: Restart | None, busy: bool, possible: bool) -> None:
        """found: what there is; chosen: the one that is marked; busy: whether more will come. possible:
        whether restarts can be made at all."""
        self.go.setText("Cancel" if busy else "Restarts")
        self.go.setEnabled(possible)
        self.go.setToolTip(
            "EM ends in a local optimum, which follows from its start: fit the same model from other seeds, "
            "until the stopping rule is met or for the run's steps"
            if possible
            else "The run was opened without its data"
        )
        self.progress.setVisible(busy)
        if not busy:
            self.progress.setValue(0)
        first = best(found)
        with QSignalBlocker(self.results):
            self.results.clear()
            for one in sorted(found, key=lambda one: -one.value):
                self.results.addItem(_line(one, one is first), one.seed)
                tip = one.failure or "; ".join(one.notes) or _formula(one)
                self.results.setItemData(self.results.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
            if chosen is not None:
                self.results.setCurrentIndex(self.results.findData(chosen.seed))
        self.results.setToolTip(_formula(chosen) if chosen is not None else NOTHING)
        for widget in (self.take, self.results):
            widget.setVisible(bool(found))
        self.take.setEnabled(chosen is not None and not chosen.failure)


def _line(one: Restart, is_best: bool) -> str:
    value = "failed" if one.failure else format_number(one.value, 4)
    return f"{'★ ' if is_best else ''}seed {one.seed}: {value}{' ⚠' if one.notes else ''}"


def _formula(one: Restart) -> str:
    iterations = format_number(len(one.log_likelihood) - 1)
    notes = "".join(f"\n{note}" for note in one.notes)
    return f"Mean log p(x) of the training rows after {iterations} iterations, exact, nats a datum{notes}"

"""The list of runs: what they are and what they came to, their curves over each other; opened, renamed,
deleted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QItemSelectionModel, QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QIcon, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSplitter,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from backends.evaluation import CURVE_K, CURVE_ROWS
from explorer.actions import Actions
from explorer.compute import Exploration
from explorer.pace import Pace
from explorer.plots.curves import CurvePlot, Points, Series
from explorer.plots.thumbnail import thumbnail
from explorer.runs.listed import Listed, Runs, named, same, shown
from explorer.session import Session
from explorer.style.theme import theme
from explorer.widgets.card import section_title
from explorer.widgets.form import Choice
from explorer.widgets.values import LiveLabel, format_number

NAME, DATA, MODEL, STEP, ELBO, LOG_P, WHERE = range(7)
TITLES = ("Name", "Data", "Model", "Step", "ELBO", "log p(x)", "File")
WIDTHS = (270, 156, 184, 72, 80, 80, 104)
THUMB = QSize(64, 22)
FIGURES = {ELBO: ("test/elbo", "ELBO"), LOG_P: ("test/log_likelihood", "log p(x)")}
ESTIMATORS = (
    ".\nA model's own density where it has one; else by quadrature over one or two latents,\n"
    f"and by importance sampling with {CURVE_K} draws over more"
)
MOST = 8  # curves over each other: so many colours there are
WORDS = {
    "test": "held out", "train": "training", "batch": "batches", "half": "half-steps", "elbo": "ELBO",
    "log_likelihood": "log p(x)", "kl_prior": "KL(q‖p(z))", "reconstruction": "E_q[log p(x|z)]",
    "bits_per_dim": "bits per dimension", "loss": "loss",
}  # fmt: skip
FIRST = ("test/elbo", "test/log_likelihood", "train/elbo", "batch/log_predictive", "batch/loss")


class RunsDialog(QDialog):
    """Stays open beside the window. beside_wanted carries the Listed to be seen beside the open run."""

    beside_wanted = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Runs")
        self.resize(1060, 620)
        self._session = session
        self.runs = Runs(session, exploration, actions, self)
        self._shown: tuple[Listed, ...] = ()
        self._deleted: set[Path | None] = set()
        self._curve = ""

        self.list = QTreeWidget(self)
        self.list.setAccessibleName("Runs")
        self.list.setHeaderLabels(TITLES)
        self.list.setRootIsDecorated(False)
        self.list.setIconSize(THUMB)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.list.setFrameShape(QTreeWidget.Shape.NoFrame)
        for column, width in enumerate(WIDTHS):
            self.list.setColumnWidth(column, width)
        self.list.header().setStretchLastSection(False)
        self.list.header().setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header = self.list.headerItem()
        for column, (_, what) in FIGURES.items():
            header.setToolTip(
                column,
                f"The last {what} over at most {CURVE_ROWS} held-out rows, nats a datum;\n"
                f"its step and error are in the tooltip of each{ESTIMATORS * (column == LOG_P)}",
            )
        for column in (STEP, ELBO, LOG_P):
            header.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

        self.plot = CurvePlot(self, placeholder="Choose runs above, and their curves appear here")
        self.legend = LiveLabel(self)
        self.curve = Choice(self)
        self.curve.setFixedWidth(220)
        self.curve.setAccessibleName("Curve")
        self.curve.setToolTip("Which curve of the chosen runs is drawn")
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(section_title("Curves over each other", self))
        head.addWidget(self.legend, 1)
        head.addWidget(self.curve)
        below = QWidget(self)
        column_ = QVBoxLayout(below)
        column_.setContentsMargins(0, 8, 0, 0)
        column_.setSpacing(8)
        column_.addLayout(head)
        column_.addWidget(self.plot, 1)
        split = QSplitter(Qt.Orientation.Vertical, self)
        split.addWidget(self.list)
        split.addWidget(below)
        split.setSizes([300, 260])
        split.setChildrenCollapsible(False)

        self.open_, self.beside = QPushButton("Open", self), QPushButton("Show beside", self)
        self.rename, self.delete = QPushButton("Rename", self), QPushButton("Delete", self)
        tips = (
            (self.open_, "Have this run as the open one; that which is open is kept (Enter)"),
            (self.beside, "Its map beside that of the open run, with linked cursors"),
            (self.rename, "Give it another name (F2)"),
            (self.delete, "Delete it; can be undone until the program ends. A file of yours stays (Del)"),
        )
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        for button, tip in tips:
            button.setToolTip(tip)
            button.setAutoDefault(False)
            buttons.addWidget(button)
        self.note = QLabel("", self)
        self.note.setProperty("role", "muted")
        buttons.addWidget(self.note, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 12, 16, 16)
        layout.setSpacing(12)
        layout.addWidget(split, 1)
        layout.addLayout(buttons)

        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._show)
        self._pace = Pace(self._follow, interval=0.5, duty=0.1, parent=self)
        self.list.itemSelectionChanged.connect(self._selected)
        self.list.itemActivated.connect(self._open)
        self.list.itemChanged.connect(self._renamed)
        self.curve.activated.connect(self._choose_curve)
        self.open_.clicked.connect(self._open)
        self.beside.clicked.connect(self._beside)
        self.rename.clicked.connect(self._edit_name)
        self.delete.clicked.connect(self._delete)
        self.plot.legend_changed.connect(self.legend.setText)
        self.legend.linkActivated.connect(self.plot.toggle)
        QShortcut(QKeySequence.StandardKey.Delete, self.list, self._delete)
        QShortcut(QKeySequence.StandardKey.Undo, self, session.undo)
        QShortcut(QKeySequence.StandardKey.Redo, self, session.redo)
        self.runs.changed.connect(self._show_soon)
        self.list.itemDelegate().closeEditor.connect(self._show_soon)
        session.curves_changed.connect(self._pace.poke)
        session.moment_changed.connect(self._pace.poke)
        theme().changed.connect(self._show)
        self._show()

    # -- what there is ---------------------------------------------------------------------------

    @property
    def chosen(self) -> list[Listed]:
        """The runs that are chosen, in the order of the list."""
        rows = sorted(self.list.indexOfTopLevelItem(item) for item in self.list.selectedItems())
        return [self._shown[row] for row in rows]

    def _show_soon(self, *_: object) -> None:
        """Not from within what the end of an edit sets off: the list would lose the row under it."""
        self._soon.start()

    def _show(self) -> None:
        if self._editing:  # its end shows them
            return
        before, row = self.chosen, self.list.currentIndex().row()
        was, self._shown = {one.path for one in self._shown}, self.runs.all
        if back := [one for one in self._shown if one.path in self._deleted - was]:
            before = back  # an undo has brought them back
        with QSignalBlocker(self.list):
            self.list.clear()
            for one in self._shown:
                item = QTreeWidgetItem(self.list)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
                self._fill(item, one)
                item.setSelected(any(same(one, other) for other in before))
            place = self.list.topLevelItem(min(max(row, 0), len(self._shown) - 1))
            if place is not None:
                if not self.list.selectedItems():
                    place.setSelected(True)  # what took the place of the one that is gone
                begin = place if place.isSelected() else self.list.selectedItems()[0]  # of the arrow keys
                self.list.setCurrentItem(begin, NAME, QItemSelectionModel.SelectionFlag.NoUpdate)
        self._selected()

    @property
    def _editing(self) -> bool:
        return self.list.state() == QAbstractItemView.State.EditingState

    def _fill(self, item: QTreeWidgetItem, one: Listed) -> None:
        head = one.head
        texts = {
            NAME: head.name, DATA: head.data, MODEL: head.model, STEP: format_number(head.step),
            WHERE: shown(one),
        }  # fmt: skip
        for column, text in texts.items():
            item.setText(column, text)
            item.setToolTip(column, str(one.path) if column == WHERE and one.path is not None else text)
        for column, (name, what) in FIGURES.items():
            last = head.last(name)
            item.setText(column, format_number(None if last is None else last[1]))
            error = head.last(f"{name}/stderr")
            if last is not None:
                about = "" if error is None else f" ± {format_number(error[1], 3)}"
                value = format_number(last[1], 3)
                item.setToolTip(column, f"{what} {value}{about} at step {format_number(last[0])}")
        for column in (STEP, ELBO, LOG_P):
            item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._draw_thumbnail(item, one)

    def _draw_thumbnail(self, item: QTreeWidgetItem, one: Listed) -> None:
        """In the colour of its curve below, which tells the curves apart where the legend has no room."""
        tokens, head, colour = theme().tokens, one.head, theme().tokens.muted
        for i, other in enumerate(self.chosen[:MOST]):
            if same(one, other):
                colour = tokens.curve(i)
        name = next((name for name in FIRST if len(head.curves.get(name)[0]) > 1), FIRST[0])
        picture = thumbnail(
            *head.curves.get(name), THUMB.width(), THUMB.height(), colour, self.devicePixelRatioF()
        )
        item.setIcon(NAME, QIcon(picture))

    def _follow(self) -> bool:
        """The open run goes on."""
        own, first = self.runs.all[:1], self.list.topLevelItem(0)
        if self.isVisible() and own and first is not None and own[0].path is None:
            self._shown = (own[0], *self._shown[1:])
            if not self._editing:
                with QSignalBlocker(self.list):
                    self._fill(first, own[0])
            self._draw()
        return False

    # -- curves ----------------------------------------------------------------------------------

    def _selected(self) -> None:
        chosen = self.chosen
        with QSignalBlocker(self.list):
            for row, each in enumerate(self._shown):
                item = self.list.topLevelItem(row)
                if item is not None:
                    self._draw_thumbnail(item, each)
        one = chosen[0] if len(chosen) == 1 else None
        self.open_.setEnabled(one is not None and one.path is not None)
        self.beside.setEnabled(one is not None)
        self.rename.setEnabled(one is not None)
        self.delete.setEnabled(any(other.path is not None for other in chosen))
        self.note.setText(f"The first {MOST} of {len(chosen)} are drawn" if len(chosen) > MOST else "")
        names = _curves(chosen)
        with QSignalBlocker(self.curve):
            self.curve.clear()
            for name in names:
                self.curve.addItem(_title(name), name)
        wanted = next((name for name in (self._curve, *FIRST) if name in names), names[0] if names else "")
        self.curve.setCurrentIndex(self.curve.findData(wanted))
        labels = named(chosen[:MOST])
        self.plot.set_series(
            [Series(str(i), label, i, width=1.5 if i else 2.0) for i, label in enumerate(labels)]
        )
        self._draw()
        self.plot.fit()

    def _choose_curve(self, _: int) -> None:
        self._curve = self.curve.currentData()
        self._draw()
        self.plot.fit()

    def _draw(self) -> None:
        name, points = self.curve.currentData(), {}
        for i, one in enumerate(self.chosen[:MOST]):
            steps, values = one.head.curves.get(name or "")
            points[str(i)] = Points.of(steps, values)
        self.plot.set_points(points)

    # -- what is done ----------------------------------------------------------------------------

    def _open(self, *_: object) -> None:
        if len(self.chosen) == 1:
            self.runs.open(self.chosen[0])

    def _beside(self) -> None:
        if len(self.chosen) == 1:
            self.beside_wanted.emit(self.chosen[0])

    def _edit_name(self) -> None:
        if len(self.list.selectedItems()) == 1 and not self._editing:
            self.list.setFocus()
            self.list.editItem(self.list.selectedItems()[0], NAME)

    def _renamed(self, item: QTreeWidgetItem, column: int) -> None:
        one = self._shown[self.list.indexOfTopLevelItem(item)]
        name = item.text(NAME).strip()
        if column == NAME and name and name != one.head.name:
            self.runs.rename(one, name)
        elif item.text(column) != one.head.name:
            with QSignalBlocker(self.list):
                self._fill(item, one)

    def _delete(self) -> None:
        self._deleted |= {one.path for one in self.chosen}
        self.runs.delete(self.chosen)


def _curves(several: Sequence[Listed]) -> list[str]:
    """The curves that one of these runs has, without errors and effective sample sizes; the usual first."""
    names = dict.fromkeys(name for one in several for name in one.head.curves.names())
    wanted = [name for name in names if name.count("/") == 1 and not name.startswith("half/")]
    return sorted(wanted, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))


def _title(name: str) -> str:
    """What a curve is called: "ELBO, held out"."""
    where, _, what = name.partition("/")
    return f"{WORDS.get(what, what.replace('_', ' '))}, {WORDS.get(where, where)}"

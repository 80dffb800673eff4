"""The dialog in which one's own data are looked at before they are used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from backends.base import Progress
from backends.data import DataSet, read_data
from backends.preview import SIZES, Look, look
from backends.sources import COLOURS, Choices, parse
from explorer.compute import Exploration, Failure, Priority
from explorer.planes.mosaic import normalise
from explorer.style.stylesheet import restyle
from explorer.style.theme import theme
from explorer.widgets.form import Choice
from explorer.widgets.pictures import Item, Pictures
from explorer.widgets.progress_bar import ProgressBar
from explorer.widgets.room import keep_room
from explorer.widgets.values import LiveLabel, ValueRows, format_number

SLOT = "preview"
APPEAR_MS = 300  # until a dialog appears that has nothing to show yet
FIRST_SMALLEST, FIRST_LARGEST, PICTURE_LARGEST = 44, 96, 400  # logical pixels of an image
MOST_COLUMNS = 40  # of a table that are shown
MOST_CLASSES = 12  # that are named
NO_LABELS = "none"
COLOUR_NAMES = {"grey": "Grey", "rgb": "Colour (RGB)"}
FACTS = (
    ("rows", "Rows", "How many there are"),
    ("splits", "Fall into", "Rows for training, for validation and for test"),
    ("size", "Columns", "Values of each row"),
    ("values", "Values", "Their kind, and the smallest and the largest of all"),
    ("missing", "Missing", "Cells that are empty or not a number; a table with such cells cannot be used"),
    ("sizes", "In the files", "Width and height of the first images, before they are resized"),
    ("unreadable", "Unreadable", "Of the first images; those that cannot be read are left out"),
    ("classes", "Classes", "The labels, and how many rows each has"),
    ("memory", "In memory", "Bytes of all rows, 4 a value"),
)


class DataPreview(QDialog):
    """A look at the file or folder in a line of text. ``used`` carries the data that were accepted, all read;
    ``failed`` a failure where there was nothing to see. It appears when there is something."""

    used = Signal(object)  # DataSet
    failed = Signal(object)  # Failure

    def __init__(self, exploration: Exploration, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        path, self._choices = parse(text)
        self._path, self._exploration = Path(path), exploration
        self._look: Look | None = None
        self._reading = False
        self.setWindowTitle(f"Data: {self._path.name}")
        self.pictures = Pictures("First images", self, smallest=FIRST_SMALLEST, largest=FIRST_LARGEST)
        self.table = _table(self)
        self._views = QStackedWidget(self)
        for view in (QWidget(self), self.pictures, self.table):
            self._views.addWidget(view)
        self.label, self.size_, self.colour = Choice(self), Choice(self), Choice(self)
        self.size_.addItems([f"{size} × {size}" for size in SIZES])
        self.colour.addItems([COLOUR_NAMES[name] for name in COLOURS])
        self.facts = ValueRows(FACTS, self)
        self.classes = QLabel(self)
        self.classes.setProperty("role", "muted")
        self.classes.setWordWrap(True)
        self.classes.setTextFormat(Qt.TextFormat.PlainText)
        self.note = QLabel(self)
        self.note.setWordWrap(True)
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setMinimumHeight(2 * self.fontMetrics().lineSpacing())
        self.progress = ProgressBar("reading", self)
        keep_room(self.progress)
        self.doing = LiveLabel(self)
        kinds = QDialogButtonBox.StandardButton
        box = QDialogButtonBox(kinds.Ok | kinds.Cancel, self)
        self.ok, self.cancel = box.button(kinds.Ok), box.button(kinds.Cancel)
        self.ok.setText("Use these data")
        self.ok.setToolTip("Train the next run on them; the open run stays as it is")
        self.cancel.setToolTip("Leave everything as it was (Esc)")
        restyle(self.ok, "primary")
        self.ok.setDefault(True)
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        self._lay_out(box)
        self.resize(880, 560)
        for choice in (self.label, self.size_, self.colour):
            choice.activated.connect(self._chosen)
        theme().changed.connect(self._show)
        self._request()
        self.doing.setText(f"Looking at {self._path.name}…")
        self._show()
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.timeout.connect(self._appear)
        self._late.start(APPEAR_MS)

    def _lay_out(self, box: QDialogButtonBox) -> None:
        form = QGridLayout()
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(8)
        form.setColumnStretch(1, 1)
        self._rows: dict[str, tuple[QLabel, Choice]] = {}
        for row, (key, text, field, tip) in enumerate(
            (
                ("label", "Labels", self.label, "The column or array that says the class of each row"),
                ("size", "Size", self.size_, "The middle square of each image is made this size"),
                ("colour", "Colour", self.colour, "Three values a pixel, or one"),
            )
        ):
            label = QLabel(text, self)
            label.setProperty("role", "muted")
            label.setBuddy(field)
            label.setToolTip(tip)
            field.setAccessibleName(text)
            field.setToolTip(tip)
            form.addWidget(label, row, 0)
            form.addWidget(field, row, 1)
            self._rows[key] = label, field
        side = QWidget(self)
        side.setFixedWidth(280)
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        column.addLayout(form)
        column.addWidget(self.facts)
        column.addWidget(self.classes)
        column.addStretch(1)
        both = QHBoxLayout()
        both.setSpacing(16)
        both.addWidget(self._views, 1)
        both.addWidget(side)
        buttons = QHBoxLayout()
        buttons.setSpacing(12)
        buttons.addWidget(self.doing, 1)
        buttons.addWidget(box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        layout.addLayout(both, 1)
        layout.addWidget(self.note)
        layout.addWidget(self.progress)
        layout.addLayout(buttons)

    # -- looking and reading -------------------------------------------------------------------

    def _request(self) -> None:
        path, choices, before = self._path, self._choices, self._look
        self._exploration.request(
            SLOT, Priority.FILE, lambda: look(path, choices, before), self._seen, doing=f"look at {path}",
            progress=self._tell, failed=self._not_seen, ended=self._ended,
        )  # fmt: skip

    def _seen(self, seen: Look) -> None:
        self._look, self._choices = seen, seen.choices
        self._appear()
        self._show()

    def _not_seen(self, failure: Failure) -> None:
        if self._look is None and not self.isVisible():
            self._late.stop()
            self.failed.emit(failure)
            self.deleteLater()
            return
        self._look = replace(self._look or Look(self._choices), problem=failure.sentence, data=None)
        self._show()

    def _ended(self) -> None:
        self._reading = False
        self._show()

    def _tell(self, progress: Progress) -> None:
        self.progress.show_progress(progress)
        of = f" {format_number(progress.done)} of {format_number(progress.total)}" if self._reading else ""
        self.doing.setText(f"{progress.what}{of}")

    def _chosen(self, _: object) -> None:
        if self._folder:
            size, colour = SIZES[self.size_.currentIndex()], COLOURS[self.colour.currentIndex()]
            self._choices = Choices(size=size, colour=colour)
        else:
            self._choices = Choices(label=self.label.currentData())
        self._request()
        self._show()

    @property
    def _folder(self) -> bool:
        """Is it a folder of images, as far as is seen?"""
        return self._look is not None and self._look.folder is not None

    def accept(self) -> None:
        """Hand the data over; what has been only looked at is read first."""
        seen = self._look
        if seen is None or seen.problem or self._exploration.busy(SLOT):
            return
        if seen.data is not None:
            self._hand_over(seen.data)
            return
        self._reading, text = True, f"{self._path}:{seen.choices.text()}"
        self._exploration.request(
            SLOT, Priority.FILE, lambda: read_data(text), self._hand_over, doing=f"read {self._path}",
            progress=self._tell, failed=self._not_seen, ended=self._ended,
        )  # fmt: skip
        self._show()

    def _hand_over(self, data: DataSet) -> None:
        self.used.emit(data)
        super().accept()

    def done(self, result: int) -> None:
        self._late.stop()
        self._exploration.cancel(SLOT)
        super().done(result)

    # -- what is shown -------------------------------------------------------------------------

    def _appear(self) -> None:
        if not self.isVisible():
            self._late.stop()
            self.open()

    def _show(self, *_: object) -> None:
        seen, busy = self._look or Look(self._choices), self._exploration.busy(SLOT)
        self.ok.setEnabled(not busy and not seen.problem and seen.info is not None)
        if self.ok.isEnabled() and self.focusWidget() is self.cancel:  # which had it while there was nothing
            self.ok.setFocus()
        self.progress.setVisible(busy)
        if not busy:
            self.doing.setText("")
        self.note.setText(seen.problem)
        restyle(self.note, "error")
        self._show_choices(seen)
        self._show_rows(seen)
        self._show_facts(seen)

    def _show_choices(self, seen: Look) -> None:
        there = {"label": bool(seen.labels), "size": self._folder, "colour": self._folder}
        for key, (label, field) in self._rows.items():
            label.setVisible(there[key])
            field.setVisible(there[key])
            field.setEnabled(not self._reading)
        offered = ["", *seen.labels] if seen.labels else []
        if [self.label.itemData(i) for i in range(self.label.count())] != offered:
            self.label.clear()
            for name in offered:
                self.label.addItem(name or NO_LABELS, name)
        self.label.setCurrentIndex(max(self.label.findData(self._choices.label or ""), 0))
        if self._folder:
            size, colour = self._choices.size or SIZES[0], self._choices.colour or COLOURS[0]
            nearest = min(range(len(SIZES)), key=lambda i: abs(SIZES[i] - size))
            self.size_.setCurrentIndex(nearest)
            self.colour.setCurrentIndex(COLOURS.index(colour))

    def _show_rows(self, seen: Look) -> None:
        if seen.picture is not None:
            self.pictures.set_cells(FIRST_SMALLEST, PICTURE_LARGEST)
            self.pictures.set_items([Item(seen.picture, caption=("A density, from which rows are drawn",))])
            self._views.setCurrentWidget(self.pictures)
        elif seen.info is not None and seen.first is not None and seen.info.image_shape is not None:
            names, labels = seen.info.label_names, seen.first_labels
            pictures = normalise(seen.first, seen.info)
            self.pictures.set_items(
                [
                    Item(picture, caption=() if labels is None else (names[labels[i]],))
                    for i, picture in enumerate(pictures)
                ]
            )
            self._views.setCurrentWidget(self.pictures)
        elif seen.glance is not None:
            self._fill(seen.glance.columns, seen.glance.rows)
        elif seen.info is not None and seen.first is not None:
            columns = seen.info.columns or tuple(str(i + 1) for i in range(seen.info.dim))
            shown = seen.first[:, :MOST_COLUMNS]
            minus = "\N{MINUS SIGN}"
            self._fill(columns, [[f"{value:.6g}".replace("-", minus) for value in row] for row in shown])

    def _fill(self, columns: Any, rows: Any) -> None:
        self._views.setCurrentWidget(self.table)
        shown = list(columns[:MOST_COLUMNS])
        self.table.setColumnCount(len(shown))
        self.table.setRowCount(len(rows))
        self.table.setHorizontalHeaderLabels(shown)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for i, row in enumerate(rows):
            for j, cell in enumerate(row[: len(shown)]):
                item = QTableWidgetItem(cell)
                item.setTextAlignment(right)
                self.table.setItem(i, j, item)

    def _show_facts(self, seen: Look) -> None:
        texts = facts(seen)
        for key, *_ in FACTS:
            self.facts.set(key, texts.get(key))
            self.facts.set_row_visible(key, key in texts)
        self.facts.set_label("size", "Images" if seen.info and seen.info.image_shape else "Columns")
        names = seen.info.label_names if seen.info is not None else ()
        counted = [
            f"{n}:\N{NO-BREAK SPACE}{format_number(c)}" for n, c in zip(names, seen.counts, strict=False)
        ]
        more = f" · and {len(counted) - MOST_CLASSES} more" if len(counted) > MOST_CLASSES else ""
        self.classes.setText(" · ".join(counted[:MOST_CLASSES]) + more)


def facts(seen: Look) -> dict[str, str]:
    """What can be said of the data, by the keys of FACTS."""
    info, out = seen.info, {}
    if info is not None:
        data, shape = seen.data, info.image_shape
        out["rows"] = format_number(seen.rows)
        if data is not None:
            parts = (len(data.train), len(data.validation), len(data.test))
            out["splits"] = " + ".join(format_number(n) for n in parts)
        out["size"] = format_number(info.dim)
        if shape is not None:
            out["size"] = f"{shape[1]} × {shape[0]}{', RGB' if shape[2:] == (3,) else ''}"
        kind = {"binary": "0 and 1", "integer": "whole", "real": "real"}[info.values]
        low, high = seen.range or info.display
        between = "" if info.values == "binary" else f", {_short(low)} to {_short(high)}"
        out["values"] = f"{kind}{between}"
        out["memory"] = _bytes(seen.memory)
        out["classes"] = format_number(len(info.label_names)) if info.label_names else "no labels"
    if seen.missing is not None:
        m = seen.missing
        out["missing"] = f"{format_number(m.cells)}, in {m.rows} of {m.of} rows" if m.cells else "none"
    if seen.sizes:
        low_size, high_size = min(seen.sizes, key=np.prod), max(seen.sizes, key=np.prod)
        several = "" if low_size == high_size else f" to {high_size[0]} × {high_size[1]}"
        out["sizes"] = f"{low_size[0]} × {low_size[1]}{several}"
    if seen.unreadable:
        read = 0 if seen.first is None else len(seen.first)
        out["unreadable"] = f"{seen.unreadable} of the first {seen.unreadable + read}"
    return out


def _short(x: float) -> str:
    return format_number(int(x) if float(x).is_integer() and abs(x) < 1e7 else float(x))


def _bytes(n: int) -> str:
    unit, name = next(
        (u, s) for u, s in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes")) if n >= u or u == 1
    )
    return f"{n / unit:.3g} {name}"


def _table(parent: QWidget) -> QTableWidget:
    table = QTableWidget(parent)
    table.setAccessibleName("First rows")
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setTabKeyNavigation(False)
    table.setShowGrid(False)
    table.verticalHeader().hide()
    table.horizontalHeader().setHighlightSections(False)
    table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return table

"""Pins: the named latents as a list, and a line for arithmetic on them."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QItemSelectionModel, QModelIndex, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from backends.base import InputError
from backends.capabilities import Decodes
from explorer.actions import Actions
from explorer.compute import Exploration
from explorer.paths import pins
from explorer.session import Session
from explorer.state import Pin, State
from explorer.studies.flow import has_latent_map
from explorer.style.stylesheet import restyle
from explorer.widgets.button import PassingButton
from explorer.widgets.card import empty_state
from explorer.widgets.values import format_number, format_point

WHOLE_ROW = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
SHOWN = 6  # coordinates in a row
EMPTY = "No pins yet. Move over the latent map and press N, or right-click there."
SUM_TIP = (
    "A sum of pins, such as A − B + C, or 0.5*A + 0.5*B; the result is a pin. With “D =” before it, it is "
    "the pin D."
)


class PinsPanel(QWidget):
    """The pins of the open model's latent space. A row that is chosen moves the point there."""

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session = session
        self.list = QTreeWidget(self)
        self.list.setHeaderLabels(["Pin", "z", "‖z‖"])
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        self.list.headerItem().setTextAlignment(2, right)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setAllColumnsShowFocus(True)
        self.list.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.list.setAccessibleName("Pins")
        self.list.setToolTip("Choose a pin to go there; F2 renames it, Del deletes it, Shift+N moves it")
        self.list.header().setStretchLastSection(False)
        self.list.header().setSectionResizeMode(1, self.list.header().ResizeMode.Stretch)
        self.list.setColumnWidth(0, 96)
        self.list.setColumnWidth(2, 72)
        self.empty = empty_state(EMPTY, self)
        self.sum = QLineEdit(self)
        self.sum.setPlaceholderText("Arithmetic: A − B + C")
        self.sum.setAccessibleName("Arithmetic on pins")
        self.sum.setToolTip(SUM_TIP)
        self.add = PassingButton("Pin the result", self)
        self.add.setToolTip("Set a pin where the expression leads (Enter)")
        self.delete = PassingButton("Delete", self)
        self.delete.setToolTip("Delete the chosen pin (Del)")
        self.error = QLabel(self)
        self.error.setProperty("role", "error")
        self.error.setWordWrap(True)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.sum, 1)
        row.addWidget(self.add)
        row.addWidget(self.delete)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.empty, 1)
        layout.addLayout(row)
        layout.addWidget(self.error)
        self.error.hide()

        delete = QShortcut(QKeySequence("Del"), self.list, context=Qt.ShortcutContext.WidgetShortcut)
        delete.activated.connect(self._delete)
        self.delete.clicked.connect(self._delete)
        self.add.clicked.connect(self._compute)
        self.sum.returnPressed.connect(self._compute)
        self.sum.textEdited.connect(self._clear_error)
        self.list.itemChanged.connect(self._renamed)
        self.list.currentItemChanged.connect(self._chosen)
        session.changed.connect(self._state_changed)
        session.run_changed.connect(self._draw)
        session.pin_changed.connect(self._mark)
        self._draw()

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """A latent space that can be looked at."""
        return isinstance(model, Decodes) and has_latent_map(model)

    # -- the list ------------------------------------------------------------------------------

    @property
    def _dim(self) -> int:
        return self._session.model.latent_dim if self._session.model is not None else 0

    @property
    def current(self) -> str:
        """The name of the chosen pin; "" for none."""
        item = self.list.currentItem()
        return "" if item is None else str(item.data(0, Qt.ItemDataRole.UserRole))

    def _state_changed(self, old: State, new: State) -> None:
        if old.pins != new.pins:
            self._draw()

    def _draw(self, *_: Any) -> None:
        shown = pins.shown(self._session.state, self._dim)
        with QSignalBlocker(self.list):
            while self.list.topLevelItemCount() > len(shown):
                self.list.takeTopLevelItem(self.list.topLevelItemCount() - 1)
            while self.list.topLevelItemCount() < len(shown):
                item = QTreeWidgetItem()
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
                item.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.list.addTopLevelItem(item)
            for i, pin in enumerate(shown):
                item = self._row(i)
                item.setData(0, Qt.ItemDataRole.UserRole, pin.name)
                for column, text in enumerate(
                    (pin.name, place(pin), format_number(float(np.linalg.norm(pin.z))))
                ):
                    item.setText(column, text)
                item.setToolTip(1, ", ".join(repr(z) for z in pin.z[:64]))
                if pin.name == self._session.pin:
                    self.list.setCurrentItem(item, 0, WHOLE_ROW)
        self.list.setVisible(bool(shown))
        self.empty.setVisible(not shown)
        self.delete.setEnabled(bool(self.current))
        self.sum.setEnabled(bool(shown))
        self.add.setEnabled(bool(shown))
        self.status.emit(f"{len(shown)} of this latent space" if shown else "")

    def _row(self, i: int) -> QTreeWidgetItem:
        item = self.list.topLevelItem(i)
        assert item is not None
        return item

    def _chosen(self, *_: Any) -> None:
        self.delete.setEnabled(bool(self.current))
        z = pins.at(self._session.state, self.current, self._dim)
        if z is not None:
            self._session.choose_pin(self.current)
            self._session.set_point(z.astype(np.float32))

    def _mark(self, name: str) -> None:
        """What is chosen on the map is chosen here."""
        rows = self.list.findItems(name, Qt.MatchFlag.MatchExactly)
        with QSignalBlocker(self.list):
            self.list.setCurrentIndex(self.list.indexFromItem(rows[0]) if rows else QModelIndex())
        self.delete.setEnabled(bool(self.current))

    def _renamed(self, item: QTreeWidgetItem, column: int) -> None:
        old, new = str(item.data(0, Qt.ItemDataRole.UserRole)), item.text(0)
        try:
            state = pins.renamed(self._session.state, old, new)
        except InputError as error:
            self._complain(str(error))
            self._draw()
            return
        self._clear_error()
        self._session.apply(state, f"rename the pin {old}")
        self._draw()  # what is shown of the other columns cannot be edited

    def _delete(self) -> None:
        if name := self.current:
            self._session.apply(pins.without(self._session.state, name), f"delete the pin {name}")

    # -- arithmetic ----------------------------------------------------------------------------

    def _compute(self) -> None:
        try:
            state, name = pins.computed(self._session.state, self.sum.text(), self._dim)
        except InputError as error:
            self._complain(str(error))
            restyle(self.sum, "error")
            return
        self._clear_error()
        self.sum.clear()
        self._session.apply(state, f"compute the pin {name}")
        self._session.choose_pin(name)
        z = pins.at(state, name, self._dim)
        assert z is not None
        self._session.set_point(z.astype(np.float32))

    def _complain(self, sentence: str) -> None:
        self.error.setText(f"{sentence[:1].upper()}{sentence[1:]}.")
        self.error.show()

    def _clear_error(self, *_: Any) -> None:
        self.error.hide()
        restyle(self.sum, "")


def place(pin: Pin) -> str:
    """Its coordinates, the first of many."""
    numbers = format_point(pin.z[:SHOWN])
    return f"({numbers}{', …' if len(pin.z) > SHOWN else ''})"

"""Choosing a plane of a latent space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QHBoxLayout, QWidget

from explorer.plane import subscript
from explorer.state import PlaneSpec, apart
from explorer.widgets.button import PassingButton
from explorer.widgets.form import Choice

KINDS = (
    (
        "principal",
        "principal directions",
        "Through the mean of the encodings, along their widest directions.",
    ),
    ("coordinates", "two coordinates", "Two coordinates of z, all others left out."),
    (
        "labels",
        "two labels",
        "From the mean of one label's encodings to another's, and at right angles to it the direction along "
        "which the encodings are widest.",
    ),
    ("pins", "three pins", "Through three pins: the first is the origin, the second lies on the first axis."),
)
MISSING = {"labels": "The data have no labels.", "pins": "Set three pins on the map first: press N there."}


class PlaneBar(QWidget):
    """``chosen`` carries the PlaneSpec that the user asks for, ``opened`` whether there are to be sliders.
    Hidden where there is nothing to choose."""

    chosen = Signal(object)
    opened = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._spec = PlaneSpec()
        self._names: dict[str, tuple[str, ...]] = {"coordinates": (), "labels": (), "pins": ()}
        self.kind = Choice(self)
        for kind, text, tip in KINDS:
            self.kind.addItem(text, kind)
            self.kind.setItemData(self.kind.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.first, self.second, self.third = Choice(self), Choice(self), Choice(self)
        self._boxes = self.first, self.second, self.third
        self.sliders = PassingButton("Left out", self)
        self.sliders.setCheckable(True)
        self.sliders.setToolTip("Sliders for what the plane leaves out")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for box, name, narrowest, widest in (
            (self.kind, "Plane", 72, 176),
            (self.first, "Horizontal coordinate", 44, 92),
            (self.second, "Vertical coordinate", 44, 92),
            (self.third, "Third pin", 44, 92),
        ):
            box.setAccessibleName(name)
            box.setToolTip(name)
            box.hug(widest)
            box.setMinimumWidth(narrowest)
            box.activated.connect(self._changed)
            row.addWidget(box)
        row.addWidget(self.sliders)
        self.sliders.clicked.connect(self._open)
        self.hide()

    def set_space(self, dim: int, labels: Sequence[str], pins: Sequence[str]) -> None:
        """Offer what there is in a latent space: coordinates, labels and pins, by name."""
        self.setVisible(dim > 2)
        self._names = {
            "coordinates": tuple(f"z{subscript(i + 1)}" for i in range(dim)),
            "labels": tuple(labels),
            "pins": tuple(pins),
        }
        model = self.kind.model()
        assert isinstance(model, QStandardItemModel)
        for row, (kind, _, tip) in enumerate(KINDS):
            there = kind not in MISSING or len(self._names[kind]) > (kind == "pins") + 1
            model.item(row).setEnabled(there)
            model.item(row).setToolTip(tip if there else MISSING[kind])
        self.show_spec(self._spec, self.sliders.isChecked())

    def show_spec(self, spec: PlaneSpec, sliders: bool = False) -> None:
        """Show what is chosen."""
        self._spec = spec
        self.kind.setCurrentIndex(max(self.kind.findData(spec.kind), 0))
        self.sliders.setChecked(sliders)
        names = self._names.get(spec.kind, ())
        at = (
            [names.index(p) if p in names else -1 for p in spec.pins]
            if spec.kind == "pins"
            else [spec.i, spec.j]
        )
        tips = {
            "labels": ("From the mean of this label", "To the mean of this label", ""),
            "pins": ("The origin", "On the first axis", "Towards the second axis"),
        }.get(spec.kind, ("Horizontal coordinate", "Vertical coordinate", ""))
        for number, (box, tip) in enumerate(zip(self._boxes, tips, strict=True)):
            if [box.itemText(i) for i in range(box.count())] != list(names):
                box.clear()
                box.addItems(names)
            box.setCurrentIndex(min(at[number], box.count() - 1) if number < len(at) else -1)
            box.setVisible(bool(names) and bool(tip))
            if tip:
                box.setAccessibleName(tip)
                box.setToolTip(tip)

    def _open(self, shown: bool) -> None:
        self.opened.emit(shown)

    def _changed(self, _: object) -> None:
        kind = str(self.kind.currentData())
        i, j, pins = self._spec.i, self._spec.j, self._spec.pins
        if self.sender() is self.kind:
            if kind == self._spec.kind:
                return
            most = len(self._names.get(kind, ()))
            if kind == "pins":
                kept = pins if len(pins) == 3 and set(pins) <= set(self._names["pins"]) else ()
                pins = kept or self._names["pins"][:3]
            elif max(i, j) >= most:
                i, j = 0, 1
        elif kind == "pins":
            pins = self._distinct_pins()
        else:
            i, j = apart(self.first.currentIndex(), self.second.currentIndex(), self._spec)
        self.chosen.emit(replace(self._spec, kind=kind, i=i, j=j, pins=pins, offsets=()))

    def _distinct_pins(self) -> tuple[str, ...]:
        """The three that are chosen; where one was chosen that another was, that one takes its place."""
        now, before = [box.currentText() for box in self._boxes], list(self._spec.pins)
        changed = next((n for n, box in enumerate(self._boxes) if box is self.sender()), 0)
        for other in range(3):
            if other != changed and now[other] == now[changed]:
                now[other] = before[changed]
        return tuple(now)

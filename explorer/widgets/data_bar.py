"""Above the data plane: which plane through the data is shown, and what the points' colours mean."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from explorer.state import DataSpec, apart
from explorer.widgets.form import Choice

PLANES = (
    ("principal", "principal directions", "Through the mean of the data, along their widest directions."),
    (
        "lda",
        "discriminants of the labels",
        "The plane that shows the labels best apart: Fisher's linear discriminants (LDA).",
    ),
    ("coordinates", "two columns", "Two columns of the data, all others left out."),
)
COLOURS = (
    (
        "responsibility",
        "responsibilities",
        "Each point in a mixture of its components' colours, in the shares q(k|x).",
    ),
    ("label", "labels", "Each point in the colour of the label that comes with the data."),
    ("plain", "nothing", "All points alike."),
)


class DataBar(QWidget):
    """``chosen`` carries the DataSpec that the user asks for."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._spec = DataSpec()
        self.plane, self.colour = Choice(self), Choice(self)
        self.first, self.second = Choice(self), Choice(self)
        self._plane_label, colour_label = QLabel("Plane", self), QLabel("Colour by", self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for label, boxes in (
            (self._plane_label, ((self.plane, "Plane", 176), (self.first, "Horizontal column", 84),
                                 (self.second, "Vertical column", 84))),
            (colour_label, ((self.colour, "Colour of the points", 156),)),
        ):  # fmt: skip
            label.setProperty("role", "muted")
            row.addWidget(label)
            for box, name, width in boxes:
                box.setAccessibleName(name)
                box.setToolTip(name)
                box.setFixedWidth(width)
                box.activated.connect(self._changed)
                row.addWidget(box)
        row.addStretch(1)
        self.offer((), False, False)

    def offer(self, columns: tuple[str, ...], labels: bool, responsibilities: bool) -> None:
        """Offer what there is to choose for data of these columns, with labels or without, and a model with
        components or without."""
        for box, entries, missing in (
            (self.plane, PLANES, set() if labels else {"lda"}),
            (
                self.colour,
                COLOURS,
                {n for n, there in (("label", labels), ("responsibility", responsibilities)) if not there},
            ),
        ):
            offered = [entry for entry in entries if entry[0] not in missing]
            if [box.itemData(i) for i in range(box.count())] != [name for name, *_ in offered]:
                box.clear()
                for name, text, tip in offered:
                    box.addItem(text, name)
                    box.setItemData(box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        for box in (self.first, self.second):
            if [box.itemText(i) for i in range(box.count())] != list(columns):
                box.clear()
                box.addItems(columns)
        self._plane_label.setVisible(len(columns) > 2)
        self.plane.setVisible(len(columns) > 2)
        self.show_spec(self._spec)

    def show_spec(self, spec: DataSpec) -> None:
        """Show what is chosen; what is not offered shows as what takes its place."""
        self._spec = spec
        for box, name in ((self.plane, spec.plane.kind), (self.colour, self.colour_shown)):
            box.setCurrentIndex(max(box.findData(name), 0))
        by_hand = self.plane.currentData() == "coordinates" and not self.plane.isHidden()
        for box, index in ((self.first, spec.plane.i), (self.second, spec.plane.j)):
            box.setVisible(by_hand)
            box.setCurrentIndex(index if index < box.count() else box.count() - 1)

    @property
    def colour_shown(self) -> str:
        """What the points are coloured by: as chosen, or what takes its place where that is not offered."""
        offered = [self.colour.itemData(i) for i in range(self.colour.count())]
        return next(name for name in (self._spec.colour, "label", "plain") if name in offered)

    def _changed(self, _: object) -> None:
        plane, sender = self._spec.plane, self.sender()
        if sender in (self.first, self.second):
            i, j = apart(self.first.currentIndex(), self.second.currentIndex(), plane)
            plane = replace(plane, i=i, j=j)
        elif sender is self.plane:
            plane = replace(plane, kind=self.plane.currentData())
        colour = self.colour.currentData() if sender is self.colour else self._spec.colour
        self.chosen.emit(replace(self._spec, plane=plane, colour=colour))

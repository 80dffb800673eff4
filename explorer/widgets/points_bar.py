"""Above the latent map, for data with known factors: what the points are coloured by, and what that means."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from backends.base import DataInfo
from explorer.planes.shading import Scale
from explorer.state import MapSpec
from explorer.style.theme import theme
from explorer.widgets.colour_bar import ColourBar
from explorer.widgets.form import Choice

BY_LABEL, PLAIN = "Labels", "All alike"


class PointsBar(QWidget):
    """``chosen`` carries the MapSpec that the user asks for. Hidden where there is nothing to choose."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._spec = MapSpec()
        self.colour, self.bar = Choice(self), ColourBar(self)
        self.colour.hug(144)
        self.colour.setAccessibleName("Colour of the points")
        self.colour.setToolTip(
            "What the points are coloured by: their labels, or one of the factors that the data were made "
            "from. Along a latent coordinate that has found a factor its colour changes, and along no other."
        )
        label = QLabel("Points by", self)
        label.setProperty("role", "muted")
        label.setBuddy(self.colour)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(label)
        row.addWidget(self.colour)
        row.addWidget(self.bar)
        self.colour.activated.connect(self._choose)
        self.hide()

    def offer(self, info: DataInfo | None) -> None:
        """Offer the factors of these data."""
        self.colour.clear()
        names = () if info is None else info.factor_names
        entries = [("label", BY_LABEL)] * bool(info is not None and info.label_names)
        entries += [(name, name.capitalize()) for name in names] + [("plain", PLAIN)]
        for name, text in entries:
            self.colour.addItem(text, name)
        self.setVisible(bool(names))
        self.show_spec(self._spec)

    def show_spec(self, spec: MapSpec) -> None:
        """Show what is chosen; what these data have not is their labels."""
        self._spec = spec
        self.colour.setCurrentIndex(max(self.colour.findData(spec.colour), 0))

    def show_scale(self, scale: Scale | None) -> None:
        """Say what the colours mean; None where they are those of labels."""
        self.bar.setVisible(scale is not None)
        self.bar.set_scale(scale, theme().table_of_points)
        name = self.colour.currentText()
        self.bar.setAccessibleName(name)
        self.bar.setToolTip(f"{name}, as the data were made with it")

    def _choose(self, _: int) -> None:
        self.chosen.emit(replace(self._spec, colour=self.colour.currentData()))

"""Choosing a plane: two coordinates, or the principal directions of the encodings."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QWidget

from explorer.plane import subscript
from explorer.state import PlaneSpec, apart
from explorer.widgets.form import Choice


class PlaneBar(QWidget):
    """``chosen`` carries the PlaneSpec that the user asks for. Hidden where there is nothing to choose."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._spec = PlaneSpec()
        self.first, self.second = Choice(self), Choice(self)
        self.principal = QCheckBox("principal directions", self)
        self.principal.setToolTip(
            "The plane through the mean of the encodings along their widest directions."
        )
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        label = QLabel("Plane", self)
        label.setProperty("role", "muted")
        row.addWidget(label)
        for box, name in ((self.first, "Horizontal coordinate"), (self.second, "Vertical coordinate")):
            box.setAccessibleName(name)
            box.setToolTip(name)
            box.setFixedWidth(84)
            box.activated.connect(self._changed)
            row.addWidget(box)
        row.addWidget(self.principal)
        row.addStretch(1)
        self.principal.toggled.connect(self._changed)
        self.hide()

    def set_dim(self, dim: int) -> None:
        """Offer the coordinates of a latent space of so many dimensions."""
        self.setVisible(dim > 2)
        for box in (self.first, self.second):
            if box.count() != dim:
                box.clear()
                box.addItems([f"z{subscript(i + 1)}" for i in range(dim)])
        self.show_spec(self._spec)

    def show_spec(self, spec: PlaneSpec) -> None:
        """Show what is chosen."""
        self._spec = spec
        with QSignalBlocker(self.principal):
            self.principal.setChecked(spec.kind == "principal")
        for box, index in ((self.first, spec.i), (self.second, spec.j)):
            box.setCurrentIndex(index if index < box.count() else box.count() - 1)
            box.setEnabled(spec.kind == "coordinates")

    def _changed(self, _: object) -> None:
        i, j = apart(self.first.currentIndex(), self.second.currentIndex(), self._spec)
        kind = "principal" if self.principal.isChecked() else "coordinates"
        self.chosen.emit(replace(self._spec, kind=kind, i=i, j=j))

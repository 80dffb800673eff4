"""Above the latent map: what lies behind it, in which colours, how strongly, and its value at the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from explorer.colourmaps import MAPS
from explorer.fields import CHOICES, KINDS, Shaded
from explorer.state import MapSpec
from explorer.widgets.colour_bar import ColourBar, number
from explorer.widgets.form import Choice
from explorer.widgets.slider import Slider
from explorer.widgets.values import LiveLabel

PERCENT = 100  # positions of the slider
NARROW, NARROWEST = 600, 304  # logical pixels: below the first only what is chosen, its scale and its value


class FieldBar(QWidget):
    """``chosen`` carries the MapSpec that the user asks for, ``faded`` one with another opacity, and
    ``coloured`` the name of a colour map."""

    chosen = Signal(object)
    faded = Signal(object)
    coloured = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._spec = MapSpec()
        self.field, self.colours = Choice(self), Choice(self)
        self.bar, self.value, self.opacity = ColourBar(self), LiveLabel(self), Slider(self)
        self._faintness = QLabel("Opacity", self)
        self.field.setAccessibleName("Field behind the map")
        self.field.setMinimumContentsLength(20)
        self.field.setMinimumWidth(96)
        self.field.setMaximumWidth(176)
        self.value.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self.value.setFixedWidth(84)
        self.value.setAccessibleName("Value of the field under the cursor")
        self.value.setToolTip("The field's value at the point under the cursor.")
        self.opacity.setRange(0, PERCENT)
        self.opacity.setPageStep(PERCENT // 10)
        self.opacity.setFixedWidth(64)
        self.opacity.setAccessibleName("Opacity of the field")
        self.opacity.setToolTip("How strongly the field is drawn.")
        self.colours.addItems(MAPS)
        self.colours.setFixedWidth(88)
        self.colours.setAccessibleName("Colours of fields")
        self.colours.setToolTip("The colours of all fields; each of these can be read by the colour-blind.")
        row = QHBoxLayout(self)
        row.setSizeConstraint(QHBoxLayout.SizeConstraint.SetNoConstraint)  # see resizeEvent
        row.setContentsMargins(0, 0, 0, 4)
        row.setSpacing(8)
        self._faintness.setProperty("role", "muted")
        parts = self.field, self.bar, self.value, self.colours, self._faintness, self.opacity
        for part in parts:
            row.addWidget(part, part.maximumWidth() if part is self.field else 0)
        row.insertStretch(3, 0)
        self.field.activated.connect(self._choose)
        self.colours.activated.connect(self._colour)
        self.opacity.valueChanged.connect(self._fade)
        self.offer(tuple(CHOICES))
        self.show_field(None)

    def offer(self, names: Sequence[str]) -> None:
        """Offer what this model has to lie behind the map."""
        self.field.clear()
        for name in names:
            title, tip = CHOICES[name]
            self.field.addItem(title, name)
            self.field.setItemData(self.field.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.show_spec(self._spec, self.colours.currentText())

    def show_spec(self, spec: MapSpec, colours: str) -> None:
        """Show what is chosen; what this model has not is nothing."""
        self._spec = spec
        at = self.field.findData(spec.field)
        self.field.setCurrentIndex(at if at >= 0 else self.field.count() - 1)
        self.field.setToolTip(CHOICES[self.shown][1])
        self.colours.setCurrentText(colours)
        self.opacity.blockSignals(True)
        self.opacity.setValue(round(PERCENT * spec.opacity))
        self.opacity.blockSignals(False)
        self.bar.set_opacity(spec.opacity)
        self._show_parts()

    def minimumSizeHint(self) -> QSize:
        return QSize(NARROWEST, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Above a narrow map only what it says remains, and not what is rarely set."""
        super().resizeEvent(event)
        self._show_parts()

    def _show_parts(self) -> None:
        scalar, wide = self.shown in KINDS, self.width() >= NARROW
        self.bar.setVisible(scalar)
        self.value.setVisible(scalar)
        self.colours.setVisible(scalar and wide and self.shown != "holes")
        self._faintness.setVisible(wide and self.shown != "nothing")
        self.opacity.setVisible(wide and self.shown != "nothing")

    @property
    def shown(self) -> str:
        """The field that is chosen and that the model has."""
        return str(self.field.currentData())

    def show_field(self, found: Shaded | None) -> None:
        """Say what the colours mean."""
        self.bar.set_scale(None if found is None else found.scale)
        kind = KINDS.get(self.shown)
        if found is not None and kind is not None:
            self.bar.setAccessibleName(f"{kind.label} {kind.unit}".rstrip())
            self.bar.setToolTip(f"{kind.tip}\nHere of {found.note}." if found.note else kind.tip)

    def show_value(self, value: float | None) -> None:
        """Say what is under the cursor."""
        scale, kind = self.bar.scale, KINDS.get(self.shown)
        self.bar.set_value(value)
        if value is None or scale is None or kind is None:
            self.value.setText("–" if kind is not None else "")
        else:
            self.value.setText(f"{number(value, scale)} {kind.unit}".rstrip())

    def _choose(self, _: int) -> None:
        self.chosen.emit(replace(self._spec, field=self.shown))

    def _fade(self, value: int) -> None:
        self.faded.emit(replace(self._spec, opacity=value / PERCENT))

    def _colour(self, _: int) -> None:
        self.coloured.emit(self.colours.currentText())

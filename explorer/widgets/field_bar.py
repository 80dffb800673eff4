"""Above the latent map: what lies behind it, what its colours mean, and its value at the cursor; in a menu
which colours these are, and how strong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QToolButton,
    QWidget,
    QWidgetAction,
)

from explorer.planes.fields import CHOICES, KINDS, Shaded
from explorer.state import MapSpec
from explorer.style.colourmaps import AUTOMATIC, MAPS
from explorer.style.icons import set_icon
from explorer.widgets.colour_bar import ColourBar, number
from explorer.widgets.form import Choice
from explorer.widgets.slider import Slider
from explorer.widgets.values import LiveLabel

PERCENT = 100  # positions of the slider
NARROWEST = 304  # logical pixels
AUTOMATIC_TIP = "Greys under points in colours, so that these are seen, and viridis elsewhere."
MAP_TIP = "The colours of all fields; each of these can be read by the colour-blind."


class FieldBar(QWidget):
    """``chosen`` carries the MapSpec that the user asks for, ``faded`` one with another opacity, and
    ``coloured`` the name of a colour map."""

    chosen = Signal(object)
    faded = Signal(object)
    coloured = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._spec = MapSpec()
        self.field = Choice(self)
        self.bar, self.value = ColourBar(self), LiveLabel(self)
        self.field.setAccessibleName("Field behind the map")
        self.field.hug(192)
        self.field.setMinimumWidth(88)
        self.value.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self.value.setFixedWidth(80)
        self.value.setAccessibleName("Value of the field under the cursor")
        self.value.setToolTip("The field's value at the point under the cursor.")
        self.look = QToolButton(self)
        set_icon(self.look, "tune")
        self.look.setAccessibleName("Look of the field")
        self.look.setToolTip("Colours and opacity of the field")
        self.look.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.look.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.look.setMenu(self._menu())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.field)
        row.addWidget(self.look)
        row.addWidget(self.bar)
        row.addWidget(self.value)
        row.addStretch()  # where there is no colour bar to take the room
        self.field.activated.connect(self._choose)
        self.offer(tuple(CHOICES))
        self.show_field(None)

    def _menu(self) -> QMenu:
        """Which colours, and how strong."""
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self.colours = QActionGroup(self)
        for name in (AUTOMATIC, *MAPS):
            action = self.colours.addAction(menu.addAction(name.capitalize()))
            action.setCheckable(True)
            action.setData(name)
            action.setToolTip(AUTOMATIC_TIP if name == AUTOMATIC else MAP_TIP)
        self.colours.triggered.connect(self._colour)
        menu.addSeparator()
        self.opacity = Slider(menu)
        self.opacity.setRange(0, PERCENT)
        self.opacity.setPageStep(PERCENT // 10)
        self.opacity.setFixedWidth(112)
        self.opacity.setAccessibleName("Opacity of the field")
        self.opacity.setToolTip("How strongly the field is drawn.")
        self.opacity.valueChanged.connect(self._fade)
        strength = QWidget(menu)
        line = QHBoxLayout(strength)
        line.setContentsMargins(10, 4, 10, 4)
        line.setSpacing(8)
        line.addWidget(QLabel("Opacity", strength))
        line.addWidget(self.opacity)
        holder = QWidgetAction(menu)
        holder.setDefaultWidget(strength)
        menu.addAction(holder)
        return menu

    def offer(self, names: Sequence[str]) -> None:
        """Offer what this model has to lie behind the map."""
        self.field.clear()
        for name in names:
            title, tip = CHOICES[name]
            self.field.addItem(title, name)
            self.field.setItemData(self.field.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        chosen = self.colours.checkedAction()
        self.show_spec(self._spec, "" if chosen is None else chosen.data())

    def show_spec(self, spec: MapSpec, colours: str) -> None:
        """Show what is chosen; what this model has not is nothing."""
        self._spec = spec
        at = self.field.findData(spec.field)
        self.field.setCurrentIndex(at if at >= 0 else self.field.count() - 1)
        self.field.setToolTip(CHOICES[self.shown][1])
        scalar = self.shown in KINDS
        for action in self.colours.actions():
            action.setChecked(action.data() == colours)
            action.setEnabled(scalar and self.shown != "holes")  # which has colours of its own
        self.opacity.blockSignals(True)
        self.opacity.setValue(round(PERCENT * spec.opacity))
        self.opacity.blockSignals(False)
        self.bar.set_opacity(spec.opacity)
        self.bar.setVisible(scalar)
        self.value.setVisible(scalar)
        self.look.setEnabled(self.shown != "nothing")

    def minimumSizeHint(self) -> QSize:
        return QSize(min(NARROWEST, self.sizeHint().width()), super().minimumSizeHint().height())

    @property
    def shown(self) -> str:
        """The field that is chosen and that the model has."""
        return str(self.field.currentData())

    def show_field(self, found: Shaded | None) -> None:
        """Say what the colours mean."""
        if found is None:
            self.bar.set_scale(None)
        else:
            self.bar.set_scale(found.scale, found.table)
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

    def _colour(self, action: QAction) -> None:
        self.coloured.emit(action.data())

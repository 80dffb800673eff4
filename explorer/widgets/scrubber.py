"""A slider over the moments of a run."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from explorer.widgets.button import PassingButton
from explorer.widgets.slider import Slider
from explorer.widgets.values import LiveLabel, format_number

_LABEL = 152  # pixels: "step 100 000 of 100 000"
_NARROW_LABEL = 124  # "step 1 000 of 1 000"


class Scrubber(QWidget):
    """Earlier moments from left to right, and at the right end the newest, whichever that is.

    moved carries the index of an earlier moment, or None for the newest.
    """

    moved = Signal(object)

    def __init__(self, unit: str, parent: QWidget | None = None) -> None:
        """unit: what a moment is called ("iteration")."""
        super().__init__(parent)
        self._steps: Sequence[int] = ()
        self._newest = 0
        self.slider = Slider(self)
        self.label = LiveLabel(self)
        self.label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self.label.setFixedWidth(_LABEL)
        self.live = PassingButton("Now", self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.label)
        row.addWidget(self.slider, 1)
        row.addWidget(self.live)
        self.slider.valueChanged.connect(self._moved)
        self.live.clicked.connect(self._go_live)
        self.set_unit(unit)
        self.show_moments((), 0, None)

    def set_narrow(self, narrow: bool) -> None:
        """Leave as much room as can be to the slider."""
        self.label.setFixedWidth(_NARROW_LABEL if narrow else _LABEL)

    def set_unit(self, unit: str) -> None:
        """What a moment is called from now on."""
        self._unit = unit
        self.slider.setAccessibleName(f"{unit.capitalize()} that is shown")
        self.slider.setToolTip(
            f"Look at the model after an earlier {unit}, in all panels. At the right end it is the newest."
        )
        self.live.setToolTip(f"Show the newest {unit} again, and follow training")
        self._tell()

    def show_moments(self, steps: Sequence[int], newest: int, at: int | None) -> None:
        """steps: of the earlier moments, oldest first. newest: that of the newest. at: the index of the one
        on show; None: the newest."""
        self._steps, self._newest = steps, newest
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, len(steps))
            self.slider.setPageStep(max(len(steps) // 10, 1))
            self.slider.setValue(len(steps) if at is None else at)
        self._tell()

    @property
    def at(self) -> int | None:
        """The index of the earlier moment that is chosen; None for the newest."""
        value = self.slider.value()
        return value if value < len(self._steps) else None

    def _tell(self) -> None:
        at, newest = self.at, format_number(self._newest)
        shown = newest if at is None else format_number(self._steps[at])
        self.label.setText(f"{self._unit} {shown} of {newest}")
        self.slider.setEnabled(bool(self._steps))
        self.live.setEnabled(at is not None)

    def _moved(self, _: int) -> None:
        self._tell()
        self.moved.emit(self.at)

    def _go_live(self) -> None:
        self.slider.setValue(len(self._steps))

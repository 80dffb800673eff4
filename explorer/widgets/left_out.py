"""Moving a plane along the directions that it leaves out."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from explorer.plane import LeftOut
from explorer.style.icons import set_icon
from explorer.style.theme import theme
from explorer.widgets.card import section_title
from explorer.widgets.slider import Slider
from explorer.widgets.values import LiveLabel, format_number

NARROWEST, WIDEST, VALUE = 128, 208, 40  # logical pixels: of all of it, and of a number
POSITIONS = 600  # of a slider, over its whole range
RANGE = 3.0  # standard deviations of the encodings, either way


class LeftOutSliders(QWidget):
    """A slider for each direction that a plane leaves out, over the encodings' own spread, with a mark at
    their mean. ``moved`` carries (the offsets that the user asks for, a name that all moves of one drag
    share)."""

    moved = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._left: LeftOut | None = None
        self._offsets: list[float] = []
        self._drags = 0
        self.sliders: list[MarkedSlider] = []
        self._labels: list[QLabel] = []
        self._values: list[LiveLabel] = []
        self.reset = QToolButton(self)
        set_icon(self.reset, "restart")
        self.reset.setAccessibleName("Reset")
        self.reset.setToolTip("Bring the plane back to where it lay")
        self.reset.clicked.connect(self._reset)
        self.setMinimumWidth(NARROWEST)
        self.setMaximumWidth(WIDEST)
        head = QHBoxLayout()
        head.addWidget(section_title("Left out", self))
        head.addStretch(1)
        head.addWidget(self.reset)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnMinimumWidth(2, VALUE)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(head)
        column.addLayout(self._grid)
        column.addStretch(1)
        self.hide()

    def show_plane(self, left: LeftOut | None, offsets: Sequence[float], shown: bool) -> None:
        """Show where a plane lies; hidden where it leaves out nothing, or nobody asked for it."""
        self._left = left
        self.setVisible(shown and left is not None)
        if left is None:
            return
        self._make(len(left.names))
        self._offsets = [*offsets, *([0.0] * len(left.names))][: len(left.names)]
        self.reset.setEnabled(any(self._offsets))
        for n, slider in enumerate(self.sliders):
            what = f"{left.names[n]}: {decimal(left.mean[n] - left.zero[n])} in the mean of the "
            self._labels[n].setText(left.names[n])
            slider.setAccessibleName(f"Left out: {left.names[n]}")
            slider.setToolTip(f"{what}encodings, marked; {RANGE:g} of their standard deviations either way")
            with QSignalBlocker(slider):
                slider.setValue(
                    round(POSITIONS / 2 * (self._offsets[n] - left.mean[n]) / half_range(left, n))
                )
            self._values[n].setText(decimal(self._offsets[n] - left.zero[n]))

    def _make(self, count: int) -> None:
        """Have so many sliders."""
        if count == len(self.sliders):
            return
        for widget in (*self.sliders, *self._labels, *self._values):
            self._grid.removeWidget(widget)
            widget.deleteLater()
        self.sliders = [MarkedSlider(self) for _ in range(count)]
        self._labels, self._values = (
            [QLabel(self) for _ in range(count)],
            [LiveLabel(self, Qt.AlignmentFlag.AlignRight) for _ in range(count)],
        )
        for n in range(count):
            self._labels[n].setProperty("role", "muted")
            self.sliders[n].valueChanged.connect(self._slid)
            self.sliders[n].sliderReleased.connect(self._end)
            for column, part in enumerate((self._labels[n], self.sliders[n], self._values[n])):
                self._grid.addWidget(part, n, column)

    def _end(self) -> None:
        self._drags += 1

    def _slid(self, value: int) -> None:
        if self._left is None:
            return
        n = next(i for i, slider in enumerate(self.sliders) if slider is self.sender())
        self._offsets[n] = float(self._left.mean[n]) + 2 * value / POSITIONS * half_range(self._left, n)
        self.moved.emit((tuple(self._offsets), f"left out {n} {self._drags}"))

    def _reset(self) -> None:
        self._drags += 1
        self.moved.emit(((), f"left out {self._drags}"))


class MarkedSlider(Slider):
    """With a mark in the middle."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(-POSITIONS // 2, POSITIONS // 2)
        self.setPageStep(POSITIONS // 12)
        self.setSingleStep(POSITIONS // 60)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(
            self.width() // 2 - 1, self.height() // 2 - 8, 2, 16, QColor(theme().tokens.border_strong)
        )
        painter.end()
        super().paintEvent(event)


def half_range(left: LeftOut, n: int) -> float:
    """How far a slider goes from the mean either way: as the encodings do, and to the plane's own place."""
    return max(RANGE * float(left.std[n]), abs(float(left.mean[n])), 1e-9)


def decimal(value: float) -> str:
    """With two decimals, however small."""
    return format_number(round(float(value), 2), 2)

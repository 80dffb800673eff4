"""A picture of one of several fits: its density, with the contours of what it is fitted to."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import QPushButton, QStackedWidget, QVBoxLayout, QWidget

from backends.base import Array
from explorer.plots.canvas import ContourItem, FieldItem
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.style.theme import theme
from explorer.widgets.card import empty_state
from explorer.widgets.values import LiveLabel


class FitPlane(QWidget):
    """Where there is no fit, a sentence and a button in its place. wanted: the button was pressed; chosen:
    the picture was clicked; moved: a hand panned or zoomed it."""

    wanted = Signal()
    chosen = Signal()
    moved = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = LiveLabel(self)
        self.canvas = PlaneCanvas(name, self)
        for side in ("left", "bottom"):
            self.canvas.getPlotItem().hideAxis(side)
        self.field, self.contours = FieldItem(), ContourItem()
        self.canvas.addItem(self.field, ignoreBounds=True)
        self.canvas.addItem(self.contours, ignoreBounds=True)
        self.mark = LiveLabel(self.canvas)
        self.sentence = empty_state("", self)
        self.button = QPushButton("Fit the other way", self)
        self.button.setToolTip("Train the same flow by the other divergence, beside the open run")
        empty = QWidget(self)
        column = QVBoxLayout(empty)
        column.setSpacing(8)
        column.addStretch(1)
        column.addWidget(self.sentence)
        column.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        self.pages = QStackedWidget(self)
        self.pages.addWidget(self.canvas)
        self.pages.addWidget(empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.title)
        layout.addWidget(self.pages, 1)
        self.button.clicked.connect(self.wanted)
        self.canvas.clicked.connect(self._clicked)
        self.canvas.box.sigRangeChangedManually.connect(self._moved)
        theme().changed.connect(self._retint)
        self._retint()
        self.show_fit(False)

    @property
    def is_empty(self) -> bool:
        """Is the sentence on show?"""
        return self.pages.currentWidget() is not self.canvas

    def show_fit(self, there: bool) -> None:
        """The picture, or the sentence in its place."""
        self.pages.setCurrentIndex(0 if there else 1)

    def show_corners(self, corners: Array) -> None:
        """Look at the rectangle with these corners (2, 2)."""
        (x0, y0), (x1, y1) = corners
        self.canvas.box.setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0)

    def looks_at(self) -> tuple[Array, float]:
        """The middle of what is in view, (2,), and units of the canvas a device pixel."""
        view = self.canvas.view()
        return np.array([view.x0 + view.x1, view.y0 + view.y1]) / 2, (view.x1 - view.x0) / max(view.width, 1)

    def look_at(self, middle: Array, scale: float) -> None:
        """Have this in the middle, at this scale."""
        view = self.canvas.view()
        half = np.array([view.width, view.height]) * scale / 2
        self.show_corners(np.stack([middle - half, middle + half]))

    def _clicked(self, _: object) -> None:
        self.chosen.emit()

    def _moved(self, *_: object) -> None:
        self.moved.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.mark.setGeometry(6, 2, max(self.width() - 12, 0), self.mark.sizeHint().height())

    def _retint(self, *_: Any) -> None:
        colour = QColor(theme().tokens.text)
        colour.setAlphaF(0.55)
        self.contours.set_colour(colour)

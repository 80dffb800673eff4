"""A sheet to draw on, whose drawing the model encodes while it is drawn."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from explorer.widgets.button import dialog_button
from explorer.widgets.paint_canvas import CELLS, PaintCanvas

SHOWN = 280  # logical pixels a side
THIN = 14.0  # cells: the thinnest pen
HINT = "Left button draws, right button erases."


class Sketch(QDialog):
    """``drawn`` carries the levels (CELLS, CELLS) from 0 to 1 after each stroke's every touch, and None when
    the sheet is empty again. It stays beside the window, in which the drawing is followed."""

    drawn = Signal(object)

    def __init__(self, pixels: int, parent: QWidget) -> None:
        """pixels: of the longer side of the pictures that the model knows; the pen is as wide as one."""
        super().__init__(parent, Qt.WindowType.Tool)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Draw an input")
        grey = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
        self.canvas = PaintCanvas(self, SHOWN, grey, hardness=0.5)
        self.canvas.setAccessibleName("Picture to draw")
        self.canvas.set_radius(max(THIN, CELLS / pixels))
        self.undo = dialog_button(
            self, "Undo", "undo", "Take the last stroke back (Ctrl+Z)", self.canvas.undo
        )
        self.clear = dialog_button(self, "Clear", "", "Begin anew", self.canvas.clear)
        hint = QLabel(HINT, self)
        hint.setProperty("role", "muted")
        tools = QHBoxLayout()
        tools.setSpacing(8)
        tools.addWidget(self.undo)
        tools.addWidget(self.clear)
        tools.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        layout.addWidget(self.canvas)
        layout.addLayout(tools)
        layout.addWidget(hint)
        layout.setSizeConstraint(QVBoxLayout.SizeConstraint.SetFixedSize)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Undo), self).activated.connect(self.canvas.undo)
        self.canvas.changed.connect(self._changed)
        self._show()

    def _changed(self) -> None:
        self._show()
        self.drawn.emit(None if self.canvas.empty else self.canvas.levels.copy())

    def _show(self) -> None:
        self.undo.setEnabled(self.canvas.can_undo)
        self.clear.setEnabled(not self.canvas.empty)

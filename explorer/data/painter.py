"""The dialog in which a density is painted."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from backends.base import Array
from backends.picture import read_levels
from explorer.compute import Exploration, Failure, Priority
from explorer.data.inputs import PICTURES
from explorer.widgets.button import dialog_button
from explorer.widgets.files import ask_open
from explorer.widgets.paint_canvas import PaintCanvas
from explorer.widgets.slider import Slider

SMALLEST, LARGEST = 2, 48  # of the brush's radius, in cells
HINT = "Left button paints, right button erases. The sides go from −4 to 4."
EMPTY = "Drag over the square: where it is bright, the density is high."


class Painter(QDialog):
    """``painted`` carries the levels (h, w) in [0, 1] that were accepted."""

    painted = Signal(object)

    def __init__(self, exploration: Exploration, begin: Array, parent: QWidget) -> None:
        """begin: the levels to go on from."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Paint a density")
        self._exploration = exploration
        self.canvas = PaintCanvas(self)
        self.size_ = Slider(self)
        self.size_.setRange(SMALLEST, LARGEST)
        self.size_.setAccessibleName("Brush size")
        self.size_.setToolTip("Radius of the brush, in cells of the 256 across ([ and ])")
        self.size_.valueChanged.connect(self.canvas.set_radius)
        self.size_.setValue(round(self.canvas.radius))
        self.undo = dialog_button(
            self, "Undo", "undo", "Take the last stroke back (Ctrl+Z)", self.canvas.undo
        )
        self.clear = dialog_button(self, "Clear", "", "Erase everything", self.canvas.clear)
        self.fill = dialog_button(
            self, "Fill from picture…", "", "A picture's grey levels, to be painted over", self._ask_picture
        )
        self.note = QLabel(self)
        self.note.setWordWrap(True)
        # as wide as the rest, whatever it says: the canvas stays where it is
        self.note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        kinds = QDialogButtonBox.StandardButton
        box = QDialogButtonBox(kinds.Ok | kinds.Cancel, self)
        self.ok, self.cancel = box.button(kinds.Ok), box.button(kinds.Cancel)
        self.ok.setText("Use as data")
        self.ok.setProperty("role", "primary")
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        label = QLabel("Brush", self)
        label.setProperty("role", "muted")
        label.setBuddy(self.size_)
        tools = QHBoxLayout()
        tools.setSpacing(8)
        tools.addWidget(label)
        tools.addWidget(self.size_, 1)
        for button in (self.undo, self.clear, self.fill):
            tools.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        layout.addWidget(self.canvas, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addLayout(tools)
        layout.addWidget(self.note)
        layout.addWidget(box)
        layout.setSizeConstraint(QVBoxLayout.SizeConstraint.SetFixedSize)
        for keys, act in (
            (QKeySequence(QKeySequence.StandardKey.Undo), self.canvas.undo),
            (QKeySequence("["), self._smaller),
            (QKeySequence("]"), self._larger),
        ):
            QShortcut(keys, self).activated.connect(act)
        self.canvas.changed.connect(self._show)
        self.canvas.begin_with(begin)
        self._show()
        self.canvas.setFocus()

    def accept(self) -> None:
        """Hand the painting over, unless it is empty."""
        if not self.canvas.empty:
            self.painted.emit(self.canvas.levels)
            super().accept()

    def done(self, result: int) -> None:
        self._exploration.cancel("picture")
        super().done(result)

    def _smaller(self) -> None:
        self.size_.setValue(self.size_.value() - 2)

    def _larger(self) -> None:
        self.size_.setValue(self.size_.value() + 2)

    def _show(self, problem: str = "") -> None:
        empty = self.canvas.empty
        self.note.setText(problem or (EMPTY if empty else HINT))
        self.note.setProperty("role", "error" if problem else "muted")
        self.note.style().unpolish(self.note)
        self.note.style().polish(self.note)
        self.ok.setEnabled(not empty)
        self.undo.setEnabled(self.canvas.can_undo)
        self.clear.setEnabled(not empty)

    def _ask_picture(self) -> None:
        path = ask_open(self, "Fill from picture", PICTURES)
        if path:
            self._exploration.request(
                "picture",
                Priority.FILE,
                lambda: read_levels(Path(path)),
                self.canvas.replace,
                doing=f"read {path}",
                failed=self._not_read,
            )

    def _not_read(self, failure: Failure) -> None:
        self._show(failure.sentence)

"""How far long work is, in the status bar, with a button that ends it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from backends.base import Progress
from explorer.widgets.progress_bar import ProgressBar
from explorer.widgets.values import LiveLabel, format_number

BAR_WIDTH, TEXT_WIDTH = 160, 260  # logical pixels


class TaskBar(QWidget):
    """Hidden while there is nothing to do."""

    cancelled = Signal()

    def __init__(self, what: str, tip: str, parent: QWidget | None = None, counts: str = "") -> None:
        """what: the work, say "reading"; tip: what its end means; counts: what is said before "3 of 10",
        where the numbers are shown."""
        super().__init__(parent)
        self._counts = counts
        self.label = LiveLabel(self)
        self.label.setFixedWidth(TEXT_WIDTH)
        fixed = QSizePolicy.Policy.Fixed
        self.label.setSizePolicy(fixed, fixed)
        self.label.setVisible(bool(counts))
        self.bar = ProgressBar(what, self)
        self.bar.setFixedWidth(BAR_WIDTH)
        self.cancel = QPushButton("Cancel", self)
        self.cancel.setAccessibleName(f"Cancel {what}")
        self.cancel.setToolTip(tip)
        self.cancel.setSizePolicy(fixed, fixed)
        self.cancel.clicked.connect(self.cancelled)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for widget in (self.label, self.bar, self.cancel):
            row.addWidget(widget)
        self.hide()

    def show_progress(self, progress: Progress | None) -> None:
        """Show how far it is; None hides the bar."""
        self.setVisible(progress is not None)
        if progress is not None:
            self.bar.show_progress(progress)
            counts = f"{format_number(progress.done)} of {format_number(progress.total)}"
            self.label.setText(f"{self._counts} {counts}")

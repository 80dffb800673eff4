"""How far long work is, as a bar without text."""

from __future__ import annotations

from PySide6.QtWidgets import QProgressBar, QWidget

from backends.base import Progress


class ProgressBar(QProgressBar):
    """A bar of some work, say "the export"."""

    def __init__(self, work: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextVisible(False)
        self.setAccessibleName(f"Progress of {work}")

    def show_progress(self, progress: Progress) -> None:
        """How far it is; work of which nothing is known yet has done nothing of it."""
        self.setRange(0, max(progress.total, 1))  # of 0 to 0 it would move to and fro
        self.setValue(min(progress.done, progress.total))

"""What a curve plot's context menu offers: to fit the picture, and to take it away."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMenu

from explorer.widgets.files import ask_save

if TYPE_CHECKING:
    from explorer.plots.curves import CurvePlot


def open_menu(plot: CurvePlot, at: QPoint) -> None:
    """Open the menu at a point of the screen."""
    menu = QMenu(plot)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    menu.addAction("Fit", plot.fit)
    menu.addSeparator()
    menu.addAction("Copy picture", plot.copy)
    for kind, save in (("csv", plot.save_csv), ("png", plot.save_png), ("svg", plot.save_svg)):
        action = menu.addAction(f"Save as {kind.upper()}…")
        action.triggered.connect(lambda _, kind=kind, save=save: _ask(plot, kind, save))
    menu.popup(at)


def _ask(plot: CurvePlot, kind: str, save: Callable[[str], None]) -> None:
    filters = f"{kind.upper()} (*.{kind})"
    path = ask_save(plot, "Save curves", f"curves.{kind}", filters)
    if path:
        save(path)

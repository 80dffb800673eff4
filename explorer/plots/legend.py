"""The texts of a curve plot: entries of its legend, the read-out under the cursor, what is said over it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QRect, Qt
from PySide6.QtWidgets import QLabel, QWidget

from backends.base import Array
from explorer.style.theme import theme
from explorer.widgets.values import format_number

_READ_ROWS = 3  # rows of the read-out; more are set in two columns


def overlay(name: str, parent: QWidget) -> QLabel:
    """A label above the plot that the mouse does not see."""
    label = QLabel(parent)
    label.setObjectName(name)
    label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setWordWrap(name == "placeholder")
    label.hide()
    return label


def show_beside(label: QLabel, x: float, area: QRect) -> None:
    """Show the read-out of x in the half of the plot where x is not, so that neither hides the other."""
    label.adjustSize()
    left = area.right() - label.width() - 8 if x < area.center().x() else area.left() + 8
    label.move(left, max(area.bottom() - label.height() - 8, area.top()))
    label.show()
    label.raise_()


def told_of(steps: Array, moment: float) -> str:
    """What stands before values that a legend tells of a moment that is looked back at, of curves with points
    at these steps (n,): the step of the last point before it, unless there is one at the moment itself."""
    before = int(np.searchsorted(steps, moment, "right"))
    if not before or steps[before - 1] == moment:
        return ""
    return f"at step {format_number(int(steps[before - 1]))}: &nbsp; "


def entry(key: str, colour: str, mark: str, ink: str, text: str) -> str:
    """One entry of a legend; without a key it is no link."""
    body = f'<span style="color:{colour}">{mark}</span>&nbsp;<span style="color:{ink}">{text}</span>'
    return f'<a href="{key}" style="text-decoration:none">{body}</a>' if key else body


def table(title: str, cells: Sequence[str]) -> str:
    """The read-out as rich text: a muted title, and one or two columns of cells."""
    beside = 1 if len(cells) <= _READ_ROWS else 2
    rows = ["".join(cells[i : i + beside]) for i in range(0, len(cells), beside)]
    head = f'<td colspan="4" style="color:{theme().tokens.muted}">{title}</td>'
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in (head, *rows))}</table>"


def position(x: float) -> str:
    """A place on the horizontal axis; steps are whole."""
    return format_number(int(x) if x == int(x) else x)

"""For keyboard and screen reader: every control has a name and a tooltip, and Tab comes to it."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QTabBar,
    QWidget,
)

from explorer.plots.plane_canvas import PlaneCanvas
from tests.runs import saved_run

CONTROLS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, PlaneCanvas)
RUNS = {
    "vae": ("digits", {"width": 16, "depth": 1}),
    "vae of three": ("digits", {"width": 16, "depth": 1, "latent_dim": 3}),
    "gmm": ("two-moons", {"components": 3}),
    "ppca": ("digits", {}),
    "nsf": ("two-moons", {"layers": 2, "width": 16}),
    "cnf": ("two-moons", {"width": 16}),
    "normal-gamma": ("normal-1d", {}),
}


def controls(window: QWidget) -> list[QWidget]:
    """All controls of the window, also those on tabs that are behind others; not Qt's own parts of one."""
    found = []
    for widget in window.findChildren(QWidget):
        if not isinstance(widget, CONTROLS):
            continue
        parents = []
        parent = widget.parentWidget()
        while parent is not None:
            parents.append(parent)
            parent = parent.parentWidget()
        own = isinstance(widget, QScrollBar) or any(
            isinstance(p, QComboBox | QAbstractSpinBox | QAbstractItemView | QTabBar) for p in parents
        )
        if not own and not widget.objectName().startswith("qt_"):
            found.append(widget)
    return found


@pytest.mark.parametrize("name", RUNS)
def test_every_control_has_a_name_and_a_tip_and_the_keyboard_comes_to_it(start, tmp_path, name):
    data, values = RUNS[name]
    program = start(saved_run(tmp_path / "run.safetensors", name.split()[0], data, values, steps=1))
    program.wait_for_run()
    wrong = []
    for widget in controls(program.window):
        text = widget.text() if isinstance(widget, QAbstractButton) else ""
        name_ = widget.accessibleName() or text
        what = f"{type(widget).__name__} '{name_}' in {type(widget.parent()).__name__}"
        if not name_:
            wrong.append(f"{what}: no name")
        if not widget.toolTip() and not isinstance(widget, PlaneCanvas):  # it would hide what is under it
            wrong.append(f"{what}: no tooltip")
        if not widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            wrong.append(f"{what}: no focus by Tab")
    assert not wrong, "\n".join(wrong)

"""The style sheet: what Fusion's controls look like, from the table of colours.

Roles are dynamic properties: ``button.setProperty("role", "primary")``; labels know "muted", "error" and
"strong"; line edits know "error". A role that changes later needs :func:`restyle`.
"""

from __future__ import annotations

import atexit
import tempfile
from pathlib import Path
from string import Template

from PySide6.QtWidgets import QWidget

from explorer.style.glyphs import svg
from explorer.style.tokens import Tokens, blend

_SHEET = Template("""
QMainWindow, QDialog { background: $window; }
QDialog#palette { background: $surface; border: 1px solid $border_strong; }
QMainWindow::separator { background: transparent; width: 8px; height: 8px; }
QMainWindow::separator:hover { background: $border; }
QWidget:disabled { color: $disabled; }
QLabel { background: transparent; }
QLabel[role="muted"] { color: $muted; }
QLabel[role="error"] { color: $danger; }
QLabel[role="warning"] { color: $warning; }
QLabel[role="strong"] { color: $text; font-weight: 600; }
QStatusBar { background: transparent; color: $muted; }
QStatusBar::item { border: 0; }
QStatusBar QLabel { color: $muted; }

QPushButton, QLineEdit, QAbstractSpinBox, QComboBox, QPlainTextEdit, QTextEdit {
    background: $field; color: $text; border: 1px solid $border; border-radius: 5px;
    selection-background-color: $selection; selection-color: $text;
}
QPushButton { padding: 4px 12px; min-height: 18px; }
QPushButton:hover { background: $field_hover; border-color: $border_strong; }
QPushButton:pressed, QPushButton:checked { background: $border; }
QPushButton:focus { border-color: $accent; }
QPushButton:disabled { background: $surface; color: $disabled; border-color: $border; }
QPushButton[role="primary"] {
    background: $accent; color: $accent_text; border-color: $accent; font-weight: 600;
}
QPushButton[role="primary"]:hover { background: $accent_hover; border-color: $accent_hover; }
QPushButton[role="primary"]:pressed { background: $accent; }
QPushButton[role="primary"]:focus { border-color: $text; }
QPushButton[role="primary"]:disabled { background: $field; color: $disabled; border-color: $border; }
QDialogButtonBox, QMessageBox { dialogbuttonbox-buttons-have-icons: 0; }
QPushButton::menu-indicator { image: url($chevron_down); width: 12px; right: 6px; }

QLineEdit, QAbstractSpinBox, QComboBox { padding: 4px 8px; min-height: 18px; }
QLineEdit { padding: 4px 6px; } /* and 2 of its own */
QLineEdit:hover, QAbstractSpinBox:hover, QComboBox:hover { border-color: $border_strong; }
QComboBox:hover { background: $field_hover; }
QLineEdit:focus, QAbstractSpinBox:focus, QComboBox:focus, QComboBox:on,
QPlainTextEdit:focus, QTextEdit:focus { border-color: $accent; }
QLineEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled {
    background: $surface; color: $disabled; border-color: $border;
}
QLineEdit[role="error"], QLineEdit[role="error"]:focus { border-color: $danger; background: $danger_field; }
QComboBox { padding-right: 2px; combobox-popup: 0; }
QComboBox::drop-down {
    subcontrol-origin: border; subcontrol-position: center right; width: 24px; border: 0;
    background: transparent;
}
QComboBox::down-arrow { image: url($chevron_down); width: 14px; height: 14px; }
QComboBox::down-arrow:disabled { image: url($chevron_down_disabled); }
QComboBox QAbstractItemView {
    background: $surface; color: $text; border: 1px solid $border_strong; outline: 0; padding: 4px;
    selection-background-color: $selection; selection-color: $text;
}
QComboBox QAbstractItemView::item { min-height: 24px; padding: 0 6px; border-radius: 4px; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {
    width: 18px; border: 0; background: transparent; subcontrol-origin: border;
}
QAbstractSpinBox::up-arrow { image: url($chevron_up); width: 11px; height: 11px; }
QAbstractSpinBox::down-arrow { image: url($chevron_down); width: 11px; height: 11px; }

QCheckBox, QRadioButton { spacing: 8px; background: transparent; }
QCheckBox::indicator, QRadioButton::indicator, QMenu::indicator {
    width: 14px; height: 14px; border: 1px solid $border_strong; background: $field;
}
QCheckBox::indicator { border-radius: 4px; }
QRadioButton::indicator { border-radius: 8px; }
QCheckBox::indicator:hover, QRadioButton::indicator:hover { border-color: $muted; background: $field_hover; }
QCheckBox::indicator:focus, QRadioButton::indicator:focus { border-color: $accent; }
QCheckBox::indicator:checked, QRadioButton::indicator:checked { background: $accent; border-color: $accent; }
QCheckBox::indicator:checked { image: url($check); }
QRadioButton::indicator:checked { image: url($dot); }
QCheckBox:focus, QRadioButton:focus { color: $accent; }
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled {
    background: $surface; border-color: $border;
}
QCheckBox::indicator:checked:disabled { image: url($check_disabled); }
QRadioButton::indicator:checked:disabled { image: url($dot_disabled); }

QSlider::groove:horizontal { height: 4px; border-radius: 2px; background: $track; }
QSlider::groove:vertical { width: 4px; border-radius: 2px; background: $track; }
QSlider::handle {
    background: $accent; border: 2px solid $surface; border-radius: 8px; width: 12px; height: 12px;
}
QSlider::handle:horizontal { margin: -6px 0; }
QSlider::handle:vertical { margin: 0 -6px; }
QSlider::handle:hover { background: $accent_hover; }
QSlider::handle:focus { border-color: $text; }
QSlider::handle:disabled { background: $border_strong; }

QProgressBar { background: $track; border: 0; border-radius: 3px; min-height: 6px; max-height: 6px; }
QProgressBar::chunk { background: $accent; border-radius: 3px; }

QScrollBar { background: transparent; border: 0; margin: 0; }
QScrollBar:vertical { width: 10px; }
QScrollBar:horizontal { height: 10px; }
QScrollBar::handle { background: $border; border-radius: 3px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 28px; }
QScrollBar::handle:horizontal { min-width: 28px; }
QScrollBar::handle:hover { background: $border_strong; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; border: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QScrollArea { background: transparent; border: 0; }
QScrollArea > #qt_scrollarea_viewport, QScrollArea > #qt_scrollarea_viewport > QWidget {
    background: transparent;
}

QToolTip { background: $surface; color: $text; border: 1px solid $border_strong; padding: 5px 7px; }
QMenuBar { background: transparent; }
QMenuBar::item { padding: 4px 8px; border-radius: 5px; background: transparent; color: $muted; }
QMenuBar::item:selected, QMenuBar::item:pressed { background: $field; color: $text; }
QMenu { background: $surface; color: $text; border: 1px solid $border_strong; padding: 4px; }
QMenu::item { padding: 5px 28px 5px 10px; border-radius: 4px; }
QMenu::item:selected { background: $selection; }
QMenu::item:disabled { color: $disabled; background: transparent; }
QMenu::icon { padding-left: 8px; }
QMenu::separator { height: 1px; background: $border; margin: 4px 6px; }
QMenu::indicator { border: 0; background: transparent; margin-left: 6px; }
QMenu::indicator:checked { image: url($check_text); }
QMenu::right-arrow { image: url($chevron_right); width: 12px; height: 12px; margin-right: 6px; }

QTabWidget::pane { border: 0; }
QTabBar { qproperty-drawBase: 0; qproperty-elideMode: ElideNone; background: transparent; }
QTabBar::tab {
    background: transparent; color: $muted; border: 1px solid transparent; border-radius: 5px;
    padding: 4px 11px; margin: 0 4px 0 0; min-height: 18px;
}
QTabBar::tab:hover { color: $text; background: $field; }
QTabBar::tab:selected { background: $selected_tab; color: $text; font-weight: 600; }
QTabBar::tab:focus { border-color: $accent; }
QTabBar::tab:disabled { color: $disabled; }

QToolBar { background: transparent; border: 0; spacing: 4px; padding: 0; }
QToolBar::separator { background: $border; width: 1px; margin: 4px; }
QToolButton {
    background: transparent; color: $text; border: 1px solid transparent; border-radius: 5px; padding: 4px;
}
QToolButton:hover { background: $field; }
QToolButton:pressed, QToolButton:checked { background: $field_hover; border-color: $border; }
QToolButton:focus { border-color: $accent; }
QToolButton:disabled { color: $disabled; }
QToolButton::menu-indicator { image: none; }

QAbstractItemView { background: $surface; color: $text; border: 0; outline: 0; gridline-color: $border; }
QListView#names { border: 1px solid $border_strong; padding: 4px; }
QListView::item, QTreeView::item { min-height: 26px; padding: 0 6px; border-radius: 4px; }
QListView::item:hover, QTreeView::item:hover { background: $field; }
QListView::item:selected, QTreeView::item:selected { background: $selection; color: $text; }
QHeaderView::section {
    background: $surface; color: $muted; border: 0; border-bottom: 1px solid $border; padding: 4px 6px;
}
QGraphicsView { background: transparent; border: 0; }
QSplitter::handle { background: transparent; }
QSizeGrip { image: none; width: 0; height: 0; }
QRubberBand { background: $selection; border: 1px solid $accent; }

#message { border: 1px solid $border; border-radius: 6px; background: $surface; }
#message[kind="error"] { border-color: $danger; background: $danger_field; }
#message[kind="warning"] { border-color: $warning; background: $warning_field; }
#readout {
    background: $surface; color: $text; border: 1px solid $border; border-radius: 5px; padding: 4px 7px;
}
""")


def style_sheet(tokens: Tokens) -> str:
    """The application's style sheet for one set of colours."""
    t = tokens
    drawings = {
        "chevron_down": ("chevron-down", t.muted),
        "chevron_down_disabled": ("chevron-down", t.disabled),
        "chevron_up": ("chevron-up", t.muted),
        "chevron_right": ("chevron-right", t.muted),
        "check": ("check", t.accent_text),
        "check_disabled": ("check", t.disabled),
        "check_text": ("check", t.text),
        "dot": ("dot", t.accent_text),
        "dot_disabled": ("dot", t.disabled),
    }
    folder = _folder()
    urls = {}
    for key, (name, colour) in drawings.items():
        path = folder / f"{key}-{colour[1:]}.svg"
        if not path.exists():
            path.write_bytes(svg(name, colour))
        urls[key] = path.as_posix()
    return _SHEET.substitute(
        vars(t),
        **urls,
        danger_field=blend(t.danger, t.surface, 0.1),
        warning_field=blend(t.warning, t.surface, 0.1),
        selected_tab=t.field if t.is_dark else t.field_hover,
    )


def restyle(widget: QWidget, role: str) -> None:
    """Change a widget's role and have the style sheet look at it again."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


_drawings: Path | None = None


def _folder() -> Path:
    """Where the style sheet's drawings lie: a style sheet takes pictures only from files."""
    global _drawings
    if _drawings is None:
        holder = tempfile.TemporaryDirectory(prefix="latent-explorer-")
        atexit.register(holder.cleanup)
        _drawings = Path(holder.name)
    return _drawings

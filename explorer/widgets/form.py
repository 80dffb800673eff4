"""A form made from a model's own declaration of its hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

from backends.base import InputError, Value
from backends.parameters import Parameter
from explorer.style.stylesheet import restyle
from explorer.widgets.files import ask_open

NARROWEST = 56  # logical pixels of a field, on a small screen
LABEL_WIDTH, GAP = 88, 4  # logical pixels: of labels, so that forms are aligned, and between rows


BY_HAND, FROM_FILE = "By hand", "From a file…"


#: How choices are written that are no words.
NAMES = {
    "mlp": "MLP", "elbo": "ELBO", "iwae": "IWAE", "vampprior": "VampPrior",
    "relu": "ReLU", "silu": "SiLU", "gelu": "GELU", "rk4": "RK4", "dopri5": "Dormand–Prince",
    "forward-kl": "Forward KL", "reverse-kl": "Reverse KL", "flow-matching": "Flow matching",
}  # fmt: skip


def titled(choice: str) -> str:
    """How a choice is written."""
    return NAMES.get(choice) or (choice.upper() if len(choice) == 2 else choice[:1].upper() + choice[1:])


class Choice(QComboBox):
    """A combo box that elides, and that leaves the wheel to the page until it has focus."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setMaxVisibleItems(20)
        self.setMinimumWidth(NARROWEST)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def hug(self, widest: int) -> None:
        """Be as wide as its texts, up to so many logical pixels, and no wider."""
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setMaximumWidth(widest)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        room = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideRight, room.width() - 2
        )
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()

    def showPopup(self) -> None:
        # names in the list are read whole, however narrow the box is
        view = self.view()
        bar = self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
        view.setTextElideMode(Qt.TextElideMode.ElideRight)
        view.setMinimumWidth(view.sizeHintForColumn(0) + bar + 2 * view.frameWidth() + 8)
        super().showPopup()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class ParameterForm(QWidget):
    """One row a parameter: line edits for numbers, check boxes and combo boxes.

    changed carries (name, value) after a valid commit: Enter, leaving the field, or a choice. The value is
    exactly what was typed. A text that is not valid stays as it was typed until it is mended or Esc brings
    the last good value back; meanwhile :meth:`values` gives the good one and :meth:`invalid` the reasons.
    """

    changed = Signal(object)

    def __init__(
        self, parameters: Sequence[Parameter], parent: QWidget | None = None, labels: int = LABEL_WIDTH
    ) -> None:
        """labels: logical pixels that they have at least."""
        super().__init__(parent)
        self.fields: dict[str, QLineEdit | QCheckBox | QComboBox] = {}
        self._rows: dict[str, _Row] = {}
        grid = self._grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(0)
        grid.setColumnStretch(1, 1)
        grid.setColumnMinimumWidth(0, labels)
        for parameter in parameters:
            row = _Row(parameter, self)
            self._rows[parameter.name] = row
            self.fields[parameter.name] = row.field
            line = 3 * (len(self._rows) - 1)
            grid.setRowMinimumHeight(line + 2, GAP)
            grid.addWidget(row.label, line, 0)
            grid.addWidget(row.field, line, 1)
            grid.addWidget(row.error, line + 1, 0, 1, 2)
            row.committed.connect(self._committed)
        self._hidden: set[str] = set()
        self._show_rows()

    def values(self) -> dict[str, Value]:
        """The last valid value of every parameter, in declared order."""
        return {name: row.value for name, row in self._rows.items()}

    def set_values(self, values: Mapping[str, Value]) -> None:
        """Show other values, without ``changed``; InputError, and nothing changed, when one does not fit."""
        checked = {name: self._rows[name].parameter.check(value) for name, value in values.items()}
        for name, value in checked.items():
            self._rows[name].show_value(value)
        self._show_rows()

    def set_row_visible(self, name: str, visible: bool) -> None:
        """Show or hide a parameter that means nothing to the chosen model. One that means nothing beside the
        values of the others is hidden in any case."""
        self._hidden = self._hidden - {name} if visible else self._hidden | {name}
        self._show_rows()

    def _show_rows(self) -> None:
        values = self.values()
        for number, (name, row) in enumerate(self._rows.items()):
            visible = name not in self._hidden and row.parameter.counts(values)
            if visible == row.field.isVisibleTo(self):
                continue
            row.label.setVisible(visible)
            row.field.setVisible(visible)
            self._grid.setRowMinimumHeight(3 * number + 2, GAP if visible else 0)
            if not visible:
                row.show_value(row.value)  # what cannot be seen is not in error

    def label_width(self) -> int:
        """Of the widest label that is shown, in logical pixels."""
        return max(row.label.sizeHint().width() for row in self._rows.values() if not row.label.isHidden())

    def invalid(self) -> list[str]:
        """What is wrong with the fields that are marked, one sentence each."""
        return [row.error.text() for row in self._rows.values() if row.error.text()]

    def commit(self) -> bool:
        """Take what stands in the fields, as if each had been left; True when all of it is valid."""
        for row in self._rows.values():
            row.commit()
        return not self.invalid()

    def _committed(self, change: object) -> None:
        self._show_rows()
        self.changed.emit(change)


class _Row(QObject):
    """The widgets of one parameter, which the form lays out, and its last valid value."""

    committed = Signal(object)

    def __init__(self, parameter: Parameter, form: QWidget) -> None:
        super().__init__(form)
        self.parameter = parameter
        self.value = parameter.default
        self.label = QLabel(parameter.title, form)
        self.label.setProperty("role", "muted")
        self.field = self._make_field(form)
        self.field.setMinimumWidth(NARROWEST)
        self.field.setAccessibleName(parameter.title)
        self.field.setAccessibleDescription(parameter.doc)
        self.label.setBuddy(self.field)
        self.error = QLabel(form)
        self.error.setProperty("role", "error")
        self.error.setWordWrap(True)
        self.error.hide()
        self.show_value(parameter.default)

    def show_value(self, value: Value) -> None:
        self.value = value
        with QSignalBlocker(self.field):
            if isinstance(self.field, QCheckBox):
                self.field.setChecked(value is True)
            elif isinstance(self.field, QComboBox):
                if self.parameter.custom is not None:
                    self._offer_custom(self.field, value)
                self.field.setCurrentIndex(self.field.findData(value))
            else:
                self.field.setText(self.parameter.format(value))
        self._set_error("")

    def commit(self) -> None:
        """Check what stands in the field; a new valid value is told."""
        try:
            value = self._read()
        except InputError as error:
            self._set_error(str(error))
            return
        before, after = self.parameter.format(self.value), self.parameter.format(value)
        self.value = value
        self._set_error("")
        if before != after:
            self.committed.emit((self.parameter.name, value))

    def _make_field(self, form: QWidget) -> QLineEdit | QCheckBox | QComboBox:
        if self.parameter.type == "bool":
            box = QCheckBox(form)
            box.toggled.connect(self._edited)
            return box
        if self.parameter.type == "choice":
            combo = Choice(form)
            for choice in self.parameter.choices:
                combo.addItem(titled(choice), choice)
            if self.parameter.custom is not None:
                combo.addItem(FROM_FILE, None)
            combo.currentIndexChanged.connect(self._edited)
            return combo
        edit = _Edit(form)
        edit.editingFinished.connect(self.commit)
        edit.let_go.connect(self._revert)
        return edit

    def _read(self) -> Value:
        if isinstance(self.field, QCheckBox):
            return self.field.isChecked()
        if isinstance(self.field, QComboBox):
            return self.parameter.check(self.field.currentData())
        return self.parameter.parse(self.field.text())

    def _offer_custom(self, combo: QComboBox, value: Value) -> None:
        """A value that is none of the choices was made by hand, and is an entry while it holds."""
        known = len(self.parameter.choices)
        if combo.count() > known + 1:
            combo.removeItem(known)
        if value not in self.parameter.choices:
            combo.insertItem(known, BY_HAND, value)

    def _edited(self, _: object) -> None:
        if isinstance(self.field, QComboBox) and self.field.currentData() is None:
            path = ask_open(self.field, self.parameter.title)
            self._take_file(path)
        else:
            self.commit()

    def _take_file(self, path: str) -> None:
        """The value that a file holds; where there is none, what was chosen before stays."""
        before = self.value
        try:
            value = self.parameter.parse(path) if path else before
        except InputError as error:
            self.show_value(before)
            self._set_error(str(error))
            return
        self.show_value(value)
        if value != before:
            self.committed.emit((self.parameter.name, value))

    def _revert(self) -> None:
        self.show_value(self.value)

    def _set_error(self, sentence: str) -> None:
        self.error.setText(sentence)
        self.error.setVisible(bool(sentence))
        restyle(self.field, "error" if sentence else "")
        tip = [sentence] if sentence else []
        default = self.parameter.format(self.parameter.default)
        tip += [self.parameter.doc, f"{self.parameter.range_text()}, default {default}"]
        self.field.setToolTip("\n".join(tip))
        self.label.setToolTip("\n".join(tip))


class _Edit(QLineEdit):
    """Esc lets go of what was typed; undo is the program's where nothing was typed."""

    let_go = Signal()

    def event(self, event: QEvent) -> bool:
        """Which keys are the field's own, before the window's shortcuts see them."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            if event.key() == Qt.Key.Key_Escape and self.isModified():
                event.accept()
                return True
            keys = QKeySequence.StandardKey
            if not self.isModified() and (event.matches(keys.Undo) or event.matches(keys.Redo)):
                event.ignore()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.isModified():
            self.let_go.emit()
        else:
            super().keyPressEvent(event)

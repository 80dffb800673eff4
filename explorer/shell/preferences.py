"""The dialog of what is set once and for all; like all that is set it can be undone."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from backends.parameters import Parameter
from explorer.session import Session
from explorer.state import State
from explorer.widgets.form import ParameterForm

#: By the names of their fields in the State.
PREFERENCES = (
    Parameter(
        "theme", "choice", State.theme, "Dark or light, or as the system says.",
        title="Colours", choices=("system", "dark", "light"),
    ),
    Parameter(
        "autosave", "int", State.autosave,
        "Seconds of training between two copies of the run in the program's own folder: so much at most is "
        "lost in a crash.",
        title="Keep every (s)", minimum=1, maximum=3600,
    ),
)  # fmt: skip


class Preferences(QDialog):
    """A form over the State: what is changed holds at once."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Preferences")
        self._session = session
        self.form = ParameterForm(PREFERENCES, self)
        box = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        box.rejected.connect(self.reject)
        box.button(QDialogButtonBox.StandardButton.Close).setAutoDefault(False)  # Enter ends a field
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(16)
        layout.addWidget(self.form)
        layout.addStretch(1)
        layout.addWidget(box)
        self.setMinimumWidth(360)
        self.form.changed.connect(self._changed)
        session.changed.connect(self._show)
        self._show()

    def _changed(self, change: tuple[str, object]) -> None:
        name, value = change
        new = replace(self._session.state, **{name: value})  # type: ignore[arg-type]
        self._session.apply(new, f"change the preference '{name}'")

    def _show(self, *_: object) -> None:
        self.form.set_values({p.name: getattr(self._session.state, p.name) for p in PREFERENCES})

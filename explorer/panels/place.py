"""Under the cursor on the data plane: x, log p(x), and which component answers for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from backends.base import Array, Encodes, LogProb, Responsibilities
from explorer.compute import Exploration, Priority
from explorer.plane import subscript
from explorer.session import Session
from explorer.theme import theme
from explorer.widgets.card import section_title
from explorer.widgets.values import ValueRows, format_number

SHOWN_COLUMNS = 8
BAR, GAP = 14, 6  # logical pixels


@dataclass(frozen=True, eq=False)
class Reading:
    """What a model says of one x (d,): log p(x) in nats, and the responsibilities (K,) of its components."""

    x: Array
    log_p: float | None
    responsibilities: Array | None


def read(model: Any, x: Array) -> Reading:
    """Ask a model about x (d,)."""
    log_p = float(model.log_prob(x[None])[0]) if isinstance(model, LogProb) else None
    q = model.encode(x[None]) if isinstance(model, Encodes) else None
    return Reading(x, log_p, q.probs[0] if isinstance(q, Responsibilities) else None)


class Bars(QWidget):
    """Shares that sum to one, as bars with their numbers."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.shares: Array | None = None
        self.setAccessibleName("Responsibilities")
        theme().changed.connect(self._retint)

    def set_shares(self, shares: Array | None) -> None:
        """Show (K,) shares; None for none."""
        self.shares = shares
        self.setMinimumHeight(0 if shares is None else len(shares) * (BAR + GAP))
        self.update()

    def _retint(self) -> None:
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.shares is None:
            return
        tokens, painter = theme().tokens, QPainter(self)
        name, number = 28, 44
        room = max(self.width() - name - number, 10)
        align = Qt.AlignmentFlag.AlignVCenter
        for k, share in enumerate(self.shares):
            y = k * (BAR + GAP)
            painter.setPen(QColor(tokens.muted))
            painter.drawText(0, y, name, BAR, align, str(k + 1))
            painter.fillRect(name, y, room, BAR, QColor(tokens.track))
            painter.fillRect(name, y, round(room * float(share)), BAR, QColor(tokens.accent))
            painter.setPen(QColor(tokens.text))
            right = align | Qt.AlignmentFlag.AlignRight
            painter.drawText(name + room, y, number, BAR, right, f"{share:.3f}")
        painter.end()


class PlacePanel(QWidget):
    """Follows the session's place in data space."""

    def __init__(self, session: Session, exploration: Exploration, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._exploration = session, exploration
        self.columns = ValueRows([(str(i), "", "") for i in range(SHOWN_COLUMNS)], self)
        self.rows = ValueRows([("log_p", "log p(x)", "The model's exact log-density at x, in nats.")], self)
        self.title = section_title("Responsibilities", self)
        self.title.setToolTip("q(k|x): which component answers for x.")
        self.bars = Bars(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for widget in (self.columns, self.rows, self.title, self.bars):
            layout.addWidget(widget)
        layout.addStretch(1)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._ask)
        session.place_changed.connect(self._ask)

    def _run_changed(self, _: object) -> None:
        self._exploration.cancel("place")
        run, model = self._session.run, self._session.model
        if run is None:
            return
        info = run.info
        for i in range(SHOWN_COLUMNS):
            # through a plane of more than two dimensions the coordinates of x say little
            self.columns.set_row_visible(str(i), i < info.dim <= SHOWN_COLUMNS)
            name = info.columns[i] if i < len(info.columns) else f"x{subscript(i + 1)}"
            self.columns.set_label(str(i), name)
            self.columns.set(str(i), None)
        self.rows.set("log_p", None)
        self.title.setVisible(isinstance(model, Encodes))
        self.bars.set_shares(None)

    def _ask(self, _: object) -> None:
        model, x = self._session.model, self._session.place
        if model is None or x is None or len(x) != model.info.dim or model.latent_dim:
            return
        self._exploration.request(
            "place", Priority.HOVER, lambda: read(model, x), self._show, doing="evaluate the point"
        )

    def _show(self, reading: Reading) -> None:
        for i, value in enumerate(reading.x[:SHOWN_COLUMNS]):
            self.columns.set(str(i), format_number(float(value), 2))
        self.rows.set("log_p", format_number(reading.log_p))
        self.bars.set_shares(
            None if reading.responsibilities is None else np.asarray(reading.responsibilities)
        )

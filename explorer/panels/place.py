"""Under the cursor on the data plane: x, log p(x), its bound, and which component answers for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from backends.base import Array, Encodes, HasElbo, LogProb, Responsibilities
from explorer.compute import Exploration, Priority
from explorer.mosaic import normalise
from explorer.plane import subscript
from explorer.session import Session
from explorer.theme import theme
from explorer.widgets.card import section_title
from explorer.widgets.image import ImageView
from explorer.widgets.values import ValueRows, difference, format_number

SHOWN_COLUMNS = 8
BAR, GAP = 14, 6  # logical pixels
MOST_BARS = 64

ROWS = [
    ("log_p", "log p(x)", "The model's exact log-density at x, in nats."),
    (
        "elbo",
        "ELBO",
        "L(q, θ) = E_q[log p(x, z)] + H(q) at x, in nats, with the q of the model's E-step, in closed form.",
    ),
    (
        "gap",
        "KL(q‖p)",
        "log p(x) − ELBO: how far q(z|x) is from the true posterior p(z|x), in nats; zero where q is exact.",
    ),
]


@dataclass(frozen=True, eq=False)
class Reading:
    """What a model says of one x (d,): log p(x) and the ELBO in nats, where both are exact, and the
    responsibilities (K,) of its components."""

    x: Array
    log_p: float | None
    elbo: float | None
    responsibilities: Array | None


def read(model: Any, x: Array) -> Reading:
    """Ask a model about x (d,)."""
    log_p = float(model.log_prob(x[None])[0]) if isinstance(model, LogProb) else None
    bound = model.elbo(x[None]) if isinstance(model, HasElbo) and log_p is not None else None
    q = model.encode(x[None]) if isinstance(model, Encodes) else None
    return Reading(
        x,
        log_p,
        None if bound is None else float(bound.value[0]),
        q.probs[0] if isinstance(q, Responsibilities) else None,
    )


class Bars(QWidget):
    """Shares that sum to one, as bars in the components' colours with their numbers."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.shares: Array | None = None
        self.setAccessibleName("Responsibilities")
        theme().changed.connect(self._retint)

    def set_shares(self, shares: Array | None) -> None:
        """Show (K,) shares; None for none."""
        self.shares = shares
        self.setMinimumHeight(0 if shares is None else min(len(shares), MOST_BARS) * (BAR + GAP))
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
        for k, share in enumerate(self.shares[:MOST_BARS]):
            y = k * (BAR + GAP)
            painter.setPen(QColor(tokens.muted))
            painter.drawText(0, y, name, BAR, align, str(k + 1))
            painter.fillRect(name, y, room, BAR, QColor(tokens.track))
            painter.fillRect(name, y, round(room * float(share)), BAR, QColor(tokens.label(k)))
            painter.setPen(QColor(tokens.text))
            right = align | Qt.AlignmentFlag.AlignRight
            painter.drawText(name + room, y, number, BAR, right, f"{share:.3f}")
        painter.end()


class PlacePanel(QWidget):
    """Follows the session's place in data space."""

    def __init__(self, session: Session, exploration: Exploration, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._exploration = session, exploration
        self.picture = ImageView(self, placeholder="Move the mouse over the plane", name="x as an image")
        self.picture.setMinimumHeight(96)
        self.picture.setMaximumHeight(220)
        self.picture.setToolTip(
            "The point of the plane under the cursor, as an image: no datum need lie there."
        )
        self.columns = ValueRows([(str(i), "", "") for i in range(SHOWN_COLUMNS)], self)
        self.rows = ValueRows(ROWS, self)
        self.title = section_title("Responsibilities", self)
        self.title.setToolTip("q(k|x): which component answers for x.")
        self.bars = Bars(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.picture, 1)
        for widget in (self.columns, self.rows, self.title, self.bars):
            widget.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
            layout.addWidget(widget)
        layout.addStretch(0)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._ask)
        session.place_changed.connect(self._ask)

    def _run_changed(self, _: object) -> None:
        self._exploration.cancel("place")
        run, model = self._session.run, self._session.model
        if run is None or model is None:
            return
        info = run.info
        self.picture.setVisible(info.image_shape is not None)
        self.picture.set_image(None)
        for i in range(SHOWN_COLUMNS):
            # through a plane of many dimensions the coordinates of x say little
            self.columns.set_row_visible(str(i), i < info.dim <= SHOWN_COLUMNS)
            name = info.columns[i] if i < len(info.columns) else f"x{subscript(i + 1)}"
            self.columns.set_label(str(i), name)
            self.columns.set(str(i), None)
        self.columns.setVisible(info.dim <= SHOWN_COLUMNS)
        for key, *_ in ROWS:
            self.rows.set(key, None)
        self.title.setVisible(isinstance(model, Encodes) and not model.latent_dim)
        self.bars.set_shares(None)

    def _ask(self, _: object) -> None:
        model, x = self._session.model, self._session.place
        if model is None or x is None or len(x) != model.info.dim or not self.isVisible():
            return
        self._exploration.request(
            "place", Priority.HOVER, lambda: read(model, x), self._show, doing="evaluate the point"
        )

    def _show(self, reading: Reading) -> None:
        run = self._session.run
        if run is None or len(reading.x) != run.info.dim:
            return
        if run.info.image_shape is not None:
            self.picture.set_image(normalise(reading.x[None], run.info)[0])
        for i, value in enumerate(reading.x[:SHOWN_COLUMNS]):
            self.columns.set(str(i), format_number(float(value), 2))
        self.rows.set("log_p", format_number(reading.log_p))
        self.rows.set("elbo", format_number(reading.elbo))
        gap = None
        if reading.log_p is not None and reading.elbo is not None:
            gap = difference(reading.log_p, reading.elbo)
        self.rows.set("gap", format_number(gap))
        self.bars.set_shares(
            None if reading.responsibilities is None else np.asarray(reading.responsibilities)
        )

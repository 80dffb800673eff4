"""Under the cursor on the data plane: x, log p(x), its bound, and which component answers for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from backends.base import Array, Estimate, InputError, Responsibilities
from backends.capabilities import Encodes, HasElbo, LogProb, has_log_likelihood
from backends.estimates import LogLikelihood
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.planes.mosaic import normalise
from explorer.planes.scatter import column_names
from explorer.session import Session
from explorer.studies.look import Score, score
from explorer.studies.score_rows import show_score
from explorer.style.theme import theme
from explorer.widgets.card import section_title
from explorer.widgets.image import ImageView
from explorer.widgets.values import ValueRows, format_number

SHOWN_COLUMNS = 8
BAR, GAP = 14, 6  # logical pixels
LEAST_BARS = 4  # there is always room for so many

ROWS = [
    (
        "what",
        "x",
        "A row of the training data, where one is near the mouse; elsewhere the point of the plane itself, "
        "around which no data need lie.",
    ),
    ("log_p", "log p(x)", "The model's log-density at x, in nats."),
    (
        "elbo",
        "ELBO",
        "L(q, θ) = E_q[log p(x, z)] + H(q) at x, in nats, with the model's own q(z|x).",
    ),
    (
        "gap",
        "KL(q‖p)",
        "log p(x) − ELBO: how far q(z|x) is from the true posterior p(z|x), in nats; zero where q is exact.",
    ),
]


TIPS = {key: tip for key, _, tip in ROWS}


@dataclass(frozen=True, eq=False)
class Reading:
    """What a model says at once of one x (d,), and what that is called: the score, where it is exact, and the
    responsibilities (K,) of its components."""

    x: Array
    name: str
    score: Score | None
    responsibilities: Array | None


def read(model: Any, x: Array, name: str = "") -> Reading:
    """Ask a model about x (d,), which is called so. Of a point between the rows some have nothing to say: a
    model of binary pixels knows no grey ones."""
    try:
        return _read(model, x, name)
    except InputError:
        return Reading(x, name, None, None)


def _read(model: Any, x: Array, name: str) -> Reading:
    found = None
    if isinstance(model, LogProb):
        exact = LogLikelihood(model.log_prob(x[None]), np.zeros(1), "exact")
        bound = model.elbo(x[None]) if isinstance(model, HasElbo) else None
        elbo = None if bound is None else Estimate(float(bound.value[0]), 0.0, "in closed form")
        found = Score(x, model.stamp.step, elbo, exact)
    q = model.encode(x[None]) if isinstance(model, Encodes) else None
    return Reading(x, name, found, q.probs[0] if isinstance(q, Responsibilities) else None)


class Bars(QWidget):
    """Shares that sum to one, as bars in the components' colours with their numbers: of more than there is
    room for the largest, and the sum of the others."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.shares: Array | None = None
        self.setAccessibleName("Responsibilities")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        theme().changed.connect(self._retint)

    def set_shares(self, shares: Array | None) -> None:
        """Show (K,) shares; None for none."""
        changed = (shares is None) != (self.shares is None) or (
            shares is not None and self.shares is not None and len(shares) != len(self.shares)
        )
        self.shares = shares
        if changed:
            self.updateGeometry()
        self.update()

    def _retint(self) -> None:
        self.update()

    def _high(self, rows: int) -> QSize:
        return QSize(0, rows * (BAR + GAP))

    def sizeHint(self) -> QSize:
        return self._high(0 if self.shares is None else len(self.shares))

    def minimumSizeHint(self) -> QSize:
        return self._high(0 if self.shares is None else min(len(self.shares), LEAST_BARS))

    def shown(self) -> tuple[Array, int]:
        """Which components have a bar, in their order, and how many others there are."""
        count = 0 if self.shares is None else len(self.shares)
        room = max(self.height() // (BAR + GAP), 1)
        if self.shares is None or count <= room:
            return np.arange(count), 0
        most = np.sort(np.argsort(-self.shares, kind="stable")[: room - 1])
        return most, count - len(most)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.shares is None:
            return
        tokens, painter = theme().tokens, QPainter(self)
        which, others = self.shown()
        name, number = 28, 44
        room = max(self.width() - name - number, 10)
        left = Qt.AlignmentFlag.AlignVCenter
        right = left | Qt.AlignmentFlag.AlignRight
        for row, k in enumerate(which):
            y, share = row * (BAR + GAP), float(self.shares[k])
            painter.setPen(QColor(tokens.muted))
            painter.drawText(0, y, name, BAR, left, str(k + 1))
            painter.fillRect(name, y, room, BAR, QColor(tokens.track))
            painter.fillRect(name, y, round(room * share), BAR, QColor(tokens.label(int(k))))
            painter.setPen(QColor(tokens.text))
            painter.drawText(name + room, y, number, BAR, right, f"{share:.3f}")
        if others:
            y, share = len(which) * (BAR + GAP), max(1.0 - float(self.shares[which].sum()), 0.0)
            painter.setPen(QColor(tokens.muted))
            painter.drawText(0, y, name + room, BAR, left, f"{others} others")
            painter.drawText(name + room, y, number, BAR, right, f"{share:.3f}")
        painter.end()


class PlacePanel(QWidget):
    """Follows the session's place in data space."""

    def __init__(self, session: Session, exploration: Exploration) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self.picture = ImageView(self, placeholder="Move the mouse over the plane", name="x as an image")
        self.picture.setMinimumHeight(96)
        self.picture.setMaximumHeight(220)
        self.picture.setToolTip(
            "What is under the cursor, as an image: a row of the data, or elsewhere the point of the plane."
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
        for widget in (self.columns, self.rows, self.title):
            widget.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
            layout.addWidget(widget)
        layout.addWidget(self.bars, 2)
        layout.addStretch(0)
        session.run_changed.connect(self._run_changed)
        self._scored: Array | None = None  # the x of which an estimate is on show
        self._pace = Pace(self._request_score, interval=0.5, duty=0.05, parent=self)
        session.model_changed.connect(self._model_changed)
        session.place_changed.connect(self._place_changed)

    def _run_changed(self, _: object) -> None:
        self._pace.reset()
        for slot in ("place", "place score"):
            self._exploration.cancel(slot)
        run, model = self._session.run, self._session.model
        if run is None or model is None:
            return
        info, names = run.info, column_names(run.info)
        self.picture.setVisible(info.image_shape is not None)
        self.picture.set_image(None)
        for i in range(SHOWN_COLUMNS):
            # through a plane of many dimensions the coordinates of x say little
            self.columns.set_row_visible(str(i), i < info.dim <= SHOWN_COLUMNS)
            self.columns.set_label(str(i), names[i] if i < info.dim else "")
            self.columns.set(str(i), None)
        self.columns.setVisible(info.dim <= SHOWN_COLUMNS)
        self.rows.set_row_visible("what", info.dim > 2)  # where there are data off the plane
        for key, *_ in ROWS:
            self.rows.set(key, None)
        self.rows.set_label("log_p", "log p(x)")  # by which estimator is not known yet
        self.rows.set_row_visible("log_p", has_log_likelihood(model))
        for key in ("elbo", "gap"):  # a flow has no bound
            self.rows.set_row_visible(key, isinstance(model, HasElbo))
        self.title.setVisible(isinstance(model, Encodes) and not model.latent_dim)
        self.bars.set_shares(None)

    def _model_changed(self, _: object) -> None:
        self._ask()
        self._pace.poke()

    def _place_changed(self, _: object) -> None:
        self._ask()
        self._pace.renew()

    def _asked(self) -> tuple[Any, Array] | None:
        """Which model is asked about which x; None where there is nothing to ask, or nobody looks."""
        model, x = self._session.model, self._session.place
        if model is None or x is None or len(x) != model.info.dim or not self.isVisible():
            return None
        return model, x

    def _ask(self) -> None:
        asked, name = self._asked(), self._session.place_name
        if asked is None:
            return
        model, x = asked
        self._exploration.request(
            "place",
            Priority.HOVER,
            lambda: read(model, x, name),
            self._show,
            doing="evaluate the point",
            overtaken=True,
        )

    def _request_score(self) -> bool:
        """What takes an estimate comes when the hand rests."""
        asked = self._asked()
        if asked is None or isinstance(asked[0], LogProb) or not has_log_likelihood(asked[0]):
            return False
        model, x = asked
        self._exploration.request(
            "place score",
            Priority.EVALUATION,
            lambda: score(model, x),
            self._show_score,
            doing="evaluate the point",
            ended=self._pace.done,
        )
        return True

    def _show_score(self, found: Score) -> None:
        if found.x is self._session.place:
            self._scored = found.x
            show_score(self.rows, TIPS, found)

    def _show(self, reading: Reading) -> None:
        run = self._session.run
        if run is None or len(reading.x) != run.info.dim:
            return
        if run.info.image_shape is not None:
            self.picture.set_image(normalise(reading.x[None], run.info)[0])
        for i, value in enumerate(reading.x[:SHOWN_COLUMNS]):
            self.columns.set(str(i), format_number(float(value), 2))
        self.rows.set("what", reading.name or "on the plane")
        if reading.score is not None:
            show_score(self.rows, TIPS, reading.score)
        elif reading.x is not self._scored or isinstance(self._session.model, LogProb):
            for key in ("log_p", "elbo", "gap"):  # until a score of it comes, if one does
                self.rows.set(key, None)
        self.bars.set_shares(
            None if reading.responsibilities is None else np.asarray(reading.responsibilities)
        )

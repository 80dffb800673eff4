"""Bayes in numbers: the evidence from both sides, MAP, ML and posterior mean; and the evidence's curve."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from backends.capabilities import Bayesian, Regresses
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plots.curves import CurvePlot, Mark, Points, Series
from explorer.session import Session
from explorer.studies.posterior import Estimates, estimates
from explorer.widgets.card import section_title
from explorer.widgets.table import ValueTable
from explorer.widgets.values import ValueRows, format_number

ROWS = (
    ("rows", "Rows seen", "n: those of the data that have arrived, and those given by hand."),
    (
        "evidence",
        "Evidence log p(X)",
        "log p(X) = log ∫ p(X|θ) p(θ) dθ, of all rows seen, in nats: in closed form.",
    ),
    (
        "total",
        "Σ log p(xₙ|x₁…xₙ₋₁)",
        "The log-predictive of each row given those before it, summed as they arrived, in nats. By the chain "
        "rule it is log p(X): the two are computed apart, and agree.",
    ),
    (
        "newest",
        "Newest row",
        "log p(xₙ|x₁…xₙ₋₁) of the newest row, in nats: the model's forecast, made before it was seen.",
    ),
)
COLUMNS = (
    ("MAP", "argmax p(θ|X). {modes}"),
    ("ML", "argmax p(X|θ); – where no single θ is best, as with too few rows."),
    ("Mean", "E[θ|X] = ∫ θ p(θ|X) dθ, the posterior mean."),
)


class EstimatesPanel(QWidget):
    """Follows the session's model; what depends on the rows is computed in exploration."""

    def __init__(self, session: Session, exploration: Exploration) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self.rows = ValueRows(ROWS, self)
        self.table = ValueTable([name for name, _ in COLUMNS], self)
        scroll = QScrollArea(self)
        scroll.setWidgetResizable(True)
        scroll.setWidget(self.table)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.rows)
        layout.addSpacing(4)
        layout.addWidget(section_title("Estimates", self))
        layout.addWidget(scroll, 1)
        self._pace = Pace(self._request, interval=0.05, duty=0.2, parent=self)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)

    def _run_changed(self, _: object) -> None:
        self._exploration.cancel("estimates")
        self._pace.reset()
        model = self._session.model
        if not isinstance(model, Bayesian):
            return
        of = "p(Y|x)" if isinstance(model, Regresses) else "p(X)"
        self.rows.set_label("evidence", f"Evidence log {of}")
        names = ", ".join(axis.name for axis in model.theta_axes[:3])
        many = ", …" if len(model.theta_axes) > 3 else ""
        modes = (
            f"The mode of a density depends on its coordinates: this is that of ({names}{many}). The density "
            "of 1/σ² in place of σ, say, has its mode elsewhere."
        )
        for column, (_, tip) in enumerate(COLUMNS):
            self.table.set_tooltip(column, tip.format(modes=modes))

    def _model_changed(self, _: object) -> None:
        self._pace.poke()

    def _request(self) -> bool:
        model, curves = self._session.model, self._session.curves
        if not isinstance(model, Bayesian) or curves is None:
            return False
        self._exploration.request(
            "estimates",
            Priority.FIELD,
            lambda: estimates(model, curves),
            self._show,
            doing="compute the evidence",
            ended=self._pace.done,
        )
        return True

    def _show(self, e: Estimates) -> None:
        self.rows.set("rows", format_number(e.rows))
        self.rows.set("evidence", format_number(e.log_evidence, 4))
        self.rows.set("total", format_number(e.total, 4))
        self.rows.set("newest", format_number(e.newest, 4))
        several = [e.best, np.full(len(e.best), np.nan) if e.likeliest is None else e.likeliest, e.mean]
        cells = [[in_digits(float(v)) for v in row] for row in np.stack(several, 1)]
        self.table.set_rows(list(zip(e.names, cells, strict=True)))


def in_digits(x: float) -> str:
    """A number in so many digits that three columns of them fit."""
    size = abs(x)
    if 0 < size < 1e-3 or size >= 1e7:
        return format_number(x, 1)  # "1.2e−05"
    return format_number(x, 0 if size >= 1e4 else 1 if size >= 100 else 2 if size >= 10 else 3)


class EvidencePanel(QWidget):
    """log p(X) of the rows so far, as they come."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.plot = CurvePlot(self, placeholder="Train, and the evidence of each row appears here")
        self.plot.set_series((Series("log_evidence", "log p(X)", 0, markers=True),))
        self.plot.setToolTip(
            "log p(x₁ … xₙ) after each row n, in nats; before the first it is log 1 = 0.\n"
            "A ring is where an earlier row is looked at."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self._pace = Pace(self._draw, interval=0.1, duty=0.2, parent=self)
        session.run_changed.connect(self._run_changed)
        session.moment_changed.connect(self._moment)
        session.model_changed.connect(self._moment)

    def _run_changed(self, _: Any) -> None:
        self.plot.fit()
        self._pace.renew()

    def _moment(self, _: Any) -> None:
        self._pace.poke()

    def _draw(self) -> bool:
        curves = self._session.curves
        if curves is None or not isinstance(self._session.model, Bayesian):
            return False
        steps, values = curves.get("batch/log_evidence")
        if len(steps) and steps[0] == 1:
            steps, values = np.concatenate([[0], steps]), np.concatenate([[0.0], values])
        self.plot.set_points({"log_evidence": Points.of(steps, values)})
        past = self._session.past
        at = np.flatnonzero(steps == (-1 if past is None else past.stamp.step))
        self.plot.set_marks([Mark(float(steps[i]), float(values[i]), ring=True) for i in at])
        return False

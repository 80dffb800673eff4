"""Under the cursor of a flow: every term of log p(x) = log p(z) + log|det ∂z/∂x| at one point."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from backends.base import Array
from explorer.session import Session
from explorer.studies.flow import Passage, Travel, is_continuous
from explorer.widgets.card import section_title
from explorer.widgets.layer_bars import LayerBars
from explorer.widgets.values import ValueRows, format_number

ROWS = [
    ("x", "x", "The point of data space."),
    ("z", "z = f(x)", "Where the flow carries it."),
    ("log_base", "log p(z)", "The base density at z, in nats."),
    ("log_det", "log|det ∂z/∂x|", "How much the flow spreads out a small area around x, in nats."),
    ("log_p", "log p(x)", "log p(z) + log|det ∂z/∂x|, in nats, with respect to the data's units."),
    (
        "stretch",
        "stretch",
        "Singular values of ∂z/∂x: the half axes of the ellipse that a small circle around x becomes. By "
        "central differences; log|det ∂z/∂x| above is the model's own.",
    ),
    ("passes", "passes", ""),
]
PASSES = (
    "How often the networks are asked, one time after the other, for z from x (which the density takes) and "
    "for x from z (which a sample takes)."
)
EVALUATIONS = "Evaluations of the velocity field, from x to z and back."


class FlowPointPanel(QWidget):
    """Shows the session's passage."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.rows = ValueRows(ROWS, self)
        self.title = section_title("log|det| by layer", self)
        self.title.setToolTip(
            "What each layer adds to log|det ∂z/∂x| at the point, and as a line across each bar on average "
            "over the training rows. Their sum is the whole."
        )
        self.bars = LayerBars(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        self.rows.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        layout.addWidget(self.rows)
        layout.addWidget(self.title)
        layout.addWidget(self.bars, 1)
        session.passage_changed.connect(self._show)
        session.travel_changed.connect(self._travelled)

    def _show(self, found: Passage | None) -> None:
        shown: dict[str, str | None] = {key: None for key, *_ in ROWS if key != "passes"}
        if found is not None:
            for key, point in (("x", found.x), ("z", found.z)):
                shown[key] = ",  ".join(format_number(float(v), 2) for v in point)
            shown["log_base"] = format_number(found.log_base)
            shown["log_det"] = format_number(float(found.log_det[-1]))
            shown["log_p"] = format_number(found.log_prob)
            if np.isfinite(found.jacobian).all():
                values = np.linalg.svd(found.jacobian, compute_uv=False)
                shown["stretch"] = " × ".join(format_number(float(v), 2) for v in values)
        for key, text in shown.items():
            self.rows.set(key, text)
        self._draw_bars()

    def _travelled(self, found: Travel | None) -> None:
        model: Any = self._session.model
        if found is None:
            self.rows.set("passes", None)
        else:
            continuous = is_continuous(model)
            self.rows.set_label("passes", "evaluations" if continuous else "passes")
            self.rows.set_tooltip("passes", EVALUATIONS if continuous else PASSES)
            there, back = model.passes
            self.rows.set("passes", f"{there} there, {back} back")
            self.title.setText("log|det| along the way" if continuous else "log|det| by layer")
        self._draw_bars()

    def _draw_bars(self) -> None:
        passage, travel = self._session.passage, self._session.travel
        self.bars.show_bars(
            None if passage is None else each(passage.log_det),
            None if travel is None else each(travel.log_det),
        )


def each(log_det: Array) -> Array:
    """(T,) so far → (T − 1,) of each station."""
    return np.asarray(np.diff(log_det))

"""Which latent coordinate has found which of the factors that the data were made from."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from backends.base import Array
from backends.capabilities import has_latent_points
from backends.factors_found import BINS, explained_variance
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plane import subscript
from explorer.session import Session
from explorer.widgets.heat_table import HeatTable
from explorer.widgets.values import LiveLabel, format_number

MOST = 16  # coordinates that are shown: those of which most is explained


class FactorsPanel(QWidget):
    """Follows the encodings: of each coordinate the share of its variance that each factor explains."""

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self.table = HeatTable("Variance of latent coordinates explained by factors", self)
        self.note = LiveLabel(self)
        self.note.setToolTip(
            "ε² of each coordinate of the encodings: 1 minus the share of its variance that is left within "
            f"{BINS} bins of a factor (within each label), corrected for the number of bins (Kelley 1935). A "
            "coordinate that has found one factor and no other has one dark cell."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.note)
        self._pace = Pace(self._request, interval=0.3, duty=0.05, parent=self)
        session.run_changed.connect(self._run_changed)
        session.encodings_changed.connect(self._follow)

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """Data with known factors, and a model that places them in a latent space."""
        return run.data is not None and bool(run.data.info.factor_names) and has_latent_points(model)

    def _run_changed(self, _: object) -> None:
        self._pace.reset()
        self._exploration.cancel("factors")
        self.table.set_counts(np.zeros((0, 0), np.int64), (), ())
        self.note.setText("")
        self._follow()

    def _follow(self, *_: object) -> None:
        self._pace.poke()

    def _request(self) -> bool:
        known, data = self._session.encodings, self._session.data
        if known is None or data is None:
            return False
        split, rows = data.split(known.split), slice(None) if known.rows is None else known.rows
        if split.factors is None:
            return False
        factors, labels = split.factors, split.labels
        names = (*(("label",) if labels is not None else ()), *data.info.factor_names)
        self._exploration.request(
            "factors",
            Priority.EVALUATION,
            lambda: explained_variance(known.z, factors[rows], None if labels is None else labels[rows]),
            lambda shares: self._show(shares, names, len(known.z), known.step),
            doing="compare the encodings with the factors",
            ended=self._pace.done,
        )
        return True

    def _show(self, shares: Array, names: tuple[str, ...], n: int, step: int) -> None:
        most = np.sort(np.argsort(-shares.max(1, initial=0), kind="stable")[:MOST])
        self.table.set_shares(shares[most], [f"z{subscript(i + 1)}" for i in most], names)
        of = f" · {len(most)} of {len(shares)} coordinates" if len(most) < len(shares) else ""
        self.note.setText(f"variance explained, of {format_number(n)} rows · step {format_number(step)}{of}")

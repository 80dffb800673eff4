"""The eigenvalues of the data's covariance, and which of them the model takes for signal."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from backends.base import Array, Model
from backends.projections import left_out_variance, spectrum
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plots.curves import CurvePlot, Points, Series
from explorer.session import Session
from explorer.widgets.values import ValueRows, format_number

ROWS = [
    (
        "noise",
        "σ² of the model",
        "The noise variance: the same in every direction that the k factors do not explain.",
    ),
    (
        "left",
        "mean of the λ left out",
        "σ² at maximum likelihood: the mean of the d − k smallest eigenvalues (Tipping & Bishop 1999, eq. 8) "
        "of the covariance of the training rows with 1/n.",
    ),
    (
        "share",
        "variance along k directions",
        "Σ λ₁…λₖ / Σ λ: the share of the data's variance along the k principal directions.",
    ),
]


class SpectrumPanel(QWidget):
    """The data's spectrum, computed once a run, beside that of the model, which EM brings towards it."""

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self._eigenvalues: Array | None = None
        self.plot = CurvePlot(self, placeholder="Computing the eigenvalues…", digits=3, unit="eigenvalue")
        self.plot.setAccessibleName("Eigenvalues of the covariance")
        self.plot.set_series(
            [
                Series("model", "model", 1, markers=True),
                Series("data", "λ of the data", 0, markers=True),
            ]
        )
        self.rows = ValueRows(ROWS, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.plot, 1)
        layout.addWidget(self.rows)
        self._pace = Pace(self._draw, interval=0.1, duty=0.2, parent=self)
        self.plot.legend_changed.connect(lambda _: self.status.emit(self.plot.legend(values=False)))
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """A model C = WWᵀ + σ²I, with the data that it was fitted to."""
        return hasattr(model, "loadings") and run.data is not None and shared_noise(model) is not None

    def follow_link(self, key: str) -> None:
        """A click in the legend shows or hides a curve."""
        self.plot.toggle(key)

    def _run_changed(self, run: Any) -> None:
        self._eigenvalues = None
        self._exploration.cancel("spectrum")
        self._pace.reset()
        self.plot.set_points({"model": Points(), "data": Points()})
        self.plot.fit()
        for key, *_ in ROWS:
            self.rows.set(key, None)
        if run is not None and self.suits(run, self._session.model):
            x = run.data.train.x
            self._exploration.request(
                "spectrum",
                Priority.EVALUATION,
                lambda: spectrum(x),
                self._computed,
                doing="find the eigenvalues of the covariance",
            )

    def _computed(self, eigenvalues: Array) -> None:
        self._eigenvalues = eigenvalues
        self._draw()

    def _model_changed(self, _: object) -> None:
        self._pace.poke()

    def _draw(self) -> bool:
        model, known = self._session.model, self._eigenvalues
        noise = shared_noise(model)
        if noise is None or known is None or model is None or len(known) != model.info.dim:
            return False
        k, d = min(model.latent_dim, len(known)), len(known)
        which = np.arange(1, d + 1)
        self.plot.set_points(
            {"data": Points.of(which, known), "model": Points.of(which, model_spectrum(model, d))}
        )
        left = left_out_variance(known, k)
        total = float(known.sum())
        self.rows.set("noise", format_number(noise, 5))
        self.rows.set("left", format_number(left, 5))
        self.rows.set("share", f"{100 * known[:k].sum() / total:.1f} %" if total > 0 else None)
        return False


def shared_noise(model: Model | None) -> float | None:
    """σ² of a model whose noise is the same in every column; None for any other."""
    noise = getattr(model, "noise", None)
    return float(noise[0]) if noise is not None and np.ptp(noise) == 0 else None


def model_spectrum(model: Any, d: int) -> Array:
    """The eigenvalues of WWᵀ + σ²I, falling, (d,)."""
    own = np.full(d, float(model.noise[0]))
    _, std = model.principal_axes()
    own[: len(std)] = std**2
    return own

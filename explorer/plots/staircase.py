"""The staircase of EM: log-likelihood and bound after each half-step, the gap between them, and beside them
other runs from other seeds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from backends.base import Array
from backends.curves import Curves
from explorer.plots.curves import CurvePlot, Mark, Points, Series
from explorer.plots.series import stairs
from explorer.style.theme import font, theme
from explorer.widgets.values import format_number

HALF = 0.5  # iterations: what the stairs are as wide as
RECENT = 12  # iterations
LOG_LIKELIHOOD = Series("log_likelihood", "log p(x)", 0, tread=HALF)
ELBO = Series("elbo", "ELBO", 1, tread=HALF)
TERMS = (
    Series("expected_log_joint", "E_q[log p(x,z)]", 4, tread=HALF),
    Series("entropy", "H(q)", 2, tread=HALF),
    Series("reconstruction", "E_q[log p(x|z)]", 4, tread=HALF),
    Series("kl_prior", "KL(q‖p(z))", 7, tread=HALF),
    Series("log_posterior", "log p(x,θ)", 3, tread=HALF),
)


class Staircase(CurvePlot):
    """A step is an iteration: an E-step ends at its half, an M-step at its end, and what they leave holds
    until the next.

    seed_chosen carries the seed of another run, whose curve was clicked.
    """

    seed_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._recent = False
        self._others: dict[int, pg.PlotCurveItem] = {}
        self._chosen: int | None = None
        self._end: tuple[float, float] | None = None  # iteration and value that the chosen one came to
        self._stale = False
        super().__init__(
            parent,
            placeholder="Play, or make half a step, and the stairs of EM appear here",
            digits=4,
            unit="iteration",
        )
        self.setAccessibleName("Log-likelihood and ELBO after each half-step of EM")
        self._name = pg.TextItem(anchor=(1, -0.1))
        self._name.setFont(font(12))
        self._item.addItem(self._name, ignoreBounds=True)
        self._tint_others()
        theme().changed.connect(self._tint_others)

    def set_halves(self, curves: Curves, terms: bool) -> None:
        """What a run measured after each half-step; of the terms of the bound those that there are."""
        found = (one for one in TERMS if terms and len(curves.get(f"half/{one.key}")[0]))
        series = (LOG_LIKELIHOOD, ELBO, *found)
        if [one.key for one in series] != list(self._curves):
            self.set_gap(None)
            self.set_series(series)
            self.set_gap("log_likelihood", "elbo", "KL(q‖p(z|x))")
        measured = {one.key: curves.get(f"half/{one.key}") for one in series}
        self.set_points({key: Points.of(made * HALF, values) for key, (made, values) in measured.items()})

    @property
    def terms(self) -> list[str]:
        """The keys of the terms on show."""
        return [key for key in self._curves if key not in ("log_likelihood", "elbo")]

    def set_recent(self, recent: bool) -> None:
        """Follow the last iterations alone, or all of them."""
        self._recent = recent
        self.fit()

    def set_moment(self, iteration: float | None, stale: bool = False) -> None:
        """Mark the iteration that is looked back at, of which the legend then tells; None: it is the newest.

        stale: no half-step has been made with the newest parameters, so the legend has no values of them.
        """
        if stale != self._stale:
            self._stale = stale
            self._changed()
        super().set_moment(iteration)

    def set_others(self, others: Mapping[int, Array], chosen: int | None) -> None:
        """The log-likelihoods (t + 1,) after 0 … t iterations of other runs, by their seeds; one marked."""
        for item in self._others.values():
            self._item.removeItem(item)
        self._others, self._chosen = {}, chosen
        for seed, values in others.items():
            item = pg.PlotCurveItem(*stairs(np.arange(len(values)), values, 1.0), antialias=True)
            item.setClickable(True, 9)
            item.sigClicked.connect(lambda *_, seed=seed: self.seed_chosen.emit(seed))
            self._item.addItem(item, ignoreBounds=True)
            self._others[seed] = item
        end = None if chosen is None else others.get(chosen)
        self._end = None if end is None else (len(end) - 1, float(end[-1]))
        self._tint_others()
        self._changed()

    # -- inside --------------------------------------------------------------------------------

    def _told(self, steps: Array, values: Array) -> float | None:
        return None if self._stale and self._at is None else super()._told(steps, values)

    def _when(self, step: float) -> str:
        whole = int(np.ceil(step))
        return f"iteration&nbsp;{whole}, after its {'M' if whole == step else 'E'}-step"

    def _to_fit(self) -> list[Points]:
        lines = [stairs(p.steps, p.values, HALF) for p in super()._to_fit()]
        lines += [item.getData() for item in self._others.values()]
        if self._recent and lines:
            first = max(x[-1] for x, _ in lines[:1]) - RECENT
            lines = [(x[x >= first], y[x >= first]) for x, y in lines]
        return [Points.of(x, y) for x, y in lines if len(x)]

    def _tint_others(self) -> None:
        tokens, ratio = theme().tokens, self.devicePixelRatioF()
        for seed, item in self._others.items():
            colour = tokens.text if seed == self._chosen else tokens.border_strong
            item.setPen(pg.mkPen(colour, width=ratio))
            item.setZValue(-1 if seed == self._chosen else -2)
        self._name.setVisible(self._end is not None)
        if self._end is None:
            self.set_marks(())
        else:
            self.set_marks([Mark(*self._end, tokens.text)])
            self._name.setText(f"seed {self._chosen}  {format_number(self._end[1], 4)}", tokens.text)
            self._name.setPos(*self._end)

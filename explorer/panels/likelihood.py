"""How far a flow is from the best that any model could do: −log p(x) against the entropy of the data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from backends.capabilities import Bijects
from backends.data import known_density
from backends.flow_terms import on_grid
from explorer.actions import Actions
from explorer.compute import Exploration
from explorer.pace import Pace
from explorer.plots.curves import CurvePlot, Points, Series
from explorer.plots.legend import told_of
from explorer.session import Session
from explorer.widgets.switch import Switch

ENTROPY = Series("entropy", "entropy H", 7, dashed=True, width=1)
HELD_OUT = Series("test", "held out", 0)
SHOWN = {
    "likelihood": (
        "−log p(x) · nats",
        "E[−log p(x)]. No model gets below the entropy H of what the data were drawn from: it is "
        "H + KL(π‖p). Where their density π is known it is H plus the mean over the rows of "
        "log π(x) − log p(x), which is far less noisy than the mean of −log p(x); the band is ± its standard "
        "error.",
        (HELD_OUT, Series("train", "training", 2), ENTROPY),
    ),
    "bits": (
        "Bits per dimension",
        "−log₂ P(x) of a picture over the number of its values. P(x) = ∫ p(x + u) du over the cell of x; "
        "what is shown is the bound that E[log p(x + u)], u uniform in the cell, gives (Theis et al. 2016).",
        (Series("test_bits", "bits, held out", 0), Series("train_bits", "bits, training", 2)),
    ),
    "terms": (
        "Terms · nats",
        "The two terms of log p(x) = log p(z) + log|det ∂z/∂x|, means over the held-out rows.",
        (Series("log_base", "log p(z)", 3), Series("log_det", "log|det ∂z/∂x|", 4)),
    ),
    "evaluations": (
        "Evaluations",
        "How often a training step evaluates the velocity field (NFE): that of flow matching does it once.",
        (Series("nfe", "evaluations a step", 5),),
    ),
}
#: What only some runs have, and the curve by which it is known.
SOME = {"bits": "test/bits_per_dim", "evaluations": "batch/nfe"}
BOUND = (
    "Bound on −log P(x) · nats",
    "The mean over the rows of −E[log p(x + u)], u uniform in the cell of x: no less than −log P(x) "
    "with P(x) = ∫ p(x + u) du (Theis et al. 2016).",
)


class LikelihoodPanel(QWidget):
    """Curves of the open run, which is of a flow."""

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session = session
        self.plot = CurvePlot(self, placeholder="Train, and −log p(x) appears here", digits=3)
        self._series: tuple[Series, ...] = ()
        self._there: list[str] = []
        self.switch = Switch([(name, text, tip) for name, (text, tip, _) in SHOWN.items()], self)
        row = QHBoxLayout()
        row.addWidget(self.switch)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.plot, 1)
        layout.addLayout(row)
        self._pace = Pace(self._redraw, interval=0.2, duty=0.2, parent=self)
        self.switch.chosen.connect(self._choose)
        self.plot.legend_changed.connect(self._tell)
        session.curves_changed.connect(self._curves_changed)
        session.moment_changed.connect(self._curves_changed)
        session.model_changed.connect(self._model_changed)
        session.run_changed.connect(self._run_changed)
        session.changed.connect(self._state_changed)

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """A flow."""
        return isinstance(model, Bijects)

    def follow_link(self, key: str) -> None:
        """A click in the legend shows or hides a curve."""
        self.plot.toggle(key)

    def _choose(self, name: str) -> None:
        state = self._session.state
        self._session.apply(replace(state, flow=replace(state.flow, curves=name)), "choose the curves")

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.flow.curves != new.flow.curves:
            self._show()

    def _run_changed(self, _: object) -> None:
        self._pace.reset()
        if self.suits(self._session.run, self._session.model):
            self._show()
            self.plot.fit()

    def _model_changed(self, _: object) -> None:
        past = self._session.past
        self.plot.set_moment(None if past is None else past.stamp.step)
        self._tell(self.plot.legend())

    def _tell(self, legend: str) -> None:
        """The legend; of a moment that is looked back at with the step of the evaluation before it."""
        curves, past, when = self._session.curves, self._session.past, ""
        if curves is not None and past is not None and SHOWN["evaluations"][2] != self._series:
            when = told_of(curves.get("test/log_likelihood")[0], past.stamp.step)
        self.status.emit(when + legend)

    def _curves_changed(self, _: object) -> None:
        self._pace.poke()

    @property
    def entropy(self) -> float | None:
        """Of what the open run's data were drawn from, in nats, where it is known."""
        run = self._session.run
        density = None if run is None else known_density(run.info)
        return None if density is None else density.entropy

    def _some(self) -> list[str]:
        curves = self._session.curves
        some = [] if curves is None else [name for name, curve in SOME.items() if curve in curves.names()]
        return some if self.entropy is None else [*some, "entropy"]

    def _show(self) -> None:
        name = self._session.state.flow.curves
        self._there = self._some()
        for some in SOME:
            self.switch.buttons[some].setVisible(some in self._there)
        if name in SOME and name not in self._there:
            name = "likelihood"
        run = self._session.run
        text, tip = BOUND if run is not None and on_grid(run.info) else SHOWN["likelihood"][:2]
        self.switch.buttons["likelihood"].setText(text)
        self.switch.buttons["likelihood"].setToolTip(tip)
        self.switch.show_choice(name)
        series = SHOWN[name][2]
        if "entropy" not in self._there:
            series = tuple(s for s in series if s is not ENTROPY)
        self._series = series
        self.plot.set_gap(None)
        self.plot.set_series(series)
        if ENTROPY in series:
            self.plot.set_gap("test", "entropy", "KL(π‖p)")
        self._redraw()

    def _redraw(self) -> bool:
        curves = self._session.curves
        if curves is None or not self.suits(self._session.run, self._session.model):
            return False
        if self._some() != self._there:  # the first of these curves have come, or the run is another
            self._show()
            return False
        points, entropy = {}, self.entropy
        for split in ("test", "train"):
            if entropy is not None and f"{split}/gap" in curves.names():
                steps, gap = curves.get(f"{split}/gap")
                error = curves.get(f"{split}/gap/stderr")[1]
                points[split] = Points.of(steps, entropy + gap, entropy + gap - error, entropy + gap + error)
            else:
                steps, values = curves.get(f"{split}/log_likelihood")
                points[split] = Points.of(steps, -values)
            points[f"{split}_bits"] = Points.of(*curves.get(f"{split}/bits_per_dim"))
        for name in ("log_base", "log_det"):
            points[name] = Points.of(*curves.get(f"test/{name}"))
        points["nfe"] = Points.of(*curves.get("batch/nfe"))
        steps, _ = curves.get("test/log_likelihood")
        if entropy is not None:
            points["entropy"] = Points.of(steps, np.full(len(steps), entropy))
        self.plot.set_points({series.key: points[series.key] for series in self._series})
        return False

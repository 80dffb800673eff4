"""What Bayes predicts of the next row, beside the plug-in; a click gives a row by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QPushButton, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from backends.base import Array
from backends.capabilities import Bayesian, Regresses
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plots.densities import DensityPlot
from explorer.plots.flips import FlipsPlot
from explorer.plots.regression import RegressionPlot, frame_of
from explorer.plots.series import Series
from explorer.session import Session
from explorer.studies.posterior import (
    MOST_ROWS,
    LinePrediction,
    PlanePrediction,
    Seen,
    is_coin,
    predict_line,
    predict_plane,
    seen_by,
)
from explorer.style.theme import theme
from explorer.widgets.form import Choice
from explorer.widgets.pages import show_page
from explorer.widgets.values import LiveLabel, format_number
from explorer.widgets.wrapping import Wrapping

SERIES = (
    Series("predictive", "p(x|X)", 0),
    Series("plug_in", "p(x|θ_MAP)", 1, dashed=True, width=1.5),
)
PACES = ((1, "1 row a second"), (10, "10 rows a second"), (0, "full speed"))
TIP = (
    "p(x|X) = ∫ p(x|θ) p(θ|X) dθ, the posterior predictive, is exact; the plug-in p(x|θ_MAP) takes the most "
    "probable θ for the truth, and so leaves out how uncertain θ is."
)
HINT = "Click to add a row"
UNDO = "Ctrl+Z takes back what was given by hand, until training goes on."
POINTS = 300  # across the picture


class PredictivePanel(QWidget):
    """The canvas of a Bayesian model: two bars for a coin, a density for one column, a band for a
    regression."""

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._exploration, self._actions = session, exploration, actions
        self._framed = False
        self._under: float | None = None
        self.flips = FlipsPlot(("tails", "heads"), self)
        self.line = DensityPlot("Prediction", SERIES, self)
        self.plane = RegressionPlot("Prediction and rows", self)
        self._shown: FlipsPlot | DensityPlot | RegressionPlot = self.flips
        self._stack = QStackedLayout()
        for picture in (self.flips, self.line, self.plane):
            picture.setToolTip(TIP)
            self._stack.addWidget(picture)
        self.hint = LiveLabel(self)
        self.hint.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.hint.setToolTip(UNDO)
        self.flip = tuple(QPushButton(name.capitalize(), self) for name in self.flips.names)
        for value, button in enumerate(self.flip):
            button.setToolTip(f"A flip that shows {self.flips.names[value]}, {value}. {UNDO}")
            button.setProperty("value", value)
            button.clicked.connect(self._flipped)
        self.blank = QPushButton("Begin without rows", self)
        self.blank.setToolTip("Begin anew from the prior, with no rows but those that you give by hand")
        self.blank.clicked.connect(actions.begin_without_rows)
        self.pace = Choice(self)
        self.pace.setAccessibleName("Pace")
        self.pace.setToolTip("How fast rows arrive while it trains")
        self.pace.setFixedWidth(168)
        for pace, text in PACES:
            self.pace.addItem(text, pace)
        row = Wrapping((*self.flip, self.hint, self.blank, self.pace), gap=8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._stack, 1)
        layout.addLayout(row)

        self._pace = Pace(self._request, interval=0.03, duty=0.3, parent=self)
        for canvas in (self.line, self.plane):
            canvas.viewed.connect(self._pace.renew)
            canvas.clicked.connect(self._clicked)
            canvas.moved.connect(self._moved)
        self.pace.activated.connect(self._pace_chosen)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.changed.connect(self._state_changed)
        theme().changed.connect(self._legend)
        self._show_pace()

    @staticmethod
    def suits(model: Any) -> bool:
        """Whether there is a picture of what this model predicts."""
        return isinstance(model, Bayesian) and (isinstance(model, Regresses) or model.info.dim == 1)

    @property
    def canvas(self) -> FlipsPlot | DensityPlot | RegressionPlot:
        """The picture that is shown."""
        return self._shown

    def reset_view(self) -> None:
        """The standard view: the rows of the data, and what is predicted around them."""
        run, shown = self._session.run, self._shown
        if run is None or shown is self.flips:
            return
        self._framed = False
        x = self._some()[:, 0]
        if len(x):
            low, high = float(x.min()), float(x.max())
        else:
            values = run.values  # a regression says where its inputs are expected
            low, high = (
                float(values.get(k, v)) for k, v in zip(("low", "high"), run.info.display, strict=True)
            )
        room = (0.04 if shown is self.plane else 0.3) * (high - low) or 1.0
        low, high = low - room, high + room
        if shown is self.plane:
            self.plane.box.setXRange(low, high, padding=0)
        else:
            self.line.set_range(low, high)
        self._pace.renew()

    def _some(self) -> Array:
        """Some of the data's rows, those to come included: enough to know where they lie."""
        data, run = self._session.data, self._session.run
        if data is None or run is None:
            return np.zeros((0, 1 if run is None else run.info.dim), np.float32)
        return data.train.x[:: max(len(data.train) // MOST_ROWS, 1)]

    # -- hands ---------------------------------------------------------------------------------

    def _flipped(self) -> None:
        value = self.sender().property("value")
        self._actions.given.give(np.array([[value]], np.float32))

    def _clicked(self, click: tuple[tuple[float, float], int]) -> None:
        at, model = click[0], self._session.model
        if model is not None:
            self._actions.given.give(np.array([at[: model.info.dim]], np.float32))

    # -- pace ----------------------------------------------------------------------------------

    def _pace_chosen(self, index: int) -> None:
        state = self._session.state
        bayes = replace(state.bayes, pace=self.pace.itemData(index))
        self._session.apply(replace(state, bayes=bayes), "choose the pace")

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.bayes.pace != new.bayes.pace:
            self._show_pace()

    def _show_pace(self) -> None:
        pace = self._session.state.bayes.pace
        with QSignalBlocker(self.pace):
            self.pace.setCurrentIndex(self.pace.findData(pace))

    # -- what is shown -------------------------------------------------------------------------

    def _run_changed(self, run: Any) -> None:
        for slot in ("predictive", "predicted"):
            self._exploration.cancel(slot)
        self._pace.reset()
        model: Any = self._session.model
        if run is None or not self.suits(model):
            return
        coin = is_coin(model)
        self._shown = self.flips if coin else self.plane if isinstance(model, Regresses) else self.line
        show_page(self._stack, self._shown, self._shown)
        for button in self.flip:
            button.setVisible(coin)
        self._under = None
        self.hint.setText("" if coin else HINT)
        names = (*run.info.columns, "x", "y")
        self.line.setLabel("bottom", names[0])
        self.plane.setLabel("bottom", names[0])
        self.plane.setLabel("left", names[1])
        self._legend()
        self.reset_view()

    def _model_changed(self, model: Any) -> None:
        if self.suits(model):
            self._pace.poke()

    def _request(self) -> bool:
        model: Any = self._session.model
        shown = self._shown
        if not self.suits(model):
            return False
        if isinstance(shown, FlipsPlot):
            x = np.array([0.0, 1.0])
        else:
            view = shown.view()
            x = np.linspace(view.x0, view.x1, POINTS)

        def work() -> tuple[Seen, LinePrediction | PlanePrediction]:
            predict = predict_plane if shown is self.plane else predict_line
            return seen_by(model), predict(model, x)

        self._exploration.request(
            "predictive", Priority.FIELD, work, self._show, doing="draw predictions", ended=self._pace.done
        )
        return True

    def _show(self, result: tuple[Seen, LinePrediction | PlanePrediction]) -> None:
        seen, p = result
        self._legend()
        self._predict()
        if isinstance(p, PlanePrediction):
            self.plane.set_rows(seen.rows)
            self.plane.set_prediction(p)
            if not self._framed:
                self._framed = True
                self.plane.box.setYRange(*frame_of(np.concatenate([seen.rows, self._some()]), p), padding=0)
        elif self._shown is self.flips:
            self.flips.set_rows(seen.rows[:, 0], (seen.count - seen.ones, seen.ones))
            self.flips.set_prediction(p.predictive, p.plug_in)
        else:
            self.line.set_rows(seen.rows[:, 0])
            self.line.set_curves(p.x, {"predictive": p.predictive, "plug_in": p.plug_in})

    # -- under the cursor ------------------------------------------------------------------------

    def _moved(self, move: tuple[tuple[float, float], int]) -> None:
        self._under = move[0][0]
        self._predict()

    def _predict(self) -> None:
        """What is predicted under the cursor, or where it was last, by the model of the moment."""
        model: Any = self._session.model
        if self._under is None or not self.suits(model):
            return
        x = np.array([self._under])
        plane = isinstance(model, Regresses)
        self._exploration.request(
            "predicted",
            Priority.HOVER,
            lambda: predict_plane(model, x) if plane else predict_line(model, x),
            self._read,
            doing="predict the point",
        )

    def _read(self, p: LinePrediction | PlanePrediction) -> None:
        at = format_number(float(p.x[0]), 2)
        if isinstance(p, PlanePrediction):
            ours, plug_in = (
                f"{format_number(float(mean[0]), 2)} ± {format_number(2 * float(std[0]), 2)}"
                for mean, std in ((p.mean, p.std), (p.plug_in_mean, p.plug_in_std))
            )
        else:
            ours, plug_in = (density(float(v[0])) for v in (p.predictive, p.plug_in))
        self.hint.setText(f"At {at}: {ours}, plug-in {plug_in}")

    def _legend(self) -> None:
        self.status.emit(self._shown.legend())


def density(p: float) -> str:
    """In so many digits that two of them fit."""
    return format_number(p, 3 if p == 0 or p >= 1e-3 else 1)

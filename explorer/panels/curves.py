"""The curves: ELBO against log-likelihood, the gap between them, and the ELBO's terms, while it trains."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from backends.base import Estimate, Model
from backends.capabilities import Encodes, HasElbo, HasPrior, LogJoint, has_log_likelihood
from backends.curves import Curves
from explorer.pace import Pace
from explorer.plots.curves import CurvePlot, Points, Series
from explorer.plots.legend import told_of
from explorer.session import Session
from explorer.studies.look import short
from explorer.widgets.switch import Switch

SPLITS = (
    ("test", "Held out", "Curves over the held-out rows"),
    ("train", "Training", "Curves over the training rows"),
)
MAIN = (Series("log_likelihood", "log p(x)", 0), Series("elbo", "ELBO", 1))
ROWS = Series("batch", "log p of each row, given those before", 0, markers=True)  # where there is no other
EXTRA = {
    "iwae": (
        Series("iwae_50", "IWAE-50", 2, dashed=True, width=1),
        Series("iwae_5", "IWAE-5", 5, dashed=True, width=1),
        Series("iwae_1", "IWAE-1", 3, dashed=True, width=1),
    ),
    "terms": (Series("reconstruction", "E_q[log p(x|z)]", 4), Series("kl_prior", "KL(q‖p(z))", 7)),
    "batches": (Series("batch", "batches", 6, width=1),),
}
TOGGLES = {
    "iwae": (
        "IWAE",
        "The importance-weighted bounds with 1, 5 and 50 samples (Burda et al. 2016): "
        "they rise from the ELBO towards log p(x).",
    ),
    "terms": (
        "Terms",
        "The two terms of the ELBO: E_q[log p(x|z)], and KL(q(z|x)‖p(z)), which is taken off.",
    ),
    "batches": (
        "Batches",
        "What every training batch gave (for a VAE the ELBO, one draw of z a row and the encoder's dropout "
        "on, which lowers it): as noisy as training sees it, and of training rows whichever split is shown.",
    ),
}


NAMES = {
    "elbo": "ELBO",
    "reconstruction": "E_q[log p(x|z)]",
    "kl_prior": "KL(q‖p(z))",
    "log_likelihood": "log p(x)",
}

NEWEST = re.compile(r" \d+²|;| \(")  # from here on a method tells of the very evaluation


class CurvesPanel(QWidget):
    """Draws the open run's curves for one split; a click in the legend shows or hides one."""

    status = Signal(object)
    explained = Signal(object)  # the formulas and estimators behind the legend

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.plot = CurvePlot(self, placeholder="Train, and ELBO and log-likelihood appear here")
        self._series: tuple[Series, ...] = ()
        self._named: tuple[Series, ...] = ()
        self._log_p_label = ""
        self._past: Any = None  # the moment that is looked back at, of which the legend tells

        self.split = Switch(SPLITS, self)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.split)
        self.toggles: dict[str, QCheckBox] = {}
        for name, (title, tip) in TOGGLES.items():
            box = self.toggles[name] = QCheckBox(title, self)
            box.setObjectName(name)
            box.setToolTip(tip)
            box.toggled.connect(self._toggled)
            row.addSpacing(4)
            row.addWidget(box)
        self.extra = QLabel(self)
        self.extra.setProperty("role", "muted")
        self.extra.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.extra.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        row.addWidget(self.extra, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.plot, 1)
        layout.addLayout(row)

        self._pace = Pace(self._redraw, interval=0.2, duty=0.2, parent=self)
        self.split.chosen.connect(self._choose_split)
        self.extra.linkActivated.connect(self.plot.toggle)
        self.plot.legend_changed.connect(self._legend_changed)
        session.curves_changed.connect(self._curves_changed)
        session.moment_changed.connect(self._moment)
        session.model_changed.connect(self._model_changed)
        session.run_changed.connect(self._run_changed)
        session.changed.connect(self._state_changed)
        self._show_state()

    def _choose_split(self, split: str) -> None:
        state = self._session.state
        curves = replace(state.curves, split=split)
        self._session.apply(replace(state, curves=curves), "choose the curves' split")

    def _toggled(self, on: bool) -> None:
        state, name = self._session.state, self.sender().objectName()
        curves = replace(state.curves, **{name: on})  # type: ignore[arg-type]  # a name of TOGGLES
        self._session.apply(replace(state, curves=curves), f"{'show' if on else 'hide'} {TOGGLES[name][0]}")

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.curves != new.curves:
            self._show_state()

    def _show_state(self) -> None:
        spec = self._session.state.curves
        self.split.show_choice(spec.split)
        for name, box in self.toggles.items():
            with QSignalBlocker(box):
                box.setChecked(getattr(spec, name))
        lacks = lacking(self._session.model)
        main = tuple(series for series in MAIN if series.key not in lacks)
        if not main:
            main, lacks = (ROWS,), lacks | {"batches"}
        for name, box in self.toggles.items():
            box.setVisible(name not in lacks)
        self.split.setVisible(ROWS not in main)
        wanted = [several for name, several in EXTRA.items() if getattr(spec, name) and name not in lacks]
        self._series = (*main, *(series for several in wanted for series in several))
        self._name_series()
        self._redraw()

    def _estimates(self) -> dict[str, Estimate]:
        """What the newest evaluation told of the chosen split; of a moment that is looked back at, with the
        errors of then."""
        report, split, past = self._session.report, self._session.state.curves.split, self._session.past
        newest = {} if report is None else report.splits.get(split, {})
        curves = self._session.curves
        if past is None or curves is None:
            return dict(newest)
        then = {}
        for name, estimate in newest.items():
            stderr = last_until(curves, f"{split}/{name}/stderr", past.stamp.step)
            ess = last_until(curves, f"{split}/{name}/ess", past.stamp.step)
            if stderr is not None and (ess is None) == (estimate.ess is None):
                method = NEWEST.split(estimate.method)[0]
                then[name] = replace(estimate, stderr=stderr, method=method, ess=ess)
        return then

    def _label(self) -> str:
        """log p(x) says in the legend which estimator made it."""
        estimate = self._estimates().get("log_likelihood")
        return "log p(x)" if estimate is None else f"log p(x) {short(estimate)}"

    def _name_series(self) -> None:
        label = self._label()
        if label != self._log_p_label or self._series != self._named:
            self._log_p_label, self._named = label, self._series
            renamed = (replace(s, label=label) if s.key == "log_likelihood" else s for s in self._series)
            self.plot.set_gap(None)
            self.plot.set_series(tuple(renamed))
            if {"log_likelihood", "elbo"} <= {s.key for s in self._series}:
                self.plot.set_gap("log_likelihood", "elbo", "KL(q‖p(z|x))")

    def _run_changed(self, _: Any) -> None:
        self._show_state()
        self.plot.fit()
        self._pace.renew()

    def _curves_changed(self, _: Any) -> None:
        self._pace.poke()

    def _moment(self, _: Any) -> None:
        if any(series.key == "batch" for series in self._series):  # the only one that grows with every step
            self._pace.poke()

    def _model_changed(self, _: Any) -> None:
        past = self._session.past
        if past is not self._past:  # not each new moment of a training that is followed
            self._past = past
            self.plot.set_moment(None if past is None else past.stamp.step)
            if self._label() != self._log_p_label:
                self._redraw()
            self._legend_changed("")  # the step may be another, even where the values are the same
            self.explained.emit(self._explanation())

    def _legend_changed(self, _: str) -> None:
        """The two main curves beside the title, the others beside what switches them on."""
        main = [series.key for series in ((ROWS,) if ROWS in self._series else MAIN)]
        self.status.emit(f"{self._then(main)}{self.plot.legend(main)}")
        extra = [series.key for series in self._series if series.key not in main]
        evaluated, batches = ([key for key in extra if (key == "batch") is it] for it in (False, True))
        told = (self.plot.legend(evaluated), f"{self._then(batches)}{self.plot.legend(batches)}")
        self.extra.setText(" &nbsp; ".join(filter(None, told)))

    def _then(self, keys: Collection[str]) -> str:
        """The step that these curves' values are told of, where the moment that is looked back at is a later
        one: that of the evaluation before it, or of the last batch that is kept."""
        curves, past = self._session.curves, self._session.past
        if curves is None or past is None:
            return ""
        there = (steps for steps in (curves.get(self._name_of(key))[0] for key in keys) if len(steps))
        return next((told_of(steps, past.stamp.step) for steps in there), "")

    def _redraw(self) -> bool:
        curves = self._session.curves
        if curves is None:
            return False
        self._name_series()
        points = {}
        for series in self._series:
            name = self._name_of(series.key)
            steps, values = curves.get(name)
            _, errors = curves.get(f"{name}/stderr")
            known = len(errors) == len(values) and series.key != "batch"
            low, high = (values - errors, values + errors) if known else (None, None)
            points[series.key] = Points.of(steps, values, low, high)
        self.plot.set_points(points)
        self.explained.emit(self._explanation())
        return False

    def _name_of(self, key: str) -> str:
        """What the run calls the curve of a series."""
        curves = self._session.curves
        assert curves is not None
        return batch_curve(curves) if key == "batch" else f"{self._session.state.curves.split}/{key}"

    def _explanation(self) -> str:
        """What the numbers in the legend are, and which estimator made them."""
        lines = ["Nats a datum; a band is ± the estimator's standard error."]
        if "elbo" not in lacking(self._session.model):
            both = "ELBO = E_q[log p(x|z)] − KL(q(z|x)‖p(z)), and log p(x) = ELBO + KL(q(z|x)‖p(z|x))."
            lines.insert(0, both)
        for name, estimate in self._estimates().items():
            lines.append(f"{NAMES.get(name, name)}: {estimate.method}, ± {estimate.stderr:.2g}")
        return "\n".join(lines)


def last_until(curves: Curves, name: str, step: int) -> float | None:
    """The value of a curve at that step, or the last one before it."""
    steps, values = curves.get(name)
    told = int(np.searchsorted(steps, step, side="right"))
    return float(values[told - 1]) if told else None


def lacking(model: Model | None) -> frozenset[str]:
    """The curves and groups of curves that a model cannot have."""
    if model is None:
        return frozenset()
    lacks = set()
    if not has_log_likelihood(model):
        lacks.add("log_likelihood")
    if not isinstance(model, HasElbo):
        lacks |= {"elbo", "terms"}
    if not all(isinstance(model, c) for c in (LogJoint, Encodes, HasPrior)) or not model.latent_dim:
        lacks.add("iwae")
    return frozenset(lacks)


def batch_curve(curves: Curves) -> str:
    """What a training step told of itself: the bound, or the nearest thing to it."""
    names = [f"batch/{name}" for name in ("elbo", "log_likelihood", "loss", "log_predictive")]
    return next((name for name in names if name in curves.names()), names[0])

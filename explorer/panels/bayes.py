"""Bayes for parameters: prior, likelihood and posterior of θ, as rows arrive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QStackedLayout, QVBoxLayout, QWidget

from backends.base import ThetaAxis
from backends.capabilities import Bayesian
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plots.densities import DensityPlot
from explorer.plots.marks import marks_legend
from explorer.plots.series import Series
from explorer.plots.theta import ThetaCanvas
from explorer.session import Session
from explorer.state import BayesSpec, apart
from explorer.studies.posterior import (
    CLOUD,
    ThetaCloud,
    ThetaFields,
    ThetaLines,
    theta_cloud,
    theta_fields,
    theta_lines,
)
from explorer.style.theme import theme
from explorer.training import Moment
from explorer.widgets.form import Choice
from explorer.widgets.scrubber import Scrubber
from explorer.widgets.values import format_number

NARROW = 560  # pixels, below which the row of choices is for these alone
SERIES = (
    Series("posterior", "posterior p(θ|X)", 0),
    Series("likelihood", "likelihood p(X|θ), scaled to area 1", 1, dashed=True),
    Series("prior", "prior p(θ)", 7),
)
FIELDS = {
    "prior": ("Prior p(θ)", "What was believed of θ before the first row."),
    "likelihood": (
        "Likelihood p(X|θ)",
        "How probable the rows seen are under each θ. It is no density of θ; its colours are relative to its "
        "greatest value in view.",
    ),
    "posterior": (
        "Posterior p(θ|X)",
        "p(θ|X) = p(X|θ) p(θ)/p(X): prior times likelihood, scaled to integrate to one. The dots are θ drawn "
        "from it, those of the curves on the data.",
    ),
}


class BayesPanel(QWidget):
    """One parameter as curves, two as fields, two of more as a scatter of draws."""

    status = Signal(object)

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        return isinstance(model, Bayesian)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self._axes: tuple[ThetaAxis, ...] = ()
        self._wanted: int | None = None  # the number of rows of the moment that was asked for
        self.lines = DensityPlot("Densities of the parameter", SERIES, self)
        self.fields = {name: ThetaCanvas(title, self) for name, (title, _) in FIELDS.items()}
        self.cloud = ThetaCanvas("Draws of two parameters", self, ink="accent")
        self.titles: dict[str, QLabel] = {}
        self._all_fields = self._lay_fields()
        self._stack = QStackedLayout()
        for widget in (self.lines, self._all_fields, self.cloud):
            self._stack.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._stack, 1)
        layout.addLayout(self._lay_choices())

        self._pace = Pace(self._request, interval=0.03, duty=0.3, parent=self)
        self.fields["prior"].viewed.connect(self._view_changed)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.moment_changed.connect(self._moment)
        session.changed.connect(self._state_changed)
        theme().changed.connect(self._retint)

    def _lay_fields(self) -> QWidget:
        holder = QWidget(self)
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        first = self.fields["prior"]
        for name, canvas in self.fields.items():
            title, tip = FIELDS[name]
            label = self.titles[name] = QLabel(title, holder)
            label.setProperty("role", "muted")
            label.setToolTip(tip)
            canvas.setToolTip(tip)
            column = QVBoxLayout()
            column.setSpacing(2)
            column.addWidget(label)
            column.addWidget(canvas, 1)
            row.addLayout(column, 1)
            if canvas is not first:  # one view for the three
                canvas.box.setXLink(first.box)
                canvas.box.setYLink(first.box)
        return holder

    def _lay_choices(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self.first, self.second = Choice(self), Choice(self)
        for box, name in ((self.first, "Horizontal parameter"), (self.second, "Vertical parameter")):
            box.setAccessibleName(name)
            box.setToolTip(name)
            box.setFixedWidth(72)
            box.activated.connect(self._chosen)
            row.addWidget(box)
        self.focus = QCheckBox("Zoom to the posterior", self)
        self.focus.setToolTip(
            "Show where 99 % of each parameter's posterior lie, in place of all that the prior allows."
        )
        self.focus.toggled.connect(self._chosen)
        row.addWidget(self.focus)
        self.scrubber = Scrubber("row", self)
        self.scrubber.slider.setMinimumWidth(40)
        self.scrubber.moved.connect(self._look_back)
        row.addWidget(self.scrubber, 1)
        self.note = QLabel(self)
        self.note.setProperty("role", "muted")
        row.addWidget(self.note)
        return row

    # -- what is chosen ------------------------------------------------------------------------

    @property
    def _spec(self) -> BayesSpec:
        return self._session.state.bayes

    def _chosen(self, _: object) -> None:
        spec, i, j = self._spec, self.first.currentIndex(), self.second.currentIndex()
        if len(self._axes) <= 2:
            i, j = spec.i, spec.j
        i, j = apart(i, j, spec)
        changed = replace(spec, i=i, j=j, focus=self.focus.isChecked())
        self._session.apply(replace(self._session.state, bayes=changed), "choose what of θ is shown")

    def _state_changed(self, old: Any, new: Any) -> None:
        if replace(old.bayes, pace=new.bayes.pace) != new.bayes:
            self._show_choices()
            self._frame(anew=True)
            self._pace.renew()

    def _coordinates(self) -> tuple[int, int]:
        """Those chosen, or the first two where the model has fewer."""
        spec, p = self._spec, len(self._axes)
        return (spec.i, spec.j) if max(spec.i, spec.j) < p else (0, min(1, p - 1))

    def _show_choices(self) -> None:
        names = [axis.name for axis in self._axes]
        with QSignalBlocker(self.focus):
            self.focus.setChecked(self._spec.focus)
        boxes = self.first, self.second
        for box in boxes:
            box.setVisible(len(names) > 2)
        self._fit_row()
        for box, index in zip(boxes, self._coordinates(), strict=True):
            if [box.itemText(k) for k in range(box.count())] != names:
                box.clear()
                box.addItems(names)
            box.setCurrentIndex(index)

    def _fit_row(self) -> None:
        """There is no room for all at once: where there are boxes, or few pixels, the title has the note."""
        narrow = self.width() < NARROW
        self.scrubber.set_narrow(narrow)
        self.note.setVisible(not narrow and len(self._axes) <= 2)
        self._legend()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if (event.oldSize().width() < NARROW) != (event.size().width() < NARROW):
            self._fit_row()

    # -- earlier rows --------------------------------------------------------------------------

    def _moment(self, moment: Moment) -> None:
        """Every earlier moment is there for the asking; while one is being computed, the slider stays."""
        if isinstance(moment.model, Bayesian):
            past = self._session.past
            if past is None and not self._exploration.busy("moment"):
                self._wanted = None
            n = len(moment.model.seen)
            self.scrubber.show_moments(range(n), n, self._wanted)

    def _look_back(self, at: int | None) -> None:
        self._wanted, moment = at, self._session.moment
        if at is None or moment is None:
            self._exploration.cancel("moment")
            self._session.look_back(None)
            return
        newest: Any = moment.model
        self._exploration.request(
            "moment",
            Priority.HOVER,
            lambda: newest.earlier(at),
            self._session.look_back,
            doing="look at an earlier row",
        )

    # -- what is shown -------------------------------------------------------------------------

    def _run_changed(self, _: object) -> None:
        for slot in ("theta", "moment"):
            self._exploration.cancel(slot)
        self._pace.reset()
        model = self._session.model
        if not isinstance(model, Bayesian):
            return
        self._axes = model.theta_axes
        p = len(self._axes)
        self._stack.setCurrentWidget((self.lines, self._all_fields, self.cloud)[min(p, 3) - 1])
        for canvas in self.fields.values():  # nothing of another run beside this one's
            canvas.set_density(None, np.zeros((0, 2, 2)))
        self._show_choices()
        self._frame(anew=True)
        self._legend()

    def _model_changed(self, model: Any) -> None:
        if isinstance(model, Bayesian):
            self._axes = model.theta_axes
            self._frame()
            self._pace.poke()

    def _frame(self, anew: bool = False) -> None:
        """Show the whole of each axis, or where the posterior is."""
        if not self._axes:
            return
        i, j = self._coordinates()
        across, up = self._axes[i], self._axes[j]
        spans = [wider(*a.focus) if self._spec.focus else (a.low, a.high) for a in (across, up)]
        shown = self._stack.currentWidget()
        if shown is self.lines:
            self.lines.set_range(*spans[0])
            self.lines.setLabel("bottom", across.name)
            return
        for canvas in (self.cloud,) if shown is self.cloud else self.fields.values():
            canvas.setLabel("bottom", across.name)
            canvas.setLabel("left", up.name)
            canvas.frame(spans[0], spans[1], anew)

    def _view_changed(self) -> None:
        if self._stack.currentWidget() is self._all_fields:
            self._pace.renew()

    def _request(self) -> bool:
        model, shown = self._session.model, self._stack.currentWidget()
        if not isinstance(model, Bayesian):
            return False
        i, j = self._coordinates()
        view, table = self.fields["prior"].view(), theme().table

        def work() -> Any:
            if shown is self.lines:
                return theta_lines(model)
            return theta_cloud(model, i, j) if shown is self.cloud else theta_fields(model, view, table)

        self._exploration.request(
            "theta", Priority.FIELD, work, self._show, doing="draw the parameters", ended=self._pace.done
        )
        return True

    def _show(self, result: ThetaLines | ThetaFields | ThetaCloud) -> None:
        if isinstance(result, ThetaLines):
            values = {key: getattr(result, key) for key in self.lines.curves}
            self.lines.set_curves(result.theta, values)
            self.lines.marks.set_marks(result.marks)
        elif isinstance(result, ThetaFields):
            for name, canvas in self.fields.items():
                field = getattr(result, name)
                canvas.set_density(field.picture, field.contours)
            nothing = result.likelihood.picture is None
            self.titles["likelihood"].setText(
                "Likelihood: 1, no rows yet" if nothing else FIELDS["likelihood"][0]
            )
            marks = dict(result.marks)
            self.fields["posterior"].set_points(result.draws)
            self.fields["posterior"].marks.set_marks(marks)
            likeliest = {name: at for name, at in marks.items() if name == "ml"}
            self.fields["likelihood"].marks.set_marks(likeliest)
        else:
            self.cloud.set_points(result.posterior, result.prior)
            self.cloud.marks.set_marks(result.marks)

    def _legend(self) -> None:
        self.note.setText(marks_legend())
        if self._stack.currentWidget() is self.lines:
            marks = "" if self.note.isVisibleTo(self) else f" &nbsp; {marks_legend()}"
            self.status.emit(f"{self.lines.legend()}{marks}")
        elif self._stack.currentWidget() is self.cloud:
            tokens = theme().tokens
            dots = (("prior", tokens.muted), ("posterior", tokens.accent))
            words = " &nbsp; ".join(f'<span style="color:{c}">●</span>&nbsp;{name}' for name, c in dots)
            self.status.emit(f"{words}: {format_number(CLOUD)} draws of each &nbsp; {marks_legend()}")
        else:
            self.status.emit("contours where p is e<sup>−½</sup> and e<sup>−2</sup> of its peak")

    def _retint(self) -> None:
        self._legend()


def wider(low: float, high: float) -> tuple[float, float]:
    """An interval with a margin on either side."""
    room = 0.25 * (high - low) or 0.5
    return low - room, high + room

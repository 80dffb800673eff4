"""Choosing K: fits of several sizes, judged by held-out rows, AIC and BIC; a click loads one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from backends.base import Progress
from backends.parameters import Parameter
from backends.run import Run
from backends.selection import SIZES, Fit, Selection, can_select, select, size_of
from explorer.actions import Actions
from explorer.compute import Exploration, Failure, Priority
from explorer.plots.curves import CurvePlot, Mark, Points, Series
from explorer.session import Session
from explorer.spec import same_run, spec_of
from explorer.state import RunSpec
from explorer.style.theme import theme
from explorer.widgets.form import ParameterForm
from explorer.widgets.progress_bar import ProgressBar
from explorer.widgets.scrolling import Scrolling
from explorer.widgets.values import LiveLabel, format_number

FORM_WIDTH = 184
PARAMETERS = (
    Parameter("low", "int", 1, "The smallest size that is fitted.", title="From", minimum=1, maximum=4096),
    Parameter("high", "int", 10, "The largest size that is fitted.", title="To", minimum=1, maximum=4096),
    Parameter("step", "int", 1, "From one size to the next.", title="In steps of", minimum=1, maximum=4096),
    Parameter(
        "restarts", "int", 3,
        "Fits of each size, from the run's seed and those after it. The one with the largest log-likelihood "
        "of the training rows counts.",
        minimum=1, maximum=1000,
    ),
)  # fmt: skip
SERIES = (
    Series("train", "training", 0, markers=True),
    Series("held_out", "held out", 2, markers=True),
    Series("aic", "−AIC/2n", 1, dashed=True, width=1.5, markers=True),
    Series("bic", "−BIC/2n", 4, dashed=True, width=1.5, markers=True),
)
EXPLAINED = (
    "Nats a datum; the higher the better, and each curve's best is ringed.\n"
    "training, held out: mean log p(x|θ̂), exact, over the training and the held-out rows.\n"
    "AIC = −2 log p(X|θ̂) + 2m, so −AIC/2n = log p(X|θ̂)/n − m/n;\n"
    "BIC = −2 log p(X|θ̂) + m log n, so −BIC/2n = log p(X|θ̂)/n − m log n / 2n,\n"
    "with m free parameters and n training rows. θ̂ is the best of the restarts.\n"
    "A click on a size, or Enter, loads that fit."
)


class SelectionPanel(QWidget):
    """Fits the open run's model at several sizes, beside whatever else goes on.

    What was found stays while the window is open, until something else is fitted; it is on show for runs that
    differ from it in size and seed alone.
    """

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._exploration, self._actions = session, exploration, actions
        self.selection = Selection()
        self._of: RunSpec | None = None  # what was fitted at several sizes
        self._before: Run | None = None  # that was open when a fit was loaded
        self._running = False
        self.plot = CurvePlot(self, placeholder="Fit, and each size appears here", digits=3, unit="K")
        self.plot.setToolTip(EXPLAINED)
        self.form = ParameterForm(PARAMETERS, self)
        self.fit = QPushButton(self)
        self.fit.setToolTip(
            "Fit each size from each seed in the background, by as many steps as Train makes, or until EM "
            "climbs by less than its tolerance; all else as in the open run."
        )
        self.back = QPushButton("Back", self)
        self.back.setToolTip("Open the run again that was open before a fit was loaded.")
        self.progress = ProgressBar("the fits", self)
        self.doing = LiveLabel(self)
        hint = QLabel("Nats a datum. A ring marks the best of each curve; a click loads a fit.", self)
        hint.setProperty("role", "muted")
        hint.setWordWrap(True)
        side = QWidget(self)
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.form)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.fit)
        buttons.addWidget(self.back)
        column.addLayout(buttons)
        column.addWidget(self.progress)
        column.addWidget(self.doing)
        column.addStretch(1)
        column.addWidget(hint)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        row.addWidget(Scrolling(side, FORM_WIDTH, self))
        row.addWidget(self.plot, 1)

        self.form.changed.connect(self._changed)
        self.fit.clicked.connect(self._toggle)
        self.back.clicked.connect(self._go_back)
        self.plot.chosen.connect(self._choose)
        session.changed.connect(self._state_changed)
        session.run_changed.connect(self._run_changed)
        theme().changed.connect(self._say)
        self._show_state()
        self._set_running(False)
        self._draw()

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """Models with a size, whose likelihood is exact and whose parameters are counted."""
        return can_select(run, model)

    # -- what is chosen ------------------------------------------------------------------------

    def _changed(self, change: tuple[str, Any]) -> None:
        name, value = change
        spec = replace(self._session.state.selection, **{name: value})
        self._session.apply(replace(self._session.state, selection=spec), f"change {name}")

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.selection != new.selection:
            self._show_state()

    def _show_state(self) -> None:
        spec = self._session.state.selection
        self.form.set_values({p.name: getattr(spec, p.name) for p in PARAMETERS})

    # -- fitting -------------------------------------------------------------------------------

    def _run_changed(self, run: Run) -> None:
        if self._running and not self._is_of(run):
            self.cancel()
            self.doing.setText("stopped")
        self.plot.fit()
        self._draw()

    def _is_of(self, run: Run | None) -> bool:
        """Whether what was found is about this run, but for its size and its seed."""
        of = self._of
        if run is None or of is None or of.model != run.kind.name:
            return False
        spec, parameter = spec_of(run), size_of(run.kind)
        assert parameter is not None
        same = {name: of.values[name] for name in (parameter.name, "init") if name in of.values}
        return same_run(replace(spec, seed=of.seed, values={**spec.values, **same}), of)

    def _toggle(self) -> None:
        if self._running:
            self.cancel()
            self.doing.setText("stopped")
        else:
            self.begin()

    def begin(self) -> None:
        """Fit all sizes anew."""
        run, state, spec = self._session.run, self._session.state, self._session.state.selection
        if run is None or not self.form.commit():
            return
        sizes = range(spec.low, spec.high + 1, spec.step)
        if not sizes:
            self._session.say(
                f"From {spec.low} to {spec.high} there is no size: choose a larger one to end at.", "error"
            )
            return
        steps = state.run.steps or run.kind.default_steps
        self._of = spec_of(run)
        self._take(Selection())
        self.plot.fit()
        self.doing.setText("")
        self.progress.setValue(0)
        self._set_running(True)
        self._exploration.request(
            "selection", Priority.EVALUATION,
            lambda: select(run, sizes, spec.restarts, steps, state.run.tolerance),
            self._take, doing="compare sizes",
            progress=self._progress, failed=self._failed, ended=self._ended,
        )  # fmt: skip

    def cancel(self) -> None:
        """Stop; what has been fitted stays."""
        self._exploration.cancel("selection")
        self._set_running(False)

    def _progress(self, progress: Progress) -> None:
        self.progress.show_progress(progress)
        self.doing.setText(progress.what)

    def _failed(self, failure: Failure) -> None:
        self._actions.fail(failure)
        self.doing.setText("stopped")

    def _ended(self) -> None:
        self._set_running(False)
        if self.selection.diverged:
            self.doing.setText(f"{self.selection.diverged} fits diverged")
        elif self.doing.text() != "stopped":
            self.doing.setText("")

    def _set_running(self, running: bool) -> None:
        self._running = running
        self.fit.setText("Cancel" if running else "Fit")
        self.progress.setVisible(running)

    # -- what was found ------------------------------------------------------------------------

    def _shown(self) -> tuple[Fit, ...]:
        return self.selection.fits if self._is_of(self._session.run) else ()

    def _take(self, selection: Selection) -> None:
        self.selection = selection
        self._draw()

    def _draw(self) -> None:
        run, fits = self._session.run, self._shown()
        parameter = None if run is None else size_of(run.kind)
        if parameter is not None:
            self.plot.set_unit(SIZES[parameter.name], parameter.title)
        loaded = any(fit.run is run for fit in fits)
        self.back.setVisible(loaded and self._before is not None)
        self.plot.set_series(SERIES[::-1] if fits else ())  # dashed lines are seen on whole ones
        sizes = [fit.size for fit in fits]
        if fits:
            curves = {series.key: [value(fit, series.key) for fit in fits] for series in SERIES}
            self.plot.set_points({key: Points.of(sizes, values) for key, values in curves.items()})
            marks = []
            for series in SERIES:
                best = best_of(fits, series.key)
                if best is not None:
                    marks.append(Mark(best.size, value(best, series.key), series.colour, ring=True))
            marks += [Mark(f.size, f.train, 0, "open") for f in fits if f.run is run]
            self.plot.set_marks(marks)
        else:
            self.plot.set_marks(())
        self._say()

    def _say(self, *_: object) -> None:
        """The legend, each entry with the size that is best by it."""
        parts = []
        fits = self._shown()
        for series in SERIES if fits else ():
            best = best_of(fits, series.key)
            colour = theme().tokens.curve(int(series.colour))
            at = "–" if best is None else format_number(best.size)
            parts.append(f"<span style='color:{colour}'>■</span>&nbsp;{series.label}&nbsp;{at}")
        self.status.emit(f"best at &nbsp; {' &nbsp; '.join(parts)}" if parts else "")

    def _choose(self, size: float) -> None:
        """Load the fit of a size, when the plot has done with the click."""
        for fit in self._shown():
            if fit.size == size and fit.run is not self._session.run:
                QTimer.singleShot(0, self, partial(self._load, fit))

    def _load(self, fit: Fit) -> None:
        """Open a fit; there is a way back to what was open before any of them."""
        run = self._session.run
        if not any(one.run is run for one in self.selection.fits):
            self._before = run
        self._actions.take(fit.run)

    def _go_back(self) -> None:
        if self._before is not None:
            self._actions.take(self._before)


def value(fit: Fit, key: str) -> float:
    """What is drawn of a fit: nats a datum, the higher the better."""
    if key in ("aic", "bic"):
        return -float(getattr(fit, key)) / (2 * fit.rows)
    return float(getattr(fit, key))


def best_of(fits: tuple[Fit, ...], key: str) -> Fit | None:
    """The fit that is best by one of the curves; None where it has no values."""
    known = [fit for fit in fits if value(fit, key) == value(fit, key)]
    return max(known, key=lambda fit: value(fit, key), default=None)

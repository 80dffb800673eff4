"""What a model costs: measured on this machine, in exploration, when it is asked for."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from math import isnan
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from backends.base import Array, Progress
from backends.capabilities import HasCosts
from backends.costs import CostCurve, Costs, CostTable
from backends.run import Run
from explorer.actions import Actions
from explorer.compute import Exploration, Failure, Priority
from explorer.plots.curves import Points, Series
from explorer.plots.growth import GrowthPlot
from explorer.plots.legend import entry
from explorer.session import Session
from explorer.spec import same_run, spec_of
from explorer.state import RunSpec
from explorer.style.theme import theme
from explorer.widgets.card import section_title
from explorer.widgets.progress_bar import ProgressBar
from explorer.widgets.table import ValueTable
from explorer.widgets.values import LiveLabel, format_number

NAMES_GAP = 12  # logical pixels between the names of a table's rows and its numbers
DRAWN = 1000  # rows that a model without data draws for itself
EMPTY = (
    "How long this model takes, how often it asks its networks, and whatever else it can tell of what it "
    "costs: press Measure. Nothing is measured by itself, as that would take time from training."
)
HONEST = (
    "Measured on this machine while it does other things: each time is the median of several runs after one "
    "to warm up. Pause training for times of a machine at rest."
)


class CostsPanel(QWidget):
    """Tables, and where something is measured at several sizes its curves.

    What was measured stays while the window is open, and is on show for runs that differ from the measured
    one in their seed alone.
    """

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._exploration, self._actions = session, exploration, actions
        self._found: list[tuple[RunSpec, int, Costs]] = []  # of which run, at which step; newest last
        self._of: tuple[RunSpec, int] | None = None  # what is being measured
        self.tables: dict[str, ValueTable] = {}  # by their titles
        self._titles: list[QWidget] = []
        self._forms: list[tuple[str, ...]] = []

        self.measure = QPushButton(self)
        self.measure.setToolTip(
            "Measure in the background. A call that is measured is not interrupted: where one takes longer "
            "than a few milliseconds, what follows the cursor waits for so long."
        )
        self.progress = ProgressBar("the measurement", self)
        self.progress.setFixedWidth(96)
        self.doing = LiveLabel(self)
        self.doing.setToolTip(HONEST)
        self.empty = QLabel(EMPTY, self)
        self.empty.setWordWrap(True)
        self.empty.setProperty("role", "muted")
        self.legend = QLabel(self)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.plot = GrowthPlot(self, placeholder="The curves appear here, size by size")
        self.plot.setAccessibleName("Seconds over sizes")

        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.measure)
        head.addWidget(self.progress)
        head.addWidget(self.doing, 1)
        inside = QWidget(self)
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, 8, 0)
        self._column.setSpacing(2)
        self._column.addStretch(1)
        self._scroll = QScrollArea(self)
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(inside)
        self._curves = QWidget(self)
        right = QVBoxLayout(self._curves)
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(4)
        right.addWidget(self.legend)
        right.addWidget(self.plot, 1)
        body = QHBoxLayout()
        body.setSpacing(16)
        body.addWidget(self._scroll, 2)
        body.addWidget(self._curves, 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(head)
        layout.addWidget(self.empty, 1)
        layout.addLayout(body, 1)

        self.measure.clicked.connect(self._toggle)
        self.legend.linkActivated.connect(self._hide_or_show)
        session.run_changed.connect(self._run_changed)
        theme().changed.connect(self._draw_legend)
        self._set_measuring(None)
        self._draw()

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """Models that can measure what they cost."""
        return isinstance(model, HasCosts)

    @property
    def costs(self) -> Costs:
        """What is on show."""
        found = self._shown()
        return Costs() if found is None else found[2]

    # -- measuring -----------------------------------------------------------------------------

    def _run_changed(self, run: Run) -> None:
        if self._of is not None and not _alike(spec_of(run), self._of[0]):
            self.cancel()
        self._draw()
        self.plot.fit()

    def _toggle(self) -> None:
        if self._of is not None:
            self.cancel()
        else:
            self.begin()

    def begin(self) -> None:
        """Measure the model on show."""
        run, model = self._session.run, self._session.model
        if run is None or not isinstance(model, HasCosts):
            return
        self.progress.setValue(0)
        self.doing.setText("when the picture is done…")
        self._set_measuring((spec_of(run), model.stamp.step))
        self._exploration.request(
            "costs", Priority.FILE, lambda: model.costs(_rows(run, model)), self._take,
            doing="measure what the model costs",
            progress=self._progress, failed=self._failed, ended=self._ended,
        )  # fmt: skip
        self.plot.fit()

    def cancel(self) -> None:
        """Stop; what has been measured stays."""
        self._exploration.cancel("costs")
        self._set_measuring(None)
        self._say()

    def _take(self, costs: Costs) -> None:
        assert self._of is not None
        spec, step = self._of
        self._found = [one for one in self._found if not _alike(one[0], spec)] + [(spec, step, costs)]
        self._draw()

    def _progress(self, progress: Progress) -> None:
        self.progress.show_progress(progress)
        self.doing.setText(progress.what)

    def _failed(self, failure: Failure) -> None:
        self._actions.fail(failure)

    def _ended(self) -> None:
        self._set_measuring(None)
        self._say()

    def _set_measuring(self, of: tuple[RunSpec, int] | None) -> None:
        self._of = of
        self.measure.setText("Measure" if of is None else "Cancel")
        self.progress.setVisible(of is not None)

    # -- what was measured ---------------------------------------------------------------------

    def _shown(self) -> tuple[RunSpec, int, Costs] | None:
        run = self._session.run
        spec = None if run is None else spec_of(run)
        return next((one for one in self._found if spec is not None and _alike(one[0], spec)), None)

    def _say(self) -> None:
        found = self._shown()
        text = f"at step {format_number(found[1])}, while the machine does other things" if found else ""
        self.doing.setText(text)

    def _draw(self) -> None:
        costs = self.costs
        self.empty.setVisible(not costs.tables)
        self._scroll.setVisible(bool(costs.tables))
        self._curves.setVisible(bool(costs.curves))
        if list(map(_form, costs.tables)) != self._forms:
            self._make_tables(costs.tables)
        for table in costs.tables:
            self.tables[table.title].set_rows([(name, list(map(_text, cells))) for name, cells in table.rows])
        series, points = _lines(costs.curves)
        self.plot.set_series(series)
        self.plot.set_seconds(points)
        self.plot.setToolTip(costs.about)
        self._draw_legend()
        if self._of is None:
            self._say()

    def _make_tables(self, tables: tuple[CostTable, ...]) -> None:
        for old in self._titles + list(self.tables.values()):
            old.deleteLater()
        self.tables, self._titles, self._forms = {}, [], list(map(_form, tables))
        for place, table in enumerate(tables):
            title, shown = (
                section_title(table.title, self),
                ValueTable(table.columns, self, names=self._room(table)),
            )
            title.setToolTip(table.about)
            shown.setAccessibleName(table.title)
            for column in range(-1, len(table.columns)):
                shown.set_tooltip(column, table.about)
            self._column.insertWidget(2 * place, title)
            self._column.insertWidget(2 * place + 1, shown)
            self._titles.append(title)
            self.tables[table.title] = shown

    def _room(self, table: CostTable) -> int:
        metrics = self.fontMetrics()
        return NAMES_GAP + max((metrics.horizontalAdvance(name) for name, _ in table.rows), default=0)

    # -- the curves ----------------------------------------------------------------------------

    def _hide_or_show(self, key: str) -> None:
        self.plot.toggle(key)
        self._draw_legend()

    def _draw_legend(self, *_: object) -> None:
        """What is drawn, one line for each thing that is computed, and the power that it grows with."""
        tokens, lines = theme().tokens, []
        series, _points = _lines(self.costs.curves)
        for what in dict.fromkeys(curve.what for curve in self.costs.curves):
            parts = [f'<span style="color:{tokens.muted}">{escape(what)}</span>']
            for one, curve in zip(series, self.costs.curves, strict=True):
                if curve.what == what:
                    on = self.plot.is_visible(one.key)
                    mark = ("╌╌" if one.dashed else "━━") if on else "□"
                    colour = tokens.curve(int(one.colour)) if on else tokens.disabled
                    power = "" if isnan(curve.slope) else f" ∝ m<sup>{_power(curve.slope)}</sup>"
                    parts.append(entry(one.key, colour, mark, tokens.text, escape(curve.way) + power))
            lines.append(" &nbsp; ".join(parts))
        self.legend.setText("<br>".join(lines))


def _alike(a: RunSpec, b: RunSpec) -> bool:
    return same_run(replace(a, seed=b.seed), b)


def _rows(run: Run, model: Any) -> Array:
    if run.data is not None and len(run.data.train):
        return run.data.train.x
    drawn: Array = model.sample(DRAWN, 0)
    return drawn


def _form(table: CostTable) -> tuple[str, ...]:
    """All of a table but its numbers."""
    return (table.title, *table.columns, *(name for name, _ in table.rows))


def _text(cell: int | float | None) -> str:
    return format_number(cell)


def _power(slope: float) -> str:
    return format_number(round(slope, 1) + 0.0, 1)


def _lines(curves: tuple[CostCurve, ...]) -> tuple[list[Series], dict[str, Points]]:
    """A colour for each way; all but the first thing that is computed is dashed."""
    ways = list(dict.fromkeys(curve.way for curve in curves))
    whats = list(dict.fromkeys(curve.what for curve in curves))
    series, points = [], {}
    for i, curve in enumerate(curves):
        dashed = curve.what != whats[0]
        label = f"{curve.way}, {curve.what}"
        series.append(
            Series(str(i), label, ways.index(curve.way), dashed, 1.5 if dashed else 2.0, markers=True)
        )
        points[str(i)] = Points.of(curve.sizes, curve.seconds)
    return series, points

"""The picture every book draws by hand, computed: log p(X|θ) and the bounds L(q, θ) that EM climbs."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from backends.capabilities import HasBound, HasParameters
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plane import subscript
from explorer.plots.curves import CurvePlot, Mark, Points, Series
from explorer.plots.theta_plane import ThetaPlane
from explorer.session import Session
from explorer.state import BoundSpec, apart
from explorer.studies.theta import Bound, Field, Profile, field, names_of, profile
from explorer.style.theme import theme
from explorer.widgets.form import Choice
from explorer.widgets.names import NameChoice
from explorer.widgets.switch import Switch
from explorer.widgets.values import LiveLabel, format_number

VIEWS = (
    ("line", "Line", "log p(X|θ) and the bounds L(q, θ) along a line through the space of θ"),
    ("plane", "Plane", "log p(X|θ) over a plane in the space of θ, with the path that EM has taken"),
)
ALONG = (
    ("step", "One step of EM", "θ = θ_old + λ (θ_new − θ_old): from before this step, 0, to after it, 1."),
    ("path", "The whole path", "θ = θ_first + λ (θ_newest − θ_first)."),
    ("parameter", "One parameter", "One coordinate of θ, the others as they were before this step."),
)
PLANES = (
    ("principal", "EM's path", "The first two principal directions of the path, through the θ on show."),
    ("coordinates", "Two parameters", "Two coordinates of θ, the others as in the θ on show."),
)
VALUES = (
    "gap: log p(X|θ) − L(q, θ) at θ_old, which is KL(q‖p(Z|X, θ_old)).\nL: by how much the bound's largest "
    "value on this line lies above that at θ_old.\nlog p: log p(X|θ_new) − log p(X|θ_old). Nats a datum."
)
EXPLAINED = (
    "Nats a datum: log p(X|θ)/n, exact, and L(q, θ)/n with L(q, θ) = E_q[log p(X, Z|θ)] + H(q), where q is "
    "what the E-step at θ_old made, held fixed.\nL lies below log p(X|θ) everywhere, by KL(q‖p(Z|X, θ)). It "
    "touches at θ_old where q is the exact posterior there, and does not where q is restricted.\nThe M-step "
    "goes to the maximum of L; with a prior, or where batches or the curves are of some rows only, beside it."
)
DECIMALS, FEW = 4, 3  # of values on the curve, and of changes
CHOICE, NAME = 138, 122  # logical pixels
STALE = 1.0  # seconds after which a coarse field of now is better than a fine one of then


class BoundsPanel(QWidget):
    """Follows the moment on show: the step that led to it is the one whose bound is drawn."""

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self._extent: tuple[float, float, float, float] | None = None
        self._drawn = 0.0
        self.profile: Profile | None = None
        self.plot = CurvePlot(
            self, placeholder="Make a step of EM, and its bound appears here", digits=DECIMALS, whole=False
        )
        self.plot.setToolTip(EXPLAINED)
        self.plane = ThetaPlane(self)
        self.switch = Switch(VIEWS, self)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.switch)
        row.addSpacing(8)
        self.along, self.planes = Choice(self), Choice(self)
        for choice, entries, tip in (
            (self.along, ALONG, "The line on which θ moves"),
            (self.planes, PLANES, "The plane on which θ moves"),
        ):
            for index, (key, text, explained) in enumerate(entries):
                choice.addItem(text, key)
                choice.setItemData(index, explained, Qt.ItemDataRole.ToolTipRole)
            choice.setToolTip(tip)
            choice.setAccessibleName(tip)
            choice.setFixedWidth(CHOICE)
            row.addWidget(choice)
        self.names: list[str] = []
        self.parameter = NameChoice("The parameter", self)
        self.first = NameChoice("The plane's horizontal parameter", self)
        self.second = NameChoice("The plane's vertical parameter", self)
        for box in (self.parameter, self.first, self.second):
            box.setFixedWidth(NAME)
            row.addWidget(box)
        self.successive = QCheckBox("Three bounds", self)
        self.successive.setToolTip(
            "Also the bounds of the E-steps before and after, each lying higher where EM goes; from first to "
            "newest: those of the first, a middle and the newest θ."
        )
        row.addSpacing(4)
        row.addWidget(self.successive)
        row.addSpacing(8)
        self.values = LiveLabel(self, Qt.AlignmentFlag.AlignRight)
        self.values.setToolTip(VALUES)
        row.addWidget(self.values, 1)
        self._stack = QStackedLayout()
        self._stack.addWidget(self.plot)
        self._stack.addWidget(self.plane)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._stack, 1)
        layout.addLayout(row)

        self._pace = Pace(self._request, interval=0.25, duty=0.15, parent=self)
        self.switch.chosen.connect(lambda shown: self._set("choose what is drawn of θ", shown=shown))
        self.along.activated.connect(lambda i: self._set("choose the line", along=ALONG[i][0]))
        self.successive.toggled.connect(lambda on: self._set("choose the bounds", successive=on))
        self.parameter.activated.connect(lambda i: self._set("choose the parameter", parameter=i))
        self.planes.activated.connect(lambda i: self._set_plane(kind=PLANES[i][0]))
        self.first.activated.connect(lambda i: self._set_plane(i=i))
        self.second.activated.connect(lambda i: self._set_plane(j=i))
        self.plane.zoomed.connect(self._zoomed)
        self.plane.read.connect(self._read)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.rested.connect(self._pace.renew)
        session.changed.connect(self._state_changed)
        theme().changed.connect(self._say)
        self._show_state()

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """EM's runs whose model tells its bound at any θ."""
        return bool(run.by_halves and run.data is not None and isinstance(model, HasBound) and
                    isinstance(model, HasParameters))  # fmt: skip

    # -- what is chosen ------------------------------------------------------------------------

    def _set(self, what: str, **changed: Any) -> None:
        spec = replace(self._session.state.bounds, **changed)
        self._session.apply(replace(self._session.state, bounds=spec), what)

    def _set_plane(self, **changed: Any) -> None:
        plane = self._session.state.bounds.plane
        i, j = apart(changed.pop("i", plane.i), changed.pop("j", plane.j), plane)
        self._set("choose the plane of θ", plane=replace(plane, i=i, j=j, **changed))

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.bounds != new.bounds:
            self._show_state()
            self._again()

    def _show_state(self) -> None:
        spec: BoundSpec = self._session.state.bounds
        line = spec.shown == "line"
        self.switch.show_choice(spec.shown)
        self._stack.setCurrentWidget(self.plot if line else self.plane)
        self.along.setCurrentIndex(self.along.findData(spec.along))
        self.planes.setCurrentIndex(max(self.planes.findData(spec.plane.kind), 0))
        self.along.setVisible(line)
        self.successive.setVisible(line)
        self.planes.setVisible(not line)
        self.parameter.setVisible(line and spec.along == "parameter")
        for box in (self.first, self.second):
            box.setVisible(not line and spec.plane.kind == "coordinates")
        chosen = ((self.parameter, spec.parameter), (self.first, spec.plane.i), (self.second, spec.plane.j))
        for box, index in chosen:
            box.setCurrentIndex(min(index, len(self.names) - 1))
        with QSignalBlocker(self.successive):
            self.successive.setChecked(spec.successive)

    # -- what is computed ----------------------------------------------------------------------

    def _run_changed(self, _: object) -> None:
        model = self._session.model
        if isinstance(model, HasParameters):
            self.names = names_of(model)
            for box in (self.parameter, self.first, self.second):
                box.set_names(self.names)
            self._show_state()
        self._again()

    def _again(self) -> None:
        """What was drawn is of another run, line or plane."""
        self._exploration.cancel("bounds")
        self._pace.reset()
        self._extent, self.profile = None, None
        self.plot.set_gap(None)
        self.plot.set_series(())
        self.plot.set_marks(())
        self.plot.fit()
        self.plane.show_field(None)
        self.plane.follow()
        self.values.setText("")
        self.status.emit("")
        self._pace.poke()

    def _model_changed(self, _: object) -> None:
        if self._session.training:
            self._pace.poke()
        else:  # what is done by hand is seen at once
            self._pace.renew()

    def _zoomed(self, extent: tuple[float, float, float, float] | None) -> None:
        if extent != self._extent:
            self._extent = extent
            self._exploration.cancel("bounds")
            self._pace.renew()

    def _request(self) -> bool:
        run, model, spec = self._session.run, self._session.model, self._session.state.bounds
        if run is None or run.data is None or model is None:
            return False
        if not self.suits(run, model):
            return False
        models, x, extent = run.history.models or (model,), run.data.train.x, self._extent
        if model.stamp.step > models[-1].stamp.step:  # of steps that the history leaves out
            models = (*models, model)
        plane, names = spec.plane, self.names
        if spec.shown == "line":

            def work() -> Any:
                return profile(models, model, x, spec.along, spec.parameter, spec.successive)

        else:

            def work() -> Any:
                coordinates = (plane.i, plane.j) if plane.kind == "coordinates" else None
                return field(models, model, x, coordinates, extent, names)

        self._exploration.request(
            "bounds", Priority.FOLLOW, work, self._show,
            doing="draw the bounds", ended=self._pace.done,
        )  # fmt: skip
        return True

    # -- what is drawn -------------------------------------------------------------------------

    def _show(self, found: Profile | Field) -> None:
        if isinstance(found, Field):
            now = time.perf_counter()
            zoomed = self.plane.shown is not None and not self.plane.follows
            if found.complete or self.plane.shown is None or zoomed or now - self._drawn > STALE:
                self._drawn = now
                self.plane.show_field(found)
        elif found.complete or self.profile is None:  # no coarser lines while there are finer ones
            self.profile = found
            self._draw()
        self._say()

    def _draw(self) -> None:
        seen = self.profile
        assert seen is not None
        parameter = self._session.state.bounds.along == "parameter"
        self.plot.set_unit(self.parameter.currentText() if parameter else "λ", self._axis())
        main = seen.bounds[seen.main]
        series = [Series("log_p", "log p(X|θ)", 0)]
        for bound in sorted(seen.bounds, key=lambda b: b is not main):
            colour, width = (1, 2.0) if bound is main else (4, 1.5)
            name = f"L(q, θ), q at θ{subscript(bound.step)}"
            series.append(Series(key_of(bound), name, colour, dashed=bound is not main, width=width))
        self.plot.set_gap(None)
        self.plot.set_series(series)
        points = {key_of(b): Points.of(seen.positions, b.values) for b in seen.bounds}
        self.plot.set_points({"log_p": Points.of(seen.positions, seen.log_p), **points})
        self.plot.set_gap("log_p", key_of(main), "KL(q‖p(Z|X, θ))")
        self.plot.set_values_shown(values_shown(seen))
        self.plot.set_marks(marks(seen))

    def _axis(self) -> str:
        along, seen = self._session.state.bounds.along, self.profile
        assert seen is not None
        a, b = (f"θ{subscript(step)}" for step in seen.steps)
        if along == "parameter":
            return f"{self.parameter.currentText()},  the others as in {a}"
        return f"λ,  θ = {a} + λ ({b} − {a})"

    def _read(self, value: float | None) -> None:
        text = "" if value is None else f"log p {format_number(value, DECIMALS)}"
        self.values.setText(text)

    def _say(self, *_: object) -> None:
        run = self._session.run
        if run is None or run.data is None:
            return
        tokens, n = theme().tokens, len(run.data.train)
        if self._session.state.bounds.shown == "plane":
            seen = self.plane.shown
            if seen is not None:
                of = f" of {format_number(n)}" if seen.rows < n else ""
                holds = "" if seen.share >= 0.995 else f"the plane holds {seen.share:.0%} of EM's path · "
                self.status.emit(f"log p(X|θ) · {holds}{format_number(seen.rows)}{of} rows")
            return
        line = self.profile
        if line is None:
            return
        main = line.bounds[line.main]
        entries = [
            ("log p(X|θ)", tokens.curve(0)),
            (f"L(q, θ), q at θ{subscript(main.step)}", tokens.curve(1)),
        ]
        if len(line.bounds) > 1:
            others = " and ".join(f"θ{subscript(b.step)}" for b in line.bounds if b is not main)
            entries.append((f"q at {others}", tokens.curve(4)))
        legend = " &nbsp; ".join(
            f"<span style='color:{colour}'>■</span>&nbsp;{text}" for text, colour in entries
        )
        of = f" of {format_number(n)}" if line.rows < n else ""
        self.status.emit(f"{legend} &nbsp; {format_number(line.rows)}{of} rows")
        self.values.setText(numbers(line))


def key_of(bound: Bound) -> str:
    """A bound's name among the curves."""
    return f"bound_{bound.step}"


def marks(seen: Profile) -> list[Mark]:
    """θ_old and θ_new on log p, where bounds touch or come nearest, and the main bound's maximum."""
    names = [f"θ{subscript(step)}" for step in seen.steps]
    out = [Mark(at, value, 0, name) for (at, value), name in zip(seen.ends, names, strict=False)]
    for i, bound in enumerate(seen.bounds):
        if bound.touch is not None:
            out.append(Mark(bound.touch[0], bound.touch[2], 1 if i == seen.main else 4, ring=True))
    top = seen.bounds[seen.main].top
    if top is not None:
        out.append(Mark(*top, 1))
    return out


def values_shown(seen: Profile) -> tuple[float, float] | None:
    """The values worth seeing: the curve near its top and what is marked, with room for bounds to fall."""
    finite = seen.log_p[np.isfinite(seen.log_p)]
    if not len(finite):
        return None
    marked = [v for _, v in seen.ends] + [b.touch[2] for b in seen.bounds if b.touch is not None]
    high = float(finite.max())
    low = min(float(np.quantile(finite, 0.25)), *(v for v in marked if np.isfinite(v)))
    return (low - 0.5 * (high - low), high) if high > low else None


def numbers(seen: Profile) -> str:
    """How far the step goes up, and how far below log p the bound is where it should touch."""
    main = seen.bounds[seen.main]
    parts = []
    if main.touch is not None:
        gap = main.touch[1] - main.touch[2]
        gap = 0.0 if abs(gap) <= 1e-10 * max(abs(main.touch[1]), 1.0) else gap
        parts.append(f"gap {format_number(gap, FEW)}")
        if main.top is not None:
            parts.append(f"L {signed(main.top[1] - main.touch[2])}")
    if len(seen.ends) > 1:
        parts.append(f"log p {signed(seen.ends[1][1] - seen.ends[0][1])}")
    return ", ".join(parts)


def signed(change: float) -> str:
    """A change, with its sign."""
    return ("+" if change > 0 else "") + format_number(change, FEW)

"""What is computed from each new snapshot for everybody: evaluations, and the plane."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PySide6.QtCore import QObject

from backends.base import Estimate, Work
from backends.capabilities import Encodes, HasPrior, LogJoint
from backends.data import DataSet
from backends.evaluation import CURVE_ROWS, Report, curve_report, some_rows
from backends.likelihood import iwae
from backends.run import Run
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plane import Plane, coordinate_plane
from explorer.planes.latent_plane import Known, in_plane, latent_plane
from explorer.session import Encodings, Session
from explorer.state import PlaneSpec

IWAE = (1, 5, 50)


class Follower(QObject):
    """Keeps the session's curves and plane up with the newest snapshot, at a steady pace."""

    def __init__(
        self,
        session: Session,
        exploration: Exploration,
        parent: QObject | None = None,
        evaluates: bool = True,
    ) -> None:
        """evaluates: False for a model that is only looked at."""
        super().__init__(parent)
        self._session, self._exploration, self._evaluates = session, exploration, evaluates
        self._done: LiveReport | None = None  # the newest of this run
        self._laid: PlaneSpec | None = None  # which plane it is that lies through this run's encodings
        self._evaluate = Pace(self._request_evaluation, interval=0.25, duty=0.06, parent=self)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.moment_changed.connect(self._moment)
        session.rested.connect(self._rested)
        session.revised.connect(self._revised)
        session.encodings_changed.connect(self._encodings_changed)
        session.changed.connect(self._state_changed)

    def _run_changed(self, run: Any) -> None:
        self._done, self._laid = None, None
        for slot in ("evaluation", "plane"):
            self._exploration.cancel(slot)
        self._evaluate.reset()
        model = self._session.model
        if run is None or model is None or not model.latent_dim:
            return
        self._session.set_plane(coordinate_plane(model.latent_dim))
        self._choose_plane()

    def _moment(self, _: object) -> None:
        """Curves also go on during a look back."""
        if self._session.past is not None:
            self._evaluate.poke()

    def _rested(self) -> None:
        """The last step is evaluated at once."""
        self._exploration.cancel("evaluation")
        self._evaluate.renew()

    def _revised(self, run: Run) -> None:
        """An evaluation after as many steps was of other rows, or other components."""
        if run is self._session.run:
            self._exploration.cancel("evaluation")
            self._evaluate.reset()
            self._done = None

    def _model_changed(self, _: Any) -> None:
        self._evaluate.poke()

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.map.plane != new.map.plane:
            self._move_plane(old.map.plane, new.map.plane)
        elif new.map.sliders and not old.map.sliders:
            self._choose_plane()
        if old.pins != new.pins:
            self._pins_changed()
        if old.curves.iwae != new.curves.iwae:
            self._exploration.cancel("evaluation")
            self._evaluate.renew()

    # -- the plane ---------------------------------------------------------------------

    def _encodings_changed(self, result: Encodings) -> None:
        state, plane = self._session.state, self._session.plane
        # they move while it trains, and with them directions, means and the ranges of sliders
        moves = state.map.plane.kind in ("principal", "labels") or plane.left_out is None or state.map.sliders
        if result.z.shape[1] > 2 and moves:
            self._choose_plane()

    def _choose_plane(self) -> None:
        model, spec, known = self._session.model, self._session.state.map.plane, self._known()
        if model is None or not model.latent_dim:
            return
        same = self._laid is not None and self._laid == replace(spec, offsets=())
        like = self._session.plane if same else None
        self._exploration.request(
            "plane",
            Priority.HOVER,  # it is short, and everything lies on it
            lambda: latent_plane(model, spec, known, like),
            lambda plane: self._lay_plane(plane, spec, len(known.z) > 0),
            doing="lay the plane",
        )

    def _known(self) -> Known:
        """What a plane can be laid through now."""
        found, data, pins = self._session.encodings, self._session.data, self._session.state.pins
        if found is None or data is None:
            return Known(np.zeros((0, 0), np.float32), pins=pins)
        return Known(found.z, data.split(found.split).labels, data.info.label_names, pins, found.rows)

    def _lay_plane(self, plane: Plane, spec: PlaneSpec, known: bool) -> None:
        self._laid = replace(spec, offsets=()) if known else None
        self._session.set_plane(plane.moved(self._session.state.map.plane.offsets))

    def _move_plane(self, old: PlaneSpec, new: PlaneSpec) -> None:
        """The plane is another, or is moved along what it leaves out."""
        if replace(old, offsets=()) != replace(new, offsets=()) or self._session.plane.left_out is None:
            self._choose_plane()
        else:
            self._session.set_plane(self._session.plane.moved(new.offsets))

    def _pins_changed(self) -> None:
        """A plane through pins goes after them, except where they are moved within it: under the hand."""
        spec, plane = self._session.state.map.plane, self._session.plane
        through = [pin.z for pin in self._session.state.pins if pin.name in spec.pins]
        if spec.kind == "pins" and through and not in_plane(plane, through):
            self._choose_plane()

    # -- evaluations ---------------------------------------------------------------------------

    def _request_evaluation(self) -> bool:
        moment, run = self._session.moment, self._session.run
        if moment is None or run is None or run.data is None or not self._evaluates:
            return False
        model: Any = moment.model  # the newest, whichever is looked at
        data, with_iwae = run.data, self._session.state.curves.iwae
        known = self._done
        if known is not None and known.report.step >= model.stamp.step and known.with_iwae >= with_iwae:
            return False
        self._exploration.request(
            "evaluation",
            Priority.EVALUATION,
            lambda: live_evaluation(model, data, with_iwae),
            self._evaluated,
            doing="evaluate the model",
            ended=self._evaluate.done,
        )
        return True

    def _evaluated(self, result: LiveReport) -> None:
        run = self._session.run
        if run is None:
            return
        result.report.add_to(run.curves)
        for split, bounds in result.iwae.items():
            for k, bound in bounds.items():
                name, step = f"{split}/iwae_{k}", result.report.step
                steps, _ = run.curves.get(name)
                if not len(steps) or steps[-1] < step:
                    run.curves.append_all(step, {name: bound.value, f"{name}/stderr": bound.stderr})
        self._done = result
        self._session.report = result.report
        self._session.curves_changed.emit(run.curves)
        self._evaluate.poke()


@dataclass(frozen=True, eq=False)
class LiveReport:
    """A report on a sample of the rows, and the IWAE bounds of the same rows by split and K."""

    report: Report
    iwae: dict[str, dict[int, Estimate]]
    with_iwae: bool  # whether the bounds were asked for; not every model has them


def live_evaluation(model: Any, data: DataSet, with_iwae: bool) -> Work[LiveReport]:
    """The report behind a point of the curves, with the IWAE bounds of the same rows."""
    report = yield from curve_report(model, data)
    bounds: dict[str, dict[int, Estimate]] = {}
    has = all(isinstance(model, c) for c in (LogJoint, Encodes, HasPrior)) and model.latent_dim > 0
    if with_iwae and has:
        for split in report.splits:
            x = some_rows(data.split(split).x, CURVE_ROWS)  # those of the report
            several = yield from iwae(model, x, IWAE)
            bounds[split] = {k: bound.mean() for k, bound in several.items()}
    return LiveReport(report, bounds, with_iwae)

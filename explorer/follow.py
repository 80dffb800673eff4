"""What is computed from each new snapshot for everybody: evaluations, and the plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QObject

from backends.base import Array, Work
from backends.capabilities import Encodes, HasPrior, LogJoint
from backends.data import DataSet
from backends.evaluation import CURVE_ROWS, Report, evaluate, some_rows
from backends.likelihood import iwae
from backends.run import Run
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plane import Plane, coordinate_plane, principal_plane
from explorer.session import Encodings, Session
from explorer.state import PlaneSpec
from explorer.training import Moment

LIVE_SAMPLES = 8  # draws of z per row for the live ELBO
LIVE_TOLERANCE = 0.05  # nats between two resolutions of the quadrature; drawn as the curve's band
LIVE_K = 100  # samples of importance sampling, where there is no quadrature
IWAE = (1, 5, 50)
PLANE_ROWS = 10_000  # encodings, at most, that directions are found from
PRIOR_ROWS = 2000  # draws that the middle of a prior is found from


class Follower(QObject):
    """Keeps the session's curves and plane up with the newest snapshot, at a steady pace."""

    def __init__(self, session: Session, exploration: Exploration, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._exploration = session, exploration
        self._training = False
        self._done: LiveReport | None = None  # the newest of this run
        self._principal: Plane | None = None  # that of the encodings of this run
        self._evaluate = Pace(self._request_evaluation, interval=0.25, duty=0.06, parent=self)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.moment_changed.connect(self._moment)
        session.revised.connect(self._revised)
        session.encodings_changed.connect(self._encodings_changed)
        session.changed.connect(self._state_changed)

    def _run_changed(self, run: Any) -> None:
        self._done, self._principal = None, None
        for slot in ("evaluation", "plane"):
            self._exploration.cancel(slot)
        self._evaluate.reset()
        model = self._session.model
        if run is None or model is None or not model.latent_dim:
            return
        self._session.set_plane(coordinate_plane(model.latent_dim))
        self._choose_plane()

    def _moment(self, moment: Moment) -> None:
        """When training ends, its last step is evaluated at once; curves also go on during a look back."""
        if self._session.past is not None:
            self._evaluate.poke()
        if self._training and not moment.training:
            self._exploration.cancel("evaluation")
            self._evaluate.renew()
        self._training = moment.training

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
            self._choose_plane()
        if old.curves.iwae != new.curves.iwae:
            self._exploration.cancel("evaluation")
            self._evaluate.renew()

    # -- the plane ---------------------------------------------------------------------

    def _encodings_changed(self, result: Encodings) -> None:
        spec = self._session.state.map.plane
        if spec.kind == "principal":
            self._choose_plane()  # the encodings move while it trains, and their directions with them

    def _choose_plane(self) -> None:
        model, spec, known = self._session.model, self._session.state.map.plane, self._session.encodings
        if model is None or not model.latent_dim:
            return
        z, like = None if known is None else known.z, self._principal
        self._exploration.request(
            "plane",
            Priority.HOVER,  # it is short, and everything lies on it
            lambda: latent_plane(model, spec, z, like),
            self._lay_plane,
            doing="lay the plane",
        )

    def _lay_plane(self, plane: Plane) -> None:
        spec, known = self._session.state.map.plane, self._session.encodings
        self._principal = plane if spec.kind == "principal" and known is not None else None
        self._session.set_plane(plane)

    # -- evaluations ---------------------------------------------------------------------------

    def _request_evaluation(self) -> bool:
        moment, run = self._session.moment, self._session.run
        if moment is None or run is None or run.data is None:
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
            for k, value in bounds.items():
                steps, _ = run.curves.get(f"{split}/iwae_{k}")
                if not len(steps) or steps[-1] < result.report.step:
                    run.curves.append(f"{split}/iwae_{k}", result.report.step, value)
        self._done = result
        self._session.report = result.report
        self._session.curves_changed.emit(run.curves)
        self._evaluate.poke()


@dataclass(frozen=True, eq=False)
class LiveReport:
    """A report on a sample of the rows, and the IWAE bounds of the same rows by split and K."""

    report: Report
    iwae: dict[str, dict[int, float]]
    with_iwae: bool  # whether the bounds were asked for; not every model has them


def latent_plane(model: Any, spec: PlaneSpec, z: Array | None, like: Plane | None) -> Plane:
    """The plane of a model's latent space that is asked for.

    z: encodings (n, k), None where there are none yet; without them principal directions give way to
    coordinates, and so they do where there are but two dimensions. Coordinate planes go through 0, or where
    the prior has nothing at 0, through its middle. like: see :func:`principal_plane`.
    """
    dim = model.latent_dim
    if spec.kind == "principal" and dim > 2 and z is not None and len(z):
        return principal_plane(z[:: -(-len(z) // PLANE_ROWS)], like)
    i, j = (spec.i, spec.j) if max(spec.i, spec.j) < max(dim, 2) else (0, 1)
    middle = None
    if (
        dim > 2
        and isinstance(model, HasPrior)
        and np.isneginf(model.log_prior(np.zeros((1, dim), np.float32))[0])
    ):
        middle = model.sample_prior(PRIOR_ROWS, 0).mean(0)
    return coordinate_plane(dim, i, j, middle)


def live_evaluation(model: Any, data: DataSet, with_iwae: bool) -> Work[LiveReport]:
    """The report over CURVE_ROWS rows of the training and of the held-out split."""
    report = yield from evaluate(
        model, data, rows=CURVE_ROWS, samples=LIVE_SAMPLES, k=LIVE_K, tol=LIVE_TOLERANCE
    )
    bounds: dict[str, dict[int, float]] = {}
    has = all(isinstance(model, c) for c in (LogJoint, Encodes, HasPrior)) and model.latent_dim > 0
    if with_iwae and has:
        for split in report.splits:
            x = some_rows(data.split(split).x, CURVE_ROWS)  # those of the report
            several = yield from iwae(model, x, IWAE)
            bounds[split] = {k: float(bound.value.mean()) for k, bound in several.items()}
    return LiveReport(report, bounds, with_iwae)

"""Where the data lie in latent space, kept up with the newest snapshot."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from backends.base import Progress, Work
from backends.capabilities import has_latent_points
from backends.carry import telling
from backends.data import DataSet
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.session import Encodings, Session
from explorer.slices import encoded

SAMPLE = 20_000  # rows, at most, that are encoded of each snapshot while it trains
_BLOCK = 2**14  # rows between two steps of the progress bar


class Encoder(QObject):
    """Encodes the rows of the split that the map shows.

    Of more than SAMPLE rows so many are encoded at the pace of training, and all of them when it rests; this
    can be cancelled, and a newer snapshot ends it as well.
    """

    progressed = Signal(object)  # Progress of encoding all rows; None: nothing is under way

    def __init__(self, session: Session, exploration: Exploration, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._exploration = session, exploration
        self._pace = Pace(self._request, interval=0.2, duty=0.12, parent=self)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.rested.connect(self._pace.renew)  # the rest of the rows has its turn
        session.encodings_changed.connect(self._prepare)
        session.plane_changed.connect(self._prepare)

    def cancel(self) -> None:
        """Be content with the rows that are encoded while it trains."""
        self._exploration.cancel("encode all")
        self.progressed.emit(None)

    def _run_changed(self, _: object) -> None:
        for slot in ("encodings", "neighbours"):
            self._exploration.cancel(slot)
        self._pace.reset()
        self.cancel()

    def _model_changed(self, _: object) -> None:
        self.cancel()
        self._pace.poke()

    def _request(self) -> bool:
        model, data = self._session.model, self._session.data
        if not has_latent_points(model) or data is None:
            return False
        self._exploration.request(
            "encodings",
            Priority.FOLLOW,
            lambda: encodings(model, data, "train", SAMPLE),
            self._encoded,
            doing="encode the data",
            ended=self._pace.done,
        )
        return True

    def _encoded(self, result: Encodings) -> None:
        self._session.set_encodings(result)
        model, data, moment = self._session.model, self._session.data, self._session.moment
        resting = moment is not None and (not moment.training or self._session.past is not None)
        if result.rows is None or model is None or data is None or not resting:
            return
        self._exploration.request(
            "encode all",
            Priority.EVALUATION,
            lambda: encodings(model, data, result.split),
            self._session.set_encodings,
            doing="encode the data",
            progress=self.progressed.emit,
            ended=lambda: self.progressed.emit(None),
        )

    def _prepare(self, _: object) -> None:
        """What finds the nearest of the encodings is made in time, and for the plane on which one looks."""
        known, plane = self._session.encodings, self._session.plane
        if known is not None and known.z.shape[1] == plane.dim:
            self._exploration.request(
                "neighbours",
                Priority.FOLLOW,
                lambda: known.neighbours.build((plane.origin, plane.basis)),
                lambda _: None,
                doing="sort the encodings",
            )


def encodings(model: Any, data: DataSet, split: str, most: int | None = None) -> Work[Encodings]:
    """Where the rows of a split lie in latent space, a slice at a time; of more rows than ``most`` so many,
    always the same ones."""
    x, rows = data.split(split).x, None
    n = len(x)
    if most is not None and n > most:
        n, rows = most, np.linspace(0, n - 1, most).astype(np.int64)
    z = np.empty((n, model.latent_dim), np.float32)
    for start in range(0, n, _BLOCK):
        part = slice(start, start + _BLOCK)
        some = x[part] if rows is None else x[rows[part]]
        done = Progress(start, n, "encode")
        z[part] = yield from telling(encoded(model, some), done)
    return Encodings(model.stamp.step, split, z, rows)

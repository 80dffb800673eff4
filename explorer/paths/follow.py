"""The path follows its pins, the hand and the training: what lies along it is computed here for everybody."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject

from backends.capabilities import Decodes
from explorer.compute import Exploration, Failure, Priority
from explorer.pace import Pace
from explorer.paths.walk import Route, Walk, route_of, walk
from explorer.session import Session

SLOT = "path"


class PathFollower(QObject):
    """Keeps ``session.walk`` at the path that is set and the newest snapshot."""

    def __init__(self, session: Session, exploration: Exploration, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._exploration = session, exploration
        self._pace = Pace(self._request, interval=0.1, duty=0.2, parent=self)
        self._shown = True  # whether something came of the request at hand
        session.changed.connect(self._state_changed)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._poke)
        session.encodings_changed.connect(self._poke)

    def _state_changed(self, old: Any, new: Any) -> None:
        spaced = (old.film.frames, old.film.spacing) != (new.film.frames, new.film.spacing)
        if old.path == new.path and old.pins == new.pins and not spaced:
            return
        if self._shown and new.path.kind != "drawn":
            self._pace.renew()
        else:  # a hand that never rests would else never see anything, or nothing else than the film
            self._pace.poke()

    def _run_changed(self, _: Any) -> None:
        self._exploration.cancel(SLOT)
        self._pace.reset()
        self._session.set_walk(None)
        self._pace.poke()

    def _poke(self, _: Any) -> None:
        self._pace.poke()

    def _request(self) -> bool:
        model, state, known = self._session.model, self._session.state, self._session.encodings
        route = route_of(state, model.latent_dim) if model is not None else None
        if not isinstance(route, Route) or not isinstance(model, Decodes):
            self._exploration.cancel(SLOT)
            self._shown = True
            if self._session.walk is not None or self._session.no_walk != (route or ""):
                self._session.set_walk(None, route if isinstance(route, str) else "")
            return False
        if known is not None and known.z.shape[1] != model.latent_dim:
            known = None
        last = self._session.walk
        begin = last.line if last is not None and last.kind == route.kind == "shortest" else None
        self._shown = False
        self._exploration.request(
            SLOT,
            Priority.FIELD,
            lambda: walk(model, route, state.film, known, begin),
            self._take,
            doing="go along the path",
            failed=self._failed,
            ended=self._pace.done,
        )
        return True

    def _take(self, found: Walk) -> None:
        self._shown = True
        self._session.set_walk(found)

    def _failed(self, failure: Failure) -> None:
        self._shown = True
        self._session.set_walk(None, f"{failure.sentence[:1].upper()}{failure.sentence[1:]}.")
        if not failure.expected:
            self._exploration.failed.emit(failure)

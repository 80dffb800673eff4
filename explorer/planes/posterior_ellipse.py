"""q(z|x) of the datum that is looked at, as an ellipse on the latent map; computed in exploration."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QColor

from backends.capabilities import Encodes
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plots.ellipses import Ellipses, EllipsesItem
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.session import Session
from explorer.studies.look import Posterior, posterior
from explorer.studies.placing import axes
from explorer.style.theme import theme


class PosteriorEllipse(QObject):
    """``item`` shows the one of the session's subject, by its newest model, on its plane."""

    def __init__(self, session: Session, exploration: Exploration, canvas: PlaneCanvas) -> None:
        super().__init__(canvas)
        self._session, self._exploration = session, exploration
        self.item = EllipsesItem()
        self._pace = Pace(self._request, interval=0.08, duty=0.15, parent=canvas)
        session.run_changed.connect(self._run_changed)
        for changed in (session.model_changed, session.plane_changed, session.subject_changed):
            changed.connect(self._pace.poke)
        theme().changed.connect(self._retint)
        self._retint()

    def _run_changed(self, _: object) -> None:
        self.item.set_ellipses(None)
        self._pace.reset()
        self._exploration.cancel("posterior")

    def _request(self) -> bool:
        model, subject, plane = self._session.model, self._session.subject, self._session.plane
        if subject is None or not isinstance(model, Encodes) or plane.dim != model.latent_dim:
            self.item.set_ellipses(None)
            return False
        self._exploration.request(
            "posterior",
            Priority.FIELD,
            lambda: posterior(model, subject.x, plane),
            self._draw,
            doing="find the posterior",
            ended=self._pace.done,
        )
        return True

    def _draw(self, found: Posterior) -> None:
        half = axes(found.covariance)
        self.item.set_ellipses(Ellipses(found.mean[None], half[None], ("",), (0,)))

    def _retint(self, *_: Any) -> None:
        tokens = theme().tokens
        self.item.set_colours([QColor(tokens.text)], QColor(tokens.text), QColor(tokens.surface))

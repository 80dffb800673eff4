"""One datum: its exact posterior beside the encoder's q and the best Gaussian, and what each leaves open."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from backends.capabilities import FitsPosterior, HasElbo
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plane import coordinate_plane
from explorer.planes.fields import Shaded, shaded
from explorer.plots.canvas import FieldItem
from explorer.plots.curves import CurvePlot, Points, Series
from explorer.plots.ellipses import Ellipses, EllipsesItem
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.session import Session
from explorer.studies.gaps import STEPS, Gaps, gaps, moments
from explorer.studies.look import estimator
from explorer.studies.placing import axes
from explorer.style.theme import theme
from explorer.widgets.values import ValueRows, format_number

REST = 250  # ms without another datum, after which it is looked at
PICTURE, PLOT, SIDE, GAP = 224, 120, 248, 16  # pixels: at most, at least, of the numbers, between them
STDS = 4.0  # standard deviations of q that are in view
ROWS = [
    ("log_p", "log p(x)", "Log-likelihood of this datum, in nats."),
    ("error", "its standard error", "Of the estimate of log p(x), and how many draws it is worth."),
    (
        "elbo",
        "ELBO of the encoder's q",
        "E_q[log p(x|z)] − KL(q(z|x)‖p(z)), in nats, with the q that the encoder gives.",
    ),
    ("reconstruction", "reconstruction", "E_q[log p(x|z)], the first term of the encoder's ELBO, in nats."),
    ("kl_prior", "KL(q‖p(z))", "How far q(z|x) is from the prior, the second term, in nats."),
    (
        "amortisation",
        "amortisation gap",
        f"What the best Gaussian for this x alone gains: {STEPS} steps of optimisation from the "
        "encoder's q, with a full covariance, keeping the best (Cremer et al. 2018).",
    ),
    (
        "approximation",
        "approximation gap",
        "log p(x) − ELBO of that Gaussian: what no Gaussian can gain, as p(z|x) is none.",
    ),
    (
        "direct",
        "KL(q‖p(z|x))",
        "By quadrature over z, not as a difference: the two gaps add up to it.",
    ),
]
LEGEND = "{encoder} encoder's q &nbsp; {best} best q"


class DatumPanel(QWidget):
    """Follows the session's subject while it is on show; the optimisation is drawn as it goes on."""

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self.found: Gaps | None = None
        self._model: Any = None  # that ``found`` is of
        self._asked: Any = None  # that was asked last
        self.canvas = PlaneCanvas("Exact posterior p(z|x)", self)
        self.field, self.ellipses = FieldItem(), EllipsesItem()
        for item in (self.field, self.ellipses):
            self.canvas.addItem(item, ignoreBounds=True)
        self.legend = QLabel(self)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.plot = CurvePlot(
            self, placeholder="Move the mouse over the map", unit="step of the optimisation"
        )
        self.plot.setAccessibleName("ELBO of q as it is fitted to this datum alone")
        self.plot.set_series(
            [
                Series("log_p", "log p(x)", 0),
                Series("best", "best q", 2),
                Series("elbo", "encoder's q", 1),
            ]
        )
        self.plot.set_gap("best", "elbo", "gap")
        self.rows = ValueRows(ROWS, self)
        self._laid: object = None  # the view that was laid around both q, until a hand moves it
        picture = QWidget(self)
        column = QVBoxLayout(picture)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.canvas, 1)
        column.addWidget(self.legend)
        self.picture = picture
        side = QWidget(self)
        side.setFixedWidth(SIDE)
        values = QVBoxLayout(side)
        values.setContentsMargins(0, 0, 0, 0)
        values.addWidget(self.rows)
        values.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(picture)
        row.addWidget(self.plot, 1)
        row.addWidget(side)
        self._pace = Pace(self._request, interval=1.0, duty=0.15, parent=self)
        self._field_pace = Pace(self._request_field, interval=0.3, duty=0.15, parent=self)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(self._renew)
        self.canvas.viewed.connect(self._field_pace.renew)
        self.plot.legend_changed.connect(self.status)
        session.run_changed.connect(self._run_changed)
        session.subject_changed.connect(self._subject_changed)
        session.model_changed.connect(self._model_changed)
        theme().changed.connect(self._retint)
        self._retint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """In a small window the numbers and the picture come before how q was fitted."""
        room = self.width() - SIDE - GAP
        if not self.picture.isHidden():
            self.picture.setFixedWidth(max(min(room, PICTURE), 0))
            room -= PICTURE + GAP
        self.plot.setVisible(room >= PLOT)

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """Whether a better q can be looked for."""
        return isinstance(model, FitsPosterior) and isinstance(model, HasElbo)

    def follow_link(self, key: str) -> None:
        """A click in the legend shows or hides a curve."""
        self.plot.toggle(key)

    # -- what is looked at -----------------------------------------------------------------------

    def _run_changed(self, _: object) -> None:
        for pace, slot in ((self._pace, "gaps"), (self._field_pace, "gaps field")):
            pace.reset()
            self._exploration.cancel(slot)
        model = self._session.model
        self.picture.setVisible(model is not None and model.latent_dim == 2)
        self._fit()
        self._clear()

    def _clear(self) -> None:
        self.found = self._model = self._asked = None
        self.field.set_picture(None)
        self.ellipses.set_ellipses(None)
        self.plot.set_points({key: Points() for key in ("log_p", "best", "elbo")})
        for key, *_ in ROWS:
            self.rows.set(key, None)

    def _subject_changed(self, subject: object) -> None:
        self._exploration.cancel("gaps")
        self._pace.reset()
        if subject is None:
            self._clear()
        else:
            self._rest.start()

    def _model_changed(self, _: object) -> None:
        if not self._rest.isActive():
            self._pace.poke()

    def _renew(self) -> None:
        self._pace.renew()

    def _request(self) -> bool:
        model, subject = self._session.model, self._session.subject
        if subject is None or not isinstance(model, FitsPosterior):
            return False
        self._asked = model
        self._exploration.request(
            "gaps",
            Priority.EVALUATION,
            lambda: gaps(model, subject.x),
            self._show,
            doing="find the best Gaussian of the datum",
            ended=self._pace.done,
        )
        return True

    def _request_field(self) -> bool:
        model, found, view = self._model, self.found, self.canvas.view()
        if found is None or model is None or model.latent_dim != 2:
            return False
        plane, table = coordinate_plane(2), theme().table
        self._exploration.request(
            "gaps field",
            Priority.EVALUATION,
            lambda: shaded("posterior", model, found.x[None], plane, view, table),
            self._draw_field,
            doing="draw the posterior",
            ended=self._field_pace.done,
        )
        return True

    # -- what is shown ---------------------------------------------------------------------------

    def _draw_field(self, found: Shaded) -> None:
        self.field.set_picture(found.picture)

    def _show(self, found: Gaps) -> None:
        subject = self._session.subject
        if subject is None or found.x is not subject.x:
            return
        another = self.found is None or self.found.x is not found.x
        if found.log_p is None and not another:
            return  # what is on show is all of one moment, and stays until there is as much of this one
        of_another = another or self._model is not self._asked
        self.found, self._model = found, self._asked
        if self.picture.isVisibleTo(self):
            self._draw_ellipses(found, look_there=another)
            if of_another:
                self._field_pace.renew()
        steps = np.arange(len(found.fits))
        best = [fit.elbo for fit in found.fits]
        points = {"best": Points.of(steps, best), "elbo": Points.of(steps, np.full(len(steps), found.elbo))}
        log_p = found.log_p
        points["log_p"] = Points() if log_p is None else Points.of(steps, np.full(len(steps), log_p.value))
        self.plot.set_points(points)
        self._show_values(found)

    def _draw_ellipses(self, found: Gaps, look_there: bool) -> None:
        both = [moments(found.best.q), moments(found.fits[0].q)]
        means, half = np.stack([m for m, _ in both]), np.stack([axes(c) for _, c in both])
        self.ellipses.set_ellipses(Ellipses(means, half, ("", ""), (0, 1)))
        view = self.canvas.box.viewRange()
        (u0, v0), (u1, v1) = np.transpose(view)
        std = np.sqrt(np.square(half).sum(1))
        seen = 2 * std[0] if view == self._laid else 0  # of the best q; of a view by hand only its middle
        (x0, y0), (x1, y1) = means[0] - seen, means[0] + seen
        if look_there or x0 < u0 or x1 > u1 or y0 < v0 or y1 > v1:
            reach = STDS * std.max(0)
            (x0, y0), (x1, y1) = means.min(0) - reach, means.max(0) + reach
            self.canvas.box.setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0)
            self._laid = self.canvas.box.viewRange()

    def _show_values(self, found: Gaps) -> None:
        rows, tips = self.rows, {key: tip for key, _, tip in ROWS}
        noise = found.fits[0].stderr
        for key in ("elbo", "reconstruction", "amortisation", "approximation"):
            value = getattr(found, key)
            rows.set(key, None if value is None else format_number(value, 3))
        rows.set_tooltip("elbo", f"{tips['elbo']} ± {noise:.2g}.")
        kl = found.kl_prior
        rows.set("kl_prior", format_number(kl.value, 3))
        how = f"{kl.method[0].upper()}{kl.method[1:]}; ± {kl.stderr:.2g}." if kl.stderr else "In closed form."
        rows.set_tooltip("kl_prior", f"{tips['kl_prior']} {how}")
        rows.set_tooltip("reconstruction", f"{tips['reconstruction']} ± {np.hypot(noise, kl.stderr):.2g}.")
        rows.set_tooltip(
            "amortisation", f"{tips['amortisation']} ± {np.hypot(noise, found.best.stderr):.2g}."
        )
        if found.log_p is None:
            rows.set("log_p", None)
            rows.set_label("log_p", "log p(x)")
            rows.set_row_visible("error", False)
        else:
            rows.set("log_p", format_number(found.log_p.value, 3))
            rows.set_label("log_p", f"log p(x)  {estimator(found.log_p)}")
            rows.set_row_visible("error", found.log_p.ess is not None)
            if found.log_p.ess is not None:
                rows.set_label("error", f"standard error, ESS {found.log_p.ess:.0f}")
                rows.set("error", f"± {found.log_p.stderr:.2g}")
            rows.set_tooltip("log_p", f"{tips['log_p']} {found.log_p.method}; ± {found.log_p.stderr:.2g}.")
            error = np.hypot(found.log_p.stderr, found.best.stderr)
            rows.set_tooltip("approximation", f"{tips['approximation']} ± {error:.2g}.")
        rows.set_row_visible("direct", found.direct is not None)
        if found.direct is not None:
            rows.set("direct", format_number(found.direct.value, 3))
            rows.set_tooltip(
                "direct", f"{tips['direct']} {found.direct.method}; ± {found.direct.stderr:.2g}."
            )

    def _retint(self, *_: object) -> None:
        tokens = theme().tokens
        best, encoder = tokens.series[2], tokens.series[1]
        self.ellipses.set_colours(
            [QColor(best), QColor(encoder)], QColor(tokens.text), QColor(tokens.surface)
        )
        marks = {
            name: f'<span style="color:{c}">■</span>' for name, c in (("best", best), ("encoder", encoder))
        }
        self.legend.setText(LEGEND.format(**marks))
        self._field_pace.renew()

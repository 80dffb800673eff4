"""Traversals: for each latent dimension a row of what decodes along it, by the KL that it carries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from backends.capabilities import Decodes, Encodes, HasPrior
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.planes.mosaic import Ink
from explorer.session import Session
from explorer.state import apart
from explorer.studies.flow import has_latent_map
from explorer.studies.traversals import DEAD, WIDEST, Traversals, traversals
from explorer.style.theme import theme
from explorer.widgets.form import Choice
from explorer.widgets.traversal_rows import TraversalRows
from explorer.widgets.values import LiveLabel, format_number

THROUGH = (
    ("mean", "the mean", "The other coordinates are at the mean of the encodings."),
    ("point", "the point", "The other coordinates are those of the point on the map."),
)
LEGEND = f"from −{WIDEST:g} to +{WIDEST:g} standard deviations of one coordinate"
LEGEND_TIP = (
    "Around the mean of the held-out encodings, in standard deviations of the aggregate posterior: its "
    "variance is that of the means of q(z|x) and the mean of their variances."
)


class TraversalsPanel(QWidget):
    """Follows training, and the point where the rows go through it, while it is seen."""

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self.through = Choice(self)
        for name, text, tip in THROUGH:
            self.through.addItem(text, name)
            self.through.setItemData(self.through.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.through.setAccessibleName("What the rows go through")
        self.through.setToolTip("Where the other coordinates stay")
        self.through.setFixedWidth(112)
        label, self.legend = QLabel("Through", self), LiveLabel(self)
        label.setProperty("role", "muted")
        self.legend.setText(LEGEND)
        self.legend.setToolTip(LEGEND_TIP)
        self.scroller = QScrollArea(self)
        self.scroller.setFrameShape(QFrame.Shape.NoFrame)
        self.scroller.setWidgetResizable(True)
        self.scroller.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroller.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.rows = TraversalRows(self.scroller)
        self.scroller.setWidget(self.rows)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(label)
        row.addWidget(self.through)
        row.addWidget(self.legend, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(row)
        layout.addWidget(self.scroller, 1)
        self._pace = Pace(self._request, interval=0.3, duty=0.1, parent=self)
        self.through.activated.connect(self._choose_through)
        self.rows.chosen.connect(self._choose_axis)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._poke)
        session.point_changed.connect(self._point_changed)
        session.plane_changed.connect(self._show_axis)
        session.changed.connect(self._state_changed)
        theme().changed.connect(self._renew)
        self._run_changed(None)

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """An encoder with a Gaussian q(z|x), images that decode, a prior, and data."""
        able = all(isinstance(model, c) for c in (Decodes, Encodes, HasPrior)) and has_latent_map(model)
        return able and model.info.image_shape is not None and run.data is not None

    # -- what is chosen --------------------------------------------------------------------------

    def _choose_through(self, _: int) -> None:
        state = self._session.state
        state = replace(state, traversals=self.through.currentData())
        self._session.apply(state, "choose what the traversals go through")

    def _choose_axis(self, dimension: int) -> None:
        state = self._session.state
        spec = state.map.plane
        i, j = apart(dimension, spec.j, spec)
        plane = replace(spec, kind="coordinates", i=i, j=j, offsets=())
        self._session.apply(replace(state, map=replace(state.map, plane=plane)), "choose the plane")

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.traversals != new.traversals:
            self._show_through()
            self._renew()
        if old.map.plane != new.map.plane:
            self._show_axis()

    def _show_through(self) -> None:
        self.through.setCurrentIndex(self.through.findData(self._session.state.traversals))

    def _show_axis(self, *_: object) -> None:
        spec = self._session.state.map.plane
        self.rows.show_axis(spec.i if spec.kind == "coordinates" else None)

    # -- what is computed --------------------------------------------------------------------------

    def _run_changed(self, _: object) -> None:
        self._exploration.cancel("traversals")
        self._pace.reset()
        self.rows.show_found(None)
        self.status.emit("")
        self._show_through()
        self._show_axis()
        self._renew()

    def _poke(self, *_: object) -> None:
        self._pace.poke()

    def _renew(self, *_: object) -> None:
        self._pace.renew()

    def _point_changed(self, _: object) -> None:
        if self._session.state.traversals == "point":
            self._pace.poke()

    def _request(self) -> bool:
        run, model, point = self._session.run, self._session.model, self._session.point
        data = self._session.data
        if model is None or data is None or not self.suits(run, model):
            return False
        if self._session.state.traversals == "mean" or point is None or len(point) != model.latent_dim:
            point = None
        x = data.test.x if len(data.test) else data.train.x
        ink = Ink((255, 255, 255), 1.0) if theme().tokens.is_dark else Ink((20, 24, 32), 1.0)
        ratio = self.devicePixelRatioF()
        self._exploration.request(
            "traversals",
            Priority.FOLLOW,
            lambda: traversals(model, x, point, ink, ratio),
            self._show,
            doing="decode along the latent dimensions",
            ended=self._pace.done,
        )
        return True

    def _show(self, found: Traversals) -> None:
        if len(found.strips) < self.rows.count:
            return  # those before stay until all of these are there
        self.rows.show_found(found)
        k, total = len(found.kl), float(found.kl.sum())
        shown = f" · the first {len(found.strips)} shown" if len(found.order) > len(found.strips) else ""
        self.status.emit(f"Σ KL {format_number(total, 2)} nats · {found.used} of {k} used{shown}")
        self.legend.setToolTip(
            f"{LEGEND_TIP}\nKL(q(zⱼ|x) ‖ p(zⱼ)): {found.method}; the mean over {format_number(found.rows)} "
            "held-out rows. "
            f"Below {DEAD:g} nats a dimension is unused."
        )

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._renew()

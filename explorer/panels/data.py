"""The data plane: the data in the colours of the components that answer for them, the components, the density
behind, and the paths that the means have taken. Components can be moved by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from backends.base import Array
from backends.capabilities import Encodes, LogProb
from backends.carry import log_prob
from explorer.actions import Actions
from explorer.compute import Exploration, Failure, Priority
from explorer.pace import Pace
from explorer.plane import Plane
from explorer.planes.data_points import DataPoints
from explorer.planes.density import Lines, density, profile
from explorer.planes.points import Scatter
from explorer.planes.scatter import column_names
from explorer.plots.canvas import ContourItem, CursorItem, FieldItem
from explorer.plots.component_hand import ComponentHand, Placed
from explorer.plots.ellipses import EllipsesItem, PathsItem, ellipses_of
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.session import Session
from explorer.state import DataSpec
from explorer.studies.look import row_name
from explorer.studies.marginal import Components, components_of, gaussians, has_components, is_gaussian
from explorer.studies.placing import placed
from explorer.style.theme import blend, theme
from explorer.view import Picture
from explorer.widgets.data_bar import DataBar
from explorer.widgets.values import format_number

SLOTS = ("components", "density", "placing")
NO_PATHS = np.zeros((0, 0, 2))
PROJECTED = (
    "The density of the data's projection on this plane, exact: what is N(μ, Σ) among the data is "
    "N(Pμ, PΣPᵀ) on a plane with directions P."
)
IN_PLANE = "The model's density p(x). Contours lie r²/2 nats below the highest in view, r = 1 … 4."


class DataPanel(QWidget):
    """The canvas of models that have something to show among the data themselves."""

    status = Signal(object)
    explained = Signal(object)  # the status's tooltip

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._exploration, self._actions = session, exploration, actions
        self.canvas = PlaneCanvas("Data plane", self)
        self.points = DataPoints(session, exploration, self.canvas, self)
        self.field, self.contours, self.marker = FieldItem(), ContourItem(), CursorItem()
        self.paths, self.ellipses = PathsItem(), EllipsesItem()
        self.contours.setZValue(5)
        layers = self.field, self.points.item, self.contours, self.paths, self.ellipses, self.marker
        for item in layers:
            self.canvas.addItem(item, ignoreBounds=True)
        self.bar = DataBar(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.bar)
        layout.addWidget(self.canvas, 1)
        self.hand = ComponentHand(self.canvas, self.ellipses)
        self.components: Components | None = None
        self._info: Any = None  # of the data that the view was made for
        self._seen: Plane | None = None  # on which the pictures are
        self._left: Any = None  # the model that gives way to what the hand has just put down

        self._field_pace = Pace(self._request_field, interval=0.15, duty=0.2, parent=self)
        self._component_pace = Pace(self._request_components, interval=0.033, duty=0.25, parent=self)
        self._paces = (self._component_pace, self._field_pace)
        self.points.projected.connect(self._projected)
        self.points.found.connect(self._found)
        self.bar.chosen.connect(self._choose)
        self.hand.taken.connect(self._taken)
        self.hand.moved.connect(self._hand_moved)
        self.hand.placed.connect(self._placed)
        self.canvas.viewed.connect(self._view_changed)
        self.canvas.moved.connect(self._moved)
        self.canvas.clicked.connect(self._clicked)
        self.canvas.stepped.connect(self._stepped)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.changed.connect(self._state_changed)
        theme().changed.connect(self._retint)
        self._retint()
        self._show_layers(session.state.data)

    # -- what is shown -------------------------------------------------------------------------

    @property
    def scatter(self) -> Scatter | None:
        """Where the points are, once they are projected."""
        return self.points.scatter

    @property
    def _plane(self) -> Plane:
        return self.points.plane

    def reset_view(self) -> None:
        """The standard view: all the data but a few stray points, with a margin."""
        if self.scatter is not None:
            (x0, y0), (x1, y1) = self.scatter.corners
            line = self._plane.dim == 1
            self.canvas.getAxis("left").setStyle(showValues=not line)
            if line:  # with room above it for the density
                y0, y1 = -0.06 * (x1 - x0), 0.4 * (x1 - x0)
            self.canvas.box.setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0.08)

    def _choose(self, spec: DataSpec) -> None:
        self._session.apply(replace(self._session.state, data=spec), "choose what the data plane shows")

    def _run_changed(self, _: object) -> None:
        data, model = self._session.data, self._session.model
        for pace in self._paces:
            pace.reset()
        for slot in SLOTS:
            self._exploration.cancel(slot)
        self.points.reset()
        self.hand.let_go()
        self.marker.hide()
        self._left = None
        self.paths.set_paths(NO_PATHS)
        if data is None or model is None or data.info != self._info:
            self._clear()
        if data is not None and model is not None:
            mixed = isinstance(model, Encodes) and not model.latent_dim
            self.bar.offer(column_names(data.info), data.train.labels is not None, mixed)
            self.points.colour = self.bar.colour_shown
            self.points.project()

    def _clear(self) -> None:
        self._info = self.components = None
        self.points.clear()
        self._clear_pictures()
        self.hand.follow(None, self._plane, "")

    def _projected(self, found: Scatter) -> None:
        data, before = self._session.data, self._seen
        self.canvas.setLabel("bottom", found.plane.labels[0])
        self.canvas.setLabel("left", found.plane.labels[1])
        other = data is None or data.info != self._info
        if other or before is None or not np.array_equal(before.basis, found.plane.basis):
            self._clear_pictures()
            self.reset_view()
        self._info, self._seen = None if data is None else data.info, found.plane
        self._refresh()

    def _clear_pictures(self) -> None:
        self.field.set_picture(None)
        self.points.item.set_picture(None)
        self.contours.set_lines([])
        self.paths.set_paths(NO_PATHS)
        self.ellipses.set_ellipses(None)
        self.marker.hide()

    def _refresh(self) -> None:
        """All that follows the model, at once."""
        for pace in self._paces:
            pace.renew()
        self.points.colour = self.bar.colour_shown
        self.points.recolour(at_once=True)

    def _model_changed(self, _: object) -> None:
        if not self._session.training:  # what is done by hand is seen at once
            self._field_pace.reset()
        self._component_pace.poke()
        self._field_pace.poke()
        if self.points.colour == "responsibility":
            self.points.recolour()

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.data == new.data:
            return
        self.bar.show_spec(new.data)
        self._show_layers(new.data)
        if old.data.plane != new.data.plane:
            self.points.project()
        else:
            self._retint()

    def _show_layers(self, spec: DataSpec) -> None:
        for item, shown in (
            (self.field, spec.field), (self.points.item, spec.points), (self.contours, spec.contours),
            (self.ellipses, spec.ellipses), (self.paths, spec.paths),
        ):  # fmt: skip
            item.setVisible(shown)

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._refresh()

    def _view_changed(self) -> None:
        self.points.paint()
        self._field_pace.renew()

    # -- components ----------------------------------------------------------------------------

    def _request_components(self) -> bool:
        model, run, plane = self._session.model, self._session.run, self._plane
        if model is None or run is None or self.scatter is None or not self.isVisible():
            return False
        past = run.history.models if self._session.state.data.paths else ()
        self._exploration.request(
            "components",
            Priority.FIELD,
            lambda: components_of(model, plane, past),
            self._take_components,
            doing="draw the components",
            ended=self._component_pace.done,
        )
        return True

    def _take_components(self, found: Components) -> None:
        run = self._session.run
        if found.model is self._left or run is None:
            return
        self._left, self.components = None, found
        self.paths.set_paths(found.paths)
        form = str(run.values.get("covariance", "")) if run.places else ""
        self.hand.follow(found.marginal, found.plane, form)
        if self.hand.preview is None:
            self.ellipses.set_ellipses(None if found.marginal is None else ellipses_of(found.marginal))

    # -- the hand ------------------------------------------------------------------------------

    def _taken(self) -> None:
        if self._session.training:
            self._actions.pause()
            self._session.say("Training is paused to move the component. Train goes on from there.")

    def _hand_moved(self, preview: object) -> None:
        if preview is None and self.components is not None and self.components.marginal is not None:
            self.ellipses.set_ellipses(ellipses_of(self.components.marginal))
        self.points.preview = self.hand.preview
        self._field_pace.poke()
        if self._plane.dim == 2 and self.points.colour == "responsibility":
            self.points.recolour()

    def _placed(self, there: Placed) -> None:
        model, run, plane = self._session.model, self._session.run, self._plane
        if model is None or run is None:
            return
        self._left, self.points.preview = model, None

        def work(model: Any = model) -> tuple[Array, Array, Array]:
            form = str(run.values["covariance"])
            return placed(
                model.weights, model.means, model.covariances, form, plane,
                there.k, there.mean, there.covariance,
            )  # fmt: skip

        self._exploration.request(
            "placing",
            Priority.HOVER,
            work,
            self._actions.by_hand.place,
            doing="move the component",
            failed=self._not_placed,
        )

    def let_go(self) -> None:
        """Leave what is being dragged where it was."""
        self.hand.let_go()

    def _not_placed(self, failure: Failure) -> None:
        self._left = None
        self._actions.fail(failure)
        self._refresh()

    # -- the density ---------------------------------------------------------------------------

    def _request_field(self) -> bool:
        model, spec = self._session.model, self._session.state.data
        if model is None or model is self._left or self.scatter is None or not self.isVisible():
            return False
        make, what, tip = self._log_prob(model)
        if make is None or not (spec.field or spec.contours):
            self._exploration.cancel("density")
            self.field.set_picture(None)
            self.contours.set_lines([])
            self._say(what, model.stamp.step, tip)
            return False
        view, table, step = self.canvas.view(), self._table(), model.stamp.step
        draw = profile if self._plane.dim == 1 else density
        self._exploration.request(
            "density",
            Priority.FIELD,
            lambda: draw(make(), step, view, table),
            lambda found: self._draw_field(found, what, tip),
            doing="draw the density",
            ended=self._field_pace.done,
        )
        return True

    def _log_prob(self, model: Any) -> tuple[Callable[[], Callable[[Array], Any]] | None, str, str]:
        """What makes, in exploration, log p of canvas coordinates; what to call it; and what it is."""
        plane, preview = self._plane, self.hand.preview
        if plane.dim <= 2 and isinstance(model, LogProb):
            if preview is not None and plane.dim == 2:
                return lambda: preview.log_prob, "p(x)", IN_PLANE
            return lambda: lambda uv: log_prob(model, plane.to_space(uv)), "p(x)", IN_PLANE
        if plane.dim > 2 and is_gaussian(model):
            if preview is not None:
                return lambda: preview.log_prob, "projected p(x)", PROJECTED
            return lambda: gaussians(model, plane).log_prob, "projected p(x)", PROJECTED
        return None, "", ""

    def _draw_field(self, found: Picture | Lines, what: str, tip: str) -> None:
        if isinstance(found, Lines):
            self.contours.set_segments(found.segments)
            return
        self.field.set_picture(found)
        if found.complete:
            self._say(what, found.step, tip)

    def _say(self, what: str, step: int, tip: str) -> None:
        points = f"{format_number(len(self.scatter.rows))} points" if self.scatter is not None else ""
        self.status.emit(" · ".join(part for part in (points, what, f"step {format_number(step)}") if part))
        self.explained.emit(tip)

    # -- the place under the mouse, and looks --------------------------------------------------

    def _moved(self, move: tuple[tuple[float, float], int]) -> None:
        self.marker.hide()
        self._place_at(move[0])

    def _clicked(self, move: tuple[tuple[float, float], int]) -> None:
        """Where no click takes a component in hand, it gives the model a datum to encode."""
        if self._plane.dim == 2 and not has_components(self._session.model):
            self._actions.inputs.give(self._plane.to_space(np.array([move[0]]))[0], "where you clicked")

    def _stepped(self, by: tuple[float, float]) -> None:
        """An arrow key moves the place, from the middle of the view where there is none yet."""
        view, place, plane = self.canvas.view(), self._session.place, self._plane
        if self.scatter is None:
            return
        if place is None or len(place) != plane.dim:
            u, v = (view.x0 + view.x1) / 2, (view.y0 + view.y1) / 2
        else:
            u, v = plane.to_canvas(place[None])[0]
        self._mark((u + by[0], v + by[1]))
        self._set_place((u + by[0], v + by[1]))

    def _place_at(self, uv: tuple[float, float]) -> None:
        """What lies there: the place itself, or a row near it where a place of the plane is not all there is
        to say of x, since the data lie off the plane."""
        if self._plane.dim > 2:
            self.points.look(uv)
        else:
            self._set_place(uv)

    def _found(self, found: tuple[tuple[float, float], int | None]) -> None:
        (uv, row), data = found, self._session.data
        if row is None or data is None:
            self.marker.hide()
            self._set_place(uv)
        elif data.info.dim == self._plane.dim:
            x = data.train.x[row]
            self._mark(self._plane.to_canvas(x[None])[0])
            self._session.set_place(x, row_name(data.train, row, data.info.label_names))

    def _mark(self, uv: Sequence[float] | Array) -> None:
        self.marker.setPos(float(uv[0]), float(uv[1]))
        self.marker.show()

    def _set_place(self, uv: tuple[float, float]) -> None:
        model = self._session.model
        if model is not None and self.scatter is not None and self._plane.dim == model.info.dim:
            self._session.set_place(self._plane.to_space(np.array([uv]))[0])

    def _retint(self, *_: Any) -> None:
        tokens = theme().tokens
        colours = [QColor(c) for c in tokens.labels]
        self.ellipses.set_colours(colours, QColor(tokens.text), QColor(tokens.surface))
        lines = [QColor(blend(c, tokens.text, 0.6)) for c in tokens.labels]  # to be seen among the points
        self.paths.set_colours(lines, QColor(tokens.surface))
        line = QColor(tokens.text)
        line.setAlphaF(0.35)
        self.contours.set_colour(line)
        self.marker.set_colours(QColor(tokens.danger), QColor(tokens.surface))
        self._refresh()

    def _table(self) -> Array:
        """The field's colours, (256, 3) uint8: greys where colours are the points' and components' alone."""
        spec = self._session.state.data
        return theme().table_under(self.points.colour != "plain" and (spec.points or spec.ellipses))

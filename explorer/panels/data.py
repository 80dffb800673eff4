"""The data plane: the data in the colours of the components that answer for them, the components, the density
behind, and the paths that the means have taken. Components can be moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from backends.base import Array, Encodes, LogProb
from explorer.actions import Actions
from explorer.compute import Exploration, Failure, Priority
from explorer.density import Lines, density
from explorer.marginal import Components, components_of, gaussians, is_gaussian
from explorer.pace import Pace
from explorer.placing import placed
from explorer.plane import Plane, coordinate_plane
from explorer.plots.canvas import ContourItem, FieldItem
from explorer.plots.component_hand import ComponentHand, Placed
from explorer.plots.ellipses import EllipsesItem, PathsItem, ellipses_of
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.scatter import Scatter, column_names, mixed_colours, points_picture, scatter
from explorer.session import Session
from explorer.state import DataSpec
from explorer.theme import blend, theme
from explorer.view import Picture
from explorer.widgets.data_bar import DataBar
from explorer.widgets.values import format_number

SLOTS = ("scatter", "colours", "points", "components", "density", "placing")
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

    def __init__(
        self, session: Session, exploration: Exploration, actions: Actions, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._exploration, self._actions = session, exploration, actions
        self.canvas = PlaneCanvas("Data plane", self)
        self.field, self.points, self.contours = FieldItem(), FieldItem(), ContourItem()
        self.paths, self.ellipses = PathsItem(), EllipsesItem()
        self.points.setZValue(0)
        self.contours.setZValue(5)
        for item in (self.field, self.points, self.contours, self.paths, self.ellipses):
            self.canvas.addItem(item, ignoreBounds=True)
        self.bar = DataBar(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.bar)
        layout.addWidget(self.canvas, 1)
        self.hand = ComponentHand(self.canvas, self.ellipses)
        self.scatter: Scatter | None = None
        self.components: Components | None = None
        self._info: Any = None  # of the data that the view was made for
        self._rgb: Array | None = None  # (n, 3) uint8, of the scatter's points
        self._left: Any = None  # the model that gives way to what the hand has just put down

        self._field_pace = Pace(self._request_field, interval=0.15, duty=0.2, parent=self)
        self._colour_pace = Pace(self._request_colours, interval=0.1, duty=0.2, parent=self)
        self._component_pace = Pace(self._request_components, interval=0.033, duty=0.25, parent=self)
        self._paces = (self._component_pace, self._colour_pace, self._field_pace)
        self.bar.chosen.connect(self._choose)
        self.hand.taken.connect(self._taken)
        self.hand.moved.connect(self._hand_moved)
        self.hand.placed.connect(self._placed)
        self.canvas.viewed.connect(self._view_changed)
        self.canvas.moved.connect(self._moved)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.changed.connect(self._state_changed)
        theme().changed.connect(self._retint)
        self._retint()
        self._show_layers(session.state.data)

    # -- what is shown -------------------------------------------------------------------------

    @property
    def _plane(self) -> Plane:
        return coordinate_plane(2) if self.scatter is None else self.scatter.plane

    def reset_view(self) -> None:
        """The standard view: all the data but a few stray points, with a margin."""
        if self.scatter is not None:
            (x0, y0), (x1, y1) = self.scatter.corners
            self.canvas.box.setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0.08)

    def _choose(self, spec: DataSpec) -> None:
        self._session.apply(replace(self._session.state, data=spec), "choose what the data plane shows")

    def _run_changed(self, _: object) -> None:
        data, model = self._session.data, self._session.model
        for pace in self._paces:
            pace.reset()
        for slot in SLOTS:
            self._exploration.cancel(slot)
        self.hand.let_go()
        self._left = None
        self.paths.set_paths(NO_PATHS)
        if data is None or model is None or data.info != self._info:
            self._clear()
        if data is not None and model is not None:
            mixed = isinstance(model, Encodes) and not model.latent_dim
            self.bar.offer(column_names(data.info), data.train.labels is not None, mixed)
            self._request_scatter()

    def _clear(self) -> None:
        self._info = self.scatter = self.components = self._rgb = None
        self.field.set_picture(None)
        self.points.set_picture(None)
        self.contours.set_lines([])
        self.ellipses.set_ellipses(None)
        self.hand.follow(None, self._plane, "")

    def _request_scatter(self) -> None:
        data, spec = self._session.data, self._session.state.data.plane
        if data is not None:
            self._exploration.request(
                "scatter",
                Priority.FIELD,
                lambda: scatter(data.train, column_names(data.info), spec),
                self._take_scatter,
                doing="project the data",
            )

    def _take_scatter(self, found: Scatter) -> None:
        data, before = self._session.data, self.scatter
        if data is None:
            return
        self.scatter, self._rgb = found, None
        self.canvas.setLabel("bottom", found.plane.labels[0])
        self.canvas.setLabel("left", found.plane.labels[1])
        if before is None or not np.array_equal(before.plane.basis, found.plane.basis):
            self._clear_pictures()
            self.reset_view()
        self._info = data.info
        self._refresh()

    def _clear_pictures(self) -> None:
        self.field.set_picture(None)
        self.points.set_picture(None)
        self.contours.set_lines([])
        self.paths.set_paths(NO_PATHS)
        self.ellipses.set_ellipses(None)

    def _refresh(self) -> None:
        """All that follows the model, at once."""
        for pace in self._paces:
            pace.reset()
            pace.poke()

    def _model_changed(self, _: object) -> None:
        self._component_pace.poke()
        self._field_pace.poke()
        if self.bar.colour_shown == "responsibility":
            self._colour_pace.poke()

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.data == new.data:
            return
        self.bar.show_spec(new.data)
        self._show_layers(new.data)
        if old.data.plane != new.data.plane:
            self._request_scatter()
        else:
            self._retint()

    def _show_layers(self, spec: DataSpec) -> None:
        for item, shown in (
            (self.field, spec.field), (self.points, spec.points), (self.contours, spec.contours),
            (self.ellipses, spec.ellipses), (self.paths, spec.paths),
        ):  # fmt: skip
            item.setVisible(shown)

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._refresh()

    def _view_changed(self) -> None:
        self._request_points()
        self._field_pace.reset()
        self._field_pace.poke()

    # -- points --------------------------------------------------------------------------------

    def _request_colours(self) -> bool:
        model, data, seen = self._session.model, self._session.data, self.scatter
        if model is None or data is None or seen is None or not self.isVisible():
            return False
        self._exploration.request(
            "colours",
            Priority.FIELD,
            self._colouring(model, data.train, seen),
            self._take_colours,
            doing="colour the points",
            ended=self._colour_pace.done,
        )
        return True

    def _colouring(self, model: Any, split: Any, seen: Scatter) -> Callable[[], Any]:
        """What makes (n, 3) uint8 of the points' colours."""
        tokens, colour, preview = theme().tokens, self.bar.colour_shown, self.hand.preview
        palette, rows = np.array([_rgb(c) for c in tokens.labels], np.uint8), seen.rows
        if colour == "label":
            return lambda: palette[split.labels[rows] % len(palette)]
        if colour == "plain":
            return lambda: np.tile(np.array(_rgb(tokens.muted), np.uint8), (len(rows), 1))
        if preview is not None and model.info.dim == 2:
            responsibilities = lambda part: preview.responsibilities(seen.uv[part])  # noqa: E731
        else:
            responsibilities = lambda part: model.encode(split.x[rows[part]]).probs  # noqa: E731
        numbers = model.info.dim * len(model.weights)
        return lambda: mixed_colours(responsibilities, len(rows), palette, numbers)

    def _take_colours(self, rgb: Array) -> None:
        self._rgb = rgb
        self._request_points()

    def _request_points(self) -> None:
        seen, rgb, view = self.scatter, self._rgb, self.canvas.view()
        if seen is None or rgb is None or not self.isVisible() or not self._session.state.data.points:
            return
        self._exploration.request(
            "points",
            Priority.FIELD,
            lambda: points_picture(seen.uv, rgb, view),
            self.points.set_picture,
            doing="draw the points",
        )

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
        moment = self._session.moment
        if moment is not None and moment.training:
            self._actions.pause()
            self._session.say("Training is paused to move the component. Train goes on from there.")

    def _hand_moved(self, preview: object) -> None:
        if preview is None and self.components is not None and self.components.marginal is not None:
            self.ellipses.set_ellipses(ellipses_of(self.components.marginal))
        self._field_pace.poke()
        if self._session.model is not None and self._session.model.info.dim == 2:
            self._colour_pace.poke()

    def _placed(self, there: Placed) -> None:
        model, run, plane = self._session.model, self._session.run, self._plane
        if model is None or run is None:
            return
        self._left = model

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
            lambda parts: self._actions.place(*parts),
            doing="move the component",
            failed=self._not_placed,
        )

    def _not_placed(self, failure: Failure) -> None:
        self._left = None
        self._actions.fail(failure)
        self._refresh()

    # -- the density ---------------------------------------------------------------------------

    def _request_field(self) -> bool:
        model, spec = self._session.model, self._session.state.data
        if model is None or self.scatter is None or not self.isVisible():
            return False
        make, what, tip = self._log_prob(model)
        if make is None or not (spec.field or spec.contours):
            self._exploration.cancel("density")
            self.field.set_picture(None)
            self.contours.set_lines([])
            self._say(what, model.stamp.step, tip)
            return False
        view, table, step = self.canvas.view(), self._table(), model.stamp.step
        self._exploration.request(
            "density",
            Priority.FIELD,
            lambda: density(make(), step, view, table),
            lambda found: self._draw_field(found, what, tip),
            doing="draw the density",
            ended=self._field_pace.done,
        )
        return True

    def _log_prob(self, model: Any) -> tuple[Callable[[], Callable[[Array], Array]] | None, str, str]:
        """What makes, in exploration, log p of canvas coordinates; what to call it; and what it is."""
        plane, preview = self._plane, self.hand.preview
        if plane.dim == 2 and isinstance(model, LogProb):
            if preview is not None:
                return lambda: preview.log_prob, "p(x)", IN_PLANE
            return lambda: lambda uv: model.log_prob(plane.to_space(uv)), "p(x)", IN_PLANE
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
        model = self._session.model
        if model is not None and self.scatter is not None and self._plane.dim == model.info.dim:
            self._session.set_place(self._plane.to_space(np.array([move[0]]))[0])

    def _retint(self, *_: Any) -> None:
        tokens = theme().tokens
        colours = [QColor(c) for c in tokens.labels]
        self.ellipses.set_colours(colours, QColor(tokens.text), QColor(tokens.surface))
        lines = [QColor(blend(c, tokens.text, 0.6)) for c in tokens.labels]  # to be seen among the points
        self.paths.set_colours(lines, QColor(tokens.surface))
        line = QColor(tokens.text)
        line.setAlphaF(0.35)
        self.contours.set_colour(line)
        self._refresh()

    def _table(self) -> Array:
        """The field's colours, (256, 3) uint8: greys where colours are the points' and components' alone."""
        tokens, spec = theme().tokens, self._session.state.data
        if self.bar.colour_shown == "plain" or not (spec.points or spec.ellipses):
            return np.asarray(pg.colormap.get("viridis").getLookupTable(nPts=256)[:, :3])
        low, high = (np.array(_rgb(blend(tokens.muted, tokens.surface, share))) for share in (0.0, 0.7))
        return np.linspace(low, high, 256).astype(np.uint8)


def _rgb(colour: str) -> tuple[int, int, int]:
    """ "#rrggbb" → (r, g, b)."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)

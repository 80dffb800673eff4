"""The latent map: where the data lie in latent space, over the images that decode from there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from backends.base import Array
from backends.capabilities import HasPrior
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.paths.hand import PathHand
from explorer.paths.pin_hand import PinHand
from explorer.paths.pins import shown
from explorer.planes.density import CELLS
from explorer.planes.encoding_points import EncodingPoints
from explorer.planes.fields import KINDS, Shaded, offered, shaded
from explorer.planes.mosaic import Ink, mosaic
from explorer.planes.posterior_ellipse import PosteriorEllipse
from explorer.planes.prior_view import HALF_WIDTH, PriorLines, prior_lines, standard_view
from explorer.plots.canvas import ContourItem, CursorItem, FieldItem
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.session import Session, Subject
from explorer.state import MapSpec, PlaneSpec
from explorer.style.theme import theme
from explorer.view import Picture, View
from explorer.widgets.field_bar import FieldBar
from explorer.widgets.left_out import LeftOutSliders
from explorer.widgets.plane_bar import PlaneBar
from explorer.widgets.points_bar import PointsBar
from explorer.widgets.values import format_number
from explorer.widgets.wrapping import Wrapping

WHILE_TRAINING = 4  # device pixels a cell of a field of numbers
REST = "Wheel: zoom · Click: hold the point · N: pin it"
DRAWS, PANS = f"Drag: draw a path · Shift + drag: pan · {REST}", f"Drag: pan · {REST}"


class MapPanel(QWidget):
    """Mosaic, prior, encodings and the point, on the session's plane."""

    status = Signal(object)  # rich text for the card's title

    def __init__(self, session: Session, exploration: Exploration) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self.canvas = PlaneCanvas("Latent map", self)
        self.field, self.points = FieldItem(), EncodingPoints(session, exploration, self.canvas, self)
        self.contours, self.marker = ContourItem(), CursorItem()
        self.posterior = PosteriorEllipse(session, exploration, self.canvas)
        for item in (self.field, self.contours, self.points.item, self.posterior.item, self.marker):
            self.canvas.addItem(item, ignoreBounds=True)
        self.pins = PinHand(session, self.canvas)
        self.path = PathHand(session, self.canvas)
        self.canvas.holds = lambda at: self.pins.take(at) or self.path.take(at)
        self.canvas.shape = self._shape
        self.pins.picked.connect(self.hold)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.planes, self.left_out = PlaneBar(self), LeftOutSliders(self)
        self.fields, self.colours = FieldBar(self), PointsBar(self)
        self._shaded: Shaded | None = None
        self._show_spec()
        layout.addLayout(Wrapping((self.planes, self.fields, self.colours)))
        beside = QHBoxLayout()  # its height is what a map has the least of
        beside.addWidget(self.canvas, 3)
        beside.addWidget(self.left_out, 1)
        layout.addLayout(beside, 1)
        self.held = False
        self._home = np.array([[-HALF_WIDTH] * 2, [HALF_WIDTH] * 2])
        self._home_of: tuple[str, str] | None = None  # the plane's labels
        self._prior: PriorLines | None = None  # as its contours are drawn

        self._prior_pace = Pace(self._request_contours, interval=0.3, duty=0.1, parent=self)
        self._pace = Pace(self._request_field, interval=0.15, duty=0.25, parent=self)
        self.planes.chosen.connect(self._choose_plane)
        self.planes.opened.connect(self._open_sliders)
        self.left_out.moved.connect(self._move_plane)
        self.fields.chosen.connect(self._choose_field)
        self.colours.chosen.connect(self._colour_points)
        self.points.scaled.connect(self.colours.show_scale)
        self.fields.faded.connect(self._fade_field)
        self.fields.coloured.connect(self._colour_fields)
        self.canvas.moved.connect(self._hovered)
        self.points.changed.connect(self._say)
        self.canvas.clicked.connect(self._clicked)
        self.canvas.released.connect(self.let_go)
        self.canvas.stepped.connect(self._stepped)
        self.canvas.viewed.connect(self._view_changed)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.rested.connect(self._rested)
        session.plane_changed.connect(self._plane_changed)
        session.point_changed.connect(self._draw_cursor)
        session.subject_changed.connect(self._subject_changed)
        session.changed.connect(self._state_changed)
        theme().changed.connect(self._retint)
        self._retint()
        self.reset_view()
        self.marker.hide()

    # -- the view ------------------------------------------------------------------------------

    def reset_view(self) -> None:
        """The standard view, which holds the prior, also where that has learned since."""
        self._show_home()
        self._home_of = None
        self._request_home()

    def _show_home(self) -> None:
        (u0, v0), (u1, v1) = self._home
        self.canvas.box.setRange(xRange=(u0, u1), yRange=(v0, v1), padding=0)

    def _request_home(self) -> None:
        model, plane = self._session.model, self._session.plane
        if not isinstance(model, HasPrior) or plane.dim != model.latent_dim:
            self._exploration.cancel("home")
            return
        self._exploration.request(
            "home",
            Priority.FIELD,
            lambda: standard_view(model, plane),
            lambda corners: self._take_home(corners, plane.labels),
            doing="find the standard view",
        )

    def _take_home(self, corners: Array, labels: tuple[str, str]) -> None:
        """A plane of another kind is seen whole; one that moves with training moves no view."""
        fresh = labels != self._home_of and not np.array_equal(corners, self._home)
        self._home, self._home_of = corners, labels
        if fresh:
            self._show_home()

    def view(self) -> View:
        """The rectangle in view and its device pixels."""
        return self.canvas.view()

    def _view_changed(self) -> None:
        """The hand moved: never wait for the pace of training."""
        self._pace.renew()
        self._prior_pace.renew()

    # -- what follows the model ----------------------------------------------------------------

    def _choose_plane(self, plane: PlaneSpec) -> None:
        state = self._session.state
        self._session.apply(replace(state, map=replace(state.map, plane=plane)), "choose the plane")

    def _open_sliders(self, shown: bool) -> None:
        state = self._session.state
        state = replace(state, map=replace(state.map, sliders=shown))
        self._session.apply(state, "show what the plane leaves out")

    def _move_plane(self, to: tuple[tuple[float, ...], str]) -> None:
        state, (offsets, drag) = self._session.state, to
        plane = replace(state.map.plane, offsets=offsets)
        self._session.apply(replace(state, map=replace(state.map, plane=plane)), "move the plane", merge=drag)

    def _choose_field(self, spec: MapSpec) -> None:
        self._session.apply(replace(self._session.state, map=spec), "choose the field")

    def _fade_field(self, spec: MapSpec) -> None:
        state = replace(self._session.state, map=spec)
        self._session.apply(state, "change the field's opacity", merge="opacity")

    def _colour_points(self, spec: MapSpec) -> None:
        self._session.apply(replace(self._session.state, map=spec), "colour the points")

    def _colour_fields(self, name: str) -> None:
        self._session.apply(replace(self._session.state, colours=name), "change the colour map")

    def _show_spec(self) -> None:
        state = self._session.state
        self.planes.show_spec(state.map.plane, state.map.sliders)
        self._show_left_out()
        self.fields.show_spec(state.map, state.colours)
        self.colours.show_spec(state.map)
        self.field.setOpacity(state.map.opacity)

    def _show_left_out(self) -> None:
        spec = self._session.state.map
        self.left_out.show_plane(self._session.plane.left_out, spec.plane.offsets, spec.sliders)

    def _show_space(self) -> None:
        """What planes there are to choose from."""
        model, data = self._session.model, self._session.data
        dim = model.latent_dim if model is not None else 0
        labels = data.info.label_names if data is not None and data.train.labels is not None else ()
        self.planes.set_space(dim, labels, [pin.name for pin in shown(self._session.state, dim)])

    def _run_changed(self, _: object) -> None:
        self._show_space()
        self.fields.offer(offered(self._session.model, self._session.data is not None))
        self.colours.offer(None if self._session.data is None else self._session.data.info)
        self.let_go()
        self._home_of = None
        self._clear_field()
        self._pace.reset()
        self._exploration.cancel("mosaic")
        self._prior_pace.renew()

    def _model_changed(self, _: object) -> None:
        self._pace.poke()
        self._prior_pace.poke()

    def _rested(self) -> None:
        """A field of numbers is drawn as finely as it can be."""
        if self.fields.shown in KINDS:
            self._pace.renew()

    def _plane_changed(self, _: object) -> None:
        names = self._session.plane.labels
        self.canvas.setLabel("bottom", names[0])
        self.canvas.setLabel("left", names[1])
        self.canvas.setStatusTip(DRAWS if self.path.can_draw else PANS)
        self._draw_cursor(self._session.point)
        self._show_left_out()
        self._request_home()
        self._view_changed()

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.pins != new.pins:
            self._show_space()
        if old.map != new.map or old.colours != new.colours:
            self._show_spec()
            self.points.set_visible(new.map.points)
            self.contours.setVisible(new.map.prior)
            other_table = _in_colours(old.map) != _in_colours(new.map)
            if other_table or replace(old.map, opacity=new.map.opacity, colour=new.map.colour) != new.map:
                self._view_changed()

    def _request_field(self) -> bool:
        model, plane, view = self._session.model, self._session.plane, self.view()
        name, table = self.fields.shown, theme().table_under(_in_colours(self._session.state.map))
        if model is None or name == "nothing" or plane.dim != model.latent_dim:
            self._exploration.cancel("mosaic")  # it would still draw what is no longer wanted
            self._clear_field()
            self._say()
            return False
        if name == "images":
            tokens = theme().tokens
            ink = Ink((255, 255, 255), 0.7) if tokens.is_dark else Ink((20, 24, 32), 0.6)
            self._ask_field(lambda: mosaic(model, model.info, plane, view, ink), self._draw_images)
        else:
            data, subject = self._session.data, self._session.subject
            x = None if data is None else data.train.x
            if KINDS[name].of_datum:
                x = None if subject is None else subject.x[None]
            hurried = self._session.training  # a fine one would be of a model long gone
            cells = CELLS[: CELLS.index(WHILE_TRAINING) + 1] if hurried else CELLS
            self._ask_field(lambda: shaded(name, model, x, plane, view, table, cells), self._draw_shaded)
        return True

    def _ask_field(self, work: Any, deliver: Any) -> None:
        self._exploration.request(
            "mosaic", Priority.FIELD, work, deliver, doing="draw the field", ended=self._pace.done
        )

    def _clear_field(self) -> None:
        self.field.set_picture(None)
        self._show_shaded(None)

    def _request_contours(self) -> bool:
        model, plane, view, before = self._session.model, self._session.plane, self.view(), self._prior
        if not isinstance(model, HasPrior) or plane.dim != model.latent_dim:
            self._exploration.cancel("contours")
            self._prior = None
            self.contours.set_lines([])
            return False
        self._exploration.request(
            "contours",
            Priority.FIELD,
            lambda: prior_lines(model, plane, view, before),
            self._draw_contours,
            doing="draw the prior",
            ended=self._prior_pace.done,
        )
        return True

    def _draw_contours(self, found: PriorLines) -> None:
        if found is not self._prior:
            self._prior = found
            self.contours.set_lines(found.lines)

    def _draw_images(self, picture: Picture) -> None:
        self._show_shaded(None)
        self._draw_field(picture)

    def _draw_shaded(self, found: Shaded) -> None:
        self._show_shaded(found)
        self._draw_field(found.picture)

    def _draw_field(self, picture: Picture) -> None:
        self.field.set_picture(picture)
        self._say()

    def _say(self, *_: object) -> None:
        picture, parts = self.field.picture, [self.points.text]
        if picture is not None:
            parts = [picture.detail, self.points.text, f"step {format_number(picture.step)}"]
        self.status.emit(" · ".join(part for part in parts if part))

    def _show_shaded(self, found: Shaded | None) -> None:
        self._shaded = found
        self.fields.show_field(found)
        self._show_value()

    def _show_value(self) -> None:
        """The field's value at the point."""
        z, value = self._session.point, None
        if self._shaded is not None and z is not None and len(z) == self._session.plane.dim:
            value = self._shaded.at(*self._session.plane.to_canvas(z[None])[0])
        self.fields.show_value(value)

    # -- the point -----------------------------------------------------------------------------

    def _shape(self, at: QPointF) -> Qt.CursorShape:
        """A hand on pins, which can be taken; a cross where a drag draws."""
        if self.pins.at(at) is not None:
            return Qt.CursorShape.OpenHandCursor
        return Qt.CursorShape.CrossCursor if self.path.can_draw else Qt.CursorShape.ArrowCursor

    def _hovered(self, move: tuple[tuple[float, float], int]) -> None:
        if not self.held:
            self._move_to(*move)

    def _clicked(self, move: tuple[tuple[float, float], int]) -> None:
        if self.held:
            self.let_go()
        else:
            self.held = True
            self.marker.set_held(True)
        self._move_to(*move)

    def hold(self, z: Array) -> None:
        """Hold the point at z (k,), which may lie off the plane."""
        self.held = True
        self.marker.set_held(True)
        self._session.set_point(z)

    def let_go(self) -> None:
        """Let the point follow the mouse again."""
        self.held = False
        self.marker.set_held(False)
        if self._session.subject is not None and self._session.subject.given:
            self._session.set_subject(None)

    def _move_to(self, uv: tuple[float, float] | Array, time_stamp: int = 0) -> None:
        model = self._session.model
        if model is not None and self._session.plane.dim == model.latent_dim:
            self._session.set_point(self._session.plane.to_space(np.array([uv]))[0], time_stamp)

    def _stepped(self, by: tuple[float, float]) -> None:
        """An arrow key moves the point, from the middle of the view where there is none yet."""
        view, point = self.view(), self._session.point
        if point is None:
            uv = np.array([(view.x0 + view.x1) / 2, (view.y0 + view.y1) / 2])
        else:
            uv = self._session.plane.to_canvas(point[None])[0]
        self._move_to(uv + np.array(by))

    def _subject_changed(self, subject: Subject | None) -> None:
        if (kind := KINDS.get(self.fields.shown)) is not None and kind.of_datum:
            self._pace.renew()
        if subject is not None and subject.given:  # whose encoding the point will be
            self.held = True
            self.marker.set_held(True)

    def _draw_cursor(self, z: Array | None) -> None:
        self.marker.setVisible(z is not None)
        if z is not None and len(z) == self._session.plane.dim:
            u, v = self._session.plane.to_canvas(z[None])[0]
            self.marker.setPos(u, v)
        self._show_value()

    # -- looks ---------------------------------------------------------------------------------

    def _retint(self, *_: Any) -> None:
        tokens = theme().tokens
        line = QColor(tokens.text)
        line.setAlphaF(0.55)
        self.contours.set_colour(line)
        self.marker.set_colours(QColor(tokens.danger), QColor(tokens.surface))


def _in_colours(spec: MapSpec) -> bool:
    """Whether points in colours of their own lie on the field."""
    return spec.points and spec.colour != "plain"

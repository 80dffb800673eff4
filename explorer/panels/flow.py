"""A flow: the space of the data beside that of the base density, linked, and what travels between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from backends.base import Array
from backends.carry import Slices, log_prob
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.planes.density import CELLS, Lines, density
from explorer.plots.flow_plane import FlowPlane
from explorer.session import Session
from explorer.state import FlowSpec
from explorer.studies.flow import (
    Passage,
    Travel,
    arrows,
    divergence,
    is_continuous,
    is_flow,
    passage_from,
    stations,
    stretch_colours,
    travel,
)
from explorer.studies.flow_gauges import FlowGauges
from explorer.style.theme import theme
from explorer.view import Picture
from explorer.widgets.flow_bar import FlowBar, TimeSlider
from explorer.widgets.values import format_number

SLOTS = ("travel", "passage", "x-field", "z-field", "gauges", "arrows")
WHILE_TRAINING, AT_REST = 4, 2  # device pixels a cell of a field that takes long; gauges wait for it
CIRCLE = 16.0  # logical pixels: radius of the small circle whose image is drawn


class FlowPanel(QWidget):
    """The canvas of flows of the plane. It publishes what travels, and the way of the hovered point."""

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self.gauges = FlowGauges(session, exploration, self._looked_at, self)
        self.left = FlowPlane("Data space x", "x", self.gauges.x, "layer 10.5 of 12", self)
        self.right = FlowPlane("Base space z", "z", self.gauges.z, parent=self)
        self.bar, self.time = FlowBar(self), TimeSlider(self)
        self._by_hand = False  # the left plane shows what a hand chose, and no standard view
        self._radius = 0.0  # of the circle in x, in the data's units: the one that is seen there
        self._fresh = True  # the next travel is the first of this run: it brings the standard views
        self._asked: tuple[Array, float, object] | None = None  # point, time, tag: what is being followed
        planes = QHBoxLayout()
        planes.setSpacing(8)
        planes.addWidget(self.left, 1)
        planes.addWidget(self.right, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.bar)
        layout.addLayout(planes, 1)
        layout.addWidget(self.time)

        self._came = False  # a picture of what was asked for last on the left
        self._late = False  # that is of an earlier time or view
        self._travel_pace = Pace(self._request_travel, interval=0.15, duty=0.15, parent=self)
        self._x_pace = Pace(self._request_x_field, interval=0.15, duty=0.2, parent=self)
        self._z_pace = Pace(self._request_z_field, interval=0.15, duty=0.2, parent=self)
        self._passage_pace = Pace(self._request_passage, interval=0.08, duty=0.2, parent=self)
        self.bar.chosen.connect(self._choose)
        self.time.moved.connect(self._choose_time)
        self.left.canvas.moved.connect(self._hovered_x)
        self.right.canvas.moved.connect(self._hovered_z)
        self.left.canvas.viewed.connect(self._x_viewed)
        self.left.canvas.box.sigRangeChangedManually.connect(self._moved_by_hand)
        self.right.canvas.viewed.connect(self._z_viewed)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.rested.connect(self._rested)
        session.changed.connect(self._state_changed)
        theme().changed.connect(self._retint)
        self._show_spec(session.state.flow)

    @staticmethod
    def suits(model: Any) -> bool:
        """A flow of the plane."""
        return model is not None and is_flow(model)

    @property
    def canvas(self) -> Any:
        """The canvas that a picture is taken of."""
        return self.left.canvas

    def reset_view(self) -> None:
        """The standard views of both spaces."""
        found = self._session.travel
        self._by_hand = False
        if found is not None:
            self.left.show_corners(found.at(found.corners, self._session.state.flow.time))
            self.right.show_corners(found.z_corners)

    def _moved_by_hand(self, *_: object) -> None:
        self._by_hand = True

    # -- what is chosen ------------------------------------------------------------------------

    @property
    def _paces(self) -> tuple[Pace, ...]:
        return (self._travel_pace, self._x_pace, self._z_pace, self.gauges.pace, self._passage_pace)

    def _choose(self, spec: FlowSpec) -> None:
        self._session.apply(replace(self._session.state, flow=spec), "choose what the flow shows")

    def _choose_time(self, time: float) -> None:
        state = self._session.state
        flow = replace(state.flow, time=time)
        self._session.apply(replace(state, flow=flow), "travel along the flow", merge="flow time")

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.flow == new.flow:
            return
        self._show_spec(new.flow)
        if old.flow.time != new.flow.time:
            found = self._session.travel
            if found is not None and not self._by_hand:
                self.left.show_corners(found.at(found.corners, new.flow.time))
            self.gauges.renew()
            self._draw_travel()
            self._draw_passage()
            self._follow_x()
        if replace(old.flow, time=0.0) != replace(new.flow, time=0.0):
            self._x_pace.renew()
            self._z_pace.renew()
        self._request_arrows()

    def _show_spec(self, spec: FlowSpec) -> None:
        self.bar.show_spec(spec)
        self.time.show_time(spec.time)
        self.left.show_layers(spec)
        self.right.show_layers(replace(spec, arrows=False))

    def _run_changed(self, _: object) -> None:
        for pace in self._paces:
            pace.reset()
        for slot in SLOTS:
            self._exploration.cancel(slot)
        self._fresh, self._asked = True, None
        self.left.clear()
        self.right.clear()
        self.gauges.show_gauges(None)
        self._session.set_travel(None)
        self._session.set_passage(None)
        model = self._session.model
        if self.suits(model):
            self.bar.offer(is_continuous(model))
            self.gauges.offer(is_continuous(model))
            self._refresh()

    def _refresh(self) -> None:
        for pace in self._paces:
            pace.renew()

    def _model_changed(self, _: object) -> None:
        for pace in self._paces:
            pace.poke()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._refresh()

    def _x_viewed(self) -> None:
        self._follow_x()
        self.gauges.renew()
        self._draw_passage()
        self._request_arrows()

    def _z_viewed(self) -> None:
        self._z_pace.renew()
        self._draw_passage()

    def _flow(self) -> Any:
        """The model on show, where it is a flow and there is somebody to look at it."""
        model = self._session.model
        return model if self.suits(model) and self.isVisible() else None

    def _looked_at(self) -> tuple[Any, Array, float] | None:
        """The model, and what of it the left plane shows: its corners (2, 2), and their time."""
        model = self._flow()
        return None if model is None else (model, self.left.corners(), self._shown_time())

    # -- what travels --------------------------------------------------------------------------

    def _request_travel(self) -> bool:
        model, data = self._flow(), self._session.data
        if model is None:
            return False
        x = data.train.x if data is not None else np.zeros((0, 2), np.float32)
        self._exploration.request(
            "travel",
            Priority.FIELD,
            lambda: travel(model, x),
            self._take_travel,
            doing="carry the data through the flow",
            ended=self._travel_pace.done,
        )
        return True

    def _take_travel(self, found: Travel) -> None:
        self._session.set_travel(found)
        self.time.set_stations(found.times, is_continuous(self._session.model))
        if self._fresh:
            self._fresh = False
            self.reset_view()
        self._draw_travel()
        self.right.grid.set_corners(found.grid[-1])
        self.right.points.set_points(found.data[-1], self._labels(found))
        self.right.samples.set_points(found.samples[-1], None)
        self._retint()
        self._request_arrows()

    def _labels(self, found: Travel) -> Array | None:
        data = self._session.data
        labels = None if data is None else data.train.labels
        return None if labels is None else labels[found.which]

    def _draw_travel(self) -> None:
        found, time = self._session.travel, self._session.state.flow.time
        if found is None:
            return
        self.left.grid.set_corners(found.at(found.grid, time))
        self.left.points.set_points(found.at(found.data, time), self._labels(found))
        self.left.samples.set_points(found.at(found.samples, time), None)
        self.left.title.setText(self.time.describe(time))

    def _retint(self, *_: Any) -> None:
        found = self._session.travel
        if found is not None:
            colours = stretch_colours(found.stretch)
            self.left.grid.set_colours(colours)
            self.right.grid.set_colours(colours)
            self._x_pace.poke()
            self._z_pace.poke()

    # -- the hand ------------------------------------------------------------------------------

    def _hovered_x(self, move: tuple[tuple[float, float], int]) -> None:
        self._follow(move, self._shown_time())

    def _hovered_z(self, move: tuple[tuple[float, float], int]) -> None:
        self._follow(move, 1.0)

    def _follow(self, move: tuple[tuple[float, float], int], time: float) -> None:
        (u, v), tag = move
        self._asked = np.array([u, v]), time, tag
        self._passage_pace.renew()

    def _shown_time(self) -> float:
        """The station that the left plane shows; between two of a layered flow, the nearest."""
        model, time = self._session.model, self._session.state.flow.time
        if not self.suits(model) or is_continuous(model):
            return time
        times = stations(model)
        return float(times[np.abs(times - time).argmin()])

    def _request_passage(self) -> bool:
        model, asked, found = self._flow(), self._asked, self._session.travel
        if model is None or asked is None or found is None:
            return False
        point, time, tag = asked
        width = float(np.ptp(found.x_corners, axis=0).max())
        self._exploration.request(
            "passage",
            Priority.HOVER,
            lambda: (passage_from(model, point, time, width, tag),),  # None alone would not be delivered
            lambda found: self._take_passage(*found),
            doing="follow the point",
            ended=self._passage_pace.done,
            overtaken=True,
        )
        return True

    def _take_passage(self, found: Passage | None) -> None:
        self._session.set_passage(found)
        self._draw_passage()

    def _draw_passage(self) -> None:
        found, travelled = self._session.passage, self._session.travel
        for plane in (self.left, self.right):
            plane.way.setVisible(found is not None)
        if found is None or travelled is None:
            return
        time = self._session.state.flow.time
        at, image = (travelled.at(way, time) for way in (found.path, found.jacobians))
        if time == 0.0 or not self._radius:
            self._radius = CIRCLE / self.left.pixels()
        self.left.way.set_way(found.path, at, self._radius * self.left.pixels() * image)
        self.right.way.set_way(found.path[-1:], found.z, self._radius * self.right.pixels() * found.jacobian)

    # -- fields --------------------------------------------------------------------------------

    def _follow_x(self) -> None:
        """Another time or view on the left. What was asked for last is seen first, coarse as it comes: begun
        anew with every tick, none would be seen before all rests."""
        if self._came or not self._exploration.busy("x-field"):
            self._x_pace.renew()
        else:
            self._late = True

    def _request_x_field(self) -> bool:
        model, spec, time = self._flow(), self._session.state.flow, self._shown_time()
        if model is None:
            return False
        self._came = self._late = False
        if spec.field == "divergence" and is_continuous(model):
            self.left.contours.set_lines([])  # those are the density's
            return self._request(
                self.left, "x-field", self._x_pace, lambda view: divergence(model, time, view)
            )
        return self._request_density(
            self.left, "x-field", self._x_pace, lambda uv: log_prob(model, uv.astype(np.float32), time)
        )

    def _request_z_field(self) -> bool:
        model = self._flow()
        if model is None:
            return False
        return self._request_density(
            self.right, "z-field", self._z_pace, lambda uv: model.log_base(uv.astype(np.float32))
        )

    def _request_density(
        self, plane: FlowPlane, slot: str, pace: Pace, log_p: Callable[[Array], Array | Slices[Array]]
    ) -> bool:
        model, spec = self._session.model, self._session.state.flow
        table = theme().table_under(spec.data or spec.grid)
        assert model is not None
        step = model.stamp.step
        finest = WHILE_TRAINING if self._hurries() else AT_REST if is_continuous(model) else CELLS[-1]
        cells = CELLS[: CELLS.index(finest) + 1]
        return self._request(plane, slot, pace, lambda view: density(log_p, step, view, table, cells))

    def _hurries(self) -> bool:
        """Would a fine field be of a model long gone? That of a continuous flow takes seconds."""
        return self._session.training and is_continuous(self._session.model)

    def _rested(self) -> None:
        self._x_pace.poke()
        self._z_pace.poke()

    def _request(self, plane: FlowPlane, slot: str, pace: Pace, work: Callable[[Any], Any]) -> bool:
        view, spec = plane.canvas.view(), self._session.state.flow
        if spec.field == "nothing" and not spec.contours:
            self._exploration.cancel(slot)
            if plane is self.left:
                self.status.emit("")
            return False
        self._exploration.request(
            slot,
            # after what travels, which is drawn over it; that of the base density is there at once
            Priority.FOLLOW if plane is self.left else Priority.FIELD,
            lambda: work(view),
            lambda found: self._draw_field(plane, found),
            doing="draw the density",
            ended=pace.done,
        )
        return True

    def _draw_field(self, plane: FlowPlane, found: Picture | Lines) -> None:
        if isinstance(found, Lines):
            plane.contours.set_segments(found.segments)
            return
        plane.field.set_picture(found)
        if plane is self.left:
            self._came = True
            if found.complete:
                self.status.emit(f"{found.detail} · step {format_number(found.step)}")
            if self._late:
                self._x_pace.renew()

    def _request_arrows(self) -> None:
        model, spec = self._flow(), self._session.state.flow
        if model is None or not (spec.arrows and is_continuous(model)):
            self._exploration.cancel("arrows")
            return
        corners = self.left.corners()
        self._exploration.request(
            "arrows",
            Priority.FIELD,
            lambda: arrows(model, spec.time, corners),
            lambda found: self.left.arrows.set_arrows(*found),
            doing="draw the vector field",
        )

"""The path as a film: its decodings side by side, what lies along it, and playing it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QHBoxLayout,
    QLabel,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from backends.base import Array
from backends.capabilities import Decodes
from explorer import pins
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.flow import is_flow
from explorer.icons import set_icon
from explorer.mosaic import Ink
from explorer.paths import Walk
from explorer.player import Player
from explorer.plots.canvas import PointsItem, to_qimage
from explorer.plots.items import Axis
from explorer.session import Session
from explorer.state import FilmSpec, PathSpec, State
from explorer.theme import theme
from explorer.tiles import row_of
from explorer.widgets.film_strip import FilmStrip, Lane
from explorer.widgets.path_bar import PathBar
from explorer.widgets.values import format_number

CLOUD = 1500  # data that are drawn behind a path of two-dimensional means
EMPTY = (
    "Press and drag over the latent map to draw a path.\n"
    "Or set two pins, N where the point is, and join them."
)


class FilmPanel(QWidget):
    """What the session's walk looks like. Frames are gone through by hand, or played."""

    status = Signal(object)

    def __init__(
        self,
        session: Session,
        exploration: Exploration,
        actions: Actions | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._exploration = session, exploration
        self.bar = PathBar(self)
        self.strip = FilmStrip(self)
        self.player = Player(self)
        self.plane = PlaneFilm(self)
        self.empty = QLabel(EMPTY, self)
        self.empty.setProperty("role", "muted")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.buttons = {
            direction: self._button(direction, glyph, text)
            for direction, glyph, text in ((-1, "play-back", "Play backwards"), (1, "play", "Play"))
        }
        film = QWidget(self)
        self._body = QBoxLayout(QBoxLayout.Direction.LeftToRight, film)
        self._body.setContentsMargins(0, 0, 0, 0)
        self._body.setSpacing(8)
        self._body.addWidget(self.plane, 2)
        self._body.addWidget(self.strip, 3)
        keys = QHBoxLayout(self.strip)  # in the room that the frames leave at the left
        keys.setContentsMargins(0, 4, 0, 0)
        keys.setSpacing(2)
        for button in self.buttons.values():
            keys.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        keys.addStretch(1)
        self._stack = QStackedLayout()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(film)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.bar)
        layout.addLayout(self._stack, 1)

        self.bar.joined.connect(self._join)
        self.bar.filmed.connect(self._film)
        self.strip.pointed.connect(self._point)
        self.strip.toggled.connect(self.play)
        self.strip.resized.connect(self._request_tiles)
        self.player.moved.connect(self._show_frame)
        self.player.playing.connect(self._show_playing)
        session.changed.connect(self._state_changed)
        session.run_changed.connect(self._run_changed)
        session.walk_changed.connect(self._show_walk)
        theme().changed.connect(self._request_tiles)
        self._show_spec()
        self._run_changed()
        self._show_walk(session.walk)

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """A latent space to go through, on a map of its own."""
        return isinstance(model, Decodes) and model.latent_dim > 0 and not is_flow(model)

    def _button(self, direction: int, glyph: str, text: str) -> QToolButton:
        button = QToolButton(self.strip)
        set_icon(button, glyph)
        button.setToolTip(f"{text} (Shift+Space)" if direction > 0 else text)
        button.setAccessibleName(text)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.player.toggle(direction))
        return button

    # -- what is set ---------------------------------------------------------------------------

    def _join(self, spec: PathSpec) -> None:
        self._session.apply(replace(self._session.state, path=spec), "choose the path")

    def _film(self, spec: FilmSpec) -> None:
        self._session.apply(replace(self._session.state, film=spec), "choose the film")

    def _state_changed(self, old: State, new: State) -> None:
        if (old.path, old.film, old.pins) != (new.path, new.film, new.pins):
            self._show_spec()
            if new.path.kind == "nothing" or self._session.walk is None:
                self._show_walk(self._session.walk)

    def _show_spec(self) -> None:
        state, model = self._session.state, self._session.model
        dim = model.latent_dim if model is not None else 0
        self.bar.show_spec(state.path, state.film, tuple(pin.name for pin in pins.shown(state, dim)))
        self.player.play = state.film.play
        self.player.set_speed(state.film.speed)

    # -- what there is -------------------------------------------------------------------------

    def _run_changed(self, _: Any = None) -> None:
        self.player.stop()
        self._exploration.cancel("film")
        self._show_spec()
        run = self._session.run
        images = run is None or run.info.image_shape is not None
        self.plane.setVisible(not images)
        self.strip.set_picture(None)
        if run is not None and not images:
            self.plane.set_data(run.data.train.x[:CLOUD] if run.data is not None else None)

    def _show_walk(self, walk: Walk | None) -> None:
        self.empty.setText(self._session.no_walk or EMPTY)
        self._stack.setCurrentIndex(0 if walk is None else 1)
        self.bar.export.setEnabled(walk is not None)
        if walk is None:
            self.player.stop()
            self.player.frames = 0
            self.status.emit("")
            return
        shape = self._session.run.info.image_shape if self._session.run is not None else None
        empty = walk.within == 0 if walk.within is not None else np.zeros(len(walk), bool)
        self.strip.set_walk(len(walk), shape[1] / shape[0] if shape else None, lanes(walk), empty)
        self.player.frames = len(walk)
        self.player.frame = min(self.player.frame, len(walk) - 1)
        if shape is None:
            self.plane.set_path(walk.mean, self.player.frame)
        self._request_tiles()
        self.status.emit(summary(walk))
        if self.player.asked:
            self._session.set_point(walk.z[self.player.frame])

    def _request_tiles(self, *_: Any) -> None:
        walk, run = self._session.walk, self._session.run
        if walk is None or run is None or run.info.image_shape is None or not self.isVisible():
            return
        info, ratio, room, layout = (
            run.info,
            self.devicePixelRatioF(),
            self.strip.room(),
            self.strip.arrangement(),
        )
        ink = Ink((255, 255, 255), 1.0) if theme().tokens.is_dark else Ink((20, 24, 32), 1.0)
        size = round(layout.tile_height * ratio), round(layout.tile_width * ratio)
        lefts = [round(left * ratio) for left in layout.lefts]
        width, shown = max(round(room.width() * ratio), size[1]), list(layout.shown)
        self._exploration.request(
            "film",
            Priority.FIELD,
            lambda: row_of(walk.mean[shown], info, lefts, size, width, ink),
            self._take_tiles,
            doing="draw the film",
        )

    def _take_tiles(self, pixels: Array) -> None:
        picture = to_qimage(pixels).copy()
        picture.setDevicePixelRatio(self.devicePixelRatioF())
        self.strip.set_picture(picture)

    # -- frames --------------------------------------------------------------------------------

    def play(self) -> None:
        """Play, or stay."""
        self.player.toggle(self.player.asked or 1)

    def _point(self, frame: int) -> None:
        self.player.stop()
        self._show_frame(frame)

    def _show_frame(self, frame: int) -> None:
        walk = self._session.walk
        if walk is not None and frame < len(walk):
            self.player.frame = frame
            self.strip.show_frame(frame)
            self.plane.set_frame(frame)
            self._session.set_point(walk.z[frame])

    def _show_playing(self, direction: int) -> None:
        glyphs = {-1: "play-back", 1: "play"}
        for way, button in self.buttons.items():
            set_icon(button, "pause" if way == direction else glyphs[way])

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._request_tiles()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.player.stop()


class PlaneFilm(pg.PlotWidget):
    """The decoded means of a path as a line, over the data: the first two columns of what is no picture."""

    def __init__(self, parent: QWidget) -> None:
        axes = {side: Axis(side) for side in ("left", "bottom")}
        super().__init__(parent, axisItems=axes, enableMenu=False)
        self.setAccessibleName("Decoded means of the path")
        self.hideButtons()
        self.setAspectLocked(True)
        self.setMinimumSize(120, 80)
        self._mean = np.zeros((0, 2))
        self._data, self._line = PointsItem(3.0), pg.PlotCurveItem(antialias=True)
        self._dots = pg.ScatterPlotItem(size=5, pen=None, antialias=True)
        self._here = pg.ScatterPlotItem(size=10, antialias=True)
        for item in (self._data, self._line, self._dots, self._here):
            self.addItem(item, ignoreBounds=True)
        theme().changed.connect(self._retint)
        self._retint()

    def set_data(self, x: Array | None) -> None:
        """Rows (n, d) to draw behind, and the view that shows them."""
        xy = two(x) if x is not None else np.zeros((0, 2))
        self._data.set_points(xy, None)
        if len(xy):
            (x0, y0), (x1, y1) = np.quantile(xy, (0.002, 0.998), axis=0)
            self.setRange(xRange=(float(x0), float(x1)), yRange=(float(y0), float(y1)), padding=0.1)

    def set_path(self, mean: Array, frame: int) -> None:
        """The means (m, d), in their order."""
        self._mean = two(mean)
        self._line.setData(*self._mean.T)
        self._dots.setData(*self._mean.T)
        self.set_frame(frame)

    def set_frame(self, frame: int) -> None:
        """Mark one of them."""
        here = self._mean[frame : frame + 1]
        self._here.setData(here[:, 0], here[:, 1])

    def _retint(self, *_: Any) -> None:
        tokens = theme().tokens
        self.setBackground(None)
        for side in ("left", "bottom"):
            self.getAxis(side).tint(tokens.axis, tokens.muted, None)
        colour = QColor(tokens.muted)
        colour.setAlphaF(0.5)
        self._data.set_colours([colour])
        self._line.setPen(pg.mkPen(tokens.accent, width=1.5))
        self._dots.setBrush(QColor(tokens.accent))
        self._here.setBrush(QColor(tokens.danger))
        self._here.setPen(pg.mkPen(tokens.surface, width=1.5))


def two(x: Array) -> Array:
    """The first two columns of x (n, d); a single one lies on a line."""
    x = np.asarray(x, np.float64)
    return x[:, :2] if x.shape[1] > 1 else np.column_stack([x, np.zeros_like(x)])


def lanes(walk: Walk) -> list[Lane]:
    """What is drawn along a path."""
    out = []
    if walk.log_prior is not None:
        finite = walk.log_prior[np.isfinite(walk.log_prior)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        tip = "log p(z), nats: the density of the prior along the path. Exact."
        out.append(
            Lane("log p(z)", walk.log_prior, min(low, high - 1) - 0.1, high, texts(walk.log_prior), tip)
        )
    if walk.within is not None:
        reach = format_number(walk.radius)
        tip = (
            f"Encodings within {reach} of the frame. Half of all encodings have 20 others within that "
            "radius, or more. Where there is none the path leads through empty space, and is shaded."
        )
        counted = [format_number(int(n)) for n in walk.within]
        top = max(float(walk.within.max()), 10.0)
        out.append(Lane(f"data in {reach}", walk.within.astype(float), 0.0, top, counted, tip))
    tip = (
        "‖J ż‖, ‖ż‖ = 1: by how much the image changes, in the data's units, for each unit of length in z. "
        "By central differences of 0.01; J = ∂E[x|z]/∂z."
    )
    out.append(Lane("speed ‖J ż‖", walk.speed, 0.0, float(walk.speed.max()) or 1.0, texts(walk.speed), tip))
    return out


def texts(values: Array) -> list[str]:
    """A text for each number."""
    return [format_number(float(value)) for value in values]


def summary(walk: Walk) -> str:
    """How long the path is."""
    z, x = format_number(float(walk.latent[-1])), format_number(float(walk.image[-1]))
    if walk.shortest is None:
        return f"length {z} in z, {x} in x"
    straight, length = format_number(walk.shortest.straight), format_number(walk.shortest.length)
    return f"length {z} in z, {length} in x; the straight line's: {straight}"

"""The path as a film: its decodings side by side, what lies along it, and playing it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QBoxLayout,
    QHBoxLayout,
    QMenu,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from backends.base import Array, InputError
from backends.capabilities import Decodes
from explorer.actions import Actions
from explorer.compute import Exploration, Failure, Priority
from explorer.paths import pins
from explorer.paths.lanes import lanes, summary
from explorer.paths.player import Player
from explorer.paths.walk import Walk
from explorer.planes.mosaic import Ink
from explorer.plots.canvas import to_qimage
from explorer.plots.plane_film import PlaneFilm
from explorer.session import Session
from explorer.state import FilmSpec, PathSpec, State
from explorer.studies.flow import has_latent_map
from explorer.studies.tiles import row_of
from explorer.style.icons import set_icon
from explorer.style.theme import theme
from explorer.widgets.button import PassingButton
from explorer.widgets.card import empty_state
from explorer.widgets.files import ask_save
from explorer.widgets.film_strip import FilmStrip
from explorer.widgets.pages import Pages
from explorer.widgets.path_bar import SAVED, PathBar
from explorer.widgets.progress_bar import ProgressBar

SAVING = "save the path"  # what messages are about
CLOUD = 1500  # data that are drawn behind a path of two-dimensional means
EMPTY = (
    "Press and drag over the latent map to draw a path.\n"
    "By keys: arrows move the point there, Enter sets each corner.\n"
    "Or set two pins, N where the point is, and join them."
)


class FilmPanel(QWidget):
    """What the session's walk looks like. Frames are gone through by hand, or played."""

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self._saving = ""  # the file that is being written
        self.bar = PathBar(self)
        self.strip = FilmStrip(self)
        self.player = Player(self)
        self.plane = PlaneFilm(self)
        self.empty = empty_state(EMPTY, self)
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
        keys.addSpacing(4)
        keys.addWidget(self.bar.speed, 0, Qt.AlignmentFlag.AlignTop)
        keys.addStretch(1)
        self._pages = Pages(self, self.empty, film)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        self.progress, self.cancel = ProgressBar("the export", self), PassingButton("Cancel", self)
        self.cancel.setToolTip("Save nothing")
        saving = QWidget(self)
        row = QHBoxLayout(saving)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.progress, 1)
        row.addWidget(self.cancel)
        self._head = QStackedLayout()  # while a file is written, that is in place of the bar: nothing moves
        self._head.addWidget(self.bar)
        self._head.addWidget(saving)
        layout.addLayout(self._head)
        layout.addWidget(self._pages, 1)
        menu = QMenu(self)
        for what, text, _ in SAVED:
            menu.addAction(text, partial(self.save, what))
        self.bar.export.setMenu(menu)
        self.bar.export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.cancel.clicked.connect(self._cancel_saving)

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
        return isinstance(model, Decodes) and has_latent_map(model)

    def _button(self, direction: int, glyph: str, text: str) -> QToolButton:
        button = QToolButton(self.strip)
        set_icon(button, glyph)
        button.setToolTip(f"{text} (F)" if direction > 0 else text)
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
        self._pages.show_page(0 if walk is None else 1)
        self.bar.export.setEnabled(walk is not None)
        if walk is None:
            self.player.stop()
            self.player.frames = 0
            self.status.emit("")
            return
        shape = self._session.run.info.image_shape if self._session.run is not None else None
        empty = walk.within == 0 if walk.within is not None else np.zeros(len(walk), bool)
        self.strip.set_walk(len(walk), shape[1] / shape[0] if shape else None, lanes(walk), empty)
        self.player.set_frames(len(walk))
        self.strip.show_frame(self.player.frame)
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

    # -- export --------------------------------------------------------------------------------

    def save(self, what: str) -> None:
        """Ask for a file, and save the path there as one of :data:`SAVED`."""
        walk, run = self._session.walk, self._session.run
        if walk is None or run is None:
            return
        if self._exploration.busy("path-export"):  # which another request would replace
            self._session.say(f"{self._saving} is still being saved", about=SAVING)
            return
        if what == "mp4":
            from explorer.paths.export import video_writer

            try:
                video_writer()
            except InputError as error:  # before a file is asked for in vain
                self._session.say(f"{error}.", "error", about=SAVING)
                return
        text, name = next((text, name) for one, text, name in SAVED if one == what)
        ending = name.rpartition(".")[2]
        path = ask_save(self, text.rstrip("…"), name, f"{ending.upper()} (*.{ending})")
        if not path:
            return
        info, film = run.info, self._session.state.film
        data = run.data.train.x[:CLOUD] if run.data is not None else None

        def work() -> Any:
            from explorer.paths import export

            if what == "numbers":
                return export.save_numbers(path, walk, info)
            if what == "strip":
                return export.save_strip(path, walk, info, data)
            animation = export.save_gif if what == "gif" else export.save_mp4
            return animation(path, walk, info, data, film)

        self._show_saving(True)
        self._saving = path
        self._exploration.request(
            "path-export",
            Priority.FILE,
            work,
            lambda _: None,
            doing="save the path",
            progress=self.progress.show_progress,
            failed=self._saving_failed,
            ended=self._saved,
        )

    def _show_saving(self, busy: bool) -> None:
        focus = QApplication.focusWidget()
        by_keys = focus is not None and (focus is self.cancel or self.bar.isAncestorOf(focus))
        self._head.setCurrentIndex(int(busy))
        self.progress.setValue(0)
        if by_keys:
            (self.cancel if busy else self.bar.export).setFocus()

    def _saving_failed(self, failure: Failure) -> None:
        self._saving = ""
        sentence = f"{failure.sentence[:1].upper()}{failure.sentence[1:]}."
        self._session.say(sentence, "error", None if failure.expected else failure.details, SAVING)

    def _saved(self) -> None:
        self._show_saving(False)
        if self._saving:
            self._session.say(f"Saved {self._saving}", about=SAVING)

    def _cancel_saving(self) -> None:
        self._exploration.cancel("path-export")
        self._show_saving(False)
        self._session.say(f"Cancelled saving {self._saving}", about=SAVING)

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

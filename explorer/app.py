"""The one place that wires everything."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication

from backends.registry import installed
from explorer import settings as settings_
from explorer.actions import Actions
from explorer.commands import Command
from explorer.compute import Exploration, Failure, Priority
from explorer.planes.fields import CHOICES, suits
from explorer.runs.kept import answer, describe, empty_trash, kept_runs, unanswered
from explorer.session import Message, Session
from explorer.shell import cards
from explorer.shell.interrupts import Interrupts
from explorer.shell.window import Window
from explorer.spec import sound
from explorer.style.colourmaps import AUTOMATIC, MAPS
from explorer.style.theme import apply, theme
from explorer.threads import keep_responsive
from explorer.training import Trainer
from explorer.widgets.path_bar import KINDS, SAVED

REMEMBER_MS = 2000  # after the last change of many


class Program(QObject):
    """The session, the two threads and the window, wired. ``close`` ends all of them."""

    def __init__(self, home: Path, path: str | None = None) -> None:
        super().__init__()
        keep_responsive()
        remembered = settings_.load(home)
        self._home, self._path, self._closed = home, path, False
        state = remembered.state
        self.session = Session(replace(state, run=sound(state.run)), self)
        self.exploration, self.trainer = Exploration(self), Trainer(self)
        self.actions = Actions(self.session, self.exploration, self.trainer, remembered, home, self)
        theme().set(self.session.state.theme)
        theme().set_map(self.session.state.colours)
        self.window = Window(self.session, self.exploration, self.actions)
        self.window.add_commands(self._commands())
        self.window.menus.show_recent(remembered.recent)
        self.window.menus.recent.triggered.connect(self._open_recent)
        self.window.restore(remembered)
        # in a later turn of the event loop: by then the picture is on its way to the screen
        self.window.first_painted.connect(self._begin, Qt.ConnectionType.QueuedConnection)
        self.window.closing.connect(self.close)
        self.actions.session_opened.connect(self.window.reopen)
        self.actions.files.recent_changed.connect(self.window.menus.show_recent)
        self.session.changed.connect(self._state_changed)
        session = self.session
        for changed in (  # what else can now be done
            session.run_changed,
            session.undo_changed,
        ):
            changed.connect(self.window.menus.refresh)
        self._walks = False
        session.walk_changed.connect(self._walk_changed)
        self._remember = QTimer(self)
        self._remember.setSingleShot(True)
        self._remember.setInterval(REMEMBER_MS)
        self._remember.timeout.connect(self._remember_settings)

    def _begin(self) -> None:
        """The window is on screen: now load what is heavy."""
        self._follow()
        if self._path is None:
            self.actions.open_starter()
        else:
            self.actions.open(self._path)
        self.exploration.request(
            "devices", Priority.EVALUATION, devices, self.window.run.set_devices, doing="look for devices"
        )
        kept = kept_runs(self._home)
        if self._path is None and unanswered(self._home, kept):
            text = f"An unsaved run is kept, in Runs…: {describe(kept[0])}."
            if len(kept) > 1:
                text = f"{len(kept)} unsaved runs are kept, in Runs…; the newest: {describe(kept[0])}."
            open_newest = partial(self.actions.open_kept, kept[0])
            answered = partial(answer, self._home, kept[0])
            self.session.message.emit(Message(text, action=("Open it", open_newest), answered=answered))

    def _follow(self) -> None:
        """Have computed what everybody shows of each snapshot."""
        from explorer.follow import Follower
        from explorer.paths.follow import PathFollower
        from explorer.planes.encoder import Encoder

        self.follower = Follower(self.session, self.exploration, self)
        self.path_follower = PathFollower(self.session, self.exploration, self)
        self.encoder = Encoder(self.session, self.exploration, self)
        self.encoder.progressed.connect(self.window.encoding.show_progress)
        self.window.encoding.cancelled.connect(self.encoder.cancel)

    def _open_recent(self, action: QAction) -> None:
        self.actions.open(str(action.data()))

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.theme != new.theme:
            theme().set(new.theme)
        theme().set_map(new.colours)
        self.window.menus.keep_up()
        self._remember.start()

    def _walk_changed(self, walk: Any) -> None:
        """There is a path that can be played, or none any more."""
        if self._walks != (walk is not None):
            self._walks = walk is not None
            for name in ("play-path", *(f"save-path-{what}" for what, *_ in SAVED)):
                self.window.commands[name].refresh()  # not all: a hand may be drawing it

    def _remember_settings(self) -> None:
        """So that a crash does not lose them."""
        now = self.window.settings()
        self.exploration.request(
            "settings", Priority.FILE, lambda: settings_.save(self._home, now), lambda _: None,
            doing="remember the settings",
        )  # fmt: skip

    def _set_field(self, name: str) -> None:
        state = self.session.state
        self.session.apply(replace(state, map=replace(state.map, field=name)), "choose the field")

    def _toggle_field(self) -> None:
        if self._on_data:
            self._toggle("", "field")
        else:
            self._set_field("images" if self.session.state.map.field == "nothing" else "nothing")

    def _set_colours(self, name: str) -> None:
        self.session.apply(replace(self.session.state, colours=name), "change the colour map")

    def _field_commands(self) -> list[Command]:
        """What can lie behind the latent map, and the colours of all fields."""
        session = self.session
        return [
            Command(
                f"field-{name}", f"Field: {title}", "View/Field behind the map",
                partial(self._set_field, name), tip=tip,
                checked=partial(lambda name: session.state.map.field == name, name),
                enabled=partial(lambda name: suits(name, session.model, session.data is not None), name),
            )
            for name, (title, tip) in CHOICES.items()
        ] + [
            Command(
                f"colours-{name}", f"Colours: {name}", "View/Colours of fields",
                partial(self._set_colours, name), tip="The colours of all fields",
                checked=partial(lambda name: session.state.colours == name, name),
            )
            for name in (AUTOMATIC, *MAPS)
        ]  # fmt: skip

    def _set_path(self, kind: str) -> None:
        state = self.session.state
        self.session.apply(replace(state, path=replace(state.path, kind=kind)), "choose the path")

    def _path_commands(self) -> tuple[list[Command], list[Command]]:
        """Which path leads over the latent map; and saving it."""
        session, window = self.session, self.window
        kinds = [
            Command(
                f"path-{kind}", f"Path: {title.lower()}", "View/Path", partial(self._set_path, kind), tip=tip,
                checked=partial(lambda kind: session.state.path.kind == kind, kind),
                enabled=lambda: "path" in window.suited
                and window.suited["path"].suits(session.run, session.model),
            )
            for kind, title, tip in KINDS
        ]  # fmt: skip
        files = [
            Command(
                f"save-path-{what}", f"Path: {title}", "File/Save the path",
                partial(lambda what: window.suited["path"].save(what), what),
                tip="Save the path of the latent map",
                enabled=lambda: session.walk is not None and "path" in window.suited,
            )
            for what, title, _ in SAVED
        ]  # fmt: skip
        return kinds, files

    def _card_commands(self) -> list[Command]:
        """The cards, and going from one to the next."""
        window = self.window
        return [
            Command(
                f"card-{name}", "Card:", "View/Cards", partial(window.toggle_card, name),
                tip="Bring this card to the front, or hide it", checked=partial(cards.in_front, dock),
                enabled=partial(window.can_show, name), about=dock.windowTitle,
            )
            for name, dock in window.docks.items()
        ] + [
            Command("next-card", "Go to the next card", "View/Cards", partial(cards.go_on, window, 1), "F6",
                    tip="Give the keyboard to the next card", group=True),
            Command("last-card", "Go to the card before", "View/Cards", partial(cards.go_on, window, -1),
                    "Shift+F6", tip="Give the keyboard to the card before"),
        ]  # fmt: skip

    def _set_theme(self, name: str) -> None:
        self.session.apply(replace(self.session.state, theme=name), "change the colours")

    @property
    def _on_data(self) -> bool:
        return self.window.stage.scene == "data"

    def _layer(self, on_map: str, on_data: str) -> bool:
        """Whether the canvas that is shown shows this layer."""
        state = self.session.state
        return bool(getattr(state.data, on_data) if self._on_data else getattr(state.map, on_map))

    def _toggle(self, on_map: str, on_data: str) -> None:
        """Show or hide a layer of the canvas that is shown."""
        part, name = ("data", on_data) if self._on_data else ("map", on_map)
        spec: Any = getattr(self.session.state, part)
        changed: Any = {part: replace(spec, **{name: not getattr(spec, name)})}
        self.session.apply(replace(self.session.state, **changed), "change what the canvas shows")

    def _toggle_canvas(self) -> None:
        self.window.stage.choose("latent" if self._on_data else "data")

    def _toggle_plane(self) -> None:
        part = "data" if self._on_data else "map"
        spec: Any = getattr(self.session.state, part)
        kind = "coordinates" if spec.plane.kind == "principal" else "principal"
        changed: Any = {part: replace(spec, plane=replace(spec.plane, kind=kind))}
        self.session.apply(replace(self.session.state, **changed), "choose the plane")

    def _commands(self) -> list[Command]:
        window, actions, session = self.window, self.actions, self.session
        paths, save_path = self._path_commands()
        dialogs, history = window.dialogs, window.stage.history
        return [
            Command("open", "Open…", "File", dialogs.open, "Ctrl+O", "open", "Open a run or data"),
            Command("open-folder", "Open folder…", "File", dialogs.open_folder, "Ctrl+Shift+O",
                    tip="Open a folder of images as data"),
            Command("paint", "Paint a density…", "File", dialogs.paint, "",
                    tip="Paint a density on the plane, to train on"),
            Command("runs", "Runs…", "File", dialogs.runs, "Ctrl+L", "table",
                    "All runs: their figures and curves, to compare, rename, delete and open"),
            Command("draw-input", "Draw an input…", "File", dialogs.draw_input, "Ctrl+I", group=True,
                    tip="Draw a picture, and see where the model encodes it",
                    enabled=lambda: actions.inputs.pictures),
            Command("open-input", "Take an input from a picture…", "File", dialogs.open_input, "",
                    tip="Encode a picture of your own, and see where it lies",
                    enabled=lambda: actions.inputs.pictures),
            Command("save", "Save", "File", dialogs.save, "Ctrl+S", "save", "Save the run", group=True),
            Command("save-as", "Save as…", "File", dialogs.save_as, "Ctrl+Shift+S"),
            Command("save-session", "Save session…", "File", dialogs.save_session, "",
                    tip="Save what is set, the pins, the arrangement of the window, and the run"),
            Command("save-map", "Save the map as a picture…", "File", dialogs.save_map_picture, "",
                    tip="Export the map as an image, PNG or SVG", group=True),
            Command("copy-map", "Copy the map", "File", window.stage.copy_picture, "Ctrl+Shift+C", "copy"),
            *save_path,
            Command("quit", "Quit", "File", window.close, "Ctrl+Q", group=True,
                    tip="Exit; what is not saved is kept"),
            Command("undo", "Undo", "Edit", session.undo, "Ctrl+Z", "undo",
                    enabled=lambda: bool(session.undo_text), about=lambda: session.undo_text),
            Command("redo", "Redo", "Edit", session.redo, "Ctrl+Shift+Z; Ctrl+Y", "redo",
                    enabled=lambda: bool(session.redo_text), about=lambda: session.redo_text),
            Command("script", "Copy as Python", "Edit", actions.copy_script, "", "copy",
                    "Copy a script that makes this run again, without a window", group=True,
                    enabled=lambda: session.run is not None),
            Command("preferences", "Preferences…", "Edit", dialogs.preferences, "Ctrl+,", group=True,
                    tip="Settings: the theme, and how often a run is kept"),
            Command("toggle", "Train or pause", "Run", window.run.toggle, "Space", "play",
                    "Start training, pause it, or go on"),
            Command("step", "One step", "Run", actions.step, "Ctrl+Right", "step"),
            Command("half-step", "Half a step of EM", "Run", actions.half_step, "Ctrl+Shift+Right", "step",
                    enabled=lambda: session.run is not None and session.run.by_halves),
            Command("stop", "Stop and keep the run", "Run", actions.stop, "", "stop"),
            Command("restart", "Restart from the seed", "Run", actions.restart, "Ctrl+R", "restart",
                    "Train a new run of what is chosen, from the first step"),
            Command("start", "Back to the start", "Run", actions.back_to_start, "Ctrl+Home", "start"),
            Command("film", "Play the training as a film", "Run", history.toggle_film, "Shift+Space", "play",
                    checked=lambda: history.playing, group=True),
            Command("earlier", "An earlier moment", "Run", lambda: history.go(-1), "Alt+Left"),
            Command("later", "A later moment", "Run", lambda: history.go(1), "Alt+Right"),
            Command("now", "Now", "Run", history.go_live, "Alt+End",
                    tip="Show the newest moment again, and follow training"),
            Command("branch", "Branch", "Run", history.branch_off, "Ctrl+B", "branch",
                    "A new run that carries on from this moment"),
            Command("beside", "Hold this moment beside", "Run", lambda: window.beside().hold(),
                    "Ctrl+Shift+B", "copy",
                    "A second map beside the first, of the model on show, with linked cursors"),
            Command("resample", "Draw other samples", "Run", window.samples.resample, "Ctrl+D", "restart",
                    group=True),
            Command("home", "Standard view of the map", "View", window.stage.reset_view, "Ctrl+0", "fit",
                    "Zoom back to all of the prior and the data"),
            Command("fit-curves", "Show whole curves", "View", window.fit_curves, "Ctrl+9",
                    tip="Zoom out to all of the curves that are seen, and follow them"),
            Command("let-go", "Let go", "View", window.stage.let_go, "Esc",
                    tip="Let the point follow the mouse again, or leave a component where it was"),
            Command("pin", "Set a pin", "View", window.map.pins.set_here, "N",
                    tip="Pin the point on the latent map, under a name",
                    enabled=lambda: window.stage.scene == "latent"),
            Command("move-pin", "Move the pin here", "View", window.map.pins.move_here, "Shift+N",
                    tip="The pin that was chosen last goes where the point is, which arrow keys move",
                    enabled=lambda: window.stage.scene == "latent" and bool(session.state.pins)),
            Command("play-path", "Play the path", "View", window.play_path, "F", "play",
                    tip="Play the film of the path, or pause it",
                    enabled=lambda: session.walk is not None and "path" in window.suited),
            *paths,
            Command("canvas", "Data plane", "View", self._toggle_canvas, "D",
                    tip="A plane through the data in place of the latent map, for models that have both",
                    checked=lambda: self._on_data, enabled=lambda: window.stage.has_both),
            Command("mosaic", "Field: decoded images, or density", "View",
                    self._toggle_field, "M", group=True,
                    checked=lambda: session.state.data.field if self._on_data
                    else session.state.map.field != "nothing"),
            *self._field_commands(),
            Command("points", "Points: encodings, or data", "View", lambda: self._toggle("points", "points"),
                    "P", checked=lambda: self._layer("points", "points")),
            Command("prior", "Contours: of the prior, or the density", "View",
                    lambda: self._toggle("prior", "contours"), "C",
                    checked=lambda: self._layer("prior", "contours")),
            Command("ellipses", "Components", "View", lambda: self._toggle("", "ellipses"), "E",
                    checked=lambda: session.state.data.ellipses, enabled=lambda: self._on_data),
            Command("paths", "Paths of the means", "View", lambda: self._toggle("", "paths"), "T",
                    checked=lambda: session.state.data.paths, enabled=lambda: self._on_data),
            Command("principal", "Plane of principal directions", "View", self._toggle_plane, "",
                    checked=lambda: getattr(session.state, "data" if self._on_data else "map").plane.kind
                    == "principal",
                    enabled=lambda: self._on_data or window.map.planes.isVisibleTo(window.map)),
            Command("dark", "Dark", "View", lambda: self._set_theme("dark"), "", "moon",
                    "Theme: dark colours",
                    checked=lambda: session.state.theme == "dark", group=True),
            Command("light", "Light", "View", lambda: self._set_theme("light"), "", "sun",
                    "Theme: light colours",
                    checked=lambda: session.state.theme == "light"),
            Command("system", "As the system", "View", lambda: self._set_theme("system"), "",
                    tip="Theme: dark or light, as the system says",
                    checked=lambda: session.state.theme == "system"),
            *self._card_commands(),
            Command("arrange", "Standard arrangement", "View", window.arrange_anew, "", group=True,
                    tip="All cards back in their places: the layout that the program came with"),
            Command("palette", "Commands…", "Help", dialogs.palette, "Ctrl+Shift+P; Ctrl+K", "search"),
        ]  # fmt: skip

    def surprised(self, kind: type[BaseException], error: BaseException, trace: object) -> None:
        """An exception that nobody expected, on this thread: say so, and go on."""
        sys.__excepthook__(kind, error, error.__traceback__)
        self.actions.fail(Failure.of(error, "do that"))

    def close(self) -> None:
        """End both threads, keep what is not saved, remember the settings. Calling it twice does no harm."""
        if self._closed:
            return
        self._closed = True
        self._remember.stop()
        self.actions.close()
        empty_trash(self._home)
        try:
            settings_.save(self._home, self.window.settings())
        except (OSError, ValueError) as error:
            print(f"latent-explorer: settings were not saved: {error}", file=sys.stderr)


def devices() -> dict[str, tuple[str, ...]]:
    """The devices of each backend, by its name. Loads what is heavy."""
    return {backend.name: backend.devices() for backend in installed().backends}


def run_window(path: str | None) -> int:
    """Open the window, on a file or on the run that comes with the program; returns the exit status."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("latent-explorer")
    app.setApplicationDisplayName("Latent Explorer")
    apply(app)
    program = Program(settings_.folder(), path)
    Interrupts(program.window.close, program)
    sys.excepthook = program.surprised
    program.window.show()
    return app.exec()

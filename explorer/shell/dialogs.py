"""What is asked and shown over the window: files to open and save, data, runs, sheets to paint and draw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint
from shiboken6 import isValid

from backends.base import Array, InputError
from explorer.data.inputs import PICTURES
from explorer.runs.saved_session import SUFFIX
from explorer.widgets.files import ask_folder, ask_open, ask_save
from explorer.widgets.palette import Palette

if TYPE_CHECKING:
    from explorer.data.preview import DataPreview
    from explorer.shell.window import Window

RUNS = "Runs (*.safetensors);;All files (*)"
RUNS_AND_DATA = (
    "Runs, sessions and data (*.safetensors *.session *.npy *.npz *.csv *.tsv *.txt *ubyte *.gz "
    "*.png *.jpg *.jpeg *.gif);;All files (*)"
)
MAP_PICTURES = "PNG (*.png);;SVG (*.svg)"


class Dialogs(QObject):
    """Shows them over the window, and has done what is answered. One that is rarely needed is loaded then.

    preview: of the data that are looked at before the next run is on them; None while there are none.
    """

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window = window
        self._session, self._exploration, self._actions = window.session, window.exploration, window.actions_
        self.preview: DataPreview | None = None
        self._actions.data.preview_wanted.connect(self._preview)

    # -- files ---------------------------------------------------------------------------------

    def open(self) -> None:
        """Ask for a file and open it."""
        path = ask_open(self._window, "Open", RUNS_AND_DATA)
        if path:
            self._actions.open(path)

    def open_folder(self) -> None:
        """Ask for a folder of images, and look at it."""
        path = ask_folder(self._window, "Open a folder of images")
        if path:
            self._actions.open(path)

    def open_input(self) -> None:
        """Ask for a picture, and show where the model encodes it."""
        path = ask_open(self._window, "Take an input from a picture", PICTURES)
        if path:
            self._actions.inputs.open(Path(path))

    def save(self) -> None:
        """Save to the run's file, or ask for one."""
        if self._actions.files.path is not None:
            self._actions.files.save(self._actions.files.path)
        else:
            self.save_as()

    def save_as(self) -> None:
        """Ask for a file and save the run to it."""
        name = self._name_for(".safetensors", "run")
        path = ask_save(self._window, "Save the run", name, RUNS)
        if path:
            self._actions.files.save(path)

    def save_session(self) -> None:
        """Ask for a file and save the session to it."""
        name = self._name_for(SUFFIX, "work")
        path = ask_save(self._window, "Save the session", name, f"Sessions (*{SUFFIX})")
        if path:
            self._actions.files.save_session(path, self._window.settings())

    def save_map_picture(self) -> None:
        """Ask for a file and save the map to it."""
        path = ask_save(self._window, "Save the map", "map.png", MAP_PICTURES)
        if path:
            try:
                self._window.stage.canvas.save_picture(path)
            except InputError as error:
                self._session.say(str(error), "error", about="save the map")
            else:
                self._session.say(f"Saved {Path(path).name}.", about="save the map")

    def _name_for(self, suffix: str, otherwise: str) -> str:
        """What a file of the open run is called unless the user says otherwise."""
        run = self._session.run
        return (otherwise if run is None else run.name.replace(" ", "-")) + suffix

    # -- data and inputs -----------------------------------------------------------------------

    def _preview(self, text: str) -> None:
        from explorer.data.preview import DataPreview

        if self.preview is not None:
            self.preview.reject()
        self.preview = DataPreview(self._exploration, text, self._window)
        self.preview.used.connect(self._actions.data.use)
        self.preview.failed.connect(self._actions.data.failed)
        self.preview.destroyed.connect(self._preview_gone)

    def _preview_gone(self, _: object) -> None:
        if self.preview is not None and not isValid(self.preview):
            self.preview = None

    def paint(self) -> None:
        """Have a density painted, beginning with the last one that was."""
        self._actions.data.last_painting(self._paint)

    def _paint(self, begin: Array) -> None:
        from explorer.data.painter import Painter

        painter = Painter(self._exploration, begin, self._window)
        painter.painted.connect(self._actions.data.paint)
        painter.open()

    def draw_input(self) -> None:
        """Show a sheet to draw on; what is drawn is encoded as it is drawn."""
        from explorer.data.sketch import Sketch

        run = self._session.run
        if run is not None and run.info.image_shape is not None:
            sketch = Sketch(max(run.info.image_shape[:2]), self._window)
            sketch.drawn.connect(self._drawn)
            self._session.run_changed.connect(sketch.close)
            sketch.move(self._window.docks["run"].mapToGlobal(QPoint(0, 0)))  # where it hides no picture
            sketch.show()

    def _drawn(self, levels: Array | None) -> None:
        if levels is None:
            self._window.stage.let_go()
        else:
            self._actions.inputs.draw(levels)

    # -- the program ---------------------------------------------------------------------------

    def runs(self) -> None:
        """Show the list of runs, beside the window."""
        from explorer.runs.dialog import RunsDialog

        dialog = self._window.findChild(RunsDialog)
        if dialog is None:
            dialog = RunsDialog(self._session, self._exploration, self._actions, self._window)
            dialog.beside_wanted.connect(lambda one: self._window.beside().show_run(one))
        dialog.runs.reload()
        dialog.show()
        dialog.raise_()
        dialog.activateWindow()

    def palette(self) -> None:
        """Show the command palette."""
        self._window.menus.refresh()
        Palette(list(self._window.commands.values()), self._window).open()

    def preferences(self) -> None:
        """Show what is set once and for all."""
        from explorer.shell.preferences import Preferences

        Preferences(self._session, self._window).open()

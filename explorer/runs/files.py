"""Where runs are on the disk: the user's files, the places where they are kept meanwhile, the recent ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from backends.run import Run
from explorer.compute import Failure
from explorer.runs.kept import forget, keep, kept_path
from explorer.runs.saved_session import SUFFIX, write_session
from explorer.session import Session
from explorer.settings import Settings
from explorer.training import Trainer
from explorer.widgets.values import format_number

SAVING = "save the run"  # what messages are about


@dataclass
class _Places:
    """Where a run is kept, its own file, and the step that is safe in either."""

    kept: Path
    path: Path | None = None
    saved: int | None = None


class RunFiles(QObject):
    """Writes runs on the training thread, between two steps, and knows what of them is safe.

    settings: those of the start, with the recent files as they are now. home: the program's own folder.
    """

    file_changed = Signal(object)  # Path | None: of the open run
    recent_changed = Signal(object)  # tuple of paths
    busy = Signal(object)  # a sentence while a file is being written; "" after

    def __init__(
        self,
        session: Session,
        trainer: Trainer,
        settings: Settings,
        home: Path,
        fail: Callable[[Failure, str], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._trainer, self._fail = session, trainer, fail
        self.settings, self.home = settings, home
        self._places: dict[str, _Places] = {}  # by run.id: an answer that comes late is about its own run

    def _of(self, run: Run) -> _Places:
        return self._places.setdefault(run.id, _Places(kept_path(self.home, run)))

    @property
    def path(self) -> Path | None:
        """The open run's own file."""
        run = self._session.run
        return None if run is None else self._of(run).path

    @property
    def places(self) -> tuple[Path, ...]:
        """The files that the open run is written to: its own, and where it is kept until it is saved."""
        run = self._session.run
        if run is None:
            return ()
        places = self._of(run)
        return (places.kept,) if places.path is None else (places.kept, places.path.resolve())

    def opened(self, run: Run, path: Path | None, kept: Path | None = None) -> None:
        """A run was read from its own file, from where it was kept, or is new; all of it is safe."""
        self._places[run.id] = _Places(kept or kept_path(self.home, run), path, run.steps)
        if path is not None:
            self.remember(path)

    def changed(self, run: Run) -> None:
        """At the step at which it was saved it is not what was saved any more."""
        self._of(run).saved = None

    def rename(self, run: Run, name: str) -> None:
        """Give a run that is open another name, which the next writing of its file keeps."""
        run.name = name
        self.changed(run)
        self.file_changed.emit(self.path)

    # -- recent files --------------------------------------------------------------------------

    def set_recent(self, recent: tuple[str, ...]) -> None:
        """Have other files as the recent ones."""
        self.settings = replace(self.settings, recent=recent)
        self.recent_changed.emit(recent)

    def remember(self, path: Path) -> None:
        """Have a file first among the recent ones."""
        self.set_recent(self.settings.opened(str(path.resolve())).recent)

    def forget(self, path: Path) -> None:
        """Have a file no more among the recent ones."""
        self.set_recent(self.settings.forgotten(str(path)).recent)

    # -- writing -------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the open run to ``path``, between two steps."""
        run, target = self._session.run, Path(path)
        if run is None:
            self._session.say("There is no run to save yet.", "warning")
            return
        if not target.suffix:
            target = target.with_suffix(".safetensors")

        def saved(steps: int) -> None:
            self._saved(run, steps, target)
            self._session.say(f"Saved {target.name} at step {format_number(steps)}.", about=SAVING)

        self.busy.emit(f"Saving {target.name}…")
        self._trainer.order(f"save {target.name}", lambda: _write(run, target), saved, self._not_saved)

    def save_session(self, path: str | Path, settings: Settings) -> None:
        """Write what is set to ``path``, and the open run to its own file, or else to one beside it."""
        run, target = self._session.run, Path(path).with_suffix(SUFFIX)
        if run is None:
            return
        file = self._of(run).path or target.with_suffix(".safetensors")

        def work() -> int:
            steps = _write(run, file)
            write_session(target, settings, file)
            return steps

        def saved(steps: int) -> None:
            self._saved(run, steps, file)
            self.remember(target)
            self._session.say(f"Saved {target.name}, with its run in {file.name}.", about=SAVING)

        self.busy.emit(f"Saving {target.name}…")
        self._trainer.order(f"save {target.name}", work, saved, self._not_saved)

    def _saved(self, run: Run, steps: int, path: Path) -> None:
        self.busy.emit("")
        places = self._of(run)
        places.path, places.saved = path, steps
        forget(places.kept)
        self.file_changed.emit(self.path)
        self.remember(path)

    def _not_saved(self, failure: Failure) -> None:
        self.busy.emit("")
        self._fail(failure, SAVING)

    # -- nothing is lost -----------------------------------------------------------------------

    def unsaved(self) -> bool:
        """Has the open run gone on since it was saved?"""
        run = self._session.run
        return run is not None and run.steps > 0 and self._of(run).saved != run.steps

    def keep(self) -> None:
        """Keep the open run, between two steps, without disturbing anybody."""
        run = self._session.run
        if run is not None and self.unsaved():
            place = self._of(run).kept
            self._trainer.order("keep the run", lambda: keep(place, run))


def _write(run: Run, path: Path) -> int:
    run.save(path)
    return run.steps

"""What the program does when it is told to: open, save, train. Every command ends here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QGuiApplication

from backends.base import Progress, Work
from backends.data import DataSet, without_rows
from backends.run import Run
from backends.script import as_python
from explorer.by_hand import ByHand
from explorer.compute import Exploration, Failure, Priority
from explorer.data_choice import DataChoice, is_data
from explorer.given_rows import GivenRows
from explorer.inputs import Inputs
from explorer.kept import forget, keep, kept_path
from explorer.saved_session import SUFFIX, read_session, write_session
from explorer.session import Session
from explorer.settings import Settings
from explorer.spec import (
    begin,
    differ_in_start,
    full_values,
    same_run,
    spec_of,
    steps_to_go,
)
from explorer.state import RunSpec, State
from explorer.threads import forget_modules
from explorer.training import Moment, Trainer
from resources import resource

MB = 10**6
KEEPING = 20.0  # seconds that closing waits for a large run to be written
STARTER = "digits-vae.safetensors"


@dataclass
class _Files:
    """Where a run is on the disk: where it is kept, its own file, and the step that is safe in either."""

    kept: Path
    path: Path | None = None
    saved: int | None = None


class Actions(QObject):
    """Holds the open run's file and carries out commands over session, trainer and exploration."""

    file_changed = Signal(object)  # Path | None
    recent_changed = Signal(object)  # tuple of paths
    session_opened = Signal(object)  # Settings: those of a saved session, whose run is open now
    busy = Signal(object)  # a sentence while a file is being read or written; "" after
    progress = Signal(object)  # Progress of the reading that can be cancelled; None after

    def __init__(
        self,
        session: Session,
        exploration: Exploration,
        trainer: Trainer,
        settings: Settings,
        home: Path,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._exploration, self._trainer = session, exploration, trainer
        self.settings, self._home = settings, home
        self.data = DataChoice(session, exploration, home, self)
        self.data.busy.connect(self.busy)
        self.data.progress.connect(self.progress)
        self.data.failed.connect(self._data_failed)
        self.by_hand = ByHand(session, trainer, self._changed)
        self.given = GivenRows(session, trainer, self._changed)
        self.inputs = Inputs(session, exploration, self.fail, self)
        self._files: dict[str, _Files] = {}  # by run.id: an answer that comes late is about its own run
        self._closing = False
        self._autosave = QTimer(self)
        self._autosave.setInterval(session.state.autosave * 1000)
        self._autosave.timeout.connect(self._keep)
        trainer.moment.connect(self._moment)
        trainer.failed.connect(self.fail)
        exploration.failed.connect(self.fail)
        session.changed.connect(self._state_changed)
        trainer.slow_down(session.state.em.rest)
        trainer.slow_down(session.state.bayes.rest, "row")
        trainer.remember(MB * session.state.history.memory)

    def fail(self, failure: Failure) -> None:
        """Show a failure; its traceback is a click away."""
        if self._closing:  # nobody sees the window any more
            print(f"latent-explorer: {failure.sentence}", file=sys.stderr)
        self._session.say(failure.sentence, "error", None if failure.expected else failure.details)

    # -- files ---------------------------------------------------------------------------------

    @property
    def path(self) -> Path | None:
        """The open run's own file."""
        run = self._session.run
        return None if run is None else self._files_of(run).path

    @property
    def home(self) -> Path:
        """The program's own folder."""
        return self._home

    @property
    def places(self) -> tuple[Path, ...]:
        """The files that the open run is written to: its own, and where it is kept until it is saved."""
        run = self._session.run
        if run is None:
            return ()
        files = self._files_of(run)
        return (files.kept,) if files.path is None else (files.kept, files.path.resolve())

    def rename(self, run: Run, name: str) -> None:
        """Give a run that is open another name, which the next writing of its file keeps."""
        run.name = name
        self._changed(run)
        self.file_changed.emit(self.path)

    def set_recent(self, recent: tuple[str, ...]) -> None:
        """Have other files as the recent ones."""
        self.settings = replace(self.settings, recent=recent)
        self.recent_changed.emit(recent)

    def _files_of(self, run: Run) -> _Files:
        return self._files.setdefault(run.id, _Files(kept_path(self._home, run)))

    def open(self, path: str | Path) -> None:
        """Open a run, or choose a data file; nothing changes when it cannot be used.

        What a file is follows from its content; only what does not begin as a run does is judged by its name.
        """
        if is_data(path):
            self.data.open(str(path))
            return
        path = Path(path)
        if path.suffix == SUFFIX:
            self._open_session(path)
        else:
            self._open(path, path)

    def open_kept(self, path: Path) -> None:
        """Open a run that was kept; it has no file of its own yet, and saving it asks for one."""
        self._open(path, None, kept=path)

    def _open(self, path: Path, file: Path | None, kept: Path | None = None) -> None:
        self.busy.emit(f"Opening {path.name}…")
        self._exploration.request(
            "open",
            Priority.FILE,
            lambda: Run.opening(path),
            lambda run: self._opened(run, file, kept),
            doing=f"open {path}",
            progress=self._tell,
            failed=lambda failure: self._not_opened(failure, path),
        )

    def _open_session(self, path: Path) -> None:
        self.busy.emit(f"Opening {path.name}…")

        def work() -> Work[tuple[Run, Path, Settings]]:
            settings, file = read_session(path)
            run = yield from Run.opening(file)
            return run, file, settings

        def opened(found: tuple[Run, Path, Settings]) -> None:
            run, file, settings = found
            self._opened(run, file, settings=settings)
            self._remember(path)

        self._exploration.request(
            "open", Priority.FILE, work, opened, doing=f"open {path}",
            failed=lambda failure: self._not_opened(failure, path), progress=self._tell,
        )  # fmt: skip

    def save_session(self, path: str | Path, settings: Settings) -> None:
        """Write what is set to ``path``, and the open run to its own file, or else to one beside it."""
        run, target = self._session.run, Path(path).with_suffix(SUFFIX)
        if run is None:
            return
        file = self._files_of(run).path or target.with_suffix(".safetensors")

        def work() -> int:
            steps = self._write(run, file)
            write_session(target, settings, file)
            return steps

        def saved(steps: int) -> None:
            self._saved(run, steps, file)
            self._remember(target)
            self._session.say(f"Saved {target.name}, with its run in {file.name}.")

        self.busy.emit(f"Saving {target.name}…")
        self._trainer.order(f"save {target.name}", work, saved, self._not_saved)

    def open_starter(self) -> None:
        """Open the run that comes with the program. Saving it asks for a name."""
        path = resource(STARTER)
        self.busy.emit("Opening the digits…")
        self._exploration.request(
            "open",
            Priority.FILE,
            lambda: Run.open(path),
            lambda run: self._opened(run, None),
            doing="open the run that comes with the program",
            failed=self._not_saved,
        )

    def _opened(
        self, run: Run, path: Path | None, kept: Path | None = None, settings: Settings | None = None
    ) -> None:
        forget_modules()
        self._read_all()
        self._keep()  # the run that was open until now
        self._files[run.id] = _Files(kept or kept_path(self._home, run), path, run.steps)
        self._trainer.adopt(lambda: run)
        self._begin_with(run, None if settings is None else settings.state)
        if settings is not None:
            self.session_opened.emit(settings)
        for note in run.notes:
            self._session.say(note, "warning")
        if path is not None:
            self._remember(path)

    def _begin_with(self, run: Run, state: State | None = None) -> None:
        """What is chosen for the next run is what this one was made of; state: with which all is to go on."""
        if state is None:
            state = self._session.state
            state = replace(state, flow=replace(state.flow, time=0.0))  # a flow is met in the data's space
        spec, chosen = spec_of(run), state.run
        steps = chosen.steps if chosen.model == spec.model else run.kind.default_steps
        spec = replace(spec, steps=steps, tolerance=chosen.tolerance)
        self._session.begin(replace(state, run=spec))

    def take(self, run: Run) -> None:
        """Have a run that was made elsewhere in the program as the open one; that which was is kept."""
        if run is self._session.run:
            return
        self._keep()
        self._exploration.cancel("open")  # what is taken now is wanted more
        self.busy.emit("")
        self._trainer.adopt(lambda: run)
        self._begin_with(run)

    def _read_all(self) -> None:
        self.busy.emit("")
        self.progress.emit(None)

    def _not_opened(self, failure: Failure, path: Path) -> None:
        self._read_all()
        self.settings = self.settings.forgotten(str(path))
        self.recent_changed.emit(self.settings.recent)
        self.fail(failure)
        if self._session.run is None:
            self.open_starter()  # the window is never left empty

    def save(self, path: str | Path) -> None:
        """Write the open run to ``path``, between two steps."""
        run, target = self._session.run, Path(path)
        if run is None:
            self._session.say("There is no run to save yet.", "warning")
            return
        if not target.suffix:
            target = target.with_suffix(".safetensors")
        self.busy.emit(f"Saving {target.name}…")
        self._trainer.order(
            f"save {target.name}",
            lambda: self._write(run, target),
            lambda steps: self._saved(run, steps, target),
            self._not_saved,
        )

    @staticmethod
    def _write(run: Run, path: Path) -> int:
        run.save(path)
        return run.steps

    def _saved(self, run: Run, steps: int, path: Path) -> None:
        self.busy.emit("")
        files = self._files_of(run)
        files.path, files.saved = path, steps
        forget(files.kept)
        self.file_changed.emit(self.path)
        self._remember(path)
        self._session.say(f"Saved {path.name} at step {steps:,}.".replace(",", "\u202f"))

    def copy_script(self) -> None:
        """Copy the open run, as far as it has come, as a Python script to the clipboard."""
        run = self._session.run
        if run is not None:
            self._trainer.order("copy the run as Python", lambda: as_python(run), self._copied)

    def _copied(self, script: str) -> None:
        QGuiApplication.clipboard().setText(script)
        self._session.say("Copied a Python script that makes this run again.")

    def _not_saved(self, failure: Failure) -> None:
        self.busy.emit("")
        self.fail(failure)

    def _remember(self, path: Path) -> None:
        self.settings = self.settings.opened(str(path.resolve()))
        self.recent_changed.emit(self.settings.recent)

    # -- data ----------------------------------------------------------------------------------

    def choose_data(self, source: str) -> None:
        """Use a named set, or a file or folder as it was chosen before, for the next run."""
        self.data.choose(source)

    def _data_failed(self, failure: Failure) -> None:
        self.fail(failure)
        self.never_empty()

    def never_empty(self) -> None:
        """Open the run that comes with the program, where none is open or about to be."""
        if self._session.run is None and not self._exploration.busy("open"):
            self.open_starter()

    def _tell(self, progress: Progress) -> None:
        self.progress.emit(progress)

    def cancel(self) -> None:
        """Open and read no more of what is under way; what there was before stays."""
        self._exploration.cancel("open")
        self.data.cancel()
        self.never_empty()

    def _apply(self, spec: RunSpec, what: str, merge: str = "") -> None:
        self._session.apply(replace(self._session.state, run=spec), what, merge)

    # -- training --------------------------------------------------------------------------------

    def train(self) -> None:
        """Go on with the open run, or begin another when what is chosen differs from it."""
        run, spec = self._session.run, self._session.state.run
        if run is not None and same_run(spec_of(run), spec):
            self._trainer.play(steps_to_go(run.steps, spec.steps), spec.tolerance)
        else:
            self.restart()

    def toggle(self) -> None:
        """Pause or go on."""
        moment = self._session.moment
        if moment is not None and moment.training:
            self.pause()
        else:
            self.train()

    def pause(self) -> None:
        """Pause after the step at hand."""
        self._trainer.pause()

    def stop(self) -> None:
        """End this training: pause, and keep the run in a file."""
        self._trainer.pause()
        self._keep()

    def step(self) -> None:
        """One step of the open run, or the first of another."""
        run, spec = self._session.run, self._session.state.run
        if run is not None and same_run(spec_of(run), spec):
            self._trainer.play(1)
        else:
            self._begin(1)

    def half_step(self) -> None:
        """Half a step of EM of the open run, or the first of another."""
        run, spec = self._session.run, self._session.state.run
        if run is None or not same_run(spec_of(run), spec):
            self._begin(0, self._trainer.half_step)
        else:
            self._trainer.half_step()

    def _changed(self, run: Run) -> None:
        """At the step at which it was saved it is not what was saved any more."""
        self._files_of(run).saved = None

    def begin_without_rows(self) -> None:
        """Begin the open run anew on the set without rows, so that only rows given by hand count."""
        run, spec = self._session.run, self._session.state.run
        name = None if run is None else without_rows(run.info)
        if run is not None and name is not None:
            if spec.model != run.kind.name:  # another model was chosen since
                spec = replace(spec_of(run), steps=run.kind.default_steps)
            self._apply(replace(spec, data=name), "begin without rows")
            self.restart()

    def restart(self) -> None:
        """Begin a run of what is chosen, from its seed."""
        spec = self._session.state.run
        self._begin(spec.steps or None)

    def back_to_start(self) -> None:
        """The same, before its first step, where it waits."""
        self._begin(0)

    def _begin(self, steps: int | None, then: Callable[[], None] = lambda: None) -> None:
        spec = self._session.state.run
        self._keep()
        self._exploration.cancel("open")  # what is begun now is wanted more
        self._read_all()

        def adopt(data: DataSet | None) -> None:
            self._trainer.adopt(lambda: begin(spec, data), steps, spec.tolerance)
            then()

        self.data.with_data(spec, adopt)

    def _state_changed(self, old: Any, new: Any) -> None:
        """Live hyper-parameters of the open run change at once; the others wait for the next run."""
        if old.autosave != new.autosave:
            self._autosave.setInterval(new.autosave * 1000)
        if old.em.pace != new.em.pace:
            self._trainer.slow_down(new.em.rest)
        if old.bayes.pace != new.bayes.pace:
            self._trainer.slow_down(new.bayes.rest, "row")
        if old.history.memory != new.history.memory:
            self._trainer.remember(MB * new.history.memory)
        run = self._session.run
        if run is None or old.run.values == new.run.values or new.run.model != run.kind.name:
            return
        if not run.steps and differ_in_start(old.run, new.run):  # a start is seen before it is gone on from
            self._begin(0)
            return
        # The learner may not have come to the change before this one yet, so both are asked.
        before, current = full_values(old.run), dict(run.values)
        for parameter in run.kind.parameters:
            value = new.run.values.get(parameter.name, parameter.default)
            known = before.get(parameter.name) == current[parameter.name] == value
            if parameter.live and not known:
                self._trainer.set(parameter.name, value)

    # -- nothing is lost -------------------------------------------------------------------------

    def _moment(self, moment: Moment) -> None:
        if moment.training and not self._autosave.isActive():
            self._autosave.start()
        elif not moment.training and self._autosave.isActive():
            self._autosave.stop()
            self._keep()
        another = moment.run is not self._session.run
        self._session.set_moment(moment)
        if another:
            self.file_changed.emit(self.path)

    def unsaved(self) -> bool:
        """Has the open run gone on since it was saved?"""
        run = self._session.run
        return run is not None and run.steps > 0 and self._files_of(run).saved != run.steps

    def _keep(self) -> None:
        """Keep the open run, between two steps, without disturbing anybody."""
        run = self._session.run
        if run is not None and self.unsaved():
            place = self._files_of(run).kept
            self._trainer.order("keep the run", lambda: keep(place, run))

    def close(self) -> None:
        """Pause, keep what is not saved, and end both threads."""
        self._closing = True
        self._autosave.stop()
        self._trainer.pause()
        self._keep()
        self._exploration.close()
        if not self._trainer.close() and not self._trainer.close(KEEPING):
            print("latent-explorer: the run could not be kept in time", file=sys.stderr)

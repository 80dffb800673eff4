"""What the program does when it is told to: open, save, train. Every command ends here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QGuiApplication

from backends.base import Progress, Work
from backends.data import DataSet, without_rows
from backends.run import Run
from backends.script import as_python
from explorer.compute import Exploration, Failure, Priority
from explorer.data.choice import DataChoice, kind_of
from explorer.data.inputs import Inputs
from explorer.runs.by_hand import ByHand
from explorer.runs.files import RunFiles
from explorer.runs.given_rows import GivenRows
from explorer.runs.saved_session import read_session
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
from explorer.state import State
from explorer.threads import forget_modules, keep_tidy
from explorer.training import Moment, Trainer
from resources import resource

MB = 10**6
OPENING = "open a file"  # what messages are about
KEEPING = 20.0  # seconds that closing waits for a large run to be written
STARTER = "digits-vae.safetensors"


class Actions(QObject):
    """Carries out commands over session, trainer and exploration."""

    session_opened = Signal(object)  # Settings: those of a saved session, whose run is open now
    busy = Signal(object)  # a sentence while a file is being read or written; "" after
    begun = Signal(object)  # what was told about this, as of a Message, is over
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
        self.files = RunFiles(session, trainer, settings, home, self.fail, self)
        self.files.busy.connect(self.busy)
        self.data = DataChoice(session, exploration, home, self)
        self.data.busy.connect(self.busy)
        self.data.progress.connect(self.progress)
        self.data.failed.connect(self._data_failed)
        self.by_hand = ByHand(session, trainer, self._done_by_hand)
        self.given = GivenRows(session, trainer, self._done_by_hand)
        self.inputs = Inputs(session, exploration, self.fail, self)
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

    def fail(self, failure: Failure, about: str = "") -> None:
        """Show a failure; its traceback is a click away. about: as of a Message."""
        if self._closing:  # nobody sees the window any more
            print(f"latent-explorer: {failure.sentence}", file=sys.stderr)
        self._session.say(failure.sentence, "error", None if failure.expected else failure.details, about)

    # -- files ---------------------------------------------------------------------------------

    def open(self, path: str | Path, as_input: bool = False) -> None:
        """Open a run, or look at data for the next one; nothing changes when it cannot be used. What it is, a
        slow disk may take its time to say.

        as_input: a picture is encoded where it can be, and not taken for a density.
        """
        text = str(path)
        self.begun.emit(OPENING)
        self.busy.emit(f"Opening {Path(text).name}…")
        self._exploration.request(
            "open", Priority.FIELD, lambda: kind_of(text), lambda kind: self._open_as(kind, text, as_input),
            doing=f"open {text}", failed=lambda failure: self._not_opened(failure, Path(text)),
        )  # fmt: skip

    def _open_as(self, kind: str, text: str, as_input: bool) -> None:
        self._read_all()
        if kind == "picture" and as_input and self.inputs.pictures:
            self.inputs.open(Path(text))
        elif kind in ("data", "picture"):
            self.data.open(text)  # first, as it is what was asked for
            self.never_empty()
        elif kind == "session":
            self._open_session(Path(text))
        else:
            self._open(Path(text), Path(text))

    def open_kept(self, path: Path) -> None:
        """Open a run that was kept; it has no file of its own yet, and saving it asks for one."""
        self._open(path, None, kept=path)

    def _open(self, path: Path, file: Path | None, kept: Path | None = None) -> None:
        self.begun.emit(OPENING)
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
            self.files.remember(path)

        self._exploration.request(
            "open", Priority.FILE, work, opened, doing=f"open {path}",
            failed=lambda failure: self._not_opened(failure, path), progress=self._tell,
        )  # fmt: skip

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
            failed=self._starter_failed,
        )

    def _starter_failed(self, failure: Failure) -> None:
        keep_tidy()
        self._read_all()
        self.fail(failure)

    def _opened(
        self, run: Run, path: Path | None, kept: Path | None = None, settings: Settings | None = None
    ) -> None:
        forget_modules()
        self._read_all()
        self.files.keep()  # the run that was open until now
        self.files.opened(run, path, kept)
        self._trainer.adopt(lambda: run)
        self._begin_with(run, None if settings is None else settings.state)
        if settings is not None:
            self.session_opened.emit(settings)
        for note in run.notes:
            self._session.say(note, "warning")

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
        self.files.keep()
        self._exploration.cancel("open")  # what is taken now is wanted more
        self.busy.emit("")
        self._trainer.adopt(lambda: run)
        self._begin_with(run)

    def _read_all(self) -> None:
        self.busy.emit("")
        self.progress.emit(None)

    def _not_opened(self, failure: Failure, path: Path) -> None:
        self._read_all()
        self.files.forget(path)
        self.fail(failure, OPENING)
        if self._session.run is None:
            self.open_starter()  # the window is never left empty

    def copy_script(self) -> None:
        """Copy the open run, as far as it has come, as a Python script to the clipboard."""
        run = self._session.run
        if run is not None:
            self._trainer.order("copy the run as Python", lambda: as_python(run), self._copied)

    def _copied(self, script: str) -> None:
        QGuiApplication.clipboard().setText(script)
        self._session.say("Copied a Python script that makes this run again.")

    # -- data ----------------------------------------------------------------------------------

    def choose_data(self, source: str) -> None:
        """Use a named set, or a file or folder as it was chosen before, for the next run."""
        self.data.choose(source)

    def _data_failed(self, failure: Failure) -> None:
        self.fail(failure, OPENING)
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
        if self._session.training:
            self.pause()
        else:
            self.train()

    def pause(self) -> None:
        """Pause after the step at hand."""
        self._trainer.pause()

    def stop(self) -> None:
        """End this training: pause, and keep the run in a file."""
        self._trainer.pause()
        self.files.keep()

    def step(self) -> None:
        """One step of the open run, or the first of another."""
        run, spec = self._session.run, self._session.state.run
        if run is not None and same_run(spec_of(run), spec):
            self._trainer.step()
        else:
            self._begin(1)

    def half_step(self) -> None:
        """Half a step of EM of the open run, or the first of another."""
        run, spec = self._session.run, self._session.state.run
        if run is None or not same_run(spec_of(run), spec):
            self._begin(0, self._trainer.half_step)
        else:
            self._trainer.half_step()

    def begin_without_rows(self) -> None:
        """Begin the open run anew on the set without rows, so that only rows given by hand count."""
        run, spec = self._session.run, self._session.state.run
        name = None if run is None else without_rows(run.info)
        if run is not None and name is not None:
            if spec.model != run.kind.name:  # another model was chosen since
                spec = replace(spec_of(run), steps=run.kind.default_steps)
            state = replace(self._session.state, run=replace(spec, data=name))
            self._session.apply(state, "begin without rows")
            self.restart()

    def restart(self) -> None:
        """Begin a run of what is chosen, from its seed."""
        spec = self._session.state.run
        self._begin(spec.steps or None)

    def back_to_start(self) -> None:
        """The same, before its first step, where it waits."""
        self._begin(0)

    def _begin(self, steps: int | None, then: Callable[[], None] = lambda: None) -> None:
        """Have what is chosen begun; ``then`` is called where it could be."""
        spec = self._session.state.run
        self.files.keep()
        self._exploration.cancel("open")  # what is begun now is wanted more
        self._read_all()

        def adopt(data: DataSet | None) -> None:
            self._trainer.adopt(lambda: begin(spec, data), steps, spec.tolerance, done=lambda _: then())

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
            if parameter.live and parameter.counts(current) and not known:
                self._trainer.set(run, parameter.name, value)

    # -- nothing is lost -------------------------------------------------------------------------

    def _moment(self, moment: Moment) -> None:
        before = self._session.moment
        another = moment.run is not self._session.run
        if self._session.training and not moment.training:
            self._autosave.stop()
            self.files.keep()
        elif moment.training or (before is not None and not another and moment.steps != before.steps):
            self._keep_in_time()  # single steps, too, are many in the end
        self._session.set_moment(moment)
        if another:
            self.files.file_changed.emit(self.files.path)

    def _keep_in_time(self) -> None:
        if not self._autosave.isActive():
            self._autosave.start()

    def _keep(self) -> None:
        self.files.keep()
        if not self._session.training:  # until there is something new
            self._autosave.stop()

    def _done_by_hand(self, run: Run) -> None:
        """Something was done to a run between two steps."""
        self.files.changed(run)
        self._keep_in_time()

    def close(self) -> None:
        """Pause, keep what is not saved, and end both threads."""
        self._closing = True
        self._autosave.stop()
        self._trainer.pause()
        self.files.keep()
        self._exploration.close()
        if not self._trainer.close() and not self._trainer.close(KEEPING):
            print("latent-explorer: the run could not be kept in time", file=sys.stderr)

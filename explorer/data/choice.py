"""What data the next run is on: chosen by name, looked at in a preview, or painted; read in exploration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from backends.base import Array, Progress
from backends.data import DataSet, open_data, read_data
from backends.idx import is_idx
from backends.picture import is_picture
from backends.sources import parse, title_of
from explorer.compute import Exploration, Failure, Priority
from explorer.data.paintings import keep_painting, last_painting
from explorer.runs.saved_session import SUFFIX as SESSION
from explorer.session import Session
from explorer.spec import source_of, suit
from explorer.state import RunSpec
from explorer.widgets.values import format_number

SUFFIXES = (".csv", ".tsv", ".txt", ".npy", ".npz", ".png", ".jpg", ".jpeg", ".gif")
SLOTS = ("data", "begin")  # of exploration, that are read in


class DataChoice(QObject):
    """Reads data and says in the session's state which the next run is on. What was read last stays at hand,
    so that a run begins on what was seen, and a folder is not read twice."""

    busy = Signal(object)  # a sentence while something is being read; "" after
    progress = Signal(object)  # Progress of the reading; None after
    preview_wanted = Signal(object)  # a line of text: a path, and what was chosen of it
    failed = Signal(object)  # Failure

    def __init__(self, session: Session, exploration: Exploration, home: Path, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._exploration, self._home = session, exploration, home
        self._at_hand: DataSet | None = None

    def open(self, text: str) -> None:
        """Choose a file or a folder, after a look at it."""
        self.preview_wanted.emit(text)

    def choose(self, source: str) -> None:
        """Use a named set, or a file or folder as it was chosen before, for the next run."""
        known = self._known(source)
        if known is not None:
            self.use(known)
            return
        self._read("data", title_of(source), lambda: read_data(source), self.use)

    def paint(self, levels: Array) -> None:
        """Keep a painted density (h, w) in the program's own folder, and use it for the next run."""
        self._read("data", "the painting", lambda: open_data(keep_painting(self._home, levels)), self.use)

    def last_painting(self, deliver: Callable[[Array], None]) -> None:
        """Look for the newest painting, and deliver its levels (h, w), empty where there is none."""
        self._exploration.request(
            "painting", Priority.FILE, lambda: last_painting(self._home), deliver, doing="read the painting"
        )

    def use(self, data: DataSet) -> None:
        """Use data that were read for the next run."""
        self._exploration.cancel("data")
        self._ended()
        self._at_hand = data
        before = self._session.state.run
        spec = suit(replace(before, data=source_of(data.info)), data.info)
        changed = [f"{k} {v}" for k, v in spec.values.items() if before.values.get(k) != v]
        self._session.apply(replace(self._session.state, run=spec), "choose data")
        rows = len(data.train) + len(data.validation) + len(data.test)
        with_ = f", with {' and '.join(changed)}" if changed else ""
        found = f"{format_number(rows)} rows of {format_number(data.info.dim)} values"
        self._session.say(f"{data.info.title}: {found}. Train starts a run on it{with_}.")
        for note in data.notes:
            self._session.say(note, "warning")

    def with_data(self, spec: RunSpec, then: Callable[[DataSet | None], None]) -> None:
        """Call ``then`` with the data of a run to be: at once with those at hand, or None for a named set,
        which is quickly made; after reading where it is a file or a folder."""
        self._exploration.cancel("begin")
        known = self._known(spec.data)
        if known is not None or not Path(parse(spec.data)[0]).exists():
            then(known)
        else:
            self._read("begin", title_of(spec.data), lambda: read_data(spec.data), self._then(then))

    def _then(self, then: Callable[[DataSet | None], None]) -> Callable[[DataSet], None]:
        def read(data: DataSet) -> None:
            self._ended()
            self._at_hand = data
            then(data)

        return read

    def cancel(self) -> None:
        """Read no more of what is being read; what was chosen before stays."""
        for slot in SLOTS:
            self._exploration.cancel(slot)
        self._ended()

    def _known(self, source: str) -> DataSet | None:
        """The data of a file or folder, where they are at hand or those of the open run."""
        for data in (self._at_hand, self._session.data):
            if data is not None and "sha256" in data.info.source and source_of(data.info) == source:
                return data
        return None

    def _read(
        self, slot: str, name: str, work: Callable[[], Any], deliver: Callable[[DataSet], None]
    ) -> None:
        self.busy.emit(f"Reading {name}…")
        self._exploration.request(
            slot, Priority.FILE, work, deliver, doing=f"read {name}", failed=self._failed, progress=self._tell
        )

    def _tell(self, progress: Progress) -> None:
        self.progress.emit(progress)

    def _failed(self, failure: Failure) -> None:
        self._ended()
        self.failed.emit(failure)

    def _ended(self) -> None:
        self.busy.emit("")
        self.progress.emit(None)


def kind_of(text: str) -> str:
    """What a file or folder is to be opened as: "picture", "data", "session" or "run". That follows from its
    content; only what begins as none of these is judged by its name."""
    path = Path(parse(text)[0])
    if is_picture(path):
        return "picture"
    if path.is_dir() or is_idx(path):
        return "data"
    if path.suffix == SESSION:
        return "session"
    return "data" if path.suffix.lower() in SUFFIXES and not _begins_as_run(path) else "run"


def _begins_as_run(path: Path) -> bool:
    """Does the file begin as a safetensors file does: a length, then a JSON object?"""
    try:
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            return file.read(9)[8:] == b"{"
    except OSError:
        return False

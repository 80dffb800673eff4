"""The runs that there are: the open one, those kept in the program's own folder, and recent files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from backends.base import InputError, Progress
from backends.heads import Head, head_of, read_head, rename
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.runs.kept import kept_files, throw_away
from explorer.session import Session
from explorer.widgets.values import format_number

SLOT = "runs"


@dataclass(frozen=True, eq=False)
class Listed:
    """A run in the list. path: its file, None for the open run. kept: in the program's own folder, because
    nobody has saved it yet. when: its file was written, seconds since 1970."""

    head: Head
    path: Path | None = None
    kept: bool = False
    when: float = 0.0


def listed(paths: Sequence[tuple[Path, bool]]) -> Iterator[Progress | tuple[Listed, ...]]:
    """The runs in these files, each with whether it is kept; a slice is one file. What is no run is left
    out."""
    found: list[Listed] = []
    for done, (path, kept) in enumerate(paths):
        yield Progress(done, len(paths))
        with suppress(InputError, OSError):
            found.append(Listed(read_head(path), path, kept, path.stat().st_mtime))
    yield tuple(found)


class Runs(QObject):
    """Lists them, and renames and deletes what is in their files, in exploration; both can be undone."""

    changed = Signal()

    def __init__(
        self, session: Session, exploration: Exploration, actions: Actions, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._exploration, self._actions = session, exploration, actions
        self._found: tuple[Listed, ...] = ()
        self._pending: list[tuple[Callable[[], object], str]] = []
        session.run_changed.connect(self._reload)
        actions.files.file_changed.connect(self._reload)
        actions.files.recent_changed.connect(self._reload)
        self.reload()

    @property
    def all(self) -> tuple[Listed, ...]:
        """The open run first, then the others, the newest file first."""
        run = self._session.run
        own = () if run is None else (Listed(head_of(run)),)
        return (*own, *(one for one in self._found if one.path not in self._actions.files.places))

    def reload(self) -> None:
        """Look at the files again."""
        home, recent = self._actions.files.home, self._actions.files.settings.recent

        def work() -> Iterator[Progress | tuple[Listed, ...]]:
            kept = kept_files(home)
            files = [path for path in map(Path, recent) if path not in kept]
            return listed([*((path, True) for path in kept), *((path, False) for path in files)])

        self._exploration.request(SLOT, Priority.FILE, work, self._deliver, doing="list the runs")

    def _reload(self, _: object) -> None:
        self.reload()

    def _deliver(self, found: tuple[Listed, ...]) -> None:
        self._found = tuple(sorted(found, key=lambda one: -one.when))
        self.changed.emit()

    def open(self, one: Listed) -> None:
        """Have it as the open run; that which is open is kept."""
        if one.path is not None and one.kept:
            self._actions.open_kept(one.path)
        elif one.path is not None:
            self._actions.open(one.path)

    # -- names -----------------------------------------------------------------------------------

    def rename(self, one: Listed, name: str) -> None:
        """Give it another name."""
        before, files = one.head.name, self._actions.files
        if not name.strip() or name == before:
            return
        places = files.places if one.path is None else (one.path,)

        def give(name: str) -> None:
            run = self._session.run  # another by then, it may be
            if run is not None and set(places) & set(files.places):
                files.rename(run, name)
                self.changed.emit()
            else:
                self._order(lambda: rename(_there(places), name), "rename the run")

        give(name)
        self._session.did(f"rename {before}", lambda: give(before), lambda: give(name), lasting=True)

    # -- deleting --------------------------------------------------------------------------------

    def delete(self, several: Sequence[Listed]) -> None:
        """Take them off the list, in one step: what is kept goes to a folder that is emptied when the program
        ends; files of the user's own stay where they are."""
        home, files = self._actions.files.home, self._actions.files
        there = {one.path for one in self._found}  # the list on show may be older
        several = [one for one in several if one.path in there]
        kept = [one.path for one in several if one.path is not None and one.kept]
        own = [one.path for one in several if not one.kept]
        before = files.settings.recent
        after = tuple(path for path in before if Path(path) not in own)

        def throw() -> None:
            self._found = tuple(one for one in self._found if one.path not in kept)
            self.changed.emit()
            for path in kept:
                self._order(partial(throw_away, home, path), "delete the run")
            if own:
                files.set_recent(after)

        def bring_back() -> None:
            for path in kept:
                self._order(partial((home / "trash" / path.name).replace, path), "bring the run back")
            if own:
                files.set_recent(before)

        if several:
            what = several[0].head.name if len(several) == 1 else f"{len(several)} runs"
            throw()
            text = f"delete {what}" if kept else f"take {what} off the list"
            self._session.did(text, bring_back, throw, lasting=True)

    def _order(self, work: Callable[[], object], doing: str) -> None:
        """Files are touched one after the other: none of what is asked for may be replaced by the next."""
        self._pending.append((work, doing))
        if len(self._pending) == 1:
            self._next()

    def _next(self) -> None:
        work, doing = self._pending[0]
        self._exploration.request(
            "run-file", Priority.FILE, work, lambda _: None, doing=doing,
            failed=self._actions.fail, ended=self._ended,
        )  # fmt: skip

    def _ended(self) -> None:
        self._pending.pop(0)
        if self._pending:
            self._next()
        else:
            self.reload()


def _there(places: Sequence[Path]) -> Path:
    """The first of these files that there is; the first, where there is none."""
    return next((path for path in places if path.exists()), places[0])


def shown(one: Listed) -> str:
    """Where a run is."""
    if one.path is None:
        return "open"
    return "not saved" if one.kept else one.path.name


def same(one: Listed, other: Listed) -> bool:
    """Are these the same entry of two lists?"""
    return one.path == other.path and (one.path is not None or one.head.id == other.head.id)


def named(several: Sequence[Listed]) -> list[str]:
    """Names that tell several runs apart: with the step where the name alone does not."""
    names = [one.head.name for one in several]
    return [
        name if names.count(name) == 1 else f"{name}, step {format_number(one.head.step)}"
        for name, one in zip(names, several, strict=True)
    ]

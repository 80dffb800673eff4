"""The session: the one mutable thing. It holds what the user has set, applies changes (undoable) and
says what changed; beside it, what the program has found out and every panel may look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from backends.base import Array, Model
from explorer.plane import Plane, coordinate_plane
from explorer.state import State

if TYPE_CHECKING:
    from backends.curves import Curves
    from backends.data import DataSet
    from backends.evaluation import Report
    from backends.nearest import Neighbours
    from backends.run import Run
    from explorer.paths.walk import Walk
    from explorer.studies.flow import Passage, Travel
    from explorer.training import Moment

UNDO_DEPTH = 200


@dataclass(frozen=True, eq=False)
class _Change:
    """What can be taken back: the state there was, or with ``back`` and ``forth`` an act that is no state.

    lasting: an act that has nothing to do with the open run.
    """

    state: State
    what: str
    back: Callable[[], None] | None = None
    forth: Callable[[], None] | None = None
    lasting: bool = False


@dataclass(frozen=True, eq=False)
class Encodings:
    """Posterior means of one split's rows, by the model stamped ``step``: z (n, k) float32.

    rows (n,): which rows of the split they are of, in ascending order; None: of all.
    """

    step: int
    split: str
    z: Array
    rows: Array | None = None

    def row(self, i: int) -> int:
        """The row of the split that encoding i is of."""
        return i if self.rows is None else int(self.rows[i])

    @cached_property
    def neighbours(self) -> Neighbours:
        """Finds the nearest of them."""
        from backends.nearest import Neighbours

        return Neighbours(self.z)


@dataclass(frozen=True, eq=False)
class Subject:
    """The datum that is looked at closely: x (d,), what it is called, and its row of a split; of one that was
    given by hand, drawn or dropped, the row is None."""

    x: Array
    name: str
    row: int | None = None
    split: str = ""

    @property
    def given(self) -> bool:
        """Whether it came from a hand, and stays until that lets go."""
        return self.row is None


@dataclass(frozen=True)
class Message:
    """A sentence for the user. kind: "error", "warning" or "info"; details: a traceback, a click away. about:
    what it tells of; it takes the place of what was told of that before. answered: called when the action
    is taken, or the sentence dismissed."""

    text: str
    kind: str = "info"
    details: str | None = None
    action: tuple[str, Callable[[], None]] | None = None
    about: str = ""
    answered: Callable[[], None] | None = None


class Session(QObject):
    """What the user has set (``state``, with undo), and what is alive: run, model, plane, point.

    All signals carry one object. Everything here lives on the interface thread.
    """

    changed = Signal(object, object)  # old State, new State
    undo_changed = Signal(object)  # what ``undo`` would take back, when that is another
    run_opening = Signal(object)  # Run: another is about to be shown; who shows it should be there now
    run_changed = Signal(object)  # Run | None: another run was opened or begun
    model_changed = Signal(object)  # Model: a newer snapshot of the run
    moment_changed = Signal(object)  # Moment: how training is going
    rested = Signal()  # training has come to a pause, or to its end
    curves_changed = Signal(object)  # Curves: an evaluation was appended
    revised = Signal(object)  # Run: by hand, between two steps; what was computed of the newest is of another
    encodings_changed = Signal(object)  # Encodings
    plane_changed = Signal(object)  # Plane
    point_changed = Signal(object)  # (k,) float32, or None
    pin_changed = Signal(str)  # the name of the pin that keys are for; "" for none
    subject_changed = Signal(object)  # Subject, or None
    place_changed = Signal(object)  # (d,) float32, or None
    travel_changed = Signal(object)  # Travel: what a flow does to data, samples and a grid; or None
    walk_changed = Signal(object)  # Walk: what lies along the path; or None
    passage_changed = Signal(object)  # Passage: the way of one point through a flow; or None
    message = Signal(object)  # Message

    def __init__(self, state: State | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = state or State()
        self._undo: list[_Change] = []
        self._redo: list[_Change] = []
        self._merge = ""
        self.run: Run | None = None
        self.model: Model | None = None
        self.moment: Moment | None = None
        self.past: Model | None = None  # an earlier moment of the run, while that is looked at
        self.encodings: Encodings | None = None
        self.report: Report | None = None  # the newest live evaluation
        self.plane: Plane = coordinate_plane(2)
        self.point: Array | None = None
        self.pin = ""  # the one that keys are for, chosen on the map or in the list
        self.subject: Subject | None = None
        self.travel: Travel | None = None
        self.passage: Passage | None = None
        self.walk: Walk | None = None
        self.no_walk = ""  # a sentence, where there is a path that cannot be gone
        self.place: Array | None = None  # the point of data space under the cursor
        self.place_name = ""  # what it is, where it is not just any point
        self.point_tag: object = None  # time stamp of the hand's move; travels to the pixels that it becomes

    # -- what the user sets ----------------------------------------------------------------------

    def apply(self, new: State, what: str, merge: str = "") -> None:
        """Replace the state and push one undo step named ``what`` ("change seed").

        Consecutive changes with the same non-empty ``merge`` are one step (dragging a slider).
        """
        if new == self.state:
            return
        merged = bool(merge and merge == self._merge and self._undo)
        if not merged:
            self._push(_Change(self.state, what))
        self._merge = merge
        self._redo.clear()
        self._replace(new)
        if not merged:
            self.undo_changed.emit(self.undo_text)

    def did(
        self, what: str, back: Callable[[], None], forth: Callable[[], None], lasting: bool = False
    ) -> None:
        """An act was done that is no change of the state; ``back`` undoes it, ``forth`` does it again.

        lasting: it can still be undone when another run is open.
        """
        self._push(_Change(self.state, what, back, forth, lasting))
        self._merge = ""
        self._redo.clear()
        self.undo_changed.emit(self.undo_text)

    def _push(self, change: _Change) -> None:
        self._undo.append(change)
        del self._undo[:-UNDO_DEPTH]

    def begin(self, state: State) -> None:
        """A state that is not the user's doing (a run was opened): only what lasts can be taken back."""
        self._undo = [change for change in self._undo if change.lasting]
        self._redo = [change for change in self._redo if change.lasting]
        self._merge = ""
        if state != self.state:
            self._replace(state)
        self.undo_changed.emit(self.undo_text)

    def undo(self) -> None:
        """Take the last change back."""
        if self._undo:
            change = self._undo.pop()
            self._go(change, change.back, self._redo)

    def redo(self) -> None:
        """Make the change again that was taken back last."""
        if self._redo:
            change = self._redo.pop()
            self._go(change, change.forth, self._undo)

    @property
    def undo_text(self) -> str:
        """What ``undo`` would take back; "" when there is nothing."""
        return self._undo[-1].what if self._undo else ""

    @property
    def redo_text(self) -> str:
        """What ``redo`` would make again; "" when there is nothing."""
        return self._redo[-1].what if self._redo else ""

    def _go(self, change: _Change, act: Callable[[], None] | None, way_back: list[_Change]) -> None:
        self._merge = ""
        # first the way back: whoever hears of the change asks whether there is one
        way_back.append(_Change(self.state, change.what) if act is None else change)
        if act is None:
            self._replace(change.state)
        else:
            act()
        self.undo_changed.emit(self.undo_text)

    def _replace(self, new: State) -> None:
        old, self.state = self.state, new
        self.changed.emit(old, new)

    # -- what is alive ---------------------------------------------------------------------------

    @property
    def data(self) -> DataSet | None:
        """The data of the open run; None without a run, and for a run opened without its data."""
        return self.run.data if self.run is not None else None

    @property
    def curves(self) -> Curves | None:
        """The curves of the open run."""
        return self.run.curves if self.run is not None else None

    @property
    def training(self) -> bool:
        """Whether the open run is being trained."""
        return self.moment is not None and self.moment.training

    def set_moment(self, moment: Moment) -> None:
        """Take over what training published; a run other than the open one becomes the open one."""
        fresh, rests = moment.run is not self.run, self.training and not moment.training
        newer = self.moment is None or fresh or moment.model is not self.moment.model
        elsewhere = self.run is not None and moment.run.info != self.run.info
        self.run, self.moment = moment.run, moment
        if fresh:
            self.past = None
        newer = newer and self.past is None
        if self.past is None:
            self.model = moment.model
        if fresh:
            self.encodings = self.report = None
            self.set_subject(None)
            if elsewhere:  # even of as many columns: 0.3 is no pixel of a binary picture
                self.set_place(None)
            if self.point is not None and len(self.point) != moment.model.latent_dim:
                self.set_point(None)
            self.run_opening.emit(moment.run)
            self.run_changed.emit(moment.run)
            self.curves_changed.emit(moment.run.curves)
        self.moment_changed.emit(moment)
        if rests:
            self.rested.emit()
        if newer:
            self.model_changed.emit(moment.model)

    def look_back(self, model: Model | None) -> None:
        """Show an earlier moment of the run in place of the newest, whatever training does; None: the newest
        again."""
        if self.moment is not None and model is not self.past:
            self.past = model
            self.model = model or self.moment.model
            self.model_changed.emit(self.model)

    def set_encodings(self, encodings: Encodings) -> None:
        """Say where the data lie in latent space."""
        self.encodings = encodings
        self.encodings_changed.emit(encodings)

    def set_plane(self, plane: Plane) -> None:
        """Look at another plane of the latent space."""
        self.plane = plane
        self.plane_changed.emit(plane)

    def set_point(self, z: Array | None, tag: object = None) -> None:
        """Move the point that is decoded under the cursor."""
        self.point, self.point_tag = z, tag
        self.point_changed.emit(z)

    def choose_pin(self, name: str) -> None:
        """Say which pin keys are for; "" for none."""
        if name != self.pin:
            self.pin = name
            self.pin_changed.emit(name)

    def set_subject(self, subject: Subject | None) -> None:
        """Look closely at another datum."""
        if subject is not self.subject:
            self.subject = subject
            self.subject_changed.emit(subject)

    def set_place(self, x: Array | None, name: str = "") -> None:
        """Move the point of data space that the model is asked about; name: what is there."""
        self.place, self.place_name = x, name
        self.place_changed.emit(x)

    def set_travel(self, travel: Travel | None) -> None:
        """Say what the newest snapshot of a flow does to the plane."""
        self.travel = travel
        self.travel_changed.emit(travel)

    def set_walk(self, walk: Walk | None, why: str = "") -> None:
        """Say what lies along the path; why: where none of it can be gone, a sentence."""
        self.walk, self.no_walk = walk, why
        self.walk_changed.emit(walk)

    def set_passage(self, passage: Passage | None) -> None:
        """Say what a flow does to the point under the cursor."""
        self.passage = passage
        self.passage_changed.emit(passage)

    def say(self, text: str, kind: str = "info", details: str | None = None, about: str = "") -> None:
        """Show the user a sentence; see :class:`Message`."""
        self.message.emit(Message(text, kind, details, about=about))

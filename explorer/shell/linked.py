"""Two models beside each other: a second session whose settings are the first one's, and cursors that are at
the same z, or at the same x, in both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array
from backends.capabilities import Decodes, has_latent_points, latent_points
from explorer.compute import Exploration
from explorer.session import Encodings, Session
from explorer.state import State
from explorer.studies.look import Look, look, nearest_row, row_name


class OtherSession(Session):
    """A run and a model of its own, with plane, encodings and point. What the user sets, and can undo, is the
    first session's, and holds for both."""

    def __init__(self, first: Session) -> None:
        super().__init__(first.state, first)
        self._first = first
        first.changed.connect(self._first_changed)
        self.message.connect(first.message)

    def _first_changed(self, _: State, new: State) -> None:
        self._replace(new)

    def forget(self) -> None:
        """Let go of the run, and of all that is known of it."""
        self.run = self.model = self.moment = self.past = self.encodings = self.report = None
        for let_go in (self.set_point, self.set_subject, self.set_walk, self.run_changed.emit):
            let_go(None)

    def apply(self, new: State, what: str, merge: str = "") -> None:
        """Have the first session apply it; this one follows."""
        self._first.apply(new, what, merge)

    def did(
        self, what: str, back: Callable[[], None], forth: Callable[[], None], lasting: bool = False
    ) -> None:
        """An act to be undone with all others."""
        self._first.did(what, back, forth, lasting)


class Aside:
    """The exploration thread for a second view: so that the same panels have slots of their own."""

    def __init__(self, exploration: Exploration) -> None:
        self._exploration = exploration

    def request(self, slot: str, *given: Any, **named: Any) -> None:
        """As :meth:`Exploration.request`."""
        self._exploration.request(_own(slot), *given, **named)

    def cancel(self, slot: str) -> None:
        """As :meth:`Exploration.cancel`."""
        self._exploration.cancel(_own(slot))

    def busy(self, slot: str) -> bool:
        """As :meth:`Exploration.busy`."""
        return self._exploration.busy(_own(slot))


def _own(slot: str) -> str:
    return f"beside {slot}"


@dataclass(frozen=True, eq=False)
class Side:
    """What a cursor is linked from or to. encodings: of a split of the data; x: that split's rows (n, d), or
    None without data."""

    model: Any
    encodings: Encodings | None
    x: Array | None


@dataclass(frozen=True, eq=False)
class Link:
    """One point of the view that the hand is on, and its partner; theirs is None where it has none.

    what: what both share: "z", or the name of the datum.
    """

    ours: Look
    theirs: Look | None
    what: str


def side(session: Session) -> Side:
    """That of a session, as it is now."""
    known, data = session.encodings, session.data
    x = None if known is None or data is None else data.split(known.split).x
    return Side(session.model, known, x)


def link(ours: Side, theirs: Side, z: Array, shared: str, labels: tuple[Any, tuple[str, ...]]) -> Link:
    """The partner of the point z (k,) in the other model's latent space, and what decodes from both.

    shared: "z", the point with the same coordinates; or "x", where the other model encodes the datum that
    this one encodes nearest to z. labels: the split and the names that a datum is told by.
    """
    seen = look(ours.model, z, None)
    if shared == "z":
        same = theirs.model.latent_dim == len(z)
        return Link(seen, _look(theirs.model, z) if same else None, "z")
    known, x, other = ours.encodings, ours.x, theirs.model
    if known is None or x is None:
        return Link(seen, None, "x")
    if not has_latent_points(other) or other.info.dim != x.shape[1]:
        return Link(seen, None, "x")
    row = nearest_row(known, z)
    if row is None:
        return Link(seen, None, "x")
    partner = latent_points(other, x[row : row + 1])[0]
    split, names = labels
    return Link(seen, _look(other, partner), row_name(split, row, names))


def _look(model: Any, z: Array) -> Look | None:
    return look(model, np.asarray(z, np.float32), None) if isinstance(model, Decodes) else None

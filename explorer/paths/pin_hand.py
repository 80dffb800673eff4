"""The hand on pins: they are set, dragged, named and deleted where they are seen, on the latent map."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QLineEdit, QMenu

from backends.base import Array, InputError
from explorer.paths import pins
from explorer.plots.pins import PinItem
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.session import Session

NEAR = 10.0  # logical pixels within which a pin is taken hold of
OFF_PLANE = 1e-3  # latent units, from which on a pin is said to lie off the plane
NAME_WIDTH = 96  # logical pixels


class PinHand(QObject):
    """Draws the pins of the session on a canvas, and moves them.

    The session's pin is the one that was touched last: F2 renames it, Del deletes it.
    """

    picked = Signal(object)  # z (k,) float32, of a pin that was clicked

    def __init__(self, session: Session, canvas: PlaneCanvas) -> None:
        super().__init__(canvas)
        self._session, self._canvas = session, canvas
        self.items: dict[str, PinItem] = {}
        self.editor: _NameField | None = None  # while a name is being typed
        self._grip: str | None = None
        self._begin = np.zeros(2)  # where it was taken hold of, and moved from; canvas coordinates
        self._from = np.zeros(0)  # its z there
        self._drags = 0
        self._moved = False
        canvas.dragged.connect(self._drag)
        canvas.dropped.connect(self._drop)
        canvas.doubled.connect(self._doubled)
        canvas.asked.connect(self._menu)
        for key, act in (("F2", self._rename_selected), ("Del", self._delete_selected)):
            shortcut = QShortcut(QKeySequence(key), canvas, context=Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(act)
        session.changed.connect(self._state_changed)
        session.run_changed.connect(self._draw)
        session.plane_changed.connect(self._draw)
        session.pin_changed.connect(self._mark)

    # -- what is seen --------------------------------------------------------------------------

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.pins != new.pins:
            self._session.choose_pin(pins.called(old, new, self._session.pin))
            self._draw()

    def _draw(self, *_: Any) -> None:
        plane, model = self._session.plane, self._session.model
        dim = model.latent_dim if model is not None else 0
        there = {pin.name: pin for pin in pins.shown(self._session.state, dim)} if dim == plane.dim else {}
        for name in self.items.keys() - there.keys():
            self._canvas.removeItem(self.items.pop(name))
        if self._session.pin not in there:
            self._session.choose_pin("")
        for name, pin in there.items():
            if name not in self.items:
                self.items[name] = PinItem(name)
                self._canvas.addItem(self.items[name], ignoreBounds=True)
            z = np.array([pin.z])
            self.items[name].setPos(QPointF(*plane.to_canvas(z)[0]))
            self.items[name].show_as(name == self._session.pin, bool(plane.distance(z)[0] > OFF_PLANE))

    def _mark(self, chosen: str) -> None:
        for name, item in self.items.items():
            item.show_as(name == chosen, item.away)

    def at(self, position: QPointF) -> str | None:
        """The name of the pin at a position in the widget; None where there is none."""
        best, found = NEAR, None
        for name, item in self.items.items():
            there = self._canvas.mapFromScene(item.scenePos())
            away = float(np.hypot(there.x() - position.x(), there.y() - position.y()))
            if away < best:
                best, found = away, name
        return found

    # -- the mouse -----------------------------------------------------------------------------

    def take(self, position: QPointF) -> bool:
        """Take hold of what lies there; False where it is no pin."""
        self._grip = self.at(position)
        if self._grip is None:
            return False
        self._drags, self._moved = self._drags + 1, False
        self._begin = np.array(self._canvas.at(position))
        self._from = np.array(next(p.z for p in self._session.state.pins if p.name == self._grip))
        self._session.choose_pin(self._grip)
        return True

    def _drag(self, move: tuple[tuple[float, float], int]) -> None:
        """Along the plane: what the plane leaves out stays as it is."""
        if self._grip is None:
            return
        uv, tag = move
        by = np.array(uv) - self._begin
        view = self._canvas.view()
        pixel = view.scale * (view.x1 - view.x0) / max(view.width, 1)
        if not self._moved and np.abs(by).max() < 3 * pixel:
            return
        self._moved = True
        z = self._from + by @ self._session.plane.basis
        state = pins.with_pin(self._session.state, self._grip, z)
        self._session.apply(state, f"move the pin {self._grip}", merge=f"pin {self._drags}")
        self._session.set_point(z.astype(np.float32), tag)

    def _drop(self, move: tuple[tuple[float, float], int]) -> None:
        self._drag(move)
        if self._grip is not None and not self._moved:
            self.picked.emit(self._from.astype(np.float32))
        self._grip = None

    def _doubled(self, position: QPointF) -> None:
        if name := self.at(position):
            self.rename(name)

    def _menu(self, position: QPointF) -> None:
        """What can be done there."""
        menu = QMenu(self._canvas)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        name = self.at(position)
        if name is None:
            uv = self._canvas.at(position)
            menu.addAction("Set a pin here", lambda: self.set_at(uv))
        else:
            self._session.choose_pin(name)
            menu.addAction(f"Rename {name}…", self._rename_selected)
            menu.addAction(f"Delete {name}", self._delete_selected)
        menu.popup(self._canvas.mapToGlobal(position.toPoint()))

    # -- what is done --------------------------------------------------------------------------

    def set_at(self, uv: tuple[float, float]) -> None:
        """A new pin at canvas coordinates (u, v)."""
        self._set(self._session.plane.to_space(np.array([uv]))[0])

    def set_here(self) -> None:
        """A new pin where the point is, held or under the mouse."""
        if self._session.point is None:
            self._session.say("A pin is set where the point is: move the mouse over the latent map first.")
        else:
            self._set(self._session.point)

    def _set(self, z: Array) -> None:
        model, state = self._session.model, self._session.state
        if model is None or len(z) != model.latent_dim:
            return
        name = pins.new_name(state)
        self._session.apply(pins.with_pin(state, name, z), f"set the pin {name}")
        self._session.choose_pin(name)

    def move_here(self) -> None:
        """The chosen pin goes where the point is, which arrow keys may have moved."""
        name, z = self._session.pin, self._session.point
        if not name or z is None:
            self._session.say("Choose a pin first: click it on the latent map, or in the list of pins.")
        else:
            state = pins.with_pin(self._session.state, name, z)
            self._session.apply(state, f"move the pin {name}")

    def _rename_selected(self) -> None:
        if self._session.pin:
            self.rename(self._session.pin)

    def _delete_selected(self) -> None:
        if name := self._session.pin:
            self._session.apply(pins.without(self._session.state, name), f"delete the pin {name}")

    def rename(self, name: str) -> None:
        """Have a new name typed, where the pin is."""
        self._close_editor()
        editor = self.editor = _NameField(name, self._canvas)
        editor.setAccessibleName(f"New name of the pin {name}")
        editor.setFixedWidth(NAME_WIDTH)
        there = self._canvas.mapFromScene(self.items[name].scenePos())
        left = min(there.x() + 8, self._canvas.width() - NAME_WIDTH)
        editor.move(max(left, 0), max(there.y() - editor.sizeHint().height(), 0))
        editor.returnPressed.connect(self._renamed)
        editor.editingFinished.connect(self._close_editor)
        editor.left.connect(self._close_editor)
        editor.selectAll()
        editor.show()
        editor.setFocus()

    def _renamed(self) -> None:
        assert self.editor is not None
        old, new = self._session.pin, self.editor.text()
        try:
            state = pins.renamed(self._session.state, old, new)
        except InputError as error:
            self._session.say(f"The pin keeps its name: {error}.", "error")
            return
        self._session.apply(state, f"rename the pin {old}")

    def _close_editor(self) -> None:
        editor, self.editor = self.editor, None
        if editor is not None:
            editor.hide()
            editor.deleteLater()
            self._canvas.setFocus()


class _NameField(QLineEdit):
    """Esc leaves it, and is not the command of that key meanwhile; Enter is not the canvas's."""

    left = Signal()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            event.accept()
            if event.type() == QEvent.Type.KeyPress:
                self.left.emit()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        super().keyPressEvent(event)
        event.accept()  # a line lets Enter pass to what lies below it: there it is a corner of a path

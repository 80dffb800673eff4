"""The canvas of a plane: axes, pan and zoom, and a hand that hovers, clicks and steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from explorer.plots import export
from explorer.plots.items import Axis
from explorer.style.theme import theme
from explorer.view import View

LEFT_AXIS = 56  # logical pixels: fixed, so that longer numbers do not move the picture
KEY_STEP = 8  # logical pixels that an arrow key moves the point; with Shift, one
ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


class PlaneCanvas(pg.PlotWidget):
    """Hover moves, a click holds, drag pans, wheel zooms, arrows step; both axes have the same scale.

    holds: asked at each press of the left button; where it says yes, what lies there is dragged, in place of
    a pan. With Shift, or the middle button, a drag always pans. shape: asked as the mouse moves, how
    it looks there, so that one sees what a drag would do.
    """

    moved = Signal(object)  # ((u, v) in canvas coordinates, the event's time stamp in ms)
    clicked = Signal(object)  # the same
    dragged = Signal(object)  # the same, of what ``holds`` took hold of
    dropped = Signal(object)  # the same, at the end
    stepped = Signal(object)  # (du, dv) in canvas coordinates, by an arrow key
    entered = Signal()  # Enter
    released = Signal()  # Esc
    doubled = Signal(object)  # QPointF in the widget: a double click of the left button
    asked = Signal(object)  # the same, where a menu is asked for: by the right button, or by its key
    viewed = Signal()  # another rectangle is in view; at most once a turn of the event loop

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        axes = {side: Axis(side) for side in ("left", "bottom")}
        super().__init__(parent, axisItems=axes, enableMenu=False)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.hideButtons()
        self.setBackground(None)
        self.getAxis("left").setWidth(LEFT_AXIS)
        self.box: Any = self.getPlotItem().getViewBox()
        self.box.setAspectLocked(True)
        self.box.setDefaultPadding(0)
        self.box.disableAutoRange()
        self.holds: Callable[[QPointF], bool] | None = None
        self.shape: Callable[[QPointF], Qt.CursorShape] | None = None
        self._holding = False
        self._press: QPointF | None = None
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(0)
        self._settle.timeout.connect(self.viewed)
        self.box.sigRangeChanged.connect(self._range_changed)
        theme().changed.connect(self._retint)
        self._retint()

    def view(self) -> View:
        """The rectangle in view and its device pixels."""
        (x0, x1), (y0, y1) = self.box.viewRange()
        ratio = self.devicePixelRatioF()
        rect = self.box.sceneBoundingRect()
        return View(x0, x1, y0, y1, round(rect.width() * ratio), round(rect.height() * ratio), ratio)

    def save_picture(self, path: str) -> None:
        """The plane as it is on screen, as PNG or, by the file's ending, SVG; InputError on failure."""
        save = export.save_svg if path.lower().endswith(".svg") else export.save_png
        save(self, "", path)

    def copy_picture(self) -> None:
        """The plane as it is on screen, to the clipboard."""
        QGuiApplication.clipboard().setImage(export.picture(self, ""))

    def at(self, position: QPointF) -> tuple[float, float]:
        """Canvas coordinates under a position in the widget."""
        point = self.box.mapSceneToView(self.mapToScene(position.toPoint()))
        return float(point.x()), float(point.y())

    def inside(self, position: QPointF) -> bool:
        """Does the position lie in the plot, not on its axes?"""
        return bool(self.box.sceneBoundingRect().contains(QPointF(self.mapToScene(position.toPoint()))))

    def _range_changed(self, *_: Any) -> None:
        self._settle.start()

    def _retint(self, *_: Any) -> None:
        tokens = theme().tokens
        for side in ("left", "bottom"):
            self.getAxis(side).tint(tokens.axis, tokens.muted, None)
        self._settle.start()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._press = event.position()
        pans = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.button() == Qt.MouseButton.LeftButton and self.holds is not None and not pans:
            self._holding = self.inside(event.position()) and self.holds(event.position())
            if self._holding:
                self.setFocus()
                event.accept()
                return
        super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._holding and event.button() == Qt.MouseButton.LeftButton:
            self._holding, self._press = False, None
            self.dropped.emit((self.at(event.position()), event.timestamp()))
            return
        super().mouseReleaseEvent(event)
        still = self._press is not None and (event.position() - self._press).manhattanLength() < 4
        if still and self.inside(event.position()):
            if event.button() == Qt.MouseButton.LeftButton:
                self.clicked.emit((self.at(event.position()), event.timestamp()))
            elif event.button() == Qt.MouseButton.RightButton:
                self.asked.emit(event.position())
        self._press = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        super().mouseDoubleClickEvent(event)
        if event.button() == Qt.MouseButton.LeftButton and self.inside(event.position()):
            self.doubled.emit(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._holding:
            self.dragged.emit((self.at(event.position()), event.timestamp()))
            return
        if event.buttons() != Qt.MouseButton.NoButton:
            super().mouseMoveEvent(event)
            return
        # Where pyqtgraph's next drag begins. Nothing here needs its hover.
        self.lastMousePos = event.position()
        if self.inside(event.position()):
            if self.shape is not None:
                pans = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
                shape = Qt.CursorShape.SizeAllCursor if pans else self.shape(event.position())
                self.viewport().setCursor(shape)
            self.moved.emit((self.at(event.position()), event.timestamp()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        direction = ARROWS.get(Qt.Key(event.key()))
        if direction is not None:
            view, fine = self.view(), event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            step = (1 if fine else KEY_STEP) * view.scale * (view.x1 - view.x0) / max(view.width, 1)
            self.stepped.emit((direction[0] * step, direction[1] * step))
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.entered.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.released.emit()
        else:
            event.ignore()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if hasattr(self, "_settle"):
            self._settle.start()

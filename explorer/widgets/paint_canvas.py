"""A square to paint on with a soft brush: a density, or a picture."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from backends.base import Array
from explorer.style.theme import theme

CELLS = 256  # a side
SHOWN = 480  # logical pixels a side
HARDNESS = 0.15  # what one touch of the brush adds at its centre
SPACING = 0.25  # of the brush's radius, between the touches of a stroke
MOST_STROKES = 100  # that can be taken back
_MOVES = {
    Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1),
}  # fmt: skip


class PaintCanvas(QWidget):
    """The left button paints, the right one erases; arrow keys move the brush, Space paints, Delete erases.

    levels: (CELLS, CELLS) float64 in [0, 1], the top row first. The outermost cells stay empty, so that
    whoever reads the picture takes its border for paper. changed: after each touch, and after undo.
    """

    changed = Signal()

    def __init__(
        self,
        parent: QWidget | None = None,
        shown: int = SHOWN,
        colours: Array | None = None,
        hardness: float = HARDNESS,
    ) -> None:
        """shown: logical pixels a side; colours: of the levels, (256, 3) uint8, unless given those of fields;
        hardness: what one touch adds at its centre."""
        super().__init__(parent)
        self._hardness = hardness
        self.levels: Array = np.zeros((CELLS, CELLS))
        self.radius = 14.0  # in cells
        self._undo: list[Array] = []
        self._at: QPointF | None = None  # of the brush, in cells
        self._sign = 0.0  # +1 while painting, −1 while erasing
        self._image: QImage | None = None
        self._colours = theme().table if colours is None else colours
        self.setFixedSize(shown, shown)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName("Density to paint")
        self.setAccessibleDescription(
            "The left mouse button paints, the right one erases. Arrow keys move the brush, with Shift by "
            "larger steps; Space paints and Delete erases."
        )
        theme().changed.connect(self.update)

    # -- what is painted ---------------------------------------------------------------------------

    @property
    def empty(self) -> bool:
        """Is there nothing that the file would hold?"""
        return not bool((self.levels >= 0.5 / 255).any())

    def begin_with(self, levels: Array) -> None:
        """Show other levels (h, w) in [0, 1], and have nothing to take back."""
        self._undo.clear()
        self._show(fitted(levels))

    def replace(self, levels: Array) -> None:
        """Other levels (h, w) in [0, 1] in place of these, as one stroke."""
        self._begin_stroke()
        self._show(fitted(levels))

    def clear(self) -> None:
        """Erase everything, as one stroke."""
        if not self.empty:
            self.replace(np.zeros((CELLS, CELLS)))

    @property
    def can_undo(self) -> bool:
        """Is there a stroke to take back?"""
        return bool(self._undo)

    def undo(self) -> None:
        """Take the last stroke back."""
        if self._undo:
            self._show(self._undo.pop())

    def set_radius(self, cells: float) -> None:
        """The brush's radius, in cells."""
        self.radius = cells
        self.update()

    def _show(self, levels: Array) -> None:
        self.levels = levels
        self._colour()
        self.changed.emit()

    def _begin_stroke(self) -> None:
        self._undo.append(self.levels.copy())
        del self._undo[:-MOST_STROKES]

    def _touch(self, at: QPointF) -> None:
        """Add or take away a soft spot: hardness·(1 − r²/R²)² within the radius R."""
        row, column, radius = at.y(), at.x(), self.radius
        rows = slice(max(1, int(row - radius)), min(CELLS - 1, int(row + radius) + 2))
        columns = slice(max(1, int(column - radius)), min(CELLS - 1, int(column + radius) + 2))
        y = np.arange(rows.start, max(rows.stop, rows.start))[:, None] + 0.5 - row
        x = np.arange(columns.start, max(columns.stop, columns.start)) + 0.5 - column
        spot = self._hardness * np.maximum(1 - (x**2 + y**2) / radius**2, 0) ** 2
        part = self.levels[rows, columns]
        if part.shape == spot.shape:
            np.clip(part + self._sign * spot, 0, 1, out=part)

    def _stroke_to(self, end: QPointF) -> None:
        begin = self._at or end
        way = end - begin
        length = float(np.hypot(way.x(), way.y()))
        touches = max(1, round(length / (SPACING * self.radius)))
        for i in range(1, touches + 1):
            self._touch(begin + way * (i / touches))
        self._colour()
        self.changed.emit()

    # -- hands -------------------------------------------------------------------------------------

    def _cell(self, event: QMouseEvent) -> QPointF:
        return event.position() * (CELLS / self.width())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        signs = {Qt.MouseButton.LeftButton: 1.0, Qt.MouseButton.RightButton: -1.0}
        if event.button() in signs and not self._sign:
            self._stroke(self._cell(event), signs[event.button()])

    def _stroke(self, at: QPointF, sign: float) -> None:
        self._begin_stroke()
        self._sign, self._at = sign, at
        self._stroke_to(at)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = self._cell(event)
        if self._sign:
            self._stroke_to(at)
        self._at = at
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if not event.buttons() & (Qt.MouseButton.LeftButton | Qt.MouseButton.RightButton):
            self._sign = 0.0

    def leaveEvent(self, event: object) -> None:
        if not self._sign:
            self._at = None
            self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        at = self._at or QPointF(CELLS / 2, CELLS / 2)
        if key in _MOVES:
            far = 16 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 4
            x, y = at.x() + far * _MOVES[key][0], at.y() + far * _MOVES[key][1]
            self._at = QPointF(min(max(x, 0), CELLS), min(max(y, 0), CELLS))
            self.update()
        elif key in (Qt.Key.Key_Space, Qt.Key.Key_Delete) and not self._sign:
            self._stroke(at, 1.0 if key == Qt.Key.Key_Space else -1.0)
            self._sign = 0.0
        else:
            super().keyPressEvent(event)

    # -- eyes --------------------------------------------------------------------------------------

    def _colour(self) -> None:
        picture = np.ascontiguousarray(self._colours[np.rint(255 * self.levels).astype(np.uint8)])
        self._image = QImage(picture.data, CELLS, CELLS, 3 * CELLS, QImage.Format.Format_RGB888).copy()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._image is None:
            self._colour()
        assert self._image is not None
        tokens = theme().tokens
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.SmoothPixmapTransform | QPainter.RenderHint.Antialiasing)
        painter.drawImage(QRectF(self.rect()), self._image)
        painter.setPen(QPen(QColor(tokens.accent if self.hasFocus() else tokens.border_strong), 1))
        painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        if self._at is not None:
            scale = self.width() / CELLS
            for colour, wider in (("black", 1.0), ("white", 0.0)):  # seen on dark and on bright
                painter.setPen(QPen(QColor(colour), 1))
                reach = self.radius * scale + wider
                painter.drawEllipse(self._at * scale, reach, reach)
        painter.end()


def fitted(levels: Array) -> Array:
    """Levels (h, w) on the canvas: centred, the longer side over all its width, the outermost cells empty."""
    height, width = levels.shape
    out = np.zeros((CELLS, CELLS))
    step = max(height, width) / CELLS
    rows, columns = (
        np.floor((np.arange(CELLS) + 0.5 - CELLS / 2) * step + n / 2).astype(int) for n in (height, width)
    )
    inside = np.ix_((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    out[inside] = levels[np.ix_(np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1))][inside]
    out[[0, -1]] = 0
    out[:, [0, -1]] = 0
    return out

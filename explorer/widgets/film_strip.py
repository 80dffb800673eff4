"""A path as a film: its frames side by side, and below them what lies along it, all on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QEvent, QLineF, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from backends.base import Array
from explorer.style.theme import theme
from explorer.style.tokens import Tokens
from explorer.widgets.values import format_number

LABELS = 156  # logical pixels for the names and numbers at the left
GAP = 3
LEAST_TILE = 30  # logical pixels: narrower frames make room for one another
BUTTONS = 32  # of room for what lies above the lanes where there are no pictures
LANE = 16  # the least height of a lane


@dataclass(frozen=True)
class Layout:
    """Which frames are shown, and where: tiles of so many logical pixels, from their left edges."""

    shown: tuple[int, ...]
    lefts: tuple[int, ...]
    tile_width: int
    tile_height: int

    @classmethod
    @lru_cache(maxsize=16)  # asked several times a paint
    def of(cls, frames: int, width: int, height: int, aspect: float) -> Layout:
        """For so many frames in a room of width × height; aspect: of a frame, width by height. Every frame,
        or where they would be too narrow every second, third, …"""
        for stride in range(1, frames + 1):
            shown = tuple(range(0, frames, stride))
            pitch = stride / max(frames - 1, 1)  # from tile to tile, as a share of the axis
            room = int((pitch * width - GAP) / (1 + pitch)) if len(shown) > 1 else width
            wide = min(room, int(height * aspect))
            if room >= LEAST_TILE or stride == frames:
                break
        wide = max(wide, 1)
        high = max(min(int(wide / aspect), height), 1)
        span = width - wide
        lefts = tuple(round(i * span / max(frames - 1, 1)) for i in shown)
        return cls(shown, lefts, wide, high)

    def centres(self, frames: int, width: int) -> Array:
        """Where on the axis the frames lie, (frames,) in pixels from its left end."""
        return self.tile_width / 2 + np.arange(frames) * (width - self.tile_width) / max(frames - 1, 1)

    def frame_at(self, x: float, frames: int, width: int) -> int:
        """The frame that is nearest to a place on the axis."""
        share = (x - self.tile_width / 2) / max(width - self.tile_width, 1)
        return int(np.clip(round(share * (frames - 1)), 0, frames - 1))


@dataclass(frozen=True, eq=False)
class Lane:
    """What is drawn along the path: a value a frame. low, high: what the lane reaches to; tip: the formula,
    and how it was computed; whole: the values are counts."""

    name: str
    values: Array
    low: float
    high: float
    tip: str
    whole: bool = False

    def text(self, frame: int) -> str:
        """The value of a frame."""
        value = float(self.values[frame])
        return format_number(int(value) if self.whole else value)


class FilmStrip(QWidget):
    """Hovering or clicking a frame asks for it; so do the arrow keys, Home and End."""

    pointed = Signal(object)  # int, the frame that is asked for
    toggled = Signal()  # Enter: play, or stay
    resized = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.frames, self.frame = 0, 0
        self.images = True
        self.lanes: tuple[Lane, ...] = ()
        self._empty: Array = np.zeros(0, bool)
        self._picture: QImage | None = None
        self._aspect = 1.0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName("Frames of the path")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme().changed.connect(self._retint)

    # -- what is shown -------------------------------------------------------------------------

    def set_walk(self, frames: int, aspect: float | None, lanes: Sequence[Lane], empty: Array) -> None:
        """So many frames; aspect: of their pictures, None where there are none. empty: (frames,) bool,
        where the path leads through no data."""
        before = self._lanes_rect()
        self.frames, self.lanes, self._empty = frames, tuple(lanes), empty
        self.images, self._aspect = aspect is not None, aspect or 1.0
        self.frame = min(self.frame, max(frames - 1, 0))
        self._describe()
        if self._lanes_rect() == before:
            self._renew()
        else:
            self.update()

    def set_picture(self, picture: QImage | None) -> None:
        """The tiles of :attr:`layout_`, painted on a picture of :meth:`room`."""
        before, self._picture = self._picture, picture
        alike = before is not None and picture is not None and before.size() == picture.size()
        self.update(self._tiles() if alike else self.rect())  # larger tiles reached into the lanes

    def show_frame(self, frame: int) -> None:
        """Mark a frame."""
        if frame != self.frame:
            self.frame = frame
            self._describe()
            self._renew()

    def room(self) -> QRect:
        """Where the frames' pictures lie."""
        if not self.images:
            return QRect(LABELS, 0, max(self.width() - LABELS, 1), 0)
        lanes = max(len(self.lanes), 1) * LANE + 10
        height = int(min(max(self.height() - lanes, LEAST_TILE), 0.55 * self.height()))
        return QRect(LABELS, 2, max(self.width() - LABELS - 2, 1), height)

    def arrangement(self) -> Layout:
        """Which frames are shown where."""
        room = self.room()
        if not self.images:
            return Layout((), (), 1, 0)
        return Layout.of(max(self.frames, 1), room.width(), room.height(), self._aspect)

    def _tiles(self) -> QRect:
        """Where the tiles are painted, with the chosen frame's rim; the lanes begin below."""
        room = self.room()
        return QRect(room.left(), room.top(), room.width(), self.arrangement().tile_height).adjusted(
            -2, -2, 2, 2
        )

    def _lanes_rect(self) -> QRect:
        """Where the lanes are painted, with their names."""
        top = self.room().top() + self.arrangement().tile_height + 10 if self.images else BUTTONS
        return QRect(0, top, self.width(), max(self.height() - top, 0))

    def _renew(self) -> None:
        """Paint tiles and lanes, but not the buttons beside them: a hand is drawing."""
        self.update(self._lanes_rect())
        if self.images:
            self.update(self._tiles())

    def _describe(self) -> None:
        said = ", ".join(f"{lane.name} {lane.text(self.frame)}" for lane in self.lanes)
        self.setAccessibleDescription(
            f"frame {self.frame + 1} of {self.frames}: {said}" if self.frames else ""
        )

    # -- the hand ------------------------------------------------------------------------------

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._point(event.position())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._point(event.position())

    def _point(self, at: QPointF) -> None:
        if self.frames and at.x() >= LABELS:
            room = self.room()
            self.pointed.emit(self.arrangement().frame_at(at.x() - room.left(), self.frames, room.width()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Home: -10000, Qt.Key.Key_End: 10000}
        key = Qt.Key(event.key())
        if key in steps and self.frames:
            self.pointed.emit(int(np.clip(self.frame + steps[key], 0, self.frames - 1)))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.toggled.emit()
        else:
            event.ignore()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            at = QPointF(event.pos())
            under = (lane for lane, r in zip(self.lanes, self._lane_rects(), strict=True) if r.contains(at))
            text = next((f"<p>{escape(lane.tip)}</p>" for lane in under), "")
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    # -- Qt ------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        return QSize(480, 120)

    def minimumSizeHint(self) -> QSize:
        return QSize(LABELS + 120, 3 * LANE + max(LEAST_TILE, BUTTONS) + 10)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.resized.emit()

    def _retint(self, *_: object) -> None:
        self.update()

    def _lane_rects(self) -> list[QRectF]:
        whole = self._lanes_rect()
        height = whole.height() / max(len(self.lanes), 1)
        return [QRectF(0, whole.top() + i * height, self.width(), height) for i in range(len(self.lanes))]

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self.frames:
            return
        tokens, painter = theme().tokens, QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        room, layout = self.room(), self.arrangement()
        xs = room.left() + layout.centres(self.frames, room.width())
        if not self._tiles().contains(event.rect()):  # they come alone, and often
            self._paint_lanes(painter, tokens, xs)
        if self._picture is not None and self.images:
            painter.drawImage(QPointF(room.topLeft()), self._picture)
        if layout.shown:
            nearest = int(np.abs(np.array(layout.shown) - self.frame).argmin())
            left, top = room.left() + layout.lefts[nearest], room.top()
            painter.setPen(QPen(QColor(tokens.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            frame = QRectF(left, top, layout.tile_width, layout.tile_height)
            painter.drawRoundedRect(frame.adjusted(-1, -1, 1, 1), 3, 3)
        painter.end()

    def _paint_lanes(self, painter: QPainter, tokens: Tokens, xs: Array) -> None:
        rects = self._lane_rects()
        if not rects:
            return
        top = rects[0].top()
        self._paint_empty(painter, tokens, xs, QRectF(0, top, 1, self.height() - top))
        for k, (lane, rect) in enumerate(zip(self.lanes, rects, strict=True)):
            colour = tokens.curve(2 * k)  # never amber, which is that of empty space
            self._paint_lane(painter, tokens, lane, rect, xs, colour)
        here = float(xs[self.frame])
        painter.setPen(QPen(QColor(tokens.muted), 1))
        painter.drawLine(QPointF(here, top), QPointF(here, self.height()))

    def _paint_empty(self, painter: QPainter, tokens: Tokens, xs: Array, rect: QRectF) -> None:
        """Stretches without data are shaded."""
        colour = QColor(tokens.warning)
        colour.setAlphaF(0.16)
        half = (xs[1] - xs[0]) / 2 if len(xs) > 1 else 1.0
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for x in xs[self._empty]:
            painter.fillRect(QRectF(x - half, rect.top(), 2 * half, rect.height()), colour)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)

    def _paint_lane(
        self, painter: QPainter, tokens: Tokens, lane: Lane, rect: QRectF, xs: Array, colour: str
    ) -> None:
        top, bottom = rect.top() + 2, rect.bottom() - 2
        unit = (lane.values - lane.low) / max(lane.high - lane.low, 1e-300)
        ys = bottom - np.fmin(np.fmax(unit, 0.0), 1.0) * (bottom - top)  # NaN lies at the bottom
        line = [QPointF(*at) for at in np.stack([xs, ys], axis=1).tolist()]
        wash = QColor(colour)
        wash.setAlphaF(0.18)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(wash)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)  # the line lies over its edge
        painter.drawPolygon(QPolygonF([QPointF(xs[0], bottom), *line, QPointF(xs[-1], bottom)]))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(QColor(colour), 1.5)
        pen.setCapStyle(Qt.PenCapStyle.SquareCap)
        painter.setPen(pen)
        # Lines of their own: joined, they take Qt ten times as long.
        painter.drawLines([QLineF(*ends) for ends in pairwise(line)])
        painter.setBrush(QColor(colour))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(line[self.frame], 3, 3)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(tokens.muted))
        painter.drawText(QRectF(0, rect.top(), LABELS - 12, rect.height()), middle, lane.name)
        painter.setPen(QColor(tokens.text))
        value = QRectF(0, rect.top(), LABELS - 12, rect.height())
        painter.drawText(value, middle | Qt.AlignmentFlag.AlignRight, lane.text(self.frame))

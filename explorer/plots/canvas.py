"""Graphics items that a canvas is made of: a field's picture, many points, contours, the cursor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen

from backends.base import Array
from explorer.plots.placed import PlacedItem, extent_of
from explorer.view import Picture


class FieldItem(pg.GraphicsObject):
    """Draws a Picture: over the very view it was made for, pixel on pixel; during a zoom, stretched
    until the next picture is there."""

    def __init__(self) -> None:
        super().__init__()
        self._picture: Picture | None = None
        self._image: QImage | None = None
        self.setZValue(-100)

    @property
    def picture(self) -> Picture | None:
        """What is drawn."""
        return self._picture

    def set_picture(self, picture: Picture | None) -> None:
        """Draw another picture; None for nothing."""
        if picture is None or self._picture is None or picture.view != self._picture.view:
            self.prepareGeometryChange()
        self._picture = picture
        self._image = None if picture is None else to_qimage(picture.image)
        self.update()

    def boundingRect(self) -> QRectF:
        if self._picture is None:
            return QRectF()
        v = self._picture.view
        return QRectF(v.x0, v.y0, v.x1 - v.x0, v.y1 - v.y0)

    def paint(self, painter: QPainter, *args: Any) -> None:
        if self._image is None:
            return
        target = painter.worldTransform().mapRect(self.boundingRect())
        ratio = painter.device().devicePixelRatio()
        painter.save()
        painter.resetTransform()  # to logical pixels
        close = abs(target.width() * ratio - self._image.width()) < 1.0
        if close and abs(target.height() * ratio - self._image.height()) < 1.0:
            corner = QPointF(round(target.x() * ratio) / ratio, round(target.y() * ratio) / ratio)
            self._image.setDevicePixelRatio(ratio)
            painter.drawImage(corner, self._image)
        else:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(target, self._image)
        painter.restore()


def to_qimage(pixels: Array) -> QImage:
    """(h, w, 4) uint8 blue-green-red-alpha premultiplied → an image over the same memory."""
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied)


class PointsItem(PlacedItem):
    """Points in canvas coordinates, one colour a group, drawn as round dots of a fixed size on screen.

    Groups are interleaved in a few rounds, so that no group hides all others.
    """

    ROUNDS = 4

    def __init__(self, size: float = 4.5) -> None:
        super().__init__()
        self._size = size
        # painted once for each view and set of points, not again for each move of the cursor over them
        self.setCacheMode(self.CacheMode.DeviceCoordinateCache)
        self._batches: list[tuple[int, Any]] = []
        self._pens: list[QPen] = []

    def set_colours(self, colours: list[QColor]) -> None:
        """One colour a group."""
        self._pens = []
        for colour in colours:
            pen = QPen(colour, self._size)  # logical pixels: see paint
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            self._pens.append(pen)
        self.update()

    def set_points(self, xy: Array, groups: Array | None) -> None:
        """xy (n, 2); groups (n,) int, indices into the colours, taken modulo their number."""
        xy = np.asarray(xy, np.float64)
        finite = np.isfinite(xy).all(axis=1)
        xy = xy[finite]
        of = np.zeros(len(xy), np.int64) if groups is None else np.asarray(groups)[finite]
        self._batches = []
        for start in range(self.ROUNDS):
            part, group = xy[start :: self.ROUNDS], of[start :: self.ROUNDS]
            for g in np.unique(group):
                rows = part[group == g]
                self._batches.append((int(g), pg.functions.arrayToQPolygonF(rows[:, 0], rows[:, 1])))
        self.place(extent_of(xy), (self._size, self._size))

    def paint(self, painter: QPainter, *args: Any) -> None:
        if not self._pens:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        # In pixels: Qt draws a round point as a stroke 1/63 of a unit long, which a zoom would show.
        to_pixels = painter.worldTransform()
        painter.resetTransform()
        for group, polygon in self._batches:
            painter.setPen(self._pens[group % len(self._pens)])
            painter.drawPoints(to_pixels.map(polygon))
        painter.setWorldTransform(to_pixels)


class ContourItem(pg.GraphicsObject):
    """Contour lines in canvas coordinates."""

    def __init__(self) -> None:
        super().__init__()
        self.setCacheMode(self.CacheMode.DeviceCoordinateCache)
        self._path = QPainterPath()
        self._pen = QPen(QColor("grey"), 1.0)
        self._pen.setCosmetic(True)
        self.setZValue(-10)

    def set_colour(self, colour: QColor) -> None:
        """The lines' colour."""
        self._pen.setColor(colour)
        self.update()

    def set_segments(self, segments: Array) -> None:
        """Pieces of lines, (m, 2, 2)."""
        self.prepareGeometryChange()
        ends = segments.reshape(-1, 2)
        self._pen.setStyle(Qt.PenStyle.SolidLine)
        # Of pieces of one pixel's width one would see the gaps. With round ends Qt takes fifty times as long,
        # and square ones overlap: translucent, a line would be a string of beads.
        self._pen.setWidthF(1.2)
        self._pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        self._path = pg.functions.arrayToQPath(ends[:, 0], ends[:, 1], connect="pairs")
        self.update()

    def set_lines(self, lines: list[Array]) -> None:
        """Polylines, each (n, 2), drawn dotted."""
        self.prepareGeometryChange()
        self._pen.setStyle(Qt.PenStyle.DotLine)
        self._path = QPainterPath()
        for line in lines:
            self._path.addPath(pg.functions.arrayToQPath(line[:, 0], line[:, 1]))
        self.update()

    def boundingRect(self) -> QRectF:
        return self._path.boundingRect()

    def paint(self, painter: QPainter, *args: Any) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(self._path)


class CursorItem(pg.GraphicsObject):
    """The point that is decoded: a small ring with a cross, of a fixed size on screen; filled when held."""

    RADIUS = 7.0

    def __init__(self) -> None:
        super().__init__()
        self.setFlag(self.GraphicsItemFlag.ItemIgnoresTransformations)
        self.setZValue(100)
        self._held = False
        self.set_colours(QColor("red"), QColor("white"))
        r = self.RADIUS
        self._ring = QRectF(-0.6 * r, -0.6 * r, 1.2 * r, 1.2 * r)
        arms = ((1, 0), (-1, 0), (0, 1), (0, -1))
        self._arms = [QLineF(dx * r * 0.6, dy * r * 0.6, dx * (r + 1), dy * (r + 1)) for dx, dy in arms]

    def set_colours(self, colour: QColor, halo: QColor) -> None:
        """The ring's colour, and that of the thin line around it."""
        self._pens = [QPen(halo, 4.0), QPen(colour, 2.0)]
        self.update()

    def set_held(self, held: bool) -> None:
        """Held points are drawn filled."""
        self._held = held
        self.update()

    def boundingRect(self) -> QRectF:
        r = self.RADIUS + 4
        return QRectF(-r, -r, 2 * r, 2 * r)

    def paint(self, painter: QPainter, *args: Any) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for pen in self._pens:
            painter.setPen(pen)
            filled = self._held and pen is self._pens[-1]
            painter.setBrush(pen.color() if filled else Qt.BrushStyle.NoBrush)
            painter.drawEllipse(self._ring)
            painter.drawLines(self._arms)

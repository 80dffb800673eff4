"""Graphics items for components on a plane: ellipses, weights and handles, and the paths of their means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen, QTransform

from backends.base import Array
from explorer.plots.placed import PlacedItem, extent_of
from explorer.studies.marginal import Marginal
from explorer.studies.placing import axes
from explorer.style.theme import font
from explorer.widgets.values import format_number

MOST = 64  # components that are drawn: the heaviest
STDS = (1.0, 2.0)
MANY = 12  # components, from which on a label is a number alone
MEAN = 5.0  # logical pixels: radius of the dot at a mean
HANDLE = 4.0
_BANDS = (0.4, 0.55, 0.7, 0.85, 1.0)  # opacities of a path, from its beginning


@dataclass(frozen=True, eq=False)
class Ellipses:
    """What is drawn: means (K, 2); axes, half axes of one standard deviation as rows, (K, 2, 2), or None;
    labels (K), "" for none; order, which components, the heaviest first; lines (m, 2), half axes through the
    first mean; noise (2, 2), half axes of an ellipse about it, and what is written beside that."""

    means: Array
    axes: Array | None
    labels: tuple[str, ...]
    order: tuple[int, ...]
    lines: Array | None = None
    noise: Array | None = None
    noise_label: str = ""


def ellipses_of(seen: Marginal) -> Ellipses:
    """How components on a plane are drawn, each with its weight beside it."""
    k = len(seen.weights)
    name = "π = " if k <= MANY else ""
    noise = None if seen.noise is None else axes(seen.noise)
    return Ellipses(
        seen.means,
        None if seen.covariances is None else axes(seen.covariances),
        tuple(name + _share(float(w)) for w in seen.weights) if k > 1 else ("",),
        tuple(map(int, np.argsort(-seen.weights, kind="stable")[:MOST])),
        seen.axes,
        noise,
        "" if noise is None else f"noise σ = {_range(np.linalg.norm(noise, axis=1))}",
    )


def _share(weight: float) -> str:
    """Two decimals, and a third where it is small."""
    return f"{weight:.2f}" if weight >= 0.01 else f"{weight:.3f}" if weight >= 0.001 else "< 0.001"


def _range(std: Array) -> str:
    """One number where all are the same, as in every direction of PPCA's noise, else the smallest and the
    largest."""
    low, high = (format_number(float(v), 2 if std.max() >= 0.1 else 4) for v in (std.min(), std.max()))
    return low if low == high else f"{low} … {high}"


class EllipsesItem(PlacedItem):
    """Ellipses at one and two standard deviations with a dot at each mean, in the components' colours.

    The component in hand shows handles at the ends of its half axes.
    """

    def __init__(self) -> None:
        super().__init__()
        # painted once for each view and model, not again for each move of the cursor over them
        self.setCacheMode(self.CacheMode.DeviceCoordinateCache)
        self.setZValue(20)
        self.shown: Ellipses | None = None
        self.active: int | None = None  # the component in hand
        self._with_handles = False
        self._colours: list[QColor] = []
        self._text, self._halo = QColor("black"), QColor("white")
        self._font = font(12)

    def set_colours(self, colours: list[QColor], text: QColor, halo: QColor) -> None:
        """The components' colours, which repeat; that of lines and labels; and of what sets them off."""
        self._colours, self._text, self._halo = colours, text, halo
        self.update()

    def set_ellipses(self, shown: Ellipses | None) -> None:
        """Draw others; None for none."""
        self.shown = shown
        if shown is None or (self.active is not None and self.active >= len(shown.means)):
            self.active = None
        self.place(None if shown is None else _extent(shown), (90, 30))  # room for dots and labels

    def set_active(self, k: int | None, handles: bool) -> None:
        """Take a component in hand; None for none."""
        if (k, handles) != (self.active, self._with_handles):
            self.active, self._with_handles = k, handles
            self.update()

    def handles(self, k: int) -> Array:
        """Where a component can be pulled: the four ends of its half axes, (4, 2), the first two opposite to
        the last two; (0, 2) without ellipses."""
        if self.shown is None or self.shown.axes is None:
            return np.zeros((0, 2))
        axes = self.shown.axes[k]
        return self.shown.means[k] + np.concatenate([axes, -axes])

    def paint(self, painter: QPainter, *args: Any) -> None:
        shown = self.shown
        if shown is None or not self._colours:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        to_pixels = painter.worldTransform()
        painter.save()
        painter.resetTransform()
        for k in reversed(shown.order):
            self._paint_component(painter, to_pixels, k)
        self._paint_lines(painter, to_pixels)
        taken: list[QRectF] = []
        for k in shown.order:
            self._paint_label(painter, to_pixels, k, taken)
        painter.restore()

    def _paint_component(self, painter: QPainter, to_pixels: Any, k: int) -> None:
        shown = self.shown
        assert shown is not None
        colour, active = self._colours[k % len(self._colours)], k == self.active
        mean = shown.means[k]
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if shown.axes is not None:
            for r in STDS:
                inner = r == STDS[0]
                outline, ink = QColor(self._halo), QColor(colour)
                outline.setAlphaF(0.6 if inner else 0.3)
                ink.setAlphaF(1.0 if inner or active else 0.6)
                draw_ring(painter, to_pixels, mean, r * shown.axes[k], 2 + active, ink, outline)
        painter.setPen(QPen(self._halo, 2.0))
        painter.setBrush(colour)
        radius = MEAN + 1.5 if active else MEAN
        painter.drawEllipse(to_pixels.map(QPointF(*map(float, mean))), radius, radius)
        if active and self._with_handles:
            painter.setPen(QPen(colour, 2.0))
            painter.setBrush(QColor("white"))
            for end in self.handles(k):
                painter.drawEllipse(to_pixels.map(QPointF(*map(float, end))), HANDLE, HANDLE)

    def _paint_lines(self, painter: QPainter, to_pixels: Any) -> None:
        shown = self.shown
        assert shown is not None
        if shown.lines is None:
            return
        mean = shown.means[0]
        painter.setPen(QPen(self._text, 1.4))
        for axis in shown.lines:
            ends = [to_pixels.map(QPointF(*map(float, mean + s * STDS[-1] * axis))) for s in (-1, 1)]
            painter.drawLine(*ends)
            along = ends[1] - ends[0]
            length = float(np.hypot(along.x(), along.y()))
            if length < 12:
                continue
            tick = QPointF(-along.y(), along.x()) * (4 / length)
            for s in (-2.0, -1.0, 1.0, 2.0):
                at = to_pixels.map(QPointF(*map(float, mean + s * axis)))
                painter.drawLine(at - tick, at + tick)
        if shown.noise is not None:
            painter.setPen(QPen(self._text, 1.4, Qt.PenStyle.DashLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            path = to_pixels.map(ellipse(mean, shown.noise))
            painter.drawPath(path)
            below = path.boundingRect()
            wide, high = self._size(shown.noise_label)
            self._write(painter, QRectF(below.center().x() - wide / 2, below.bottom() + 3, wide, high),
                        shown.noise_label)  # fmt: skip

    def _paint_label(self, painter: QPainter, to_pixels: Any, k: int, taken: list[QRectF]) -> None:
        """Beside the mean, on the first side where no heavier component's label is."""
        shown = self.shown
        assert shown is not None
        text = shown.labels[k]
        if not text:
            return
        at = to_pixels.map(QPointF(*map(float, shown.means[k])))
        wide, high = self._size(text)
        across, down = (at.x() + 8, at.x() - 8 - wide), (at.y() - high - 2, at.y() + 2)
        sides = [QRectF(x, y, wide, high) for x in across for y in down]
        free = (room for room in sides if not any(room.intersects(other) for other in taken))
        place = next(free, sides[0] if k == self.active else None)
        if place is not None:
            taken.append(place)
            self._write(painter, place, text)

    def _size(self, text: str) -> tuple[float, float]:
        """Width and height of a label in logical pixels."""
        metrics = QFontMetricsF(self._font)
        return metrics.horizontalAdvance(text) + 8, metrics.height()

    def _write(self, painter: QPainter, room: QRectF, text: str) -> None:
        ground = QColor(self._halo)
        ground.setAlphaF(0.78)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawRoundedRect(room, 4, 4)
        painter.setFont(self._font)
        painter.setPen(self._text)
        painter.drawText(room, Qt.AlignmentFlag.AlignCenter, text)


class PathsItem(PlacedItem):
    """The path of each mean, faint where it began and in its component's colour where it ends."""

    def __init__(self) -> None:
        super().__init__()
        self.setCacheMode(self.CacheMode.DeviceCoordinateCache)
        self.setZValue(10)
        self.paths: Array = np.zeros((0, 0, 2))
        self._bands: list[list[QPainterPath]] = []  # of each opacity, of each component
        self._colours: list[QColor] = []
        self._halo = QColor("white")

    def set_colours(self, colours: list[QColor], halo: QColor) -> None:
        """The paths' colours, which repeat, and that of what sets them off."""
        self._colours, self._halo = colours, halo
        self.update()

    def set_paths(self, paths: Array) -> None:
        """Where each mean was, oldest first: (T, K, 2)."""
        self.paths, self._bands, extent = paths, [], None
        if len(paths) > 1 and paths.shape[1] <= MOST:
            ends = np.linspace(0, len(paths) - 1, len(_BANDS) + 1).astype(int)
            self._bands = [
                [_pieces(paths[a : b + 1, k]) for k in range(paths.shape[1])] for a, b in pairwise(ends)
            ]
            extent = extent_of(paths.reshape(-1, 2))
        self.place(extent, (3, 3))

    def paint(self, painter: QPainter, *args: Any) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for bands, opacity in zip(self._bands, _BANDS, strict=False):
            painter.setPen(_pen(self._halo, opacity, 4.0))
            for path in bands:
                painter.drawPath(path)
            for k, path in enumerate(bands):
                painter.setPen(_pen(self._colours[k % len(self._colours)], opacity, 2.0))
                painter.drawPath(path)


def _pieces(points: Array) -> QPainterPath:
    """A polyline through points (n, 2), as lines of their own: joined, they take Qt ten times as long."""
    ends = np.stack([points[:-1], points[1:]], axis=1).reshape(-1, 2)
    return pg.functions.arrayToQPath(ends[:, 0], ends[:, 1], connect="pairs")


def _pen(colour: QColor, opacity: float, width: float) -> QPen:
    """Of so many pixels, whatever the zoom. Translucent, other ends than flat ones would overlap."""
    ink = QColor(colour)
    ink.setAlphaF(opacity)
    pen = QPen(ink, width)
    pen.setCosmetic(True)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    return pen


def _extent(shown: Ellipses) -> QRectF | None:
    """Where the ellipses that are drawn lie."""
    means, reach = shown.means[list(shown.order)], np.zeros(2)
    if shown.axes is not None:
        reach = STDS[-1] * np.sqrt(np.square(shown.axes[list(shown.order)]).sum(1))
    return extent_of(np.concatenate([means - reach, means + reach]))


def line(points: Array) -> QPainterPath:
    """A polyline through points (n, 2)."""
    return pg.functions.arrayToQPath(points[:, 0], points[:, 1])


def draw_ring(
    painter: QPainter,
    to_pixels: QTransform,
    mean: Array,
    axes: Array,
    width: int,
    ink: QColor,
    outline: QColor,
) -> None:
    """An ellipse with half axes, rows of (2, 2), about a mean (2,), as so many lines of one pixel side by
    side between two that set it off: Qt takes four times as long for a wider one. The axes are orthogonal,
    also in pixels, as both of the canvas have one scale."""
    to_x, to_y = (to_pixels.m11(), to_pixels.m22())
    lengths = np.hypot(axes[:, 0] * to_x, axes[:, 1] * to_y)
    turn = math.degrees(math.atan2(axes[0, 1] * to_y, axes[0, 0] * to_x))
    painter.save()
    painter.translate(to_pixels.map(QPointF(*map(float, mean))))
    painter.rotate(turn)
    for off in np.arange(width + 2) - (width + 1) / 2:
        painter.setPen(QPen(outline if abs(off) > width / 2 else ink, 1.0))
        painter.drawEllipse(QPointF(), *(lengths + off).clip(0).tolist())
    painter.restore()


def ellipse(centre: Array, axes: Array) -> QPainterPath:
    """The ellipse with two half axes, rows of (2, 2), about a centre (2,)."""
    t = np.linspace(0, 2 * np.pi, 73)
    points = centre + np.cos(t)[:, None] * axes[0] + np.sin(t)[:, None] * axes[1]
    return line(points)

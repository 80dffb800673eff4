"""Samples: what the model makes up, beside what it was shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QSize, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QStackedLayout, QVBoxLayout, QWidget

from backends.base import Array, Decodes, Samples, has_latent_points
from explorer.compute import Exploration, Priority
from explorer.mosaic import Ink
from explorer.pace import Pace
from explorer.plots.canvas import PointsItem, to_qimage
from explorer.plots.items import Axis
from explorer.session import Session
from explorer.state import SamplesSpec
from explorer.theme import theme
from explorer.tiles import TILE, Tiling, between, pairs
from explorer.widgets.switch import Switch

CLOUD = 1500  # points of a scatter


class Tiles(QWidget):
    """Images side by side, as many as fit."""

    resized = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._image: QImage | None = None
        self._pixels: Array | None = None
        self.setAccessibleName("Samples of the model")

    def set_pixels(self, pixels: Array) -> None:
        """(height, width, 4) uint8 premultiplied, in device pixels."""
        self._pixels = pixels
        self._image = to_qimage(pixels)
        self._image.setDevicePixelRatio(self.devicePixelRatioF())
        self.update()

    def clear(self) -> None:
        """Show nothing."""
        self._image = self._pixels = None
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, 160)

    def minimumSizeHint(self) -> QSize:
        return QSize(2 * TILE, 2 * TILE)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.resized.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._image is not None:
            painter = QPainter(self)
            painter.drawImage(QPointF(0, 0), self._image)
            painter.end()


class SamplesPanel(QWidget):
    """x ~ p(x) for the newest model: images as tiles, two-dimensional data as points over the data.

    switch: in place of the card's title where :attr:`has_choice`: images may also be those on straight lines
    in z between two data.
    """

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._exploration = session, exploration
        self._seed = 0
        self._framed = False
        self.tiles = Tiles(self)
        self.plot = pg.PlotWidget(self, axisItems={side: Axis(side) for side in ("left", "bottom")})
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.setAspectLocked(True)
        self.plot.setAccessibleName("Samples and data")
        self.data_points, self.sample_points = PointsItem(3.0), PointsItem(3.0)
        self.plot.addItem(self.data_points, ignoreBounds=True)
        self.plot.addItem(self.sample_points, ignoreBounds=True)
        self.switch = Switch(
            (
                ("samples", "Samples", "Draws from the model"),
                (
                    "between",
                    "Between",
                    "Each row goes from one datum to another on the straight line between them in z",
                ),
            ),
            self,
        )
        self.switch.hide()
        self.switch.chosen.connect(self._choose)
        self._stack = QStackedLayout()
        self._stack.addWidget(self.tiles)
        self._stack.addWidget(self.plot)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._stack)

        self._pace = Pace(self._request, interval=0.7, duty=0.1, parent=self)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.changed.connect(self._state_changed)
        self.tiles.resized.connect(self._pace.poke)
        theme().changed.connect(self._retint)
        self._retint()

    def resample(self) -> None:
        """Draw others."""
        self._seed += 1
        self._again()

    def _again(self) -> None:
        self._pace.reset()
        self._pace.poke()

    @property
    def has_choice(self) -> bool:
        """Whether there is anything but samples to show: images with a way between them."""
        run, model = self._session.run, self._session.model
        if run is None or run.data is None or run.info.image_shape is None or len(run.data.train) < 2:
            return False
        return isinstance(model, Decodes) and has_latent_points(model)

    @property
    def _shown(self) -> str:
        return self._session.state.samples.shown if self.has_choice else "samples"

    def _choose(self, shown: str) -> None:
        state = self._session.state
        self._session.apply(replace(state, samples=SamplesSpec(shown)), "choose the samples")

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.samples != new.samples:
            self.switch.show_choice(new.samples.shown)
            self._legend()
            self._again()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._pace.poke()

    def _run_changed(self, _: object) -> None:
        self._pace.reset()
        self._exploration.cancel("samples")
        run = self._session.run
        if run is None:
            return
        image = run.info.image_shape is not None
        self._stack.setCurrentWidget(self.tiles if image else self.plot)
        self.tiles.clear()  # nothing of another run beside this one's
        self._framed = False
        for points in (self.data_points, self.sample_points):
            points.set_points(np.zeros((0, 2)), None)
        if not image and run.data is not None and len(run.data.train):
            x = in_two(run.data.train.x[:CLOUD])
            self.data_points.set_points(x, None)
            self._frame(x)
        self.switch.show_choice(self._session.state.samples.shown)
        self._legend()

    def _frame(self, x: Array) -> None:
        """Show where x (n, 2) lies, but for the few rows farthest out."""
        self._framed = True
        (x0, y0), (x1, y1) = np.quantile(x, 0.002, axis=0), np.quantile(x, 0.998, axis=0)
        self.plot.setRange(xRange=(float(x0), float(x1)), yRange=(float(y0), float(y1)), padding=0.1)

    def _legend(self) -> None:
        run, tokens = self._session.run, theme().tokens
        if run is None or not isinstance(self._session.model, Samples):
            self.status.emit("")
        elif run.info.image_shape is not None:
            self.status.emit("x ~ p(x)" if self._shown == "samples" else "z on straight lines")
        else:
            data = f"<span style='color:{tokens.muted}'>●</span> data  " if run.data is not None else ""
            columns = ", columns 1 and 2" if run.info.dim > 2 else ""
            self.status.emit(f"{data}<span style='color:{tokens.accent}'>●</span> x ~ p(x){columns}")

    def _model_changed(self, _: object) -> None:
        self._pace.poke()

    def _request(self) -> bool:
        model, run = self._session.model, self._session.run
        if run is None or not isinstance(model, Samples) or not self.isVisible():
            return False
        info, seed, ratio = run.info, self._seed, self.devicePixelRatioF()
        ink = Ink((255, 255, 255), 1.0) if theme().tokens.is_dark else Ink((20, 24, 32), 1.0)
        width, height = self.tiles.width(), self.tiles.height()
        x = run.data.train.x if self._shown == "between" and run.data is not None else None

        def work() -> Array:
            if info.image_shape is None:
                return in_two(model.sample(CLOUD, seed))
            tiling = Tiling.of(info, width, height, ratio)
            if x is None:
                return tiling.lay(model.sample(tiling.count, seed), info, ink)
            way = between(model, *pairs(x, tiling.rows, seed), tiling.columns)
            return tiling.lay(way.reshape(-1, info.dim), info, ink)

        self._exploration.request(
            "samples", Priority.FOLLOW, work, self._show, doing="draw samples", ended=self._pace.done
        )
        return True

    def _show(self, result: Array) -> None:
        if result.ndim == 3:
            self.tiles.set_pixels(result)
        else:
            self.sample_points.set_points(result, None)
            if not self._framed:  # a run without its data
                self._frame(result)
        self._legend()

    def _retint(self, *_: Any) -> None:
        tokens = theme().tokens
        self.plot.setBackground(None)
        for side in ("left", "bottom"):
            self.plot.getAxis(side).tint(tokens.axis, tokens.muted, None)
        for item, name in ((self.data_points, tokens.muted), (self.sample_points, tokens.accent)):
            colour = QColor(name)
            colour.setAlphaF(0.6)
            item.set_colours([colour])
        self._legend()
        self._pace.poke()


def in_two(x: Array) -> Array:
    """The first two columns of x (n, d); a single one lies on a line."""
    return x[:, :2] if x.shape[1] > 1 else np.column_stack([x, np.zeros_like(x)])

"""Samples: what the model makes up, beside what it was shown."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QSize, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QPushButton, QStackedLayout, QVBoxLayout, QWidget

from backends.base import Array
from backends.capabilities import Decodes, Samples, has_latent_points
from backends.carry import Slices
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.planes.mosaic import Ink
from explorer.plots.canvas import PointsItem, to_qimage
from explorer.plots.items import Axis
from explorer.runs.flow_prior import FlowPrior, can_have_prior
from explorer.session import Session
from explorer.slices import samples
from explorer.state import SamplesSpec
from explorer.studies.tiles import TILE, Tiling, between, pairs
from explorer.style.theme import theme
from explorer.widgets.files import ask_open
from explorer.widgets.switch import Switch
from explorer.widgets.values import LiveLabel, format_number

RUNS = "Runs (*.safetensors);;All files (*)"
BETTER = "By how much its mean log-density of held-out encodings is above that of p(z)"
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

    switch: in place of the card's title where there are several :attr:`choices`: the latents may come from a
    flow that is fitted to the encodings, and pictures may lie on straight lines in z between two data.
    """

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self._seed = 0
        self._framed = False
        self.tiles = Tiles(self)
        axes = {side: Axis(side) for side in ("left", "bottom")}
        self.plot = pg.PlotWidget(self, axisItems=axes, enableMenu=False)
        self.plot.hideButtons()
        self.plot.setAspectLocked(True)
        self.plot.setAccessibleName("Samples and data")
        self.data_points, self.sample_points = PointsItem(3.0), PointsItem(3.0)
        self.plot.addItem(self.data_points, ignoreBounds=True)
        self.plot.addItem(self.sample_points, ignoreBounds=True)
        self.switch = Switch(
            (
                ("samples", "Samples", "x ~ p(x): z from the prior p(z), then x from p(x|z)"),
                (
                    "flow",
                    "Flow",
                    "Samples whose z come from a flow in place of p(z); it is fitted, in the background, to "
                    "draws of q(z|x) for the training data",
                ),
                (
                    "between",
                    "Path",
                    "Each row goes from one datum to another on the straight line between them in z",
                ),
            ),
            self,
            heading=True,
        )
        self.switch.hide()
        self.switch.chosen.connect(self._choose)
        self.prior = FlowPrior(session, exploration, self)
        self.caption = LiveLabel(self)
        self.choose = QPushButton("Choose a run…", self)
        self.choose.setToolTip(
            "Draw z from the model in a file, as one that the command line fitted to the encodings, in place "
            "of the flow that is fitted here. Flow, above, brings that back."
        )
        self.choose.clicked.connect(self._ask_prior)
        self.choose.hide()
        self._stack = QStackedLayout()
        self._stack.addWidget(self.tiles)
        self._stack.addWidget(self.plot)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._stack, 1)
        layout.addWidget(self.caption)
        layout.addWidget(self.choose)

        self._pace = Pace(self._request, interval=0.7, duty=0.1, parent=self)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.changed.connect(self._state_changed)
        session.moment_changed.connect(self._keep_up)
        self.prior.changed.connect(self._prior_changed)
        self.tiles.resized.connect(self._pace.poke)
        theme().changed.connect(self._retint)
        self._retint()

    def resample(self) -> None:
        """Draw others."""
        self._seed += 1
        self._again()

    def _again(self) -> None:
        self._pace.renew()

    @property
    def choices(self) -> list[str]:
        """What there is to show of the open run."""
        run, model = self._session.run, self._session.model
        if run is None or run.data is None or len(run.data.train) < 2:
            return ["samples"]
        pictures = run.info.image_shape is not None and isinstance(model, Decodes)
        there = {"flow": can_have_prior(model), "between": pictures and has_latent_points(model)}
        return ["samples", *(name for name, can in there.items() if can)]

    @property
    def shown(self) -> str:
        """What is shown: what is chosen, where there is that. A flow is only fitted when it is asked for."""
        chosen = self._session.state.samples.shown
        waits = chosen == "flow" and self.prior.fitted is None and not self.prior.busy
        return "samples" if waits or chosen not in self.choices else chosen

    def _choose(self, shown: str) -> None:
        if shown == "flow":
            self.prior.fit()
        state = self._session.state
        self._session.apply(replace(state, samples=SamplesSpec(shown)), "choose the samples")
        self._show_choice()

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.samples != new.samples:
            self._show_choice()
            self._again()

    def _show_choice(self) -> None:
        for name, button in self.switch.buttons.items():
            button.setVisible(name in self.choices)
        self.switch.show_choice(self.shown)
        self.choose.setVisible(self.shown == "flow")
        self._legend()

    def _ask_prior(self) -> None:
        path = ask_open(self, "Choose a run to draw z from", RUNS)
        if path:
            self.prior.open(Path(path))

    def _prior_changed(self) -> None:
        self._show_choice()
        self._pace.poke()

    def _keep_up(self, moment: Any) -> None:
        """The flow follows a model that has been trained on, when that has come to rest."""
        if self.shown == "flow" and not moment.training:
            self.prior.follow()

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
            x = in_two(run.data.train.x[:CLOUD], above=False)
            self.data_points.set_points(x, None)
            self._frame(x)
        self._show_choice()

    def _frame(self, x: Array) -> None:
        """Show where x (n, 2) lies, but for the few rows farthest out."""
        self._framed = True
        (x0, y0), (x1, y1) = np.quantile(x, 0.002, axis=0), np.quantile(x, 0.998, axis=0)
        run = self._session.run
        line = run is not None and run.info.dim == 1
        self.plot.setAspectLocked(not line)
        self.plot.getAxis("left").setStyle(showValues=not line)
        if line:
            y0, y1 = -1.0, 1.0
        self.plot.setRange(xRange=(float(x0), float(x1)), yRange=(float(y0), float(y1)), padding=0.1)

    def _legend(self) -> None:
        """What is shown, in the title, or below the picture where the title has a choice."""
        several = len(self.choices) > 1
        self.caption.setVisible(several)
        self.caption.setText(self._what() if several else "")
        fitted = self.prior.fitted
        error = f" ± {fitted.error:.2g}, its standard error." if fitted and fitted.better is not None else ""
        self.caption.setToolTip(BETTER + error if self.shown == "flow" else "")
        self.status.emit("" if several else self._what())

    def _what(self) -> str:
        run, tokens = self._session.run, theme().tokens
        if run is None or not isinstance(self._session.model, Samples):
            return ""
        if self.shown == "between":
            return "From datum to datum, straight in z"
        what = self._what_flow() if self.shown == "flow" else "x ~ p(x)"
        if run.info.image_shape is not None:
            return what
        data = f"<span style='color:{tokens.muted}'>●</span> data  " if run.data is not None else ""
        columns = ", columns 1 and 2" if run.info.dim > 2 else ""
        return f"{data}<span style='color:{tokens.accent}'>●</span> {what}{columns}"

    def _what_flow(self) -> str:
        fitted = self.prior.fitted
        if self.prior.busy or fitted is None:
            return f"Fitting the flow to the encodings: {self.prior.progress:.0%}"
        better = "" if fitted.better is None else f": {fitted.better:+.2f} nats".replace("-", "−")
        if fitted.file:
            return f"z ~ {escape(Path(fitted.file).stem)}{better}"
        return f"z ~ flow of step {format_number(fitted.step)}{better}"

    def _model_changed(self, _: object) -> None:
        self._pace.poke()

    def _request(self) -> bool:
        model, run = self._session.model, self._session.run
        if run is None or not isinstance(model, Samples):
            return False
        info, seed, ratio = run.info, self._seed, self.devicePixelRatioF()
        ink = Ink((255, 255, 255), 1.0) if theme().tokens.is_dark else Ink((20, 24, 32), 1.0)
        width, height = self.tiles.width(), self.tiles.height()
        x = run.data.train.x if self.shown == "between" and run.data is not None else None
        prior = self.prior.fitted if self.shown == "flow" else None

        def draw(n: int) -> Slices[Array]:
            if prior is None:
                return (yield from samples(model, n, seed))
            z = yield from samples(prior.flow, n, seed)
            given: Any = model  # see can_have_prior
            return np.asarray(given.sample_given(z, seed))

        def work() -> Slices[Array]:
            if info.image_shape is None:
                return in_two((yield from draw(CLOUD)), above=True)
            tiling = Tiling.of(info, width, height, ratio)
            if x is None:
                return tiling.lay((yield from draw(tiling.count)), info, ink)
            way = yield from between(model, *pairs(x, tiling.rows, seed), tiling.columns)
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


def in_two(x: Array, above: bool) -> Array:
    """The first two columns of x (n, d). A single one is strewn over a band, above 0 or below it."""
    if x.shape[1] > 1:
        return x[:, :2]
    v = np.random.default_rng(0).uniform(0.1, 1.0, len(x))
    return np.column_stack([x[:, 0], v if above else -v])

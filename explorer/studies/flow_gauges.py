"""The gauges of a flow: read in exploration, at rest and now and then while it trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from backends.base import Array
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.session import Session
from explorer.studies.flow import Gauges, gauges
from explorer.widgets.flow_bar import GaugeStrip

ROWS = 256  # held out, of which the errors are


class FlowGauges(QObject):
    """Two strips of gauges: ``x``, of the plane that shows the density, and ``z``, of the way there and back.

    where: the model that is looked at, the corners (2, 2) of what is in view and its time on the way from x
    to z; None while nobody looks.
    """

    def __init__(
        self,
        session: Session,
        exploration: Exploration,
        where: Callable[[], tuple[Any, Array, float] | None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._session, self._exploration, self._where = session, exploration, where
        self.x, self.z = GaugeStrip(("mass",), parent), GaugeStrip(("inverse", "solver"), parent)
        self.pace = Pace(self._request, interval=1.0, duty=0.05, parent=self)

    def offer(self, continuous: bool) -> None:
        """Show the gauges that this flow has."""
        self.z.values["solver"].setVisible(continuous)

    def show_gauges(self, found: Gauges | None) -> None:
        """None where there are none yet."""
        for strip in (self.x, self.z):
            strip.show_gauges(found)

    def renew(self) -> None:
        """Another part of the plane is in view, or another time: its mass is not known yet."""
        self.x.show_gauges(None)
        self.pace.renew()

    def _request(self) -> bool:
        looked, data, travelled = self._where(), self._session.data, self._session.travel
        if looked is None or travelled is None:
            return False
        model, corners, time = looked
        x = data.test.x[:ROWS] if data is not None else np.zeros((0, 2), np.float32)
        samples = travelled.at(travelled.samples, time)
        self._exploration.request(
            "gauges",
            Priority.EVALUATION,
            lambda: gauges(model, x, samples, corners, time),
            self.show_gauges,
            doing="read the gauges",
            ended=self.pace.done,
        )
        return True

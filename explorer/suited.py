"""Panels that are there only for runs that have what they show: EM's staircase, its bounds, and so on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from PySide6.QtWidgets import QWidget

from explorer.actions import Actions
from explorer.compute import Exploration
from explorer.panels.bayes import BayesPanel
from explorer.panels.bounds import BoundsPanel
from explorer.panels.clusters import ClustersPanel
from explorer.panels.em import EMPanel
from explorer.panels.selection import SelectionPanel
from explorer.panels.spectrum import SpectrumPanel
from explorer.session import Session


class SuitedPanel(Protocol):
    """A panel in a dock of its own, beside the curves. It may have a signal ``status``, of the live text at
    the right of its title, and a method ``follow_link``, for links in that text."""

    #: The dock's name, and its title.
    name: str
    title: str

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """Whether this run, now at this model, has what the panel shows: by capabilities, never by class."""
        ...


Make = Callable[[Session, Exploration, Actions, QWidget | None], Any]

#: In the order of their tabs; the first that suits a run is on top when the run is opened.
PANELS: tuple[Make, ...] = (
    EMPanel,
    BoundsPanel,
    SelectionPanel,
    ClustersPanel,
    BayesPanel,
    SpectrumPanel,
)

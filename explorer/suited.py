"""Panels that are there only for runs that have what they show: EM's staircase, its bounds, and so on."""

from __future__ import annotations

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

    def __init__(
        self, session: Session, exploration: Exploration, actions: Actions, parent: QWidget | None
    ) -> None: ...

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """Whether this run, now at this model, has what the panel shows: by capabilities, never by class."""
        ...


_PANELS: tuple[Any, ...] = (
    EMPanel,
    BoundsPanel,
    SelectionPanel,
    ClustersPanel,
    BayesPanel,
    SpectrumPanel,
)
#: Classes that are a SuitedPanel and a widget, by the names of their docks, in the order of their tabs; the
#: first that suits a run is on top when the run is opened.
SUITED: dict[str, Any] = {panel.name: panel for panel in _PANELS}

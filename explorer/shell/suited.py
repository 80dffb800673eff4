"""Panels that are there only for runs that have what they show: EM's staircase, its bounds, and so on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, Protocol

from explorer.actions import Actions
from explorer.compute import Exploration
from explorer.session import Session


class SuitedPanel(Protocol):
    """A panel in a dock of its own, beside the curves. It may have a signal ``status``, of the live text at
    the right of its title, and a method ``follow_link``, for links in that text."""

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None: ...

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """Whether this run, now at this model, has what the panel shows: by capabilities, never by class."""
        ...


@dataclass(frozen=True)
class Suited:
    """The title of a dock, and where its panel is to be found. share: of the window's height that the docks
    below get where it is the first of a run's. behind: such a panel never lies on top by itself."""

    title: str
    module: str
    name: str
    share: float = 0.34
    behind: bool = False

    @cached_property
    def panel(self) -> Any:
        """The panel's class, a SuitedPanel and a widget; loaded when asked for: after the first paint."""
        return getattr(import_module(f"explorer.panels.{self.module}"), self.name)


#: By the names of their docks, in the order of their tabs; the first that suits a run is on top when the run
#: is opened.
SUITED = {
    "line": Suited("From x to z", "line", "LinePanel"),
    "likelihood": Suited("Likelihood", "likelihood", "LikelihoodPanel"),
    "kl": Suited("Forward and reverse KL · nats", "divergences", "DivergencesPanel"),
    "costs": Suited("Costs", "costs", "CostsPanel"),
    "em": Suited("EM", "em", "EMPanel"),
    "bounds": Suited("Bounds · nats", "bounds", "BoundsPanel"),
    "selection": Suited("Choosing K", "selection", "SelectionPanel"),
    "clusters": Suited("Clusters", "clusters", "ClustersPanel"),
    "bayes": Suited("Parameters", "bayes", "BayesPanel"),
    "factors": Suited("Factors · % found", "factors", "FactorsPanel"),
    "spectrum": Suited("Spectrum", "spectrum", "SpectrumPanel"),
    "datum": Suited("Datum · nats", "datum", "DatumPanel", behind=True),
    "path": Suited("Path", "film", "FilmPanel", behind=True),
    "traversals": Suited("Traversals", "traversals", "TraversalsPanel", behind=True),
    "pins": Suited("Pins", "pins", "PinsPanel", behind=True),
}

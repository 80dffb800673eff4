"""The stage: the canvas and the two cards at its right, whose panels follow from what the model can do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QStackedWidget, QWidget

from explorer.actions import Actions
from explorer.compute import Exploration
from explorer.marginal import has_components
from explorer.panels.cursor import CursorPanel
from explorer.panels.data import DataPanel
from explorer.panels.estimates import EstimatesPanel, EvidencePanel
from explorer.panels.map import MapPanel
from explorer.panels.place import PlacePanel
from explorer.panels.predictive import PredictivePanel
from explorer.panels.samples import SamplesPanel
from explorer.plots.flips import FlipsPlot
from explorer.plots.plane_canvas import PlaneCanvas
from explorer.session import Session
from explorer.widgets.card import CardDock
from explorer.widgets.switch import Switch


class Stage(QObject):
    """Where a model has two pictures, a switch chooses.

    docks: of the canvas, "map", of what is under the cursor, "cursor", and the last one, "samples".
    """

    def __init__(self, session: Session, exploration: Exploration, actions: Actions, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self.map = MapPanel(session, exploration)
        self.data = DataPanel(session, exploration, actions)
        self.predictive = PredictivePanel(session, exploration, actions)
        self.cursor = CursorPanel(session, exploration)
        self.place = PlacePanel(session, exploration)
        self.estimates = EstimatesPanel(session, exploration)
        self.samples = SamplesPanel(session, exploration)
        self.evidence = EvidencePanel(session)
        scenes: dict[str, tuple[tuple[QWidget, str], ...]] = {
            "latent": (
                (self.map, "Latent map"),
                (self.cursor, "Under the cursor"),
                (self.samples, "Samples"),
            ),
            "data": (
                (self.data, "Data plane"),
                (self.place, "Under the cursor"),
                (self.samples, "Samples"),
            ),
            "bayes": (
                (self.predictive, "Prediction"),
                (self.estimates, "Evidence and estimates"),
                (self.evidence, "Log evidence · nats"),
            ),
        }
        self._scenes = scenes
        self.docks: dict[str, CardDock] = {}
        self.stacks: list[QStackedWidget] = []
        for name, shown in zip(("map", "cursor", "samples"), zip(*scenes.values(), strict=True), strict=True):
            stack = QStackedWidget(parent)
            for panel in dict.fromkeys(panel for panel, _ in shown):
                stack.addWidget(panel)
            self.stacks.append(stack)
            self.docks[name] = CardDock(name, shown[0][1], stack, parent)
        self.switch = Switch(
            (
                ("latent", "Latent map", "The latent space, and where the data lie in it (D)"),
                ("data", "Data plane", "A plane through the data, and the model's components there (D)"),
            ),
            parent,
        )
        self.docks["map"].show_switch(self.switch, False)
        self.switch.chosen.connect(self.choose)
        for told in (self.map, self.data, self.predictive, self.samples):
            told.status.connect(self._show_status)
        self.data.explained.connect(self._show_explanation)
        session.run_changed.connect(self._run_changed)
        session.changed.connect(self._state_changed)

    def add_actions(self, home: QAction, again: QAction) -> None:
        """Buttons in the titles: the standard view of the canvas, and other samples."""
        self.docks["map"].add_action(home)
        self.again = self.docks["samples"].add_action(again)

    # -- what is shown -------------------------------------------------------------------------

    @property
    def panel(self) -> Any:
        """The panel of the canvas."""
        return self.stacks[0].currentWidget()

    @property
    def canvas(self) -> PlaneCanvas | FlipsPlot:
        """The canvas that is shown."""
        canvas: PlaneCanvas | FlipsPlot = self.panel.canvas
        return canvas

    @property
    def has_both(self) -> bool:
        """Whether the open model has a latent map and a data plane."""
        model = self._session.model
        return model is not None and model.latent_dim > 0 and has_components(model)

    @property
    def scene(self) -> str:
        """What is shown, "latent", "data" or "bayes": it follows from what the model can do."""
        model = self._session.model
        if self.predictive.suits(model):
            return "bayes"
        if self.has_both:
            return self._session.state.canvas
        return "latent" if model is None or model.latent_dim else "data"

    def choose(self, name: str) -> None:
        """Show the "latent" map or the "data" plane of a model that has both."""
        self._session.apply(replace(self._session.state, canvas=name), "choose the canvas")

    def reset_view(self) -> None:
        """The standard view of the canvas."""
        self.panel.reset_view()

    def copy_picture(self) -> None:
        """The canvas as it is on screen, to the clipboard."""
        self.canvas.copy_picture()

    def _run_changed(self, _: object) -> None:
        for dock in self.docks.values():
            _clear(dock)
        self._show()

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.canvas != new.canvas:
            self._show()

    def _show(self) -> None:
        scene = self.scene
        panels = self._scenes[scene]
        for stack, dock, (panel, title) in zip(self.stacks, self.docks.values(), panels, strict=True):
            if stack.currentWidget() is not panel:
                stack.setCurrentWidget(panel)
                dock.setWindowTitle(title)
                _clear(dock)
        self.again.setVisible(scene != "bayes")
        self.docks["map"].show_switch(self.switch, self.has_both)
        if self.has_both:
            self.switch.show_choice(scene)

    # -- titles --------------------------------------------------------------------------------

    def _show_status(self, text: str) -> None:
        if dock := self._dock_of(self.sender()):
            dock.set_status(text)

    def _show_explanation(self, text: str) -> None:
        if dock := self._dock_of(self.sender()):
            dock.status.setToolTip(text)

    def _dock_of(self, panel: QObject) -> CardDock | None:
        """Where a panel is seen; None while it is not."""
        seen = zip(self.stacks, self.docks.values(), strict=True)
        return next((dock for stack, dock in seen if stack.currentWidget() is panel), None)


def _clear(dock: CardDock) -> None:
    dock.set_status("")
    dock.status.setToolTip("")

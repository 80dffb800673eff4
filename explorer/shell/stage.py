"""The stage: the canvas and the two cards at its right, whose panels follow from what the model can do."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QStackedWidget, QWidget

from backends.capabilities import Bayesian, has_latent_points
from explorer.actions import Actions
from explorer.compute import Exploration
from explorer.panels.cursor import CursorPanel
from explorer.panels.history import HistoryBar
from explorer.panels.map import MapPanel
from explorer.panels.samples import SamplesPanel
from explorer.session import Session
from explorer.studies.flow import has_latent_map, is_flow
from explorer.studies.marginal import has_components
from explorer.widgets.card import CardDock
from explorer.widgets.pages import show_page
from explorer.widgets.switch import Switch

if TYPE_CHECKING:  # these are loaded when they are needed, which is after the window has been painted
    from explorer.panels.data import DataPanel
    from explorer.panels.estimates import EstimatesPanel, EvidencePanel
    from explorer.panels.flow import FlowPanel
    from explorer.panels.flow_point import FlowPointPanel
    from explorer.panels.place import PlacePanel
    from explorer.panels.predictive import PredictivePanel
    from explorer.plots.flips import FlipsPlot
    from explorer.plots.plane_canvas import PlaneCanvas

#: By scene, the panels of the three cards, as attributes of the stage, and their titles.
SCENES: dict[str, tuple[tuple[str, str], ...]] = {
    "latent": (("map", "Latent map"), ("cursor", "Under the cursor"), ("samples", "Samples")),
    "data": (("data", "Data plane"), ("place", "Under the cursor"), ("samples", "Samples")),
    "flow": (("flow", "Flow"), ("flow_point", "Under the cursor"), ("samples", "Samples")),
    "bayes": (
        ("predictive", "Prediction"),
        ("estimates", "Evidence and estimates"),
        ("evidence", "Log evidence · nats"),
    ),
}


class Stage(QObject):
    """What is shown follows from the model, and where it has two pictures from what is chosen.

    docks: of the canvas, "map", of what is under the cursor, "cursor", and the last one, "samples". Panels
    are made when the first run is opened that needs them: so the window appears sooner.
    """

    def __init__(self, session: Session, exploration: Exploration, actions: Actions, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._exploration, self._actions = session, exploration, actions
        self.docks: dict[str, CardDock] = {}
        self.stacks: list[QStackedWidget] = []
        for name, (_, title) in zip(("map", "cursor", "samples"), SCENES["latent"], strict=True):
            stack = QStackedWidget(parent)
            self.stacks.append(stack)
            self.docks[name] = CardDock(name, title, stack, parent)
        self.switch = Switch(
            (
                ("latent", "Latent map", "The latent space, and where the data lie in it (D)"),
                ("data", "Data plane", "A plane through the data, and the model's components there (D)"),
            ),
            parent,
            heading=True,
        )
        self.docks["map"].show_switch(self.switch, False)
        self.history = HistoryBar(session, exploration, actions, parent)
        self.docks["map"].fill(self.history)
        self.switch.chosen.connect(self.choose)
        self._set_up("latent")
        session.run_opening.connect(self._run_opening)
        session.run_changed.connect(self._run_changed)
        session.changed.connect(self._state_changed)

    def add_actions(self, home: QAction, again: QAction) -> None:
        """Buttons in the titles: the standard view of the canvas, and other samples."""
        self.docks["map"].add_action(home)
        self.again = self.docks["samples"].add_action(again)

    # -- panels --------------------------------------------------------------------------------

    @cached_property
    def map(self) -> MapPanel:
        return MapPanel(self._session, self._exploration)

    @cached_property
    def cursor(self) -> CursorPanel:
        return CursorPanel(self._session, self._exploration)

    @cached_property
    def samples(self) -> SamplesPanel:
        return SamplesPanel(self._session, self._exploration)

    @cached_property
    def data(self) -> DataPanel:
        from explorer.panels.data import DataPanel

        return DataPanel(self._session, self._exploration, self._actions)

    @cached_property
    def place(self) -> PlacePanel:
        from explorer.panels.place import PlacePanel

        return PlacePanel(self._session, self._exploration)

    @cached_property
    def predictive(self) -> PredictivePanel:
        from explorer.panels.predictive import PredictivePanel

        return PredictivePanel(self._session, self._exploration, self._actions)

    @cached_property
    def estimates(self) -> EstimatesPanel:
        from explorer.panels.estimates import EstimatesPanel

        return EstimatesPanel(self._session, self._exploration)

    @cached_property
    def evidence(self) -> EvidencePanel:
        from explorer.panels.estimates import EvidencePanel

        return EvidencePanel(self._session)

    @cached_property
    def flow(self) -> FlowPanel:
        from explorer.panels.flow import FlowPanel

        return FlowPanel(self._session, self._exploration)

    @cached_property
    def flow_point(self) -> FlowPointPanel:
        from explorer.panels.flow_point import FlowPointPanel

        return FlowPointPanel(self._session)

    def _set_up(self, scene: str) -> None:
        for stack, (name, _) in zip(self.stacks, SCENES[scene], strict=True):
            panel: Any = getattr(self, name)
            if stack.indexOf(panel) >= 0:
                continue
            stack.addWidget(panel)
            if hasattr(panel, "status"):
                panel.status.connect(self._show_status)
            if hasattr(panel, "explained"):
                panel.explained.connect(self._show_explanation)

    def _run_opening(self, _: object) -> None:
        for scene in ("latent", "data") if self.has_both else (self.scene,):
            self._set_up(scene)

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
        if model is None or not has_latent_map(model):
            return False
        return has_components(model) or (model.info.dim == 2 and has_latent_points(model))

    @property
    def scene(self) -> str:
        """What is shown, "latent", "data", "flow" or "bayes": it follows from what the model can do."""
        model = self._session.model
        if isinstance(model, Bayesian) and self.predictive.suits(model):
            return "bayes"
        if model is not None and is_flow(model):
            return "flow"
        if self.has_both:
            return self._session.state.canvas
        return "latent" if model is None or has_latent_map(model) else "data"

    def choose(self, name: str) -> None:
        """Show the "latent" map or the "data" plane of a model that has both."""
        self._session.apply(replace(self._session.state, canvas=name), "choose the canvas")

    def reset_view(self) -> None:
        """The standard view of the canvas."""
        self.panel.reset_view()

    def let_go(self) -> None:
        """Let go of what the canvas holds: a point, or a component in hand."""
        if hasattr(self.panel, "let_go"):
            self.panel.let_go()

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
        for stack, dock, (name, title) in zip(self.stacks, self.docks.values(), SCENES[scene], strict=True):
            panel = getattr(self, name)
            if stack.currentWidget() is not panel:
                show_page(stack, panel, getattr(panel, "canvas", None))
                dock.set_title(title)
                _clear(dock)
        self.again.setVisible(scene != "bayes")
        self.docks["samples"].show_switch(
            self.samples.switch, scene != "bayes" and len(self.samples.choices) > 1
        )
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

"""The map of a second model beside that of the open one, with linked cursors: another run, or the open one at
another moment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QCloseEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from backends.base import Array, DataInfo, Model, Work
from backends.capabilities import Decodes
from backends.run import Run
from explorer.compute import Exploration, Priority
from explorer.follow import Follower
from explorer.pace import Pace
from explorer.panels.map import MapPanel
from explorer.paths.follow import PathFollower
from explorer.planes.encoder import Encoder
from explorer.planes.mosaic import normalise
from explorer.runs.listed import Listed
from explorer.session import Session
from explorer.shell.linked import Aside, Link, OtherSession, link, side
from explorer.studies.look import Look
from explorer.style.icons import set_icon
from explorer.training import Moment
from explorer.widgets.card import CardDock
from explorer.widgets.image import ImageView
from explorer.widgets.switch import Switch
from explorer.widgets.values import LiveLabel, format_number

PICTURE = 64  # logical pixels
COLUMNS = 4  # of a datum that is no picture


class BesideDock(CardDock):
    """Its model stands still; the open run may train, or be another."""

    wanted = Signal(object)  # itself: it has something to show, and no place yet

    def __init__(self, session: Session, exploration: Exploration, parent: QWidget) -> None:
        super().__init__("beside", "Beside", None, parent)
        self.hide()
        self._session, self._exploration = session, exploration
        self.other = OtherSession(session)
        aside: Any = Aside(exploration)  # stands in for an Exploration
        self.follower = Follower(self.other, aside, self, evaluates=False)
        self.encoder = Encoder(self.other, aside, self)
        self.path_follower = PathFollower(self.other, aside, self)
        self.map = MapPanel(self.other, aside)
        self.map.canvas.setAccessibleName("Latent map beside")
        self._leads = session  # where the hand was last
        self._linking = False

        self.switch = Switch(
            (
                ("z", "Same z", "Both cursors are at the same latent coordinates"),
                ("x", "Same x", "Both cursors are where each model encodes the datum nearest to the hand's"),
            ),
            self,
            heading=True,
        )
        self.told = LiveLabel(self)
        pictures = QHBoxLayout()
        pictures.setSpacing(8)
        self.pictures, self.captions = [], []
        for name in ("decoded by the open run", "decoded by the one beside"):
            picture, caption = ImageView(self, name=name), LiveLabel(self)
            picture.setFixedSize(PICTURE, PICTURE)
            picture.setToolTip(name.capitalize())
            self.pictures.append(picture)
            self.captions.append(caption)
            pictures.addWidget(picture)
            pictures.addWidget(caption, 1)
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.switch)
        head.addWidget(self.told, 1)
        content = QWidget(self)
        content.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.map, 1)
        column.addLayout(head)
        column.addLayout(pictures)
        self.fill(content)
        self._close = QAction("Close", self)
        self._close.setToolTip("Close what is beside")
        set_icon(self._close, "close")
        self._close.triggered.connect(self.close)
        self.add_action(self._close)

        self._pace = Pace(self._keep_up, interval=0.1, duty=0.2, parent=self)
        self.switch.chosen.connect(self._choose)
        self.other.point_changed.connect(self._their_point)
        session.point_changed.connect(self._our_point)
        for one in (session, self.other):  # what was linked was of another run
            one.run_opening.connect(self._unlink)
        session.model_changed.connect(self._poke)
        session.encodings_changed.connect(self._poke)
        session.changed.connect(self._state_changed)
        self._show_choice()

    # -- which model -------------------------------------------------------------------------------

    def hold(self) -> None:
        """Show the model that is on show in the first map, and stay at it."""
        run, model = self._session.run, self._session.model
        if run is None or model is None or not model.latent_dim:
            self._session.say("What is beside is a latent map, and this run has none.")
        else:
            self.show_model(run, model)

    def show_model(self, run: Run, model: Model) -> None:
        """Show a model of a run; it need not be the newest."""
        steps = int(model.stamp.step)
        self.other.set_moment(Moment(run, model, steps, 0.0, False, None, 0.0))
        self.set_status(f"{run.name} · step {format_number(steps)}")
        if self.isHidden():
            self.wanted.emit(self)
        self.show()
        self._follow()

    def show_run(self, one: Listed) -> None:
        """Show a run of the list, at its newest moment."""
        run, moment, path = self._session.run, self._session.moment, one.path
        if path is None:
            if run is not None and moment is not None:
                self.show_model(run, moment.model)
            return

        def work() -> Work[tuple[Run, Model]]:
            opened = yield from Run.opening(path)
            return opened, opened.model()

        self._exploration.request(
            "beside", Priority.FILE, work, lambda found: self._opened(*found), doing=f"open {path}"
        )

    def _opened(self, run: Run, model: Model) -> None:
        if model.latent_dim:
            self.show_model(run, model)
        else:
            self._session.say(f"{run.name} has no latent space to show beside.", "warning")

    def closeEvent(self, event: QCloseEvent) -> None:
        """What is seen no more takes no memory."""
        super().closeEvent(event)
        for slot in ("beside", "link"):
            self._exploration.cancel(slot)
        self._leads = self._session
        self.other.forget()

    # -- linked cursors ----------------------------------------------------------------------------

    def _choose(self, shared: str) -> None:
        self._session.apply(replace(self._session.state, shared=shared), "link the cursors")

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.shared != new.shared:
            self._show_choice()
            self._follow()

    def _show_choice(self) -> None:
        self.switch.show_choice(self._session.state.shared)

    def _our_point(self, _: Array | None) -> None:
        if not self._linking:
            self._leads = self._session
            self._follow()

    def _their_point(self, _: Array | None) -> None:
        if not self._linking:
            self._leads = self.other
            self._follow()

    def _poke(self, _: object) -> None:
        self._pace.poke()

    def _keep_up(self) -> bool:
        self._follow()
        return False

    def _follow(self) -> None:
        leads, others = self._leads, self.other if self._leads is self._session else self._session
        z, model, run = leads.point, leads.model, leads.run
        if not self.isVisible() or self.other.model is None or others.model is None:
            return
        if z is None or run is None or not isinstance(model, Decodes) or len(z) != model.latent_dim:
            self._unlink()
            return
        ours, theirs, shared = side(leads), side(others), self._session.state.shared
        known = leads.encodings
        split = None if known is None or run.data is None else run.data.split(known.split)
        names = run.info.label_names
        self._exploration.request(
            "link",
            Priority.FIELD,
            lambda: link(ours, theirs, z, shared, (split, names)),
            lambda found: self._linked(found, leads, others),
            doing="link the cursors",
        )

    def _unlink(self, _: object = None) -> None:
        """Nothing lies under the cursors."""
        self._exploration.cancel("link")
        self.told.setText("")
        for picture, caption in zip(self.pictures, self.captions, strict=True):
            picture.set_image(None)
            caption.setText("")

    def _linked(self, found: Link, leads: Session, others: Session) -> None:
        self._linking = True
        try:
            others.set_point(None if found.theirs is None else found.theirs.z)
        finally:
            self._linking = False
        if found.theirs is None:
            why = "its latent space has other dimensions" if found.what == "z" else "it knows no such data"
            self.told.setText(f"No partner: {why}")
        else:
            self.told.setText("" if found.what == "z" else found.what)
        both = (found.ours, found.theirs) if leads is self._session else (found.theirs, found.ours)
        for session, seen, picture, caption in zip(
            (self._session, self.other), both, self.pictures, self.captions, strict=True
        ):
            _show(session, seen, picture, caption)


def _show(session: Session, seen: Look | None, picture: ImageView, caption: LiveLabel) -> None:
    """What decodes from a point: a picture, or its first columns."""
    run = session.run
    info: DataInfo | None = None if run is None else run.info
    mean = None if seen is None else seen.mean
    image = info is not None and info.image_shape is not None
    picture.setVisible(image)
    if info is not None and image:
        picture.set_image(None if mean is None else normalise(mean[None], info)[0], (0.0, 1.0))
    step = "" if seen is None else f"step {format_number(seen.step)}"
    if mean is not None and not image:
        step += ": " + ", ".join(format_number(float(v)) for v in mean[:COLUMNS])
    caption.setText(step)

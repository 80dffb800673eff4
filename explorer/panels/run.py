"""The run: data, model, device, seed, hyper-parameters, and the controls of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from backends.base import InputError, Progress
from backends.data import data_sets
from backends.parameters import Parameter
from backends.registry import Backend, find_kind, installed, ours
from backends.sources import title_of
from backends.two_gaussians import NAME as TWO_GAUSSIANS
from backends.two_gaussians import at_separation, separation
from explorer.actions import Actions
from explorer.pace import Pace
from explorer.session import Session
from explorer.spec import full_values, kind_of, same_run, spec_of
from explorer.state import RunSpec, with_value
from explorer.style.icons import set_icon
from explorer.training import Moment
from explorer.widgets.button import PassingButton
from explorer.widgets.card import section_title
from explorer.widgets.files import ask_folder, ask_open
from explorer.widgets.form import GAP, Choice, ParameterForm
from explorer.widgets.progress_bar import ProgressBar
from explorer.widgets.slider import ValueSlider
from explorer.widgets.values import LiveLabel, format_number

#: Entries that are no data yet.
PAINT, OPEN_FILE, OPEN_FOLDER = "Paint a density…", "Open a file…", "Open a folder of images…"
DATA = "Data (*.npy *.npz *.csv *.tsv *.txt *ubyte *.gz *.png *.jpg *.jpeg *.gif);;All files (*)"
MOST_APART = 6.0  # of the separation's slider
RUN_PARAMETERS = (
    Parameter(
        "seed", "int", 0, "The seed of weights, noise and data order: the same seed, the same run.",
        minimum=0, maximum=2**31 - 1,
    ),
    Parameter(
        "steps", "int", 10_000, "Where Train ends: at the next multiple of this many steps. 0 has no end.",
        minimum=0, maximum=10**9,
    ),
    Parameter(
        "tolerance", "float", 1e-6,
        "EM ends when a step raises what it climbs, the bound (plus the log-prior, if any), by less than "
        "this, in nats a datum. 0 is never.",
        minimum=0, maximum=1e9,
    ),
)  # fmt: skip

SHORT_LABELS = 48  # logical pixels: the names of data and models take the room


class RunPanel(QWidget):
    """Shows what the next run is made of and how the open one is going."""

    painting_wanted = Signal()

    def __init__(self, session: Session, actions: Actions) -> None:
        super().__init__()
        self._session, self._actions = session, actions
        self._form: ParameterForm | None = None
        self._form_kind = ("", "")
        self._devices: Mapping[str, tuple[str, ...]] = {}

        self.data, self.model, self.device = Choice(self), Choice(self), Choice(self)
        self.separation = ValueSlider(0.0, MOST_APART, 0.1, self)
        self._separation_label = QLabel("Offset", self)
        self.separation.name("Offset", "a: the two Gaussians lie at −a and a, with variance 1")
        grid = self._grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(GAP)
        grid.setColumnStretch(1, 1)
        grid.setColumnMinimumWidth(0, SHORT_LABELS)
        for row, (text, field, tip) in enumerate(
            (
                (
                    "Data",
                    self.data,
                    "What to train on. A file of your own can also be dropped on the window.",
                ),
                (
                    "Offset",
                    self.separation,
                    "a of the two Gaussians ½N((−a, 0), I) + ½N((a, 0), I). At a ≈ 2.80 the Gaussian closest "
                    "to them in the reverse KL divergence jumps from covering both to sitting on one.",
                ),
                ("Model", self.model, "What to train."),
                ("Device", self.device, "What computes, and where."),
            )
        ):
            label = self._separation_label if field is self.separation else QLabel(text, self)
            label.setProperty("role", "muted")
            label.setBuddy(field)
            field.setAccessibleName(text)
            field.setToolTip(tip)
            label.setToolTip(tip)
            grid.addWidget(label, row, 0)
            grid.addWidget(field, row, 1)
        self.run_form = ParameterForm(RUN_PARAMETERS, self, SHORT_LABELS)

        self._inner = QWidget(self)
        self._column = QVBoxLayout(self._inner)
        self._column.setContentsMargins(0, 0, 4, 0)
        self._column.setSpacing(8)
        chosen = QVBoxLayout()
        chosen.setSpacing(GAP)
        chosen.addLayout(grid)
        chosen.addWidget(self.run_form)
        self._column.addLayout(chosen)
        self._column.addSpacing(4)
        self._column.addWidget(section_title("Hyper-parameters", self))
        self._column.addStretch(1)
        scroll = QScrollArea(self)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._inner)

        self.play = PassingButton(self)
        self.play.setProperty("role", "primary")
        self.play.setToolTip("Train, or go on with the open run (Space)")
        self.step = self._button("step", "One step", actions.step)
        self.stop = self._button("stop", "Stop: end this training and keep the run", actions.stop)
        self.again = self._button(
            "restart", "Restart: begin this run anew, from its seed, and train", actions.restart
        )
        controls = QHBoxLayout()
        controls.setSpacing(4)
        controls.addWidget(self.play, 1)
        for button in (self.step, self.stop, self.again):
            controls.addWidget(button)
        # what a button or label says must not move the map
        self.play.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.progress = ProgressBar("training", self)
        right = Qt.AlignmentFlag.AlignRight
        self.steps_label, self.rate_label = LiveLabel(self), LiveLabel(self, right)
        self.epoch_label, self.note = LiveLabel(self), LiveLabel(self)
        facts = QGridLayout()
        facts.setVerticalSpacing(2)
        facts.addWidget(self.steps_label, 0, 0, 1, 2)
        facts.addWidget(self.epoch_label, 1, 0)
        facts.addWidget(self.rate_label, 1, 1)
        facts.addWidget(self.note, 2, 0, 1, 2)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(scroll, 1)
        layout.addLayout(controls)
        layout.addWidget(self.progress)
        layout.addLayout(facts)

        self._pace = Pace(self._show_progress, interval=0.2, duty=0.2, parent=self)
        self._fill()
        self._show_state()
        self.data.activated.connect(self._data_chosen)
        self.separation.moved.connect(self._separated)
        self.model.activated.connect(self._model_chosen)
        self.device.activated.connect(self._device_chosen)
        self.run_form.changed.connect(self._run_value)
        self.play.clicked.connect(self.toggle)
        session.changed.connect(self._state_changed)
        session.moment_changed.connect(self._pace.poke)
        session.rested.connect(self._pace.renew)
        session.run_changed.connect(self._run_changed)
        self._show_moment(None)

    def _button(self, icon: str, tip: str, action: Any) -> PassingButton:
        button = PassingButton(self)
        set_icon(button, icon)
        button.setIconSize(QSize(14, 14))
        button.setFixedWidth(34)
        button.setToolTip(tip)
        button.setAccessibleName(tip.partition(":")[0])
        button.clicked.connect(action)
        return button

    # -- what is chosen ------------------------------------------------------------------------

    def _fill(self) -> None:
        for entry in data_sets():
            self.data.addItem(entry.title, entry.name)
            self.data.setItemData(self.data.count() - 1, entry.doc, Qt.ItemDataRole.ToolTipRole)
        self.data.addItem(PAINT, None)
        self.data.addItem(OPEN_FILE, None)
        self.data.addItem(OPEN_FOLDER, None)
        self._fill_models(ours())

    def _fill_models(self, backends: Sequence[Backend]) -> None:
        for backend in backends:
            for kind in backend.kinds:
                if self.model.findData(kind.name) < 0:
                    self.model.addItem(kind.title, kind.name)
                    self.model.setItemData(self.model.count() - 1, kind.doc, Qt.ItemDataRole.ToolTipRole)

    def set_devices(self, devices: Mapping[str, tuple[str, ...]]) -> None:
        """Offer these devices, by backend, and what plug-ins have: by now they are found."""
        self._devices = devices
        self._fill_models(installed().backends)
        self._fill_devices()

    def _fill_devices(self) -> None:
        """Every backend that has the chosen model, on each of its devices."""
        spec = self._session.state.run
        backends = installed().backends if self._devices else ours()
        having = [b for b in backends if any(kind.name == spec.model for kind in b.kinds)]
        self.device.clear()
        for backend in having:
            for name in self._devices.get(backend.name, ("cpu",)):
                where = name.upper() if name == "cpu" else name
                text = where if len(having) == 1 else f"{where} · {backend.title}"
                self.device.addItem(text, (backend.name, name))
        if having:
            chosen = (spec.backend or having[0].name, spec.device)
            found = [i for i in range(self.device.count()) if tuple(self.device.itemData(i)) == chosen]
            if not found:
                self.device.addItem(spec.device, chosen)
            self.device.setCurrentIndex(found[0] if found else self.device.count() - 1)

    def _select(self, box: Choice, value: str) -> None:
        index = box.findData(value)
        if index < 0:
            index = max(box.count() - (3 if box is self.data else 0), 0)
            box.insertItem(index, title_of(value), value)
            box.setItemData(index, value, Qt.ItemDataRole.ToolTipRole)
        box.setCurrentIndex(index)

    def _apply(self, run: RunSpec, what: str) -> None:
        self._session.apply(replace(self._session.state, run=run), what)

    def _data_chosen(self, index: int) -> None:
        source, chosen = self.data.itemData(index), self.data.itemText(index)
        self._show_data()
        if chosen == PAINT:
            self.painting_wanted.emit()
        elif chosen == OPEN_FILE:
            if path := ask_open(self, "Open data", DATA):
                self._actions.data.open(path)
        elif chosen == OPEN_FOLDER:
            if path := ask_folder(self, "Open a folder of images"):
                self._actions.data.open(path)
        elif self.data.currentData() != source:
            self._actions.choose_data(source)

    def _separated(self, a: float) -> None:
        run = self._session.state.run
        chosen = replace(run, data=at_separation(run.data, a))
        self._session.apply(replace(self._session.state, run=chosen), "change the separation", "separation")

    def _model_chosen(self, index: int) -> None:
        run = self._session.state.run
        name = self.model.itemData(index)
        if name != run.model:
            backend, kind = find_kind(name)
            device = run.device if run.device in self._devices.get(backend.name, ()) else "cpu"
            chosen = replace(run, model=name, backend="", device=device, values={}, steps=kind.default_steps)
            self._apply(chosen, "choose model")

    def _device_chosen(self, index: int) -> None:
        backend, device = self.device.itemData(index)
        self._apply(replace(self._session.state.run, backend=backend, device=device), "choose device")

    def _run_value(self, change: tuple[str, Any]) -> None:
        name, value = change
        self._apply(replace(self._session.state.run, **{name: value}), f"change {name}")

    def _value(self, change: tuple[str, Any]) -> None:
        name, value = change
        self._session.apply(with_value(self._session.state, name, value), f"change {name}")

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.run != new.run:
            self._show_state()

    def _show_state(self) -> None:
        spec = self._session.state.run
        self._show_data()
        self._select(self.model, spec.model)
        self._fill_devices()
        self.run_form.set_values({"seed": spec.seed, "steps": spec.steps, "tolerance": spec.tolerance})
        self._show_form(spec)
        self._show_intent()

    def _show_data(self) -> None:
        source = self._session.state.run.data
        a = separation(source)
        self._separation_label.setVisible(a is not None)
        self.separation.setVisible(a is not None)
        if a is not None:
            self.separation.show_value(a)
        self._select(self.data, source if a is None else TWO_GAUSSIANS)

    def _show_form(self, spec: RunSpec) -> None:
        if (spec.model, spec.backend) != self._form_kind:
            if self._form is not None:
                self._column.removeWidget(self._form)
                self._form.hide()
                self._form.deleteLater()
                self._form = None
            self._form_kind = (spec.model, spec.backend)
            try:
                kind = kind_of(spec)
            except InputError as error:
                self._session.say(str(error), "error")
                return
            self.run_form.set_row_visible("tolerance", kind.half_steps)
            self._grid.setColumnMinimumWidth(0, max(SHORT_LABELS, self.run_form.label_width()))
            self._form = ParameterForm(kind.parameters, self._inner)
            self._form.changed.connect(self._value)
            self._form.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
            self._column.insertWidget(self._column.count() - 1, self._form)
            for before, after in pairwise((*self.run_form.fields.values(), *self._form.fields.values())):
                QWidget.setTabOrder(before, after)  # Tab goes as the eye does
        if self._form is not None:
            known = self._form.values()
            self._form.set_values({k: v for k, v in full_values(spec).items() if k in known})

    @property
    def form(self) -> ParameterForm | None:
        """The hyper-parameters' form."""
        return self._form

    # -- how it is going -----------------------------------------------------------------------

    def toggle(self) -> None:
        """Pause, or train what is chosen if all of it is valid."""
        broken = [*self.run_form.invalid(), *(self._form.invalid() if self._form else [])]
        if broken and not self._session.training:
            self._session.say(broken[0], "error")
        else:
            self._actions.toggle()

    def _run_changed(self, _: Any) -> None:
        self._show_intent()

    def _show_progress(self) -> bool:
        self._show_moment(self._session.moment)
        return False

    def _show_moment(self, moment: Moment | None) -> None:
        training = moment is not None and moment.training
        verb = "Pause" if training else self._verb()
        if verb != self.play.text():
            self.play.setText(verb)
            set_icon(self.play, "pause" if training else "play", "accent_text")
        steps = moment.steps if moment is not None else 0
        target = moment.target if moment is not None and moment.training else None
        if target is None and not training:
            every = self._session.state.run.steps
            target = -(-max(steps, 1) // every) * every if every else None
        # without an end nothing fills
        self.progress.show_progress(Progress(steps, target) if target else Progress(0, 0))
        of = f" / {format_number(target)}" if target else ""
        self.steps_label.setText(f"{format_number(steps)}{of} steps")
        rate = moment.steps_per_second if moment is not None else 0.0
        self.rate_label.setText(f"{format_number(round(rate))} steps/s" if training and rate else "")
        self.epoch_label.setText(f"epoch {moment.epoch:.1f}" if moment is not None else "")

    def _same(self) -> bool:
        run = self._session.run
        return run is not None and same_run(spec_of(run), self._session.state.run)

    def _verb(self) -> str:
        return "Train" if self._same() or self._session.run is None else "New run"

    def _show_intent(self) -> None:
        """Say whether Train goes on or begins anew."""
        self._show_moment(self._session.moment)
        run = self._session.run
        if run is not None and run.data is None:
            self.note.setText("without its data")
        elif run is not None and not self._same():
            self.note.setText("settings changed")
        else:
            self.note.setText("")

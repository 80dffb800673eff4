"""The clusters of a mixture: its components' means, the members of one, and how they agree with labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from backends.base import Array, DataInfo
from backends.capabilities import Encodes
from backends.clusters import Clusters, clusters
from explorer.actions import Actions
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.planes.mosaic import normalise
from explorer.session import Session
from explorer.studies.look import label_name, label_of, row_name
from explorer.style.theme import theme
from explorer.widgets.card import empty_state
from explorer.widgets.heat_table import HeatTable
from explorer.widgets.pictures import Item, Pictures
from explorer.widgets.switch import Switch
from explorer.widgets.values import LiveLabel, ValueRows, format_number

SPLITS = (
    ("train", "Training", "Clusters of the training rows"),
    ("test", "Held out", "Clusters of the held-out rows"),
)
MOST_MEMBERS = 400  # that are drawn
SHOWN_COLUMNS = 6  # of a row of numbers
MOST_CELLS = 1600  # of a table that is drawn
AGREEMENT = [
    (
        "purity",
        "purity",
        "Σ_k max_l n_lk / n: the share of the rows whose label is the commonest of their cluster.",
    ),
    (
        "rand",
        "ARI",
        "Adjusted Rand index: agreement of clusters and labels by pairs of rows, corrected for chance: 1 for "
        "the same partition, about 0 for independent ones (Hubert & Arabie 1985).",
    ),
    (
        "matched",
        "matched",
        "The share of the rows in the framed cells: each label paired with a cluster of its own, so that "
        "most rows are matched (the Hungarian method).",
    ),
]


class ClustersPanel(QWidget):
    """Each row belongs to the component that is most probable for it: k(x) = argmax_k q(k|x)."""

    status = Signal(object)

    def __init__(self, session: Session, exploration: Exploration, actions: Actions) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self.found: Clusters | None = None
        self._model: Any = None  # that found them
        self.means = Pictures(
            "Components", self, smallest=44, largest=88, selectable=True, placeholder="No clusters yet"
        )
        self.means.setMouseTracking(True)
        self.means_title, self.members_title = LiveLabel(self), LiveLabel(self)
        self.members = Pictures("Members of the chosen cluster", self, smallest=26, largest=48)
        self.members.setMouseTracking(True)
        self.table = HeatTable("Labels and clusters", self)
        self.rows = ValueRows(AGREEMENT, self)
        self.table_title = QLabel("labels × clusters", self)
        self.table_title.setProperty("role", "muted")
        self.split = Switch(SPLITS, self)

        left, middle, right = QVBoxLayout(), QVBoxLayout(), QVBoxLayout()
        for column, widgets in (
            (left, (self.means_title, self.means)),
            (middle, (self.members_title, self.members)),
            (right, (self.table_title, self.table, self.rows)),
        ):
            column.setSpacing(6)
            for widget in widgets:
                column.addWidget(widget, 1 if isinstance(widget, Pictures | HeatTable) else 0)
        left.addWidget(self.split)
        self.agreement = QWidget(self)
        self.agreement.setLayout(right)
        right.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        row.addLayout(left, 4)
        row.addLayout(middle, 4)
        row.addWidget(self.agreement, 4)
        self.unlabelled = empty_state("The data have no labels to compare the clusters with.", self)
        row.addWidget(self.unlabelled, 4)

        self._pace = Pace(self._request, interval=0.4, duty=0.1, parent=self)
        self.means.chosen.connect(self._show_members)
        self.split.chosen.connect(self._choose_split)
        session.run_changed.connect(self._run_changed)
        session.model_changed.connect(self._model_changed)
        session.rested.connect(self._pace.renew)
        session.changed.connect(self._state_changed)
        theme().changed.connect(self._retint)
        self._show_state()

    @staticmethod
    def suits(run: Any, model: Any) -> bool:
        """Mixtures, with their data."""
        has = hasattr(model, "weights") and hasattr(model, "means") and isinstance(model, Encodes)
        return has and run.data is not None

    def sizeHint(self) -> QSize:
        return QSize(600, 260)

    # -- what is chosen ------------------------------------------------------------------------

    def _choose_split(self, split: str) -> None:
        state = self._session.state
        spec = replace(state.clusters, split=split)
        self._session.apply(replace(state, clusters=spec), "choose the clusters' split")

    def _state_changed(self, old: Any, new: Any) -> None:
        if old.clusters != new.clusters:
            self._show_state()
            self._again()

    def _show_state(self) -> None:
        self.split.show_choice(self._session.state.clusters.split)

    # -- what is computed ----------------------------------------------------------------------

    def _run_changed(self, _: object) -> None:
        self.found = self._model = None
        self.means.select(None)
        self.means.set_items(())
        self.members.set_items(())
        self.agreement.hide()
        self.unlabelled.hide()
        for label in (self.means_title, self.members_title):
            label.setText("")
        self.status.emit("")
        self._again()

    def _again(self) -> None:
        self._exploration.cancel("clusters")
        self._pace.renew()

    def _model_changed(self, _: object) -> None:
        if self._session.training:
            self._pace.poke()
        else:  # what is done by hand is seen at once
            self._pace.renew()

    def _request(self) -> bool:
        run, model, split = self._session.run, self._session.model, self._session.state.clusters.split
        if run is None or run.data is None or not self.suits(run, model):
            return False
        rows = run.data.split(split)
        self._exploration.request(
            "clusters", Priority.FOLLOW, lambda: clusters(model, rows, split),
            lambda found: self._show(model, found), doing="find the clusters", ended=self._pace.done,
        )  # fmt: skip
        return True

    # -- what is drawn -------------------------------------------------------------------------

    def _show(self, model: Any, found: Clusters) -> None:
        self._model, self.found = model, found
        if self.means.selected is None or self.means.selected >= len(found.sizes):
            self.means.select(int(found.sizes.argmax()))
        self._draw()

    def _draw(self) -> None:
        model, found, run = self._model, self.found, self._session.run
        if found is None or run is None:
            return
        info, tokens = run.info, theme().tokens
        pictures = normalise(model.means, info) if info.image_shape is not None else None
        items = []
        for k, size in enumerate(found.sizes.tolist()):
            weight, mean = f"{model.weights[k]:.3f}", numbers(model.means[k], info)
            lines: tuple[str, ...] = (f"{model.weights[k]:.2f}",)
            tip = f"component {k + 1}: weight π = {weight}, {format_number(size)} rows"
            if pictures is None:
                lines = (f"π {weight} · {format_number(size)} rows", mean)
                tip = f"{tip}, mean {mean}"
            items.append(Item(None if pictures is None else pictures[k], "", lines, tokens.label(k), tip))
        self.means.set_cells(*((44, 88) if pictures is not None else (150, 240)))
        self.members.set_cells(*((26, 48) if pictures is not None else (150, 320)))
        self.means.set_items(items)
        self.means_title.setText("means and weights π")
        self.status.emit(f"{format_number(len(found.of))} rows · step {format_number(found.step)}")
        self._draw_agreement(found, info)
        self._show_members(self.means.selected)

    def _show_members(self, cluster: int | None) -> None:
        found, run = self.found, self._session.run
        if found is None or cluster is None or run is None or run.data is None:
            return
        info, rows = run.info, run.data.split(found.split)
        members = found.members(cluster)
        shown = members[:MOST_MEMBERS]
        x = rows.x[shown]
        pictures = normalise(x, info) if info.image_shape is not None else None
        items = []
        for i, row in enumerate(shown.tolist()):
            tip = row_name(rows, row, info.label_names)
            if pictures is not None:
                items.append(Item(pictures[i], tip=tip))
            else:
                label = label_of(rows, row, info.label_names)
                items.append(Item(text=numbers(x[i], info) + (f"   {label}" if label else ""), tip=tip))
        self.members.set_items(items)
        self.members_title.setText(f"cluster {cluster + 1}: {format_number(len(members))} rows")

    def _draw_agreement(self, found: Clusters, info: DataInfo) -> None:
        seen = found.agreement
        self.agreement.setVisible(seen is not None)
        self.unlabelled.setVisible(seen is None)
        if seen is None:
            return
        counts = seen.table[:, seen.order]
        place = {int(k): i for i, k in enumerate(seen.order)}
        framed = [(label, place[int(k)]) for label, k in enumerate(seen.partner) if k >= 0]
        small = counts.size <= MOST_CELLS
        labels = [label_name(i, info.label_names) for i in range(len(counts))]
        self.table.setVisible(small)
        if small:
            self.table.set_counts(
                counts, labels, [str(k + 1) for k in seen.order], framed,
                ("label", "cluster"),
            )  # fmt: skip
        n = max(len(found.of), 1)
        self.rows.set("purity", format_number(seen.purity, 3))
        self.rows.set("rand", format_number(seen.rand, 3))
        self.rows.set("matched", format_number(seen.matched / n, 3))

    def _retint(self, *_: object) -> None:
        self._draw()


def numbers(x: Array, info: DataInfo) -> str:
    """The first numbers of a row."""
    shown = ",  ".join(format_number(float(v), 2) for v in x[:SHOWN_COLUMNS])
    return shown + (" …" if info.dim > SHOWN_COLUMNS else "")

"""Which path is shown, and how it is played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QSizePolicy, QSpacerItem, QToolButton, QWidget

from explorer.state import FilmSpec, PathSpec
from explorer.style.icons import set_icon
from explorer.widgets.form import Choice

KINDS = (
    ("nothing", "No path", ""),
    (
        "drawn",
        "Drawn",
        "Press and drag over the latent map; or move the point by keys, and press Enter at each corner",
    ),
    ("straight", "Straight", "The straight line in z from one pin to another"),
    (
        "circle",
        "Great circle",
        "Equal angles seen from 0, the length going evenly from that of one pin to that of the other "
        "(Shoemake 1985). In many dimensions nearly all of N(0, I) lies at lengths about √k; a straight line "
        "passes far below that, where hardly anything is, and this stays there",
    ),
    (
        "shortest",
        "Shortest",
        "The shortest path under the decoder's own metric G = JᵀJ: of all ways from one pin to another one "
        "along which the image changes least in all (Arvanitidis et al. 2018; Shao et al. 2018). A local "
        "minimum, the best found from several starts",
    ),
)  # fmt: skip
#: What a path is saved as: a name, the menu's text, and a file's name.
SAVED = (
    ("strip", "Film strip (PNG)…", "path.png"),
    ("gif", "Animation (GIF)…", "path.gif"),
    ("mp4", "Video (MP4)…", "path.mp4"),
    ("numbers", "Numbers (NPZ)…", "path.npz"),
)
SPACINGS = (
    ("latent", "steps in z", "Frames at equal steps of length in z"),
    ("image", "steps in x", "Frames at equal steps of length of their image, ‖g(zᵢ₊₁) − g(zᵢ)‖"),
)
FRAMES = (12, 24, 48, 96, 192)
PLAYS = (
    ("once", "once", "Stops at its end"),
    ("loop", "loop", "Begins anew after its end"),
    ("back", "to and fro", "Turns round at its ends"),
)
SPEEDS = (6, 12, 24, 48)
NARROW = 560  # pixels, below which the boxes stand in two rows


class PathBar(QWidget):
    """joined carries a PathSpec, filmed a FilmSpec, that the user asks for. speed: a box that lies beside the
    buttons that play the film, where whoever shows those puts it."""

    joined = Signal(object)
    filmed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._path, self._film = PathSpec(), FilmSpec()
        self._shown: object = None
        self.kind = self._choice("Path", KINDS, (84, 128), "How the path leads")
        self.begin = self._choice("First pin", (), (60, 128), "The pin where the path begins; N sets one")
        self.end = self._choice("Last pin", (), (60, 128), "The pin where the path ends; N sets one")
        for box in (self.begin, self.end):
            box.setPlaceholderText("pin")
        self.spacing = self._choice("Spacing of the frames", SPACINGS, (80, 124), "Equal steps of what")
        frames = [(n, f"{n} frames", "") for n in FRAMES]
        self.frames = self._choice("Number of frames", frames, (62, 124), "Frames of the film")
        self.play = self._choice("At its ends", PLAYS, (66, 124), "What a film does at its ends")
        speeds = [(n, f"{n}/s", "") for n in SPEEDS]
        self.speed = self._choice("Speed", speeds, (60, 84), "Frames a second")
        self.export = QToolButton(self)
        set_icon(self.export, "save")
        self.export.setAccessibleName("Export the path")
        self.export.setToolTip("Save the path: a strip, an animation, a video, or its numbers")
        self._rows = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(4)
        self._after = QSpacerItem(
            0, 0, QSizePolicy.Policy.Fixed
        )  # of the first row, where it is a row by itself
        where, how = (self.kind, self.begin, self.end), (self.spacing, self.frames, self.play)
        for boxes, shares in ((where, (114, 74, 74)), (how, (106, 126, 106))):  # all is read at 1280
            row = QHBoxLayout()
            row.setSpacing(4)
            for box, share in zip(boxes, shares, strict=True):
                row.addWidget(box, share)
            if boxes is where:
                row.addItem(self._after)
            self._rows.addLayout(row, sum(shares))
        row.addStretch(1)
        row.addWidget(self.export)
        for box in (self.kind, self.begin, self.end):
            box.activated.connect(self._joined)
        for box in (self.spacing, self.frames, self.play, self.speed):
            box.activated.connect(self._filmed)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        narrow = event.size().width() < NARROW
        way = QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight
        if way != self._rows.direction():
            self._rows.setDirection(way)
            self._after.changeSize(0, 0, QSizePolicy.Policy.Expanding if narrow else QSizePolicy.Policy.Fixed)
            self._rows.invalidate()

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())  # of two rows, where one has no room

    def _choice(
        self, name: str, entries: Sequence[tuple[object, str, str]], widths: tuple[int, int], tip: str
    ) -> Choice:
        box = Choice(self)
        box.setAccessibleName(name)
        box.setToolTip(tip)
        box.setMinimumContentsLength(2)
        box.setMinimumWidth(widths[0])
        box.setMaximumWidth(widths[1])
        for value, text, explanation in entries:
            box.addItem(text, value)
            box.setItemData(box.count() - 1, explanation, 3)  # Qt.ToolTipRole
        return box

    def show_spec(self, path: PathSpec, film: FilmSpec, pins: tuple[str, ...]) -> None:
        """Show what is chosen; pins: the names of those that there are."""
        self._path, self._film = path, film
        shown = (path.kind, path.a, path.b, film, pins)
        if shown == self._shown:  # the path is drawn on
            return
        self._shown = shown
        for box, name, default in ((self.begin, path.a, 0), (self.end, path.b, len(pins) - 1)):
            with QSignalBlocker(box):
                if pins != tuple(box.itemText(i) for i in range(box.count())):
                    box.clear()
                    box.addItems(list(pins))
                box.setCurrentIndex(pins.index(name) if name in pins else default)
            box.setEnabled(len(pins) > 1)
        for box, value in (
            (self.kind, path.kind), (self.spacing, film.spacing), (self.play, film.play),
            (self.frames, film.frames), (self.speed, film.speed),
        ):  # fmt: skip
            if box.findData(value) < 0:  # set elsewhere
                box.addItem(f"{value}", value)
            box.setCurrentIndex(box.findData(value))
            box.setToolTip(str(box.currentData(3) or box.toolTip()))

    def _joined(self, _: int) -> None:
        kind = self.kind.currentData()
        if self.sender() is not self.kind and kind in ("nothing", "drawn"):
            kind = "straight"  # whoever chooses a pin wants a path to it
        self.joined.emit(replace(self._path, kind=kind, a=self.begin.currentText(), b=self.end.currentText()))

    def _filmed(self, _: int) -> None:
        self.filmed.emit(
            FilmSpec(
                self.frames.currentData(), self.spacing.currentData(),
                self.speed.currentData(), self.play.currentData(),
            )
        )  # fmt: skip

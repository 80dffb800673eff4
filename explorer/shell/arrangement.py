"""Where the cards of a window stand: as the program came, or as its user has moved them."""

from __future__ import annotations

from zlib import crc32

from PySide6.QtCore import QByteArray, QObject, Qt, QTimer
from PySide6.QtWidgets import QMainWindow

from explorer.shell.suited import SUITED
from explorer.widgets.card import CardDock

QWIDGETSIZE_MAX = (1 << 24) - 1
ACROSS, DOWN = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
LEFT, RIGHT = 288, 264
NARROWEST, WIDEST = 248, 320  # of what stands beside the canvas; any narrower its texts are cut
SMALL = 1100  # of a window, as at 200 % on most screens: the canvas needs what the forms can spare
BOTTOM = 0.28  # of the height, for curves alone


class Arrangement(QObject):
    """The docks of a window by their names, and a second map where there is one.

    In the standard arrangement the canvas takes all room that a larger window has, and gives what a smaller
    one lacks.
    """

    def __init__(self, window: QMainWindow, docks: dict[str, CardDock]) -> None:
        super().__init__(window)
        self._window, self._docks = window, docks
        self.standard = True
        window.setDockNestingEnabled(True)
        for name, dock in docks.items():
            dock.topLevelChanged.connect(self._rearranged)
            if name != "map":  # whose panel knows
                dock.set_narrowest(NARROWEST)  # whatever is in it: or cards lie over each other

    def lay(self) -> None:
        """Put all docks into their standard places, hidden as they may be; :meth:`size` comes next."""
        window, docks, beside = self._window, self._docks, self._beside
        for dock in (*docks.values(), *beside):
            dock.setFloating(False)
            window.removeDockWidget(dock)
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, docks["run"])
        window.splitDockWidget(docks["run"], docks["map"], ACROSS)
        window.splitDockWidget(docks["map"], docks["cursor"], ACROSS)
        window.splitDockWidget(docks["map"], docks["curves"], DOWN)
        window.splitDockWidget(docks["cursor"], docks["samples"], DOWN)
        for name in SUITED:
            window.tabifyDockWidget(docks["curves"], docks[name])
        for dock in beside:
            self.add_beside(dock)
            dock.show()
        self.standard = True
        self._limit(WIDEST)

    def add_beside(self, dock: CardDock) -> None:
        """Lay a second map at the right of the first."""
        self._window.splitDockWidget(self._docks["map"], dock, ACROSS)
        QTimer.singleShot(0, self, self._size_columns)

    @property
    def _beside(self) -> list[CardDock]:
        """The second map, while there is one."""
        beside: CardDock | None = self._window.findChild(CardDock, "beside")
        return [] if beside is None or beside.isHidden() else [beside]

    def _limit(self, widest: int) -> None:
        """In the standard arrangement a larger window is for the canvas, not for the forms."""
        for name in ("run", "cursor", "samples"):
            self._docks[name].setMaximumWidth(widest)

    def _rearranged(self, *_: object) -> None:
        self.standard = False
        self._limit(QWIDGETSIZE_MAX)

    # -- sizes -----------------------------------------------------------------------------------

    def size(self) -> None:
        """Give all docks their standard sizes: below the canvas, what the panels of the open run need."""
        self._size_columns()
        there = [name for name in SUITED if not self._docks[name].isHidden()]
        shares = (SUITED[name].share for name in there if not SUITED[name].behind)
        bottom = int(self._window.height() * next(shares, BOTTOM))
        heights = [self._window.height() - bottom - 90, bottom]
        for above, below in (("map", there[0] if there else "curves"), ("cursor", "samples")):
            self._window.resizeDocks([self._docks[above], self._docks[below]], heights, DOWN)

    def _size_columns(self) -> None:
        docks, maps = self._docks, [self._docks["map"], *self._beside]
        left, right = (NARROWEST, NARROWEST) if self._window.width() < SMALL else (LEFT, RIGHT)
        middle = max(self._window.width() - left - right - 40, 200) // len(maps)
        widths = [left, *[middle] * len(maps), right]
        self._window.resizeDocks([docks["run"], *maps, docks["cursor"]], widths, ACROSS)

    def keep_columns(self) -> None:
        """The window is smaller: Qt would take its room from all columns, and cut texts."""
        if self.standard:
            self._size_columns()

    # -- between two starts ----------------------------------------------------------------------

    def save(self) -> tuple[str, str]:
        """The window's place and the docks' in it, as :meth:`restore` takes them."""
        both = self._window.saveGeometry(), self._window.saveState(self._version(self.standard))
        geometry, places = (bytes(part.toHex().data()).decode() for part in both)
        return geometry, places

    def restore(self, geometry: str, places: str) -> None:
        """Take over what was saved, as far as it fits; "": the standard."""
        window = self._window
        if geometry:
            window.restoreGeometry(QByteArray.fromHex(geometry.encode()))
        if not places:
            QTimer.singleShot(0, self, self.size)
            return
        state = QByteArray.fromHex(places.encode())
        if not window.restoreState(state, self._version(True)) and window.restoreState(
            state, self._version(False)
        ):
            self._rearranged()

    def _version(self, standard: bool) -> int:
        """What a saved arrangement must carry to be restored: one of other docks would leave some astray."""
        return 2 * (crc32(" ".join(self._docks).encode()) % 2**30) + (not standard)

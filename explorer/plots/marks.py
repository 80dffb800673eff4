"""Named points: where the posterior of θ is largest, its mean, and where the likelihood is largest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyqtgraph as pg
from PySide6.QtGui import QColor

from explorer.style.theme import theme

#: By name: the symbol drawn and its size, the one in a text, the label, and the colour's index among the
#: curves'. They may fall together: the last is drawn on top, and smallest.
MARKS = {
    "ml": ("t1", 13, "▲", "ML", 1),
    "mean": ("o", 13, "●", "mean", 2),
    "map": ("d", 11, "◆", "MAP", 0),
}


class MarksItem(pg.GraphicsObject):
    """Marks of a fixed size on screen, each with a thin rim that sets it off. drop: a line down to zero."""

    def __init__(self, drop: bool = False) -> None:
        super().__init__()
        self.setFlag(self.GraphicsItemFlag.ItemHasNoContents)
        self.at: dict[str, tuple[float, float]] = {}
        self._drops = pg.PlotCurveItem(connect="pairs") if drop else None
        self._points = {
            name: pg.ScatterPlotItem(symbol=symbol, size=size, antialias=True)
            for name, (symbol, size, *_) in MARKS.items()
        }
        for item in (self._drops, *self._points.values()):
            if item is not None:
                item.setParentItem(self)
        theme().changed.connect(self._recolour)
        self._recolour()

    def set_marks(self, at: Mapping[str, Any]) -> None:
        """Where each mark is, (2,); those not named are hidden."""
        self.at = {name: (float(xy[0]), float(xy[1])) for name, xy in at.items()}
        for name, item in self._points.items():
            xy = self.at.get(name)
            item.setData([] if xy is None else [xy[0]], [] if xy is None else [xy[1]])
        if self._drops is not None:
            x = [x for x, _ in self.at.values() for _ in (0, 1)]
            y = [end for _, y in self.at.values() for end in (0.0, y)]
            self._drops.setData(x, y)

    def boundingRect(self) -> Any:
        return pg.QtCore.QRectF()

    def paint(self, *args: Any) -> None:
        pass

    def _recolour(self) -> None:
        tokens = theme().tokens
        for name, item in self._points.items():
            item.setBrush(QColor(tokens.curve(MARKS[name][4])))
            item.setPen(pg.mkPen(QColor(tokens.surface), width=1.5))
        if self._drops is not None:
            self._drops.setPen(pg.mkPen(QColor(tokens.muted), width=1, dash=[2, 3]))


def marks_legend() -> str:
    """Rich text: each symbol and its label."""
    tokens = theme().tokens
    return " &nbsp; ".join(
        f'<span style="color:{tokens.curve(colour)}">{text}</span>&nbsp;{label}'
        for _, _, text, label, colour in reversed(MARKS.values())
    )

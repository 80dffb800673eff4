"""Rows of "name … value" that can change sixty times a second without moving anything."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QMenu, QSizePolicy, QWidget

from explorer.style.theme import theme

_MINUS = "\N{MINUS SIGN}"
_THIN = "\N{NARROW NO-BREAK SPACE}"
_NOTHING = "\N{EN DASH}"
APART = " &nbsp; "  # between the entries of a rich text


def format_number(x: float | None, digits: int = 2) -> str:
    """A number as it is shown: a real minus sign, thin spaces between thousands, "–" for None and NaN.

    digits: decimals of a float (ints have none); below 10^−digits and from 10^7 on it turns to
    scientific notation, so that nothing but an exact zero reads as zero.
    """
    if x is None or (isinstance(x, float) and math.isnan(x)):
        return _NOTHING
    if isinstance(x, int):
        text = f"{x:,}"
    elif math.isinf(x):
        text = "∞" if x > 0 else "-∞"
    elif x != 0 and not (10.0**-digits <= abs(x) < 1e7):
        text = f"{x:.{max(digits, 1)}e}"
    else:
        text = f"{x or 0.0:,.{digits}f}"  # −0.0 is zero
    return text.replace(",", _THIN).replace("-", _MINUS)


def format_exp(log: float, digits: int = 2) -> str:
    """e^log as :func:`format_number` shows it, also where that is too small for a float, or too large: the
    density of N(0, I) in a thousand dimensions is."""
    if -700 < log < 700 or not math.isfinite(log):
        return format_number(math.exp(log), digits)
    return f"{Decimal(log).exp():.{max(digits, 1)}e}".replace("-", _MINUS).replace("+", "")


def format_point(z: Iterable[float], separator: str = ", ") -> str:
    """The coordinates of a point, each to a hundredth: where it is, and not how near to an axis."""
    return separator.join(f"{float(v):z.2f}".replace("-", _MINUS) for v in z)


def difference(a: float, b: float) -> float:
    """a − b, and 0 where all that is left of it is rounding: below 10⁻¹⁰ of either."""
    rounding = math.isfinite(a - b) and abs(a - b) <= 1e-10 * max(abs(a), abs(b))
    return 0.0 if rounding else a - b


class LiveLabel(QWidget):
    """A label whose text changes many times a second: it takes the room that there is, and a new text costs
    a repaint of it and never a new layout of the window, as a QLabel's does. One that is too long is elided,
    a rich one by whole entries: half a number would be another."""

    linkActivated = Signal(str)  # noqa: N815 - as of a QLabel, for which this stands in

    def __init__(self, parent: QWidget, align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft) -> None:
        super().__init__(parent)
        self._text = ""
        self._label = QLabel(self)  # in no layout: what it asks for ends at this widget
        self._label.setProperty("role", "muted")
        self._label.setAlignment(align | Qt.AlignmentFlag.AlignVCenter)
        self._label.linkActivated.connect(self.linkActivated)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def text(self) -> str:
        """The whole text."""
        return self._text

    def setText(self, text: str) -> None:
        """Show a text; it may be rich."""
        if text != self._text:
            self._text = text
            self._fit()

    def _fit(self) -> None:
        text = self._text
        if not {"<", "&"} & set(text):
            text = self._label.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, self.width())
        self._label.setText(text)
        entries = text.split(APART)
        while len(entries) > 1 and self._label.sizeHint().width() > self.width():
            entries.pop()
            self._label.setText(APART.join([*entries, "…"]))

    def sizeHint(self) -> QSize:
        return QSize(0, self.fontMetrics().height() + 2)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._label.resize(self.size())
        self._fit()


class ValueRows(QWidget):
    """Muted labels on the left, values right-aligned on the right.

    rows: (key, label, tooltip). A value is painted, not laid out: setting one costs a repaint of its row
    and never a new layout of the window, and a text too long for its room is elided.
    """

    def __init__(self, rows: Sequence[tuple[str, str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._labels: dict[str, QLabel] = {}
        self._values: dict[str, _Value] = {}
        self._tips = {key: tooltip for key, _, tooltip in rows}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        for row, (key, text, tooltip) in enumerate(rows):
            label = QLabel(text, self)
            label.setProperty("role", "muted")
            value = _Value(self)
            self._labels[key], self._values[key] = label, value
            grid.addWidget(label, row, 0)
            grid.addWidget(value, row, 1)
            self.set_tooltip(key, tooltip)
            self.set(key, None)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        theme().changed.connect(self._retint)

    def set(self, key: str, text: str | None) -> None:
        """Show a value; None shows "–", and the tooltip is the first one again, without numbers."""
        if text is None:
            self.set_tooltip(key, self._tips[key])
        self._values[key].set_text(_NOTHING if text is None else text)
        self._values[key].setAccessibleName(f"{self._labels[key].text()}: {self._values[key].text}")

    def value(self, key: str) -> str:
        """The text on show."""
        return self._values[key].text

    def set_label(self, key: str, text: str) -> None:
        """Rename a row."""
        if self._labels[key].text() != text:
            self._labels[key].setText(text)

    def set_tooltip(self, key: str, text: str) -> None:
        """The formula and the estimator behind a number."""
        self._labels[key].setToolTip(text)
        self._values[key].setToolTip(text)

    def set_row_visible(self, key: str, visible: bool) -> None:
        """Show or hide a row."""
        self._labels[key].setVisible(visible)
        self._values[key].setVisible(visible)

    def copy(self) -> None:
        """All visible rows to the clipboard, a tab between name and value."""
        rows = [f"{self._labels[k].text()}\t{v.text}" for k, v in self._values.items() if not v.isHidden()]
        QGuiApplication.clipboard().setText("\n".join(rows))

    def _menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Copy values", self.copy)
        menu.popup(self.mapToGlobal(at))

    def _retint(self) -> None:
        self.update()


class _Value(QWidget):
    """One right-aligned text."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.text = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def set_text(self, text: str) -> None:
        if text != self.text:
            self.text = text
            self.update()

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(f"{_MINUS}000.00"), metrics.height() + 2)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        tokens = theme().tokens
        painter.setPen(QColor(tokens.muted if self.text == _NOTHING else tokens.text))
        text = self.fontMetrics().elidedText(self.text, Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        painter.end()

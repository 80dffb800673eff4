"""Icons, drawn from :mod:`explorer.style.glyphs` in the colours of the theme."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QObject, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from explorer.style.glyphs import svg
from explorer.style.theme import theme


class _Glyph(QIconEngine):
    """Draws a glyph when, and as large as, it is asked for: most icons of a menu are never seen."""

    def __init__(self, name: str, colour: str, disabled: str) -> None:
        super().__init__()
        self._name, self._colour, self._disabled = name, colour, disabled

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        colour = self._disabled if mode == QIcon.Mode.Disabled else self._colour
        return pixmap(self._name, colour, min(size.width(), size.height()))

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        colour = self._disabled if mode == QIcon.Mode.Disabled else self._colour
        QSvgRenderer(svg(self._name, colour)).render(painter, QRectF(rect))

    def clone(self) -> QIconEngine:
        return _Glyph(self._name, self._colour, self._disabled)


def icon(name: str, token: str = "text") -> QIcon:
    """The icon of this name in today's colours; ``token`` is a colour of the theme's table.

    It does not follow a later change of theme: use :func:`set_icon` for what stays on screen.
    """
    tokens = theme().tokens
    svg(name, tokens.disabled)  # a name that there is not is told at once
    return QIcon(_Glyph(name, getattr(tokens, token), tokens.disabled))


def pixmap(name: str, colour: str, size: int) -> QPixmap:
    """A glyph as a square of ``size`` device pixels on a transparent ground; Qt asks for one of 0, too."""
    if size < 1:
        return QPixmap()
    drawing = QSvgRenderer(svg(name, colour))
    out = QPixmap(size, size)
    out.fill(Qt.GlobalColor.transparent)
    painter = QPainter(out)
    drawing.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return out


class HasIcon(Protocol):
    """A QAction or a button."""

    def setIcon(self, icon: QIcon | QPixmap) -> None: ...


def set_icon(target: HasIcon, name: str, token: str = "text") -> None:
    """Give an action or a button an icon that follows the theme; calling again replaces it."""
    assert isinstance(target, QObject)
    follower = target.findChild(_Follower)
    if follower is None:
        follower = _Follower(target)
    follower.show(target, name, token)


class _Follower(QObject):
    """Lives and dies with its target, and so does its connection."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._shown = ("", "")
        theme().changed.connect(self._retint)

    def show(self, target: HasIcon, name: str, token: str) -> None:
        if self._shown != (name, token):  # a button lays the window out anew even for the icon that it has
            self._shown = (name, token)
            target.setIcon(icon(name, token))

    def _retint(self) -> None:
        self.parent().setIcon(icon(*self._shown))  # type: ignore[union-attr]

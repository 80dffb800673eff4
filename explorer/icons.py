"""Icons, drawn from :mod:`explorer.glyphs` in the colours of the theme."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QObject, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from explorer.glyphs import svg
from explorer.theme import theme

_SIZES = (16, 24, 32, 48)


def icon(name: str, token: str = "text") -> QIcon:
    """The icon of this name in today's colours; ``token`` is a colour of the theme's table.

    It does not follow a later change of theme: use :func:`set_icon` for what stays on screen.
    """
    tokens = theme().tokens
    out = QIcon()
    for size in _SIZES:
        out.addPixmap(pixmap(name, getattr(tokens, token), size), QIcon.Mode.Normal)
        out.addPixmap(pixmap(name, tokens.disabled, size), QIcon.Mode.Disabled)
    return out


def pixmap(name: str, colour: str, size: int) -> QPixmap:
    """A glyph as a square of ``size`` device pixels on a transparent ground."""
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
        theme().changed.connect(self._retint)

    def show(self, target: HasIcon, name: str, token: str) -> None:
        self._name, self._token = name, token
        target.setIcon(icon(name, token))

    def _retint(self) -> None:
        self.parent().setIcon(icon(self._name, self._token))  # type: ignore[union-attr]

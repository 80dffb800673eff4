"""Which colours are in force, and the fonts.

``QStyleHints.setColorScheme`` does nothing on bare X11, so this is Fusion with two palettes of our own.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from backends.base import Array
from explorer.style.colourmaps import AUTOMATIC, MAPS, colour_table
from explorer.style.stylesheet import style_sheet
from explorer.style.tokens import DARK, LIGHT, Tokens, blend, rgb

__all__ = ["DARK", "LIGHT", "Theme", "Tokens", "apply", "blend", "font", "rgb", "theme", "title_font"]

_FAMILIES = ("Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "DejaVu Sans")
_NAMES = ("system", "dark", "light")


class Theme(QObject):
    """Which of the two sets of colours is in force. ``changed`` carries the new Tokens.

    Connect bound methods of QObjects to ``changed``: Qt drops those by itself when the object dies.
    """

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._name = "dark"
        self._tokens = DARK
        self._map = AUTOMATIC
        self._app: QApplication | None = None

    @property
    def tokens(self) -> Tokens:
        return self._tokens

    @property
    def name(self) -> str:
        """What was asked for: "dark", "light" or "system"."""
        return self._name

    def set(self, name: str) -> None:
        """Switch to "dark", "light", or whichever the system says ("system"; dark where it says nothing)."""
        if name not in _NAMES:
            raise ValueError(f"there is no theme '{name}'; there are {', '.join(_NAMES)}")
        self._name = name
        self._update()

    @property
    def table(self) -> Array:
        """The colours of fields, (256, 3) uint8, from dark to bright."""
        return colour_table(MAPS[0] if self._map == AUTOMATIC else self._map)

    def table_under(self, coloured: bool) -> Array:
        """The colours of a field that lies under points: where nothing else was chosen and these are in
        colours of their own, greys, from the surface's own on."""
        if not coloured or self._map != AUTOMATIC:
            return self.table
        low, high = (np.array(rgb(blend(self._tokens.muted, self._tokens.surface, a))) for a in (0.0, 0.7))
        return np.linspace(low, high, 256).astype(np.uint8)

    @property
    def table_of_points(self) -> Array:
        """The colours of points by a number, (256, 3) uint8, from dark to bright: never those of a field, and
        only such as stand out from the surface."""
        whole = colour_table("magma" if self._map == "viridis" else "viridis")
        low, high = (64, 255) if self._tokens.is_dark else (0, 216)
        return whole[np.linspace(low, high, 256).astype(int)]

    def set_map(self, name: str) -> None:
        """Colour fields by another of :data:`explorer.style.colourmaps.MAPS`; "automatic": as befits each."""
        if name != self._map:
            self._map = name
            self.changed.emit(self._tokens)

    def attach(self, app: QApplication) -> None:
        """Dress an application now and at every later change."""
        self._app = app
        app.setStyle("Fusion")
        app.setFont(font())
        app.styleHints().colorSchemeChanged.connect(self._update)
        self._dress()

    def _update(self) -> None:
        tokens = {"dark": DARK, "light": LIGHT}.get(self._name) or _system_tokens()
        if tokens is not self._tokens:
            self._tokens = tokens
            self._dress()
            self.changed.emit(tokens)

    def _dress(self) -> None:
        if self._app is not None:
            self._app.setPalette(_palette(self._tokens))
            self._app.setStyleSheet(style_sheet(self._tokens))


_theme: Theme | None = None


def theme() -> Theme:
    """The one instance."""
    global _theme
    if _theme is None:
        _theme = Theme()
    return _theme


def apply(app: QApplication) -> None:
    """Give the application our style, font, palette and style sheet, and keep them up to date."""
    theme().attach(app)


def font(pixels: int = 13, weight: QFont.Weight = QFont.Weight.Normal, capitals: bool = False) -> QFont:
    """The program's font, with figures of one width where the family has them."""
    out = QFont(QGuiApplication.font())
    if families := _families():
        out.setFamilies(families)
    out.setPixelSize(pixels)
    out.setWeight(weight)
    out.setFeature(QFont.Tag("tnum"), 1)
    if capitals:
        out.setCapitalization(QFont.Capitalization.AllUppercase)
        out.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 0.8)
    return out


@cache
def _families() -> list[str]:
    """Those that are installed: naming another makes Qt search its aliases for a quarter of a second and say
    so."""
    return [name for name in _FAMILIES if QFontDatabase.hasFamily(name)]


def title_font() -> QFont:
    """11-px semibold capitals, for the titles of cards and sections."""
    return font(11, QFont.Weight.DemiBold, capitals=True)


def _system_tokens() -> Tokens:
    return LIGHT if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Light else DARK


def _palette(t: Tokens) -> QPalette:
    roles = {
        QPalette.ColorRole.Window: t.window,
        QPalette.ColorRole.WindowText: t.text,
        QPalette.ColorRole.Base: t.field,
        QPalette.ColorRole.AlternateBase: t.surface,
        QPalette.ColorRole.Text: t.text,
        QPalette.ColorRole.Button: t.field,
        QPalette.ColorRole.ButtonText: t.text,
        QPalette.ColorRole.BrightText: t.danger,
        QPalette.ColorRole.ToolTipBase: t.surface,
        QPalette.ColorRole.ToolTipText: t.text,
        QPalette.ColorRole.PlaceholderText: t.muted,
        QPalette.ColorRole.Highlight: t.selection,
        QPalette.ColorRole.HighlightedText: t.text,
        QPalette.ColorRole.Link: t.accent,
        QPalette.ColorRole.LinkVisited: t.accent,
        QPalette.ColorRole.Accent: t.accent,
        QPalette.ColorRole.Light: t.field_hover,
        QPalette.ColorRole.Midlight: t.field_hover,
        QPalette.ColorRole.Mid: t.border,
        QPalette.ColorRole.Dark: t.border,
        QPalette.ColorRole.Shadow: t.window,
    }
    out = QPalette()
    for role, colour in roles.items():
        out.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        out.setColor(QPalette.ColorGroup.Disabled, role, QColor(t.disabled))
    return out

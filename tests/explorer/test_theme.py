"""The look: colours that can be read and told apart, switching, icons, no warnings."""

import dataclasses
import itertools
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QColor, QFontInfo, QGuiApplication, QIcon, QImage, QPalette
from PySide6.QtWidgets import QApplication, QComboBox, QPushButton

from explorer.style import theme as themes
from explorer.style.glyphs import GLYPHS, svg
from explorer.style.icons import icon, pixmap, set_icon
from explorer.style.stylesheet import restyle, style_sheet
from explorer.style.theme import DARK, LIGHT, blend, theme

BOTH = pytest.mark.parametrize("tokens", [DARK, LIGHT], ids=["dark", "light"])

# Full dichromacy on linear RGB (Machado, Oliveira & Fernandes 2009, table 1, severity 1).
VISION = {
    "normal": np.eye(3),
    "protan": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deutan": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "tritan": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}  # fmt: skip


@pytest.fixture(autouse=True)
def dressed(qapp):
    """The application as the program dresses it, dark, and dark again afterwards."""
    themes.apply(qapp)
    theme().set("dark")
    yield qapp
    theme().set("dark")


def linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """WCAG 2.1 contrast ratio."""
    la, lb = (float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))
    return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of a linear RGB colour."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@BOTH
def test_text_can_be_read_on_every_ground(tokens):
    for ground in (tokens.surface, tokens.window, tokens.field):
        for ink in (tokens.text, tokens.muted):
            assert contrast(ink, ground) >= 4.5, (ink, ground)
    for ink in (tokens.danger, tokens.warning, tokens.good, tokens.accent):
        assert contrast(ink, tokens.surface) >= 4.5, ink
    assert contrast(tokens.accent_text, tokens.accent) >= 4.5
    assert contrast(tokens.text, tokens.selection) >= 4.5


@BOTH
def test_curves_and_categories_stand_out_from_the_card(tokens):
    for colour in (*tokens.series, *tokens.labels):
        assert contrast(colour, tokens.surface) >= 3.0, colour


@BOTH
@pytest.mark.parametrize("vision", VISION)
def test_the_colour_blind_can_tell_ten_categories_apart(tokens, vision):
    seen = [lab(np.array(VISION[vision]) @ linear(c)) for c in tokens.labels]
    nearest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert len(tokens.labels) == 10
    assert nearest >= 13.0  # CIE76; 2.3 is just noticeable


@BOTH
def test_every_colour_is_a_colour(tokens):
    for name, value in dataclasses.asdict(tokens).items():
        for colour in value if isinstance(value, tuple) else [value]:
            assert name == "is_dark" or (len(colour) == 7 and int(colour[1:], 16) >= 0)
    assert tokens.label(12) == tokens.labels[2]
    assert tokens.curve(len(tokens.series)) == tokens.series[0]


def test_blend_lies_between():
    assert blend("#ffffff", "#000000", 0.0) == "#000000"
    assert blend("#ffffff", "#000000", 1.0) == "#ffffff"
    assert blend("#ff0000", "#0000ff", 0.5) == "#800080"


def test_switching_repaints_the_palette_and_tells_once(dressed, qtbot):
    heard: list[object] = []
    theme().changed.connect(heard.append)
    theme().set("light")
    theme().set("light")
    assert heard == [LIGHT]
    assert dressed.palette().color(QPalette.ColorRole.Window).name() == LIGHT.window
    theme().changed.disconnect(heard.append)


def test_system_is_one_of_the_two_and_an_unknown_theme_is_refused():
    theme().set("system")
    assert theme().tokens in (DARK, LIGHT)
    with pytest.raises(ValueError, match="there is no theme 'pink'"):
        theme().set("pink")


def test_it_follows_the_system_where_that_tells(dressed, monkeypatch):
    """No platform here lets a program change the scheme: what the system says is put in its mouth."""

    class System(QGuiApplication):
        said = Qt.ColorScheme.Unknown

        @classmethod
        def styleHints(cls):
            return SimpleNamespace(colorScheme=lambda: cls.said)

    monkeypatch.setattr(themes, "QGuiApplication", System)
    theme().set("system")
    for System.said, tokens in (
        (Qt.ColorScheme.Light, LIGHT),
        (Qt.ColorScheme.Dark, DARK),
        (Qt.ColorScheme.Light, LIGHT),
        (Qt.ColorScheme.Unknown, DARK),
    ):
        dressed.styleHints().colorSchemeChanged.emit(System.said)
        assert theme().tokens is tokens
        assert dressed.palette().color(QPalette.ColorRole.Window).name() == tokens.window
    theme().set("light")
    dressed.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Dark)
    assert theme().tokens is LIGHT  # as was asked for


def test_the_font_is_13_pixels_of_an_installed_family(dressed):
    assert dressed.font().pixelSize() == 13
    info = QFontInfo(dressed.font())
    assert info.family() == dressed.font().families()[0]


def test_style_sheet_leaves_no_placeholder_and_its_drawings_exist():
    sheet = style_sheet(DARK)
    assert "$" not in sheet
    paths = [Path(part.split(")")[0]) for part in sheet.split("url(")[1:]]
    assert len(paths) > 5
    for path in paths:
        assert ET.parse(path).getroot().tag.endswith("svg")


def test_a_combo_box_has_a_chevron_in_the_muted_colour_and_no_frame(qtbot):
    combo = QComboBox()
    qtbot.addWidget(combo)
    combo.addItem("one")
    combo.resize(160, 28)
    picture = combo.grab().toImage()
    right = {picture.pixelColor(x, y).name() for x in range(138, 158) for y in range(4, 24)}
    assert DARK.muted in right
    assert picture.pixelColor(130, 14).name() == DARK.field
    assert picture.pixelColor(80, 0).name() == DARK.border


def test_a_primary_button_is_the_accent_and_roles_can_change(qtbot):
    button = QPushButton("Train")
    qtbot.addWidget(button)
    button.resize(100, 28)
    assert button.grab().toImage().pixelColor(8, 14).name() == DARK.field
    restyle(button, "primary")
    assert button.grab().toImage().pixelColor(8, 14).name() == DARK.accent


@pytest.mark.parametrize("name", GLYPHS)
def test_every_icon_is_valid_svg_and_draws_in_its_colour_within_its_square(name, qapp):
    root = ET.fromstring(svg(name, "#12ab34"))
    assert len(root) > 0
    picture = pixmap(name, "#ff0000", 64).toImage().convertToFormat(QImage.Format.Format_RGBA8888)
    alpha = np.frombuffer(picture.constBits(), np.uint8).reshape(64, 64, 4)[..., 3]
    assert (alpha > 200).sum() > 40
    assert not alpha[0].any()
    assert not alpha[-1].any()
    y, x = np.argwhere(alpha == 255)[0]
    assert picture.pixelColor(int(x), int(y)).name() == "#ff0000"


def test_icons_follow_the_theme_for_as_long_as_their_target_lives(qapp, qtbot):
    def ink(of: QIcon) -> str:
        picture = of.pixmap(QSize(32, 32)).toImage()
        return picture.pixelColor(picture.width() // 2, picture.height() // 2).name()

    action = QAction("Train", qapp)
    set_icon(action, "play")
    assert ink(action.icon()) == DARK.text
    theme().set("light")
    assert ink(action.icon()) == LIGHT.text
    set_icon(action, "stop", "accent")
    theme().set("dark")
    assert ink(action.icon()) == DARK.accent
    action.deleteLater()
    del action
    QApplication.sendPostedEvents(None, 52)  # DeferredDelete
    theme().set("light")  # calls nothing that is gone


def test_an_unknown_icon_is_an_error(qapp):
    with pytest.raises(KeyError):
        icon("nonsense")


def test_the_colours_change_everywhere(program):
    program.hover(0.5, 0.5)
    for name, tokens in (("light", LIGHT), ("dark", DARK)):
        program.trigger(name)
        program.settle()
        picture = program.pixels(program.window)
        common = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
        counts = dict(zip(map(tuple, common[0]), common[1], strict=True))
        ground = [counts.get(QColor(c).getRgb()[:3], 0) for c in (tokens.window, tokens.surface)]
        assert sum(ground) > 0.3 * picture.shape[0] * picture.shape[1]
    assert program.session.state.theme == "dark"

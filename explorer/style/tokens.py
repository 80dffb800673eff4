"""The one table of colours, dark and light, that widgets, plots and icons share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tokens:
    """Every colour of the program as ``"#rrggbb"``.

    window: behind the cards. surface: a card. field: inputs and buttons. track: the empty part of a
    progress bar or slider. series: curves. labels: ten categories that the colour-blind can tell apart: any
    two lie at least 14 apart in CIE L*a*b*, under full protanopia, deuteranopia and tritanopia too.
    """

    is_dark: bool
    window: str
    surface: str
    field: str
    field_hover: str
    border: str
    border_strong: str
    text: str
    muted: str
    disabled: str
    accent: str
    accent_hover: str
    accent_text: str
    selection: str
    danger: str
    warning: str
    good: str
    grid: str
    axis: str
    track: str
    series: tuple[str, ...]
    labels: tuple[str, ...]

    def label(self, index: int) -> str:
        """The colour of a category; they repeat after the tenth."""
        return self.labels[index % len(self.labels)]

    def curve(self, index: int) -> str:
        """The colour of a curve; they repeat after the last."""
        return self.series[index % len(self.series)]


DARK = Tokens(
    is_dark=True,
    window="#14171c",
    surface="#1b1f26",
    field="#232831",
    field_hover="#2a303b",
    border="#303743",
    border_strong="#465061",
    text="#e6e9ee",
    muted="#9aa3b0",
    disabled="#646d7b",
    accent="#5aa9ff",
    accent_hover="#7bbaff",
    accent_text="#0b1420",
    selection="#28456a",
    danger="#ff7b7b",
    warning="#f0b34d",
    good="#5cc98f",
    grid="#262c36",
    axis="#3b4451",
    track="#2a303b",
    series=("#5aa9ff", "#f0b34d", "#5cc98f", "#e58ad0", "#b09bff", "#5fd0d6", "#ff8f70", "#b9c0ca"),
    labels=(
        "#4f98dc", "#ec8c30", "#f26678", "#74d7df", "#6fc360",
        "#f1d051", "#bf84b4", "#f299a7", "#9b684e", "#e0e0d5",
    ),
)  # fmt: skip

LIGHT = Tokens(
    is_dark=False,
    window="#f4f5f7",
    surface="#ffffff",
    field="#f0f2f5",
    field_hover="#e7eaef",
    border="#d9dde3",
    border_strong="#b7bfca",
    text="#171b21",
    muted="#5d6673",
    disabled="#9aa2ad",
    accent="#1768d1",
    accent_hover="#2a78dd",
    accent_text="#ffffff",
    selection="#cfe2fb",
    danger="#c62f36",
    warning="#8f5a00",
    good="#1b7f4b",
    grid="#eceef2",
    axis="#c3c9d2",
    track="#e2e5ea",
    series=("#1768d1", "#c06a00", "#1b7f4b", "#b03a94", "#6a4fd0", "#0d7f8a", "#c4452a", "#5d6673"),
    labels=(
        "#2372b9", "#e76c53", "#a72116", "#2da193", "#0d8232",
        "#af8f0d", "#a872ad", "#c55e6a", "#714d3b", "#6b6376",
    ),
)  # fmt: skip


def rgb(colour: str) -> tuple[int, int, int]:
    """ "#rrggbb" → (r, g, b)."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def blend(foreground: str, background: str, share: float) -> str:
    """The opaque ``"#rrggbb"`` of a foreground laid over a background with opacity ``share``."""
    pairs = [(int(foreground[i : i + 2], 16), int(background[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)

"""The drawings behind icons and style sheet: 16×16 SVG bodies in which {c} is the colour."""

from __future__ import annotations

_STROKE = 'fill="none" stroke="{c}" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"'


def _line(*paths: str) -> str:
    return "".join(f'<path {_STROKE} d="{d}"/>' for d in paths)


def _solid(*paths: str) -> str:
    return "".join(f'<path fill="{{c}}" d="{d}"/>' for d in paths)


def _ring(x: float, y: float, radius: float) -> str:
    return f'<circle {_STROKE} cx="{x}" cy="{y}" r="{radius}"/>'


def _spot(x: float, y: float, radius: float) -> str:
    return f'<circle fill="{{c}}" cx="{x}" cy="{y}" r="{radius}"/>'


_FRAME = "M2.6 3.6c0-.4.4-.8.8-.8h9.2c.4 0 .8.4.8.8v8.8c0 .4-.4.8-.8.8H3.4a.8.8 0 0 1-.8-.8z"
_RAYS = (
    "M8 1.6v1.2", "M8 13.2v1.2", "M1.6 8h1.2", "M13.2 8h1.2",
    "M3.5 3.5l.8.8", "M11.7 11.7l.8.8", "M12.5 3.5l-.8.8", "M4.3 11.7l-.8.8",
)  # fmt: skip

GLYPHS: dict[str, str] = {
    "play": _solid("M4.5 2.8v10.4a.6.6 0 0 0 .92.5l8-5.2a.6.6 0 0 0 0-1l-8-5.2a.6.6 0 0 0-.92.5z"),
    "play-back": _solid("M11.5 2.8v10.4a.6.6 0 0 1-.92.5l-8-5.2a.6.6 0 0 1 0-1l8-5.2a.6.6 0 0 1 .92.5z"),
    "pause": _solid("M4 3h2.8v10H4z", "M9.2 3H12v10H9.2z"),
    "step": _solid("M3 3.3v9.4a.6.6 0 0 0 .92.5l6.6-4.7a.6.6 0 0 0 0-1L3.92 2.8a.6.6 0 0 0-.92.5z")
    + _line("M12.8 3v10"),
    "start": _solid(
        "M13 3.3v9.4a.6.6 0 0 1-.92.5L5.5 8.5a.6.6 0 0 1 0-1l6.58-4.7a.6.6 0 0 1 .92.5z", "M3 3h1.6v10H3z"
    ),
    "branch": _line("M4.2 5.6v4.8", "M11.8 5.6c0 3-4 2.4-7.2 4.4")
    + _ring(4.2, 3.9, 1.7)
    + _ring(4.2, 12.1, 1.7)
    + _ring(11.8, 3.9, 1.7),
    "stop": '<rect x="3.5" y="3.5" width="9" height="9" rx="1.5" fill="{c}"/>',
    "restart": _line("M3.2 8a4.9 4.9 0 1 0 1.5-3.5L3 6.1", "M3 2.8v3.3h3.3"),
    "open": _line(
        "M2.2 12.3V4.2c0-.6.4-1 1-1h3l1.6 1.8h4.9c.6 0 1 .4 1 1v1", "M2.3 12.6l1.9-5.1h10l-1.7 5.1z"
    ),
    "save": _line(
        "M8 2.5v7.2", "M4.9 6.8L8 9.9l3.1-3.1", "M2.8 10.6v1.9c0 .6.4 1 1 1h8.4c.6 0 1-.4 1-1v-1.9"
    ),
    "new": _line("M8 3v10", "M3 8h10"),
    "undo": _line("M5.6 3L2.8 5.8l2.8 2.8", "M3 5.8h6.4a3.6 3.6 0 0 1 0 7.2H6.5"),
    "redo": _line("M10.4 3l2.8 2.8-2.8 2.8", "M13 5.8H6.6a3.6 3.6 0 0 0 0 7.2h2.9"),
    "sun": _ring(8, 8, 2.8) + _line(*_RAYS),
    "moon": _line("M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8z"),
    "fit": _line(
        "M2.8 6V3.6c0-.4.4-.8.8-.8H6",
        "M10 2.8h2.4c.4 0 .8.4.8.8V6",
        "M13.2 10v2.4c0 .4-.4.8-.8.8H10",
        "M6 13.2H3.6a.8.8 0 0 1-.8-.8V10",
    ),
    "tune": _line("M2.6 5h5", "M11.2 5h2.2", "M2.6 11h1.8", "M8 11h5.4")
    + _ring(9.4, 5, 1.7)
    + _ring(6.2, 11, 1.7),
    "search": _ring(7, 7, 4.2) + _line("M10.2 10.2l3.2 3.2"),
    "close": _line("M4 4l8 8", "M12 4l-8 8"),
    "more": _spot(3.4, 8, 1.3) + _spot(8, 8, 1.3) + _spot(12.6, 8, 1.3),
    "copy": _line(
        "M5.8 5.8h6.4c.4 0 .8.4.8.8v6.1c0 .4-.4.8-.8.8H6.6a.8.8 0 0 1-.8-.8z",
        "M10.4 5.6V3.4c0-.4-.4-.8-.8-.8H3.6c-.4 0-.8.4-.8.8v6c0 .4.4.8.8.8h2",
    ),
    "picture": _line(_FRAME, "M2.8 11l3-3 2.6 2.6 2-2 2.8 2.8") + _spot(10.4, 5.9, 1),
    "table": _line(_FRAME, "M2.8 6.4h10.4", "M6.4 6.4v6.6"),
    "float": _line(
        "M6.2 3H3.6c-.4 0-.8.4-.8.8v8.6c0 .4.4.8.8.8h8.6c.4 0 .8-.4.8-.8V9.8", "M9.2 2.8h4v4", "M13 3L7.6 8.4"
    ),
    "commands": _line("M4.5 4.5L8 8l-3.5 3.5", "M8.8 11.6h3.4"),
    "info": _ring(8, 8, 5.6) + _line("M8 7.6v3") + _spot(8, 5.2, 0.9),
    "warning": _line("M8 2.6l5.8 10.2H2.2z", "M8 6.6v2.6") + _spot(8, 11, 0.8),
    "error": _ring(8, 8, 5.6) + _line("M8 5v3.4") + _spot(8, 10.8, 0.9),
    "chevron-down": _line("M4.5 6.5L8 10l3.5-3.5"),
    "chevron-up": _line("M4.5 9.5L8 6l3.5 3.5"),
    "chevron-right": _line("M6.5 4.5L10 8l-3.5 3.5"),
    "check": _line("M3.8 8.4l2.8 2.8 5.6-6"),
    "dot": _spot(8, 8, 3),
}


def svg(name: str, colour: str) -> bytes:
    """A glyph as an SVG document in one colour; KeyError for a name that is not in GLYPHS."""
    body = GLYPHS[name].replace("{c}", colour)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">{body}</svg>'.encode()

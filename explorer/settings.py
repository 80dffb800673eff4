"""What the program remembers between two starts: the state, recent files, the window's arrangement."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from string import hexdigits
from typing import Any

from PySide6.QtCore import QStandardPaths

from backends.atomic import replacing
from explorer.state import State, from_json, to_json

RECENT = 8


@dataclass(frozen=True)
class Settings:
    """Of the window geometry and arrangement, as Qt's own bytes, in hexadecimal. point: the one of latent
    space that is held, on which a saved session opens; empty for none."""

    state: State = field(default_factory=State)
    recent: tuple[str, ...] = ()
    geometry: str = ""
    arrangement: str = ""
    point: tuple[float, ...] = ()

    def opened(self, path: str) -> Settings:
        """With ``path`` first among the recent files."""
        return replace(self, recent=(path, *(p for p in self.recent if p != path))[:RECENT])

    def forgotten(self, path: str) -> Settings:
        """Without ``path`` among the recent files."""
        return replace(self, recent=tuple(p for p in self.recent if p != path))


def folder() -> Path:
    """Where settings and kept runs are."""
    return Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation))


def load(home: Path) -> Settings:
    """The settings in ``home``; what is missing or damaged there is at its default."""
    try:
        return from_plain(json.loads((home / "settings.json").read_text("utf-8")))
    except (OSError, ValueError, RecursionError):
        return Settings()


def save(home: Path, settings: Settings) -> None:
    """Write the settings; OSError or InputError where that cannot be done."""
    home.mkdir(parents=True, exist_ok=True)
    with replacing(home / "settings.json") as file:
        file.write(json.dumps(plain(settings), indent=1).encode())


def plain(settings: Settings) -> dict[str, Any]:
    """As what JSON has."""
    return {
        "state": json.loads(to_json(settings.state)),
        "recent": list(settings.recent),
        "geometry": settings.geometry,
        "arrangement": settings.arrangement,
        "point": list(settings.point),
    }


def from_plain(raw: object) -> Settings:
    """From what :func:`plain` gave; what is missing or of another kind is at its default."""
    if not isinstance(raw, dict):
        return Settings()
    recent = raw.get("recent")
    texts = {key: raw[key] for key in ("geometry", "arrangement") if _is_hexadecimal(raw.get(key))}
    return Settings(
        state=from_json(json.dumps(raw.get("state"))),
        recent=tuple(str(p) for p in recent)[:RECENT] if isinstance(recent, list) else (),
        point=_numbers(raw.get("point")),
        **texts,
    )


def _numbers(raw: object) -> tuple[float, ...]:
    if not isinstance(raw, list) or not all(isinstance(x, float) and isfinite(x) for x in raw):
        return ()
    return tuple(raw)


def _is_hexadecimal(text: object) -> bool:
    return isinstance(text, str) and set(text) <= set(hexdigits)

"""A data set in one line of text: a name, a file or a folder, and what was chosen of it.

"NAME", "NAME:ROWS", "PATH", or "PATH:KEY=VALUE,…" with the keys of :class:`Choices`. In a value, ",", ":"
and "%" are written %2C, %3A and %25, as in an address.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from backends.base import InputError

COLOURS = ("grey", "rgb")
SMALLEST, LARGEST = 4, 512  # of a square of pixels
_CHOSEN = re.compile(r"(?:label|size|colour)=[^,]*(?:,(?:label|size|colour)=[^,]*)*")


@dataclass(frozen=True)
class Choices:
    """What was chosen of a file or a folder; None is left to what it holds.

    label: a table's column, or an archive's array, of labels; "" for none.
    size: the side of the squares, in pixels, that a folder's images are made.
    colour: what they are made, "grey" or "rgb".
    """

    label: str | None = None
    size: int | None = None
    colour: str | None = None

    def __post_init__(self) -> None:
        if self.size is not None and not SMALLEST <= self.size <= LARGEST:
            raise InputError(
                f"size={self.size}: images can be made squares of {SMALLEST} to {LARGEST} pixels"
            )
        if self.colour not in (None, *COLOURS):
            raise InputError(f"colour={self.colour}: images can be made {' or '.join(COLOURS)}")

    def text(self) -> str:
        """As it is written after a path's colon; "" where nothing was chosen."""
        given = ((f.name, getattr(self, f.name)) for f in fields(self))
        return ",".join(f"{name}={_quoted(str(value))}" for name, value in given if value is not None)


def parse(text: str) -> tuple[str, Choices]:
    """(path, what was chosen of it) in a line of text; raises InputError for a choice that cannot be."""
    path, colon, chosen = _divided(text)
    if not colon:
        return text, Choices()
    given = dict(pair.split("=", 1) for pair in chosen.split(","))
    size = given.get("size")
    if size is not None and not (size.isdecimal() and len(size) < 6):
        raise InputError(f"'{text}': size is a whole number of pixels, not '{size}'")
    label = None if "label" not in given else unquote(given["label"])
    return path, Choices(label, None if size is None else int(size), given.get("colour"))


def _divided(text: str) -> tuple[str, str, str]:
    """The path, the colon and what comes after it; without choices the text is all path."""
    if not os.path.exists(text):
        for colon in (m.start() for m in reversed(list(re.finditer(":", text)))):
            if _CHOSEN.fullmatch(text, colon + 1):
                return text[:colon], ":", text[colon + 1 :]
    return text, "", ""


def _quoted(value: str) -> str:
    return value.replace("%", "%25").replace(",", "%2C").replace(":", "%3A")


def text_of(source: Mapping[str, Any]) -> str:
    """The line that opens the data of a ``DataInfo.source`` again; "" where it names none."""
    if "name" in source and "rows" in source:
        return f"{source['name']}:{source['rows']}"
    if "name" in source:
        return str(source["name"])
    path = source.get("folder") or source.get("file")
    chosen = choices_of(source).text()
    return f"{path or ''}:{chosen}" if path and chosen else str(path or "")


def choices_of(source: Mapping[str, Any]) -> Choices:
    """What was chosen of the file or folder of a ``DataInfo.source``."""
    label, size, colour = (source.get(key) for key in ("label_column", "size", "colour"))
    return Choices(
        label if isinstance(label, str) else None,
        size if isinstance(size, int) and not isinstance(size, bool) else None,
        colour if isinstance(colour, str) else None,
    )


def as_chosen(text: str, source: Mapping[str, Any]) -> str:
    """A folder's line, with what was chosen of the images of another source where it says nothing."""
    path, given = parse(text)
    other = choices_of(source)
    chosen = Choices(given.label, given.size or other.size, given.colour or other.colour).text()
    return f"{path}:{chosen}" if chosen else path


def title_of(text: str) -> str:
    """A short name for such a line: what its path ends in."""
    return Path(parse(text)[0]).name or text

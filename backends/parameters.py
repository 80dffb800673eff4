"""How a model declares its hyper-parameters. Forms, command line and checkpoints all come from this."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.base import InputError, Value

_KINDS = {"int": int, "float": float, "bool": bool, "choice": str}


@dataclass(frozen=True)
class Custom:
    """What a choice may be besides its choices: JSON text, a list or an object, in a form that has a name.

    doc: the form in a few words. check: a text → the same in one canonical writing. read: a file → such a
    text. Both raise InputError with the fault.
    """

    name: str
    doc: str
    check: Callable[[str], str]
    read: Callable[[Path], str]


@dataclass(frozen=True)
class Parameter:
    """One hyper-parameter: name, title as shown, type ("int", "float", "bool", "choice"), range, doc.

    minimum and maximum are inclusive unless ``open_minimum``; ``live`` ones may change during a run.
    What was typed is exactly what is used: floats are never rounded on the way. A choice with a ``custom``
    form may also be JSON text in that form; where the path of a file is typed, the value is what it holds.
    when: the name of a choice and those of its values with which this parameter means something; with others
    it is allowed, and does nothing.
    """

    name: str
    type: str
    default: Value
    doc: str
    title: str = ""
    minimum: float | None = None
    maximum: float | None = None
    open_minimum: bool = False
    choices: tuple[str, ...] = ()
    live: bool = False
    custom: Custom | None = None
    when: tuple[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        if self.type not in _KINDS:
            raise ValueError(f"{self.name}: unknown parameter type {self.type!r}")
        object.__setattr__(self, "title", self.title or self.name.replace("_", " ").capitalize())
        object.__setattr__(self, "default", self.check(self.default))

    def parse(self, text: str) -> Value:
        """The value that a person typed; raises InputError with the reason."""
        path = os.path.expanduser(text.strip())
        text = text.strip().replace("\N{MINUS SIGN}", "-")
        if self.type == "bool":
            low = text.lower()
            if low in ("true", "yes", "on", "1"):
                return True
            if low in ("false", "no", "off", "0"):
                return False
            raise InputError(f"{self.name}: '{text}' is neither true nor false")
        if self.type == "choice":
            if self.custom is None or text in self.choices or _is_json(text):
                return self.check(text)
            if os.path.splitext(path)[1] and not os.path.exists(path):
                raise InputError(f"{self.name}: there is no file '{text[:200]}'")
            if not os.path.isfile(path):
                return self.check(text)
            try:
                return self.check(self.custom.read(Path(path)))
            except InputError as error:
                raise InputError(f"{self.name}: {str(error).removeprefix(f'{self.name}: ')}") from None
        try:
            number = int(text) if self.type == "int" else float(text)
        except ValueError:
            wanted = "a whole number" if self.type == "int" else "a number"
            raise InputError(f"{self.name}: '{text}' is not {wanted}") from None
        return self.check(number)

    def check(self, value: Any) -> Value:
        """The value in this parameter's type; raises InputError when it is of another or out of range."""
        if self.type == "choice":
            if value in self.choices:
                return str(value)
            if self.custom is None or not isinstance(value, str) or not _is_json(value):
                raise InputError(f"{self.name}: '{str(value)[:80]}' is not one of {self.range_text()}")
            try:
                return self.custom.check(value)
            except InputError as error:
                raise InputError(f"{self.name}: {error}") from None
        if self.type == "bool":
            if not isinstance(value, bool):
                raise InputError(f"{self.name}: {value!r} is neither true nor false")
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"{self.name}: {value!r} is not a number")
        try:
            number = float(value)
        except OverflowError:  # a whole number of more than 308 digits
            number = math.inf
        if not math.isfinite(number):
            raise InputError(f"{self.name}: {number} is not finite")
        if self.type == "int":
            if value != int(value):
                raise InputError(f"{self.name}: {value!r} is not a whole number")
            number = int(value)
        too_low = self.minimum is not None and (
            number <= self.minimum if self.open_minimum else number < self.minimum
        )
        if too_low or (self.maximum is not None and number > self.maximum):
            raise InputError(f"{self.name}: {number} is outside {self.range_text()}")
        return number

    def counts(self, values: Mapping[str, Value]) -> bool:
        """Whether the parameter means something beside these values of the others."""
        return self.when is None or values.get(self.when[0]) in self.when[1]

    def format(self, value: Value) -> str:
        """The shortest text that parses back to exactly this value."""
        if isinstance(value, bool):
            return "true" if value else "false"
        return repr(value) if isinstance(value, float) else str(value)

    def range_text(self) -> str:
        """The range in words, for tooltips and errors."""
        if self.type == "choice":
            return ", ".join(self.choices) + ("" if self.custom is None else f", or {self.custom.doc}")
        low, high = self.minimum, self.maximum
        if low is not None and high is not None:
            return f"{'(' if self.open_minimum else '['}{low:g}, {high:g}]"
        if low is not None:
            return f"{'>' if self.open_minimum else '≥'} {low:g}"
        if high is not None:
            return f"≤ {high:g}"
        return "any"

    def json(self) -> dict[str, Any]:
        """For ``latent-explorer models --json``."""
        out = {
            "name": self.name, "title": self.title, "type": self.type, "default": self.default,
            "minimum": self.minimum, "maximum": self.maximum, "choices": list(self.choices),
            "live": self.live, "doc": self.doc, "custom": self.custom and self.custom.name,
            "when": self.when and {self.when[0]: list(self.when[1])},
        }  # fmt: skip
        return {k: v for k, v in out.items() if v not in (None, [])}


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in ("[", "{")


def resolve(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Value]:
    """All parameters, in declared order, the given ones checked and the others at their default."""
    known = {p.name: p for p in parameters}
    for name in given:
        if name not in known:
            raise InputError(f"there is no parameter '{name}'; there are {', '.join(known)}")
    return {p.name: p.check(given[p.name]) if p.name in given else p.default for p in parameters}


def parse_settings(parameters: Sequence[Parameter], settings: Sequence[str]) -> dict[str, Value]:
    """``["beta=2", "width=64"]`` → values, checked."""
    known = {p.name: p for p in parameters}
    out: dict[str, Value] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"'{setting}' is not of the form key=value")
        if name not in known:
            raise InputError(f"there is no parameter '{name}'; there are {', '.join(known)}")
        out[name] = known[name].parse(text)
    return out


def check_live(parameters: Sequence[Parameter], name: str, value: Any) -> Value:
    """The value for a parameter that changes during a run, checked; InputError where it may not change."""
    live = {p.name: p for p in parameters if p.live}
    if name not in live:
        can = f"{' and '.join(live)} can" if live else "nothing can"
        raise InputError(f"{name} cannot change during a run; {can}")
    return live[name].check(value)

"""Pins: named latents that a user has set, and arithmetic on them. All plain data, a part of the state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from string import ascii_uppercase

import numpy as np

from backends.base import Array, InputError
from explorer.state import Pin, State, is_name

_TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|([^\W\d]\w*)|(.))")
_SIGNS = str.maketrans("−–·×÷", "--**/")  # as they are printed, or come from elsewhere by the clipboard


def shown(state: State, dim: int) -> tuple[Pin, ...]:
    """The pins that lie in a latent space of this dimension; the others wait for a model of theirs."""
    return tuple(pin for pin in state.pins if len(pin.z) == dim)


def at(state: State, name: str, dim: int) -> Array | None:
    """Where the pin of this name lies, (dim,) float64; None where there is none of this dimension."""
    return next((np.array(pin.z) for pin in shown(state, dim) if pin.name == name), None)


def new_name(state: State) -> str:
    """The first of A … Z, A2 … that no pin has."""
    taken = {pin.name for pin in state.pins}
    names = (f"{letter}{number}" for number in _numbers() for letter in ascii_uppercase)
    return next(name for name in names if name not in taken)


def _numbers() -> Iterator[str]:
    yield ""
    yield from map(str, count(2))


def with_pin(state: State, name: str, z: Array) -> State:
    """The state with a pin of this name at z (k,), in place of one that was called so."""
    pin = Pin(name, tuple(float(value) for value in z))
    if any(p.name == name for p in state.pins):
        return replace(state, pins=tuple(pin if p.name == name else p for p in state.pins))
    return replace(state, pins=(*state.pins, pin))


def renamed(state: State, old: str, new: str) -> State:
    """The state with a pin called otherwise, also where a path ends in it and the plane goes through it;
    InputError for a name that it cannot have."""
    new = check_name(new)
    if new != old and any(pin.name == new for pin in state.pins):
        raise InputError(f"there is a pin called {new} already")
    path = replace(
        state.path,
        a=new if state.path.a == old else state.path.a,
        b=new if state.path.b == old else state.path.b,
    )
    through = tuple(new if name == old else name for name in state.map.plane.pins)
    shown = replace(state.map, plane=replace(state.map.plane, pins=through))
    pins = tuple(replace(pin, name=new) if pin.name == old else pin for pin in state.pins)
    return replace(state, pins=pins, path=path, map=shown)


def called(old: State, new: State, name: str) -> str:
    """What the pin of this name in one state is called in the next, as a rename that is undone leaves it in
    its place; "" where it is gone."""
    if len(old.pins) == len(new.pins):
        for before, after in zip(old.pins, new.pins, strict=True):
            if before.name == name and before.z == after.z:
                return after.name
    return name if any(pin.name == name for pin in new.pins) else ""


def without(state: State, name: str) -> State:
    """The state without the pin of this name."""
    return replace(state, pins=tuple(pin for pin in state.pins if pin.name != name))


def check_name(name: str) -> str:
    """A name without the blanks around it; InputError for what cannot stand in arithmetic."""
    name = name.strip()
    if not is_name(name):
        raise InputError(f"“{name}” is no name: it takes one word that begins with a letter")
    return name


def computed(state: State, text: str, dim: int) -> tuple[State, str]:
    """The state with the pin that an expression makes, and that pin's name.

    ``text`` is ``a − b + c``, ``0.5*a + 0.5*b``, or either behind a name, ``d = a − b + c``. Raises
    InputError, in a sentence, for what cannot be computed.
    """
    name, equals, expression = text.rpartition("=")
    name = check_name(name) if equals else new_name(state)
    return with_pin(state, name, evaluate(expression, {p.name: np.array(p.z) for p in state.pins}, dim)), name


def evaluate(text: str, pins: Mapping[str, Array], dim: int) -> Array:
    """The latent (dim,) float64 that an expression of pins and numbers stands for.

    Sums, differences, multiples, quotients by numbers, and parentheses. Raises InputError.
    """
    tokens = [
        (m[1] or "", m[2] or "", m[3] or "") for m in _TOKEN.finditer(text.translate(_SIGNS)) if m[0].strip()
    ]
    if not tokens:
        raise InputError("type an expression of pins, such as A − B + C")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            value = _Expression(tokens, pins, dim).value()
    except RecursionError:
        raise InputError("the expression is nested too deeply") from None
    if not isinstance(value, np.ndarray):
        raise InputError("the result is a number and no point: there is no pin in it")
    if not np.isfinite(value).all():
        raise InputError("the result is not finite")
    return value


class _Expression:
    """Recursive descent over tokens (number, name, sign), of each of which one is there.

    sum = product {("+" | "-") product};  product = factor {("*" | "/") factor};
    factor = number | name | "-" factor | "(" sum ")"
    """

    def __init__(self, tokens: list[tuple[str, str, str]], pins: Mapping[str, Array], dim: int) -> None:
        self._tokens, self._pins, self._dim, self._next = tokens, pins, dim, 0

    def value(self) -> Array | float:
        value = self._sum()
        if self._next < len(self._tokens):
            raise InputError(f"“{''.join(self._tokens[self._next])}” stands where + or − should")
        return value

    def _sign(self, among: str) -> str:
        """The sign that comes next, if it is one of these."""
        if self._next < len(self._tokens) and (sign := self._tokens[self._next][2]) and sign in among:
            self._next += 1
            return sign
        return ""

    def _sum(self) -> Array | float:
        value = self._product()
        while sign := self._sign("+-"):
            other = self._product()
            if isinstance(value, np.ndarray) != isinstance(other, np.ndarray):
                raise InputError("a number cannot be added to a pin, only multiplied with it")
            value = value + other if sign == "+" else value - other
        return value

    def _product(self) -> Array | float:
        value = self._factor()
        while sign := self._sign("*/"):
            other = self._factor()
            if isinstance(other, np.ndarray) and (isinstance(value, np.ndarray) or sign == "/"):
                raise InputError("pins cannot be multiplied with, or divided by, one another")
            if sign == "/" and other == 0:
                raise InputError("nothing can be divided by zero")
            value = value * other if sign == "*" else value / other
        return value

    def _factor(self) -> Array | float:
        if self._sign("-"):
            return -self._factor()
        if self._sign("("):
            value = self._sum()
            if not self._sign(")"):
                raise InputError("a parenthesis is not closed")
            return value
        if self._next == len(self._tokens):
            raise InputError("the expression ends where a pin should stand")
        number, name, sign = self._tokens[self._next]
        self._next += 1
        if number:
            return float(number)
        if sign:
            raise InputError(f"“{sign}” stands where a pin should")
        if name not in self._pins:
            raise InputError(f"there is no pin called {name}")
        if len(z := self._pins[name]) != self._dim:
            raise InputError(f"the pin {name} lies in {len(z)} dimensions, and this model has {self._dim}")
        return z

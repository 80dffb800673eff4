"""What a learner asks of a state before it takes it over: the state may come from a damaged file."""

from __future__ import annotations

from collections.abc import Mapping, Set

import numpy as np

from backends.base import Array, InputError


def check_arrays(
    given: Mapping[str, Array], expected: Mapping[str, Array], any_length: Set[str] = frozenset()
) -> None:
    """Raise InputError naming the first array that is missing, unknown, of another form or not finite. Those
    in ``any_length`` may have another shape of as many axes."""
    for name in {**expected, **given}:
        if name not in given:
            raise InputError(f"array {name} is missing")
        if name not in expected:
            raise InputError(f"array {name} belongs to no part of this model")
        array, want = given[name], expected[name]
        fits = array.ndim == want.ndim if name in any_length else array.shape == want.shape
        if array.dtype != want.dtype or not fits:
            raise InputError(
                f"array {name} is {array.dtype} {array.shape} instead of {want.dtype} {want.shape}"
            )
        if not np.isfinite(array).all():
            raise InputError(f"array {name} holds values that are not finite")


def whole_number(values: Mapping[str, object], name: str) -> int:
    """A value that counts; raises InputError where it is missing or no whole number ≥ 0."""
    value = values.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{name}: {value!r} is not a whole number ≥ 0")
    return value

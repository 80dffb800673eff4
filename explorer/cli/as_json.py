"""A line of JSON on the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def json_line(line: Mapping[str, Any] | list[Any]) -> str:
    """As JSON, which knows no infinity and no NaN: such a number is null, and "not_finite" says by where
    it stands which it is, as in {"test/log_likelihood/value": "-inf"}."""
    odd: dict[str, str] = {}

    def finite(value: Any, at: tuple[str, ...] = ()) -> Any:
        if isinstance(value, Mapping):
            return {key: finite(inside, (*at, key)) for key, inside in value.items()}
        if isinstance(value, list | tuple):
            return [finite(inside, (*at, str(i))) for i, inside in enumerate(value)]
        if isinstance(value, float) and not math.isfinite(value):
            odd["/".join(at)] = str(float(value))
            return None
        return value

    out = finite(line)
    if odd and isinstance(out, dict):
        out["not_finite"] = odd
    return json.dumps(out, ensure_ascii=False, allow_nan=False)

"""A flow of one column: where it takes each x, and the densities on either side. Runs in exploration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array
from backends.carry import Slices, transform

PLACES = 401  # along either axis
MARGIN = 0.15  # of the data's width, on either side of them


@dataclass(frozen=True, eq=False)
class FlowLine:
    """z = f(x) and p(x) at ascending x, (n,) each, and p(z) at ascending ``along``, (n,) each; the step."""

    x: Array
    z: Array
    p_x: Array
    along: Array
    p_z: Array
    step: int

    def to_z(self, x: float) -> float | None:
        """f(x) between two of the places; None beside them."""
        return float(np.interp(x, self.x, self.z)) if self.x[0] <= x <= self.x[-1] else None

    def to_x(self, z: float) -> float | None:
        """The x that f takes to z, which is one at most: f is monotone, rising or falling."""
        order = slice(None) if self.z[-1] >= self.z[0] else slice(None, None, -1)
        zs, xs = self.z[order], self.x[order]
        return float(np.interp(z, zs, xs)) if zs[0] <= z <= zs[-1] else None


def flow_line(model: Any, rows: Array) -> Slices[FlowLine]:
    """Of a flow of one column, a little beyond rows (n, 1); p(x) by the change of variables."""
    low, high = (float(rows.min()), float(rows.max())) if len(rows) else (-3.0, 3.0)
    reach = MARGIN * (high - low) or 1.0
    x = np.linspace(low - reach, high + reach, PLACES, dtype=np.float32)
    z, log_det = yield from transform(model, x[:, None])
    p_x = np.exp(model.log_base(z) + log_det)
    yield
    along = np.linspace(float(z.min()), float(z.max()), PLACES, dtype=np.float32)
    p_z = np.exp(model.log_base(along[:, None]))
    x, z, along = x.astype(np.float64), z[:, 0].astype(np.float64), along.astype(np.float64)
    return FlowLine(x, z, p_x, along, p_z, model.stamp.step)

"""How the columns take turns from layer to layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from backends.base import Array, DataInfo, Value
from backends.pytorch.flows.bijections import Bijection, Compose, Layers
from backends.pytorch.flows.matrices import LU


def layers(info: DataInfo, values: Mapping[str, Value], make: Callable[[str, Array], Bijection]) -> Layers:
    """As many layers as ``values`` ask for; ``make`` gets the name of each, and its order of columns (d,).

    Columns keep their places, whatever their order, so that rows travel without jumps; a learned matrix
    begins near the reversal of the columns.
    """
    d, mixing = info.dim, values["mixing"]
    parts = []
    for i in range(int(values["layers"])):
        order = np.arange(d)
        if mixing == "random":
            order = np.random.RandomState(i).permutation(d)  # a stream that NumPy never changes
        elif mixing == "alternate" and i % 2:
            order = order[::-1]
        layer = make(f"layers.{i}", order)
        parts.append(Compose((LU(f"layers.{i}.mixing", d), layer)) if mixing == "linear" else layer)
    return Layers(parts)

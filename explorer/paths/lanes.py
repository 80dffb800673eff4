"""What is told of a path: its lanes below the film, and its length."""

from __future__ import annotations

import numpy as np

from explorer.paths.walk import Walk
from explorer.widgets.film_strip import Lane
from explorer.widgets.values import format_number


def lanes(walk: Walk) -> list[Lane]:
    """What is drawn along a path."""
    out = []
    if walk.log_prior is not None:
        finite = walk.log_prior[np.isfinite(walk.log_prior)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        tip = "log p(z), nats: the density of the prior along the path. Exact."
        out.append(Lane("log p(z)", walk.log_prior, min(low, high - 1) - 0.1, high, tip))
    if walk.within is not None:
        reach = format_number(walk.radius)
        tip = (
            f"Encodings on the map within {reach} of the frame. That is 0.25, or where encodings lie farther "
            "apart, as they do in many dimensions, the radius within which half have 20 others. Where "
            "there is none the path leads through empty space, and is shaded."
        )
        top = max(float(walk.within.max()), 10.0)
        out.append(Lane(f"data in {reach}", walk.within.astype(float), 0.0, top, tip, True))
    tip = (
        "‖J ż‖, ‖ż‖ = 1: by how much the image changes, in the data's units, for each unit of length in z. "
        "By central differences of 0.01; J = ∂E[x|z]/∂z."
    )
    out.append(Lane("speed ‖J ż‖", walk.speed, 0.0, float(walk.speed.max()) or 1.0, tip))
    return out


def summary(walk: Walk) -> str:
    """How long the path is."""
    z, x = format_number(float(walk.latent[-1])), format_number(float(walk.image[-1]))
    if walk.shortest is None:
        return f"length {z} in z, {x} in x"
    straight, length = format_number(walk.shortest.straight), format_number(walk.shortest.length)
    return f"length {z} in z, {length} in x; the straight line's: {straight}"

"""The plane of a latent space that is asked for, and what it leaves out. Runs in exploration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backends.base import Array, InputError
from backends.capabilities import HasPrior
from explorer.plane import (
    LeftOut,
    Plane,
    coordinate_plane,
    plane_between,
    plane_through,
    principal_directions_left,
    principal_plane,
    subscript,
)
from explorer.state import Pin, PlaneSpec
from explorer.studies.look import label_name

PLANE_ROWS = 10_000  # encodings, at most, that directions are found from
PRIOR_ROWS = 2000  # draws that the middle of a prior is found from
MOST = 8  # directions left out that a plane can be moved along


@dataclass(frozen=True, eq=False)
class Known:
    """What a plane can be laid through: encodings (n, k), the labels of their split's rows, and pins. rows:
    which of these the encodings are of, (n,); None: of all."""

    z: Array
    labels: Array | None = None
    label_names: tuple[str, ...] = ()
    pins: tuple[Pin, ...] = ()
    rows: Array | None = None

    def some(self) -> Known:
        """Of many encodings evenly some, with their own labels."""
        every = slice(None, None, -(-len(self.z) // PLANE_ROWS) or 1)
        labels = self.labels
        if labels is not None:
            labels = labels[every] if self.rows is None else labels[self.rows[every]]
        return replace(self, z=self.z[every], labels=labels, rows=None)


def latent_plane(model: Any, spec: PlaneSpec, known: Known, like: Plane | None) -> Plane:
    """The plane of a model's latent space that is asked for, moved by the offsets of the spec.

    Where what it goes through is not there, principal directions stand in, and for these, without encodings
    or with two dimensions, coordinates. Coordinate planes go through 0, or where the prior has nothing at 0,
    through its middle. like: an earlier one, from which it is not to turn away more than it must.

    Raises InputError for pins on one line.
    """
    dim = model.latent_dim
    i, j = (spec.i, spec.j) if max(spec.i, spec.j) < dim else (0, 1)
    if dim <= 2:
        return coordinate_plane(dim, i, j)
    known = known.some()
    plane = _through_pins(spec, known, dim) or _between_labels(spec, known, like)
    if plane is None and spec.kind != "coordinates" and len(known.z):
        plane = principal_plane(known.z, like)
    elif plane is None:
        plane = coordinate_plane(dim, i, j, _middle(model))
    directions = None if like is None or like.left_out is None else like.left_out.directions
    return replace(plane, left_out=left_out(plane, known.z, directions)).moved(spec.offsets)


def _middle(model: Any) -> Array | None:
    """The mean of a prior that has nothing at 0; None for any other."""
    zero = np.zeros((1, model.latent_dim), np.float32)
    if not isinstance(model, HasPrior) or not np.isneginf(model.log_prior(zero)[0]):
        return None
    return np.asarray(model.sample_prior(PRIOR_ROWS, 0).mean(0))


def _through_pins(spec: PlaneSpec, known: Known, dim: int) -> Plane | None:
    there = {pin.name: pin.z for pin in known.pins if len(pin.z) == dim}
    if spec.kind != "pins" or len(spec.pins) != 3 or not there.keys() >= set(spec.pins):
        return None
    a, b, c = spec.pins
    try:
        plane = plane_through(*(np.array(there[name]) for name in spec.pins))
    except ValueError as error:
        raise InputError(f"the pins {a}, {b} and {c} span no plane: {error}") from error
    return replace(plane, labels=(f"{a} → {b}", f"towards {c}"))


def _between_labels(spec: PlaneSpec, known: Known, like: Plane | None) -> Plane | None:
    if spec.kind != "labels" or known.labels is None:
        return None
    groups = [known.z[known.labels == label] for label in (spec.i, spec.j)]
    if not all(len(group) for group in groups):
        return None
    a, b = (group.mean(0, dtype=np.float64) for group in groups)
    if np.array_equal(a, b):
        return None
    names = [label_name(label, known.label_names) for label in (spec.i, spec.j)]
    plane = plane_between(a, b, known.z, like)
    return replace(plane, labels=(f"mean of {names[0]} → {names[1]}", "at right angles"))


def left_out(plane: Plane, z: Array, like: Array | None = None) -> LeftOut | None:
    """What a plane leaves out of a latent space with encodings z (n, k): of a plane of coordinates the
    others, where they are no more than MOST; else the MOST directions at right angles to it along which the
    encodings are widest. None where there are no encodings to find these from. like: such directions found
    earlier."""
    others = np.flatnonzero(~plane.basis.any(axis=0))
    if len(others) == plane.dim - 2 <= MOST:
        directions, names = np.eye(plane.dim)[others], tuple(f"z{subscript(int(i) + 1)}" for i in others)
        std = z.std(0, dtype=np.float64)[others] if len(z) else np.ones(len(others))
        zero = -plane.origin[others]
    elif len(z):
        directions, std = principal_directions_left(plane, z, MOST, like)
        names, zero = tuple(f"d{subscript(i + 3)}" for i in range(len(std))), None
    else:
        return None
    centre = z.mean(0, dtype=np.float64) if len(z) else np.zeros(plane.dim)
    mean = directions @ (centre - plane.origin)
    return LeftOut(plane.origin, directions, names, mean, std, mean if zero is None else zero)


def in_plane(plane: Plane, points: Sequence[Sequence[float]], tolerance: float = 1e-4) -> bool:
    """Do points (k,) each lie in a plane?"""
    z = np.array(points, np.float32).reshape(len(points), -1)
    return z.shape[1] == plane.dim and bool((plane.distance(z) <= tolerance).all())

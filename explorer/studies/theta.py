"""log p(X|θ) and bounds on it, along lines and over planes of the space of θ. Runs in exploration."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array
from explorer.plane import subscript

ROWS = 5_000  # of the data; more are thinned evenly
NUMBERS = 40_000  # of the data, where these are more rows
BLOCK = 100_000  # numbers of the data in a slice of work; a pass has costs of its own for each θ
SLICE = 0.006  # seconds of work between two yields
POINTS = 129  # of a curve: from −0.5 to 1.5 both θ_old at 0 and θ_new at 1 are among them
FIRST = 8  # every so manieth of them comes first, and is drawn
SIDES = (8, 16, 32, 64)  # points a side of a field, coarse to fine
MOMENTS = 200  # of a path; more are thinned evenly
MARGIN = 0.5  # of a path's extent, on each side of it
MOST_NAMED = 50_000  # parameters

Values = Generator[None, None, Array]


@dataclass(frozen=True, eq=False)
class Bound:
    """L(q, θ) along a line, with the q that an E-step made at θ of ``step``.

    touch: where that θ lies on the line, if it does, and log p(X|θ) and L there. top: where L is largest on
    the line, and that L.
    """

    step: int
    values: Array
    touch: tuple[float, float, float] | None
    top: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Profile:
    """log p(X|θ) (m,) at positions (m,) on a line, and bounds, in nats a datum, on so many of the rows.

    main: which of the bounds the line is about. ends: the positions of θ_old and of θ_new, if it is on the
    line, with log p(X|θ) there; steps: theirs. complete: nothing finer follows.
    """

    positions: Array
    log_p: Array
    bounds: tuple[Bound, ...]
    main: int
    steps: tuple[int, int]
    ends: tuple[tuple[float, float], ...]
    rows: int
    complete: bool


@dataclass(frozen=True, eq=False)
class Field:
    """log p(X|θ) over a plane: θ = origin + u·basis[0] + v·basis[1].

    values (s, s), row by row from the lowest v, at the middles of s × s cells over extent (u0, u1, v0, v1).
    path (t, 2): earlier θ projected on the plane, which holds ``share`` of their squared distance from the
    present θ, which lies on it, at ``here`` (2,).
    """

    values: Array
    extent: tuple[float, float, float, float]
    path: Array
    here: Array
    labels: tuple[str, str]
    share: float
    step: int
    rows: int
    complete: bool


def some(x: Array) -> Array:
    """Most of the rows, and where they are very many some, evenly: those left out move the maximum, and EM
    would be seen to go past it."""
    most = max(ROWS, NUMBERS // x.shape[1])
    return x if len(x) <= most else x[np.linspace(0, len(x) - 1, most).round().astype(int)]


def thinned(models: Sequence[Any], most: int = MOMENTS) -> list[Any]:
    """At most so many, evenly, the first and the last among them."""
    if len(models) <= most:
        return list(models)
    return [models[i] for i in np.linspace(0, len(models) - 1, most).round().astype(int)]


def names_of(model: Any) -> list[str]:
    """What the parameters are called, in the order of ``theta``: by the model, or else by their numbers; of
    very many the first ones."""
    size = model.theta().size
    if size <= MOST_NAMED and hasattr(model, "theta_names"):
        return list(model.theta_names())
    return [f"θ{subscript(i + 1)}" for i in range(min(size, MOST_NAMED))]


def values_at(function: Callable[[Array, Array], Array], thetas: Array, x: Array) -> Values:
    """A mean over rows x of each θ, (m, p) → (m,), some θ and some rows at a time."""
    out, done, chunk = np.zeros(len(thetas)), 0, 1
    block = max(BLOCK // x.shape[1], 1)
    while done < len(thetas):
        part, longest = slice(done, done + chunk), 1e-5
        for first in range(0, len(x), block):
            rows, begin = x[first : first + block], time.perf_counter()
            out[part] += len(rows) / len(x) * function(thetas[part], rows)
            longest = max(longest, time.perf_counter() - begin)
            yield
        done += chunk
        chunk = int(np.clip(chunk * SLICE / longest, 1, 4 * chunk))
    return out


def e_step(models: Sequence[Any], i: int) -> Any:
    """A model whose q is what the E-step at the θ of ``models[i]`` made, of a history of models.

    A q that follows from θ is that of the model itself. One with parameters of its own is improved by the
    E-step, and the next model has it: ``at`` keeps such a q, and makes the other kind anew.
    """
    return models[i + 1].at(models[i].theta()) if i + 1 < len(models) else models[i]


def step_of(models: Sequence[Any], model: Any) -> int:
    """The index in a history of θ_old of the step that led to this model, or begins at it if it is first."""
    before = [i for i, m in enumerate(models) if m.stamp.step < model.stamp.step]
    return before[-1] if before else 0


def profile(
    models: Sequence[Any], model: Any, x: Array, along: str, parameter: int, successive: bool
) -> Generator[Profile | None, None, Profile | None]:
    """log p(X|θ) and bounds along a line; None where there is no line yet.

    along: "step", through θ before and after the step that led to ``model``; "path", through the first and
    the last θ; or "parameter", the coordinate of that number through θ_old. successive: also the bounds of
    the steps beside it; of a path, those in the middle and at the end.
    """
    old = step_of(models, model)
    if along == "path":
        chosen = sorted({0, len(models) // 2, len(models) - 1}) if successive else [0]
        first, last, main = 0, len(models) - 1, 0
    else:
        near = range(old - 1, old + 2) if successive else (old,)
        chosen = [i for i in near if 0 <= i < len(models)]
        first, last, main = old, min(old + 1, len(models) - 1), chosen.index(old)
    a, b = models[first].theta(), models[last].theta()
    if along == "parameter":
        i = min(parameter, len(a) - 1)
        path = np.array([m.theta()[i] for m in thinned(models)])
        room = MARGIN * float(np.ptp(path)) or 0.5 * abs(a[i]) or 0.5
        positions = np.linspace(path.min() - room, path.max() + room, POINTS)
        origin, direction, on_line = a.copy(), np.eye(1, len(a), i)[0], {first: float(a[i])}
        origin[i] = 0.0
    elif np.array_equal(a, b):
        return None
    else:
        positions = np.linspace(-0.5, 1.5, POINTS)
        origin, direction, on_line = a, b - a, {first: 0.0, last: 1.0}

    def thetas(at: Array) -> Array:
        return np.asarray(origin + np.asarray(at)[:, None] * direction)

    rows = some(x)
    q = [e_step(models, i) for i in chosen]
    ends = np.array([on_line[i] for i in sorted(on_line)])
    log_p_ends = yield from values_at(model.log_likelihood_at, thetas(ends), rows)
    touches: list[tuple[float, float, float] | None] = []
    for i, one in zip(chosen, q, strict=True):
        if i not in on_line:
            touches.append(None)
            continue
        there = yield from values_at(one.bound_at, thetas(np.array([on_line[i]])), rows)
        touches.append((on_line[i], float(log_p_ends[sorted(on_line).index(i)]), float(there[0])))

    def bound_at(at: Array) -> Values:
        return values_at(q[main].bound_at, thetas(at), rows)

    log_p, bounds = np.full(POINTS, np.nan), np.full((len(q), POINTS), np.nan)
    order = np.argsort(np.arange(POINTS) % FIRST != 0, kind="stable")
    coarse = -(-POINTS // FIRST)
    for part, complete in ((order[:coarse], False), (order[coarse:], True)):
        log_p[part] = yield from values_at(model.log_likelihood_at, thetas(positions[part]), rows)
        for row, one in zip(bounds, q, strict=True):
            row[part] = yield from values_at(one.bound_at, thetas(positions[part]), rows)
        done = np.sort(order[:coarse]) if not complete else np.arange(POINTS)
        found = []
        for j, (i, row) in enumerate(zip(chosen, bounds, strict=True)):
            top = None
            if complete and j == main:
                top = yield from _top(
                    positions, row, lambda at: values_at(q[main].bound_at, thetas(at), rows)
                )
            found.append(Bound(models[i].stamp.step, row[done], touches[j], top))
        steps = models[first].stamp.step, models[last].stamp.step
        yield Profile(
            positions[done], log_p[done], tuple(found), main, steps,
            tuple(zip(ends.tolist(), log_p_ends.tolist(), strict=True)), len(rows), complete,
        )  # fmt: skip
    return None


def _top(
    positions: Array, values: Array, at: Callable[[Array], Values]
) -> Generator[None, None, tuple[float, float] | None]:
    """The largest value, by a parabola through the three points about it, evaluated; None at an end."""
    i = int(np.argmax(np.where(np.isfinite(values), values, -np.inf)))
    if not 0 < i < len(values) - 1 or not np.isfinite(values[i - 1 : i + 2]).all():
        return None
    before, peak, after = values[i - 1 : i + 2]
    bend = before - 2 * peak + after
    where = positions[i] + (0.5 * (before - after) / bend if bend else 0.0) * (positions[1] - positions[0])
    value = yield from at(np.array([where]))
    return (float(where), float(value[0])) if value[0] >= peak else (float(positions[i]), float(peak))


def plane_of(
    path: Array, here: Array, coordinates: tuple[int, int] | None, names: Sequence[str]
) -> tuple[Array, tuple[str, str]]:
    """An orthonormal basis (2, p) of a plane, and names of its directions: two coordinates, or the first two
    principal directions of a path (t, p) of θ. Where the path does not have two, coordinates stand in.

    names: of the first parameters, all of those that can be chosen.
    """
    p = len(here)
    if coordinates is not None:
        i, j = (min(c, len(names) - 1) for c in coordinates)
        j = j if i != j else (i + 1) % p
        return np.stack([np.eye(1, p, i)[0], np.eye(1, p, j)[0]]), (names[i], names[j])
    centred = path - path.mean(0)
    values, vectors = np.linalg.eigh(centred @ centred.T)  # far fewer moments than coordinates
    basis: list[Array] = []
    labels = []
    for value, vector in zip(values[::-1][:2], vectors.T[::-1][:2], strict=False):
        if value > 1e-12 * max(values[-1], 1e-300):
            direction = vector @ centred
            direction = direction / np.linalg.norm(direction)
            basis.append(direction * np.sign(direction[np.abs(direction).argmax()]))
            labels.append(f"direction {len(basis)} of EM's path")
    while len(basis) < 2:
        left = np.ones(p) if not basis else 1 - np.square(basis[0])
        i = int(np.argmax(left[: len(names)]))
        direction = np.eye(1, p, i)[0]
        for other in basis:
            direction = direction - (direction @ other) * other
        basis.append(direction / np.linalg.norm(direction))
        labels.append(f"{names[i]}, across" if basis[1:] else names[i])
    return np.stack(basis), (labels[0], labels[1])


def field(
    models: Sequence[Any],
    model: Any,
    x: Array,
    coordinates: tuple[int, int] | None,
    extent: tuple[float, float, float, float] | None,
    names: Sequence[str],
) -> Generator[Field | None, None, Field | None]:
    """log p(X|θ) over a plane through the θ of ``model``, ever finer.

    coordinates: the plane's two, or None for the principal directions of the path that θ has taken. extent:
    what is in view, (u0, u1, v0, v1); None for the path and as much again around it. names: as
    :func:`names_of` has them.
    """
    here = model.theta()
    if len(here) < 2:
        return None
    path = np.array([m.theta() for m in thinned(models)])
    basis, labels = plane_of(path, here, coordinates, names)
    yield None
    origin = here - (here @ basis.T) @ basis
    uv, centre = path @ basis.T, here @ basis.T
    away = float(np.square(path - here).sum())
    share = float(np.square(uv - centre).sum()) / away if away else 1.0
    extent = extent or _around(np.concatenate([uv, centre[None]]))
    rows, (u0, u1, v0, v1) = some(x), extent
    for side in SIDES:
        middle = (np.arange(side) + 0.5) / side
        v, u = np.meshgrid(v0 + middle * (v1 - v0), u0 + middle * (u1 - u0), indexing="ij")
        flat = np.stack([u.ravel(), v.ravel()], axis=1)
        values = np.empty(len(flat))
        for row in range(0, len(flat), 4 * side):  # the θ of a whole field would be large
            part = slice(row, row + 4 * side)
            thetas = origin + flat[part] @ basis
            values[part] = yield from values_at(model.log_likelihood_at, thetas, rows)
        yield Field(
            values.reshape(side, side), extent, uv, centre, labels, share, model.stamp.step, len(rows),
            complete=side == SIDES[-1],
        )  # fmt: skip
    return None


def _around(uv: Array) -> tuple[float, float, float, float]:
    """A rectangle around points (n, 2), with a margin."""
    low, high = uv.min(0), uv.max(0)
    least = np.maximum(0.1 * float((high - low).max()), 1e-6 + 0.05 * np.abs(uv[-1]))
    half = np.maximum((0.5 + MARGIN) * (high - low), least)
    (u0, v0), (u1, v1) = (low + high) / 2 - half, (low + high) / 2 + half
    return float(u0), float(u1), float(v0), float(v1)

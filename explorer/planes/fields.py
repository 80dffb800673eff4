"""Fields behind the latent map: functions of z on a plane, computed in exploration.

On a plane of a latent space of more dimensions they are what they are at its points, nothing is integrated
out. Directions left out do not count: magnification is that of the plane's own two. Only the reconstruction
error, which rows have and places have not, is shown where the rows' points are: projected on the plane.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends.base import Array, Gaussian
from backends.capabilities import Decodes, Encodes, HasEntropy, HasMetric, HasPrior, LogJoint
from backends.carry import quiet
from explorer.plane import Plane
from explorer.planes.density import CELLS, SHOW_EVERY, enlarged, on_grid
from explorer.planes.shading import Scale, coloured, risen, spread, symmetric
from explorer.slices import in_slices
from explorer.studies.look import few_dimensions
from explorer.view import Picture, View
from explorer.widgets.values import format_number

ROWS = 2000  # of the training rows, drawn at random, where there are more
WINDOW = 12.0  # logical pixels: standard deviation of the window that the reconstruction error is a mean in
FEW = math.exp(-2.0)  # weight in that window below which there are no data near: one row two of these away
BLOCK = 64  # points
BAND = 48  # rows of cells that are coloured in one slice
STRAY = 0.005  # share of the cells at either end that does not stretch the scale where a few stand out

Function = Callable[[Array], Array]  # canvas coordinates (n, 2) → values (n,)
Prepared = Generator[None, None, Function]


@dataclass(frozen=True, eq=False)
class Shaded:
    """A field over the picture's view: its values in cells of so many device pixels, (rows, columns) float64,
    NaN where there is none; and how the picture colours them, by a table (256, 3) uint8. note: of what and by
    how many rows it was made.
    """

    picture: Picture
    values: Array
    cell: int
    scale: Scale
    table: Array
    note: str

    def at(self, u: float, v: float) -> float | None:
        """The value in the cell under a point of the canvas; None outside, and where there is none."""
        view = self.picture.view
        column = int((u - view.x0) / (view.x1 - view.x0) * view.width // self.cell)
        row = int((view.y1 - v) / (view.y1 - view.y0) * view.height // self.cell)
        if not (0 <= row < self.values.shape[0] and 0 <= column < self.values.shape[1]):
            return None
        value = float(self.values[row, column])
        return None if math.isnan(value) else value


@dataclass(frozen=True)
class Kind:
    """A field that can be chosen. label and unit stand at its colours. suits: whether a model has it, and
    needs_data: whether it takes training rows, too.

    prepare(model, rows, plane, view) → the function, in slices. shade: the scale of values seen.
    of_datum: the only row that it takes is the datum that is looked at closely.
    """

    title: str
    label: str
    unit: str
    tip: str
    suits: Callable[[Any], bool]
    prepare: Callable[[Any, Array, Plane, View], Prepared]
    shade: Callable[[Array], Scale]
    needs_data: bool = False
    of_datum: bool = False


# -- the fields -----------------------------------------------------------------------------------


def log_prior(model: Any, rows: Array, plane: Plane, view: View) -> Prepared:
    """log p(z)."""
    yield
    return lambda uv: model.log_prior(plane.to_space(uv))


def aggregate_posterior(model: Any, rows: Array, plane: Plane, view: View) -> Prepared:
    """log q(z), of the aggregate posterior q(z) = Σₙ q(z|xₙ) / N over the rows (N, d) (Makhzani et al. 2016).

    On the plane z = o + Bᵀ(u, v) each q(z|xₙ) is a quadratic in (u, v); so each chunk is one matrix product.
    """

    def quadratics(some: Array) -> Array:
        q = model.encode(some)
        if not isinstance(q, Gaussian):
            raise TypeError("the aggregate posterior is that of a continuous latent")
        return _quadratics(q, plane)

    coefficients = np.concatenate((yield from in_slices(quadratics, rows)), axis=1)
    log_n = math.log(max(len(rows), 1))

    def log_q(uv: Array) -> Array:
        if not len(rows):
            return np.full(len(uv), -np.inf)
        height = _monomials(uv) @ coefficients
        peak = height.max(axis=1)
        height -= peak[:, None]
        # below a peak of 1 single precision is plenty, and it is faster
        return np.asarray(
            peak + np.log(np.exp(height.astype(np.float32)).sum(axis=1, dtype=np.float64)) - log_n
        )

    return lambda uv: _in_blocks(log_q, uv)


def _monomials(uv: Array) -> Array:
    u, v = np.asarray(uv, np.float64).T
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)


def _in_blocks(function: Function, uv: Array) -> Array:
    """A function that makes a table of so many points by all rows, which is to stay in the cache."""
    starts = range(0, len(uv), BLOCK)
    return np.concatenate([function(uv[i : i + BLOCK]) for i in starts] or [np.zeros(0)])


def _quadratics(q: Gaussian, plane: Plane) -> Array:
    """log q(o + Bᵀ(u, v)) as coefficients of 1, u, v, u², uv, v²: (6, n)."""
    mean, k = q.mean.astype(np.float64), q.mean.shape[1]
    start, basis = plane.origin - mean, np.broadcast_to(plane.basis.T, (len(mean), k, 2))
    if q.scale_tril is None:
        std = q.std.astype(np.float64)
        a: Array = start / std
        b: Array = basis / std[:, :, None]
        log_det = np.log(std).sum(1)
    else:
        tril = q.scale_tril.astype(np.float64)
        a, b = np.linalg.solve(tril, start[..., None])[..., 0], np.linalg.solve(tril, basis)
        log_det = np.log(np.diagonal(tril, axis1=1, axis2=2)).sum(1)
    ab, bb = np.einsum("nk,nkj->nj", a, b), np.einsum("nki,nkj->nij", b, b)
    constant = -0.5 * (a * a).sum(1) - log_det - 0.5 * k * math.log(2 * math.pi)
    return np.stack([constant, -ab[:, 0], -ab[:, 1], -0.5 * bb[:, 0, 0], -bb[:, 0, 1], -0.5 * bb[:, 1, 1]])


def holes(model: Any, rows: Array, plane: Plane, view: View) -> Prepared:
    """p(z) − q(z): positive where the prior draws z at which no datum is encoded."""
    log_q = yield from aggregate_posterior(model, rows, plane, view)
    return lambda uv: np.exp(model.log_prior(plane.to_space(uv))) - np.exp(log_q(uv))


def magnification(model: Any, rows: Array, plane: Plane, view: View) -> Prepared:
    """√det(B G Bᵀ) with G = JᵀJ of the decoder's mean, and B the plane's directions: by how much an area of
    the plane (of a line, a length) grows on its way to the data (Bishop et al. 1997). NaN where the prior has
    nothing to decode."""
    yield
    basis = plane.basis[np.any(plane.basis, axis=1)]

    def area(uv: Array) -> Array:
        z = plane.to_space(uv)
        inside = model.log_prior(z) > -np.inf if isinstance(model, HasPrior) else np.ones(len(z), bool)
        out = np.full(len(z), np.nan)
        if inside.any():
            out[inside] = np.sqrt(np.maximum(np.linalg.det(model.metric(z[inside], basis)), 0.0))
        return out

    return area


def entropy(model: Any, rows: Array, plane: Plane, view: View) -> Prepared:
    """Entropy of p(x|z)."""
    yield
    return lambda uv: model.entropy_given(plane.to_space(uv))


def reconstruction_error(model: Any, rows: Array, plane: Plane, view: View) -> Prepared:
    """Mean −log p(x|z) of the rows whose encodings are near on the canvas, as points are drawn there, each at
    the mean of its q(z|x), in a Gaussian window (Nadaraya 1964). NaN where no row is near."""
    found = yield from in_slices(lambda x: _errors(model, x), rows)
    z, error = map(np.concatenate, zip(*found, strict=True))
    width = WINDOW * view.scale * (view.x1 - view.x0) / max(view.width, 1)
    at = plane.to_canvas(z) / width
    half = np.full(len(at), -0.5)
    window = np.stack([half * (at * at).sum(1), at[:, 0], at[:, 1], half, np.zeros(len(at)), half])
    target = np.stack([np.ones_like(error), error], axis=1).astype(np.float32)

    def mean(uv: Array) -> Array:
        near = np.exp((_monomials(uv / width) @ window).astype(np.float32))
        weight, total = (near @ target).T.astype(np.float64)
        return np.where(weight > FEW, total / np.maximum(weight, 1e-30), np.nan)

    return lambda uv: _in_blocks(mean, uv)


def posterior(model: Any, rows: Array, plane: Plane, view: View) -> Prepared:
    """p(z|x) = p(x, z)/p(x) of the first of the rows, p(x) by quadrature; NaN without one."""
    if not len(rows):
        yield
        return lambda uv: np.full(len(uv), np.nan)
    from backends.quadrature import quadrature  # which is not needed to open the window

    log_p = float((yield from quiet(quadrature(model, rows[:1]))).value[0])
    return lambda uv: np.exp(model.log_joint(rows[:1], plane.to_space(uv))[0] - log_p)


def _errors(model: Any, x: Array) -> tuple[Array, Array]:
    """Encodings of rows x (n, d) and −log p(x|z) there, (n, k) and (n,)."""
    z = model.encode(x).mean
    return z, model.log_prior(z) - model.log_joint(x, z[:, None])[:, 0]


def _has_posterior(model: Any) -> bool:
    return isinstance(model, Encodes) and bool(model.latent_dim)


#: By the names that a MapSpec gives them, in the order in which they are offered.
KINDS: dict[str, Kind] = {
    "prior": Kind(
        "log prior", "log p(z)", "nats",
        "log p(z), exact.",
        lambda m: isinstance(m, HasPrior), log_prior, spread,
    ),
    "aggregate": Kind(
        "aggregate posterior", "log q(z)", "nats",
        "log q(z) of the aggregate posterior q(z) = Σ q(z|x) / N over training rows: where the encoder puts "
        f"the data. Of more than {ROWS} rows so many, drawn at random: then a Monte Carlo estimate.",
        _has_posterior, aggregate_posterior, lambda values: spread(values, span=15.0), needs_data=True,
    ),
    "holes": Kind(
        "holes: prior − q(z)", "p(z) − q(z)", "",
        "p(z) − q(z). Warm: holes, where the prior draws z but no datum is encoded. Cool: more data than the "
        f"prior has. q over training rows, of more than {ROWS} a Monte Carlo estimate.",
        lambda m: isinstance(m, HasPrior) and _has_posterior(m), holes, symmetric, needs_data=True,
    ),
    "posterior": Kind(
        "posterior p(z|x)", "p(z|x)", "",
        "p(z|x) = p(x|z) p(z) / p(x) of the datum beside the map, p(x) by quadrature: what the "
        "ellipse, q(z|x), stands for.",
        lambda m: isinstance(m, LogJoint) and isinstance(m, Encodes) and few_dimensions(m),
        posterior, risen, of_datum=True,
    ),
    "magnification": Kind(
        "magnification", "√det(JᵀJ), log scale", "",
        "√det(JᵀJ) of the decoder's mean: by how much an area of the map grows on its way to the data, in "
        "their units. Colours follow its logarithm.",
        lambda m: isinstance(m, HasMetric), magnification,
        lambda values: spread(values, stray=STRAY, log=True),
    ),
    "entropy": Kind(
        "decoder entropy", "H[p(x|z)]", "nats",
        "Entropy of p(x|z), exact: how much the decoder leaves open. With Gaussian noise that is the same "
        "everywhere, so is its entropy.",
        lambda m: isinstance(m, HasEntropy), entropy, spread,
    ),
    "error": Kind(
        "reconstruction error", "−log p(x|z)", "nats",
        "Mean −log p(x|z) of the training rows whose points are near on the map, each at the mean of its "
        f"q(z|x): in a Gaussian window of {WINDOW:g} pixels. Of more than {ROWS} rows so many, drawn at "
        "random.",
        lambda m: _has_posterior(m) and isinstance(m, LogJoint) and isinstance(m, HasPrior),
        reconstruction_error, lambda values: spread(values, stray=STRAY), needs_data=True,
    ),
}  # fmt: skip

#: Titles and tooltips of all that can lie behind the map.
CHOICES: dict[str, tuple[str, str]] = {
    "images": ("decoded images", "What decodes from the middle of each tile."),
    **{name: (kind.title, kind.tip) for name, kind in KINDS.items()},
    "nothing": ("nothing", "No field."),
}


def offered(model: Any, has_data: bool) -> list[str]:
    """Names of what can lie behind the map of a model: "images" first, "nothing" last."""
    return [name for name in CHOICES if suits(name, model, has_data)]


def suits(name: str, model: Any, has_data: bool) -> bool:
    """Whether one of :data:`CHOICES` can lie behind the map of a model."""
    if name == "nothing":
        return True
    if model is None or not model.latent_dim:
        return False
    if name == "images":
        return isinstance(model, Decodes) and model.info.image_shape is not None
    return KINDS[name].suits(model) and (has_data or not KINDS[name].needs_data)


def shaded(
    name: str,
    model: Any,
    x: Array | None,
    plane: Plane,
    view: View,
    table: Array,
    cells: Sequence[int] = CELLS,
) -> Generator[Shaded | None, None, Shaded | None]:
    """A field for the view, ever finer; returns the finest.

    x: training rows (n, d), None without data. table: (256, 3) uint8, colours by rising value. cells: device
    pixels a cell, coarse to fine.
    """
    if not view.width or not view.height:
        return None
    kind = KINDS[name]
    rows = np.zeros((0, model.info.dim), np.float32) if x is None else x
    note = f"{format_number(len(rows))} training rows" if kind.needs_data else ""
    if kind.needs_data and len(rows) > ROWS:
        note = f"{format_number(ROWS)} of {note}"
        from backends.evaluation import some_rows

        rows = some_rows(rows, ROWS)
    detail = f"{kind.label}, {note}" if note else kind.label
    function = yield from kind.prepare(model, rows, plane, view)
    found, shown = None, 0.0
    for cell in cells:
        values = yield from on_grid(function, view, cell)
        last = cell == cells[-1]
        if last or time.perf_counter() - shown > SHOW_EVERY:
            yield None
            scale = kind.shade(values)
            yield None
            bands = []
            for start in range(0, len(values), BAND):
                bands.append(coloured(values[start : start + BAND], scale, table))
                yield None
            image = enlarged(np.concatenate(bands), view, cell)
            picture = Picture(image, view, model.stamp.step, detail, complete=last)
            found, shown = Shaded(picture, values, cell, scale, table, note), time.perf_counter()
            if not last:
                yield found
    return found

"""``latent-explorer decode``, ``sample``, ``encode`` and ``score``: a saved run put to use."""

from __future__ import annotations

import math
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backends.atomic import check_writable, replacing
from backends.base import Array, DataInfo, InputError, finish
from backends.capabilities import (
    Bijects,
    Decodes,
    Encodes,
    Samples,
    SamplesGiven,
    has_latent_points,
    has_log_likelihood,
    latent_points,
)
from backends.data import SPLITS, data_sets, open_data
from backends.encodings import file_hash, is_run_file, open_prior
from backends.files import read_table
from backends.idx import is_idx
from backends.likelihood import log_likelihood
from backends.picture import is_picture
from backends.run import Run
from backends.sources import as_chosen, parse, text_of

EXTENT = 2.5  # of --grid, in standard deviations of the prior: 98.8 % of each coordinate lie within
MOST_VALUES = 2**28  # numbers in what is written: 1 GB of float32
MOST_ACROSS = 16  # pictures side by side
_BATCH = 4096


def decode(options: Namespace) -> int:
    """The means of p(x|z) at latent points to a PNG, one pixel a pixel; of data that are no pictures to rows
    (n, d) float32."""
    check_writable(options.out)
    run = Run.open(options.file)
    model, info = run.model(), run.info
    latent_dim = model.latent_dim
    if not isinstance(model, Decodes) or not latent_dim:
        raise InputError(f"'{options.file}' holds a {run.kind.name}, which decodes no latent points")
    if info.image_shape is None and Path(options.out).suffix.lower() != ".npy":
        raise InputError(f"the rows of '{info.name}' are not pictures: --out takes a file that ends in .npy")
    if options.at is not None:
        z = _point(options.at, latent_dim)
    elif options.data is not None:
        z = read_table(Path(options.data), None)[0].x
        if z.shape[1] != latent_dim:
            raise InputError(f"'{options.data}' has {z.shape[1]} columns, the latent space has {latent_dim}")
    else:
        most = math.isqrt(MOST_VALUES // model.info.dim)
        if options.grid > most:
            raise InputError(f"--grid {options.grid}: at most {most} points a side")
        z = _grid(options.grid, latent_dim)
    mean = np.concatenate([model.decode(z[i : i + _BATCH]).mean for i in range(0, len(z), _BATCH)])
    if info.image_shape is None or Path(options.out).suffix.lower() == ".npy":
        _save(options.out, mean)
        return 0
    across = options.grid if options.grid is not None else min(len(z), MOST_ACROSS)
    from PIL import Image

    with replacing(options.out) as file:
        Image.fromarray(_mosaic(_pictures(mean, info), across)).save(file, format="PNG")
    return 0


def sample(options: Namespace) -> int:
    """Rows drawn from p(x), (n, d) float32; with another prior from the p(x) that it makes."""
    check_writable(options.out)
    run = Run.open(options.file)
    model = run.model()
    if not isinstance(model, Samples):
        raise InputError(f"'{options.file}' holds a {run.kind.name}, which cannot be sampled from")
    if options.n * model.info.dim > MOST_VALUES:
        raise InputError(
            f"--n {options.n}: at most {MOST_VALUES // model.info.dim} rows of {model.info.dim} values"
        )
    if options.prior is None:
        x = model.sample(options.n, options.seed)
    else:
        x = _sample_by_prior(model, options.prior, options.file, options.n, options.seed)
    _save(options.out, x)
    return 0


def _sample_by_prior(model: Any, path: str, file: str, n: int, seed: int) -> Array:
    """Rows drawn from the model of ``file``, its latents from the model of another file, ``path``."""
    if not isinstance(model, SamplesGiven):
        raise InputError(f"--prior: the {model.kind} in '{file}' has no p(x|z) to draw from")
    try:
        run, prior = open_prior(Path(path), model, file)
    except InputError as error:
        raise InputError(f"--prior: {error}") from None
    if run.info.source.get("sha256") != file_hash(Path(file)):
        print(f"note: '{path}' was not fitted to the encodings of '{file}' as it is now", file=sys.stderr)
    given: Array = model.sample_given(prior.sample(n, seed), seed)
    return given


def encode(options: Namespace) -> int:
    """The mean of q(z|x) of each row, (n, k) float32, of a flow f(x); or responsibilities, (n, K) float64."""
    check_writable(options.out)
    run = Run.open(options.file)
    model = run.model()
    if not isinstance(model, Encodes | Bijects):
        raise InputError(f"'{options.file}' holds a {run.kind.name}, which has no encoder")
    x = _rows(run, options)
    _save(options.out, np.concatenate([_encoded(model, x[i : i + _BATCH]) for i in range(0, len(x), _BATCH)]))
    return 0


def _encoded(model: Any, x: Array) -> Array:
    if has_latent_points(model):
        return latent_points(model, x)
    probs: Array = model.encode(x).probs
    return probs


def score(options: Namespace) -> int:
    """log p(x) of each row, (n,) float64; the average, with its method, goes to standard output."""
    check_writable(options.out)
    run = Run.open(options.file)
    model = run.model()
    if not has_log_likelihood(model):
        raise InputError(f"'{options.file}' holds a {run.kind.name}, which has no likelihood")
    x = _rows(run, options)
    result = finish(log_likelihood(model, x))
    _save(options.out, result.value)
    mean = result.mean()
    print(f"{len(x)} rows, mean log p(x) {mean.value:.4f} ± {mean.stderr:.4f} nats ({mean.method})")
    return 0


# -- rows in -------------------------------------------------------------------------------------


def _rows(run: Run, options: Namespace) -> Array:
    """All rows, in the order of the file; of a named set or a folder the splits one after the other."""
    name, data = options.data, None
    if name is None:
        for note in run.notes:
            print(f"note: {note}", file=sys.stderr)
        if run.data is None:
            raise InputError(f"the data of '{options.file}' is not here: name some with --data")
        name, data = text_of(run.info.source) or run.info.name, run.data
    path, choices = parse(name)
    if data is None and not _is_table(name):
        data = open_data(as_chosen(name, run.info.source) if Path(path).is_dir() else name)
    if data is not None and "label_column" not in data.info.source:  # which only a table has
        x = np.concatenate([data.split(split).x for split in SPLITS])
    else:
        label = run.info.source.get("label_column") if choices.label is None else choices.label
        x = read_table(Path(path), label)[0].x
    if x.shape[1] != run.info.dim:
        raise InputError(f"'{name}' has {x.shape[1]} columns, the model takes {run.info.dim}")
    if _takes_real_rows(run):
        return x
    whole = bool((x == np.rint(x)).all()) and x.min(initial=0) >= 0
    if run.info.values == "binary" and not (whole and x.max(initial=0) <= 1):
        raise InputError(f"'{name}' has values other than 0 and 1, which the model does not take")
    if run.info.values == "integer" and not (whole and x.max(initial=0) < run.info.levels):
        raise InputError(
            f"'{name}' has values other than 0 to {run.info.levels - 1}, which the model does not take"
        )
    return x


def _is_table(text: str) -> bool:
    if text.partition(":")[0].partition("@")[0] in {entry.name for entry in data_sets()}:
        return False
    path = Path(parse(text)[0])
    return not (path.is_dir() or is_picture(path) or is_run_file(path) or is_idx(path))


def _takes_real_rows(run: Run) -> bool:
    """Whether log p of any row means the same as of the rows that the run was trained on. A flow of whole
    numbers has a density of their blurred cells, which is another thing."""
    if "flow" in run.kind.capabilities:
        return run.info.values == "real"
    try:
        run.kind.check_data(replace(run.info, values="real", levels=0), run.values)
    except InputError:
        return False
    return True


# -- pictures and arrays out ---------------------------------------------------------------------


def _point(text: str, latent_dim: int) -> Array:
    try:
        numbers = [float(part.replace("\N{MINUS SIGN}", "-")) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--at: '{text}' is not a list of numbers such as 0.5,-1") from None
    if len(numbers) != latent_dim:
        raise InputError(f"--at: {len(numbers)} coordinates are given, the latent space has {latent_dim}")
    z = np.array([numbers], np.float32)
    if not np.isfinite(z).all():
        raise InputError(f"--at: '{text}' is not finite")
    return z


def _pictures(mean: Array, info: DataInfo) -> Array:
    """Decoded means as grey or colour pictures, (n, h, w) or (n, h, w, 3) uint8."""
    low, high = info.display
    shape = info.image_shape or (info.dim,)
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    shown = np.clip((mean - low) / (high - low), 0, 1)
    return np.rint(255 * shown).astype(np.uint8).reshape(-1, *shape)


def _grid(n: int, latent_dim: int) -> Array:
    """n×n points over the first two latent coordinates, the second growing upwards, row by row."""
    along = np.linspace(-EXTENT, EXTENT, n, dtype=np.float32) if n > 1 else np.zeros(1, np.float32)
    z = np.zeros((n, n, latent_dim), np.float32)
    z[..., 0] = along
    z[..., 1:2] = along[::-1, None, None]  # a one-dimensional latent has none: its rows are alike
    return z.reshape(n * n, latent_dim)


def _mosaic(pictures: Array, across: int) -> Array:
    """Pictures (n, …) side by side, so many a row; black where there are none."""
    missing = -len(pictures) % across
    blank = np.zeros((missing, *pictures.shape[1:]), np.uint8)
    rows = np.concatenate([pictures, blank]).reshape(-1, across, *pictures.shape[1:])
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)


def _save(path: str, array: Array) -> None:
    with replacing(path) as file:
        np.save(file, array, allow_pickle=False)

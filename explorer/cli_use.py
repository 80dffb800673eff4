"""``latent-explorer decode``, ``sample``, ``encode`` and ``score``: a saved run put to use."""

from __future__ import annotations

import math
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from backends.atomic import check_writable, replacing
from backends.base import Array, DataInfo, Decodes, Encodes, Gaussian, InputError, Samples, finish
from backends.data import SPLITS, data_sets, open_data
from backends.evaluation import has_log_likelihood
from backends.files import read_table
from backends.likelihood import log_likelihood
from backends.run import Run

EXTENT = 2.5  # of --grid, in standard deviations of the prior: 98.8 % of each coordinate lie within
MOST_VALUES = 2**28  # numbers in what is written: 1 GB of float32
_BATCH = 4096


def decode(options: Namespace) -> int:
    """A latent point, or a grid of them, to a PNG; the mean of p(x|z), one pixel a pixel."""
    check_writable(options.out)
    run = Run.open(options.file)
    model = run.model()
    latent_dim = model.latent_dim
    if not isinstance(model, Decodes) or not latent_dim:
        raise InputError(f"'{options.file}' holds a {run.kind.name}, which decodes no latent points")
    if run.info.image_shape is None:
        raise InputError(f"'{options.file}' was trained on '{run.info.name}', whose rows are not pictures")
    if options.at is not None:
        picture = _pictures(model, _point(options.at, latent_dim), run.info)[0]
    else:
        most = math.isqrt(MOST_VALUES // model.info.dim)
        if options.grid > most:
            raise InputError(f"--grid {options.grid}: at most {most} pictures a side")
        picture = _mosaic(model, options.grid, run.info)
    from PIL import Image

    with replacing(options.out) as file:
        Image.fromarray(picture).save(file, format="PNG")
    return 0


def sample(options: Namespace) -> int:
    """Rows drawn from p(x), (n, d) float32."""
    check_writable(options.out)
    run = Run.open(options.file)
    model = run.model()
    if not isinstance(model, Samples):
        raise InputError(f"'{options.file}' holds a {run.kind.name}, which cannot be sampled from")
    if options.n * model.info.dim > MOST_VALUES:
        raise InputError(
            f"--n {options.n}: at most {MOST_VALUES // model.info.dim} rows of {model.info.dim} values"
        )
    _save(options.out, model.sample(options.n, options.seed))
    return 0


def encode(options: Namespace) -> int:
    """The mean of q(z|x), (n, k) float32, or the responsibilities, (n, K) float64, of each row."""
    check_writable(options.out)
    run = Run.open(options.file)
    model = run.model()
    if not isinstance(model, Encodes):
        raise InputError(f"'{options.file}' holds a {run.kind.name}, which has no encoder")
    x = _rows(run, options)
    encoded = [model.encode(x[i : i + _BATCH]) for i in range(0, len(x), _BATCH)]
    _save(options.out, np.concatenate([q.mean if isinstance(q, Gaussian) else q.probs for q in encoded]))
    return 0


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
    """All rows, in the order of the file; of a named set the splits one after the other."""
    name = options.data
    if name is None:
        for note in run.notes:
            print(f"note: {note}", file=sys.stderr)
        if run.data is None:
            raise InputError(f"the data of '{options.file}' is not here: name some with --data")
        name = run.data.info.source.get("file") or run.data.info.source.get("name")
    if name in {entry.name for entry in data_sets()}:
        data = open_data(name)
        x = np.concatenate([data.split(split).x for split in SPLITS])
    else:
        x = read_table(Path(name), run.info.source.get("label_column"))[0].x
    if x.shape[1] != run.info.dim:
        raise InputError(f"'{name}' has {x.shape[1]} columns, the model takes {run.info.dim}")
    whole = bool((x == np.rint(x)).all()) and x.min(initial=0) >= 0
    if run.info.values == "binary" and not (whole and x.max(initial=0) <= 1):
        raise InputError(f"'{name}' has values other than 0 and 1, which the model does not take")
    if run.info.values == "integer" and not (whole and x.max(initial=0) < run.info.levels):
        raise InputError(
            f"'{name}' has values other than 0 to {run.info.levels - 1}, which the model does not take"
        )
    return x


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


def _pictures(model: Any, z: Array, info: DataInfo) -> Array:
    """The decoded means as grey or colour pictures, (n, h, w) or (n, h, w, 3) uint8."""
    low, high = info.display
    mean = np.clip((model.decode(z).mean - low) / (high - low), 0, 1)
    shape = info.image_shape or (info.dim,)
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    return np.rint(255 * mean).astype(np.uint8).reshape(-1, *shape)


def _mosaic(model: Any, n: int, info: DataInfo) -> Array:
    """n×n pictures over the first two latent coordinates, the second growing upwards."""
    along = np.linspace(-EXTENT, EXTENT, n, dtype=np.float32) if n > 1 else np.zeros(1, np.float32)
    rows = []
    for second in along[::-1]:
        z = np.zeros((n, model.latent_dim), np.float32)
        z[:, 0] = along
        z[:, 1:2] = second  # a one-dimensional latent has none: its rows are alike
        rows.append(np.concatenate(list(_pictures(model, z, info)), axis=1))
    return np.concatenate(rows, axis=0)


def _save(path: str, array: Array) -> None:
    with replacing(path) as file:
        np.save(file, array, allow_pickle=False)

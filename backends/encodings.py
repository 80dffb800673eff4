"""Encodings of a run as a data set: draws of q(z|x), for a model of the aggregated posterior.

A VAE's decoder is trained on z ~ q(z) = E_x[q(z|x)], which is not quite p(z) (Hoffman & Johnson 2016). A
density fitted to q(z) and used as prior in its place makes samples more like the data.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from backends.base import Array, DataInfo, Gaussian, InputError
from backends.capabilities import Encodes, Samples
from backends.dataset import SPLITS, DataSet, Split

DRAWS = 16  # of z, a row; with fewer, a flow fitted to few rows learns them by heart
_BLOCK = 1024  # rows encoded at a time


def is_run_file(path: Path) -> bool:
    """Whether a file is of the kind that runs are saved in, by its first bytes."""
    if not os.path.isfile(path):  # opening a pipe would wait for somebody to write into it
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(9)
        return head[8:] == b"{" and int.from_bytes(head[:8], "little") + 8 <= os.path.getsize(path)
    except OSError:
        return False


def open_encodings(path: Path) -> DataSet:
    """The encodings of the run in a file, of all splits of its own data, with their labels.

    Raises InputError where its model has no Gaussian q(z|x), or its data are not here.
    """
    from backends.run import Run  # which itself opens data

    sha256 = file_hash(path)
    run = Run.open(path)
    if run.data is None:
        raise InputError(f"'{path}' cannot be used as data: {' '.join(run.notes)}")
    return encodings(run.model(), run.data, path.name, {"file": os.path.abspath(path), "sha256": sha256})


def open_prior(path: Path, model: Any, name: str) -> tuple[Any, Any]:
    """The run in a file, and its model, to draw the latents of a model from in place of that one's p(z).

    name: of that model's run. Raises InputError where the latents do not go together, or cannot be drawn.
    """
    from backends.run import Run

    run = Run.open(path)
    prior = run.model()
    if not isinstance(prior, Samples):
        raise InputError(f"'{path}' holds a {run.kind.name}, which cannot be sampled from")
    if prior.info.dim != model.latent_dim:
        raise InputError(
            f"'{path}' is of {prior.info.dim} columns, the latent space of '{name}' has {model.latent_dim}"
        )
    return run, prior


def encodings(model: Any, data: DataSet, name: str, source: dict[str, Any]) -> DataSet:
    """DRAWS rows z ~ q(z|x) for each row x of the data, in the same splits. Always the same ones.

    source: where :func:`backends.data.open_data` finds them again; may be empty.
    """
    if not has_gaussian_encoder(model):
        raise InputError(
            f"'{name}' holds a {model.kind}, which has no Gaussian q(z|x) to take encodings from"
        )
    train, validation, test = (_draws(model, data.split(split), seed) for seed, split in enumerate(SPLITS))
    z = train.x
    low, high = (float(z.min()), float(z.max())) if len(z) else (0.0, 1.0)
    info = DataInfo(
        name,
        f"Encodings of {name}",
        dim=model.latent_dim,
        display=(low, high) if low < high else (low, low + 1),
        columns=tuple(f"z{i + 1}" for i in range(model.latent_dim)),
        label_names=data.info.label_names,
        source=source,
    )
    return DataSet(info, train, validation, test)


def has_gaussian_encoder(model: Any) -> bool:
    """Whether a model's q(z|x) is a Gaussian."""
    if not isinstance(model, Encodes) or not model.latent_dim:
        return False
    return isinstance(model.encode(np.zeros((0, model.info.dim), np.float32)), Gaussian)


def file_hash(path: Path) -> str:
    """SHA-256 of a file; raises InputError where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read '{path}' ({error.strerror})") from error


def _draws(model: Encodes, split: Split, seed: int) -> Split:
    noise = np.random.default_rng(seed)
    out = np.empty((len(split), DRAWS, model.latent_dim), np.float32)
    for start in range(0, len(split), _BLOCK):
        q = model.encode(split.x[start : start + _BLOCK])
        assert isinstance(q, Gaussian)
        out[start : start + _BLOCK] = _sample(q, noise)
    labels = None if split.labels is None else np.repeat(split.labels, DRAWS)
    return Split(out.reshape(-1, model.latent_dim), labels)


def _sample(q: Gaussian, noise: np.random.Generator) -> Array:
    """z ~ q of each row, (n, DRAWS, k)."""
    n, k = q.mean.shape
    e = noise.standard_normal((n, DRAWS, k))
    if q.scale_tril is None:
        return np.asarray(q.mean[:, None] + q.std[:, None] * e)
    return np.asarray(q.mean[:, None] + e @ q.scale_tril.swapaxes(1, 2))

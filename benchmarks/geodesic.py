"""The shortest path between two pins on the digits' latent map: how soon it is there."""

from __future__ import annotations

import time

import numpy as np

from backends.capabilities import latent_points
from backends.run import Run
from explorer.paths.walk import POINTS, Route, walk
from explorer.session import Encodings
from explorer.state import FilmSpec
from resources import resource


def seconds(pairs: int = 7) -> dict[str, float]:
    """Median seconds to the first picture of POINTS frames, and to the shortest path that is found, over
    pairs of pins drawn at random; and the median of the longest slice of work, in milliseconds."""
    run = Run.open(resource("digits-vae.safetensors"))
    model = run.learner.snapshot()
    assert run.data is not None
    known = Encodings(run.steps, "train", latent_points(model, run.data.train.x))
    first, whole, slices = [], [], []
    for a, b in 1.5 * np.random.default_rng(0).standard_normal((pairs, 2, 2)):
        begin = last = time.perf_counter()
        longest, pictures = 0.0, []
        for found in walk(model, Route("shortest", np.stack([a, b])), FilmSpec(POINTS), known):
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
            if found is not None:
                pictures.append(now - begin)
        first.append(pictures[0])
        whole.append(time.perf_counter() - begin)
        slices.append(1000 * longest)
    middle = pairs // 2
    return {
        "first": sorted(first)[middle],
        "whole": sorted(whole)[middle],
        "slice": sorted(slices)[middle],
    }

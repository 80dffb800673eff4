"""A path in a file: its frames as a strip, an animation or a video, and its numbers. Runs in exploration."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import GifImagePlugin, Image, ImageDraw

from backends.atomic import replacing
from backends.base import Array, DataInfo, InputError, Progress
from explorer.paths.walk import Walk
from explorer.planes.mosaic import normalise, resize
from explorer.state import FilmSpec

Saving = Generator[Progress, None, None]
LEAST = 128  # pixels of a frame's shorter side in an animation
PLANE = 320  # of the square that means of what is no picture are drawn in
GAP, WIDEST = 2, 4096  # of a strip, in pixels; a longer one goes on below
NEEDS_VIDEO = (
    "An MP4 needs imageio-ffmpeg: pip install 'latent-explorer[video]', or pip install imageio-ffmpeg; "
    "a GIF needs nothing more"
)


def frames(walk: Walk, info: DataInfo, data: Array | None, least: int = LEAST) -> Callable[[int], Array]:
    """Frame i of the path as a picture, (h, w) or (h, w, 3) uint8.

    Pictures are enlarged smoothly until both sides have ``least`` pixels, black where the data's display is
    low. Of other data it is the plane of the first two columns: the means so far, over rows data (n, d).
    """
    if info.image_shape is None:
        return _plane(walk, data)
    scale = max(1, -(-least // min(info.image_shape[:2])))
    high, wide = (side * scale for side in info.image_shape[:2])

    def frame(i: int) -> Array:
        unit = resize(normalise(walk.mean[i : i + 1], info), high, wide)[0]
        picture = np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)
        return picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture

    return frame


def _plane(walk: Walk, data: Array | None) -> Callable[[int], Array]:
    def two(x: Array) -> Array:
        return np.column_stack([x[:, 0], x[:, 1] if x.shape[1] > 1 else np.zeros(len(x))]).astype(float)

    means, rows = two(walk.mean), two(data) if data is not None else np.zeros((0, 2))
    both = np.concatenate([means, rows])
    low, span = both.min(axis=0), max(float(np.ptp(both, axis=0).max()), 1e-9)
    middle = (both.max(axis=0) + low) / 2

    def pixels(xy: Array) -> list[tuple[float, float]]:
        unit = (xy - middle) / span * (PLANE - 24)
        return [(PLANE / 2 + x, PLANE / 2 - y) for x, y in unit]

    ground = Image.new("RGB", (PLANE, PLANE), "white")
    pen = ImageDraw.Draw(ground)
    for x, y in pixels(rows):
        pen.ellipse((x - 1, y - 1, x + 1, y + 1), fill="#b7bfca")
    line = pixels(means)
    pen.line(line, fill="#9db9e0", width=2)

    def frame(i: int) -> Array:
        picture = ground.copy()
        over = ImageDraw.Draw(picture)
        over.line(line[: i + 1], fill="#1768d1", width=2)
        x, y = line[i]
        over.ellipse((x - 5, y - 5, x + 5, y + 5), fill="#c62f36", outline="white")
        return np.asarray(picture)

    return frame


def order(m: int, play: str) -> list[int]:
    """Which of m frames follow one another in an animation: "back" appends the way back."""
    there = list(range(m))
    return there + there[-2:0:-1] if play == "back" else there


def save_strip(path: str | Path, walk: Walk, info: DataInfo, data: Array | None) -> Saving:
    """All frames side by side as PNG, at least 32 pixels high, and of a long path in several rows."""
    frame = frames(walk, info, data, 32)
    tiles = []
    for i in range(len(walk)):
        tiles.append(frame(i))
        yield Progress(i, len(walk), "draw")
    high, wide = tiles[0].shape[:2]
    columns = min(len(tiles), max(1, (WIDEST + GAP) // (wide + GAP)))
    rows = -(-len(tiles) // columns)
    shape = (rows * (high + GAP) - GAP, columns * (wide + GAP) - GAP, *tiles[0].shape[2:])
    strip = np.full(shape, 128, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (high + GAP), (i % columns) * (wide + GAP)
        strip[top : top + high, left : left + wide] = tile
    yield Progress(len(walk), len(walk), "write")
    with replacing(path) as file:
        Image.fromarray(strip).save(file, "PNG")


def save_gif(path: str | Path, walk: Walk, info: DataInfo, data: Array | None, film: FilmSpec) -> Saving:
    """The animation as GIF, frame by frame. Its clock counts hundredths of a second."""
    frame, sequence = frames(walk, info, data), order(len(walk), film.play)
    duration = max(round(100 / film.speed), 2) * 10  # ms
    forever = {} if film.play == "once" else {"loop": 0}
    with replacing(path) as file:
        for done, i in enumerate(sequence):
            picture = Image.fromarray(frame(i))
            picture = picture.quantize(256) if picture.mode == "RGB" else picture
            if not done:
                for part in GifImagePlugin.getheader(picture, info={"duration": duration, **forever})[0]:
                    file.write(part)
            for part in GifImagePlugin.getdata(
                picture, duration=duration, include_color_table=picture.mode == "P"
            ):
                file.write(part)
            yield Progress(done + 1, len(sequence), "write")
        file.write(b";")


def save_mp4(path: str | Path, walk: Walk, info: DataInfo, data: Array | None, film: FilmSpec) -> Saving:
    """The animation as MP4 (H.264), by ffmpeg. InputError where imageio-ffmpeg is not installed."""
    ffmpeg = video_writer()
    frame, sequence = frames(walk, info, data), order(len(walk), film.play)
    high, wide = (side + side % 2 for side in frame(0).shape[:2])  # which the codec wants to be even
    with replacing(path) as file:
        writer = ffmpeg.write_frames(
            file.name, (wide, high), fps=film.speed, macro_block_size=2, ffmpeg_log_level="error",
            output_params=["-f", "mp4"],
        )  # fmt: skip
        writer.send(None)
        try:
            for done, i in enumerate(sequence):
                picture = frame(i)
                colours = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
                even = np.pad(
                    colours, ((0, high - colours.shape[0]), (0, wide - colours.shape[1]), (0, 0)), "edge"
                )
                writer.send(np.ascontiguousarray(even))
                yield Progress(done + 1, len(sequence), "write")
        finally:
            writer.close()


def video_writer() -> Any:
    """imageio-ffmpeg; InputError, with what to type, where it is missing."""
    try:
        import imageio_ffmpeg
    except ImportError:
        raise InputError(NEEDS_VIDEO) from None
    return imageio_ffmpeg


def save_numbers(path: str | Path, walk: Walk, info: DataInfo) -> Saving:
    """z (m, k), what decodes there, mean (m, …), and what lies along the path, as a NumPy archive.

    Besides: line, the path itself; latent and image, how far along each frame lies; speed; where there are
    any log_prior and within, with its radius; step of the model.
    """
    yield Progress(0, 1, "write")
    shape = info.image_shape or (walk.mean.shape[1],)
    numbers: dict[str, Any] = {
        "z": walk.z, "mean": walk.mean.reshape(len(walk), *shape), "line": walk.line, "latent": walk.latent,
        "image": walk.image, "speed": walk.speed, "step": walk.step, "kind": walk.kind,
    }  # fmt: skip
    if walk.log_prior is not None:
        numbers["log_prior"] = walk.log_prior
    if walk.within is not None:
        numbers.update(within=walk.within, radius=walk.radius)
    with replacing(path) as file:
        np.savez(file, **numbers)

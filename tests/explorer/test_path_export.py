"""A path exported and read back is the same."""

import gc
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from PySide6.QtWidgets import QFileDialog

from backends.base import InputError, finish
from backends.data import open_data
from backends.run import Run
from explorer.paths import export as path_export
from explorer.paths.export import order, save_gif, save_mp4, save_numbers, save_strip
from explorer.paths.walk import Route, walk
from explorer.planes.mosaic import normalise, resize
from explorer.state import FilmSpec

from .test_paths import draw, walked

FRAMES = 9


@pytest.fixture(scope="module")
def model(small_run):
    return Run.open(small_run).learner.snapshot()


@pytest.fixture(scope="module")
def path(model):
    return finish(walk(model, Route("straight", np.array([[-2.0, 1], [2, -1]])), FilmSpec(FRAMES), None))


def expected(path, info, i, side):
    unit = resize(normalise(path.mean[i : i + 1], info), side, side)[0]
    return np.rint(255 * unit)


def test_numbers_come_back_as_they_were(model, path, tmp_path):
    finish(save_numbers(tmp_path / "path.npz", path, model.info))
    with np.load(tmp_path / "path.npz") as read:
        np.testing.assert_array_equal(read["z"], path.z)
        np.testing.assert_array_equal(read["mean"].reshape(FRAMES, -1), path.mean)
        np.testing.assert_array_equal(read["mean"].reshape(FRAMES, -1), model.decode(read["z"]).mean)
        for name in ("line", "latent", "image", "speed", "log_prior"):
            np.testing.assert_array_equal(read[name], getattr(path, name))
        assert read["mean"].shape == (FRAMES, 8, 8)


def test_the_strip_holds_every_frame(model, path, tmp_path):
    finish(save_strip(tmp_path / "path.png", path, model.info, None))
    strip = np.asarray(Image.open(tmp_path / "path.png"))
    assert strip.shape == (32, FRAMES * 34 - 2)
    for i in range(FRAMES):
        np.testing.assert_array_equal(strip[:, 34 * i : 34 * i + 32], expected(path, model.info, i, 32))


@pytest.mark.parametrize("play", ["once", "loop", "back"])
def test_the_animation_is_read_back_frame_by_frame(model, path, tmp_path, play):
    finish(save_gif(tmp_path / "path.gif", path, model.info, None, FilmSpec(FRAMES, speed=10, play=play)))
    with Image.open(tmp_path / "path.gif") as gif:
        assert gif.n_frames == (16 if play == "back" else 9)
        assert gif.info.get("loop") == (None if play == "once" else 0)
        for k, i in enumerate(order(FRAMES, play)):
            gif.seek(k)
            assert gif.info["duration"] == 100
            np.testing.assert_array_equal(np.asarray(gif.convert("L")), expected(path, model.info, i, 128))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pipes of the reader
def test_a_video_or_what_to_install(model, path, tmp_path, monkeypatch):
    film = FilmSpec(FRAMES, speed=10, play="once")
    try:
        import imageio_ffmpeg
    except ImportError:
        with pytest.raises(InputError, match=r"pip install 'latent-explorer\[video\]'"):
            finish(save_mp4(tmp_path / "path.mp4", path, model.info, None, film))
        assert not list(tmp_path.iterdir())
        return
    finish(save_mp4(tmp_path / "path.mp4", path, model.info, None, film))
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "path.mp4"))
    size = next(reader)["size"]
    read = [np.frombuffer(frame, np.uint8).reshape(size[1], size[0], 3) for frame in reader]
    assert len(read) == FRAMES
    for i, frame in enumerate(read):
        assert np.abs(frame[..., 0] - expected(path, model.info, i, 128)).mean() < 8  # it is lossy
    del reader
    gc.collect()  # imageio-ffmpeg leaves the pipes that it reads from to this


def test_means_of_other_data_are_drawn_in_their_plane(tmp_path):
    data = open_data("two-moons")
    run = Run.start("ppca", data, {"latent_dim": 1}, seed=0)
    run.step()
    model = run.learner.snapshot()
    path = finish(walk(model, Route("straight", np.array([[-2.0], [2.0]])), FilmSpec(5), None))
    finish(save_gif(tmp_path / "path.gif", path, model.info, data.train.x[:100], FilmSpec(5, play="once")))
    with Image.open(tmp_path / "path.gif") as gif:
        assert gif.n_frames == 5
        pictures = []
        for k in range(5):
            gif.seek(k)
            pictures.append(np.asarray(gif.convert("RGB")).astype(int))
    red = [np.argwhere((p[..., 0] > 150) & (p[..., 1] < 90)).mean(axis=0) for p in pictures]
    assert (np.linalg.norm(np.diff(red, axis=0), axis=1) > 5).all()


def test_what_is_cancelled_leaves_nothing(model, path, tmp_path):
    work = save_gif(tmp_path / "path.gif", path, model.info, None, FilmSpec(FRAMES))
    next(work)
    assert list(tmp_path.iterdir())
    work.close()
    assert not list(tmp_path.iterdir())


def test_a_path_is_saved_from_its_panel(program, tmp_path, monkeypatch):
    draw(program, (-1.0, 0.0), (1.0, 1.0))
    walk = walked(program)
    panel, file = program.window.suited["path"], tmp_path / "out.npz"
    asked = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: asked.append(args) or (str(file), ""))
    actions = {action.text(): action for action in panel.bar.export.menu().actions()}
    assert list(actions) == ["Film strip (PNG)…", "Animation (GIF)…", "Video (MP4)…", "Numbers (NPZ)…"]
    actions["Numbers (NPZ)…"].trigger()
    program.until(lambda: file.exists() and not panel.progress.isVisible())
    with np.load(file) as read:
        np.testing.assert_array_equal(read["z"], walk.z)
    assert any(str(file) in message.text for message in program.said)
    panel.save("numbers")
    assert asked[-1][2] == str(tmp_path / "path.npz")  # where the last one was
    program.until(lambda: not program.program.exploration.busy("path-export"))


def test_an_export_moves_nothing_and_can_be_cancelled(program, tmp_path, monkeypatch):
    draw(program, (-1.5, 0.0), (1.5, 1.0))
    walked(program)
    state = program.session.state
    program.session.apply(replace(state, film=replace(state.film, frames=192)), "more frames")
    program.until(lambda: len(program.session.walk) == 192)
    program.settle()
    panel = program.window.suited["path"]
    monkeypatch.setattr("explorer.panels.film.ask_save", lambda *_: str(tmp_path / "a.gif"))
    panel.bar.export.setFocus()
    places = [(dock.geometry(), dock.minimumSizeHint()) for dock in program.window.docks.values()]
    panel.save("gif")
    assert panel.cancel.hasFocus()
    program.until(lambda: panel.progress.value() > 0)
    assert [(d.geometry(), d.minimumSizeHint()) for d in program.window.docks.values()] == places
    program.click(panel.cancel)
    program.until(lambda: not [path for path in tmp_path.iterdir() if "a.gif" in path.name])
    assert program.said[-1].text == f"Cancelled saving {tmp_path / 'a.gif'}"
    assert not panel.cancel.isVisible()
    panel.save("gif")
    program.until(lambda: program.said[-1].text == f"Saved {tmp_path / 'a.gif'}")


def test_a_second_export_waits_for_the_first(program, tmp_path, monkeypatch):
    draw(program, (-1.5, 0.0), (1.5, 1.0))
    walked(program)
    panel, files = program.window.suited["path"], iter([tmp_path / "a.gif", tmp_path / "b.gif"])
    monkeypatch.setattr("explorer.panels.film.ask_save", lambda *_: str(next(files)))
    panel.save("gif")
    panel.save("gif")
    assert program.said[-1].text == f"{tmp_path / 'a.gif'} is still being saved"
    program.until(lambda: program.said[-1].text == f"Saved {tmp_path / 'a.gif'}")
    panel.save("gif")
    program.until(lambda: program.said[-1].text == f"Saved {tmp_path / 'b.gif'}")


def test_a_missing_package_is_said_in_the_window(program, tmp_path, monkeypatch):
    draw(program, (-1.0, 0.0), (1.0, 1.0))
    walked(program)
    file = tmp_path / "out.mp4"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(file), ""))

    def missing():
        raise InputError(path_export.NEEDS_VIDEO)

    monkeypatch.setattr(path_export, "video_writer", missing)
    panel = program.window.suited["path"]
    next(a for a in panel.bar.export.menu().actions() if "MP4" in a.text()).trigger()
    program.until(lambda: any("pip install" in message.text for message in program.said))
    assert not file.exists()
    assert not panel.progress.isVisible()

"""A folder of images as data: what is good comes in as it was cut, what is bad is left out and named."""

import hashlib
import json
import os

import numpy as np
import pytest
from PIL import Image

from backends.base import InputError, Progress, finish
from backends.data import SPLITS, open_data, read_data
from backends.dataset import shuffled
from backends.images import list_images, on_white, square
from backends.run import Run


def save(path, pixels, mode=None, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8), mode).save(path, **how)


def flat(level, shape=(8, 8)):
    return np.full(shape, level, np.uint8)


def levels(data):
    """The level of each flat image, in all splits."""
    return sorted(int(row[0]) for split in SPLITS for row in data.split(split).x)


@pytest.fixture
def faces(tmp_path):
    """Twelve flat pictures of two classes, cats 10 … 60 and dogs 110 … 160."""
    for i in range(1, 7):
        save(tmp_path / "faces" / "cat" / f"{i}.png", flat(10 * i))
        save(tmp_path / "faces" / "dog" / "deeper" / f"{i}.JPG", flat(100 + 10 * i), format="JPEG")
    return tmp_path / "faces"


def test_images_become_rows_and_their_folders_labels(faces):
    data = open_data(f"{faces}:size=8")
    info = data.info
    assert (info.name, info.dim, info.image_shape, info.values, info.levels) == (
        "faces", 64, (8, 8), "integer", 256,
    )  # fmt: skip
    assert info.label_names == ("cat", "dog")
    assert info.display == (0, 255)
    assert [len(data.split(s)) for s in SPLITS] == [9, 1, 2]
    for split in SPLITS:
        part = data.split(split)
        assert part.x.dtype == np.float32
        assert part.x.flags.c_contiguous
        assert (part.x == part.x[:, :1]).all()
        assert np.array_equal(part.labels, part.x[:, 0] > 100)
    assert levels(data) == sorted([*range(10, 70, 10), *range(110, 170, 10)])
    assert data.notes == ()
    again = open_data(json.loads(json.dumps(info.source)))
    assert again.info == info
    assert all(np.array_equal(again.split(s).x, data.split(s).x) for s in SPLITS)


def test_a_changed_folder_is_noticed(faces):
    source = open_data(faces).info.source
    save(faces / "cat" / "1.png", flat(11))
    with pytest.raises(InputError, match="faces has changed since"):
        open_data(source)


def test_without_a_choice_images_are_32_by_32_in_grey(faces):
    assert open_data(faces).info.image_shape == (32, 32)


def test_the_middle_is_kept_and_colour_where_it_is_asked_for(tmp_path):
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = (200, 100, 0)  # the central square
    wide[:, 20:] = (0, 0, 255)
    for i in range(3):
        save(tmp_path / "w" / f"{i}.png", wide)
    data = open_data(f"{tmp_path / 'w'}:size=5,colour=rgb")
    assert data.info.image_shape == (5, 5, 3)
    assert (data.train.x.reshape(-1, 5, 5, 3) == (200, 100, 0)).all()
    grey = open_data(f"{tmp_path / 'w'}:size=5,colour=grey").train.x
    assert (grey == round(0.299 * 200 + 0.587 * 100)).all()


def test_mixed_sizes_and_modes_are_all_resized(tmp_path):
    folder = tmp_path / "mixed"
    save(folder / "small.png", flat(50, (3, 7)))
    save(folder / "large.png", flat(60, (300, 200)))
    save(folder / "large.jpg", flat(70, (500, 900)))
    folder.joinpath("deep.png").write_bytes(b"")
    Image.fromarray(np.full((9, 9), 257 * 80, np.uint16)).save(folder / "deep.png")
    clear = np.zeros((6, 6, 4), np.uint8)
    save(folder / "clear.png", clear)  # transparent: white
    Image.fromarray(flat(90)).convert("P").save(folder / "palette.png")
    assert levels(open_data(folder)) == [50, 60, 70, 80, 90, 255]


def test_shrinking_averages(tmp_path):
    checks = np.indices((64, 64)).sum(0) % 2 * 200
    save(tmp_path / "a.png", checks)
    small = square((tmp_path / "a.png").read_bytes(), "a.png", 8, "grey")
    assert abs(small.astype(int) - 100).max() <= 2
    assert on_white(Image.new("RGBA", (2, 2), (0, 0, 0, 128)), "L").getpixel((0, 0)) == pytest.approx(
        127, abs=1
    )


def test_damaged_images_are_left_out_counted_and_named(faces):
    whole = (faces / "cat" / "1.png").read_bytes()
    (faces / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (faces / "cat" / "text.png").write_text("hello")
    (faces / "dog" / "empty.jpg").write_bytes(b"")
    data = open_data(faces)
    assert len(levels(data)) == 12
    (note,) = data.notes
    assert note.startswith("3 of the 15 images in faces are left out: ")
    for name in ("cat/cut.png is damaged", "cat/text.png is no picture", "dog/empty.jpg is no picture"):
        assert name in note
    for i in range(9):
        (faces / "dog" / f"bad{i}.png").write_text("x")
    assert "and 9 more" in open_data(faces).notes[0]


def test_what_is_left_out_leaves_the_others_in_their_order(tmp_path, monkeypatch):
    from backends import images

    monkeypatch.setattr(images, "_SORTED", 7)  # so that they are sorted and moved up in several blocks
    names = [f"{'ab' if i % 3 else 'a b'}/{i:02}.png" for i in range(40)]
    for i, name in enumerate(names):
        save(tmp_path / "f" / name, flat(5 * i))
    for i in (0, 11, 25):
        (tmp_path / "f" / names[i]).write_text("nothing")
    data = open_data(f"{tmp_path / 'f'}:size=8")
    inside = sorted(names)
    wanted = [inside[i] for i in shuffled(40) if names.index(inside[i]) not in (0, 11, 25)]
    x = np.concatenate([data.split(s).x for s in SPLITS])
    assert x[:, 0].tolist() == [5 * names.index(name) for name in wanted]
    labels = np.concatenate([data.split(s).labels for s in SPLITS])
    assert [data.info.label_names[i] for i in labels] == [name.partition("/")[0] for name in wanted]
    content = [tmp_path.joinpath("f", name).read_bytes() for name in wanted]
    both = [n.encode() + hashlib.sha256(c).digest() for n, c in zip(wanted, content, strict=True)]
    assert data.info.source["sha256"] == hashlib.sha256(b"".join(both)).hexdigest()


def test_a_pipe_among_the_images_is_not_waited_for(faces):
    os.mkfifo(faces / "cat" / "pipe.png")
    data = open_data(faces)
    assert len(levels(data)) == 12
    assert "cat/pipe.png is not a file" in data.notes[0]


def test_a_clear_picture_is_laid_on_white_whole(monkeypatch):
    from backends import images

    monkeypatch.setattr(images, "_PIXELS", 50)  # so that it takes several bands
    pixels = np.random.default_rng(0).integers(0, 256, (23, 17, 4), np.uint8)
    colour, alpha = pixels[..., :3].astype(float), pixels[..., 3:] / 255
    on = np.asarray(on_white(Image.fromarray(pixels), "RGB"), float)
    assert np.abs(on - (colour * alpha + 255 * (1 - alpha))).max() <= 1


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "the folder some holds no images"),
        (["a.txt", "b.gif", ".hidden.png", "__MACOSX/c.png"], "the folder some holds no images"),
        (["a.png", "b.png"], r"none of the 2 images in some can be read: a\.png is no picture"),
    ],
)
def test_a_folder_without_images_is_refused(tmp_path, names, reason):
    folder = tmp_path / "some"
    folder.mkdir()
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("not a picture")
    with pytest.raises(InputError, match=reason):
        open_data(folder)


def test_two_images_are_too_few(tmp_path):
    for i in range(2):
        save(tmp_path / "two" / f"{i}.png", flat(i))
    with pytest.raises(InputError, match="two has 2 rows; at least 3"):
        open_data(tmp_path / "two")


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ("size=3", "squares of 4 to 512"),
        ("size=many", "size is a whole number of pixels, not 'many'"),
        ("colour=blue", "grey or rgb"),
        ("label=kind", "its labels are its folders' names, not 'kind'"),
    ],
)
def test_choices_that_cannot_be_are_refused(faces, chosen, reason):
    with pytest.raises(InputError, match=reason):
        open_data(f"{faces}:{chosen}")


def test_a_size_is_of_a_folder_only(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(5))
    with pytest.raises(InputError, match=r"a\.npy is no folder of images"):
        open_data(f"{tmp_path / 'a.npy'}:size=8")


def test_labels_need_two_folders_and_no_image_beside_them(faces):
    save(faces / "top.png", flat(5))
    assert open_data(faces).info.label_names == ()
    assert open_data(faces / "dog").info.label_names == ()


def test_too_many_pixels_are_refused_with_a_size_that_fits(faces, monkeypatch):
    from backends import images

    monkeypatch.setattr(images, "MAX_VALUES", 12 * 20 * 20)
    with pytest.raises(InputError, match="choose size 20 or less"):
        open_data(f"{faces}:size=21")
    assert open_data(f"{faces}:size=20").info.dim == 400


def test_reading_tells_how_far_it_is_and_can_be_left(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (200, 256, 256), np.uint8)
    for i, pixels in enumerate(noise):
        save(tmp_path / "many" / f"{i:03}.png", pixels, compress_level=1)
    said = []
    work = read_data(f"{tmp_path / 'many'}:size=64")
    for progress in work:
        said.append(progress)
        if progress.done >= 100:
            break
    work.close()
    done = [p.done for p in said if p.total]
    assert done == sorted(set(done))
    assert len(done) > 5
    assert all(isinstance(p, Progress) and p.what for p in said)
    assert said[-1].total == 200


def test_a_run_on_a_folder_goes_on_from_its_file(faces, tmp_path):
    run = Run.start("vae", open_data(f"{faces}:size=6,colour=rgb"), {"width": 8, "decoder": "gaussian"})
    run.step()
    run.save(tmp_path / "run.safetensors")
    again = Run.open(tmp_path / "run.safetensors")
    assert again.notes == ()
    assert again.info == run.info
    assert again.info.image_shape == (6, 6, 3)
    assert run.step() == again.step()


def test_links_are_not_followed_in_circles(faces):
    os.symlink(faces, faces / "cat" / "round")
    assert len(finish(list_images(faces)).files) == 12

"""Very many rows in the window: some of them are encoded while it trains, all of them when it rests."""

import numpy as np
import pytest

from explorer.planes.encoder import SAMPLE
from explorer.planes.points import MOST_DOTS
from explorer.style.theme import rgb, theme
from explorer.widgets.values import format_number
from tests.runs import saved_run

ROWS = 200_000
TRAIN = ROWS - ROWS // 10 - round(0.15 * ROWS)
WIDTH = {"width": 8, "depth": 1, "decoder": "gaussian"}


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A run on two clouds, with labels 0 and 1, whose encodings lie apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(ROWS) % 2
    x = (rng.standard_normal((ROWS, 3)) * 0.5 + 3.0 * labels[:, None]).astype(np.float32)
    path = tmp_path_factory.mktemp("many")
    np.savez(path / "many.npz", x=x, y=labels)
    return saved_run(path / "many.safetensors", "vae", path / "many.npz", WIDTH, steps=60, seed=1)


@pytest.fixture
def program(start, many):
    driver = start(many)
    driver.wait_for_run()
    return driver


def title(program) -> str:
    return program.window.docks["map"].status.text()


def whole(program) -> bool:
    known = program.session.encodings
    return known is not None and known.rows is None and known.step == program.steps


def drawn(program) -> None:
    """Wait until all rows are encoded and on the map."""
    program.until(lambda: whole(program))
    program.until(lambda: f"{format_number(TRAIN)} points" in title(program).split(" · "))
    program.settle()


def test_at_rest_all_rows_are_encoded_and_drawn(program):
    program.until(lambda: program.window.encoding.isVisible())
    assert program.session.encodings.rows is not None  # there is something to see meanwhile
    program.until(lambda: whole(program))
    program.until(lambda: not program.window.encoding.isVisible())
    session = program.session
    expected = session.model.encode(session.data.train.x).mean  # in one piece, which may round otherwise
    np.testing.assert_allclose(session.encodings.z, expected, atol=1e-6)
    drawn(program)
    check_colours(program)


def check_colours(program) -> None:
    """Each pixel of the picture has the mean colour of the labels of the points that fall on it."""
    picture, session = program.map.points.item.picture, program.session
    view = picture.view
    uv = session.plane.to_canvas(session.encodings.z).astype(np.float32)
    column = np.floor((uv[:, 0] - view.x0) / (view.x1 - view.x0) * view.width).astype(int)
    row = np.floor((view.y1 - uv[:, 1]) / (view.y1 - view.y0) * view.height).astype(int)
    inside = (column >= 0) & (column < view.width) & (row >= 0) & (row < view.height)
    assert inside.sum() > MOST_DOTS
    labels = session.data.train.labels
    counts = np.zeros((2, view.height, view.width))
    np.add.at(counts, (labels[inside], row[inside], column[inside]), 1)
    colours = np.array([rgb(c) for c in theme().tokens.labels[:2]], float)
    there = counts.sum(0) > 0
    mean = np.einsum("lhw,lc->hwc", counts, colours)[there] / counts.sum(0)[there][:, None]
    alpha = picture.image[there][:, 3:] / 255.0
    got = picture.image[there][:, 2::-1]
    off = np.abs(got - mean * alpha).max(1)
    assert np.mean(off > 2) < 0.001  # 32 bits may put a point on the next pixel


def test_zoomed_in_the_points_are_dots_again(program):
    drawn(program)
    z = program.session.encodings.z
    at = program.session.plane.to_canvas(z[program.session.data.train.labels == 0].mean(0)[None])[0]
    box = program.map.canvas.box
    for half in (1.0, 0.05, 0.005):
        box.setRange(xRange=(at[0] - half, at[0] + half), yRange=(at[1] - half, at[1] + half), padding=0)
        program.until(lambda: program.map.points.item.picture.view == program.map.view())
        picture, view = program.map.points.item.picture, program.map.view()
        uv = program.session.plane.to_canvas(z)
        inside = (uv > (view.x0, view.y0)).all(1) & (uv < (view.x1, view.y1)).all(1)
        shown = int(picture.detail.replace("\u202f", "").split()[0])
        assert shown == pytest.approx(inside.sum(), abs=2)
        covered = np.mean(picture.image[..., 3] > 0) * view.width * view.height
        if shown <= MOST_DOTS:
            assert covered > min(3 * shown, 0.2 * view.width * view.height)  # discs, not pixels
        else:
            assert covered <= shown
    assert 0 < shown < MOST_DOTS


def test_encoding_all_rows_can_be_cancelled(program):
    bar = program.window.encoding
    program.until(bar.isVisible)
    program.click(bar.cancel)
    assert not bar.isVisible()
    few = f"{format_number(SAMPLE)} of {format_number(TRAIN)} points"
    program.until(lambda: few in title(program))
    known = program.session.encodings
    assert len(known.z) == SAMPLE
    np.testing.assert_allclose(
        known.z, program.session.model.encode(program.session.data.train.x[known.rows]).mean, atol=1e-5
    )
    assert not program.program.exploration.busy("encode all")


def test_while_it_trains_some_rows_are_encoded_and_all_when_it_pauses(program):
    program.until(lambda: whole(program))
    program.click(program.run_panel.play)
    program.until(lambda: program.session.encodings.rows is not None)
    first = program.session.encodings.step
    program.until(lambda: program.session.encodings.step > first)
    assert len(program.session.encodings.z) == SAMPLE
    program.click(program.run_panel.play)
    program.paused()
    program.until(lambda: whole(program))


def test_hover_finds_the_nearest_of_some_rows_and_of_all(program):
    program.until(program.window.encoding.isVisible)
    program.click(program.window.encoding.cancel)
    check_nearest(program)
    program.trigger("step")
    program.until(lambda: whole(program))
    check_nearest(program)


def check_nearest(program) -> None:
    session, known = program.session, program.session.encodings
    for u, v in ((0.3, -0.2), (-0.5, 0.4)):
        at = program.hover(u, v).astype(np.float32)
        nearest = int(np.linalg.norm(known.z.astype(float) - at, axis=1).argmin())
        row = nearest if known.rows is None else known.rows[nearest]
        program.until(lambda row=row: session.subject is not None and session.subject.row == row)
        np.testing.assert_array_equal(session.subject.x, session.data.train.x[row])

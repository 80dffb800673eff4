"""Curves: what is drawn is where it should be, in its colour, and leaves the program unchanged."""

import csv
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from backends.base import InputError
from explorer.plots.curves import CurvePlot, Series
from explorer.plots.series import Points, shared_steps, thin, value_range, write_csv
from explorer.style import theme as themes
from explorer.style.theme import DARK, LIGHT, theme

STEPS = np.arange(0.0, 101.0)
UPPER, LOWER = np.full(101, -10.0), np.full(101, -20.0)


@pytest.fixture
def plot(qtbot, qapp):
    themes.apply(qapp)
    theme().set("dark")
    out = CurvePlot(placeholder="Press Train to see curves")
    qtbot.addWidget(out)
    out.resize(600, 300)
    out.set_series([Series("logp", "log p(x)", 0), Series("elbo", "ELBO", "#ff0000", width=1)])
    out.show()
    qtbot.waitExposed(out)
    yield out
    theme().set("dark")


@pytest.fixture
def filled(plot):
    plot.set_points({"logp": Points.of(STEPS, UPPER), "elbo": Points.of(STEPS, LOWER)})
    plot.grab()  # its axes take their room when they are first painted
    return plot


def pixels(widget) -> np.ndarray:
    """(h, w, 3) int, what the widget looks like."""
    QApplication.processEvents()
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGBA8888)
    array = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)
    return array[..., :3].astype(int)


def rgb(colour: str) -> np.ndarray:
    return np.array(QColor(colour).getRgb()[:3])


def near(picture: np.ndarray, at: QPoint, colour: str, reach: int = 2) -> bool:
    """Whether a pixel within ``reach`` of a place has this colour, up to antialiasing against the ground."""
    x, y = at.x(), at.y()
    ground = picture[1, -2]
    ink = rgb(colour) - ground
    patch = picture[y - reach : y + reach + 1, x - reach : x + reach + 1] - ground
    share = patch @ ink / (ink @ ink)
    rest = np.linalg.norm(patch - share[..., None] * ink, axis=2)
    return bool(((share > 0.3) & (rest < 30)).any())


# -- the arithmetic --------------------------------------------------------------------------------


@given(
    hnp.arrays(np.float64, st.integers(1, 3000), elements=st.floats(-1e6, 1e6)),
    st.integers(1, 200),
    st.floats(-10, 3010),
    st.floats(0, 3010),
)
def test_thinning_keeps_the_extremes_of_what_is_in_view(y, pixels, low, span):
    x = np.arange(len(y), dtype=float)
    tx, ty = thin(x, y, low, low + span, pixels)
    inside = (x >= low) & (x <= low + span)
    assert len(tx) <= 2 * pixels + 2
    assert (np.diff(tx) >= 0).all()
    assert set(zip(tx, ty, strict=True)) <= set(zip(x, y, strict=True))
    if inside.any():
        assert ty.min() <= y[inside].min()
        assert ty.max() >= y[inside].max()
        assert tx[0] <= x[inside][0]
        assert tx[-1] >= x[inside][-1]


def test_thinning_keeps_a_gap_and_what_is_around_it():
    y = np.sin(np.arange(1000.0))
    y[400:600] = np.nan
    y[100:104] = [np.nan, 7.0, -7.0, np.nan]
    _, ty = thin(np.arange(1000.0), y, 0, 999, 100)
    assert np.isnan(ty).any()
    assert np.nanmax(ty) == 7.0
    assert np.nanmin(ty) == -7.0


def test_the_nearest_point():
    points = Points(np.array([1.0, 2.0, 10.0]), np.zeros(3))
    assert [points.nearest(s) for s in (-5, 1.4, 1.6, 5.9, 6.1, 99)] == [0, 0, 1, 1, 2, 2]
    assert Points(np.array([3.0]), np.zeros(1)).nearest(100) == 0


def test_the_range_leaves_out_a_wild_beginning_but_not_a_normal_one():
    calm = np.linspace(-25, -18, 1000)
    assert value_range([Points(np.arange(1000.0), calm)]) == (-25.0, -18.0)
    wild = calm.copy()
    wild[:3] = -1e6
    low, high = value_range([Points(np.arange(1000.0), wild)])
    assert -33 < low < -24
    assert high == -18.0
    assert value_range([Points(), Points(np.zeros(1), np.full(1, np.nan))]) is None


def test_the_gap_is_taken_where_both_curves_run():
    upper = Points(np.array([0.0, 10.0, 20.0]), np.array([0.0, 10.0, 20.0]))
    lower = Points(np.array([5.0, 15.0]), np.array([1.0, 3.0]))
    steps, up, down = shared_steps(upper, lower)
    assert steps.tolist() == [5.0, 10.0, 15.0]
    assert up.tolist() == [5.0, 10.0, 15.0]
    assert down.tolist() == [1.0, 2.0, 3.0]
    assert len(shared_steps(upper, Points())[0]) == 0


# -- pixels ----------------------------------------------------------------------------------------


def test_a_curve_is_where_its_values_are(filled):
    picture = pixels(filled)
    for step in (20, 50, 80):
        assert near(picture, filled.position(step, -10), DARK.series[0])
        assert near(picture, filled.position(step, -20), "#ff0000")
        assert not near(picture, filled.position(step, -13), DARK.series[0])


def test_the_gap_is_shaded_between_the_curves_only_and_named(filled):
    filled.set_view_range((-1, 101), (-22, -8))
    inside, outside = filled.position(43, -17), filled.position(43, -20.4)
    plain = pixels(filled)
    filled.set_gap("logp", "elbo", "gap = KL")
    shaded = pixels(filled)
    assert (plain[inside.y(), inside.x()] != shaded[inside.y(), inside.x()]).any()
    assert (plain[outside.y(), outside.x()] == shaded[outside.y(), outside.x()]).all()
    assert "gap = KL&nbsp;10.00" in filled.legend()
    filled.toggle("elbo")
    hidden = pixels(filled)
    at = filled.position(43, -10.3)
    assert (hidden[at.y(), at.x()] == plain[outside.y(), outside.x()]).all()
    filled.toggle("elbo")
    filled.set_gap(None)
    assert (pixels(filled) == plain).all()


def test_a_band_of_standard_errors_is_shaded(filled):
    at = filled.position(47, -17)
    before = pixels(filled)[at.y(), at.x()]
    filled.set_points({"elbo": Points.of(STEPS, LOWER, LOWER - 4, LOWER + 4)})
    assert (pixels(filled)[at.y(), at.x()] != before).any()


def test_toggling_hides_a_curve_and_its_place_in_the_legend_stays(filled):
    assert filled.is_visible("elbo")
    filled.set_view_range((-1, 101), (-22, -8))
    filled.toggle("elbo")
    assert not filled.is_visible("elbo")
    assert not near(pixels(filled), filled.position(50, -20), "#ff0000")
    assert 'href="elbo"' in filled.legend()
    assert "□" in filled.legend()
    filled.toggle("elbo")
    assert near(pixels(filled), filled.position(50, -20), "#ff0000")


def test_the_theme_changes_ink_and_paper(filled):
    at = filled.position(50, -10)
    for name, tokens in (("light", LIGHT), ("dark", DARK)):
        theme().set(name)
        column = pixels(filled)[at.y() - 2 : at.y() + 3, at.x()]
        assert (column == rgb(tokens.series[0])).all(1).any()


def test_axes_are_thin_and_there_is_no_box(filled):
    picture = pixels(filled)
    (x0, x1), (y0, y1) = filled.view_range()
    corner, top_right = filled.position(x0, y0), filled.position(x1, y1)
    axis = rgb(DARK.axis)
    middle_y, middle_x = (corner.y() + top_right.y()) // 2, (corner.x() + top_right.x()) // 2
    left = picture[middle_y - 7, corner.x() - 3 : corner.x() + 3]
    assert (np.abs(left - axis).max(1) < 12).sum() == 1
    assert not near(picture, QPoint(middle_x, top_right.y() + 1), DARK.axis, 1)


def test_before_there_is_data_it_says_what_to_do(plot):
    empty = pixels(plot)
    assert len(np.unique(empty[250:].reshape(-1, 3), axis=0)) == 1  # no axes that mean nothing
    middle = empty[130:170, 150:450]
    assert len(np.unique(middle.reshape(-1, 3), axis=0)) > 3
    plot.set_points({"logp": Points.of(STEPS, UPPER)})
    assert not near(pixels(plot), QPoint(300, 280), DARK.muted, 0)


# -- what the hand does ----------------------------------------------------------------------------


def turn_wheel(plot, at: QPoint) -> None:
    viewport = plot.childAt(at)
    local = QPointF(viewport.mapFrom(plot, at))
    turn = QWheelEvent(
        local, viewport.mapToGlobal(local), QPoint(), QPoint(0, 240), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(viewport, turn)


def test_it_follows_live_data_until_the_user_zooms_and_again_after_a_double_click(filled):
    plot = filled
    plot.set_points({"logp": Points.of(np.arange(201.0), np.full(201, -10.0))})
    assert plot.view_range()[0][1] >= 200
    middle = plot.position(100, -15)
    turn_wheel(plot, middle)
    assert not plot.follows
    zoomed = plot.view_range()
    assert zoomed[0][1] - zoomed[0][0] < 200
    plot.set_points({"logp": Points.of(np.arange(401.0), np.full(401, -10.0))})
    assert plot.view_range() == zoomed
    viewport = plot.childAt(middle)
    QTest.mouseDClick(viewport, Qt.MouseButton.LeftButton, pos=viewport.mapFrom(plot, middle))
    assert plot.follows
    assert plot.view_range()[0][1] >= 400


def test_the_cursor_reads_the_nearest_step(filled, qtbot):
    heard: list[object] = []
    filled.hovered.connect(heard.append)
    at = filled.position(42, -15)
    viewport = filled.childAt(at)
    QTest.mouseMove(viewport, viewport.mapFrom(filled, at))
    QApplication.processEvents()
    assert heard[-1] == (42.0, {"logp": -10.0, "elbo": -20.0})
    label = filled.findChild(type(filled._readout), "readout")
    assert label.isVisible()
    assert "−20.00" in label.text()
    assert not label.geometry().contains(at)
    QTest.keyClick(filled, Qt.Key.Key_Right)
    assert heard[-1][0] == 43.0
    QTest.keyClick(filled, Qt.Key.Key_Left)
    QTest.keyClick(filled, Qt.Key.Key_Left)
    assert heard[-1][0] == 41.0


def test_a_legend_has_live_values_and_says_when_they_change(plot):
    heard: list[str] = []
    plot.legend_changed.connect(heard.append)
    plot.set_points({"logp": Points.of([1, 2], [-30.0, -17.974])})
    assert "log p(x)&nbsp;−17.97" in heard[-1]
    said = len(heard)
    plot.set_points({"logp": Points.of([1, 2, 3], [-30.0, -17.974, -17.974])})
    assert len(heard) == said


def test_of_a_moment_that_is_looked_back_at_the_legend_tells_what_was_known_then(plot):
    plot.set_points({"logp": Points.of([1, 5, 9], [-30.0, -20.0, -10.0])})
    for moment, told in ((5, "−20.00"), (8, "−20.00"), (4, "−30.00"), (0, "–"), (None, "−10.00")):
        plot.set_moment(moment)
        assert f"log p(x)&nbsp;{told}" in plot.legend(["logp"])


def test_values_that_differ_by_rounding_alone_need_no_wide_axis(plot):
    plot.set_points({"logp": Points.of([1], [-1.8925386107034587])})
    plot.set_points({"elbo": Points.of([1], [-1.8925386107034545])})
    low, high = plot.view_range()[1]
    assert high - low > 0.01


def test_curves_that_stay_keep_their_data_and_others_leave_the_picture(filled):
    filled.set_view_range((-1, 101), (-22, -8))
    filled.set_series([Series("logp", "log p(x)", "#00ff00")])
    picture = pixels(filled)
    assert near(picture, filled.position(50, -10), "#00ff00")
    assert not near(picture, filled.position(50, -20), "#ff0000")


def test_a_hundred_thousand_points_are_thinned_to_the_pixels(plot):
    rng = np.random.default_rng(0)
    values = rng.normal(size=100_000)
    values[50_000] = 30.0
    plot.set_points({"elbo": Points.of(np.arange(100_000), values)})
    plot.set_view_range((0, 100_000), (-6, 32))
    assert len(plot._curves["elbo"]._line.getData()[0]) < 3000
    assert near(pixels(plot), plot.position(50_000, 25), "#ff0000")
    plot.set_view_range((49_990, 50_010), (-6, 32))
    assert 20 <= len(plot._curves["elbo"]._line.getData()[0]) <= 23


@pytest.mark.parametrize(
    "values",
    [[math.nan] * 3, [math.inf, -math.inf, 1.0], [5.0, 5.0, 5.0], [1e300, -1e300, 0.0], [0.0]],
    ids=["nan", "inf", "constant", "huge", "one"],
)
def test_awkward_values_are_survived(plot, values):
    plot.set_gap("logp", "elbo", "gap")
    for key in ("logp", "elbo"):
        plot.set_points({key: Points.of(np.arange(len(values)), values, values, values)})
    pixels(plot)
    plot.fit()
    pixels(plot)


# -- taking it away --------------------------------------------------------------------------------


@given(hnp.arrays(np.float64, st.integers(0, 40), elements=st.floats(allow_nan=False)))
def test_csv_reads_back_equal(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("csv") / "curves.csv"
    steps = np.cumsum(np.ones(len(values))) * 3
    write_csv(path, {"elbo": Points(steps, values), "kl": Points(steps[::2], values[::2])})
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["step"]) for r in rows] == steps.tolist()
    assert [float(r["elbo"]) for r in rows] == values.tolist()
    assert [float(r["kl"]) for r in rows if r["kl"]] == values[::2].tolist()


def test_csv_of_the_plot_has_bands_and_whole_steps(filled, tmp_path):
    filled.set_points({"elbo": Points.of(STEPS, LOWER, LOWER - 1, LOWER + 1)})
    filled.save_csv(tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "step,logp,elbo,elbo.low,elbo.high"
    assert lines[1] == "0,-10.0,-20.0,-21.0,-19.0"
    assert len(lines) == 102


def test_svg_is_well_formed_and_vector(filled, tmp_path):
    filled.set_gap("logp", "elbo", "gap")
    filled.save_svg(tmp_path / "a.svg")
    root = ET.parse(tmp_path / "a.svg").getroot()
    tags = [element.tag.rsplit("}")[-1] for element in root.iter()]
    assert "image" not in tags
    assert tags.count("path") + tags.count("polyline") >= 3
    colours = {element.get("stroke") for element in root.iter()}
    assert {"#ff0000", DARK.series[0]} <= colours
    assert "ELBO" in "".join(root.itertext())


def test_png_and_clipboard_have_the_curves_and_the_legend(filled, tmp_path):
    filled.save_png(tmp_path / "a.png")
    image = QImage(str(tmp_path / "a.png"))
    assert image.width() == 1200
    assert image.height() > 600
    reds = sum(
        image.pixelColor(x, y).name() == "#ff0000" for x in range(0, 1200, 3) for y in range(0, 640, 1)
    )
    assert reds > 100
    filled.copy()
    assert QGuiApplication.clipboard().image().size() == image.size()


@pytest.mark.parametrize("kind", ["csv", "png", "svg"])
def test_a_place_that_cannot_be_written_is_one_sentence(filled, tmp_path, kind):
    with pytest.raises(InputError, match=r"none.a\."):
        getattr(filled, f"save_{kind}")(tmp_path / "none" / f"a.{kind}")

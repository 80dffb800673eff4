"""Cards, rows of values, pictures and messages, driven and looked at as a person would."""

import gc
import math
import weakref

import numpy as np
import pytest
import shiboken6
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QRect, Qt
from PySide6.QtGui import QAction, QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QMainWindow, QPlainTextEdit, QPushButton, QWidget

from backends.base import InputError
from explorer.style import theme as themes
from explorer.style.theme import DARK, LIGHT, theme
from explorer.widgets.card import CardDock
from explorer.widgets.image import ImageView, to_image
from explorer.widgets.messages import DetailsDialog, MessageBar
from explorer.widgets.values import LiveLabel, ValueRows, difference, format_exp, format_number, format_point


@pytest.fixture(autouse=True)
def dressed(qapp):
    themes.apply(qapp)
    theme().set("dark")
    yield
    theme().set("dark")


def shown(qtbot, widget):
    qtbot.addWidget(widget)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def pixels(image: QImage) -> np.ndarray:
    """(h, w, 4) uint8, RGBA."""
    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    return np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4).copy()


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "digits", "text"),
    [
        (-17.3149, 2, "−17.31"),
        (0.0, 2, "0.00"),
        (-0.0, 2, "0.00"),
        (4000, 2, "4\u202f000"),
        (-1234567, 0, "−1\u202f234\u202f567"),
        (1234.5, 1, "1\u202f234.5"),
        (3e-6, 2, "3.00e−06"),
        (2.5e9, 2, "2.50e+09"),
        (None, 2, "–"),
        (math.nan, 2, "–"),
        (-math.inf, 2, "−∞"),
    ],
)
def test_numbers_as_they_are_shown(x, digits, text):
    assert format_number(x, digits) == text


@given(st.floats(-1e300, 1e300), st.integers(0, 6))
def test_a_shown_number_reads_back_within_its_digits(x, digits):
    text = format_number(x, digits)
    back = float(text.replace("−", "-").replace("\u202f", ""))
    assert "-" not in text
    assert abs(back - x) <= max(0.5000001 * 10.0**-digits, 0.06 * abs(x) if "e" in text else 0)
    assert back != 0 or x == 0


# -- rows of values --------------------------------------------------------------------------------


@pytest.fixture
def rows(qtbot):
    widget = ValueRows([("elbo", "ELBO", "E[log p(x|z)] − KL"), ("kl", "KL", "")])
    widget.resize(220, 60)
    return shown(qtbot, widget)


@given(st.one_of(st.floats(-1e5, -5), st.floats(5, 1e5)))
def test_an_exponential_is_shown_however_small_or_large_it_is(log):
    text = format_exp(log).replace("−", "-").replace("\u202f", "")
    mantissa, _, exponent = text.partition("e")
    assert math.log(float(mantissa)) + int(exponent or 0) * math.log(10) == pytest.approx(log, abs=0.006)


def test_an_exponential_that_is_zero_or_infinite():
    assert (format_exp(-math.inf), format_exp(math.inf), format_exp(math.nan)) == ("0.00", "∞", "–")
    assert format_exp(0.0, 4) == "1.0000"


def test_a_difference_of_what_is_equal_but_for_rounding_is_zero_and_one_from_infinity_is_none():
    assert difference(0.1 + 0.2, 0.3) == 0.0
    assert difference(3.0, 1.0) == 2.0
    assert difference(math.inf, 1.0) == math.inf
    assert math.isnan(difference(math.inf, math.inf))


def test_rows_show_align_and_explain(rows):
    rows.set("elbo", "−17.31")
    assert rows.value("elbo") == "−17.31"
    assert rows.value("kl") == "–"
    assert any("E[log p(x|z)]" in child.toolTip() for child in rows.findChildren(QWidget))
    picture = pixels(rows.grab().toImage())
    ground = picture[0, 0]
    ink = np.argwhere((picture[: rows.height() // 2] != ground).any(2))
    assert ink[:, 1].max() >= rows.width() - 3  # the value ends at the right edge
    assert ink[:, 1].min() <= 3  # its label begins at the left one


def test_a_new_value_never_moves_anything(rows):
    before = [child.geometry() for child in rows.findChildren(QWidget)]
    for text in ("1", "−123456.78", "a text much longer than there is room for in the row", None):
        rows.set("elbo", text)
        QApplication.processEvents()
        assert [child.geometry() for child in rows.findChildren(QWidget)] == before


def test_rows_can_be_renamed_hidden_and_copied(rows):
    rows.set("elbo", "−17.31")
    rows.set_label("elbo", "ELBO (β = 1)")
    rows.set_row_visible("kl", False)
    rows.copy()
    assert QGuiApplication.clipboard().text() == "ELBO (β = 1)\t−17.31"


# -- pictures --------------------------------------------------------------------------------------


def test_an_array_becomes_the_same_grey_values():
    array = np.array([[0.0, 4.0], [8.0, 16.0]])
    grey = pixels(to_image(array, (0, 16)))[..., 0]
    assert grey.tolist() == [[0, 64], [128, 255]]
    assert pixels(to_image(array, (0, 16), inverted=True))[..., 0].tolist() == [[255, 191], [127, 0]]


def test_values_outside_and_nan_are_clipped_and_colours_are_kept():
    assert pixels(to_image(np.array([[-3.0, np.nan, 9.0]])))[..., 0].tolist() == [[0, 0, 255]]
    colour = np.zeros((2, 3, 3), np.uint8)
    colour[0, 0] = (10, 20, 30)
    assert pixels(to_image(colour, inverted=True))[0, 0].tolist() == [10, 20, 30, 255]
    rows = np.arange(24, dtype=np.uint8).reshape(2, 12)[
        :, ::2
    ]  # not contiguous, and not a multiple of 4 wide
    assert pixels(to_image(rows))[..., 0].tolist() == rows.tolist()


def test_a_picture_fills_whole_pixels_keeps_its_aspect_and_counts_paints(qtbot):
    view = ImageView()
    view.resize(203, 101)
    view.set_image(np.ones((8, 8)), tag="first")
    with qtbot.waitSignal(view.painted, check_params_cb=lambda tag: tag == "first"):
        shown(qtbot, view)
    assert view.image_rect() == QRect(51, 0, 101, 101)
    before = view.paints
    view.set_image(np.zeros((8, 8)), tag=7)
    with qtbot.waitSignal(view.painted, check_params_cb=lambda tag: tag == 7):
        view.update()
    assert view.paints > before
    picture = pixels(view.grab().toImage())
    assert (picture[:, 51:152, :3] == 0).all()
    assert not (picture[:, 50, :3] == 0).all()


def test_on_light_the_picture_is_ink_on_paper(qtbot):
    view = shown(qtbot, ImageView())
    view.resize(100, 100)
    view.set_image(np.ones((4, 4)))
    assert pixels(view.grab().toImage())[50, 50, 0] == 255
    theme().set("light")
    assert pixels(view.grab().toImage())[50, 50, 0] == 0


def test_a_picture_keeps_what_it_was_given_and_can_be_saved_and_copied(qtbot, tmp_path):
    view = shown(qtbot, ImageView())
    view.resize(64, 64)
    array = np.ones((8, 8))
    view.set_image(array)
    array[:] = 0
    theme().set("light")
    theme().set("dark")
    view.save_png(tmp_path / "a.png")
    saved = QImage(str(tmp_path / "a.png"))
    assert (saved.width(), saved.height()) == (64, 64)
    assert pixels(saved)[32, 32, 0] == 255
    view.copy()
    assert QGuiApplication.clipboard().image().size() == saved.size()
    with pytest.raises(InputError, match="could not be written"):
        view.save_png(tmp_path / "none" / "a.png")


def test_without_a_picture_it_says_what_to_do(qtbot):
    view = shown(qtbot, ImageView(placeholder="Move over the map"))
    view.resize(160, 80)
    empty = pixels(view.grab().toImage())
    assert len(np.unique(empty.reshape(-1, 4), axis=0)) > 2
    silent = shown(qtbot, ImageView())
    silent.resize(160, 80)
    assert len(np.unique(pixels(silent.grab().toImage()).reshape(-1, 4), axis=0)) == 1


# -- cards -----------------------------------------------------------------------------------------


@pytest.fixture
def card(qtbot):
    window = QMainWindow()
    window.resize(500, 300)
    dock = CardDock("run", "Run", QLabel("content"), window)
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
    window.setCentralWidget(QWidget())
    shown(qtbot, window)
    yield dock
    window.close()


@pytest.mark.parametrize("tokens", [DARK, LIGHT], ids=["dark", "light"])
def test_a_card_is_one_surface_with_cut_corners(card, tokens):
    theme().set("dark" if tokens.is_dark else "light")
    window = card.window()
    picture = window.grab().toImage()
    at = card.mapTo(window, card.rect().topLeft())
    middle = card.width() // 2
    assert picture.pixelColor(at.x(), at.y()).name() == tokens.window
    assert picture.pixelColor(at.x() + middle, at.y()).name() == tokens.border
    for y in (2, card.height() // 2, card.height() - 3):  # title bar, content, margin
        assert picture.pixelColor(at.x() + middle, at.y() + y).name() == tokens.surface


def test_a_long_status_does_not_widen_a_card(card):
    before = card.minimumSizeHint().width()
    card.set_status("a very long text, " * 20)
    assert card.minimumSizeHint().width() == before
    assert card.status.text().startswith("a very long")


def test_a_card_floats_closes_and_comes_back(card):
    QTest.mouseDClick(card.titleBarWidget(), Qt.MouseButton.LeftButton)
    assert card.isFloating()
    card.setFloating(False)
    card.close()
    assert not card.isVisible()
    card.toggleViewAction().trigger()
    assert card.isVisible()


def test_a_card_has_buttons_and_follows_its_title(card, qtbot):
    action = QAction("Fit", card)
    button = card.add_action(action)
    with qtbot.waitSignal(action.triggered):
        button.click()
    assert button.accessibleName() == "Fit"
    card.set_title("Another")
    assert "Another" in [label.text() for label in card.titleBarWidget().findChildren(QLabel)]
    card.set_title("A bound · nats")
    assert "A bound · nats" in [label.text() for label in card.titleBarWidget().findChildren(QLabel)]
    assert card.windowTitle() == "A bound"  # which a tab has


# -- messages --------------------------------------------------------------------------------------


@pytest.fixture
def bar(qtbot):
    window, head = QMainWindow(), QWidget()
    head.setFixedHeight(44)
    window.setMenuWidget(head)
    window.setCentralWidget(QWidget())
    bar = MessageBar(head, window, lambda: (100, window.width() - 200))
    shown(qtbot, window)
    yield bar
    window.close()


def button(widget, text: str) -> QPushButton:
    return next(b for b in widget.findChildren(QPushButton) if b.text() == text)


def test_messages_stack_to_three_and_the_oldest_falls_off(bar):
    assert not bar.isVisible()
    for text in ("one", "two", "three", "four"):
        bar.show_message(text, "info")
    assert bar.messages() == ["two", "three", "four"]
    bar.show_message("three")
    assert bar.messages() == ["two", "four", "three"]
    bar.clear()
    assert bar.messages() == []
    assert not bar.isVisible()


def test_a_message_lies_below_the_head_and_moves_nothing(bar):
    window = bar.window()
    window.resize(700, 400)
    QApplication.processEvents()
    before = window.centralWidget().geometry()
    bar.show_message("a sentence that is long enough to need a second line in a narrow window " * 2)
    assert window.centralWidget().geometry() == before
    assert bar.geometry().top() >= 44
    assert bar.geometry().right() < window.width()
    seen = pixels(window.grab(bar.geometry()).toImage())
    assert len(np.unique(seen.reshape(-1, 4), axis=0)) > 10  # it lies over what is there
    window.resize(500, 400)
    QApplication.processEvents()
    assert bar.geometry().right() < 500


def test_a_short_message_stands_in_the_empty_part_of_the_head_and_covers_nothing(bar):
    window = bar.window()
    window.resize(800, 400)
    bar.show_message("a run is kept", "info")
    assert (bar.geometry().left(), bar.geometry().right()) == (100, 599)
    assert bar.geometry().top() >= 0
    assert bar.geometry().bottom() < 44
    bar.show_message("and another sentence, for which there is no room in the head any more", "info")
    assert bar.geometry().top() == 44
    bar.clear()
    bar.show_message("a run is kept", "info")
    assert bar.geometry().bottom() < 44
    window.resize(690, 400)  # too narrow for a sentence
    QApplication.processEvents()
    assert bar.geometry().top() == 44


def test_a_message_can_be_dismissed(bar):
    done: list[str] = []
    bar.show_message("no such file", answered=lambda: done.append("answered"))
    bar.forget("nothing")
    assert done == []
    close = next(c for c in bar.findChildren(QWidget) if c.accessibleName() == "Dismiss this message")
    QTest.mouseClick(close, Qt.MouseButton.LeftButton)
    assert bar.messages() == []
    assert done == ["answered"]
    assert not bar.isVisible()


def test_an_action_acts_once_and_the_message_goes(bar):
    done: list[str] = []
    bar.show_message("data not found", "warning", action=("Locate…", lambda: done.append("located")))
    QTest.mouseClick(button(bar, "Locate…"), Qt.MouseButton.LeftButton)
    assert done == ["located"]
    assert bar.messages() == []


def test_what_asked_leaves_the_focus_to_nobody_whom_space_would_press(bar):
    other = QPushButton("other", bar.window().centralWidget())
    other.show()
    bar.show_message("kept", action=("Open it", lambda: None))
    QTest.mouseClick(button(bar, "Open it"), Qt.MouseButton.LeftButton)
    assert not bar.isVisible()
    assert QApplication.focusWidget() is not other


def test_details_open_and_can_be_copied(bar):
    bar.show_message("it failed", details="Traceback:\n  line 1 <b>not bold</b>")
    QTest.mouseClick(button(bar, "Details…"), Qt.MouseButton.LeftButton)
    dialog = bar.window().findChild(DetailsDialog)
    assert dialog.findChild(QPlainTextEdit).toPlainText() == "Traceback:\n  line 1 <b>not bold</b>"
    QTest.mouseClick(button(dialog, "Copy"), Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "it failed\n\nTraceback:\n  line 1 <b>not bold</b>"
    dialog.reject()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert bar.window().findChild(DetailsDialog) is None


def test_a_message_is_plain_text(bar):
    bar.show_message("<img src=x> <b>bold</b>")
    label = next(child for child in bar.findChildren(QLabel) if "bold" in child.text())
    assert label.textFormat() == Qt.TextFormat.PlainText


# -- lifetimes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [ImageView, lambda: ValueRows([("a", "A", "")]), lambda: CardDock("a", "A", QLabel())],
    ids=["image", "values", "card"],
)
def test_the_theme_keeps_no_widget_alive_and_calls_no_dead_one(qapp, make):
    widget = make()
    gone = weakref.ref(widget)
    shiboken6.delete(widget)
    del widget
    gc.collect()
    assert gone() is None
    theme().set("light")


def test_a_live_text_that_is_too_long_ends_in_dots_and_is_whole_where_there_is_room(qtbot):
    holder = QWidget()
    holder.resize(400, 40)
    label = LiveLabel(holder, Qt.AlignmentFlag.AlignRight)
    shown(qtbot, holder)
    drawn = label.findChild(QLabel)
    label.setText("log q(z), 1350 training rows")
    for width, whole in ((60, False), (300, True)):
        label.resize(width, 20)
        assert label.text() == "log q(z), 1350 training rows"
        assert (drawn.text() == label.text()) is whole
        assert drawn.text()[:3] == "log"
        assert drawn.fontMetrics().horizontalAdvance(drawn.text()) <= width
    label.setText("<b>rich</b>")
    assert drawn.text() == "<b>rich</b>"


def test_of_a_rich_text_that_is_too_long_whole_entries_are_left_out(qtbot):
    holder = QWidget()
    holder.resize(400, 40)
    label = LiveLabel(holder)
    shown(qtbot, holder)
    drawn = label.findChild(QLabel)
    text = "<b>log p(x)</b> −17.67 &nbsp; <b>ELBO</b> −19.12 &nbsp; <b>KL</b> 1.45"
    label.setText(text)
    label.resize(400, 20)
    assert drawn.text() == text
    label.resize(drawn.sizeHint().width() - 20, 20)
    assert drawn.text() == "<b>log p(x)</b> −17.67 &nbsp; <b>ELBO</b> −19.12 &nbsp; …"
    assert label.text() == text


@pytest.mark.parametrize(("z", "text"), [((0.004, -2.4149), "0.00, −2.41"), ((-0.001,), "0.00"), ((), "")])
def test_a_point_is_told_to_a_hundredth(z, text):
    assert format_point(z) == text

"""The program as a person meets it: its window, shown, with a run open."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QObject, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QCursor, QImage, QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from shiboken6 import delete, isValid

from explorer.app import Program
from explorer.style import theme as themes
from explorer.style.theme import theme
from tests.runs import saved_run

SMALL = {"width": 32, "depth": 1}  # a VAE that trains in a second


@pytest.fixture(scope="session")
def small_run(tmp_path_factory) -> Path:
    """A run on the digits with a two-dimensional latent, saved at step 120."""
    path = tmp_path_factory.mktemp("runs") / "small.safetensors"
    return saved_run(path, "vae", "digits", SMALL, steps=120, seed=3)


class Layouts(QObject):
    """Counts how often a window is laid out anew."""

    count = 0

    def eventFilter(self, _, event):
        self.count += event.type() == QEvent.Type.LayoutRequest
        return False


class Driver:
    """A Program and the hands to drive it with."""

    def __init__(self, qtbot, home: Path, path: str | None = None) -> None:
        self.qtbot, self.home = qtbot, home
        self.program = Program(home, path)
        self.session, self.window = self.program.session, self.program.window
        self.actions, self.trainer = self.program.actions, self.program.trainer
        self.map, self.run_panel = self.window.map, self.window.run
        self.said: list = []
        self.session.message.connect(self._heard)
        self.window.resize(1440, 900)  # the offscreen screen is smaller
        self.window.show()
        qtbot.waitExposed(self.window)
        self.window.activateWindow()

    def _heard(self, message) -> None:
        self.said.append(message)

    @contextmanager
    def layouts(self) -> Iterator[Layouts]:
        """How often the whole window is laid out meanwhile; what was under way before is waited for."""
        counter = Layouts()
        self.window.installEventFilter(counter)

        def quiet() -> bool:
            counter.count = 0
            QApplication.processEvents()
            return counter.count == 0

        self.settle()
        self.until(quiet)
        yield counter
        self.window.removeEventFilter(counter)

    # -- waiting ---------------------------------------------------------------------------------

    def until(self, condition, timeout: int = 20_000) -> None:
        self.qtbot.waitUntil(condition, timeout=timeout)

    def wait_for_run(self):
        self.until(lambda: self.session.model is not None)
        return self.session.run

    def settle(self) -> None:
        """Until nothing is computed any more, training apart."""
        exploration = self.program.exploration
        slots = (
            "open", "data", "hover", "mosaic", "contours", "encodings", "scattered", "map points", "datum",
            "evaluation", "samples", "path", "plane", "home",
        )  # fmt: skip
        QApplication.processEvents()
        self.until(lambda: not any(exploration.busy(slot) for slot in slots))

    def paused(self) -> None:
        """Until training has stopped and said so."""
        self.until(lambda: self.session.moment is not None and not self.session.moment.training)

    @property
    def steps(self) -> int:
        return self.session.run.steps

    # -- eyes ------------------------------------------------------------------------------------

    @staticmethod
    def pixels(widget) -> np.ndarray:
        """(h, w, 3) int: what the widget looks like in its window."""
        QApplication.processEvents()
        return grab(widget)

    def on_screen(self, widget) -> np.ndarray:
        """The same as it was painted last, piece by piece, and not painted anew for us."""
        QApplication.processEvents()
        whole = self.window.screen().grabWindow(self.window.winId()).toImage()
        return array_of(whole.copy(QRect(widget.mapTo(self.window, QPoint()), widget.size())))

    def tiled(self, wanted: np.ndarray) -> bool:
        """Whether the card of samples shows this picture, up to a grey level: which rows go through a network
        together depends on the time that they take, and their last bits on that."""
        seen = self.window.samples.tiles._pixels
        same = seen is not None and seen.shape == wanted.shape
        return same and bool(np.abs(seen - wanted.astype(float)).max() <= 1)

    # -- hands -----------------------------------------------------------------------------------

    def click(self, widget, at: QPoint | None = None) -> None:
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=at or widget.rect().center())

    def trigger(self, name: str) -> None:
        """Choose a command in the menu."""
        self.window.menus.refresh()
        action = self.window.commands[name]
        assert action.isEnabled(), name
        action.trigger()

    def type_into(self, field, text: str, end: Qt.Key = Qt.Key.Key_Return) -> None:
        """Type a text into a line edit of the form, as if for the first time."""
        field.setFocus()
        field.selectAll()
        QTest.keyClicks(field, text)
        QTest.keyClick(field, end)

    def pixel_of(self, u: float, v: float) -> QPoint:
        """The pixel of the map's viewport that shows canvas coordinates (u, v)."""
        canvas = self.map.canvas
        return canvas.mapFromScene(canvas.box.mapViewToScene(QPointF(u, v)))

    def hover(self, u: float, v: float) -> np.ndarray:
        """Move the mouse there; returns the canvas coordinates that lie under the whole pixel."""
        at = self.pixel_of(u, v)
        viewport = self.map.canvas.viewport()
        send_mouse(viewport, QEvent.Type.MouseMove, at)
        return np.array(self.map.canvas.at(QPointF(at)))

    def click_map(self, u: float, v: float) -> None:
        self.click(self.map.canvas.viewport(), self.pixel_of(u, v))

    def drag_map(self, begin: QPoint, end: QPoint, button=Qt.MouseButton.MiddleButton) -> None:
        """Until the map has moved."""
        viewport = self.map.canvas.viewport()
        send_mouse(viewport, QEvent.Type.MouseButtonPress, begin, button, button)
        view = self.map.view()

        def moved() -> bool:  # pyqtgraph lets a hundred moves a second through
            send_mouse(viewport, QEvent.Type.MouseMove, end, buttons=button)
            return self.map.view() != view

        self.until(moved)
        send_mouse(viewport, QEvent.Type.MouseButtonRelease, end, button)

    def wheel_map(self, u: float, v: float, notches: int) -> None:
        viewport = self.map.canvas.viewport()
        at = QPointF(self.pixel_of(u, v))
        event = QWheelEvent(
            at, QPointF(viewport.mapToGlobal(at)), QPoint(), QPoint(0, 120 * notches),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(viewport, event)

    def close(self) -> None:
        """Close the window, and let nothing of the program live on."""
        if not isValid(self.window):
            return
        self.window.close()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.MetaCall)
        delete(self.window)
        delete(self.program)


def send_mouse(
    widget,
    kind: QEvent.Type,
    at: QPoint,
    button=Qt.MouseButton.NoButton,
    buttons=Qt.MouseButton.NoButton,
    keys=Qt.KeyboardModifier.NoModifier,
) -> None:
    event = QMouseEvent(kind, QPointF(at), QPointF(widget.mapToGlobal(at)), button, buttons, keys)
    QApplication.sendEvent(widget, event)


def grab(widget) -> np.ndarray:
    window = widget.window()
    return array_of(window.grab(QRect(widget.mapTo(window, QPoint()), widget.size())).toImage())


def array_of(image: QImage) -> np.ndarray:
    """(h, w, 3) int."""
    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    array = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)
    return array[..., :3].astype(int)


@pytest.fixture
def start(qtbot, qapp, tmp_path):
    """Starts programs: ``start(path)``; ``start()`` opens the run that comes with the program."""
    if theme()._app is None:
        themes.apply(qapp)
    theme().set("dark")
    QCursor.setPos(0, 0)
    drivers: list[Driver] = []

    def begin(path: Path | str | None = None, home: Path | None = None) -> Driver:
        driver = Driver(qtbot, home or tmp_path / "home", None if path is None else str(path))
        drivers.append(driver)
        return driver

    yield begin
    for driver in drivers:
        driver.close()
    theme().set("dark")
    unexpected = [m for d in drivers for m in d.said if m.details]
    assert not unexpected, f"failures that no test expects: {unexpected}"


@pytest.fixture
def program(start, small_run):
    """The program with the small run open, at rest."""
    driver = start(small_run)
    driver.wait_for_run()
    driver.settle()
    return driver

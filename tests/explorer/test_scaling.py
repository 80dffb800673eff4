"""At 200 % every picture is as fine as the screen, and the hand is where it seems to be."""

import json
import os
import subprocess
import sys

import numpy as np

CHILD = """
import json, sys
from pathlib import Path
from PySide6.QtCore import QEvent, QPointF
from PySide6.QtGui import QMouseEvent
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from explorer.app import Program
from explorer.style.theme import apply

app = QApplication([])
apply(app)
program = Program(Path(sys.argv[1]), sys.argv[2])
window, session = program.window, program.session
window.resize(1280, 800)
window.show()

def wait(condition):
    while not condition():
        app.processEvents()

wait(lambda: session.encodings is not None)
canvas, layers = window.map.canvas, (window.map.field, window.map.points.item)
wait(lambda: all(p.picture is not None and p.picture.complete and p.picture.view == canvas.view()
                 for p in layers))
at = QPointF(90, 70)
canvas.setFocus()
none = Qt.MouseButton.NoButton
move = QMouseEvent(QEvent.Type.MouseMove, at, QPointF(canvas.viewport().mapToGlobal(at)), none, none,
                   Qt.KeyboardModifier.NoModifier)
app.sendEvent(canvas.viewport(), move)
wait(lambda: session.point is not None)
rect = canvas.box.sceneBoundingRect()
print(json.dumps({
    "window": [window.width(), window.height()],
    "ratio": canvas.devicePixelRatioF(),
    "room": [rect.width(), rect.height()],
    "pictures": [list(layer.picture.image.shape[1::-1]) for layer in layers],
    "under": list(canvas.at(at)),
    "point": session.plane.to_canvas(session.point[None])[0].tolist(),
    "grab": canvas.grab().width() / canvas.width(),
}), flush=True)
program.actions.close()
"""


def test_pictures_have_the_pixels_of_the_screen_and_the_point_lies_under_the_hand(small_run, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "home"), str(small_run)],
        env={**os.environ, "QT_SCALE_FACTOR": "2"}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["ratio"] == seen["grab"] == 2
    assert seen["window"] == [1280, 800]
    for picture in seen["pictures"]:
        assert picture == [round(2 * side) for side in seen["room"]]
    np.testing.assert_allclose(seen["point"], seen["under"], atol=1e-5)

"""A picture from an array, scaled smoothly onto whole pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QMenu, QSizePolicy, QWidget

from backends.base import Array, InputError
from explorer.style.theme import theme
from explorer.widgets.files import ask_save


class ImageView(QWidget):
    """Shows one array as a picture, aspect kept.

    On the light theme grey pictures are ink on paper: the high end of ``display`` is black.
    painted: emitted after each paint with the tag of the picture painted. paints: how many there were.
    """

    painted = Signal(object)

    def __init__(
        self, parent: QWidget | None = None, *, placeholder: str = "", name: str = "picture"
    ) -> None:
        super().__init__(parent)
        self.paints = 0
        self._array: Array | None = None
        self._display = (0.0, 1.0)
        self._tag: object = None
        self._image: QImage | None = None
        self._placeholder = placeholder
        self.setAccessibleName(name)
        self.setMinimumSize(32, 32)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        theme().changed.connect(self._retint)

    def set_image(
        self, array: Array | None, display: tuple[float, float] = (0.0, 1.0), tag: object = None
    ) -> None:
        """Show an array (h, w) or (h, w, 3 or 4); None shows the placeholder.

        display: the values drawn black and white; an array of uint8 is taken as it is.
        """
        self._array = None if array is None else np.array(array)
        self._display = display
        self._tag = tag
        self._image = None if self._array is None else to_image(self._array, display, self._inverted())
        self.update()

    def image_rect(self) -> QRect:
        """Where the picture lies in the widget: whole pixels, centred, as large as its aspect allows."""
        if self._image is None:
            return QRect()
        size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        return QRect(QPoint((self.width() - size.width()) // 2, (self.height() - size.height()) // 2), size)

    def picture(self) -> QImage:
        """The picture as it is on screen, at the screen's resolution; null where there is none."""
        if self._image is None:
            return QImage()
        return self._image.scaled(
            self.image_rect().size() * self.devicePixelRatio(),
            Qt.AspectRatioMode.IgnoreAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )

    def copy(self) -> None:
        """The picture to the clipboard."""
        QGuiApplication.clipboard().setImage(self.picture())

    def save_png(self, path: str | Path) -> None:
        """The picture to a file; InputError where it cannot be written."""
        if not self.picture().save(str(path), "PNG"):  # type: ignore[call-overload]
            raise InputError(f"{path}: the picture could not be written there")

    def sizeHint(self) -> QSize:
        return QSize(160, 160)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._image is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(self.image_rect(), self._image)
        else:
            painter.setPen(QColor(theme().tokens.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(8, 8, -8, -8), flags, self._placeholder)
        painter.end()
        self.paints += 1
        self.painted.emit(self._tag)

    def _inverted(self) -> bool:
        return not theme().tokens.is_dark

    def _retint(self) -> None:
        if self._array is not None:
            self._image = to_image(self._array, self._display, self._inverted())
        self.update()

    def _menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Copy picture", self.copy).setEnabled(self._image is not None)
        menu.addAction("Save picture as PNG…", self._ask_png).setEnabled(self._image is not None)
        menu.popup(self.mapToGlobal(at))

    def _ask_png(self) -> None:
        path = ask_save(self, "Save picture", f"{self.accessibleName()}.png", "PNG (*.png)")
        if path:
            self.save_png(path)


def to_image(array: Array, display: tuple[float, float] = (0.0, 1.0), inverted: bool = False) -> QImage:
    """An array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) as a QImage that owns its bytes.

    Values map from ``display`` to 0…255 (uint8 stays as it is); NaN is black. inverted: grey ones only.
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.dtype != np.uint8:
        low, high = display
        scaled = (np.asarray(array, np.float64) - low) * (255.0 / (high - low or 1.0))
        array = np.rint(np.fmin(np.fmax(scaled, 0.0), 255.0)).astype(np.uint8)  # fmax passes over NaN
    if inverted and array.ndim == 2:
        array = 255 - array
    array = np.ascontiguousarray(array)
    form = {
        1: QImage.Format.Format_Grayscale8,
        3: QImage.Format.Format_RGB888,
        4: QImage.Format.Format_RGBA8888,
    }
    channels = 1 if array.ndim == 2 else array.shape[2]
    height, width = array.shape[:2]
    return QImage(array.data, width, height, width * channels, form[channels]).copy()

"""A slider that goes where it is clicked, and one that moves by itself."""

from __future__ import annotations

from PySide6.QtCore import QAbstractAnimation, QObject, QPropertyAnimation, Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QSlider, QStyle, QStyleOptionSlider, QWidget


class Slider(QSlider):
    """Horizontal. A click anywhere on it moves it there, and it is dragged from there."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            option = QStyleOptionSlider()
            self.initStyleOption(option)
            handle = self.style().subControlRect(
                QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, self
            )
            if not handle.contains(event.position().toPoint()):
                half = handle.width() // 2
                self.setSliderPosition(
                    QStyle.sliderValueFromPosition(
                        self.minimum(),
                        self.maximum(),
                        int(event.position().x()) - half,
                        self.width() - handle.width(),
                    )
                )
        super().mousePressEvent(event)


class Motion(QObject):
    """Carries a slider from where it is to its end, or back to its beginning from there."""

    running = Signal(object)  # bool

    def __init__(self, slider: QSlider, seconds: float, parent: QObject) -> None:
        """seconds: for the whole way."""
        super().__init__(parent)
        self._slider, self._seconds = slider, seconds
        self._animation = QPropertyAnimation(slider, b"value", self)
        self._animation.stateChanged.connect(self._changed)

    def toggle(self) -> None:
        """Go, or stay."""
        if self._animation.state() == QAbstractAnimation.State.Running:
            self.stop()
            return
        low, high, at = self._slider.minimum(), self._slider.maximum(), self._slider.value()
        end = low if at == high else high
        self._animation.setStartValue(at)
        self._animation.setEndValue(end)
        self._animation.setDuration(round(1000 * self._seconds * abs(end - at) / max(high - low, 1)))
        self._animation.start()

    def stop(self) -> None:
        """Stay."""
        self._animation.stop()

    def _changed(self, new: object, _: object) -> None:
        self.running.emit(new == QAbstractAnimation.State.Running)

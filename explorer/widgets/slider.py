"""A slider that goes where it is clicked, and one that moves by itself."""

from __future__ import annotations

from PySide6.QtCore import QAbstractAnimation, QObject, QPropertyAnimation, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QStyle, QStyleOptionSlider, QWidget


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


class ValueSlider(QWidget):
    """A slider over numbers, with the number beside it. ``moved`` carries it."""

    moved = Signal(object)

    def __init__(self, low: float, high: float, step: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._step = step
        self._value = low
        self.slider = Slider(self)
        self.slider.setRange(round(low / step), round(high / step))
        self.slider.setPageStep(max(1, round((high - low) / step / 12)))
        self.number = QLabel(self)
        self.number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.number.setFixedWidth(self.number.fontMetrics().horizontalAdvance("00.00"))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.slider, 1)
        row.addWidget(self.number)
        self.setFocusProxy(self.slider)
        self.slider.valueChanged.connect(self._moved)
        self.show_value(low)

    def name(self, name: str, tip: str) -> None:
        """What a screen reader calls it, and its tooltip."""
        self.slider.setAccessibleName(name)
        self.slider.setToolTip(tip)

    def show_value(self, value: float) -> None:
        """Stand at a number, as near as the slider can, without ``moved``."""
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(value / self._step))
        self._value = value
        self.number.setText(f"{value:g}")

    def _moved(self, place: int) -> None:
        self.show_value(round(place * self._step, 9))
        self.moved.emit(self._value)


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

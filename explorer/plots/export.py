"""Pictures of a plot with its legend above it: pixels and vectors.

pyqtgraph's own SVG exporter fails on Qt ≥ 6.11; the scene paints itself into a QSvgGenerator just as well.
"""

from __future__ import annotations

from pathlib import Path

import pyqtgraph as pg
from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QTextDocument
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QGraphicsView

from backends.base import InputError
from explorer.style.theme import font, theme

_MARGIN = 12


def picture(plot: pg.PlotWidget, legend: str, scale: float = 2.0) -> QImage:
    """The plot at ``scale`` times its size on screen, its legend (rich text) above it."""
    size = _size(plot, legend)
    out = QImage(size * scale, QImage.Format.Format_RGB32)
    out.setDevicePixelRatio(scale)
    painter = QPainter(out)
    _paint(painter, plot, legend, size)
    painter.end()
    return out


def save_png(plot: pg.PlotWidget, legend: str, path: str | Path) -> None:
    """:func:`picture` to a file; InputError where it cannot be written."""
    if not picture(plot, legend).save(str(path), "PNG"):  # type: ignore[call-overload]
        raise InputError(f"{path}: the picture could not be written there")


def save_svg(plot: pg.PlotWidget, legend: str, path: str | Path) -> None:
    """The same as vectors; InputError where it cannot be written."""
    size = _size(plot, legend)
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(size)
    generator.setViewBox(QRect(QPoint(0, 0), size))
    generator.setTitle(plot.accessibleName() or "Latent Explorer")
    painter = QPainter(generator)
    _paint(painter, plot, legend, size)
    painter.end()
    buffer.close()
    try:
        Path(path).write_bytes(content.data())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def _document(plot: pg.PlotWidget, legend: str) -> QTextDocument:
    out = QTextDocument()
    out.setDefaultFont(font())
    out.setDocumentMargin(0)
    out.setHtml(legend)
    out.setTextWidth(plot.width() - 2 * _MARGIN)
    return out


def _size(plot: pg.PlotWidget, legend: str) -> QSize:
    return QSize(plot.width(), plot.height() + int(_document(plot, legend).size().height()) + 2 * _MARGIN)


def _paint(painter: QPainter, plot: pg.PlotWidget, legend: str, size: QSize) -> None:
    document = _document(plot, legend)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.fillRect(QRect(QPoint(0, 0), size), QColor(theme().tokens.surface))
    painter.save()
    painter.translate(_MARGIN, _MARGIN)
    document.drawContents(painter)
    painter.restore()
    top = document.size().height() + 2 * _MARGIN
    target = QRectF(0, top, plot.width(), size.height() - top)
    QGraphicsView.render(plot, painter, target, plot.viewport().rect(), Qt.AspectRatioMode.IgnoreAspectRatio)

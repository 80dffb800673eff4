"""A curve as a small picture."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap

from backends.base import Array
from explorer.plots.series import Points, thin, value_range

_MARGIN = 2.0  # logical pixels


def thumbnail(steps: Array, values: Array, width: int, height: int, colour: str, ratio: float) -> QPixmap:
    """Values (n,) over steps (n,), ascending, in width × height logical pixels; nothing where there is no
    range. ratio: device pixels a logical pixel."""
    out = QPixmap(round(width * ratio), round(height * ratio))
    out.setDevicePixelRatio(ratio)
    out.fill(Qt.GlobalColor.transparent)
    span = value_range([Points.of(steps, values)])
    if span is None or len(steps) < 2:
        return out
    x, y = thin(np.asarray(steps, float), np.asarray(values, float), steps[0], steps[-1], width)
    low, high = span
    across = (x - x[0]) / ((x[-1] - x[0]) or 1.0)
    up = np.clip((y - low) / ((high - low) or 1.0), 0.0, 1.0)
    seen = np.isfinite(up)
    points = [
        QPointF(_MARGIN + u * (width - 2 * _MARGIN), height - _MARGIN - v * (height - 2 * _MARGIN))
        for u, v in zip(across[seen].tolist(), up[seen].tolist(), strict=True)
    ]
    painter = QPainter(out)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(colour), 1.5))
    painter.drawPolyline(points)
    painter.end()
    return out

"""Data of one's own to look at closely: drawn, from a picture, or clicked; encoded, and held on the map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject

from backends.base import Array, DataInfo
from backends.capabilities import has_latent_points, latent_points
from backends.data import DataSet
from explorer.compute import Exploration, Failure, Priority
from explorer.planes.mosaic import resize
from explorer.session import Session, Subject

PICTURES = "Pictures (*.png *.jpg *.jpeg *.gif);;All files (*)"
ROWS = 256  # that tell whether data are bright on black
DARK = 0.25  # brightness of a border that is black, and of 1 − that of one that is white


class Inputs(QObject):
    """Makes what a hand gives the session's subject, and its encoding the session's point."""

    def __init__(
        self,
        session: Session,
        exploration: Exploration,
        fail: Callable[[Failure], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._exploration, self._fail = session, exploration, fail

    @property
    def possible(self) -> bool:
        """Whether the open model has a place for a datum in its latent space."""
        return self._session.model is not None and has_latent_points(self._session.model)

    @property
    def pictures(self) -> bool:
        """Whether that datum can be a picture."""
        model = self._session.model
        return self.possible and model is not None and model.info.image_shape is not None

    def draw(self, levels: Array) -> None:
        """Give a drawing, (h, w) from 0, paper, to 1, ink."""
        model = self._session.model
        if model is not None and self.pictures:
            info, picture = model.info, levels[None].astype(np.float32)
            self._give(lambda: as_row(resize(picture, *_shape(info))[0], info), "your drawing")

    def open(self, path: Path) -> None:
        """Give a picture; where it cannot be read, say so."""
        model, data = self._session.model, self._session.data
        if model is not None and self.pictures:
            self._give(lambda: read_row(path, model.info, data), path.name)

    def give(self, x: Array, name: str) -> None:
        """Give a datum x (d,)."""
        if self.possible:
            self._give(lambda: x, name)

    def _give(self, make: Callable[[], Array], name: str) -> None:
        model = self._session.model

        def work() -> tuple[Subject, Array]:
            x = make()
            return Subject(x, name), latent_points(model, x[None])[0]

        self._exploration.request(
            "given", Priority.HOVER, work, self._given, doing=f"encode {name}", failed=self._fail
        )

    def _given(self, found: tuple[Subject, Array]) -> None:
        subject, z = found
        if self._session.model is not None and len(z) == self._session.model.latent_dim:
            self._session.set_subject(subject)
            self._session.set_point(z)


def as_row(unit: Array, info: DataInfo) -> Array:
    """A picture (h, w) or (h, w, 3) in [0, 1], of the data's size, as a row (d,) float32 of such data."""
    assert info.image_shape is not None
    if len(info.image_shape) == 3 and unit.ndim == 2:
        unit = np.repeat(unit[..., None], info.image_shape[2], axis=2)
    low, high = info.display
    x = low + (high - low) * np.clip(unit, 0.0, 1.0)
    if info.values == "binary":
        x = np.where(unit > 0.5, high, low)
    elif info.values == "integer":
        x = np.rint(x)
    return np.ascontiguousarray(x, np.float32).ravel()


def read_row(path: Path, info: DataInfo, data: DataSet | None) -> Array:
    """The central square of a picture as a row (d,) of such data. Where those are bright on black, a picture
    with a white border is taken for ink on paper, and turned. Raises InputError for what is no picture."""
    from backends.images import read_content, square  # which is not needed to open the window

    height, width = _shape(info)
    colours = len(info.image_shape or ()) == 3 and (info.image_shape or (0,))[-1] == 3
    pixels = square(
        read_content(path, path.name), path.name, max(height, width), "rgb" if colours else "grey"
    )
    unit = pixels.astype(np.float32) / 255
    if data is not None and _brightness(data, info) < DARK and _border(unit) > 1 - DARK:
        unit = 1 - unit
    return as_row(resize(unit[None], height, width)[0], info)


def _shape(info: DataInfo) -> tuple[int, int]:
    assert info.image_shape is not None
    return info.image_shape[0], info.image_shape[1]


def _border(unit: Array) -> float:
    """Mean brightness of the outermost pixels of pictures (…, h, w) or of one (h, w, 3)."""
    if unit.ndim == 3:
        unit = unit.mean(-1)
    return float(np.concatenate([unit[0], unit[-1], unit[1:-1, 0], unit[1:-1, -1]]).mean())


def _brightness(data: DataSet, info: DataInfo) -> float:
    """That of the border of the data's mean."""
    low, high = info.display
    mean: Any = data.train.x[:ROWS].mean(0) if len(data.train) else np.zeros(info.dim)
    return _border(((mean - low) / max(high - low, 1e-12)).reshape(info.image_shape))

"""Under the cursor: the decoded picture, large, its z and prior density, and the datum nearest to it."""

from __future__ import annotations

import math

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from backends.base import Array
from backends.capabilities import Bijects, Decodes
from explorer.compute import Exploration, Priority
from explorer.pace import Pace
from explorer.plane import subscript
from explorer.planes.mosaic import normalise
from explorer.session import Session, Subject
from explorer.studies.look import RADIUS, Datum, Look, Score, label_of, looks, portrait, score
from explorer.studies.score_rows import show_score
from explorer.widgets.card import section_title
from explorer.widgets.image import ImageView
from explorer.widgets.values import ValueRows, format_exp, format_number, format_point

SHOWN_COLUMNS = 8
SHOWN_LATENTS = 2
SAID_LATENTS = 64  # in the tooltip
REST = 120  # ms without a move after which the nearest datum is evaluated

POINT_ROWS = [
    ("z", "z", "The latent point under the cursor, in the model's own coordinates."),
    ("prior", "prior density", "p(z), the density of the prior at this point."),
    (
        "within",
        f"data within {RADIUS:g}",
        f"How many of the encodings on the map (posterior means) lie within {RADIUS:g} of z.",
    ),
]
DATUM_ROWS = [
    ("label", "label", "The label that comes with this row of the data."),
    ("log_p", "log p(x)", "Log-likelihood of this datum, in nats."),
    (
        "elbo",
        "ELBO",
        "E_q[log p(x|z)] − KL(q(z|x)‖p(z)), in nats.",
    ),
    ("gap", "KL(q‖p(z|x))", "log p(x) − ELBO: how far q(z|x) is from the true posterior, in nats."),
]


class CursorPanel(QWidget):
    """Follows the session's point, at once; the nearest datum's numbers come when they are ready."""

    def __init__(self, session: Session, exploration: Exploration) -> None:
        super().__init__()
        self._session, self._exploration = session, exploration
        self._tag: object = None
        self._uncounted = False  # whether the count of the encodings near is still to come
        self._by_hand = False  # whether the hand moved last, or the model trained
        self.picture = ImageView(self, placeholder="Move the mouse over the map", name="decoded image")
        self.picture.setMinimumHeight(80)
        self.columns = ValueRows([(str(i), "", "") for i in range(SHOWN_COLUMNS)], self)
        self.point_rows = ValueRows(POINT_ROWS, self)
        self.datum_title = section_title("Nearest datum", self)
        self.original = ImageView(self, name="nearest datum")
        self.reconstruction = ImageView(self, name="its reconstruction")
        self.datum_rows = ValueRows(DATUM_ROWS, self)
        thumbs = QHBoxLayout()
        thumbs.setSpacing(8)
        for view, caption in ((self.original, "datum"), (self.reconstruction, "decode(encode(x))")):
            view.setFixedSize(72, 72)
            view.setToolTip(caption)
            thumbs.addWidget(view)
        thumbs.addStretch(1)
        self.thumbs = QWidget(self)
        self.thumbs.setLayout(thumbs)
        thumbs.setContentsMargins(0, 0, 0, 0)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.picture, 1)
        for widget in (self.columns, self.point_rows, self.datum_title, self.thumbs, self.datum_rows):
            widget.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
            layout.addWidget(widget)
        layout.addStretch(0)

        self._pace = Pace(self._request_score, interval=0.5, duty=0.05, parent=self)
        self._follow = Pace(self._request_look, interval=0.08, duty=0.25, parent=self)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(self._pace.poke)
        session.point_changed.connect(self._point_changed)
        session.subject_changed.connect(self._subject_changed)
        session.model_changed.connect(self._model_changed)
        session.run_changed.connect(self._run_changed)
        session.encodings_changed.connect(self._model_changed)
        self._run_changed(None)

    # -- the point -----------------------------------------------------------------------------

    def _run_changed(self, _: object) -> None:
        self._pace.reset()
        self._follow.reset()
        self._rest.stop()
        for slot in ("hover", "datum", "score"):
            self._exploration.cancel(slot)
        run = self._session.run
        info = run.info if run is not None else None
        image = info is None or info.image_shape is not None
        self.picture.setVisible(image)
        self.thumbs.setVisible(image)
        self.columns.setVisible(not image)
        if info is not None and not image:
            for i in range(SHOWN_COLUMNS):
                shown = i < info.dim
                name = info.columns[i] if i < len(info.columns) else f"x{subscript(i + 1)}"
                self.columns.set_row_visible(str(i), shown)
                self.columns.set_label(str(i), name)
                self.columns.set_tooltip(
                    str(i), f"E[{name} | z], the decoder's mean ± its standard deviation."
                )
        self.datum_rows.set_label("log_p", "log p(x)")  # by which estimator is not known yet
        for key in ("elbo", "gap"):  # a flow has no bound, and its posterior is a point
            self.datum_rows.set_row_visible(key, not isinstance(self._session.model, Bijects))
        self._clear()

    def _clear(self) -> None:
        self.picture.set_image(None)
        for key, *_ in POINT_ROWS:
            self.point_rows.set(key, None)
        self._clear_datum()

    def _clear_datum(self) -> None:
        self.original.set_image(None)
        self.reconstruction.set_image(None)
        for key, *_ in DATUM_ROWS:
            self.datum_rows.set(key, None)

    def _model_changed(self, _: object) -> None:
        self._follow.poke()  # the hand is followed at once, training a dozen times a second
        if self._session.subject is not None and not self._rest.isActive():
            self._pace.poke()

    def _point_changed(self, z: Array | None) -> None:
        if z is None:
            self._clear()
            return
        if self._rest.isActive():
            self._rest.start()
        self._request_look()

    def _request_look(self) -> bool:
        model, encodings, z = self._session.model, self._session.encodings, self._session.point
        if not isinstance(model, Decodes) or z is None or len(z) != model.latent_dim:
            return False
        tag = self._session.point_tag
        self._exploration.request(
            "hover",
            Priority.HOVER,
            lambda: looks(model, z, encodings, tag),
            self._show,
            doing="decode the point",
            ended=self._follow.done,
            overtaken=True,
        )
        return True

    def _show(self, seen: Look) -> None:
        run = self._session.run
        if run is None:
            return
        if run.info.image_shape is not None:
            image = None if seen.mean is None else normalise(seen.mean[None], run.info)[0]
            self.picture.set_image(image, (0.0, 1.0), tag=seen.tag)
        else:
            for i in range(min(run.info.dim, SHOWN_COLUMNS)):
                spread = "" if seen.std is None else f" ± {format_number(float(seen.std[i]), 2)}"
                mean = None if seen.mean is None else format_number(float(seen.mean[i]), 3) + spread
                self.columns.set(str(i), mean)
        few = seen.z[:SHOWN_LATENTS]
        self.point_rows.set("z", format_point(few, ",  ") + (" …" if len(seen.z) > len(few) else ""))
        self.point_rows.set_tooltip("z", f"{POINT_ROWS[0][2]}\n({format_point(seen.z[:SAID_LATENTS])})")
        log_prior = seen.log_prior
        digits = 2 if log_prior is None or log_prior < math.log(1e-3) else 4
        self.point_rows.set("prior", None if log_prior is None else format_exp(log_prior, digits))
        if not seen.counting or self._uncounted:  # a count of a move before is not left standing
            self.point_rows.set("within", None if seen.within is None else format_number(seen.within))
        self._uncounted = seen.counting
        self._by_hand, self._tag = seen.tag != self._tag, seen.tag
        self._find_subject(seen.nearest)

    # -- the nearest datum, or one that was given --------------------------------------------------

    def _find_subject(self, row: int | None) -> None:
        now, encodings, data = self._session.subject, self._session.encodings, self._session.data
        if (now is not None and now.given) or encodings is None or data is None or row is None:
            return
        if now is None or (now.row, now.split) != (row, encodings.split):
            split, run = data.split(encodings.split), self._session.run
            assert run is not None
            label = label_of(split, row, run.info.label_names)
            self._session.set_subject(Subject(split.x[row], label, row, encodings.split))

    def _subject_changed(self, subject: Subject | None) -> None:
        """Its picture at once; its numbers, which take a while, when the hand rests. Where another datum has
        become the nearest because the model trains, they wait for their turn."""
        self._clear_datum()
        given = subject is not None and subject.given
        self.datum_title.setText("Your input" if given else "Nearest datum")
        self.datum_rows.set_label("label", "from" if given else "label")
        if subject is None:
            self._request_look()  # which datum is the nearest
        if self._by_hand or given:
            self._exploration.cancel("score")
            self._pace.reset()
        if self._request_portrait():
            self._rest.start()

    def _request_portrait(self) -> bool:
        model, subject = self._session.model, self._session.subject
        if subject is None:
            return False
        self._exploration.request(
            "datum",
            Priority.FIELD,
            lambda: portrait(model, subject.x),
            self._show_datum,
            doing="reconstruct the datum",
        )
        return True

    def _request_score(self) -> bool:
        model, subject = self._session.model, self._session.subject
        if subject is None:
            return False
        self._request_portrait()  # by the same model as the numbers
        self._exploration.request(
            "score",
            Priority.EVALUATION,
            lambda: score(model, subject.x, subject.row or 0),
            self._show_score,
            doing="evaluate the datum",
            ended=self._pace.done,
        )
        return True

    def _show_datum(self, datum: Datum) -> None:
        run, subject = self._session.run, self._session.subject
        if run is None or subject is None:
            return
        if run.info.image_shape is not None:
            self.original.set_image(normalise(datum.x[None], run.info)[0])
            if datum.reconstruction is not None:
                self.reconstruction.set_image(normalise(datum.reconstruction[None], run.info)[0])
        self.datum_rows.set("label", subject.name or None)

    def _show_score(self, scored: Score) -> None:
        subject = self._session.subject
        if subject is None or scored.x is not subject.x:  # another has become the nearest meanwhile
            return
        show_score(self.datum_rows, {key: tip for key, _, tip in DATUM_ROWS}, scored)

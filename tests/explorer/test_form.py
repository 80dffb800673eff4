"""A form: what is typed is exactly what is used, and what is wrong says so."""

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QFileDialog, QLineEdit

from backends.base import InputError
from backends.parameters import Parameter
from backends.registry import find_kind
from explorer.style import theme
from explorer.widgets.form import Choice, ParameterForm

PARAMETERS = (
    Parameter("latent_dim", "int", 2, "Dimension of z", minimum=1, maximum=512),
    Parameter("rate", "float", 1e-3, "Step size of Adam", minimum=0, open_minimum=True, live=True),
    Parameter("shift", "float", 0.0, "Any number"),
    Parameter("decoder", "choice", "bernoulli", "p(x|z)", choices=("bernoulli", "gaussian")),
    Parameter("learned", "bool", False, "Learn the variance"),
)

ONE_FORM = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80
)


@pytest.fixture
def form(qtbot, qapp):
    theme.apply(qapp)
    out = ParameterForm(PARAMETERS)
    qtbot.addWidget(out)
    out.show()
    qtbot.waitExposed(out)
    return out


@pytest.fixture
def heard(form):
    """Everything the form said."""
    out: list[object] = []
    form.changed.connect(out.append)
    return out


def type_in(form, name: str, text: str) -> None:
    field = form.fields[name]
    field.selectAll()
    QTest.keyClicks(field, text)
    QTest.keyClick(field, Qt.Key.Key_Return)


def test_it_shows_the_defaults_and_a_field_of_the_right_kind(form):
    assert form.values() == {
        "latent_dim": 2, "rate": 1e-3, "shift": 0.0, "decoder": "bernoulli", "learned": False,
    }  # fmt: skip
    kinds = [type(field).__mro__ for field in form.fields.values()]
    for mro, kind in zip(kinds, (QLineEdit, QLineEdit, QLineEdit, QComboBox, QCheckBox), strict=True):
        assert kind in mro
    for parameter in PARAMETERS:
        assert parameter.doc in form.fields[parameter.name].toolTip()
        assert parameter.range_text() in form.fields[parameter.name].toolTip()
        assert form.fields[parameter.name].accessibleName() == parameter.title


def test_three_millionths_stay_three_millionths(form, heard):
    type_in(form, "rate", "3e-6")
    assert form.values()["rate"] == 3e-6
    assert heard == [("rate", 3e-6)]


@ONE_FORM
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives_typing_bit_for_bit(form, value):
    form.fields["shift"].setText(repr(value))
    assert form.commit()
    got = form.values()["shift"]
    assert got == value
    assert math.copysign(1, got) == math.copysign(1, value)


@ONE_FORM
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives_being_shown_and_committed_again(form, value):
    form.set_values({"shift": value})
    assert form.commit()
    assert repr(form.values()["shift"]) == repr(value)


@ONE_FORM
@given(text=st.text(max_size=12))
def test_any_text_is_either_a_number_that_python_reads_or_an_error(form, text):
    form.set_values({"shift": 0.5})
    form.fields["shift"].setText(text)
    shown = form.fields["shift"].text()
    ok = form.commit()
    try:
        expected = float(shown.strip().replace("−", "-"))
        valid = math.isfinite(expected)
    except ValueError:
        valid = False
    assert ok == valid
    assert form.values()["shift"] == (expected if valid else 0.5)
    assert len(form.invalid()) == (0 if valid else 1)


@ONE_FORM
@given(value=st.integers(-3, 700))
def test_whole_numbers_keep_their_range(form, value):
    form.set_values({"latent_dim": 7})
    form.fields["latent_dim"].setText(str(value))
    assert form.commit() == (1 <= value <= 512)
    assert form.values()["latent_dim"] == (value if 1 <= value <= 512 else 7)


def test_what_is_wrong_is_kept_marked_and_explained_until_mended(form, heard):
    field = form.fields["rate"]
    type_in(form, "rate", "abc")
    assert field.text() == "abc"
    assert form.values()["rate"] == 1e-3
    assert form.invalid() == ["rate: 'abc' is not a number"]
    assert "rate: 'abc' is not a number" in field.toolTip()
    danger = theme.theme().tokens.danger
    assert field.grab().toImage().pixelColor(field.width() // 2, 0).name() == danger
    type_in(form, "rate", "0")
    assert form.invalid() == ["rate: 0.0 is outside > 0"]
    type_in(form, "rate", "0.01")
    assert form.invalid() == []
    assert field.grab().toImage().pixelColor(field.width() // 2, 0).name() != danger
    assert heard == [("rate", 0.01)]


def test_escape_brings_the_last_good_value_back(form, heard):
    field = form.fields["rate"]
    type_in(form, "rate", "0.25")
    field.selectAll()
    QTest.keyClicks(field, "nonsense")
    QTest.keyClick(field, Qt.Key.Key_Escape)
    assert field.text() == "0.25"
    assert form.invalid() == []
    assert heard == [("rate", 0.25)]


def test_leaving_the_field_commits_and_the_same_value_is_not_news(form, heard):
    field = form.fields["latent_dim"]
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "8")
    QTest.keyClick(field, Qt.Key.Key_Tab)
    assert heard == [("latent_dim", 8)]
    type_in(form, "latent_dim", "8")
    assert heard == [("latent_dim", 8)]


def test_choices_and_check_boxes_commit_at_once(form, heard):
    QTest.keyClick(form.fields["decoder"], Qt.Key.Key_Down)
    form.fields["learned"].click()
    assert heard == [("decoder", "gaussian"), ("learned", True)]
    assert form.values()["decoder"] == "gaussian"


def test_set_values_says_nothing_and_takes_all_or_none(form, heard):
    form.set_values({"rate": 3e-6, "decoder": "gaussian", "learned": True})
    assert form.values()["rate"] == 3e-6
    assert form.fields["rate"].text() == "3e-06"
    with pytest.raises(InputError, match="latent_dim: 0 is outside"):
        form.set_values({"rate": 1.0, "latent_dim": 0})
    assert form.values()["rate"] == 3e-6
    assert heard == []


def test_an_error_goes_when_a_value_is_set_from_outside(form):
    type_in(form, "rate", "abc")
    form.set_values({"rate": 0.5})
    assert form.invalid() == []
    assert form.fields["rate"].text() == "0.5"


def test_the_wheel_over_a_choice_without_focus_changes_nothing(form, heard):
    combo = form.fields["decoder"]
    form.fields["rate"].setFocus()
    middle = QPointF(combo.rect().center())
    turn = QWheelEvent(
        middle, combo.mapToGlobal(middle), QPoint(), QPoint(0, -120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(combo, turn)
    assert heard == []
    assert combo.currentData() == "bernoulli"


@pytest.mark.qt_log_ignore("This plugin does not support")  # popups, offscreen
def test_the_list_of_a_narrow_choice_is_read_whole(qtbot):
    combo = Choice()
    qtbot.addWidget(combo)
    combo.addItems(["Coin", "A normal of unknown mean and width"])
    combo.resize(90, 28)
    combo.show()
    combo.showPopup()
    wanted = combo.view().fontMetrics().horizontalAdvance(combo.itemText(1))
    assert combo.view().viewport().width() > wanted > combo.width()
    combo.hidePopup()


def test_a_choice_too_long_for_its_room_ends_in_an_ellipsis(qtbot):
    def looks(text: str) -> object:
        combo = Choice()
        qtbot.addWidget(combo)
        combo.addItem(text)
        combo.resize(130, 28)
        return combo.grab().toImage()

    assert looks("Variational autoencoder, one way") == looks("Variational autoencoder, the other")
    assert looks("Variational") != looks("Variational autoencoder")


@pytest.fixture
def init(qtbot):
    form = ParameterForm([p for p in find_kind("gmm")[1].parameters if p.name == "init"])
    qtbot.addWidget(form)
    return form


def test_a_choice_made_by_hand_is_an_entry_while_it_holds(init):
    field = init.fields["init"]
    entries = [field.itemText(i) for i in range(field.count())]
    init.set_values({"init": "[[0, 1], [2, 3]]"})
    assert field.currentText() == "By hand"
    assert init.values()["init"] == field.currentData()
    init.set_values({"init": "random-points"})
    assert [field.itemText(i) for i in range(field.count())] == entries


def choose_file(field, monkeypatch, path):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *args, **kwargs: (str(path), ""))
    field.setCurrentIndex(field.count() - 1)


def test_a_choice_can_come_from_a_file(init, monkeypatch, tmp_path):
    field, told = init.fields["init"], []
    init.changed.connect(told.append)
    path = tmp_path / "means.csv"
    path.write_text("0,1\n2,3.5\n")
    choose_file(field, monkeypatch, path)
    assert field.currentText() == "By hand"
    ((name, value),) = told
    assert (name, json.loads(value)["means"]) == ("init", [[0, 1], [2, 3.5]])


def test_a_bad_file_or_none_leaves_the_choice_as_it_was(init, monkeypatch, tmp_path):
    field, told = init.fields["init"], []
    init.changed.connect(told.append)
    choose_file(field, monkeypatch, "")
    assert (field.currentText(), told, init.invalid()) == ("K-means++", [], [])
    path = tmp_path / "ragged.csv"
    path.write_text("0,1\n2\n")
    choose_file(field, monkeypatch, path)
    assert (field.currentText(), told) == ("K-means++", [])
    (sentence,) = init.invalid()
    assert "ragged.csv" in sentence


def test_what_means_nothing_beside_the_other_values_is_hidden(qtbot):
    form = ParameterForm(
        [
            Parameter("prior", "choice", "normal", "p(z).", choices=("normal", "mixture", "vampprior")),
            Parameter("k", "int", 16, "Components.", minimum=1, when=("prior", ("mixture", "vampprior"))),
        ]
    )
    qtbot.addWidget(form)
    form.show()
    prior, k = form.fields["prior"], form.fields["k"]
    assert not k.isVisible()
    prior.setCurrentIndex(prior.findText("VampPrior"))
    assert k.isVisible()
    form.set_values({"prior": "normal"})
    assert not k.isVisible()
    form.set_values({"prior": "mixture"})
    assert k.isVisible()
    form.set_row_visible("k", False)
    assert not k.isVisible()
    assert form.values() == {"prior": "mixture", "k": 16}

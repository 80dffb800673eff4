"""Hyper-parameters: what is typed is what is used, and what cannot be used is named."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.base import InputError
from backends.parameters import Custom, Parameter, check_live, parse_settings, resolve
from backends.registry import installed

RATE = Parameter("rate", "float", 1e-3, "Step size.", minimum=0, maximum=1, open_minimum=True, live=True)
WIDTH = Parameter("width", "int", 64, "Units.", minimum=1, maximum=8192)
ANY = Parameter("any", "float", 0.0, "Any number.")
FLAG = Parameter("flag", "bool", False, "Yes or no.")
SHAPE = Parameter("shape", "choice", "full", "Covariance.", choices=("full", "diagonal"))
ALL = (RATE, WIDTH, ANY, FLAG, SHAPE)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_float_is_typed_back_exactly(value):
    back = ANY.parse(ANY.format(value))
    assert math.copysign(1, back) == math.copysign(1, value)
    assert back == value


@given(st.floats(min_value=0, max_value=1, exclude_min=True))
def test_any_float_in_range_is_used_as_it_is(value):
    assert RATE.parse(repr(value)) == RATE.check(value) == value


@given(st.integers(min_value=1, max_value=8192))
def test_any_whole_number_is_typed_back_exactly(value):
    assert WIDTH.parse(WIDTH.format(value)) == value


@given(st.text(max_size=12), st.sampled_from(ALL))
def test_whatever_is_typed_is_a_value_in_range_or_a_sentence(text, parameter):
    try:
        value = parameter.parse(text)
    except InputError as error:
        sentence = str(error)
    else:
        sentence = f"{parameter.name}: taken"
        assert parameter.check(value) == value
        assert type(value) is {"int": int, "float": float, "bool": bool, "choice": str}[parameter.type]
    assert sentence.startswith(f"{parameter.name}: ")


@pytest.mark.parametrize(
    ("parameter", "text", "value"),
    [
        (RATE, "3e-6", 3e-6),
        (RATE, " 0.1 ", 0.1),
        (RATE, "1", 1.0),
        (ANY, "−2.5", -2.5),  # a typographic minus, as the program itself shows it
        (WIDTH, "12", 12),
        (FLAG, "Yes", True),
        (FLAG, "off", False),
        (SHAPE, "diagonal", "diagonal"),
    ],
)
def test_what_a_person_types(parameter, text, value):
    assert parameter.parse(text) == value
    assert type(parameter.parse(text)) is type(value)


@pytest.mark.parametrize(
    ("parameter", "text", "sentence"),
    [
        (RATE, "0", "rate: 0.0 is outside (0, 1]"),
        (RATE, "1.5", "rate: 1.5 is outside (0, 1]"),
        (RATE, "nan", "rate: nan is not finite"),
        (RATE, "fast", "rate: 'fast' is not a number"),
        (RATE, "", "rate: '' is not a number"),
        (WIDTH, "2.5", "width: '2.5' is not a whole number"),
        (WIDTH, "9" * 400, "width: inf is not finite"),
        (WIDTH, "0", "width: 0 is outside [1, 8192]"),
        (FLAG, "maybe", "flag: 'maybe' is neither true nor false"),
        (SHAPE, "round", "shape: 'round' is not one of full, diagonal"),
    ],
)
def test_what_cannot_be_used_is_named(parameter, text, sentence):
    with pytest.raises(InputError) as error:
        parameter.parse(text)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (WIDTH, True), (WIDTH, 2.5), (WIDTH, math.inf), (WIDTH, "64"), (RATE, None), (RATE, math.nan),
        (FLAG, 1), (SHAPE, 3), (ANY, -math.inf),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(parameter, value):
    with pytest.raises(InputError, match=f"^{parameter.name}: "):
        parameter.check(value)


def test_a_whole_float_is_a_whole_number():
    assert WIDTH.check(64.0) == 64
    assert type(WIDTH.check(64.0)) is int


def test_a_declaration_that_contradicts_itself_is_refused():
    with pytest.raises(InputError, match="outside"):
        Parameter("rate", "float", 2.0, "Step size.", maximum=1)
    with pytest.raises(ValueError, match="unknown parameter type"):
        Parameter("rate", "decimal", 2.0, "Step size.")


def test_a_title_is_made_from_the_name():
    assert Parameter("batch_size", "int", 3, "Rows.").title == "Batch size"


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({}, "any"),
        ({"minimum": 0}, "≥ 0"),
        ({"minimum": 0, "open_minimum": True}, "> 0"),
        ({"maximum": 5}, "≤ 5"),
        ({"minimum": 0, "maximum": 5}, "[0, 5]"),
    ],
)
def test_the_range_in_words(limits, text):
    assert Parameter("x", "float", 1.0, "A number.", **limits).range_text() == text


def test_resolving_fills_in_defaults_in_declared_order():
    values = resolve(ALL, {"width": 8, "rate": 3e-6})
    assert list(values.items()) == [
        ("rate", 3e-6), ("width", 8), ("any", 0.0), ("flag", False), ("shape", "full")
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"^there is no parameter 'widht'; there are rate, width, "):
        resolve(ALL, {"widht": 8})


def test_settings_of_the_command_line():
    assert parse_settings(ALL, ["rate=3e-6", "shape=diagonal"]) == {"rate": 3e-6, "shape": "diagonal"}
    with pytest.raises(InputError, match="'rate' is not of the form key=value"):
        parse_settings(ALL, ["rate"])
    with pytest.raises(InputError, match="there is no parameter 'rat'"):
        parse_settings(ALL, ["rat=1"])


def test_only_live_parameters_change_during_a_run():
    assert check_live(ALL, "rate", 0.5) == 0.5
    with pytest.raises(InputError, match=r"^width cannot change during a run; rate can$"):
        check_live(ALL, "width", 8)
    with pytest.raises(InputError, match="nothing can"):
        check_live((WIDTH,), "width", 8)
    with pytest.raises(InputError, match="outside"):
        check_live(ALL, "rate", 2.0)


def test_json_says_all_that_is_declared():
    assert RATE.json() == {
        "name": "rate", "title": "Rate", "type": "float", "default": 1e-3, "minimum": 0, "maximum": 1,
        "live": True, "doc": "Step size.",
    }  # fmt: skip


# -- a choice with a form of its own ------------------------------------------------------------------


def _sorted_list(text):
    if "?" in text:
        raise InputError("there is a question mark")
    return "[" + ",".join(sorted(text.strip(" []").split(","))) + "]"


ORDER = Parameter(
    "order", "choice", "random", "Which comes first.", choices=("random", "given"),
    custom=Custom("order", "a list", _sorted_list, lambda path: path.read_text()),
)  # fmt: skip


def test_a_choice_may_be_text_in_a_form_of_its_own():
    assert ORDER.parse("given") == ORDER.check("given") == "given"
    assert ORDER.parse(" [b,a]") == ORDER.check("[b,a]") == "[a,b]"
    assert ORDER.parse(ORDER.format("[a,b]")) == "[a,b]"
    assert resolve((ORDER,), {"order": "[b,a]"}) == {"order": "[a,b]"}
    assert ORDER.range_text() == "random, given, or a list"
    assert ORDER.json()["custom"] == "order"
    assert "custom" not in SHAPE.json()
    with pytest.raises(InputError, match=r"^order: there is a question mark$"):
        ORDER.check("[?]")
    with pytest.raises(InputError, match=r"^order: 'a,b' is not one of random, given, or a list$"):
        ORDER.check("a,b")
    with pytest.raises(InputError, match=r"^shape: '\[a\]' is not one of full, diagonal$"):
        SHAPE.parse("[a]")


def test_where_a_file_is_typed_the_value_is_what_it_holds(tmp_path):
    path = tmp_path / "given.txt"
    path.write_text("[b,a]")
    assert ORDER.parse(str(path)) == "[a,b]"
    path.write_text("[?]")
    with pytest.raises(InputError, match=r"^order: there is a question mark$"):
        ORDER.parse(str(path))
    with pytest.raises(InputError, match=r"^order: there is no file '.*other.txt'$"):
        ORDER.parse(str(tmp_path / "other.txt"))
    with pytest.raises(InputError, match="is not one of"):  # a value is never a path
        ORDER.check(str(path))


@pytest.mark.parametrize("kind", [k for b in installed().backends for k in b.kinds], ids=lambda k: k.name)
def test_a_parameter_waits_for_values_that_there_are(kind):
    by_name = {p.name: p for p in kind.parameters}
    for parameter in kind.parameters:
        if parameter.when is not None:
            choice, values = parameter.when
            assert values
            assert set(values) < set(by_name[choice].choices)
            assert parameter.counts({choice: values[0]})
            assert not parameter.counts({choice: "something else"})
            assert parameter.json()["when"] == {choice: list(values)}

"""Data in one line of text: what is written is read again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.data import open_data
from backends.run import Run
from backends.sources import Choices, parse, text_of

choices = st.builds(
    Choices,
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.none() | st.integers(4, 512),
    st.none() | st.sampled_from(["grey", "rgb"]),
)


@given(chosen=choices, path=st.sampled_from(["a.csv", "/x y/b,c", "C:\\data\\faces", "a:b/f", "100%.csv"]))
def test_every_choice_comes_back(chosen, path):
    source = {"file": path, "label_column": chosen.label, "size": chosen.size, "colour": chosen.colour}
    assert parse(text_of(source)) == (path, chosen)


@pytest.mark.parametrize(
    "text", ["shapes:500", "two-gaussians@2:100", "C:\\a.csv", "a.csv", "a:label", "a:sizes=3"]
)
def test_what_is_no_choice_is_a_path(text):
    assert parse(text) == (text, Choices())


def test_a_path_that_is_there_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "a.csv:label=b"
    (tmp_path / name).write_text("x")
    assert parse(name) == (name, Choices())


def test_a_column_is_chosen_in_the_text_and_the_run_remembers_it(tmp_path):
    path = tmp_path / "iris.csv"
    rows = (f"{i + 0.25},{['setosa', 'virginica'][i % 2]},{i % 3}" for i in range(40))
    path.write_text("length,species,site\n" + "\n".join(rows))
    data = open_data(f"{path}:label=species")
    assert data.info.label_names == ("setosa", "virginica")
    assert data.info.columns == ("length", "site")
    assert text_of(data.info.source) == f"{path}:label=species"
    Run.start("gmm", data, {"components": 2}).save(tmp_path / "run.safetensors")
    again = Run.open(tmp_path / "run.safetensors")
    assert again.notes == ()
    np.testing.assert_array_equal(again.data.train.labels, data.train.labels)


def test_no_labels_can_be_chosen_too(tmp_path):
    (tmp_path / "a.csv").write_text("a,label\n" + "\n".join(f"{i},{i % 2}" for i in range(20)))
    assert open_data(tmp_path / "a.csv").info.columns == ("a",)
    data = open_data(f"{tmp_path / 'a.csv'}:label=")
    assert data.info.columns == ("a", "label")
    assert data.train.labels is None
    assert open_data(text_of(data.info.source)).info == data.info
    np.savez(tmp_path / "a.npz", x=np.eye(6), y=np.arange(6) % 2)
    assert open_data(tmp_path / "a.npz").info.label_names == ("0", "1")
    assert open_data(f"{tmp_path / 'a.npz'}:label=").info.label_names == ()

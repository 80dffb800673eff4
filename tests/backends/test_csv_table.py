"""CSV: what is good comes back equal, what is bad is named with its line."""

import pytest

from backends.base import InputError, finish
from backends.csv_table import read_csv
from backends.files import read_table
from tests.backends.tables import sentence, table


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("header", [True, False])
def test_csv_dialects(write, delimiter, end, header):
    rows = [["length", "width"]] * header + [["1.5", "-2e3"], [" 3", '"4"']]
    text = "\ufeff" + end.join(delimiter.join(row) for row in rows) + end + end
    read = table(write("a.csv", text))
    assert read.x.tolist() == [[1.5, -2000], [3, 4]]
    assert read.columns == (("length", "width") if header else ())


@pytest.mark.parametrize(
    ("text", "label_column"),
    [
        ("a,b,Class\n1,2.5,sun\n3,4,moon\n5,6,sun\n", None),
        ("label,0,1\nsun,1,2.5\nmoon,3,4\nsun,5,6\n", None),
        ("a,kind,b\n1,sun,2.5\n3,moon,4\n5,sun,6\n", "kind"),
        ("1;2.5;sun\n3;4;moon\n5;6;sun\n", "3"),
    ],
)
def test_csv_labels(write, text, label_column):
    read = table(write("a.csv", text), label_column)
    assert read.x.tolist() == [[1, 2.5], [3, 4], [5, 6]]
    assert read.label_names == ("moon", "sun")
    assert read.labels.tolist() == [1, 0, 1]
    assert len(read.columns) in (0, 2)


def test_whole_numbers_as_labels_are_in_their_order(write):
    read = table(write("a.csv", "a,y\n0.5,10\n1,2\n2,10.0\n"))
    assert read.label_names == ("2", "10")
    assert read.labels.tolist() == [1, 0, 1]


def test_a_header_written_by_numpy_is_one(write):
    assert table(write("a.txt", "# u,v\n1,2\n")).columns == ("u", "v")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2\n3,4,5\n", "line 2: 3 columns"),
        ("a,b\n\n1,2\n3\n", "line 4: 1 column, where"),
        ("a,b,c\n1,2\n", "line 2: 2 columns, where the first has 3"),
        ("1,2\n3,nan\n", "line 2, column 2: nan is not finite"),
        ("a,b\n1,2\n-inf,4\n", "line 3, column 'a': -inf is not finite"),
        ("1,2\n1e300,4\n", "line 2, column 1: 1e300"),
        ("1,2\n3,\n", "line 2, column 2: the cell is empty"),
        ("1,2\n3,four\n", "line 2, column 2: 'four' is not a number; where it holds labels, choose label=2"),
        ("1,2O\n3,4\n", "line 1, column 2: '2O' is not a number"),
        ("1,1_000\n", "'1_000' is not a number"),
        ("a,b\n", "has a header and no rows"),
        ("\n\n", "is empty"),
        ("", "is empty"),
        ("label\n1\n", "column of labels and no other"),
        ("a,label\n1,x\n2,\n", "line 3, column 'label': the cell is empty"),
        (b"1,2\n3,\xff\n", "line 2: not readable as text"),
        (b"\xff\xfe1\x00", "line 1: not readable as text"),
        ("a,label\n" + "".join(f"1,c{i}\n" for i in range(257)), "257 different entries"),
    ],
)
def test_bad_csv(write, text, said):
    assert said in sentence(write("bad.csv", text))


def test_a_line_without_an_end_is_a_sentence_and_is_not_read(tmp_path):
    path = tmp_path / "endless.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n1,")
        file.truncate(2**33)  # zeros, which take no room on the disk
    with (
        path.open("rb") as file,
        pytest.raises(InputError, match=r"endless\.csv, line 2 has more than 4 MiB"),
    ):
        finish(read_csv(file, path.name, None))


def test_a_quote_that_never_ends_is_named(tmp_path):
    path = tmp_path / "quote.csv"
    path.write_text('a,b\n1,2\n3,"4\n' + "5,6\n" * 200_000)
    with pytest.raises(InputError, match=r"quote\.csv, line \d+: not readable as text"):
        read_table(path)

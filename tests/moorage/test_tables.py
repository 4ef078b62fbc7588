import pandas as pd
import pytest

from moorage import tables
from moorage.errors import Refused


@pytest.fixture
def file(tmp_path):
    def write(content, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_table_is_read_with_its_header_trimmed(file):
    frame = tables.read(file("a, b ,c\n1,x,\n2,y,3\n"))
    assert list(frame.columns) == ["a", "b", "c"] and frame["c"].isna().sum() == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [("", "empty-file"), ("a;b\n1;2\n", "not-csv"), ("a,b\n1,2,3,4\n5\n1,2,3,4,5,6\n", "not-csv"), (b"\xff\xfe\x00\x00\x01", "not-csv"), ("a,b\n", "too-few-rows")],
)
def test_what_is_no_table_says_why(file, content, code):
    with pytest.raises(Refused) as refused:
        tables.read(file(content))
    assert refused.value.code == code and refused.value.hint


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(Refused, match="no such file"):
        tables.read(tmp_path / "none.csv")


def test_a_target_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(Refused, match="a, b"):
        tables.check_target(pd.DataFrame({"a": [1], "b": [2]}), "price")


@pytest.mark.parametrize(
    ("values", "task"),
    [(range(100), "regression"), ([1, 2, 3] * 30, "classification"), (["x", "y"], "classification"), ([True, False] * 40, "classification"), ([0.5, None] * 30, "classification"),
     ([i / 7 for i in range(50)], "regression")],
)
def test_the_task_is_guessed_from_the_target(values, task):
    assert tables.task_of(list(values)) == task


def test_labels_must_be_somewhere(file):
    with pytest.raises(Refused, match="empty in every row"):
        tables.read_labelled(file("a,price\n1,\n2,\n"), "price")

import io

import numpy as np
import pytest

import specs
from marketplace.errors import Refused
from marketplace.jobs import labelled

FRAME = {"area": [50.0, 80.0, 120.0, 60.0], "town": ["Bonn", "Kiel", "Bonn", "Kiel"]}
SPACE = specs.Space.from_table(FRAME, name="homes")
KIND = {"kind": "classes", "target": "kind", "classes": ["flat", "house"]}
PRICE = {"kind": "value", "target": "price", "unit": "EUR"}


def read(text, output=KIND, target=None):
    data = text if isinstance(text, bytes) else text.encode()
    return labelled.read(io.BytesIO(data), space=SPACE, output=output, target=target or output["target"])


def test_rows_become_columns_and_labels():
    columns, labels = read("kind,area,town,note\nflat,50,Bonn,x\nhouse,,Kiel,y\n")
    assert columns["area"].tolist()[0] == 50.0
    assert np.isnan(columns["area"][1])
    assert columns["town"].tolist() == ["Bonn", "Kiel"]
    assert labels.tolist() == ["flat", "house"]
    assert SPACE.encode(columns).shape == (2, SPACE.d)


def test_rows_without_a_label_are_left_out():
    columns, labels = read("price,area,town\n100,50,Bonn\n,60,Kiel\n300,70,Kiel\n", PRICE)
    assert labels.tolist() == [100.0, 300.0]
    assert columns["area"].tolist() == [50.0, 70.0]


def test_the_column_of_labels_may_have_another_name():
    _, labels = read("Art,area,town\nflat,50,Bonn\nhouse,60,Kiel\n", target="Art")
    assert labels.tolist() == ["flat", "house"]


def test_whole_number_classes_survive_pandas():
    output = {"kind": "classes", "target": "grade", "classes": ["0", "1"]}
    _, labels = read("grade,area,town\n0.0,50,Bonn\n1.0,60,Kiel\n", output)
    assert labels.tolist() == ["0", "1"]


def test_a_byte_order_mark_is_no_part_of_a_name():
    _, labels = read(b"\xef\xbb\xbfkind,area,town\nflat,50,Bonn\nhouse,60,Kiel\n")
    assert len(labels) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("kind,area\nflat,50\nhouse,60\n", "missing: 'town'"),
        ("area,town\n50,Bonn\n", "must have the column 'kind'"),
        ("kind;area;town\nflat;50;Bonn\n", "must have the column 'kind'"),
        ("kind,area,town\n", "0 of 0"),
        ("kind,area,town\nflat,50,Bonn\n", "1 of 1"),
        ("kind,area,town\n,50,Bonn\n,60,Kiel\n", "0 of 2"),
        ("kind,area,town\nflat,50,Bonn\nflat,60,Kiel\n", "at least 2 classes"),
        ("kind,area,town\nflat,50,Bonn\ncastle,60,Kiel\n", "got 'castle'"),
        ("kind,area,town\nflat,large,Bonn\nhouse,60,Kiel\n", "line 2 has 'large'"),
        ("kind,area,town\nflat,inf,Bonn\nhouse,60,Kiel\n", "line 2 is infinite"),
        ("kind,area,town\nflat,,Bonn\nhouse,,Kiel\n", "Column 'area' must have values"),
        ("kind,area,town\nflat,50\nhouse,60,Kiel\n", "line 2 has 2"),
        ("kind,kind,area,town\nflat,flat,50,Bonn\n", "more than once"),
        (b"kind,area,town\nfl\xe4t,50,Bonn\n", "UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "UTF-8"),
        (b"PK\x03\x04\x00\x00", "must"),
        ('kind,area,town\n"flat,50,Bonn\n', "can not be read"),
        ("kind,area,town\n" + "x" * 200_000 + ",1,2\n", "can not be read"),
    ],
)
def test_what_is_wrong_is_said(text, said):
    with pytest.raises(Refused) as refused:
        read(text)
    assert said in refused.value.message
    assert refused.value.hint


def test_a_price_must_be_a_number():
    with pytest.raises(Refused, match="must hold numbers"):
        read("price,area,town\ncheap,50,Bonn\n200,60,Kiel\n", PRICE)


def test_rows_without_labels_need_no_target():
    columns = labelled.read_rows(io.BytesIO(b"area,town,note\n50,Bonn,x\n60,Kiel,y\n"), space=SPACE)
    assert columns["area"].tolist() == [50, 60] and set(columns) == {"area", "town"}


def test_one_row_without_a_label_is_too_few():
    with pytest.raises(Refused, match="at least 2 rows"):
        labelled.read_rows(io.BytesIO(b"area,town\n50,Bonn\n"), space=SPACE)

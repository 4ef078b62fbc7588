"""A model's answers as JSON and as a table beside the rows that were sent."""

import csv
import io

import numpy as np
import pytest

from marketplace.jobs import answers
from marketplace.jobs.labelled import Table

CLASSES = {"kind": "classes", "target": "kind", "classes": ["flat", "house", "hut"]}
PRICE = {"kind": "value", "target": "price", "unit": "EUR"}
P = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])


def read(data):
    return list(csv.reader(io.StringIO(data.decode())))


def test_classes_come_with_their_probabilities():
    found = answers.first(CLASSES, P, {"area": np.array([1.0, np.nan])}, 20)
    assert found["labels"] == ["house", "flat"] and found["probabilities"] == P.tolist() and found["rows"] == {"area": [1.0, None]}
    assert found["likeliest"][0] == [["house", 0.5], ["hut", 0.3], ["flat", 0.2]]


def test_values_come_with_their_unit():
    found = answers.first(PRICE, np.array([1.5, 2.5]), {"area": np.array([1.0, 2.0])}, 1)
    assert (found["values"], found["unit"], found["rows"]) == ([1.5], "EUR", {"area": [1.0]})


def test_of_many_classes_only_the_likeliest_are_told():
    random = np.random.default_rng(0)
    many = {"kind": "classes", "target": "kind", "classes": [str(i) for i in range(200)]}
    found = answers.first(many, random.dirichlet(np.ones(200), size=2), {"a": np.zeros(2)}, 20)
    assert found["probabilities"] is None and [len(row) for row in found["likeliest"]] == [5, 5]


def test_every_cell_stays_as_it_was_written():
    table = Table({}, ["id", "note", "area"], [["007", 'a "b", c', "1.50"], ["8", "", "2"]])
    found = read(answers.csv(PRICE, np.array([0.1, 2.0]), table))
    assert found == [["id", "note", "area", "predicted_price"], ["007", 'a "b", c', "1.50", "0.1"], ["8", "", "2", "2.0"]]


def test_answers_of_before_give_way_to_new_ones():
    table = Table({}, ["area", "predicted_kind", "probability_hut"], [["1", "old", "9"], ["2", "old", "9"]])
    found = read(answers.csv(CLASSES, P, table))
    assert found[0] == ["area", "predicted_kind", "probability_flat", "probability_house", "probability_hut"]
    assert [float(x) for x in found[1][2:]] == pytest.approx([0.2, 0.5, 0.3]) and found[2][:2] == ["2", "flat"]
